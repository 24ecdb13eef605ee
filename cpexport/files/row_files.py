"""Writes rows into one file for other programs: CSV, Excel or Parquet; whole or not at all."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Protocol

import pyarrow as pa

from cpexport.errors import UsageError
from cpexport.files.xlsx import Workbook
from cpexport.spelling import closest, suggest

ENDINGS: Final = (".csv", ".xlsx", ".parquet")
_PART: Final = ".part"


class RowFile(Protocol):
    """A file that takes rows, always with the same columns."""

    def write(self, rows: pa.RecordBatch) -> None:
        """Adds rows."""


def check_writable(path: Path, *, overwrite: bool) -> None:
    """Checks that a file of rows can be written.

    Raises:
        UsageError: its ending is none of `ENDINGS`, it is a folder, it exists, or its folder does
            not.
    """
    ending = path.suffix.lower()
    if ending not in ENDINGS:
        message = f"--out {path}: its name must end in {', '.join(ENDINGS)}"
        raise UsageError(suggest(message, closest(ending, ENDINGS) if ending else None))
    if path.is_dir():
        raise UsageError(f"--out {path}: is a folder; name a file")
    if not path.parent.is_dir():
        raise UsageError(f"--out {path}: the folder {path.parent} does not exist; make it first")
    if path.exists() and not overwrite:
        raise UsageError(f"--out {path}: exists; name another file, or add --overwrite")


@contextmanager
def row_file(path: Path, name: str, schema: pa.Schema) -> Iterator[RowFile]:
    """Opens a file for rows with these columns; `name` is that of the table. An error leaves what
    was there before.

    Raises:
        UsageError: an Excel sheet cannot hold the table.
        OSError: the file cannot be written.
    """
    part = path.with_name(path.name + _PART)
    try:
        with _KINDS[path.suffix.lower()](part, name, schema) as file:
            yield file
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def _csv(path: Path, name: str, schema: pa.Schema) -> Iterator[RowFile]:
    from pyarrow import csv

    # Texts are quoted where they must be; an empty text then differs from a missing value.
    options = csv.WriteOptions(quoting_style="needed")
    with csv.CSVWriter(str(path), schema, write_options=options) as writer:
        yield writer


@contextmanager
def _parquet(path: Path, name: str, schema: pa.Schema) -> Iterator[RowFile]:
    from pyarrow import parquet

    with parquet.ParquetWriter(path, schema, compression="zstd") as writer:
        yield writer


class _Excel:
    def __init__(self, book: Workbook) -> None:
        self._book = book

    def write(self, rows: pa.RecordBatch) -> None:
        columns: list[list[Any]] = [column.to_pylist() for column in rows.columns]
        self._book.write(zip(*columns, strict=True))


@contextmanager
def _xlsx(path: Path, name: str, schema: pa.Schema) -> Iterator[RowFile]:
    with Workbook(path, name, schema.names) as book:
        yield _Excel(book)


_KINDS: Final = {".csv": _csv, ".parquet": _parquet, ".xlsx": _xlsx}
