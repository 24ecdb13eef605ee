"""The tables that a script makes on MariaDB and MySQL alike, and how wide they can be there."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa

from cpexport.errors import SinkError
from cpexport.features import (
    IMAGE,
    IMAGE_NUMBER,
    INTEGER,
    NUMBER,
    REAL,
    TEXT,
    promised_type,
)
from cpexport.importer.contents import Contents
from cpexport.sinks import schema
from cpexport.sinks.mysqlwidth import room
from cpexport.tables import Column, Layout, Table

OPTIONS: Final = "ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin"
LONGEST_TEXT: Final = 65_535
"""Bytes in a TEXT column."""

# MariaDB holds less than MySQL, and so what fits there fits both.
_ROOM = room(mariadb=True)
# MySQL makes a question mark of what has more than two bytes.
_NAME = re.compile(r"[\x01-\uffff]{0,63}(?! )[\x01-\uffff]")
_KEYS = {"prefix": 64, "name": 255, "signature": 64, "table_name": 64}
_EMBEDDED = ("Thumbnail_",)


@dataclass(frozen=True)
class Made:
    """A table: columns by name with their types, `key` its primary key, `unique` and `indexes`
    columns by name."""

    name: str
    columns: dict[str, str]
    key: tuple[str, ...]
    unique: dict[str, tuple[str, ...]]
    indexes: dict[str, tuple[str, ...]]

    @property
    def statement(self) -> str:
        """Makes it unless there is one of that name."""
        inner = [f"{quoted(name)} {type}" for name, type in self.columns.items()]
        if self.key:
            inner.append(f"PRIMARY KEY ({listed(self.key)})")
        inner += [f"UNIQUE KEY {quoted(n)} ({listed(c)})" for n, c in self.unique.items()]
        inner += [f"KEY {quoted(n)} ({listed(c)})" for n, c in self.indexes.items()]
        body = ",\n  ".join(inner)
        return f"CREATE TABLE IF NOT EXISTS {quoted(self.name)} (\n  {body}\n) {OPTIONS};"


SCRIPTED: Final = Made(
    "_cpexport_script",
    {
        "prefix": "VARCHAR(64) NOT NULL",
        "table_number": "INT NOT NULL",
        "signature": "VARCHAR(64) NOT NULL",
        "table_name": "VARCHAR(64) NOT NULL",
        "digest": "VARCHAR(64) NOT NULL",
    },
    ("prefix", "table_number", "signature", "table_name"),
    {},
    {},
)
"""Which batches a script brought, and digests of their files by table, of all by an empty name."""


def quoted(name: str) -> str:
    """A name as SQL has it."""
    return "`" + name.replace("`", "``") + "`"


def listed(names: Iterable[str]) -> str:
    return ", ".join(map(quoted, names))


def grown(old: Layout, features: Layout) -> Layout:
    """A layout with all columns of `features`, in parts that fit: what `old` has stays in place.

    Parts have names and keys as `Layout.extended` gives them.
    """
    placed = {(c.object, c.feature): c.table for c in old.columns}
    columns = []
    for name in sorted(features.objects, key=lambda name: (name != IMAGE, name)):
        mine = [c for c in features.columns if c.object == name]
        first = features.parts(name)[0]
        before = [c for c in mine if (name, c.feature) in placed]
        fresh = [c for c in mine if (name, c.feature) not in placed]
        keys = [*((key, INTEGER) for key in first.key)]
        if not before and not _fits([*keys, *((c.name, c.type) for c in fresh)]):
            # What names and places the pictures belongs in the first part, where tools look.
            fresh.sort(key=lambda c: (not _is_key(c), promised_type(name, c.feature) == REAL))
        tables = [c.table for c in before]
        parts = len(dict.fromkeys(tables)) or 1
        columns += [replace(c, table=placed[name, c.feature]) for c in before]
        last = [(c.name, c.type) for c in columns if c.table == _part(first.name, parts)]
        held = [*keys, *(column for column in last if column not in keys)]
        for column in fresh:
            size = (column.name, column.type)
            if not _is_key(column):
                if not _fits([*held, size]):
                    parts, held = parts + 1, list(keys)
                held.append(size)
            columns.append(replace(column, table=_part(first.name, parts)))
    order = {(c.object, c.feature): place for place, c in enumerate(old.columns)}
    columns.sort(key=lambda c: order.get((c.object, c.feature), len(order)))
    return Layout(tuple(columns), features.numbered)


def tables(contents: Contents) -> list[Made]:
    """The data tables, those of relationships, and of what ran."""
    prefix, numbered = contents.prefix, contents.shape.numbered
    found = [_data(table) for table in contents.layout.tables.values()]
    for table in (
        *schema.relationship_tables(prefix, numbered),
        schema.experiment_table(prefix, numbered),
    ):
        found.append(_made(table))
    return found


def own_tables() -> list[Made]:
    """The ledger's tables, and which batches came by a script."""
    return [*map(_made, schema.own_tables()), SCRIPTED]


def shared_tables() -> list[Made]:
    """Those that all prefixes share, with CellProfiler's own databases."""
    return [_made(table) for table in schema.experiment_tables()]


def refuse_long_names(contents: Contents) -> None:
    """Refuses names that the server does not take.

    Raises:
        SinkError: one has more than 64 characters.
    """
    for made in [*tables(contents), *own_tables()]:
        for name in (made.name, *made.columns, *made.unique, *made.indexes):
            if not _NAME.fullmatch(name):
                raise SinkError(
                    name, "is no name on MySQL, which takes 64 characters", "shorten --prefix"
                )


def refuse_long_texts(rows: pa.RecordBatch, table: Table, file: str) -> None:
    """Refuses texts that a column would not hold.

    Raises:
        SinkError: there is one.
    """
    for column in table.columns:
        if column.type == TEXT and not column.feature.startswith(_EMBEDDED):
            longest = pc.max(pc.binary_length(rows[column.name].cast(TEXT))).as_py() or 0
            if longest > LONGEST_TEXT:
                raise SinkError(
                    file,
                    f"{column.name} has a text of {longest} bytes, and TEXT holds {LONGEST_TEXT}",
                    "load it into SQLite",
                )


def _fits(columns: list[tuple[str, pa.DataType]]) -> bool:
    return min(_ROOM.left(columns)) >= 0


def _part(first: str, number: int) -> str:
    return first + (f"_part{number}" if number > 1 else "")


def _is_key(column: Column) -> bool:
    return column.feature in (IMAGE_NUMBER, NUMBER)


def _data(table: Table) -> Made:
    columns = dict.fromkeys(table.key, "INT NOT NULL")
    for column in table.columns:
        if column.type == TEXT:
            columns[column.name] = "LONGTEXT" if column.feature.startswith(_EMBEDDED) else "TEXT"
        else:
            columns[column.name] = "BIGINT" if column.type == INTEGER else "DOUBLE"
    return Made(table.name, columns, table.key, {}, {})


def _made(table: sa.Table) -> Made:
    key = tuple(column.name for column in table.primary_key.columns)
    unique = {
        str(constraint.name or "_".join(c.name for c in constraint.columns)): tuple(
            c.name for c in constraint.columns
        )
        for constraint in table.constraints
        if isinstance(constraint, sa.UniqueConstraint)
    }
    named = {name for columns in unique.values() for name in columns} | set(key)
    columns = {}
    for column in table.columns:
        type = _type(column, column.name in named, table.name.startswith("_cpexport_"))
        grows = table.name == "Experiment" and column.name in key
        rest = " AUTO_INCREMENT" if grows else ""
        columns[column.name] = type + ("" if column.nullable else " NOT NULL") + rest
    indexes = {str(i.name): tuple(c.name for c in i.columns) for i in table.indexes}
    return Made(table.name, columns, key, unique, dict(sorted(indexes.items())))


def _type(column: "sa.Column[object]", named: bool, own: bool) -> str:
    type = column.type
    if isinstance(type, sa.BigInteger):
        return "BIGINT"
    if isinstance(type, sa.Integer):
        return "INT"
    if isinstance(type, sa.LargeBinary):
        return "LONGBLOB"
    if isinstance(type, sa.Text):
        return f"VARCHAR({_KEYS[column.name]})" if named else "LONGTEXT" if own else "TEXT"
    assert isinstance(type, sa.String)
    return f"VARCHAR({type.length})"
