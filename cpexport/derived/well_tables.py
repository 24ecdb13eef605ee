"""Computes the rows of the Per_Well tables, one well at a time, and lays them out in tables."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
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
from cpexport.imagesets import ImageSets
from cpexport.sinks.base import Sink
from cpexport.sinks.sql import schema
from cpexport.tables.aggregates import Floats, numbers, reduced
from cpexport.tables.layout import Column, Layout
from cpexport.tables.options import AGGREGATES

TABLE_WORDS: Final = {"mean": "avg", "median": "median", "std": "std"}
"""CellProfiler's words for the kinds of tables, as in `Per_Well_avg`."""

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


def well_rows(sink: Sink, tables: WellTables) -> Iterator[dict[str, Any]]:
    """For each well of a run, its `key` (run, plate, well), and for each kind the values of all
    columns."""
    wells: dict[tuple[Any, ...], list[int]] = {}
    features = [column.feature for column in tables.groups]
    for batch in sink.read(IMAGE, features):
        for row in batch.to_pylist():
            runs = (row[TABLE_NUMBER],) if tables.runs else ()
            key = (*runs, *(row[feature] for feature in features))
            wells.setdefault(key, []).append(row[IMAGE_NUMBER])
    # NULL comes first, as in SQL.
    for key in sorted(wells, key=lambda key: [(value is not None, value) for value in key]):
        values = _values(sink, tables, ImageSets.of(wells[key]))
        yield {"key": key} | {
            kind: _held(sink, np.concatenate([reduced(part, AGGREGATES[kind]) for part in values]))
            for kind in tables.kinds
        }


def _held(sink: Sink, values: Floats) -> Floats:
    """Values as the destination stores them: sums of the largest numbers are infinite."""
    return values if sink.capabilities.infinities else np.where(np.isinf(values), np.nan, values)


def _values(sink: Sink, tables: WellTables, image_sets: ImageSets) -> list[Floats]:
    """All values of a well, an array for each object type: each of its rows is a column of the
    table."""
    values, pairs = [], []
    objects = [name for name in tables.columns if name != IMAGE]
    for name in objects:
        part = _read(sink, name, tables.columns[name], image_sets)
        values.append(_stacked(part, tables.columns[name]))
        keys = np.stack([part[IMAGE_NUMBER].to_numpy(), part[NUMBER].to_numpy()], axis=1)
        pairs.append(keys)
    images = _read(sink, IMAGE, tables.columns[IMAGE], image_sets)
    numbers_of_images = images[IMAGE_NUMBER].to_numpy()
    if objects:
        rows = np.unique(np.concatenate(pairs), axis=0)[:, 0]
        places = np.searchsorted(numbers_of_images, rows)
    else:
        places = np.arange(len(numbers_of_images))
    values.append(_stacked(images, tables.columns[IMAGE])[:, places])
    return values


def _read(sink: Sink, name: str, columns: tuple[Column, ...], image_sets: ImageSets) -> pa.Table:
    features = [column.feature for column in columns if column.feature != NUMBER]
    return pa.Table.from_batches(sink.read(name, features, image_sets))


def _stacked(part: pa.Table, columns: tuple[Column, ...]) -> Floats:
    if not columns:
        return np.empty((0, part.num_rows))
    return np.stack([numbers(part[column.feature].combine_chunks()) for column in columns])


def well_tables(
    asked_for: WellTables, wells: list[dict[str, Any]], prefix: str, width: int
) -> list[tuple[sa.Table, pa.Table]]:
    """The declared tables, or parts of them, with their data; each has plate and well."""
    groups = [(column.name, column.type) for column in asked_for.groups]
    runs = [(TABLE_NUMBER, INTEGER)] if asked_for.runs else []
    keys = {
        name: pa.array([row["key"][place] for row in wells], type)
        for place, (name, type) in enumerate([*runs, *groups])
    }
    columns = [column.name for some in asked_for.columns.values() for column in some]
    room = width - len(keys)
    made = []
    for kind in asked_for.kinds:
        begin = TABLE_WORDS[kind]
        full = [f"{begin}_{name}" for name in columns]
        names = column_names(full, taken={name: name for name in keys})
        values = np.stack([row[kind] for row in wells]) if wells else np.empty((0, len(full)))
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
            made.append((sa.Table(name, sa.MetaData(), *fields), rows))
    return made
