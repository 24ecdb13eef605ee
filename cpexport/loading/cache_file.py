"""A SQLite file in the user's cache folder. It only saves time, and may be deleted at any time.

The folder is `$XDG_CACHE_HOME/cpexport`, else `~/.cache/cpexport` (Linux) or what the system has
for caches. The program reads only files that no other user can write, and checks everything in them
as data.
"""

import os
import stat
import time
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import xxhash
from platformdirs import user_cache_path

from cpexport import _sqlite_adbc
from cpexport.files.opening import open_regular

_KEPT: Final = 90 * 86_400
# What was committed may be lost with the power: then the file is damaged or old, and made again.
_PRAGMAS: Final = ("busy_timeout = 2000", "synchronous = OFF", "journal_mode = MEMORY")
_ERRORS: Final = (_sqlite_adbc.Error, pa.ArrowException, OSError)


def digest(text: str) -> str:
    """The 128-bit XXH3 of a text, which can be a path that is not UTF-8."""
    return xxhash.xxh3_128_hexdigest(text.encode("utf-8", "surrogatepass"))


class CacheFile:
    """The file for one choice of OUTPUTS and this version of the code.

    A damaged file counts as absent and is replaced. If the file cannot be used at all, nothing is
    found in it, and nothing is written.
    """

    def __init__(self, outputs: Iterable[Path], tables: Iterable[str]) -> None:
        places = "\0".join(sorted(str(path.resolve()) for path in outputs))
        home = _home()
        self._path = (home or Path()) / f"{digest(places)}-{_code()}.sqlite"
        self._tables = tuple(tables)
        self._usable = home is not None
        self._connection: _sqlite_adbc.Connection | None = None

    def table(self, sql: str, *values: object) -> pa.Table | None:
        """The rows of a query; None if the file does not exist or is damaged."""
        if self._connection is None and not (self._usable and _trusted(self._path)):
            return None
        try:
            return self._open().table(sql, *values)
        except _ERRORS:
            self._remove()
            return None

    def write(self, sql: str, rows: dict[str, list[Any]]) -> None:
        """Executes a statement for each row of some columns, which commits; makes the file."""
        if not self._usable or not next(iter(rows.values())):
            return
        if self._connection is None and not _trusted(self._path):
            self._remove()
        try:
            self._write(sql, rows)
        except _ERRORS:
            # The file was damaged, or other processes write to it, or there is no room.
            self._remove()
            with suppress(*_ERRORS):
                self._write(sql, rows)

    def close(self) -> None:
        """Closes the file; the next call opens it again."""
        if self._connection is not None:
            with suppress(*_ERRORS):
                self._connection.close()
            self._connection = None

    def _write(self, sql: str, rows: dict[str, list[Any]]) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not self._path.exists():
            os.close(os.open(self._path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
            self._purge()
        connection = self._open()
        for table in self._tables:
            connection.rows(f"CREATE TABLE IF NOT EXISTS {table}")
        connection.rows("BEGIN IMMEDIATE")
        try:
            connection.run_many(sql, [pa.RecordBatch.from_pydict(rows)])
            connection.rows("COMMIT")
        except BaseException:
            with suppress(*_ERRORS):
                connection.rows("ROLLBACK")
            raise

    def _open(self) -> _sqlite_adbc.Connection:
        if self._connection is None:
            self._connection = _sqlite_adbc.Connection(str(self._path))
            for pragma in _PRAGMAS:
                self._connection.rows(f"PRAGMA {pragma}")
        return self._connection

    def _remove(self) -> None:
        self.close()
        with suppress(OSError):
            self._path.unlink()

    def _purge(self) -> None:
        """Removes the files that were not written to for months."""
        for other in self._path.parent.iterdir():
            with suppress(OSError):
                if other.stat().st_mtime < time.time() - _KEPT:
                    other.unlink()


def _trusted(path: Path) -> bool:
    """Whether a whole file is there that only this user can have written."""
    try:
        home = path.parent.stat()
        with open_regular(path, follow=False) as stream:
            found, header = os.fstat(stream.fileno()), stream.read(100)
    except OSError:
        return False
    for status in (found, home):
        if status.st_uid != os.getuid() or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            return False
    # SQLite's file format, section 1.3: the page size and the number of pages.
    page, pages = int.from_bytes(header[16:18]), int.from_bytes(header[28:32])
    whole = found.st_size == pages * (page if page > 1 else 65_536)
    return whole and found.st_size > 0


def _home() -> Path | None:
    """The folder for the files; None for a user without a name and HOME, for whom nothing is
    cached."""
    try:
        home = user_cache_path("cpexport", appauthor=False)
    except RuntimeError:
        return None
    # Older versions of platformdirs leave `~` as it is.
    return home if home.is_absolute() else None


@cache
def _code() -> str:
    """A digest of this package's code, as another version may find something else in a file."""
    files = sorted(Path(__file__).parents[1].rglob("*.py"))
    return digest("\0".join(file.read_text("utf-8") for file in files))
