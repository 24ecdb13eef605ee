"""The variables of a session on a MySQL or MariaDB server, whatever the server's defaults.

Servers, option files and proxies can cut results (`sql_select_limit`), stop statements
(`max_join_size`, `sql_safe_updates`) or change what is stored (`sql_mode`). Each variable of this
kind is set and read back, so that a session with another value is never used.
"""

from collections.abc import Mapping
from typing import Any, Final

_ALL: Final = 2**64 - 1
_CHARSET: Final = "utf8mb4"

# The order matters: setting max_join_size also sets sql_big_selects.
SETTINGS: Final[Mapping[str, int | str]] = {
    "sql_mode": "STRICT_ALL_TABLES,ANSI_QUOTES,NO_ENGINE_SUBSTITUTION",
    "sql_select_limit": _ALL,
    "max_join_size": _ALL,
    "sql_big_selects": 1,
    "sql_safe_updates": 0,
    "sql_auto_is_null": 0,
    "foreign_key_checks": 1,
    "unique_checks": 1,
    "completion_type": "NO_CHAIN",
    "time_zone": "+00:00",
    # Warnings report values that were not stored as they were sent.
    "sql_notes": 1,
    "group_concat_max_len": 1_000_000,
}
"""Variables that both servers have, and their values."""

# The variables that stop long statements, in seconds or milliseconds.
_LIMIT: Final = {"MariaDB": "max_statement_time", "MySQL": "max_execution_time"}
_NAMES: Final = ("character_set_client", "character_set_connection", "character_set_results")
# A server must not drop a connection that waits while a batch is decoded.
_WAITS: Final = {
    "wait_timeout": 28800,
    "net_read_timeout": 600,
    "net_write_timeout": 600,
    "lock_wait_timeout": 60,
}


def statements(kind: str) -> tuple[str, ...]:
    """The statements that set the variables on a server of this kind, MariaDB or MySQL."""
    values = {**SETTINGS, **_WAITS, _LIMIT[kind]: 0}
    listed = ", ".join(f"{name} = {_literal(value)}" for name, value in values.items())
    return f"SET NAMES {_CHARSET} COLLATE {_CHARSET}_bin", f"SET SESSION {listed}"


def question(kind: str) -> str:
    """The query that reads the variables back; `wrong` takes its one row."""
    names = (*SETTINGS, _LIMIT[kind], *_NAMES)
    return "SELECT " + ", ".join(f"@@SESSION.{name}" for name in names)


def wrong(kind: str, row: tuple[Any, ...]) -> str:
    """The first variable that is not as it was set, with its value; empty if all are.

    >>> values = [*SETTINGS.values(), 0, "utf8mb4", "utf8mb4", "utf8mb4"]
    >>> wrong("MySQL", tuple(values)), wrong("MySQL", (values[0], 2, *values[2:]))
    ('', 'sql_select_limit is 2')
    """
    expected = {**SETTINGS, _LIMIT[kind]: 0, **dict.fromkeys(_NAMES, _CHARSET)}
    for (name, value), actual in zip(expected.items(), row, strict=True):
        same = _parts(value) <= _parts(actual) if name == "sql_mode" else _same(value, actual)
        if not same:
            return f"{name} is {actual}"
    return ""


def _literal(value: int | str) -> str:
    return f"'{value}'" if isinstance(value, str) else str(value)


def _parts(value: object) -> set[str]:
    return set(str(value).split(","))


def _same(value: int | str, actual: Any) -> bool:
    return str(actual) == value if isinstance(value, str) else int(actual) == value
