"""One SQLite file that a job wrote, opened so that neither the file nor the job notices.

All of it goes through the SQLite library of ADBC's driver, as in `sinks`: a second library in the
process would drop the locks of the first. No statement takes long, and none leaves a lock behind:
CellProfiler waits five seconds for one (Python's sqlite3.connect), and then the job fails.
"""

import fcntl
import os
import re
import struct
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from enum import Enum, auto
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import pyarrow as pa

from cpexport import adbc
from cpexport.errors import RERUN, RunningError, SourceError
from cpexport.filekinds import SQLITE, another_kind, is_pointer

SUFFIXES = frozenset({".db", ".sqlite", ".sqlite3", ".db3"})
IMAGE_TABLE = "Per_Image"

_OURS = "_cpexport_batches"
# The file format: sqlite.org/fileformat.html, 1.3 and 3.
_HEADER = 100
_JOURNAL = bytes.fromhex("d9d505f920a163d7")
_WAL = 2
# The byte that a writer locks (sqlite.org, os.h, RESERVED_BYTE), and Linux's struct flock.
_RESERVED_BYTE = 0x40000001
_FLOCK = "hhqqi4x"
_BUSY_MS = 2_000


class Contents(Enum):
    """What a file is, by its header and the names of its tables."""

    EXPORT = auto()
    """ExportToDatabase's tables, or what may be those, damaged."""
    NOTHING = auto()
    """No bytes, or no tables."""
    OTHER = auto()
    """Not SQLite, another program's tables, or a destination of cpexport's own."""


def contents(path: Path) -> Contents:
    """What a file is; reads its schema without asking for locks, so nobody waits for it."""
    try:
        with path.open("rb") as stream:
            start = stream.read(len(SQLITE))
    except OSError:
        return Contents.OTHER
    if not start:
        return Contents.NOTHING
    if start != SQLITE:
        return Contents.EXPORT if is_pointer(path) else Contents.OTHER
    try:
        with closing(adbc.Connection(_uri(path, "immutable=1"))) as connection:
            tables = connection.rows("SELECT name FROM sqlite_master WHERE type = 'table'")
        names = {name for (name,) in tables}
    except (adbc.Error, UnicodeDecodeError):
        return Contents.EXPORT
    if not names:
        return Contents.NOTHING
    found = _OURS not in names and any(name.endswith(IMAGE_TABLE) for name in names)
    return Contents.EXPORT if found else Contents.OTHER


class DatabaseFile:
    """One SQLite file, open for reading until closed; a context manager.

    Raises:
        RunningError: a job is writing it.
        SourceError: it cannot be read, or is damaged. Every method can raise both: SQLite finds
            damage only where it looks.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with self._errors(), path.open("rb") as stream:
            header = stream.read(_HEADER)
            size, self._changed = _state(path)
        if kind := another_kind(path, SQLITE):
            raise kind
        if not header.startswith(SQLITE) or len(header) < _HEADER:
            raise SourceError(path, "damaged: not a whole SQLite database", RERUN)
        refuse_unfinished(path)
        if 0 < size < (whole := _size(header)):
            raise SourceError(path, f"cut off: {size} of {whole} bytes", RERUN)
        # A database in WAL mode cannot be opened without files beside it, unless it is promised
        # not to change; CellProfiler does not write such, so a person made this one of it.
        how = "immutable=1" if header[18] == _WAL else "mode=ro"
        with self._errors():
            self._connection = adbc.Connection(_uri(path, how))
        try:
            self.rows(f"PRAGMA busy_timeout = {_BUSY_MS}")
        except BaseException:
            self._connection.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._connection.close()

    def tables(self) -> Mapping[str, Mapping[str, str]]:
        """Table to column to declared type, views left out, columns in order."""
        found: dict[str, dict[str, str]] = {}
        for table, column, type in self.rows(
            "SELECT m.name, c.name, c.type FROM sqlite_master m, pragma_table_info(m.name) c "
            "WHERE m.type = 'table' ORDER BY m.rowid, c.cid"
        ):
            found.setdefault(table, {})[column] = type
        return found

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """The rows of a query, as Python values."""
        with self._errors():
            return self._connection.rows(sql)

    def arrow(self, sql: str, rows: int) -> pa.RecordBatch:
        """The rows of a query that has `rows` of them, columns by position.

        A column is int64, double, string or binary, the widest that its values need; one without
        values is int64.

        Raises:
            RunningError: there are more rows, or fewer, as a job has changed them meanwhile.
            SourceError: there are more rows, or fewer.
        """
        with self._errors():
            table = self._connection.table(sql, typed_by=rows + 1)
        if table.num_rows != rows:
            with self._errors():
                changed = _state(self.path)[1] != self._changed
            if changed:
                problem = "a job wrote into it while it was read"
                raise RunningError(self.path, problem, "run cpexport again")
            problem = f"damaged: {table.num_rows} rows where {rows} are listed"
            raise SourceError(self.path, problem, RERUN)
        names = [str(i) for i in range(table.num_columns)]
        batches = table.combine_chunks().to_batches()
        if not batches:
            return pa.RecordBatch.from_arrays([pa.array([], f.type) for f in table.schema], names)
        return pa.RecordBatch.from_arrays(batches[0].columns, names)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            problem = f"cannot be read: {error.strerror}"
            raise SourceError(self.path, problem, "check it") from error
        except UnicodeDecodeError as error:
            raise SourceError(self.path, "damaged: text that is not UTF-8", RERUN) from error
        except (adbc.Error, pa.ArrowException) as error:
            raise _reason(self.path, str(error)) from error


def refuse_unfinished(path: Path) -> None:
    """Refuses a file on which a transaction is not finished, its writer alive or not.

    What a writer that was killed left in the file, only another one may put right.

    Raises:
        RunningError: there is a writer, or what one left.
    """
    wait = "wait until the job has ended"
    if _has_writer(path):
        raise RunningError(path, "a job is writing it", wait)
    for suffix, magic in (("-journal", _JOURNAL), ("-wal", b"")):
        try:
            with path.with_name(path.name + suffix).open("rb") as stream:
                start = stream.read(len(_JOURNAL))
        except OSError:
            continue
        if start and start.startswith(magic):
            raise RunningError(
                path,
                f"a job is writing it, or was killed while it did (there is a {suffix} file)",
                f"{wait}; if none runs, open it once with sqlite3",
            )


def quoted(name: str) -> str:
    """A name as SQL has it."""
    return '"' + name.replace('"', '""') + '"'


def _has_writer(path: Path) -> bool:
    """Whether another process holds the lock of a writer, which keeps it until it has committed.

    Asked of the system, so that no lock is taken that the writer could be waiting for. A journal
    does not tell: a live writer's has no header yet (sqlite.org, pager.c, writeJournalHdr), and one
    without is left as well by a job that was killed before it had changed anything.
    """
    if sys.platform != "linux":
        return False
    ask = struct.pack(_FLOCK, fcntl.F_RDLCK, os.SEEK_SET, _RESERVED_BYTE, 1, 0)
    try:
        with path.open("rb") as stream:
            answer = fcntl.fcntl(stream, fcntl.F_GETLK, ask)
    except OSError:
        # Gone, or on a file system without locks; the first of them is told when it is opened.
        return False
    return bool(struct.unpack(_FLOCK, answer)[0] != fcntl.F_UNLCK)


def _uri(path: Path, how: str) -> str:
    return f"file:{quote(os.fsencode(path.absolute()))}?{how}"


def _state(path: Path) -> tuple[int, int]:
    """How long a file is, and when it was changed."""
    stat = path.stat()
    return stat.st_size, stat.st_mtime_ns


def _size(header: bytes) -> int:
    """How long the file should be by its own word, 0 if an old SQLite wrote it without one."""
    if header[24:28] != header[92:96]:
        return 0
    page = int.from_bytes(header[16:18], "big")
    return (65_536 if page == 1 else page) * int.from_bytes(header[28:32], "big")


def _reason(path: Path, text: str) -> SourceError:
    if re.search(r"database( table| schema)? is locked", text):
        return RunningError(path, "a job is writing it: locked", "wait until the job has ended")
    if re.search(r"file is not a database|disk image is malformed|malformed database", text):
        return SourceError(path, "damaged: not a whole SQLite database", RERUN)
    if "unable to open database file" in text:
        return SourceError(path, "cannot be opened", "check it")
    return SourceError(path, f"damaged, SQLite says: {text}", RERUN)
