"""Reads tables of a destination as pandas frames; implements `cpexport.read`."""

import os
from collections.abc import Iterable, Mapping, Sequence

import pandas as pd
import pyarrow as pa

from cpexport.api.arguments import FilePath
from cpexport.cellprofiler.features import (
    IMAGE,
    INTEGER,
    NUMBER,
    OBJECT,
    OBJECT_NUMBER,
    REAL,
    RELATIONSHIP,
    TEXT,
)
from cpexport.errors import SinkError, UsageError
from cpexport.imagesets import ImageSets
from cpexport.sinks.base import Sink
from cpexport.sinks.registry import open_sink
from cpexport.tables.layout import RELATIONSHIPS, Layout
from cpexport.tables.options import VIEW


def read(
    url: FilePath,
    table: str,
    image_sets: str | Iterable[int] | None = None,
    columns: Sequence[str] | None = None,
    prefix: str = "",
    run: str | None = None,
) -> pd.DataFrame:
    """Returns a table of a destination: one row per image set or object, sorted by key.

    >>> import cpexport
    >>> report = cpexport.load("screen/outputs", "screen.sqlite")
    >>> cells = cpexport.read("screen.sqlite", "Per_Cells", image_sets="1-10")
    >>> cells.shape, list(cells.columns[:2])
    ((197, 81), ['ImageNumber', 'Cells_Number_Object_Number'])

    `url` is the destination as in `cpexport load --to`, a URL or a file name, and `prefix` its
    `--prefix`. `table` can be given with or without the prefix. A table in parts
    (`Per_Image_part2`) is read as one table. `Per_RelationshipsView` has pairs of objects; the
    image set of the first object selects them.

    `image_sets` is a text such as `1-10,12` with both ends included, an `ImageSets`, or numbers
    from 1. Numbers that the destination lacks have no rows. `columns` selects columns and sets
    their order; by default, all columns come in the order of the table. A table without rows for
    these image sets gives an empty frame. If the destination numbers its runs, `run` is the name of
    one; without it, the rows of all runs come, in order of run.

    Integers are `int64`, or pandas' nullable `Int64` in a column with a NULL. Real numbers are
    `float64` with NaN. Text is `str` or None, in a column of dtype object.

    Raises:
        UsageError: the table, column or run does not exist, or none of the image sets does; the
            message lists what exists.
        SinkError: the destination does not exist, cannot be read, or is empty.
    """
    with open_sink(os.fspath(url), prefix, run=run, writing=False) as sink:
        layout = sink.layout()
        if not layout.columns:
            under = f" under the prefix {prefix}" if prefix else ""
            raise SinkError(
                sink.name,
                f"contains no image sets{under}",
                "check --to and --prefix, or load outputs into it with cpexport load",
            )
        if run is not None and run not in sink.ledger.runs():
            raise UsageError(
                f"no run {run}; existing runs: "
                f"{', '.join(sink.ledger.runs()) or 'none with a name'}"
            )
        tables = {
            table.name: table.object for name in layout.objects for table in layout.parts(name)[:1]
        } | {f"{prefix}Per_RelationshipsView": RELATIONSHIP}
        if sink.shape.layout == VIEW:
            tables[f"{prefix}Per_Object"] = OBJECT
        name = next((n for n in (table, f"{prefix}{table}") if n in tables), None)
        if name is None:
            raise UsageError(f"no table {table}; existing tables: {', '.join(sorted(tables))}")
        features = _features(layout, tables[name])
        chosen = list(features) if columns is None else list(columns)
        if unknown := [column for column in chosen if column not in features]:
            raise UsageError(
                f"no column {unknown[0]} in {name}; existing columns: {', '.join(features)}"
            )
        wanted_sets = _image_sets(sink, image_sets)
        wanted_features = (
            None if tables[name] == RELATIONSHIP else [features[column] for column in chosen]
        )
        rows = pa.Table.from_batches(sink.read(tables[name], wanted_features, wanted_sets))
    series = {column: _series(rows[features[column]]) for column in chosen}
    return pd.DataFrame(series, columns=pd.Index(chosen), copy=False)


def _features(layout: Layout, object_name: str) -> Mapping[str, str]:
    """The columns of a table in order, each with the feature that it holds."""
    if object_name == RELATIONSHIP:
        return {name: name for name in (*layout.image_key[:-1], *RELATIONSHIPS.names)}
    if object_name == OBJECT and not layout.parts(OBJECT):
        columns = (c.name for c in layout.columns if c.object != IMAGE)
        return {
            **{n: n for n in layout.image_key},
            OBJECT_NUMBER: NUMBER,
            **{n: n for n in columns},
        }
    parts = layout.parts(object_name)
    keys = zip(parts[0].key, (*layout.image_key, NUMBER), strict=False)
    return {**dict(keys), **{c.name: c.feature for part in parts for c in part.columns}}


def _image_sets(sink: Sink, asked: str | Iterable[int] | None) -> ImageSets | None:
    if asked is None:
        return None
    try:
        wanted = ImageSets.parse(asked) if isinstance(asked, str) else ImageSets.of(asked)
    except ValueError as error:
        raise UsageError(str(error)) from error
    loaded = sink.ledger.read().loaded
    if not wanted & loaded:
        raise UsageError(
            f"no image set of {wanted or 'an empty list'} in {sink.name}, which has {loaded}"
        )
    return wanted


def _series(column: pa.ChunkedArray) -> "pd.Series[object]":
    if column.type == TEXT:
        return pd.Series(column.to_numpy(), dtype=object)
    if column.type == INTEGER:
        dtype = pd.Int64Dtype() if column.null_count else None
        return column.to_pandas(types_mapper=lambda _: dtype)
    return column.cast(REAL).to_pandas()
