"""Statements of a script for SQLite's own shell: checks that stop it, and literal rows."""

from collections.abc import Iterable

from cpexport.sinks import sql
from cpexport.sinks.sql import quoted


def literal(value: object) -> str:
    """A value as SQL has it."""
    if value is None:
        return "NULL"
    if isinstance(value, bytes):
        return f"X'{value.hex()}'"
    if isinstance(value, int):
        return str(value)
    return sql.literal(str(value))


def check(condition: str, message: str) -> str:
    """Stops the shell unless the condition holds."""
    return (
        "DROP TABLE IF EXISTS temp.cpexport_check;\n"
        f"CREATE TEMP TABLE cpexport_check (ok CONSTRAINT {quoted(message)} CHECK (ok));\n"
        f"INSERT INTO temp.cpexport_check SELECT coalesce(({condition}), 0);\n"
    )


def insert(table: str, values: Iterable[object], condition: str = "1") -> str:
    """A statement that inserts a literal row if a condition holds."""
    listed = ", ".join(map(literal, values))
    return f"INSERT INTO {table} SELECT {listed} WHERE {condition};\n"
