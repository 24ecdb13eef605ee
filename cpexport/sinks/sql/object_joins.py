"""How object types join each other in the view of all objects: children to their parents, in SQL.

A type that is no other type's parent or child joins by object number.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from cpexport.cellprofiler.features import NUMBER
from cpexport.sinks.sql.database import quoted
from cpexport.tables.layout import Column, Layout, Table


@dataclass(frozen=True)
class JoinedType:
    """An object type, and how its objects join those of the type `on`.

    `parent` is the column that relates the two: a column of this type, or of `on` if that is the
    child. If it is None, objects with the same number join.
    """

    name: str
    on: str
    parent: Column | None = None

    def joins(self, layout: Layout) -> Iterator[str]:
        """The SQL joins of this type's tables to the tables of `on`."""
        one, *more = layout.parts(self.name)
        other = layout.parts(self.on)[0]
        number, theirs = number_of(layout, self.name), number_of(layout, self.on)
        if self.parent is None:
            on = f"{number} = {theirs}"
        elif self.parent.object == self.name:
            on = f"{number} = {self._first(layout, other, theirs)}"
        else:
            child, at = layout.tables[self.parent.table], place_of(self.parent)
            on = f"{number} = {at} AND {theirs} = {self._first(layout, child, at)}"
        yield f"LEFT JOIN {quoted(one.name)} ON {_same(one, other, layout.image_key)} AND {on}"
        for part in more:
            yield part_join(one, part)

    def alone(self, layout: Layout) -> str:
        """The condition that selects objects of this type that `joins` joins to no other object."""
        mine, other = layout.parts(self.name)[0], layout.parts(self.on)[0]
        number, theirs = number_of(layout, self.name), layout.by_feature[self.on, NUMBER].name
        if self.parent is None:
            return f"NOT {_exists(layout, other, mine, theirs, number)}"
        child, at = layout.tables[self.parent.table], place_of(self.parent)
        if self.parent.object != self.name:
            return f"NOT {_exists(layout, child, mine, self.parent.name, number)}"
        is_joined = _exists(layout, other, mine, theirs, at)
        return f"NOT ({is_joined} AND {number} = {self._first(layout, child, at)})"

    def _first(self, layout: Layout, other: Table, parent: str) -> str:
        """The smallest number of the children of `parent` in the image set of a row of `other`.

        With `min`, rather than a search for the child without a smaller sibling, MariaDB uses the
        index even before it has statistics of the rows.
        """
        assert self.parent is not None
        child = layout.tables[self.parent.table]
        least = f"SELECT min(o.{quoted(child.key[-1])}) FROM {quoted(child.name)} o"
        return f"({least} WHERE {_where(layout, other, self.parent.name, parent)})"


def joined_types(layout: Layout, names: Sequence[str]) -> list[JoinedType]:
    """All object types, each after the type that it joins; the first joins none."""
    parents = {name: [n for n in names if _parent(layout, name, n)] for name in names}

    def first(some: Iterable[str]) -> str:
        those = list(some)
        orphans = [name for name in those if not parents[name]] or those
        return max(orphans, key=lambda name: _descendants(name, parents))

    begin = first(names)
    placed, rest = [JoinedType(begin, begin)], [name for name in names if name != begin]
    while rest:
        links = (link for name in rest for link in _links(layout, name, placed))
        link = next(links, None) or JoinedType(first(rest), begin)
        placed.append(link)
        rest.remove(link.name)
    return placed


def _links(layout: Layout, name: str, placed: Sequence[JoinedType]) -> Iterator[JoinedType]:
    """The ways in which a type can join those that are placed: as their child, or their parent."""
    for other in placed:
        for child, parent in ((name, other.name), (other.name, name)):
            column = _parent(layout, child, parent)
            if column is not None:
                yield JoinedType(name, other.name, column)


def _parent(layout: Layout, child: str, parent: str) -> Column | None:
    if child == parent:
        return None
    return layout.by_feature.get((child, f"Parent_{parent}"))


def _descendants(name: str, parents: Mapping[str, Sequence[str]]) -> int:
    family = {name}
    while more := {child for child, theirs in parents.items() if family & set(theirs)} - family:
        family |= more
    return len(family) - 1


def types_in_row(begins: str, joined: Sequence[JoinedType]) -> list[str]:
    """The types of objects in a row that begins with one type: that type, and those that join it
    directly or through others."""
    types = [begins]
    for one in joined:
        if one.name not in types and one.on in types:
            types.append(one.name)
    return types


def _exists(layout: Layout, table: Table, other: Table, column: str, value: str) -> str:
    where = _where(layout, other, column, value)
    return f"EXISTS (SELECT 1 FROM {quoted(table.name)} o WHERE {where})"


def _where(layout: Layout, other: Table, column: str, value: str) -> str:
    """The condition that selects rows `o` with a value in a column, in the image set of a row of
    `other`."""
    keys = [f"o.{quoted(key)} = {quoted(other.name)}.{quoted(key)}" for key in layout.image_key]
    return " AND ".join([*keys, f"o.{quoted(column)} = {value}"])


def number_of(layout: Layout, name: str) -> str:
    return place_of(layout.by_feature[name, NUMBER])


def place_of(column: Column) -> str:
    return f"{quoted(column.table)}.{quoted(column.name)}"


def part_join(table: Table, part: Table) -> str:
    return f"LEFT JOIN {quoted(part.name)} ON {_same(part, table, table.key)}"


def _same(one: Table, other: Table, keys: Iterable[str]) -> str:
    return " AND ".join(
        f"{quoted(one.name)}.{quoted(key)} = {quoted(other.name)}.{quoted(key)}" for key in keys
    )
