"""Splits the outputs of real jobs into outputs of single image sets, for `fake_cellprofiler.py`."""

import csv
from collections.abc import Iterable, Iterator
from pathlib import Path


def per_image_set(case_folder: Path, into: Path) -> None:
    """Splits `outputs/batch_F_L` of a case into folders `1`, `2`, ..., with unchanged rows.

    An image set without rows in a file gets the header, as its own job would write. Files that are
    not about image sets go into every folder.
    """
    for batch in sorted((case_folder / "outputs").glob("batch_*_*")):
        _, first, last = batch.name.split("_")
        folders = {str(number): into / str(number) for number in range(int(first), int(last) + 1)}
        for folder in folders.values():
            folder.mkdir(parents=True)
        for file in batch.glob("*.csv"):
            # This encoding changes no byte, whatever the real encoding is.
            with file.open(newline="", encoding="latin-1") as opened:
                header, *records = _records(opened)
            names = next(csv.reader([header]))
            parts = dict.fromkeys(folders, header)
            if "ImageNumber" in names:
                index = names.index("ImageNumber")
                for record in records:
                    parts[next(csv.reader([record]))[index]] += record
            else:
                parts = dict.fromkeys(folders, "".join([header, *records]))
            for number, text in parts.items():
                (folders[number] / file.name).write_bytes(text.encode("latin-1"))


def _records(lines: Iterable[str]) -> Iterator[str]:
    """The rows of a CSV file with their newlines; a row continues while a quoted field is open."""
    record = ""
    for line in lines:
        record += line
        if record.count('"') % 2 == 0:
            yield record
            record = ""
