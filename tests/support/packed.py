"""Compresses the tables of jobs with gzip, as people do to save space."""

import gzip
from pathlib import Path


def compress(folder: Path) -> None:
    """Puts Image.csv.gz in the place of Image.csv, and so on, at any depth."""
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() == ".csv":
            packed = path.with_name(f"{path.name}.gz")
            packed.write_bytes(gzip.compress(path.read_bytes(), 1))
            path.unlink()


def uncompress(folder: Path) -> None:
    """Does the opposite."""
    for path in sorted(folder.rglob("*.gz")):
        path.with_suffix("").write_bytes(gzip.decompress(path.read_bytes()))
        path.unlink()
