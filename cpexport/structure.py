"""Prints the names and types in outputs, but none of their values, for a bug report to cpexport.

python -m cpexport.structure FILE_OR_FOLDER...
"""

import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import h5py

_LONGEST = 20_000


def structure(path: Path) -> Iterator[str]:
    """Yields one line for each name in a file, or in every file of a folder."""
    if path.is_dir():
        for below in sorted(path.iterdir()):
            if below.is_file():
                yield from structure(below)
        return
    yield f"{path} ({path.stat().st_size} bytes)"
    with path.open("rb") as file:
        start = file.read(_LONGEST)
    try:
        if h5py.is_hdf5(path):
            yield from _hdf5(path)
        elif start.startswith(b"SQLite format 3"):
            yield from _sqlite(path)
        elif path.suffix.lower() in (".csv", ".tsv", ".txt"):
            yield f"  {start.splitlines()[:1]!r}"
    except Exception as error:
        yield f"  {type(error).__name__}: {error}"


def _hdf5(path: Path) -> Iterator[str]:
    lines: list[str] = []

    def note(name: bytes, info: h5py.h5l.LinkInfo) -> None:
        text = name.decode("utf-8", "replace")
        if info.type != h5py.h5l.TYPE_HARD:
            lines.append(f"  {text}: link of type {info.type}")
            return
        item = h5py.h5o.open(file.id, name)
        if isinstance(item, h5py.h5d.DatasetID):
            lines.append(f"  {text}: {item.dtype!r} {item.shape}")

    with h5py.File(path, "r") as file:
        file.id.links.visit(note, info=True)
    yield from lines


def _sqlite(path: Path) -> Iterator[str]:
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as database:
        for (statement,) in database.execute("SELECT sql FROM sqlite_master WHERE sql NOT NULL"):
            yield f"  {statement}"


if __name__ == "__main__":
    for word in sys.argv[1:]:
        for line in structure(Path(word)):
            print(line)
