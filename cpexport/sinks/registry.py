"""Opens the destination that a URL names, and returns what its kind can do.

A new kind of destination needs a package in `sinks`, an entry in `_KINDS`, and a few lines in
`open_sink`.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cpexport.destination_url import FOLDERS, FORMS, SCHEMES, destination_url, query_of
from cpexport.errors import UsageError
from cpexport.sinks import delta, duckdb, mysql, parquet, sqlite
from cpexport.sinks.base import Sink
from cpexport.sinks.capabilities import Capabilities
from cpexport.sinks.opening import Opening
from cpexport.spelling import closest, suggest
from cpexport.tables.options import TableOptions
from cpexport.tables.path_map import PathMap

if TYPE_CHECKING:
    # Importing SQLAlchemy takes longer than most checks, which need no destination.
    from sqlalchemy.engine import URL

_KINDS: Final = {
    "sqlite": sqlite.CAPABILITIES,
    "duckdb": duckdb.CAPABILITIES,
    "parquet": parquet.CAPABILITIES,
    "delta": delta.CAPABILITIES,
    "mysql": mysql.CAPABILITIES,
    "mariadb": mysql.CAPABILITIES,
}
_FILES = ("sqlite", "duckdb")
_IN_BUCKET = re.compile(r"[A-Za-z][A-Za-z0-9+]*://")


def absolute(url: str) -> str:
    """Returns the URL with an absolute path, so that it means the same in any folder. It can be
    written to a file that others read.

    Raises:
        UsageError: not a URL, or it contains a password.
    """
    kind, folder = _folder_of(url)
    if folder is not None:
        return f"{kind}:{Path(folder).absolute()}"
    parsed = _parsed(url)
    if parsed.password is not None:
        raise UsageError(
            "--to is stored in a file, so it must not contain the password; put the password "
            "in ~/.my.cnf"
        )
    if parsed.get_backend_name() in _FILES and parsed.database:
        parsed = parsed.set(database=str(Path(parsed.database).absolute()))
    return str(parsed.render_as_string())


def file_of(url: str) -> Path | None:
    """The file that a URL names; None for a folder of tables and for servers.

    Raises:
        UsageError: not a URL.
    """
    if _folder_of(url)[1] is not None:
        return None
    parsed = _parsed(url)
    is_file = parsed.get_backend_name() in _FILES and parsed.database
    return Path(parsed.database) if is_file and parsed.database else None


def place_of(url: str) -> Path | None:
    """The file or folder that a URL names; None for servers.

    Raises:
        UsageError: not a URL.
    """
    _, folder = _folder_of(url)
    return file_of(url) if folder is None else Path(folder)


def capabilities(url: str) -> Capabilities:
    """Returns what the kind of destination that a URL names can do.

    Raises:
        UsageError: not a URL, or an unsupported kind.
    """
    kind = url.partition(":")[0].partition("+")[0]
    if kind not in _KINDS:
        raise UsageError(_unsupported(kind))
    return _KINDS[kind]


def open_sink(
    url: str,
    prefix: str = "",
    shape: TableOptions | None = None,
    run: str | None = None,
    paths: PathMap | None = None,
    *,
    writing: bool = True,
) -> Sink:
    """Opens the destination that a SQLAlchemy URL, `parquet:FOLDER`, `delta:FOLDER` or a file name
    names. The first write makes it.

    shape: how its tables should look (default: as they do).
    paths: how to change the paths of images in them (default: as it does).
    run: the run to read and write, if runs are numbered. Without it, reading covers all runs, and
        nothing can be written.
    writing: if False, nothing is made or changed, and the destination, or the user's access to it,
        may be read-only.

    Raises:
        UsageError: not a URL, or an unsupported kind, or one whose package is not installed.
        SinkError: the destination exists and cannot be used, or its tables look different.
    """
    url = destination_url(url)
    opening = Opening(prefix, shape, run, paths, writing)
    kind, folder = _folder_of(url)
    if folder is not None:
        return _opened_folder(kind, folder, opening)
    parsed = _parsed(url)
    kind = parsed.get_backend_name()
    if kind in _FILES and parsed.host:
        raise UsageError(f"--to names no file; write {kind}:///screen.{kind}, with three slashes")
    if kind == "sqlite":
        from cpexport.sinks.sqlite.table_store import open_sqlite

        return open_sqlite(parsed.database or "", opening)
    if kind == "duckdb":
        with _extra("duckdb", "DuckDB"):
            from cpexport.sinks.duckdb.table_store import open_duckdb

        return open_duckdb(parsed.database or "", opening)
    if kind in ("mysql", "mariadb"):
        with _extra("mysql", "PyMySQL"):
            from cpexport.sinks.mysql.table_store import open_mysql

        return open_mysql(parsed, opening)
    raise UsageError(_unsupported(kind))


def _folder_of(url: str) -> tuple[str, str | None]:
    """The kind of destination that a URL names, and its folder; None for other kinds.

    Raises:
        UsageError: the folder is in a bucket.
    """
    kind, _, folder = url.partition(":")
    if kind not in FOLDERS:
        return kind, None
    if _IN_BUCKET.match(folder):
        # The ledger is a SQLite file, which needs the locks of a disk.
        raise UsageError(
            f"--to {url}: no load can write to a bucket; load into delta:FOLDER, and copy the "
            f"folder to {folder}, where readers of Delta Lake read it"
        )
    return kind, folder


def _opened_folder(kind: str, folder: str, opening: Opening) -> Sink:
    if kind == "delta":
        with _extra("delta", "deltalake"):
            from cpexport.sinks.delta.table_store import open_delta

        return open_delta(folder, opening)
    from cpexport.sinks.parquet.opening import open_parquet

    return open_parquet(folder, opening)


def _unsupported(kind: str) -> str:
    return suggest(f"unsupported destination {kind!r}; use {FORMS}", _meant(kind))


def _meant(kind: str) -> str | None:
    """How the URL begins that a misspelled kind of destination may stand for."""
    begins = {scheme.partition(":")[0].partition("+")[0]: scheme for scheme in SCHEMES}
    close = closest(kind, _KINDS)
    return begins.get(close, f"{close}+pymysql://") if close else None


@contextmanager
def _extra(name: str, package: str) -> Iterator[None]:
    """Explains that a package is not installed, which comes with cpexport's extra of this name."""
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name != package.lower():
            raise
        raise UsageError(
            f"{package} is not installed; run: pip install 'cpexport[{name}]'"
        ) from error


def _parsed(url: str) -> "URL":
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError) as error:
        # The URL is not shown: it may contain a password.
        meant = _meant(url.partition(":")[0].partition("+")[0])
        raise UsageError(suggest(f"--to is not a URL; write {FORMS}", meant)) from error
    if "@" in (parsed.host or ""):
        # The rest of a password would be shown as the host.
        raise UsageError("--to has a second @; write %40 for one in a user name or password")
    if (query := query_of(url)) is not None:
        kind = parsed.get_backend_name()
        if kind in _FILES:
            raise UsageError(
                f"--to {url}: in a URL, a ? ends the file name; write %3F for a ? in the "
                "name, or give the file name without the URL"
            )
        # SQLAlchemy ignores what is not NAME=VALUE. The URL is not shown, as above.
        if not all(re.fullmatch("[^=]+=.+", part) for part in query.split("&")):
            raise UsageError(
                "--to: the text after the ? is not NAME=VALUE; write %3F for a ? in a name"
            )
    return parsed
