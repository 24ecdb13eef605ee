"""What a server and its user can do, asked before anything is changed."""

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
"""What loading needs of a database."""

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
# Of a database in a grant: the session says which quotes names have.
_NAME = '\\*|`(?:[^`]|``)+`|"(?:[^"]|"")+"'
# Rows of a thousand columns must fit into one, but where LOAD DATA takes them.
_PACKET = 1_000_000


@dataclass(frozen=True)
class Facts:
    """What a server says of itself, of the database, and of the user there."""

    kind: str
    """MariaDB or MySQL."""
    version: tuple[int, ...]
    sql_mode: str
    """The server's own; a connection of ours has another."""
    innodb: bool
    tls: bool
    takes_bulk: bool
    """Whether rows go in bulk, and LOAD DATA is not needed."""
    missing: tuple[str, ...]
    """The privileges that the user lacks, of `PRIVILEGES`."""
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

    def problems(self, *, writing: bool) -> tuple[str, ...]:
        """Why nothing can be read, or loaded if that is wanted, a line each; none if it can."""
        version = ".".join(map(str, self.version))
        least = ".".join(map(str, _LEAST[self.kind]))
        old = {
            f"{self.kind} {version} is too old; {least} or newer is needed": (
                self.version < _LEAST[self.kind]
            ),
        }
        unfit = {
            "the server has no InnoDB, without which no batch is all or nothing": not self.innodb,
            "the server takes no changes: it is read-only": self.read_only,
            f"the user lacks {', '.join(self.missing)} on the database": bool(self.missing),
            "binlog_format is STATEMENT; set it to ROW or MIXED": (
                self.log_bin and self.binlog_format == "STATEMENT"
            ),
            f"max_allowed_packet is {self.max_allowed_packet}; at least {_PACKET} is needed": (
                self.max_allowed_packet < _PACKET
            ),
        }
        found = {**old, **unfit} if writing else old
        return tuple(line for line, true in found.items() if true)

    @property
    def notes(self) -> tuple[str, ...]:
        """What is slower or weaker than it could be, a line each."""
        found = {
            "local_infile is off there, so rows go by INSERT, which is slower; "
            "SET GLOBAL local_infile = 1 turns it on": not self.local_infile
            and not self.takes_bulk,
            f"innodb_flush_log_at_trx_commit is {self.innodb_flush_log_at_trx_commit}: a power cut "
            "there can take back what was loaded last; 1 is durable": (
                self.innodb_flush_log_at_trx_commit != 1
            ),
            f"sync_binlog is {self.sync_binlog}: after a power cut its replicas may miss what was "
            "loaded last; 1 is durable": self.log_bin and self.sync_binlog != 1,
            "the connection is not encrypted": not self.tls,
        }
        return tuple(line for line, true in found.items() if true)


def facts(
    rows: Callable[[str], list[tuple[Any, ...]]], database: str, *, local: bool, takes_bulk: bool
) -> Facts:
    """Asks a server by `rows`, which answers queries; `local` if the way to it needs no TLS,
    `takes_bulk` if that has been found out of it.
    """
    ((*values,),) = rows("SELECT " + ", ".join(f"@@{name}" for name in _VARIABLES))
    found = dict(zip(_VARIABLES, values, strict=True))
    version, comment = str(found.pop("version")), str(found.pop("version_comment"))
    kind = "MariaDB" if "mariadb" in f"{version} {comment}".lower() else "MySQL"
    numbers = re.match(r"(\d+)\.(\d+)\.(\d+)", version)
    engines = rows("SELECT support FROM information_schema.engines WHERE engine = 'InnoDB'")
    grants = "SHOW GRANTS"
    if kind == "MySQL":
        ((roles,),) = rows("SELECT CURRENT_ROLE()")
        if roles != "NONE":
            # MySQL would show that the user has roles, not what they may do.
            grants = f"SHOW GRANTS FOR CURRENT_USER() USING {roles}"
    granted = _granted([str(line) for (line,) in rows(grants)], database)
    ((sql_mode,),) = rows("SELECT @@GLOBAL.sql_mode")
    cipher = rows("SHOW SESSION STATUS LIKE 'Ssl_cipher'")
    integers = {"lower_case_table_names", "sync_binlog", "innodb_flush_log_at_trx_commit"}
    integers |= {"innodb_page_size", "max_allowed_packet"}
    said: dict[str, Any] = {
        name: int(value) if name in integers else _plain(name, value)
        for name, value in found.items()
    }
    return Facts(
        kind=kind,
        version=tuple(map(int, numbers.groups())) if numbers else (0, 0, 0),
        sql_mode=str(sql_mode),
        innodb=any(support in ("YES", "DEFAULT") for (support,) in engines),
        tls=local or any(name for _, name in cipher),
        takes_bulk=takes_bulk,
        missing=tuple(name for name in PRIVILEGES if name not in granted),
        **said,
    )


def _plain(name: str, value: object) -> bool | str:
    flags = ("local_infile", "innodb_strict_mode", "log_bin", "read_only")
    return str(value).upper() in ("1", "ON") if name in flags else str(value)


def _granted(lines: Iterable[str], database: str) -> set[str]:
    """The privileges on all of a database, out of what SHOW GRANTS says."""
    found: set[str] = set()
    for line in lines:
        said = re.match(rf"(GRANT|REVOKE) (.+?) ON ({_NAME})\.\* (?:TO|FROM) ", line)
        if not said or not _is_of(said[3], database):
            continue
        names = {name.strip() for name in said[2].split(",")}
        if "ALL PRIVILEGES" in names or "ALL" in names:
            names = set(PRIVILEGES)
        found = found | names if said[1] == "GRANT" else found - names
    return found


def _is_of(pattern: str, database: str) -> bool:
    """Whether a database is meant by `*` or a name in which % and _ stand for any letters."""
    if pattern == "*":
        return True
    quote = pattern[0]
    parts = re.findall(r"\\.|.", pattern[1:-1].replace(quote * 2, quote))
    any_of = {"%": ".*", "_": "."}
    wanted = "".join(any_of.get(part) or re.escape(part.removeprefix("\\")) for part in parts)
    return re.fullmatch(wanted, database) is not None
