"""Reads rows of a database as a stream of Arrow batches, in order of key."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack

import pyarrow as pa

from cpexport.cellprofiler.features import IMAGE_NUMBER, INTEGER, NUMBER, TABLE_NUMBER
from cpexport.errors import ChangedError, SinkError
from cpexport.imagesets import ImageSets
from cpexport.sinks.base import TableState
from cpexport.sinks.sql.database import Database, Query, quoted
from cpexport.sinks.sql.scope import Scope
from cpexport.tables.layout import Layout

# Values in a batch. It bounds a batch to some megabytes for narrow and wide tables alike.
_VALUES = 1 << 20


def read(
    db: Database,
    layout: Layout,
    scope: Scope,
    object_name: str,
    features: Sequence[str] | None,
    image_sets: ImageSets | None,
) -> Iterator[pa.RecordBatch]:
    """The rows of an object type, columns named by feature; see `Sink.read`."""
    parts = layout.parts(object_name)
    key = parts[0].key
    names = [*layout.image_key, NUMBER][: len(key)]
    keys = [pa.field(name, INTEGER) for name in names]
    wanted = None if features is None else set(features)
    queries = []
    for part in parts:
        chosen = [c for c in part.columns if wanted is None or c.feature in wanted]
        if chosen or part is parts[0]:
            columns = (*key, *(column.name for column in chosen))
            fields = [*keys, *(pa.field(column.feature, column.type) for column in chosen)]
            listed, schema = tuple(map(quoted, columns)), pa.schema(fields)
            query = Query(quoted(part.name), listed, quoted(IMAGE_NUMBER), len(key), schema)
            queries.append(query)
    for rows in stream(db, queries, scope, image_sets):
        if features is None:
            yield rows
        else:
            present = set(rows.schema.names)
            yield rows.select([*names, *(f for f in features if f in present and f not in names)])


def stream(
    db: Database, queries: Sequence[Query], scope: Scope, image_sets: ImageSets | None
) -> Iterator[pa.RecordBatch]:
    """The rows of tables with the same keys, side by side: of these image sets (default: of all in
    the scope).

    Each table has a statement of its own, as a joint one could exceed the limit of columns. The
    statements are open together, and so see one state.
    """
    rows = max(1, _VALUES // max(len(query.columns) for query in queries))
    for where in _conditions(db, queries[0].numbers, scope, image_sets):
        with ExitStack() as opened:
            readers = [opened.enter_context(db.stream(q, where, rows)) for q in queries]
            for batches in _together(readers, db):
                yield _side_by_side(batches, queries[0].key, db)


def _together(
    readers: Sequence[Iterator[pa.RecordBatch]], db: Database
) -> Iterator[tuple[pa.RecordBatch, ...]]:
    try:
        yield from zip(*readers, strict=True)
    except ValueError as error:
        raise ChangedError(
            db.name,
            "the parts of a table have different rows",
            "load its outputs into a new destination",
        ) from error


def table_states(db: Database, scope: Scope, names: Iterable[str]) -> dict[str, TableState]:
    """The tables and views among `names` that exist; see `Sink.tables`."""
    columns = db.columns()
    states = {}
    for name in names:
        present = columns.get(db.spelled(name))
        if present is not None:
            # A view has no columns here, and its rows are not counted: the query would fail if
            # the view's tables were missing.
            of_run = f" WHERE {scope.data}" if scope.data and TABLE_NUMBER in present else ""
            rows = db.rows(f"SELECT count(*) FROM {quoted(name)}{of_run}") if present else [(0,)]
            states[name] = TableState(present, rows[0][0])
    return states


def broken(db: Database, views: Iterable[str]) -> dict[str, str]:
    """The views that cannot be read, and why; see `Sink.broken_views`."""
    problems, names = {}, db.names()
    for view in views:
        if db.spelled(view) not in names:
            problems[view] = "is missing"
            continue
        try:
            db.rows(f"SELECT * FROM {quoted(view)} LIMIT 1")
        except SinkError as error:
            problems[view] = f"cannot be read: {error.problem}"
    return problems


def _conditions(
    db: Database, column: str, scope: Scope, image_sets: ImageSets | None
) -> Iterator[str]:
    ours = scope.data or "1 = 1"
    if image_sets is None:
        yield ours
    elif not image_sets:
        yield "1 = 0"
    else:
        for where in db.between(f"+{column}", image_sets):
            # The plus keeps SQLite from looking up each range in the index and then sorting all
            # rows.
            span = f"{column} BETWEEN {image_sets.first} AND {image_sets.last}"
            yield f"{ours} AND {span} AND ({where})"


def _side_by_side(parts: Sequence[pa.RecordBatch], key: int, db: Database) -> pa.RecordBatch:
    first, *more = parts
    if any(part.columns[:key] != first.columns[:key] for part in more):
        raise ChangedError(
            db.name,
            "the parts of a table have different rows",
            "load its outputs into a new destination",
        )
    if not more:
        return first
    arrays = [*first.columns, *(array for part in more for array in part.columns[key:])]
    names = [*first.schema.names, *(name for part in more for name in part.schema.names[key:])]
    return pa.RecordBatch.from_arrays(arrays, names=names)
