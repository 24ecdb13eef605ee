"""The view over the tables of all object types, which has every object exactly once.

A row has an object and its parents or children. CellProfiler's own view joins objects by number,
which is right only if all types have the same objects: a type with three objects in a run leaves
three rows (CellProfiler 4.2.8, exporttodatabase.py, get_create_object_view_statement).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa

from cpexport.cellprofiler.features import (
    IMAGE,
    IMAGE_NUMBER,
    INTEGER,
    NUMBER,
    OBJECT,
    OBJECT_NUMBER,
)
from cpexport.imagesets import ImageSets
from cpexport.sinks.sql.database import Database, Query, quoted
from cpexport.sinks.sql.indexes import TableIndex, parent_index
from cpexport.sinks.sql.object_joins import (
    JoinedType,
    joined_types,
    number_of,
    part_join,
    place_of,
    types_in_row,
)
from cpexport.sinks.sql.reader import stream
from cpexport.sinks.sql.scope import Scope
from cpexport.tables.layout import Layout, Table, table_of

FORM = "2"
"""The version of the view, which the destination stores. Version 0.1.0 of cpexport stored none, and
its view left objects out."""


@dataclass(frozen=True)
class ObjectView:
    """The statement that makes the view, and the number of its columns.

    by_number: the object types that are joined by number, as no other type is their parent or
        child.
    indexes: the indexes that the view needs to be fast.
    """

    statement: str
    width: int
    by_number: tuple[str, ...]
    indexes: tuple[TableIndex, ...]


def object_view(layout: Layout, prefix: str) -> ObjectView | None:
    """The view of all objects of a layout; None if it has no objects.

    The first type is the type without a parent from which most types descend. A row begins with an
    object of any type, followed by its first child (by number) of each type, the first children of
    those, and so on. Every object that is not a first child begins a row: all objects of the first
    type; of other types, the objects without a parent and the siblings of first children. So every
    object is in one row, whatever parents it has.

    `ObjectNumber` is unique in an image set. In rows that begin with the first type it is the
    object's own number; in other rows it continues above those numbers, in order of types.
    """
    names = sorted(layout.objects - {IMAGE})
    if not names:
        return None
    joined = joined_types(layout, names)
    selects = [_select(layout, joined, place) for place in range(len(joined))]
    width = len(layout.image_key) + 1 + sum(c.object in names for c in layout.columns)
    return ObjectView(
        f"CREATE VIEW {quoted(table_of(OBJECT, prefix))} AS {' UNION ALL '.join(selects)}",
        width,
        tuple(one.name for one in joined[1:] if one.parent is None),
        tuple(_indexes(layout, joined, prefix)),
    )


def _select(layout: Layout, joined: Sequence[JoinedType], place: int) -> str:
    """The statement that selects the rows that begin with the type at this place in `joined`."""
    begins = joined[place]
    in_row = types_in_row(begins.name, joined)
    first_part, *more_parts = layout.parts(begins.name)
    table = quoted(first_part.name)
    above = [_most(layout, one.name, first_part) for one in joined[:place]]
    columns = [
        *(f"{table}.{quoted(key)} AS {quoted(key)}" for key in layout.image_key),
        f"{' + '.join([number_of(layout, begins.name), *above])} AS {quoted(OBJECT_NUMBER)}",
        *(
            f"{place_of(column) if name in in_row else 'NULL'} AS {quoted(column.name)}"
            for name in sorted(layout.objects - {IMAGE})
            for column in layout.columns
            if column.object == name
        ),
    ]
    tables = [
        table,
        *(part_join(first_part, part) for part in more_parts),
        *(join for one in joined if one.name in in_row[1:] for join in one.joins(layout)),
    ]
    where = f" WHERE {begins.alone(layout)}" if place else ""
    return f"SELECT {', '.join(columns)} FROM {' '.join(tables)}{where}"


def wrong_counts(db: Database, layout: Layout, prefix: str) -> dict[str, str]:
    """What is wrong with the view, by the view's name; empty if nothing is. Each type must have as
    many objects in the view as in its table, and the same sum of object numbers."""
    view = table_of(OBJECT, prefix)
    numbers = [layout.by_feature[name, NUMBER] for name in sorted(layout.objects - {IMAGE})]
    listed = ", ".join(f"count({quoted(c.name)}), sum({quoted(c.name)})" for c in numbers)
    (counts,) = db.rows(f"SELECT {listed} FROM {quoted(view)}")
    for place, column in enumerate(numbers):
        name = quoted(column.name)
        (expected,) = db.rows(f"SELECT count({name}), sum({name}) FROM {quoted(column.table)}")
        if (shown := counts[2 * place : 2 * place + 2]) != expected:
            problem = f"has {shown[0]} {column.object} instead of {expected[0]}"
            if shown[0] == expected[0]:
                problem = f"has some {column.object} more than once and lacks others"
            return {view: f"{problem}; run cpexport load"}
    return {}


def read(
    db: Database,
    layout: Layout,
    scope: Scope,
    columns: Sequence[str] | None,
    image_sets: ImageSets | None,
) -> Iterator[pa.RecordBatch]:
    """The rows of the view: the columns of `layout.image_key`, `Number_Object_Number` for
    `ObjectNumber`, and the named `columns` (default: all)."""
    types = {c.name: c.type for c in layout.columns if c.object != IMAGE}
    chosen = [name for name in (types if columns is None else columns) if name in types]
    key = [*layout.image_key, OBJECT_NUMBER]
    fields = [*((name, INTEGER) for name in (*layout.image_key, NUMBER))]
    schema = pa.schema([*fields, *((name, types[name]) for name in chosen)])
    listed = tuple(map(quoted, (*key, *chosen)))
    view = quoted(table_of(OBJECT, scope.prefix))
    query = Query(view, listed, quoted(IMAGE_NUMBER), len(key), schema)
    return stream(db, [query], scope, image_sets)


def notes_on(layout: Layout, prefix: str, width: int) -> tuple[str, ...]:
    """What users should know about the view, in a database whose views have at most `width`
    columns."""
    view = object_view(layout, prefix)
    if view is None:
        return ()
    name = table_of(OBJECT, prefix)
    if view.width > width:
        return (
            f"no view {name}, because it would have {view.width} columns, and {width} is the limit",
        )
    return tuple(
        f"{name} joins {other} by number, because no parent of them is known"
        for other in view.by_number
    )


def _most(layout: Layout, name: str, other: Table) -> str:
    """The greatest number of a type's objects in the image set of a row of `other`; 0 if none."""
    table = layout.parts(name)[0]
    same = (f"m.{quoted(key)} = {quoted(other.name)}.{quoted(key)}" for key in layout.image_key)
    most = f"SELECT max(m.{quoted(table.key[-1])}) FROM {quoted(table.name)} m"
    return f"coalesce(({most} WHERE {' AND '.join(same)}), 0)"


def _indexes(layout: Layout, joined: Sequence[JoinedType], prefix: str) -> Iterator[TableIndex]:
    """An index for each column that relates two types."""
    columns = {one.parent for one in joined}
    for column in layout.columns:
        if column in columns:
            yield from parent_index(layout, column, prefix)
