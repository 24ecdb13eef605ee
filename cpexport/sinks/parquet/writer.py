"""Writes one Parquet file, in row groups of useful size."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyarrow import parquet

from cpexport.cellprofiler.features import INTEGER, REAL, TEXT

FULL: Final = 1 << 22
"""Values in a row group: 32 megabytes of real numbers, 6,400 rows of 650 columns."""


def is_small(values: int) -> bool:
    """Whether a file of so many values is merged with others: it would make a row group too small
    to be read fast."""
    return values < FULL // 4


class ParquetWriter:
    """A new file. The first row group makes it; it is complete once it is closed.

    Row groups are compressed. A file that fills none can be `light`: written in the fastest way, as
    it is soon merged with others. `numbers` names the columns of image set numbers; `first` and
    `last` are the lowest and highest of these, 0 without rows.

    Raises:
        OSError: the disk is full.
    """

    def __init__(self, path: Path, schema: pa.Schema, numbers: Sequence[str] = ()) -> None:
        self.path, self.schema = path, schema
        self.rows = self.first = self.last = 0
        self.light = False
        self._numbers = numbers
        self._waiting: list[pa.RecordBatch] = []
        self._values = 0
        self._file: Any = None

    def write(self, rows: pa.RecordBatch) -> None:
        """Appends rows, columns by name; missing columns become null."""
        self._waiting.append(rows if rows.schema.equals(self.schema) else self._fitted(rows))
        self.rows += rows.num_rows
        self._values += rows.num_rows * len(self.schema)
        for name in self._numbers:
            self._span(rows[name].drop_null().to_numpy())
        if self._values >= FULL:
            self._group()

    def close(self, *, light: bool = False) -> None:
        """Writes the remaining rows; `light` allows the file to be light if it fills no row
        group."""
        if self._waiting or self._file is None:
            self.light = light and self._file is None
            self._group()
        self._file.close()
        self._file = None

    def abandon(self) -> None:
        """Closes a file that is not wanted any more."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _fitted(self, rows: pa.RecordBatch) -> pa.RecordBatch:
        given = dict(zip(rows.schema.names, rows.columns, strict=True))
        arrays = [
            given[name] if name in given else pa.nulls(rows.num_rows, self.schema.field(name).type)
            for name in self.schema.names
        ]
        return pa.RecordBatch.from_arrays(arrays, schema=self.schema)

    def _span(self, numbers: npt.NDArray[np.int64]) -> None:
        if len(numbers):
            self.first = min(self.first or int(numbers.min()), int(numbers.min()))
            self.last = max(self.last, int(numbers.max()))

    def _group(self) -> None:
        if self._file is None:
            settings = _LIGHT if self.light else _settings(self.schema)
            # Arrow's own copy of the schema adds nothing for these types, and a few percent of
            # size.
            self._file = parquet.ParquetWriter(
                self.path, self.schema, store_schema=False, **settings
            )
        rows = pa.Table.from_batches(self._waiting, self.schema)
        self._file.write_table(rows, row_group_size=max(1, rows.num_rows))
        self._waiting, self._values = [], 0


_LIGHT: Final = {"compression": "none", "use_dictionary": False, "write_statistics": False}


def _settings(schema: pa.Schema) -> dict[str, Any]:
    """Settings for small files at a good speed: bytes of real numbers split, texts stored once."""
    return {
        "compression": "zstd",
        "compression_level": 1,
        "use_dictionary": [f.name for f in schema if f.type in (INTEGER, TEXT)],
        "use_byte_stream_split": [f.name for f in schema if f.type == REAL],
    }
