"""Statements of a script for MariaDB and MySQL: checks that stop it, and literal rows.

A check that fails stops the client. Under `--force` the client goes on, and there is no IF around
statements outside of stored programs, nor LOAD DATA in prepared ones. But the client splits the
script into statements as the session's sql_mode says (client/mysql.cc, add_line): with
NO_BACKSLASH_ESCAPES, a backslash does not keep a quote from ending a string. So

    SET @skip = '\\' /* ';

is one string for most sessions; after NO_BACKSLASH_ESCAPES it is a string and the start of a
comment. A check that fails sets that mode, and the client skips everything to the end of the
block. To be safe with other clients, statements that change something also ask for `@ok`.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from cpexport.sinks.mysql.session import SETTINGS
from cpexport.sql_script.stops import MARK, Stop

_AT_ONCE = 200
# Both servers show 192 bytes of the name of a column that they do not know.
_LONGEST = 180
_NO_ESCAPES = "CONCAT(@@sql_mode, ',NO_BACKSLASH_ESCAPES')"


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
        # The end of a comment, in which the client may be.
        ("*/", "*\\/"),
    ):
        text = text.replace(plain, escaped)
    return f"'{text}'"


def check(condition: str, stop: Stop, **values: object) -> str:
    """Statements that stop the client unless the condition holds; under `--force`, it goes on at
    the end of the block. The values of the message are literals, except those of type
    `Variable`."""
    text = ", ".join(_sql(piece) for piece in (MARK, *stop.pieces(values)))
    name = f"REPLACE(LEFT(CONCAT({text}), {_LONGEST}), '`', '''')"
    return (
        f"SET @stop = @ok AND NOT COALESCE(({condition}), 0);\n"
        "SET @ok = @ok AND NOT @stop;\n"
        f"SET @s = IF(@stop, CONCAT('SELECT `', {name}, '`'), 'DO 0');\n"
        # To prepare a query of a column that does not exist is an error already.
        f"PREPARE s FROM @s;\n{SKIP}"
    )


def block(statements: Iterable[str]) -> str:
    """Statements which the client skips, from a check that fails or from `SKIP` on."""
    text = "".join(statements)
    if _END in text:
        # A name has the end of a comment in it.
        text = text.replace(SKIP, "").replace(SKIP_KNOWN, "")
    return f"{text}DO 0 {_START}{_END};\nSET SESSION sql_mode = {literal(SETTINGS['sql_mode'])};\n"


RUN: Final = "PREPARE s FROM @s; EXECUTE s;\n"

_START, _END = "/* ", "*/"


def _skip_unless(condition: str) -> str:
    mode = f"IF({condition}, @@sql_mode, {_NO_ESCAPES})"
    return f"SET SESSION sql_mode = {mode};\nSET @skip = '\\' {_START}';\n"


SKIP: Final = _skip_unless("@ok")
"""Skips the rest of a block unless `@ok` is true."""
SKIP_KNOWN: Final = _skip_unless("@ok AND @new")
"""Skips the rest of the block of a batch that the database has."""


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
