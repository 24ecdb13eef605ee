"""Tables and their columns: which table and column each feature goes to, and of which type.

The tables are those of CellProfiler's ExportToDatabase, one for each object type. A `Layout` is a
value: it grows by new features and wider types, and never renames or moves what it has.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import pyarrow as pa
import pyarrow.compute as pc

from cpexport.features import (
    IMAGE,
    IMAGE_NUMBER,
    INTEGER,
    NULL,
    NUMBER,
    OBJECT,
    OBJECT_NUMBER,
    REAL,
    RELATIONSHIP,
    TABLE_NUMBER,
    TEXT,
    is_column,
    promised_type,
    wider,
)
from cpexport.naming import column_names
from cpexport.ordering import full_name, objects_of, order
from cpexport.room import Room

Features = Mapping[str, Mapping[str, pa.DataType]]
"""Object type to feature to type, as far as it is known."""

RELATIONSHIPS = pa.schema(
    [
        ("module_number", INTEGER),
        ("relationship", TEXT),
        ("object_name1", TEXT),
        ("object_name2", TEXT),
        ("image_number1", INTEGER),
        ("object_number1", INTEGER),
        ("image_number2", INTEGER),
        ("object_number2", INTEGER),
    ]
)
"""What sources yield for relationships between objects: one row a pair, types spelled out."""

_CHILD, _CHILDREN = "Child", "Children"


def children_as_child(pairs: pa.RecordBatch) -> pa.RecordBatch:
    """Relationships with one name for children, so that outputs of all versions have one kind.

    RelateObjects says `Child` in CellProfiler 4.2.8 and `Children` in 5 (relateobjects.py).
    """
    place = pairs.schema.get_field_index("relationship")
    said = pairs.column(place)
    if not pc.any(pc.equal(said, _CHILDREN)).as_py():
        return pairs
    one = pc.if_else(pc.equal(said, _CHILDREN), _CHILD, said)
    return pairs.set_column(place, pairs.schema.field(place), one)


_ANY = Room.columns(1_000_000)


@dataclass(frozen=True, slots=True)
class Column:
    """Where one feature goes: table and column of the destination, and the Arrow type there."""

    object: str
    feature: str
    table: str
    name: str
    type: pa.DataType


@dataclass(frozen=True, slots=True)
class Table:
    """One table, or one part of a table too wide for the destination.

    `key` are the names of its key columns, which are not among `columns`: those that name an image
    set, and for objects their number. Rows are unique by key.
    """

    name: str
    object: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]

    @property
    def schema(self) -> pa.Schema:
        """The key columns and then the others, as the destination holds them."""
        keys = [pa.field(name, INTEGER, nullable=False) for name in self.key]
        return pa.schema(keys + [pa.field(c.name, c.type) for c in self.columns])


@dataclass(frozen=True)
class Layout:
    """All tables of a destination: every feature's column, in the order of the columns.

    `numbered` is whether image sets of several runs are told apart by `TableNumber`.
    """

    columns: tuple[Column, ...] = field(default=())
    numbered: bool = False

    @property
    def image_key(self) -> tuple[str, ...]:
        """The columns that name an image set, the first ones of every table."""
        return (TABLE_NUMBER, IMAGE_NUMBER) if self.numbered else (IMAGE_NUMBER,)

    @cached_property
    def by_feature(self) -> Mapping[tuple[str, str], Column]:
        return {(column.object, column.feature): column for column in self.columns}

    @cached_property
    def tables(self) -> Mapping[str, Table]:
        """Tables by name, in the order in which they were first needed; parts follow each other."""
        found: dict[str, list[Column]] = {}
        for column in self.columns:
            found.setdefault(column.table, []).append(column)
        numbers = {c.object: c.name for c in self.columns if c.feature == NUMBER}
        return {
            name: Table(
                name,
                columns[0].object,
                self._key(columns[0].object, numbers),
                tuple(c for c in columns if c.feature not in (NUMBER, IMAGE_NUMBER)),
            )
            for name, columns in found.items()
        }

    def _key(self, object_name: str, numbers: Mapping[str, str]) -> tuple[str, ...]:
        return self.image_key + (() if object_name == IMAGE else (numbers[object_name],))

    def parts(self, object_name: str) -> tuple[Table, ...]:
        """The tables of one object type: one, or as many as its width needs."""
        return tuple(table for table in self.tables.values() if table.object == object_name)

    def extended(
        self,
        features: Features,
        prefix: str = "",
        room: Room = _ANY,
        max_column_length: int = 64,
    ) -> "Layout":
        """This layout with the columns that `features` need besides.

        Names and order are CellProfiler's, computed over all new features together; a layout that
        has columns keeps them, and new ones follow. `room` is what a table of the destination can
        hold, keys counted; wider object types get parts, `Per_Image_part2` and so on.
        """
        new = {
            (name, feature): wider(type, promised_type(name, feature))
            for name, found in features.items()
            for feature, type in {**({NUMBER: INTEGER} if name != IMAGE else {}), **found}.items()
            if is_column(feature) and (name, feature) not in self.by_feature
        }
        if not new and all(name in self.objects for name in features):
            return self
        objects = (self.objects | features.keys()) - {IMAGE}
        objects |= set(objects_of([*self.features.get(OBJECT, ()), *features.get(OBJECT, ())]))
        known = {full_name(c.object, c.feature, objects): c.name for c in self.columns}
        # The keys are in CellProfiler's own mapping, so nothing else may take their names.
        keys = {key: key for key in (*self.image_key, OBJECT_NUMBER)}
        wanted = [full_name(*feature, objects) for feature in new]
        names = column_names(wanted, max_column_length, taken={**keys, **known})
        columns = list(self.columns)
        for object_name in sorted(features, key=lambda name: (name != IMAGE, name)):
            mine = sorted(
                (feature for name, feature in new if name == object_name),
                key=lambda feature: order(object_name, feature, objects),
            )
            fresh = not self.parts(object_name)
            if fresh and object_name == IMAGE:
                mine.insert(0, IMAGE_NUMBER)
            made = [
                Column(object_name, feature, "", IMAGE_NUMBER, INTEGER)
                if feature == IMAGE_NUMBER
                else Column(
                    object_name,
                    feature,
                    "",
                    names[full_name(object_name, feature, objects)],
                    new[object_name, feature],
                )
                for feature in mine
            ]
            columns += _placed(
                self.parts(object_name), self.image_key, made, f"{prefix}Per_{object_name}", room
            )
        return replace(self, columns=tuple(columns))

    def placed(self, before: "Layout", room: Room) -> "Layout":
        """The same columns in tables that have this room; those that `before` has stay in theirs.

        Names of tables are as `extended` makes them.
        """
        mine = self.by_feature
        kept = [c for c in before.columns if (c.object, c.feature) in mine]
        columns = [replace(mine[c.object, c.feature], table=c.table) for c in kept]
        for name in sorted(self.objects, key=lambda name: (name != IMAGE, name)):
            new = [
                c
                for c in self.columns
                if c.object == name and (name, c.feature) not in before.by_feature
            ]
            first = self.parts(name)[0].name
            columns += _placed(before.parts(name), self.image_key, new, first, room)
        return replace(self, columns=tuple(columns))

    def widened(self, features: Features) -> "Layout":
        """This layout with columns at least as wide as those of `features`."""
        columns = []
        for column in self.columns:
            known = features.get(column.object, {}).get(column.feature, NULL)
            type = wider(column.type, known)
            columns.append(column if type == column.type else replace(column, type=type))
        return self if tuple(columns) == self.columns else replace(self, columns=tuple(columns))

    @cached_property
    def features(self) -> Features:
        """Every feature that has a column, with the column's type."""
        found: dict[str, dict[str, pa.DataType]] = {}
        for column in self.columns:
            if is_column(column.feature):
                found.setdefault(column.object, {})[column.feature] = column.type
        return found

    @cached_property
    def objects(self) -> frozenset[str]:
        """The object types, `Image` among them."""
        return frozenset(column.object for column in self.columns)

    @cached_property
    def types(self) -> frozenset[str]:
        """The object types, those that are side by side in one table each by itself, and
        `Image`."""
        return self.objects | frozenset(objects_of(self.features.get(OBJECT, ())))


def joined(many: Iterable[Features]) -> Features:
    """All features of many, each with the narrowest type that holds the values of all."""
    found: dict[str, dict[str, pa.DataType]] = {}
    for features in many:
        for name, types in features.items():
            if name not in found:
                found[name] = dict(types)
                continue
            mine = found[name]
            for feature, type in types.items():
                before = mine.get(feature)
                if before is None:
                    mine[feature] = type
                # Of thousands of features nearly all have the type that they had.
                elif before != type:
                    mine[feature] = wider(before, type)
    return found


def table_of(object_name: str, prefix: str) -> str:
    """The table of an object type, its first part; of relationships, that of the pairs."""
    return f"{prefix}Per_{object_name}" + ("s" if object_name == RELATIONSHIP else "")


def object_of(table: str, prefix: str) -> str:
    """The object type of a table: what `table_of` made it from."""
    name = table.removeprefix(f"{prefix}Per_")
    return RELATIONSHIP if name == f"{RELATIONSHIP}s" else name


def _placed(
    parts: tuple[Table, ...],
    image_key: tuple[str, ...],
    new: list[Column],
    name: str,
    room: Room,
) -> Iterator[Column]:
    """Columns of one object type with their tables, the last part filled before another begins."""
    sizes = {column: (column.name, column.type) for column in new}
    if parts:
        keys = [(key, INTEGER) for key in parts[-1].key]
        left = room.left([*keys, *((c.name, c.type) for c in parts[-1].columns)])
    else:
        # In the first part the columns of their features are the keys.
        mine = [sizes[column] for column in new if column.feature in (IMAGE_NUMBER, NUMBER)]
        absent = [(key, INTEGER) for key in image_key if (key, INTEGER) not in mine]
        keys, left = absent + mine, room.left(absent)
        if min(room.left(sizes.values(), left)) < 0:
            # What names and places the pictures belongs in the first part, where tools look for it.
            new = sorted(new, key=lambda c: promised_type(c.object, c.feature) in (REAL,))
    placed = room.parts([sizes[column] for column in new], keys, left)
    for column, part in zip(new, placed, strict=True):
        number = max(len(parts), 1) + part
        yield replace(column, table=name + (f"_part{number}" if number > 1 else ""))
