"""Statements of a script for SQLite's own shell: checks that stop it, and literal rows."""

from collections.abc import Iterable

from cpexport.sinks.sql import database
from cpexport.sinks.sql.database import quoted
from cpexport.sql_script.stops import Stop


def literal(value: object) -> str:
    """A value as a SQL literal."""
    if value is None:
        return "NULL"
    if isinstance(value, bytes):
        return f"X'{value.hex()}'"
    if isinstance(value, int):
        return str(value)
    return database.literal(str(value))


def check(condition: str, stop: Stop, **values: object) -> str:
    """Statements that stop the shell unless the condition holds."""
    message = stop.filled(**values)
    return (
        "DROP TABLE IF EXISTS temp.cpexport_check;\n"
        f"CREATE TEMP TABLE cpexport_check (ok CONSTRAINT {quoted(message)} CHECK (ok));\n"
        f"INSERT INTO temp.cpexport_check SELECT coalesce(({condition}), 0);\n"
    )


def insert(table: str, values: Iterable[object], condition: str = "1") -> str:
    """A statement that inserts a literal row if the condition holds."""
    listed = ", ".join(map(literal, values))
    return f"INSERT INTO {table} SELECT {listed} WHERE {condition};\n"
