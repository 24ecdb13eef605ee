"""One view over the tables of all object types, a row an object, joined by parent.

CellProfiler's own view joins by number, which is right only where all types have the same objects:
a type with three objects in a run leaves three rows (CellProfiler 4.2.8, exporttodatabase.py,
get_create_object_view_statement).
"""

from collections.abc import Iterable
from dataclasses import dataclass

from cpexport.features import IMAGE, NUMBER, OBJECT, OBJECT_NUMBER
from cpexport.sinks.sql import quoted
from cpexport.tables import Layout, Table, table_of


@dataclass(frozen=True)
class ObjectView:
    """The statement that makes the view, how many columns it has, and the object types that are
    joined by number, as none of the others is their parent or child."""

    statement: str
    width: int
    by_number: tuple[str, ...]


def object_view(layout: Layout, prefix: str) -> ObjectView | None:
    """The view of all objects of a layout; None where there are none.

    It begins with the type without a parent that most types descend from, and has a row for each
    of its objects, or several where there are several children; NULL where there is none.
    `ObjectNumber` is that type's.
    """
    names = sorted(layout.objects - {IMAGE})
    if not names:
        return None
    parents = {name: _parents(layout, name, names) for name in names}
    orphans = [name for name in names if not parents[name]] or names
    first = max(orphans, key=lambda name: _descendants(name, parents))
    tables = layout.parts(first)
    joins, joined, by_number = [], [first], []
    rest = [name for name in names if name != first]
    while rest:
        links = ((name, _link(layout, name, joined)) for name in rest)
        name, condition = next(((n, link) for n, link in links if link), (rest[0], ""))
        if not condition:
            condition = f"{_number(layout, name)} = {_number(layout, first)}"
            by_number.append(name)
        table = layout.parts(name)[0]
        joins.append(
            f"LEFT JOIN {quoted(table.name)} ON {_same(table, tables[0], layout.image_key)} "
            f"AND {condition}"
        )
        joins += [_part(table, part) for part in layout.parts(name)[1:]]
        joined.append(name)
        rest.remove(name)
    columns = [
        *(f"{quoted(tables[0].name)}.{quoted(key)} AS {quoted(key)}" for key in layout.image_key),
        f"{_number(layout, first)} AS {quoted(OBJECT_NUMBER)}",
        *(
            f"{quoted(column.table)}.{quoted(column.name)} AS {quoted(column.name)}"
            for name in names
            for column in layout.columns
            if column.object == name
        ),
    ]
    own = [_part(tables[0], part) for part in tables[1:]]
    view = quoted(table_of(OBJECT, prefix))
    statement = (
        f"CREATE VIEW {view} AS SELECT {', '.join(columns)} FROM {quoted(tables[0].name)} "
        + " ".join([*own, *joins])
    )
    return ObjectView(statement, len(columns), tuple(by_number))


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


def _parents(layout: Layout, name: str, names: Iterable[str]) -> list[str]:
    return [n for n in names if n != name and (name, f"Parent_{n}") in layout.by_feature]


def _descendants(name: str, parents: dict[str, list[str]]) -> int:
    found = {name}
    while more := {child for child, theirs in parents.items() if found & set(theirs)} - found:
        found |= more
    return len(found) - 1


def _link(layout: Layout, name: str, joined: list[str]) -> str | None:
    """How a type hangs on one of those that are joined already: as its child, or its parent."""
    for other in joined:
        for child, parent in ((name, other), (other, name)):
            column = layout.by_feature.get((child, f"Parent_{parent}"))
            if column is not None:
                by = f"{quoted(column.table)}.{quoted(column.name)}"
                return f"{by} = {_number(layout, parent)}"
    return None


def _number(layout: Layout, name: str) -> str:
    column = layout.by_feature[name, NUMBER]
    return f"{quoted(column.table)}.{quoted(column.name)}"


def _part(table: Table, part: Table) -> str:
    return f"LEFT JOIN {quoted(part.name)} ON {_same(part, table, table.key)}"


def _same(one: Table, other: Table, keys: Iterable[str]) -> str:
    return " AND ".join(
        f"{quoted(one.name)}.{quoted(key)} = {quoted(other.name)}.{quoted(key)}" for key in keys
    )
