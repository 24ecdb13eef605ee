"""Which types of columns a database on a server has, and which of them can stay.

Administrators change what loads have made: a TEXT becomes VARCHAR to be indexed, a BIGINT becomes
INT. A column can stay if it holds the values that loads write, or refuses them with an error.
"""

from collections.abc import Mapping
from typing import Final

import pyarrow as pa

from cpexport.cellprofiler.features import INTEGER, NULL, REAL, TEXT
from cpexport.errors import ChangedError
from cpexport.sinks.mysql.database import MysqlDatabase
from cpexport.sinks.mysql.dialect import DIALECT, quoted
from cpexport.sinks.sql import schema
from cpexport.tables.layout import Layout, Table

TEXTS: Final = ("tinytext", "text", "mediumtext", "longtext")
"""Texts; servers index only their first characters."""

_KINDS: Final[Mapping[str, pa.DataType]] = {
    **dict.fromkeys(("tinyint", "smallint", "mediumint", "int", "bigint"), INTEGER),
    "double": REAL,
    **dict.fromkeys(("varchar", *TEXTS), TEXT),
}
"""The kind of value that each type of column holds exactly, or refuses."""


def kind_of(type: str) -> pa.DataType:
    """The kind of value that a column of this type holds, such as `bigint`; text for all others."""
    return _KINDS.get(type, TEXT)


def differ(type: str, wanted: pa.DataType) -> bool:
    """Whether a column of this type must change to hold such values."""
    # A column that never had a value is made for real numbers.
    return bool(_KINDS.get(type) != (REAL if wanted == NULL else wanted))


def of_table(db: MysqlDatabase, table: str) -> dict[str, str]:
    """The types of a table's columns by name; empty without a table."""
    return of_database(db, table).get(table, {})


def of_database(db: MysqlDatabase, table: str | None = None) -> dict[str, dict[str, str]]:
    """The types of all columns, such as `bigint`, by table and name; or those of one table. A key
    that the server itself needs, and that no one sees, is left out."""
    one = ("AND table_name = ? ", [table]) if table else ("", [])
    found: dict[str, dict[str, str]] = {}
    for name, column, type in db.rows(
        "SELECT table_name, column_name, data_type FROM information_schema.columns "
        f"WHERE table_schema = DATABASE() {one[0]}"
        "AND NOT (column_key = 'PRI' AND extra LIKE '%INVISIBLE%')",
        *one[1],
    ):
        found.setdefault(table or str(name), {})[str(column)] = str(type).lower()
    return found


def check_usable(db: MysqlDatabase, layout: Layout, *, changing: bool = False) -> None:
    """Checks that no column has a type that would change values, as FLOAT and INT round real
    numbers. While tables are `changing`, columns may still be numbers that are to be wider.

    Raises:
        ChangedError: one has; the error has the statement that repairs it.
    """
    types = of_database(db)
    for table in layout.tables.values():
        existing = types.get(db.spelled(table.name), {})
        for column in table.columns:
            type = existing.get(column.name)
            if type is not None and _changes(type, column.type, changing):
                raise ChangedError(
                    db.name,
                    f"{table.name}.{column.name} is {type.upper()} now, which changes values",
                    f"run {repair(table, column.name)}",
                )


def _changes(type: str, wanted: pa.DataType, changing: bool) -> bool:
    """Whether a column of this type would change some of the values."""
    kind = _KINDS.get(type)
    if changing or kind is None:
        return kind is None
    return bool((wanted == REAL and kind == INTEGER) or (wanted == TEXT and kind != TEXT))


def repair(table: Table, column: str) -> str:
    """The statement that gives a column its own type."""
    type = schema.data_table(table).c[column].type.compile(dialect=DIALECT)
    # As servers take a VARCHAR for a text, a value may just have been too long for it.
    type = "TEXT" if str(type).startswith("VARCHAR") else str(type)
    if type.endswith("TEXT"):
        type += " CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"
    return f"ALTER TABLE {quoted(table.name)} MODIFY COLUMN {quoted(column)} {type}"
