"""The variables of a session on a MySQL or MariaDB server, whatever the server's defaults.

Servers, option files and proxies can cut results (`sql_select_limit`), stop statements
(`max_join_size`, `sql_safe_updates`), show rows that no one has committed (the isolation level) or
change what is stored (`sql_mode`). Each variable of this kind is set and read back, so that a
session with another value is never used. A script for these servers does the same.

Sources: the system variables in the manuals of MariaDB 10.6 to 11.8 and MySQL 8.0 to 9.7.
"""

from collections.abc import Mapping
from typing import Any, Final

_ALL: Final = 2**64 - 1
_CHARSET: Final = "utf8mb4"
_COLLATION: Final = f"{_CHARSET}_bin"
_ISOLATION: Final = "READ-COMMITTED"

MARIADB: Final = "MariaDB"
MYSQL: Final = "MySQL"
_ON_A_LINE: Final = 4

# The order matters: setting max_join_size also sets sql_big_selects.
SETTINGS: Final[Mapping[str, int | str]] = {
    "autocommit": 0,
    # In the order in which servers list them.
    "sql_mode": "ANSI_QUOTES,STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION",
    "sql_select_limit": _ALL,
    "max_join_size": _ALL,
    "sql_big_selects": 1,
    "sql_safe_updates": 0,
    "sql_auto_is_null": 0,
    "updatable_views_with_limit": "YES",
    "foreign_key_checks": 1,
    "unique_checks": 1,
    "completion_type": "NO_CHAIN",
    "default_storage_engine": "InnoDB",
    "default_tmp_storage_engine": "InnoDB",
    "time_zone": "+00:00",
    "lc_time_names": "en_US",
    "default_week_format": 0,
    "div_precision_increment": 4,
    # Texts are sorted by so many of their first bytes. More would cost memory for each row.
    "max_sort_length": 1024,
    # Warnings report values that were not stored as they were sent.
    "sql_notes": 1,
    "group_concat_max_len": 1_000_000,
}
"""Variables that both servers have and that any user may set, with their values."""

SETTINGS_OF: Final[Mapping[str, Mapping[str, int | str]]] = {
    MARIADB: {
        # From 11.1 on these two have MySQL's names, too.
        "tx_isolation": _ISOLATION,
        "tx_read_only": 0,
        # Stops long statements, in seconds.
        "max_statement_time": 0,
        "old_mode": "",
        # Would hide that a table to make is there already, or that one to change is not.
        "sql_if_exists": 0,
        "check_constraint_checks": 1,
        "innodb_strict_mode": 1,
        # The server stores warnings up to this number; 0 would hide which value was changed.
        "max_error_count": 64,
    },
    MYSQL: {
        "transaction_isolation": _ISOLATION,
        "transaction_read_only": 0,
        # Stops long queries, in milliseconds.
        "max_execution_time": 0,
    },
}
"""Variables that one kind of server has and that any user of it may set."""

FIXED: Final[Mapping[str, Mapping[str, str]]] = {
    MARIADB: {"system_versioning_asof": "DEFAULT"},
    MYSQL: {},
}
"""Variables that only administrators set, and that are read alone. A table in the past shows other
rows."""

# Names of files are ASCII here, so that character_set_filesystem is left out.
NAMES: Final = {
    "character_set_client": _CHARSET,
    "character_set_connection": _CHARSET,
    "character_set_results": _CHARSET,
    "collation_connection": _COLLATION,
}
"""The variables that `SET_NAMES` sets."""

# A server must not drop a connection that waits while a batch is decoded, nor one whose batch waits
# for another's; but it must not wait for ever.
LOCK_WAIT: Final = 60
"""How many seconds a statement waits for tables that others change."""
_WAITS: Final[Mapping[str, Mapping[str, int]]] = {
    kind: {
        "wait_timeout": 28800,
        "net_read_timeout": 600,
        "net_write_timeout": 600,
        "lock_wait_timeout": LOCK_WAIT,
        **more,
    }
    for kind, more in {
        MARIADB: {
            "idle_transaction_timeout": 0,
            "idle_readonly_transaction_timeout": 0,
            "idle_write_transaction_timeout": 0,
        },
        MYSQL: {},
    }.items()
}

SET_NAMES: Final = f"SET NAMES {_CHARSET} COLLATE {_COLLATION}"
"""The first statement of a session."""


def statements(kind: str) -> tuple[str, ...]:
    """The statements that set the variables on a server of this kind, MariaDB or MySQL."""
    return SET_NAMES, assignment({**SETTINGS, **SETTINGS_OF[kind], **_WAITS[kind]})


def assignment(values: Mapping[str, int | str]) -> str:
    """The statement that sets these variables of the session, a few on a line."""
    settings = [f"{name} = {_literal(value)}" for name, value in values.items()]
    lines = (settings[start : start + _ON_A_LINE] for start in range(0, len(settings), _ON_A_LINE))
    return "SET SESSION " + ",\n  ".join(map(", ".join, lines))


def expected(kind: str) -> Mapping[str, int | str]:
    """The values that the variables must have in the session."""
    return {**SETTINGS, **SETTINGS_OF[kind], **FIXED[kind], **NAMES}


def question(kind: str) -> str:
    """The query that reads the variables back; `wrong` takes its one row."""
    return "SELECT " + ", ".join(f"@@SESSION.{name}" for name in expected(kind))


def wrong(kind: str, row: tuple[Any, ...]) -> str:
    """The first variable that is not as it must be, with both values; empty if all are.

    >>> values = list(expected("MySQL").values())
    >>> wrong("MySQL", tuple(values)), wrong("MySQL", (1, *values[1:]))
    ('', 'autocommit is 1, not 0')
    """
    for (name, value), actual in zip(expected(kind).items(), row, strict=True):
        if not _same(value, actual):
            return f"{name} is {actual}, not {value}"
    return ""


def _same(value: int | str, actual: Any) -> bool:
    if isinstance(value, str):
        return str(actual) == value
    return actual is not None and int(actual) == value


def _literal(value: int | str) -> str:
    return f"'{value}'" if isinstance(value, str) else str(value)
