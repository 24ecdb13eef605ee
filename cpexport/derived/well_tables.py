"""Computes the rows of the Per_Well tables, one well at a time, and lays them out in tables."""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import sqlalchemy as sa

from cpexport.cellprofiler.column_names import column_names
from cpexport.cellprofiler.column_order import is_aggregate, objects_of
from cpexport.cellprofiler.features import (
    IMAGE,
    IMAGE_NUMBER,
    INTEGER,
    NUMBER,
    OBJECT,
    REAL,
    TABLE_NUMBER,
)
from cpexport.errors import SinkError
from cpexport.imagesets import ImageSets
from cpexport.sinks.base import Sink
from cpexport.sinks.sql import schema
from cpexport.tables.aggregates import Floats, numbers, reduced
from cpexport.tables.layout import Column, Layout
from cpexport.tables.options import AGGREGATES

TABLE_WORDS: Final = {"mean": "avg", "median": "median", "std": "std"}
"""CellProfiler's words for the kinds of tables, as in `Per_Well_avg`."""

Key = tuple[Any, ...]
"""The run's number, if runs are numbered, then the plate, if there is one, then the well."""

# 32 MB of float64. All columns of a well with some thousand objects are read at once.
_VALUES = 1 << 22

# CellProfiler's statements leave these out too, although Per_Image has them.
_LEFT_OUT: Final = "ExecutionTime_"


@dataclass(frozen=True)
class WellTables:
    """The tables to compute, one for each kind, and the columns that they are computed from.

    kinds: keys of `AGGREGATES`.
    groups: the columns of plate and well, as far as there are any.
    runs: whether the run's number comes first.
    columns: by object type, images last.
    """

    kinds: tuple[str, ...]
    groups: tuple[Column, ...]
    runs: bool
    columns: Mapping[str, tuple[Column, ...]]


def columns_of_wells(layout: Layout) -> Mapping[str, tuple[Column, ...]]:
    """The numeric columns by object type: objects in order of name, then images."""
    objects = layout.objects - {IMAGE}
    types = objects | set(objects_of(layout.features.get(OBJECT, ())))
    return {
        name: tuple(
            column
            for column in layout.columns
            if column.object == name
            and column.type in (INTEGER, REAL)
            and column.feature != IMAGE_NUMBER
            and not column.feature.startswith(_LEFT_OUT)
            and (name, column.feature) != (OBJECT, NUMBER)
            and not (name == IMAGE and is_aggregate(column.feature, types))
        )
        for name in [*sorted(objects), IMAGE]
    }


def well_rows(sink: Sink, tables: WellTables) -> Iterator[tuple[Key, Floats]]:
    """Yields each well's key and values: one row per kind, one column per column of the tables.
    About `_VALUES` values are in memory at once, and at least one column of the well."""
    wells: dict[Key, list[int]] = {}
    features = [column.feature for column in tables.groups]
    for batch in sink.read(IMAGE, features):
        for row in batch.to_pylist():
            runs = (row[TABLE_NUMBER],) if tables.runs else ()
            key = (*runs, *(row[feature] for feature in features))
            wells.setdefault(key, []).append(row[IMAGE_NUMBER])
    # NULL comes first, as in SQL.
    for key in sorted(wells, key=lambda key: [(value is not None, value) for value in key]):
        yield key, _reduced(sink, tables, ImageSets.of(wells[key]))


def _held(sink: Sink, values: Floats) -> Floats:
    """Values as the destination stores them: sums of the largest numbers are infinite."""
    return values if sink.capabilities.infinities else np.where(np.isinf(values), np.nan, values)


def _reduced(sink: Sink, tables: WellTables, image_sets: ImageSets) -> Floats:
    """The values of a well, with a row for each kind."""
    objects = {name: _keys(sink, name, image_sets) for name in tables.columns if name != IMAGE}
    images = pa.Table.from_batches(sink.read(IMAGE, [], image_sets))[IMAGE_NUMBER].to_numpy()
    # As in CellProfiler's statement, an image counts once for each object number.
    places = np.arange(len(images))
    if objects:
        rows = np.unique(np.concatenate([*objects.values()]), axis=0)[:, 0]
        places = np.searchsorted(images, rows)
    parts = [np.empty((len(tables.kinds), 0))]
    for name, columns in tables.columns.items():
        rows_of_type = len(objects[name]) if name in objects else len(places)
        step = max(1, _VALUES // max(1, rows_of_type))
        for start in range(0, len(columns), step):
            values = _read(sink, name, columns[start : start + step], image_sets)
            if name == IMAGE:
                values = values[:, places]
            parts.append(np.stack([reduced(values, AGGREGATES[kind]) for kind in tables.kinds]))
    return _held(sink, np.concatenate(parts, axis=1))


def _keys(sink: Sink, name: str, image_sets: ImageSets) -> npt.NDArray[np.int64]:
    """Image set and number of each object."""
    rows = pa.Table.from_batches(sink.read(name, [], image_sets))
    return np.stack([rows[IMAGE_NUMBER].to_numpy(), rows[NUMBER].to_numpy()], axis=1)


def _read(sink: Sink, name: str, columns: Sequence[Column], image_sets: ImageSets) -> Floats:
    """The values of some columns, each as a row."""
    features = [column.feature for column in columns if column.feature != NUMBER]
    rows = pa.Table.from_batches(sink.read(name, features, image_sets))
    return np.stack([numbers(rows[column.feature].combine_chunks()) for column in columns])


class WellRows:
    """The rows of all wells: their keys, and their values in a temporary file, as a screen can have
    tens of thousands of wells with thousands of columns."""

    def __init__(self, tables: WellTables, file: IO[bytes]) -> None:
        self.tables, self.keys = tables, list[Key]()
        self._columns = sum(map(len, tables.columns.values()))
        self._file = file

    def add(self, key: Key, values: Floats) -> None:
        """Adds a well.

        Raises:
            SinkError: the temporary file cannot be written.
        """
        try:
            self._file.write(np.ascontiguousarray(values, np.float64).tobytes())
            self._file.flush()
        except OSError as error:
            raise SinkError(
                tempfile.gettempdir(),
                f"temporary files cannot be written: {error.strerror}",
                "free some space, or set TMPDIR to another folder",
            ) from error
        self.keys.append(key)

    def values(self, kind: str) -> Floats:
        """The values of one kind: a row for each well."""
        shape = len(self.keys), len(self.tables.kinds), self._columns
        if 0 in shape:
            return np.empty((shape[0], self._columns))
        return np.memmap(self._file, np.float64, "r", shape=shape)[:, self.tables.kinds.index(kind)]


def well_tables(wells: WellRows, prefix: str, width: int) -> Iterator[tuple[sa.Table, pa.Table]]:
    """Yields the declared tables, or parts of them, with their data; each has plate and well."""
    tables = wells.tables
    groups = [(column.name, column.type) for column in tables.groups]
    runs = [(TABLE_NUMBER, INTEGER)] if tables.runs else []
    keys = {
        name: pa.array([key[place] for key in wells.keys], type)
        for place, (name, type) in enumerate([*runs, *groups])
    }
    columns = [column.name for some in tables.columns.values() for column in some]
    room = width - len(keys)
    for kind in tables.kinds:
        begin = TABLE_WORDS[kind]
        full = [f"{begin}_{name}" for name in columns]
        names = column_names(full, taken={name: name for name in keys})
        values = wells.values(kind)
        for part, start in enumerate(range(0, max(len(full), 1), room), start=1):
            chosen = {
                names[name]: pa.array(values[:, start + place], from_pandas=True)
                for place, name in enumerate(full[start : start + room])
            }
            rows = pa.table(
                {name: keys[name] for name, _ in runs}
                | chosen
                | {name: keys[name] for name, _ in groups}
            )
            name = f"{prefix}Per_Well_{begin}" + (f"_part{part}" if part > 1 else "")
            fields = [sa.Column(f.name, schema.sql_type(f.type)) for f in rows.schema]
            yield sa.Table(name, sa.MetaData(), *fields), rows
