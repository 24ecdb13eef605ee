"""Makes tables with thousands of columns."""

from pathlib import Path


def widen(folder: Path, file: str, columns: int) -> dict[str, float]:
    """Adds measured columns to a CSV file until it has `columns` in all; returns their values."""
    path = folder / file
    header, *lines = path.read_text().splitlines()
    have = header.count(",") + 1
    new = {f"Texture_Wide_{number:04}": number + 0.125 for number in range(columns - have)}
    header += "".join(f",{name}" for name in new)
    lines = [line + "".join(f",{value}" for value in new.values()) for line in lines]
    path.write_bytes("".join(f"{line}\r\n" for line in [header, *lines]).encode())
    return new
