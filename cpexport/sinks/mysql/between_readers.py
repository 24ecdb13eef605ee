"""Runs statements that change tables between the queries of others, who wait a second at most.

A statement that changes a table waits until no other session reads it, and a session that begins to
read it meanwhile waits behind the statement. Programs that read often leave a transaction open
(PyMySQL without autocommit, R, pools of JDBC), which holds the table until it ends. So the
statement gives up after a second, pauses, and tries again for minutes. It names who holds the table
meanwhile.
Sources: MySQL 9 and MariaDB 11, Metadata Locking.
"""

import logging
import re
import time
from collections.abc import Collection
from contextlib import suppress
from typing import Any, Final, Protocol

from cpexport.errors import RetryError, SinkError
from cpexport.spelling import counted

# Seconds.
_TIMEOUT, _LONGEST_TIMEOUT = 1, 60
_PAUSE: Final = 1.0
_PATIENCE: Final = 600.0
_AGAIN: Final = 60.0
# From here on others wait in vain, as the statement is likely to fail at its end once more.
_LONG: Final = 10.0

_NAMES: Final = re.compile(r'"((?:[^"]|"")+)"|`((?:[^`]|``)+)`')
_CHANGED: Final = re.compile(rf"(?:TABLE|VIEW|ON)(?: IF (?:NOT )?EXISTS)? (?:{_NAMES.pattern})")

# Only administrators may read these; in MariaDB only with the plugin metadata_lock_info.
_HOLDERS: Final = (
    "SELECT t.processlist_id, t.processlist_user, t.processlist_host, t.processlist_command, "
    "t.processlist_time, coalesce(l.object_name, '') FROM performance_schema.metadata_locks l "
    "JOIN performance_schema.threads t ON t.thread_id = l.owner_thread_id "
    "WHERE l.lock_status = 'GRANTED' "
    "AND ((l.object_type = 'TABLE' AND l.object_schema = DATABASE()) "
    # LOCK INSTANCE FOR BACKUP.
    "OR (l.object_type = 'BACKUP LOCK' AND l.lock_type = 'SHARED'))",
    "SELECT p.id, p.user, p.host, p.command, p.time, l.table_name "
    "FROM information_schema.metadata_lock_info l JOIN information_schema.processlist p "
    "ON p.id = l.thread_id WHERE l.table_schema = DATABASE()",
    # Without the right PROCESS, these are the sessions of the same user alone.
    "SELECT p.id, p.user, p.host, p.command, p.time, '' FROM information_schema.innodb_trx t "
    "JOIN information_schema.processlist p ON p.id = t.trx_mysql_thread_id "
    "WHERE p.db = DATABASE()",
)

_log = logging.getLogger(__name__)


class Session(Protocol):
    """A connection to a server."""

    name: str

    def own_numbers(self) -> Collection[int]:
        """The numbers of all connections of this process."""

    def rows(self, sql: str, *values: object) -> list[tuple[Any, ...]]: ...

    def run_within(self, sql: str, seconds: int) -> int:
        """Executes one statement, which waits so long for other programs' tables.

        Raises:
            RetryError: it waited in vain.
        """


def run_between_readers(session: Session, sql: str) -> int:
    """Executes one statement that changes tables; see above. Returns how many rows it changed.

    Raises:
        SinkError: other programs held a table all the time; the error names them.
    """
    began, timeout = time.monotonic(), _TIMEOUT
    named, again = "", began
    while True:
        started = time.monotonic()
        try:
            return session.run_within(sql, timeout)
        except RetryError:
            now = time.monotonic()
        who, held = _held(session, sql)
        if now - began > _PATIENCE:
            raise SinkError(
                session.name,
                f"{held} for {round(now - began)} seconds",
                "end that session, or wait until it has ended, and run the command again",
            )
        if who != named or now > again:
            _log.warning("waiting for the end of a transaction: %s", held)
            named, again = who, now + _AGAIN
        if now - started > _LONG:
            timeout = min(2 * timeout, _LONGEST_TIMEOUT)
        time.sleep(_PAUSE)


def _held(session: Session, sql: str) -> tuple[str, str]:
    """Who holds the table, and the same in words; as far as the user may know."""
    names = {one or other for one, other in _NAMES.findall(sql)}
    changed = _CHANGED.search(sql)
    table = (changed[1] or changed[2]) if changed else "a table"
    for query in _HOLDERS:
        with suppress(SinkError):
            rows = (row for row in session.rows(query) if row[0] not in session.own_numbers())
            found = {row[0]: _named(row) for row in rows if row[-1] == "" or row[-1] in names}
            if found:
                return str(sorted(found)), f"{table} is in use by {', '.join(found.values())}"
    return "", f"{table} is in use by another program (this user may not see which)"


def _named(row: tuple[Any, ...]) -> str:
    number, user, host, command, seconds, _ = row
    state = "idle" if command == "Sleep" else "busy"
    return (
        f"connection {number} of {user}@{host}, {state} for {counted(int(seconds or 0), 'second')}"
    )
