"""Streams the rows of a table of a destination; implements `cpexport.read_batches`."""

import os
from collections.abc import Generator, Iterable, Mapping, Sequence
from typing import Final

import pyarrow as pa

from cpexport.api.arguments import FilePath
from cpexport.cellprofiler.experiment import EXPERIMENTS
from cpexport.cellprofiler.features import (
    EXPERIMENT,
    IMAGE,
    NUMBER,
    OBJECT,
    OBJECT_NUMBER,
    RELATIONSHIP,
)
from cpexport.derived import planned, treatments
from cpexport.errors import UsageError
from cpexport.imagesets import ImageSets
from cpexport.sinks.base import Sink
from cpexport.sinks.contents import check_has_image_sets, check_has_run
from cpexport.sinks.registry import open_sink
from cpexport.spelling import closest, suggest
from cpexport.tables.layout import RELATIONSHIPS, Layout
from cpexport.tables.options import VIEW

# Part of the names of tables of wells, in lower case.
_OF_WELLS: Final = "per_wel"


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
        name, features = _named(sink, table, prefix, run)
        derived, tables = _derived(sink, prefix), _tables(sink, sink.layout(), prefix)
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


def table_columns(
    url: FilePath, table: str, prefix: str = "", run: str | None = None
) -> tuple[str, tuple[str, ...]]:
    """The full name of a table, and its columns in order; errors as for `read`."""
    with open_sink(os.fspath(url), prefix, run=run, writing=False) as sink:
        name, features = _named(sink, table, prefix, run)
        return name, tuple(features)


def _named(sink: Sink, table: str, prefix: str, run: str | None) -> tuple[str, Mapping[str, str]]:
    """The full name of a table, and the feature that each of its columns holds."""
    check_has_image_sets(sink, prefix)
    if run is not None:
        check_has_run(sink, run)
    derived, tables = _derived(sink, prefix), _tables(sink, sink.layout(), prefix)
    names = (table, f"{prefix}{table}", f"{table}View", f"{prefix}{table}View")
    name = next((n for n in names if n in {*tables, *derived}), None)
    if name is None:
        if table == planned.view_name(prefix):
            raise UsageError(f"{sink.name}: has no {table}: {_without_view(sink)}")
        existing = sorted(n for n in {*tables, *derived} if not n.startswith("_"))
        message = f"no table {table}; existing tables: {', '.join(existing)}"
        if _OF_WELLS in table.lower() and not any(_OF_WELLS in n.lower() for n in existing):
            raise UsageError(f"{message}; cpexport load --wells mean adds tables of wells")
        raise UsageError(suggest(message, closest(table, existing)))
    if name in derived:
        return name, {column: column for column in derived[name]}
    return name, _features(sink.layout(), tables[name])


def _without_view(sink: Sink) -> str:
    """Why a destination does not have the view of the image sets that it lacks."""
    if not sink.capabilities.views:
        return "folders have no views; cpexport check --to or report --to names what is missing"
    return "no load had a batch file, or a list with --plan"


def _derived(sink: Sink, prefix: str) -> dict[str, tuple[str, ...]]:
    """The columns of tables and views that are computed from others."""
    views = {
        treatments.view_name(prefix): treatments.view_columns(sink, prefix),
        planned.view_name(prefix): planned.view_columns(sink.layout()),
    }
    present = {name: columns for name, columns in views.items() if columns and sink.has(name)}
    return {**sink.derived_tables(), **present}


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
