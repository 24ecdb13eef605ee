"""Rows of a SQLite file as a stream of Arrow batches, in order of key."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import pyarrow as pa

from cpexport.errors import ChangedError
from cpexport.features import IMAGE_NUMBER, INTEGER, NULL, NUMBER, TABLE_NUMBER, TEXT
from cpexport.imagesets import ImageSets
from cpexport.sinks import There
from cpexport.sinks.scope import Scope
from cpexport.sinks.sqlitefile import Connection, between, quoted
from cpexport.tables import Layout

# Values in a batch, so that it takes some megabytes whatever the width of a table.
_VALUES = 1 << 20


@dataclass(frozen=True)
class Query:
    """Columns of a table (or what else stands after FROM), the first few of them the key, `numbers`
    those of image sets; `schema` says what they are called and of which types they come."""

    source: str
    columns: tuple[str, ...]
    numbers: str
    key: int
    schema: pa.Schema

    def text(self, where: str) -> str:
        """The statement for rows in order of key. Its first row is none of the table's: the driver
        takes the types from the first rows, which can be without a value."""
        samples = ("''" if t == TEXT else "0" if t == INTEGER else "0.0" for t in self.schema.types)
        order = ", ".join(str(place + 1) for place in range(self.key))
        return (
            f"SELECT {', '.join(samples)} UNION ALL SELECT {', '.join(self.columns)} "
            f"FROM {self.source} WHERE {where} ORDER BY {order}"
        )


def read(
    db: Connection,
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
    db: Connection, queries: Sequence[Query], scope: Scope, image_sets: ImageSets | None
) -> Iterator[pa.RecordBatch]:
    """The rows of tables with the same keys side by side, of these image sets or all in the scope.

    A statement for each table, as one for all could have more columns than SQLite gives. They are
    open together, and so see one state of the file.
    """
    rows = max(1, _VALUES // max(len(query.columns) for query in queries))
    for where in _conditions(queries[0].numbers, scope, image_sets):
        with ExitStack() as opened:
            readers = [opened.enter_context(db.stream(q.text(where), rows)) for q in queries]
            for place, batches in enumerate(_together(readers, db)):
                typed = [
                    _typed(batch.slice(0 if place else 1), query, db)
                    for batch, query in zip(batches, queries, strict=True)
                ]
                yield _side_by_side(typed, queries[0].key, db)


def _together(
    readers: Sequence[pa.RecordBatchReader], db: Connection
) -> Iterator[tuple[pa.RecordBatch, ...]]:
    try:
        yield from zip(*readers, strict=True)
    except ValueError as error:
        raise ChangedError(
            db.name, "the parts of a table have other rows", "load it anew"
        ) from error


def there(db: Connection, scope: Scope, names: Iterable[str]) -> dict[str, There]:
    """Of these tables and views those that are there: `Sink.tables`."""
    found = {}
    ours = set(names)
    for name, type in db.rows("SELECT name, type FROM sqlite_master WHERE type <> 'index'"):
        if name not in ours:
            continue
        if type != "table":
            # To ask for more would be an error where a table that it is of is not there.
            found[name] = There((), 0)
            continue
        columns = tuple(c for (c,) in db.rows("SELECT name FROM pragma_table_info(?)", name))
        where = f" WHERE {scope.data}" if scope.data and TABLE_NUMBER in columns else ""
        ((rows,),) = db.rows(f"SELECT count(*) FROM {quoted(name)}{where}")
        found[name] = There(columns, rows)
    return found


def _conditions(column: str, scope: Scope, image_sets: ImageSets | None) -> Iterator[str]:
    ours = scope.data or "1"
    if image_sets is None:
        yield ours
    elif not image_sets:
        yield "0"
    else:
        for where in between(f"+{column}", image_sets):
            # The plus keeps SQLite from looking up each range by itself, and sorting all rows then.
            span = f"{column} BETWEEN {image_sets.first} AND {image_sets.last}"
            yield f"{ours} AND {span} AND ({where})"


def _typed(batch: pa.RecordBatch, query: Query, db: Connection) -> pa.RecordBatch:
    try:
        arrays = [
            _nothing(array) if field.type == NULL else array.cast(field.type)
            for array, field in zip(batch.columns, query.schema, strict=True)
        ]
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise ChangedError(
            db.name, f"{query.source} was changed by something else: {error}", "load it anew"
        ) from error
    return pa.RecordBatch.from_arrays(arrays, schema=query.schema)


def _nothing(array: pa.Array) -> pa.Array:
    if array.null_count < len(array):
        raise pa.ArrowInvalid("a value in a column that no batch has brought one for")
    return pa.nulls(len(array))


def _side_by_side(parts: Sequence[pa.RecordBatch], key: int, db: Connection) -> pa.RecordBatch:
    first, *more = parts
    if any(part.columns[:key] != first.columns[:key] for part in more):
        raise ChangedError(db.name, "the parts of a table have other rows", "load it anew")
    if not more:
        return first
    arrays = [*first.columns, *(array for part in more for array in part.columns[key:])]
    names = [*first.schema.names, *(name for part in more for name in part.schema.names[key:])]
    return pa.RecordBatch.from_arrays(arrays, names=names)
