"""The tables and columns of a destination: where each feature goes, and with which type.

The tables are the same as in CellProfiler's ExportToDatabase, one per object type. A `Layout` is an
immutable value: it grows by new features and wider types, and never renames or moves what it has.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import pyarrow as pa
import pyarrow.compute as pc

from cpexport.cellprofiler.column_names import LONGEST, column_names
from cpexport.cellprofiler.column_order import full_name, objects_of, order
from cpexport.cellprofiler.features import (
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
from cpexport.tables.capacity import TableCapacity

Features = Mapping[str, Mapping[str, pa.DataType]]
"""Object type to feature to type, as far as known."""

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
"""The columns in which sources yield relationships: one row per pair, with the kind spelled out."""

_CHILD, _CHILDREN = "Child", "Children"


def children_as_child(pairs: pa.RecordBatch) -> pa.RecordBatch:
    """Returns relationships with one word for children, so that outputs of all versions agree.

    RelateObjects writes `Child` in CellProfiler 4.2.8 and `Children` in 5 (relateobjects.py).
    """
    place = pairs.schema.get_field_index("relationship")
    kinds = pairs.column(place)
    if not pc.any(pc.equal(kinds, _CHILDREN)).as_py():
        return pairs
    unified = pc.if_else(pc.equal(kinds, _CHILDREN), _CHILD, kinds)
    return pairs.set_column(place, pairs.schema.field(place), unified)


_ANY = TableCapacity.columns(1_000_000)


@dataclass(frozen=True, slots=True)
class Column:
    """Where one feature goes: its table and column in the destination, and the Arrow type there."""

    object: str
    feature: str
    table: str
    name: str
    type: pa.DataType


@dataclass(frozen=True, slots=True)
class Table:
    """One table, or one part of a table that is too wide for the destination.

    `key` has the names of the key columns, which are not in `columns`: they identify the image set
    and, for objects, the object number. Rows are unique by key.
    """

    name: str
    object: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]

    @property
    def schema(self) -> pa.Schema:
        """The key columns and then the others, as the destination stores them."""
        keys = [pa.field(name, INTEGER, nullable=False) for name in self.key]
        return pa.schema(keys + [pa.field(c.name, c.type) for c in self.columns])


@dataclass(frozen=True)
class Layout:
    """All tables of a destination: the column of every feature, in column order.

    `numbered` is whether `TableNumber` separates the image sets of several runs.
    """

    columns: tuple[Column, ...] = field(default=())
    numbered: bool = False

    @property
    def image_key(self) -> tuple[str, ...]:
        """The columns that identify an image set; every table begins with them."""
        return (TABLE_NUMBER, IMAGE_NUMBER) if self.numbered else (IMAGE_NUMBER,)

    @cached_property
    def by_feature(self) -> Mapping[tuple[str, str], Column]:
        return {(column.object, column.feature): column for column in self.columns}

    @cached_property
    def tables(self) -> Mapping[str, Table]:
        """Tables by name, in the order of first need; the parts of a table follow each other."""
        columns_by_table: dict[str, list[Column]] = {}
        for column in self.columns:
            columns_by_table.setdefault(column.table, []).append(column)
        numbers = {c.object: c.name for c in self.columns if c.feature == NUMBER}
        return {
            name: Table(
                name,
                columns[0].object,
                self._key(columns[0].object, numbers),
                tuple(c for c in columns if c.feature not in (NUMBER, IMAGE_NUMBER)),
            )
            for name, columns in columns_by_table.items()
        }

    def _key(self, object_name: str, numbers: Mapping[str, str]) -> tuple[str, ...]:
        return self.image_key + (() if object_name == IMAGE else (numbers[object_name],))

    def parts(self, object_name: str) -> tuple[Table, ...]:
        """The tables of one object type: one, or several if it is too wide for one."""
        return tuple(table for table in self.tables.values() if table.object == object_name)

    def extended(
        self,
        features: Features,
        prefix: str = "",
        capacity: TableCapacity = _ANY,
        max_column_length: int = LONGEST,
    ) -> "Layout":
        """Returns this layout with columns for all of `features`.

        Names and order are CellProfiler's, computed over all new features together. Existing
        columns stay as they are, and new ones follow. `capacity` is what one table of the
        destination can hold, including keys; a wider object type gets parts, `Per_Image_part2` and
        so on.
        """
        new = {
            (name, feature): wider(type, promised_type(name, feature))
            for name, types in features.items()
            for feature, type in {**({NUMBER: INTEGER} if name != IMAGE else {}), **types}.items()
            if is_column(feature) and (name, feature) not in self.by_feature
        }
        if not new and all(name in self.objects for name in features):
            return self
        objects = (self.objects | features.keys()) - {IMAGE}
        objects |= set(objects_of([*self.features.get(OBJECT, ()), *features.get(OBJECT, ())]))
        existing_names = {full_name(c.object, c.feature, objects): c.name for c in self.columns}
        # CellProfiler's own mapping contains the keys, so no other column can take their names.
        keys = {key: key for key in (*self.image_key, OBJECT_NUMBER)}
        wanted = [full_name(*feature, objects) for feature in new]
        names = column_names(wanted, max_column_length, taken={**keys, **existing_names})
        columns = list(self.columns)
        for object_name in sorted(features, key=lambda name: (name != IMAGE, name)):
            new_features = sorted(
                (feature for name, feature in new if name == object_name),
                key=lambda feature: order(object_name, feature, objects),
            )
            if object_name == IMAGE and not self.parts(IMAGE):
                new_features.insert(0, IMAGE_NUMBER)
            # `_placed` fills in the tables.
            new_columns = [
                Column(object_name, feature, "", IMAGE_NUMBER, INTEGER)
                if feature == IMAGE_NUMBER
                else Column(
                    object_name,
                    feature,
                    "",
                    names[full_name(object_name, feature, objects)],
                    new[object_name, feature],
                )
                for feature in new_features
            ]
            parts, first_part = self.parts(object_name), f"{prefix}Per_{object_name}"
            columns += _placed(parts, self.image_key, new_columns, first_part, capacity)
        return replace(self, columns=tuple(columns))

    def placed(self, before: "Layout", capacity: TableCapacity) -> "Layout":
        """Returns the same columns in tables of this capacity.

        The columns of `before` keep their tables. New tables are named as in `extended`.
        """
        own = self.by_feature
        kept = [c for c in before.columns if (c.object, c.feature) in own]
        columns = [replace(own[c.object, c.feature], table=c.table) for c in kept]
        for name in sorted(self.objects, key=lambda name: (name != IMAGE, name)):
            new = [
                c
                for c in self.columns
                if c.object == name and (name, c.feature) not in before.by_feature
            ]
            first = self.parts(name)[0].name
            columns += _placed(before.parts(name), self.image_key, new, first, capacity)
        return replace(self, columns=tuple(columns))

    def widened(self, features: Features) -> "Layout":
        """Returns this layout with every column at least as wide as in `features`."""
        columns = []
        for column in self.columns:
            wanted = features.get(column.object, {}).get(column.feature, NULL)
            type = wider(column.type, wanted)
            columns.append(column if type == column.type else replace(column, type=type))
        return self if tuple(columns) == self.columns else replace(self, columns=tuple(columns))

    @cached_property
    def features(self) -> Features:
        """Every feature with a column, and the column's type."""
        features: dict[str, dict[str, pa.DataType]] = {}
        for column in self.columns:
            if is_column(column.feature):
                features.setdefault(column.object, {})[column.feature] = column.type
        return features

    @cached_property
    def objects(self) -> frozenset[str]:
        """The object types, including `Image`."""
        return frozenset(column.object for column in self.columns)

    @cached_property
    def types(self) -> frozenset[str]:
        """The object types including `Image`; those that share one table are listed one by one."""
        return self.objects | frozenset(objects_of(self.features.get(OBJECT, ())))


def joined(many: Iterable[Features]) -> Features:
    """Returns all features of many mappings, each with the narrowest type that holds all values."""
    result: dict[str, dict[str, pa.DataType]] = {}
    for features in many:
        for name, types in features.items():
            if name not in result:
                result[name] = dict(types)
                continue
            mine = result[name]
            for feature, type in types.items():
                before = mine.get(feature)
                if before is None:
                    mine[feature] = type
                # Among thousands of features, nearly all keep the same type.
                elif before != type:
                    mine[feature] = wider(before, type)
    return result


def table_of(object_name: str, prefix: str) -> str:
    """The table of an object type, or its first part; for relationships, the table of pairs."""
    return f"{prefix}Per_{object_name}" + ("s" if object_name == RELATIONSHIP else "")


def object_of(table: str, prefix: str) -> str:
    """The object type of a table: the inverse of `table_of`."""
    name = table.removeprefix(f"{prefix}Per_")
    return RELATIONSHIP if name == f"{RELATIONSHIP}s" else name


def _placed(
    parts: tuple[Table, ...],
    image_key: tuple[str, ...],
    new: list[Column],
    name: str,
    capacity: TableCapacity,
) -> Iterator[Column]:
    """Yields the new columns of one object type with their tables.

    parts: the tables that the type has. The last one is filled before a new one is begun.
    name: the name of the first part.
    """
    sizes = {column: (column.name, column.type) for column in new}
    if parts:
        keys = [(key, INTEGER) for key in parts[-1].key]
        left = capacity.left([*keys, *((c.name, c.type) for c in parts[-1].columns)])
    else:
        # In the first part, the columns of the key features are themselves the keys.
        mine = [sizes[column] for column in new if column.feature in (IMAGE_NUMBER, NUMBER)]
        absent = [(key, INTEGER) for key in image_key if (key, INTEGER) not in mine]
        keys, left = absent + mine, capacity.left(absent)
        if min(capacity.left(sizes.values(), left)) < 0:
            # The features that name and locate images belong in the first part, where tools look
            # for them.
            new = sorted(new, key=lambda c: promised_type(c.object, c.feature) in (REAL,))
    placed = capacity.parts([sizes[column] for column in new], keys, left)
    for column, part in zip(new, placed, strict=True):
        number = max(len(parts), 1) + part
        yield replace(column, table=name + (f"_part{number}" if number > 1 else ""))
