"""Rows of a database as a stream of Arrow batches, in order of key."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack

import pyarrow as pa

from cpexport.errors import ChangedError, SinkError
from cpexport.features import IMAGE_NUMBER, INTEGER, NUMBER, TABLE_NUMBER
from cpexport.imagesets import ImageSets
from cpexport.sinks import There
from cpexport.sinks.scope import Scope
from cpexport.sinks.sql import Database, Query, quoted
from cpexport.tables import Layout

# Values in a batch, so that it takes some megabytes whatever the width of a table.
_VALUES = 1 << 20


def read(
    db: Database,
    layout: Layout,
    scope: Scope,
    object_name: str,
    features: Sequence[str] | None,
    image_sets: ImageSets | None,
) -> Iterator[pa.RecordBatch]:
    """The rows of an object type, columns by feature: `Sink.read`."""
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
            there = set(rows.schema.names)
            yield rows.select([*names, *(f for f in features if f in there and f not in names)])


def stream(
    db: Database, queries: Sequence[Query], scope: Scope, image_sets: ImageSets | None
) -> Iterator[pa.RecordBatch]:
    """The rows of tables with the same keys side by side, of these image sets or all in the scope.

    A statement for each table, as one for all could have more columns than one can have. They are
    open together, and so see one state.
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
            db.name, "the parts of a table have other rows", "load it anew"
        ) from error


def there(db: Database, scope: Scope, names: Iterable[str]) -> dict[str, There]:
    """Of these tables and views those that are there: `Sink.tables`."""
    columns = db.columns()
    found = {}
    for name in names:
        here = columns.get(db.spelled(name))
        if here is not None:
            # Of a view no more is asked: that would be an error where its tables are not there.
            of_run = f" WHERE {scope.data}" if scope.data and TABLE_NUMBER in here else ""
            rows = db.rows(f"SELECT count(*) FROM {quoted(name)}{of_run}") if here else [(0,)]
            found[name] = There(here, rows[0][0])
    return found


def broken(db: Database, views: Iterable[str]) -> dict[str, str]:
    """Of these views those that cannot be read, and why not: `Sink.broken_views`."""
    found, names = {}, db.names()
    for view in views:
        if db.spelled(view) not in names:
            found[view] = "is not there"
            continue
        try:
            db.rows(f"SELECT * FROM {quoted(view)} LIMIT 1")
        except SinkError as error:
            found[view] = f"cannot be read: {error.problem}"
    return found


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
            # The plus keeps SQLite from looking up each range by itself, and sorting all rows then.
            span = f"{column} BETWEEN {image_sets.first} AND {image_sets.last}"
            yield f"{ours} AND {span} AND ({where})"


def _side_by_side(parts: Sequence[pa.RecordBatch], key: int, db: Database) -> pa.RecordBatch:
    first, *more = parts
    if any(part.columns[:key] != first.columns[:key] for part in more):
        raise ChangedError(db.name, "the parts of a table have other rows", "load it anew")
    if not more:
        return first
    arrays = [*first.columns, *(array for part in more for array in part.columns[key:])]
    names = [*first.schema.names, *(name for part in more for name in part.schema.names[key:])]
    return pa.RecordBatch.from_arrays(arrays, names=names)
