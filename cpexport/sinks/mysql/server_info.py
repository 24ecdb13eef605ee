"""Asks what a server and its user can do, before anything is changed."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

PRIVILEGES = (
    "SELECT",
    "INSERT",
    "UPDATE",
    "DELETE",
    "CREATE",
    "ALTER",
    "DROP",
    "INDEX",
    "REFERENCES",
    "CREATE VIEW",
    "SHOW VIEW",
)
"""The privileges on a database that loading needs."""

_LEAST = {"MariaDB": (10, 6), "MySQL": (8, 0)}
_VARIABLES = (
    "version",
    "version_comment",
    "local_infile",
    "default_storage_engine",
    "innodb_strict_mode",
    "innodb_page_size",
    "innodb_default_row_format",
    "max_allowed_packet",
    "innodb_flush_log_at_trx_commit",
    "sync_binlog",
    "log_bin",
    "binlog_format",
    "lower_case_table_names",
    "character_set_database",
    "read_only",
)
# The name of a database in a grant. Which quotes it has depends on the session.
_NAME = '\\*|`(?:[^`]|``)+`|"(?:[^"]|"")+"'
# Without LOAD DATA, a row of a thousand columns must fit into one packet.
_PACKET = 1_000_000


@dataclass(frozen=True)
class ServerInfo:
    """What a server reports about itself, the database, and the user's privileges."""

    kind: str
    """MariaDB or MySQL."""
    version: tuple[int, ...]
    sql_mode: str
    """The server's own; `session` sets another for connections of cpexport."""
    innodb: bool
    tls: bool
    takes_bulk: bool
    """Whether rows go by the bulk protocol, so that LOAD DATA is not needed."""
    missing: tuple[str, ...]
    """The `PRIVILEGES` that the user lacks."""
    local_infile: bool
    default_storage_engine: str
    innodb_strict_mode: bool
    innodb_page_size: int
    innodb_default_row_format: str
    max_allowed_packet: int
    innodb_flush_log_at_trx_commit: int
    sync_binlog: int
    log_bin: bool
    binlog_format: str
    lower_case_table_names: int
    character_set_database: str
    read_only: bool
    enforced_engine: str
    """The engine that the server makes all tables with; empty if users may choose."""

    def problems(self, *, writing: bool) -> tuple[str, ...]:
        """Why the database cannot be read or, if `writing`, loaded: a line for each reason."""
        version = ".".join(map(str, self.version))
        least = ".".join(map(str, _LEAST[self.kind]))
        old = {
            f"{self.kind} {version} is too old; {least} or newer is needed": (
                self.version < _LEAST[self.kind]
            ),
        }
        unfit = {
            "the server has no InnoDB, which cpexport needs for transactions": not self.innodb,
            "the server accepts no changes: it is read-only": self.read_only,
            f"enforce_storage_engine is {self.enforced_engine}; cpexport needs InnoDB for "
            "transactions": self.enforced_engine.lower() not in ("", "innodb"),
            f"the user lacks {', '.join(self.missing)} on the database": bool(self.missing),
            "binlog_format is STATEMENT; set it to ROW or MIXED": (
                self.log_bin and self.binlog_format == "STATEMENT"
            ),
            f"max_allowed_packet is {self.max_allowed_packet}; at least {_PACKET} is needed": (
                self.max_allowed_packet < _PACKET
            ),
        }
        conditions = {**old, **unfit} if writing else old
        return tuple(line for line, holds in conditions.items() if holds)

    @property
    def notes(self) -> tuple[str, ...]:
        """What makes loads slower or less safe than they could be: a line each."""
        conditions = {
            "local_infile is off on the server, so rows are sent by INSERT, which is slower; "
            "to turn it on: SET GLOBAL local_infile = 1": not self.local_infile
            and not self.takes_bulk,
            f"innodb_flush_log_at_trx_commit is {self.innodb_flush_log_at_trx_commit}: a "
            "power cut at the server can undo the last batches; 1 is durable": (
                self.innodb_flush_log_at_trx_commit != 1
            ),
            f"sync_binlog is {self.sync_binlog}: after a power cut, replicas of the server "
            "may lack the last batches; 1 is durable": self.log_bin and self.sync_binlog != 1,
            "the connection is not encrypted": not self.tls,
        }
        return tuple(line for line, holds in conditions.items() if holds)


def facts(
    rows: Callable[[str], list[tuple[Any, ...]]], database: str, *, local: bool, takes_bulk: bool
) -> ServerInfo:
    """Queries a server. `rows` executes a query; `local` is whether the connection to the server
    needs no TLS, and `takes_bulk` whether the server has agreed to the bulk protocol.
    """
    ((*values,),) = rows("SELECT " + ", ".join(f"@@{name}" for name in _VARIABLES))
    variables = dict(zip(_VARIABLES, values, strict=True))
    version, comment = str(variables.pop("version")), str(variables.pop("version_comment"))
    kind = "MariaDB" if "mariadb" in f"{version} {comment}".lower() else "MySQL"
    numbers = re.match(r"(\d+)\.(\d+)\.(\d+)", version)
    engines = rows("SELECT support FROM information_schema.engines WHERE engine = 'InnoDB'")
    grants = "SHOW GRANTS"
    if kind == "MySQL":
        ((roles,),) = rows("SELECT CURRENT_ROLE()")
        if roles != "NONE":
            # Without USING, MySQL shows only the user's roles, and not the roles' privileges.
            grants = f"SHOW GRANTS FOR CURRENT_USER() USING {roles}"
    granted = _granted([str(line) for (line,) in rows(grants)], database)
    ((sql_mode,),) = rows("SELECT @@GLOBAL.sql_mode")
    # Only MariaDB has this variable.
    enforced = rows("SHOW VARIABLES LIKE 'enforce_storage_engine'")
    cipher = rows("SHOW SESSION STATUS LIKE 'Ssl_cipher'")
    integers = {"lower_case_table_names", "sync_binlog", "innodb_flush_log_at_trx_commit"}
    integers |= {"innodb_page_size", "max_allowed_packet"}
    attributes: dict[str, Any] = {
        name: int(value) if name in integers else _plain(name, value)
        for name, value in variables.items()
    }
    return ServerInfo(
        kind=kind,
        version=tuple(map(int, numbers.groups())) if numbers else (0, 0, 0),
        sql_mode=str(sql_mode),
        innodb=any(support in ("YES", "DEFAULT") for (support,) in engines),
        tls=local or any(name for _, name in cipher),
        takes_bulk=takes_bulk,
        enforced_engine="".join(str(engine) for _, engine in enforced),
        missing=tuple(name for name in PRIVILEGES if name not in granted),
        **attributes,
    )


def _plain(name: str, value: object) -> bool | str:
    flags = ("local_infile", "innodb_strict_mode", "log_bin", "read_only")
    return str(value).upper() in ("1", "ON") if name in flags else str(value)


def _granted(lines: Iterable[str], database: str) -> set[str]:
    """The privileges on the whole database, from the lines of SHOW GRANTS."""
    granted: set[str] = set()
    for line in lines:
        grant = re.match(rf"(GRANT|REVOKE) (.+?) ON ({_NAME})\.\* (?:TO|FROM) ", line)
        if not grant or not _is_of(grant[3], database):
            continue
        names = {name.strip() for name in grant[2].split(",")}
        if "ALL PRIVILEGES" in names or "ALL" in names:
            names = set(PRIVILEGES)
        granted = granted | names if grant[1] == "GRANT" else granted - names
    return granted


def _is_of(pattern: str, database: str) -> bool:
    """Whether a grant's pattern matches a database: it is `*`, or a name with wildcards % and _."""
    if pattern == "*":
        return True
    quote = pattern[0]
    parts = re.findall(r"\\.|.", pattern[1:-1].replace(quote * 2, quote))
    any_of = {"%": ".*", "_": "."}
    wanted = "".join(any_of.get(part) or re.escape(part.removeprefix("\\")) for part in parts)
    return re.fullmatch(wanted, database) is not None
