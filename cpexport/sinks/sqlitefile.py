"""A SQLite file and the one connection to it, made when it is first needed."""

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import adbc_driver_manager
import pyarrow as pa
from adbc_driver_sqlite import dbapi
from sqlalchemy.dialects import sqlite

from cpexport.errors import ChangedError, SinkError
from cpexport.features import TABLE_NUMBER
from cpexport.imagesets import ImageSets

# SQLITE_MAX_COLUMN of every build that users have; a wider table or view could not even be opened
# there.
WIDTH = 2000
DIALECT = sqlite.dialect()

_MAGIC = b"SQLite format 3\x00"
_BUSY_MS = 30_000
# Records of wide tables waste a fifth of SQLite's usual pages of 4 KiB.
_PAGE = 16_384
_RANGES = 100
_PRAGMAS = (
    f"busy_timeout = {_BUSY_MS}",
    f"page_size = {_PAGE}",
    # With FULL a power cut soon after a commit can bring its journal back, and so undo it: only
    # EXTRA syncs the folder after the journal is deleted (sqlite.org/pragma.html).
    "synchronous = EXTRA",
    "foreign_keys = OFF",
    # A table is made anew under another name while views may speak of it.
    "legacy_alter_table = ON",
)


class Connection:
    """Statements and transactions on one SQLite file, errors as `SinkError`.

    Nothing is opened before it is needed, and the file is made only by a transaction that may; if
    that fails the file is gone again.

    Raises:
        SinkError: the path cannot be a database, or must not be written.
    """

    def __init__(self, path: Path, name: str) -> None:
        self.path, self.name = path, name
        self._connection: Any = None
        self._made = False
        self._inode = 0
        self._names: frozenset[str] | None = None
        self._look()

    @property
    def exists(self) -> bool:
        """Whether there is a database, with or without tables."""
        return self._connection is not None or (self.path.exists() and self.path.stat().st_size > 0)

    def seen_from(self, folder: Path | None) -> str:
        """The path of the file from a folder, or from its own."""
        if not self.path.exists():
            raise SinkError(self.name, "does not exist", "load something into it first")
        # Whoever opens a relative path follows the links in its folders before the "..".
        file = self.path.parent.resolve() / self.path.name
        return os.path.relpath(file, folder.resolve() if folder else file.parent)

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def rows(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """The rows of a query, as Python values."""
        with self._errors(), self._open().cursor() as cursor:
            cursor.execute(sql, values or None)
            return [tuple(row) for row in cursor.fetchall()]

    def arrow(self, sql: str) -> pa.Table:
        """The rows of a query, as Arrow columns typed by their first values."""
        with self._errors(), self._open().cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetch_arrow_table()

    @contextmanager
    def stream(self, sql: str, rows: int) -> Iterator[pa.RecordBatchReader]:
        """The rows of a query, `rows` at a time, typed by the first so many of them."""
        with self._errors(), self._open().cursor() as cursor:
            cursor.adbc_statement.set_options(**{"adbc.sqlite.query.batch_rows": str(rows)})
            cursor.execute(sql)
            with cursor.fetch_record_batch() as reader:
                try:
                    yield reader
                except OSError as error:
                    # How the driver says in mid-stream that a value is of another type.
                    raise ChangedError(
                        self.name, f"was changed by something else: {error}", "load it anew"
                    ) from error

    def run(self, sql: str, *values: object) -> None:
        """Executes one statement."""
        if sql.startswith(("CREATE", "DROP", "ALTER")):
            self._names = None
        with self._errors(), self._open().cursor() as cursor:
            cursor.execute(sql, values or None)
            cursor.fetchall() if cursor.description else None

    def run_many(self, sql: str, values: pa.RecordBatch) -> None:
        """Executes one statement for each row of `values`, columns by position."""
        with self._errors(), self._open().cursor() as cursor:
            cursor.executemany(sql, values)

    def ingest(self, table: str, rows: pa.RecordBatch) -> None:
        """Appends rows to a table, columns by name."""
        if rows.num_rows:
            with self._errors(), self._open().cursor() as cursor:
                cursor.adbc_ingest(table, rows, mode="append")

    def names(self) -> frozenset[str]:
        """The names of all tables and views; asked for once in a transaction."""
        if self._names is None:
            found = self.rows("SELECT name FROM sqlite_master WHERE type IN ('table', 'view')")
            self._names = frozenset(name for (name,) in found)
        return self._names

    @contextmanager
    def transaction(self, *, create: bool = False) -> Iterator[None]:
        """Commits durably when left without an error, and else takes all of it back.

        The write lock is taken at once, so what is read inside stays true until the end.
        """
        if not create and not self.exists:
            raise SinkError(self.name, "does not exist", "load something into it first")
        self._begin()
        try:
            yield
            self.run("COMMIT")
            self._made = False
        except BaseException:
            self._roll_back()
            raise
        finally:
            self._names = None

    def _begin(self) -> None:
        while True:
            self._names = None
            try:
                self.run("BEGIN IMMEDIATE")
            except SinkError:
                self._unmake()
                raise
            if self.path.exists() and self.path.stat().st_ino == self._inode:
                return
            # A load that failed took away the file that it had made, while this one waited.
            self.close()

    def _roll_back(self) -> None:
        try:
            self.run("ROLLBACK")
        except SinkError:
            # SQLite has rolled back by itself after some errors, such as a full disk; whatever is
            # left of it in the journal, the next to read the file puts right.
            self.close()
            with suppress(SinkError):
                self.rows("PRAGMA schema_version")
        self._unmake()

    def _unmake(self) -> None:
        """Takes the file away if this process made it, and nobody has written into it since."""
        if not self._made:
            return
        with suppress(SinkError):
            # Who waits for the lock finds the file gone, and makes another.
            self.run("BEGIN IMMEDIATE")
            if not self.rows("SELECT 1 FROM sqlite_master LIMIT 1"):
                self.path.unlink(missing_ok=True)
        self.close()
        self._made = False

    def _open(self) -> Any:
        if self._connection is None:
            self._look()
            with suppress(FileExistsError):
                os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o666))
                self._made = True
            self._inode = self.path.stat().st_ino
            # dbapi's own commit() does nothing on such a connection: transactions are SQL here.
            with self._errors():
                self._connection = dbapi.connect(str(self.path), autocommit=True)
            for pragma in _PRAGMAS:
                self.rows(f"PRAGMA {pragma}")
        return self._connection

    def _look(self) -> None:
        """Refuses what SQLite would refuse later, or worse, would not: with the reason in words."""
        if not self.path.name or str(self.path) == ":memory:":
            raise SinkError(self.name, "no file is named", "write sqlite:///screen.sqlite")
        folder = self.path.parent
        if not folder.is_dir():
            raise SinkError(self.name, f"the folder {folder} does not exist", "make it first")
        if not self.path.exists():
            if not _writable(folder):
                raise SinkError(self.name, f"the folder {folder} is read-only", "choose another")
            return
        if not self.path.is_file():
            raise SinkError(self.name, "not a file", "name a file")
        if not _writable(self.path):
            raise SinkError(self.name, "read-only", "make it writable, or choose another")
        if not _writable(folder):
            raise SinkError(self.name, f"its folder {folder} is read-only", "choose another")
        if self.path.with_name(f"{self.path.name}-journal").exists():
            # The first page can be anything until SQLite has rolled the journal back.
            return
        with self.path.open("rb") as stream:
            start = stream.read(len(_MAGIC))
        if start and start != _MAGIC:
            raise SinkError(self.name, "not a SQLite database", "choose another file")

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except adbc_driver_manager.NotSupportedError as error:
            # An interrupt: the driver manager answers it by cancelling, which SQLite's driver has
            # not got. All else that is asked of it, it has.
            raise KeyboardInterrupt from error
        except (adbc_driver_manager.Error, pa.ArrowException) as error:
            raise SinkError(self.name, *_reason(str(error))) from error


def quoted(name: str) -> str:
    """A name as SQL has it."""
    return DIALECT.identifier_preparer.quote_identifier(name)


def between(column: str, image_sets: ImageSets, run: int = 0) -> Iterator[str]:
    """Conditions that together hold for the image sets, each of a bounded length: of one run of
    several, by its `TableNumber`, unless that is 0."""
    # Compared as pairs, as SQLite would look through all of a run for ranges told apart by OR.
    name = f"({TABLE_NUMBER}, {column})" if run else column
    of = f"({run}, {{}})" if run else "{}"
    ranges = image_sets.ranges
    for start in range(0, len(ranges), _RANGES):
        yield " OR ".join(
            f"{name} BETWEEN {of.format(first)} AND {of.format(last)}"
            for first, last in ranges[start : start + _RANGES]
        )


def _reason(text: str) -> tuple[str, str]:
    # In SQLite's own words, as the driver quotes the statement besides.
    if re.search(r"database( table| schema)? is locked", text):
        return "locked by another process", "wait until that has ended, or close it"
    if "database or disk is full" in text:
        return f"the disk is full ({os.strerror(errno.ENOSPC)})", "make room and run it again"
    if "readonly database" in text:
        return "read-only", "make it writable, or choose another"
    if re.search(r"file is not a database|disk image is malformed|malformed database", text):
        return "damaged: not a whole SQLite database", "restore it, or load into a new one"
    return f"SQLite says: {text}", "nothing was kept of the batch; see what SQLite says"


def _writable(path: Path) -> bool:
    # Mode bits besides access(), which root always has.
    return os.access(path, os.W_OK) and bool(path.stat().st_mode & 0o222)
