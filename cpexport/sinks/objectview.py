"""One view over the tables of all object types, which has every object exactly once.

Objects stand beside their parents. CellProfiler's own view joins by number, which is right only
where all types have the same objects: a type with three objects in a run leaves three rows
(CellProfiler 4.2.8, exporttodatabase.py, get_create_object_view_statement).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from cpexport.features import IMAGE, IMAGE_NUMBER, INTEGER, NUMBER, OBJECT, OBJECT_NUMBER, REAL
from cpexport.imagesets import ImageSets
from cpexport.sinks.scope import Scope
from cpexport.sinks.sql import Database, Query, quoted
from cpexport.sinks.sqlread import stream
from cpexport.tables import Column, Layout, Table, table_of

FORM = "2"
"""What a destination notes of its view. Version 0.1.0 noted nothing, and its view left objects
out."""


@dataclass(frozen=True)
class ObjectView:
    """The statement that makes the view, how many columns it has, and the object types that are
    joined by number, as none of the others is their parent or child.

    `indexes` are those that it needs to be fast.
    """

    statement: str
    width: int
    by_number: tuple[str, ...]
    indexes: tuple["ParentIndex", ...]


@dataclass(frozen=True)
class ParentIndex:
    """An index that finds the children of an object, and the statement that makes it."""

    name: str
    table: str
    statement: str


def object_view(layout: Layout, prefix: str) -> ObjectView | None:
    """The view of all objects of a layout; None where there are none.

    The first type is the one without a parent that most types descend from. A row begins with an
    object of any type, and has beside it the first (by number) of its children of each type, the
    first of theirs, and so on. Whatever is nobody's first child begins a row: all objects of the
    first type, and of the others those without a parent and the siblings of first children.
    So every object is in one row, whatever parents it has.

    `ObjectNumber` is unique in an image set: the object's own number in rows that begin with the
    first type; above those, in order of types, in rows that begin with another.
    """
    names = sorted(layout.objects - {IMAGE})
    if not names:
        return None
    hung = _hung(layout, names)
    order = [one.name for one in hung]
    keys = layout.image_key
    selects = []
    for place, begins in enumerate(hung):
        row = _row(begins.name, hung)
        own = layout.parts(begins.name)
        number = " + ".join(
            [_number(layout, begins.name), *(_most(layout, n, own[0]) for n in order[:place])]
        )
        columns = [
            *(f"{quoted(own[0].name)}.{quoted(key)} AS {quoted(key)}" for key in keys),
            f"{number} AS {quoted(OBJECT_NUMBER)}",
            *(
                f"{_at(column) if name in row else 'NULL'} AS {quoted(column.name)}"
                for name in names
                for column in layout.columns
                if column.object == name
            ),
        ]
        tables = [
            quoted(own[0].name),
            *(_part(own[0], part) for part in own[1:]),
            *(join for one in hung if one.name in row[1:] for join in one.joins(layout)),
        ]
        where = f" WHERE {begins.alone(layout)}" if place else ""
        selects.append(f"SELECT {', '.join(columns)} FROM {' '.join(tables)}{where}")
    width = len(keys) + 1 + sum(column.object in names for column in layout.columns)
    return ObjectView(
        f"CREATE VIEW {quoted(table_of(OBJECT, prefix))} AS {' UNION ALL '.join(selects)}",
        width,
        tuple(one.name for one in hung[1:] if one.parent is None),
        tuple(_indexes(layout, hung, prefix)),
    )


def untrue(db: Database, layout: Layout, prefix: str) -> dict[str, str]:
    """What is wrong with the view that a database has, by its name: whether each type has as many
    objects there as in its table, and the same numbers in total."""
    view = table_of(OBJECT, prefix)
    numbers = [layout.by_feature[name, NUMBER] for name in sorted(layout.objects - {IMAGE})]
    counts = ", ".join(f"count({quoted(c.name)}), sum({quoted(c.name)})" for c in numbers)
    (found,) = db.rows(f"SELECT {counts} FROM {quoted(view)}")
    for place, column in enumerate(numbers):
        name = quoted(column.name)
        (must,) = db.rows(f"SELECT count({name}), sum({name}) FROM {quoted(column.table)}")
        if (there := found[2 * place : 2 * place + 2]) != must:
            said = f"has {column.object} {there[0]} times, which are {must[0]} objects"
            if there[0] == must[0]:
                said = f"has some {column.object} more than once and others not at all"
            return {view: f"{said}; run cpexport load"}
    return {}


def read(
    db: Database,
    layout: Layout,
    scope: Scope,
    columns: Sequence[str] | None,
    image_sets: ImageSets | None,
) -> Iterator[pa.RecordBatch]:
    """The rows of the view of a database: the columns of `layout.image_key`,
    `Number_Object_Number` for `ObjectNumber`, and those that are named; all by default."""
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
    """What people should know of the view of a layout, in a database with views of this width."""
    view = object_view(layout, prefix)
    if view is None:
        return ()
    name = table_of(OBJECT, prefix)
    if view.width > width:
        return (f"no view {name}, as it would have {view.width} columns of {width} at most",)
    return tuple(
        f"{name} has {other} by number, as no parent of them is known" for other in view.by_number
    )


@dataclass(frozen=True)
class _Hung:
    """An object type, and how its objects come beside those of the type `on`.

    `parent` is the column that relates the two: of this type, or of `on` where that is the child.
    None: objects with the same number stand side by side.
    """

    name: str
    on: str
    parent: Column | None = None

    def joins(self, layout: Layout) -> Iterator[str]:
        """The joins that bring objects of this type beside those of the other."""
        one, *more = layout.parts(self.name)
        other = layout.parts(self.on)[0]
        number, theirs = _number(layout, self.name), _number(layout, self.on)
        if self.parent is None:
            on = f"{number} = {theirs}"
        elif self.parent.object == self.name:
            on = f"{number} = {self._first(layout, other, theirs)}"
        else:
            child, at = layout.tables[self.parent.table], _at(self.parent)
            on = f"{number} = {at} AND {theirs} = {self._first(layout, child, at)}"
        yield f"LEFT JOIN {quoted(one.name)} ON {_same(one, other, layout.image_key)} AND {on}"
        for part in more:
            yield _part(one, part)

    def alone(self, layout: Layout) -> str:
        """The condition for objects of this type that `joins` brings beside none of the other."""
        mine, other = layout.parts(self.name)[0], layout.parts(self.on)[0]
        number, theirs = _number(layout, self.name), layout.by_feature[self.on, NUMBER].name
        if self.parent is None:
            return f"NOT {_exists(layout, other, mine, theirs, number)}"
        child, at = layout.tables[self.parent.table], _at(self.parent)
        if self.parent.object != self.name:
            return f"NOT {_exists(layout, child, mine, self.parent.name, number)}"
        there = _exists(layout, other, mine, theirs, at)
        return f"NOT ({there} AND {number} = {self._first(layout, child, at)})"

    def _first(self, layout: Layout, beside: Table, parent: str) -> str:
        """The smallest number of the children of `parent` in the image set of a row of `beside`.

        Asked for in this way, and not by what has no smaller sibling, MariaDB finds it by the index
        before it has counted the rows.
        """
        assert self.parent is not None
        child = layout.tables[self.parent.table]
        least = f"SELECT min(o.{quoted(child.key[-1])}) FROM {quoted(child.name)} o"
        return f"({least} WHERE {_where(layout, beside, self.parent.name, parent)})"


def _hung(layout: Layout, names: Sequence[str]) -> list[_Hung]:
    """All object types, each after the one that it hangs on; the first on none."""
    parents = {name: [n for n in names if _parent(layout, name, n)] for name in names}

    def first(some: Iterable[str]) -> str:
        those = list(some)
        orphans = [name for name in those if not parents[name]] or those
        return max(orphans, key=lambda name: _descendants(name, parents))

    begin = first(names)
    found, rest = [_Hung(begin, begin)], [name for name in names if name != begin]
    while rest:
        links = (link for name in rest for link in _links(layout, name, found))
        link = next(links, None) or _Hung(first(rest), begin)
        found.append(link)
        rest.remove(link.name)
    return found


def _links(layout: Layout, name: str, found: Sequence[_Hung]) -> Iterator[_Hung]:
    """How a type can hang on those that are there already: as their child, or their parent."""
    for other in found:
        for child, parent in ((name, other.name), (other.name, name)):
            column = _parent(layout, child, parent)
            if column is not None:
                yield _Hung(name, other.name, column)


def _parent(layout: Layout, child: str, parent: str) -> Column | None:
    if child == parent:
        return None
    return layout.by_feature.get((child, f"Parent_{parent}"))


def _descendants(name: str, parents: Mapping[str, Sequence[str]]) -> int:
    found = {name}
    while more := {child for child, theirs in parents.items() if found & set(theirs)} - found:
        found |= more
    return len(found) - 1


def _row(begins: str, hung: Sequence[_Hung]) -> list[str]:
    """The types that a row has objects of, which begins with one type: that, and what hangs on
    it."""
    found = [begins]
    for one in hung:
        if one.name not in found and one.on in found:
            found.append(one.name)
    return found


def _exists(layout: Layout, table: Table, beside: Table, column: str, value: str) -> str:
    where = _where(layout, beside, column, value)
    return f"EXISTS (SELECT 1 FROM {quoted(table.name)} o WHERE {where})"


def _where(layout: Layout, beside: Table, column: str, value: str) -> str:
    """The condition for rows `o` of the image set of a row of `beside` with a value in a column."""
    keys = [f"o.{quoted(key)} = {quoted(beside.name)}.{quoted(key)}" for key in layout.image_key]
    return " AND ".join([*keys, f"o.{quoted(column)} = {value}"])


def _most(layout: Layout, name: str, other: Table) -> str:
    """The greatest number of a type in the image set of `other`."""
    table = layout.parts(name)[0]
    same = (f"m.{quoted(key)} = {quoted(other.name)}.{quoted(key)}" for key in layout.image_key)
    most = f"SELECT max(m.{quoted(table.key[-1])}) FROM {quoted(table.name)} m"
    return f"coalesce(({most} WHERE {' AND '.join(same)}), 0)"


def _indexes(layout: Layout, hung: Sequence[_Hung], prefix: str) -> Iterator[ParentIndex]:
    """An index for each column that relates two types, named by its place, which never changes."""
    columns = {one.parent for one in hung if one.parent and one.parent.type in (INTEGER, REAL)}
    for place, column in enumerate(layout.columns, 1):
        if column in columns:
            name, table = f"{prefix}Per_IParents{place}", layout.tables[column.table]
            listed = ", ".join(map(quoted, (*layout.image_key, column.name, table.key[-1])))
            words = f"CREATE INDEX {quoted(name)} ON {quoted(table.name)} ({listed})"
            yield ParentIndex(name, table.name, words)


def _number(layout: Layout, name: str) -> str:
    return _at(layout.by_feature[name, NUMBER])


def _at(column: Column) -> str:
    return f"{quoted(column.table)}.{quoted(column.name)}"


def _part(table: Table, part: Table) -> str:
    return f"LEFT JOIN {quoted(part.name)} ON {_same(part, table, table.key)}"


def _same(one: Table, other: Table, keys: Iterable[str]) -> str:
    return " AND ".join(
        f"{quoted(one.name)}.{quoted(key)} = {quoted(other.name)}.{quoted(key)}" for key in keys
    )
