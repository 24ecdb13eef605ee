"""Statements of a script for MariaDB and MySQL: checks that stop it, and literal rows."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from cpexport.sql_script.stops import MARK, Stop

_AT_ONCE = 200
# Both servers show 192 bytes of the name of a column that they do not know.
_LONGEST = 180


def literal(value: object) -> str:
    """A value as a SQL literal."""
    if value is None:
        return "NULL"
    if isinstance(value, bytes):
        return f"X'{value.hex()}'"
    if isinstance(value, int):
        return str(value)
    text = str(value)
    for plain, escaped in (
        ("\\", "\\\\"),
        ("'", "''"),
        ("\n", "\\n"),
        ("\r", "\\r"),
        ("\0", "\\0"),
    ):
        text = text.replace(plain, escaped)
    return f"'{text}'"


def check(condition: str, stop: Stop, **values: object) -> str:
    """Statements that stop the client unless the condition holds. The values of the message are
    literals, except those of type `Variable`."""
    text = ", ".join(_sql(piece) for piece in (MARK, *stop.pieces(values)))
    name = f"REPLACE(LEFT(CONCAT({text}), {_LONGEST}), '`', '''')"
    return (
        f"SET @ok = @ok AND COALESCE(({condition}), 0);\n"
        f"SET @s = IF(@ok, 'DO 0', CONCAT('SELECT `', {name}, '`'));\n{RUN}"
    )


RUN: Final = "PREPARE s FROM @s; EXECUTE s; DEALLOCATE PREPARE s;\n"


def end(condition: str) -> str:
    return f"SET @s = IF({condition}, 'COMMIT', 'ROLLBACK');\n{RUN}"


def insert(table: str, rows: Iterable[Sequence[object]]) -> Iterator[str]:
    """Statements that insert literal rows, at most `_AT_ONCE` each."""
    listed = [f"({', '.join(map(literal, row))})" for row in rows]
    for start in range(0, len(listed), _AT_ONCE):
        values = ",\n  ".join(listed[start : start + _AT_ONCE])
        yield f"INSERT INTO {table} VALUES\n  {values};\n"


def select(table: str, values: Iterable[object], condition: str) -> str:
    """A statement that inserts a row if the condition holds. Its values are literals, except
    those of type `Variable`."""
    listed = ", ".join(map(_sql, values))
    return f"INSERT INTO {table} SELECT {listed} FROM DUAL WHERE {condition};\n"


class Variable(str):
    """A SQL expression rather than a value."""

    __slots__ = ()


def _sql(value: object) -> str:
    return str(value) if isinstance(value, Variable) else literal(value)


ID: Final = Variable("@id")
