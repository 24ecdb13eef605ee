"""Explains why a table that someone has changed does not take a row, and how to repair it."""

import re
from typing import Final

import pyarrow as pa
from pymysql import err

from cpexport.errors import ChangedError
from cpexport.sinks.mysql.dialect import quoted
from cpexport.sinks.sql.schema import PLACE_LENGTH

# The numbers of errors, and of warnings of LOAD DATA LOCAL, which come with a column.
_NARROW: Final = {1264, 1265, 1366, 1406}
_NO_DEFAULT: Final = 1364
_DUPLICATE: Final = 1062
_NO_PARTITION: Final = 1526
_OURS: Final = re.compile("^PRIMARY$|Per_Relationship(?:Types)?Unique$")
_KEY: Final = re.compile(r"for key '(?:[^']*\.)?([^'.]+)'")
_COLUMN: Final = re.compile(r"(?:column|Field) '([^']+)'|`([^`]+)` at row")
_LONGEST_TEXT: Final = 65_535


def refused_value(
    name: str, table: str, rows: pa.RecordBatch, error: err.Error
) -> ChangedError | None:
    """The error for a table of the database `name` that does not take `rows`, because of the type
    of a column; None if `error` has another cause."""
    code, text = (error.args[0], str(error.args[-1])) if error.args else (0, "")
    if code == _NO_PARTITION:
        problem = f"{table}: {text} ({code})"
        return ChangedError(name, problem, "add a partition for it, and run the command again")
    key = _KEY.search(text)
    # Loads next to each other can find a row of the primary key there.
    if code == _DUPLICATE and key and not _OURS.search(key[1]) and table[:1] != "_":
        problem = f"{table} has a unique index {key[1]}, which refuses a row: {text} ({code})"
        drop = f"DROP INDEX {quoted(key[1])} ON {quoted(table)}"
        return ChangedError(name, problem, f"run {drop}, or create it without UNIQUE")
    found = _COLUMN.search(text)
    if found is None or code not in (*_NARROW, _NO_DEFAULT):
        return None
    column = found[1] or found[2]
    alter = f"run ALTER TABLE {quoted(table)}"
    if code == _NO_DEFAULT:
        problem = f"{table}.{column}, which another program added, needs a value"
        return ChangedError(name, problem, f"{alter} ALTER COLUMN {quoted(column)} SET DEFAULT ...")
    if column not in rows.schema.names:
        return None
    problem = f"a value does not fit {table}.{column}: {text} ({code})"
    return ChangedError(
        name, problem, f"{alter} MODIFY COLUMN {quoted(column)} {_fitting(rows[column])}"
    )


def _fitting(values: pa.Array) -> str:
    """A type that takes all values."""
    if pa.types.is_floating(values.type):
        return "DOUBLE"
    if pa.types.is_integer(values.type):
        return "BIGINT"
    longest = max((len(value.encode()) for value in values.to_pylist() if value), default=0)
    # An index may need a length.
    short = f"VARCHAR({PLACE_LENGTH})" if longest <= PLACE_LENGTH else "TEXT"
    size = short if longest <= _LONGEST_TEXT else "LONGTEXT"
    return f"{size} CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"
