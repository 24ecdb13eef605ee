"""Opens one SQLite file of a job so that neither the file nor the job is affected.

All access goes through the SQLite library of ADBC's driver, as in `sinks`: a second library in the
process would drop the locks of the first. Every statement is short and leaves no lock behind,
because CellProfiler waits only five seconds for one (Python's sqlite3.connect) before the job
fails.
"""

import fcntl
import os
import re
import struct
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from enum import Enum, auto
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import pyarrow as pa

from cpexport import _sqlite_adbc
from cpexport.errors import RERUN, RunningError, SourceError
from cpexport.files.explained import unreadable
from cpexport.files.kinds import SQLITE, another_kind, is_pointer
from cpexport.files.opening import open_regular
from cpexport.files.staging import local
from cpexport.sources.sqlite.stored_tables import IMAGE_TABLE, MOST_TABLES, STORED, check_tables

SUFFIXES = frozenset({".db", ".sqlite", ".sqlite3", ".db3"})
_OURS = "_cpexport_batches"
_KEYS_OF_CYTOMINER = (
    "SELECT count(*) FROM pragma_table_info('Image') WHERE name IN ('TableNumber', 'ImageNumber')"
)
# The file format: sqlite.org/fileformat.html, sections 1.3 and 3.
_HEADER = 100
_WAL = 2
# The byte that a writer locks (sqlite.org, os.h, RESERVED_BYTE), and Linux's struct flock.
_RESERVED_BYTE = 0x40000001
_FLOCK = "hhqqi4x"
# A file may come from anyone: its schema runs no function that could do harm (sqlite.org,
# security.html), and its pages are checked as they are read.
_PRAGMAS = (
    "busy_timeout = 2000",
    "trusted_schema = OFF",
    "query_only = ON",
    "cell_size_check = ON",
)


class FileKind(Enum):
    """The kind of a file, by its header and the names of its tables."""

    EXPORT = auto()
    """ExportToDatabase's tables, or a damaged file that may have them."""
    NOTHING = auto()
    """No bytes, or no tables."""
    DESTINATION = auto()
    """A destination of cpexport."""
    CYTOMINER = auto()
    """The tables of cytominer-database: Image, Cells and so on, with a TableNumber for each job."""
    OTHER = auto()
    """Not SQLite, or another program's tables."""


def contents(path: Path) -> FileKind:
    """Returns the kind of a file. Reads its schema without locks, so no process has to wait."""
    try:
        with open_regular(path) as stream:
            start = stream.read(len(SQLITE))
    except OSError:
        return FileKind.OTHER
    if not start:
        return FileKind.NOTHING
    if start != SQLITE:
        return FileKind.EXPORT if is_pointer(path) else FileKind.OTHER
    try:
        with (
            local(path) as here,
            closing(_sqlite_adbc.Connection(_uri(here, "immutable=1"))) as connection,
        ):
            tables = connection.rows(
                "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') LIMIT ?",
                MOST_TABLES,
            )
            keys = connection.rows(_KEYS_OF_CYTOMINER)
        names = {name for (name,) in tables}
    except (_sqlite_adbc.Error, UnicodeDecodeError):
        return FileKind.EXPORT
    if not names:
        return FileKind.NOTHING
    if _OURS in names:
        return FileKind.DESTINATION
    if keys == [(2,)] and "Per_Image" not in names:
        return FileKind.CYTOMINER
    has_image_table = any(name.endswith(IMAGE_TABLE) for name in names)
    return FileKind.EXPORT if has_image_table else FileKind.OTHER


class DatabaseFile:
    """One SQLite file of `size` bytes, open for reading until closed; a context manager.

    Raises:
        RunningError: a job is writing the file.
        SourceError: the file cannot be read, or is damaged. Every method can raise both errors,
            because SQLite finds damage only in the parts that it reads.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with self._errors(), open_regular(path) as stream:
            header = stream.read(_HEADER)
            self.size, self._changed = _state(path)
        if kind := another_kind(path, SQLITE):
            raise kind
        if not header.startswith(SQLITE) or len(header) < _HEADER:
            raise SourceError(path, "damaged: not a whole SQLite database", RERUN)
        check_finished(path)
        if 0 < self.size < (whole := _size(header)):
            raise SourceError(path, f"cut off: {self.size} of {whole} bytes", RERUN)
        # A database in WAL mode needs further files next to it, unless it is opened as immutable.
        # CellProfiler never uses WAL mode, so a user has changed the file.
        mode = "immutable=1" if header[18] == _WAL else "mode=ro"
        with ExitStack() as stack, self._errors():
            here = stack.enter_context(local(path))
            self._connection = _sqlite_adbc.Connection(_uri(here, mode))
            self._copy = stack.pop_all()
        try:
            for pragma in _PRAGMAS:
                self.rows(f"PRAGMA {pragma}")
            check_tables(path, self.rows)
        except BaseException:
            self._close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._close()

    def _close(self) -> None:
        with self._copy:
            self._connection.close()

    def tables(self) -> Mapping[str, Mapping[str, str]]:
        """Table to column to declared type, without views, columns in order."""
        types_by_table: dict[str, dict[str, str]] = {}
        for table, column, type in self.rows(
            "SELECT m.name, c.name, c.type FROM sqlite_master m, pragma_table_info(m.name) c "
            f"WHERE {STORED} ORDER BY m.rowid, c.cid"
        ):
            types_by_table.setdefault(table, {})[column] = type
        return types_by_table

    @property
    def notes(self) -> tuple[str, ...]:
        """What users should know about the file."""
        return ()

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """The rows of a query, as Python values."""
        with self._errors():
            return self._connection.rows(sql)

    def arrow(self, sql: str, rows: int) -> pa.RecordBatch:
        """Returns the result of a query that has `rows` rows; columns are named by position.

        A column is int64, double, string or binary, whichever is wide enough for its values; a
        column without values is int64.

        Raises:
            RunningError: the number of rows differs because a job has changed the file.
            SourceError: the number of rows differs.
        """
        with self._errors():
            table = self._connection.table(sql, typed_by=rows + 1)
        if table.num_rows != rows:
            with self._errors():
                changed = _state(self.path)[1] != self._changed
            if changed:
                problem = "a job wrote to it while cpexport read it"
                raise RunningError(self.path, problem, "run the command again")
            problem = f"damaged: {table.num_rows} rows instead of the {rows} that it lists"
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
            raise unreadable(
                self.path, error, "make it readable, or move it out of OUTPUTS"
            ) from error
        except UnicodeDecodeError as error:
            raise SourceError(self.path, "damaged: text that is not UTF-8", RERUN) from error
        except (_sqlite_adbc.Error, pa.ArrowException) as error:
            raise _reason(self.path, str(error)) from error


def check_finished(path: Path) -> None:
    """Raises an error if a transaction on the file is unfinished, even if its writer was killed.

    Only another writer may repair what a killed writer left.

    Raises:
        RunningError: the file has a writer, or an unfinished transaction.
        SourceError: the file of a transaction cannot be read, or is a link.
    """
    wait = "wait until the job has ended"
    if _has_writer(path):
        raise RunningError(path, "a job is writing it", wait)
    for suffix in ("-journal", "-wal"):
        companion = path.with_name(path.name + suffix)
        try:
            # SQLite reads this file, too: it must not be a link to another one.
            with open_regular(companion, follow=False) as stream:
                start = stream.read(1)
        except FileNotFoundError:
            continue
        except OSError as error:
            problem = f"{companion.name} next to it cannot be read ({error.strerror})"
            raise SourceError(path, problem, "move that file out of OUTPUTS") from error
        # Before a transaction changes anything, and after it, its journal begins with a zero.
        if start and (start != b"\0" or suffix == "-wal"):
            raise RunningError(
                path,
                f"a job is writing it, or was killed while writing (a {suffix} file exists)",
                f"{wait}; if no job is running, open it once with sqlite3",
            )


def _has_writer(path: Path) -> bool:
    """Whether another process has a writer's lock, which it keeps until its commit.

    The system is asked instead of taking a lock, because a writer might have to wait for that lock.
    A journal is no evidence: a live writer's journal has no header yet (sqlite.org, pager.c,
    writeJournalHdr), and a job that was killed before its first change also leaves one without a
    header.
    """
    if sys.platform != "linux":
        return False
    ask = struct.pack(_FLOCK, fcntl.F_RDLCK, os.SEEK_SET, _RESERVED_BYTE, 1, 0)
    try:
        with open_regular(path) as stream:
            answer = fcntl.fcntl(stream, fcntl.F_GETLK, ask)
    except OSError:
        # The file is gone, or its file system has no locks. A missing file is reported when it is
        # opened.
        return False
    return bool(struct.unpack(_FLOCK, answer)[0] != fcntl.F_UNLCK)


def _uri(path: Path, mode: str) -> str:
    return f"file:{quote(os.fsencode(path.absolute()))}?{mode}"


def _state(path: Path) -> tuple[int, int]:
    """A file's length and modification time."""
    stat = path.stat()
    return stat.st_size, stat.st_mtime_ns


def _size(header: bytes) -> int:
    """The file's length according to its header; 0 if an old SQLite left it out."""
    if header[24:28] != header[92:96]:
        return 0
    page = int.from_bytes(header[16:18], "big")
    return (65_536 if page == 1 else page) * int.from_bytes(header[28:32], "big")


def _reason(path: Path, text: str) -> SourceError:
    if re.search(r"database( table| schema)? is locked", text):
        return RunningError(path, "locked: a job is writing it", "wait until the job has ended")
    if re.search(r"file is not a database|disk image is malformed|malformed database", text):
        return SourceError(path, "damaged: not a whole SQLite database", RERUN)
    if "unable to open database file" in text:
        return SourceError(path, "cannot be opened", "make it readable, or move it out of OUTPUTS")
    return SourceError(path, f"damaged; SQLite reports: {text}", RERUN)
