"""Reads tables of a destination; implements `cpexport.read` and `cpexport.read_batches`."""

import os
from collections.abc import Generator, Iterable, Mapping, Sequence

import pandas as pd
import pyarrow as pa

from cpexport.api.arguments import FilePath
from cpexport.cellprofiler.experiment import EXPERIMENTS
from cpexport.cellprofiler.features import (
    EXPERIMENT,
    IMAGE,
    INTEGER,
    NULL,
    NUMBER,
    OBJECT,
    OBJECT_NUMBER,
    REAL,
    RELATIONSHIP,
)
from cpexport.errors import UsageError
from cpexport.imagesets import ImageSets
from cpexport.sinks.base import Sink
from cpexport.sinks.contents import check_has_image_sets, check_has_run
from cpexport.sinks.registry import open_sink
from cpexport.spelling import closest, suggest
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
    image set of the first object selects them. `Per_Experiment` has one row for each run. Tables of
    wells (`Per_Well`, `Per_Well_avg`) are read whole, in no particular order; neither takes
    `image_sets`.

    `image_sets` is a text such as `1-10,12` with both ends included, an `ImageSets`, or numbers
    from 1. Numbers that the destination lacks have no rows. `columns` selects columns and sets
    their order; by default, all columns come in the order of the table. A table without rows for
    these image sets gives an empty frame. If the destination numbers its runs, `run` is the name of
    one; without it, the rows of all runs are returned, run by run.

    Integers are `int64`, or pandas' nullable `Int64` in a column with a NULL. Real numbers are
    `float64` with NaN. Text is `str` or None, in a column of dtype object.

    Raises:
        UsageError: the table, column or run does not exist, or none of the image sets does; the
            message lists what exists.
        SinkError: the destination does not exist, cannot be read, or is empty.
    """
    rows = pa.Table.from_batches(read_batches(url, table, image_sets, columns, prefix, run))
    series = {column: _series(rows[column]) for column in rows.column_names}
    return pd.DataFrame(series, columns=pd.Index(rows.column_names), copy=False)


def read_batches(
    url: FilePath,
    table: str,
    image_sets: str | Iterable[int] | None = None,
    columns: Sequence[str] | None = None,
    prefix: str = "",
    run: str | None = None,
) -> Generator[pa.RecordBatch, None, None]:
    """Yields the rows of a table of a destination in Arrow batches, for tables larger than memory.

    >>> import cpexport
    >>> report = cpexport.load("screen/outputs", "screen.sqlite")
    >>> sum(rows.num_rows for rows in cpexport.read_batches("screen.sqlite", "Per_Cells"))
    500

    The arguments are those of `read`. All batches have the same columns and types: `int64`,
    `float64` or `string`, with nulls where a value is missing; a column without any value has the
    type `null`. A batch has about a million values, a few megabytes; there is at least one, which
    can be empty. The destination is open until the last batch has been taken or the iterator is
    closed.

    Raises:
        UsageError, SinkError: as `read`, when the first batch is taken.
    """
    with open_sink(os.fspath(url), prefix, run=run, writing=False) as sink:
        check_has_image_sets(sink, prefix)
        if run is not None:
            check_has_run(sink, run)
        layout, derived = sink.layout(), sink.derived_tables()
        tables = _tables(sink, layout, prefix)
        name = next((n for n in (table, f"{prefix}{table}") if n in {*tables, *derived}), None)
        if name is None:
            existing = sorted({*tables, *derived})
            message = f"no table {table}; existing tables: {', '.join(existing)}"
            raise UsageError(suggest(message, closest(table, existing)))
        if name in derived:
            features: Mapping[str, str] = {column: column for column in derived[name]}
        else:
            features = _features(layout, tables[name])
        chosen = list(features) if columns is None else list(columns)
        if unknown := [column for column in chosen if column not in features]:
            raise UsageError(_no_column(unknown[0], name, features))
        if name in derived:
            if image_sets is not None:
                raise UsageError(f"{name} has no image sets; leave out image_sets")
            values = zip(*sink.read_derived_table(name, chosen), strict=True)
            arrays = [pa.array(column) for column in values] or [pa.array([])] * len(chosen)
            yield pa.RecordBatch.from_arrays(arrays, names=chosen)
            return
        if tables[name] == EXPERIMENT and image_sets is not None:
            raise UsageError(f"{name} has no image sets; leave out image_sets")
        wanted_sets = _image_sets(sink, image_sets)
        whole = tables[name] in (RELATIONSHIP, EXPERIMENT)
        wanted = None if whole else [features[column] for column in chosen]
        for rows in sink.read(tables[name], wanted, wanted_sets):
            arrays = [rows[features[column]] for column in chosen]
            yield pa.RecordBatch.from_arrays(arrays, names=chosen)


def _no_column(column: str, table: str, existing: Iterable[str]) -> str:
    names = list(existing)
    message = f"no column {column} in {table}"
    if close := closest(column, names):
        return suggest(message, close)
    return f"{message}; existing columns: {', '.join(names)}"


def _tables(sink: Sink, layout: Layout, prefix: str) -> dict[str, str]:
    """The tables that are loaded from outputs, each with its object type."""
    tables = {
        table.name: table.object for name in layout.objects for table in layout.parts(name)[:1]
    }
    tables |= {
        f"{prefix}Per_RelationshipsView": RELATIONSHIP,
        f"{prefix}Per_Experiment": EXPERIMENT,
    }
    if sink.shape.layout == VIEW:
        tables[f"{prefix}Per_Object"] = OBJECT
    return tables


def _features(layout: Layout, object_name: str) -> Mapping[str, str]:
    """The columns of a table in order, each with the feature that it holds."""
    if object_name == RELATIONSHIP:
        return {name: name for name in (*layout.image_key[:-1], *RELATIONSHIPS.names)}
    if object_name == EXPERIMENT:
        return {name: name for name in EXPERIMENTS.names}
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
    loaded = sink.ledger.summary().loaded
    if not wanted & loaded:
        raise UsageError(
            f"no image set of {wanted or 'an empty list'} in {sink.name}, which has {loaded}"
        )
    return wanted


def _series(column: pa.ChunkedArray) -> "pd.Series[object]":
    if column.type in (REAL, NULL):
        return column.cast(REAL).to_pandas()
    if column.type == INTEGER:
        dtype = pd.Int64Dtype() if column.null_count else None
        return column.to_pandas(types_mapper=lambda _: dtype)
    return pd.Series(column.to_numpy(), dtype=object)
