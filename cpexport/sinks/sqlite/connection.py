"""A SQLite file, and the one connection to it, which is opened when first needed."""

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
from sqlalchemy.dialects import sqlite
from sqlalchemy.engine import Dialect

from cpexport import _sqlite_adbc
from cpexport._wait_notice import waiting_for
from cpexport.cellprofiler.features import TABLE_NUMBER
from cpexport.errors import SinkError
from cpexport.imagesets import ImageSets
from cpexport.sinks.in_place import deleted, identity
from cpexport.sinks.sql.database import Query, collected, quoted, spans
from cpexport.sinks.sqlite.between_readers import DO_NOT_WAIT, WAIT, commit
from cpexport.sinks.sqlite.errors import check_usable, reason, unfinished
from cpexport.sinks.sqlite.open_mode import PRAGMAS, uri
from cpexport.sinks.sqlite.typed_rows import sampled, typed

DIALECT = sqlite.dialect()


class Connection:
    """Statements and transactions on one SQLite file; all errors are `SinkError`.

    The file is opened when first needed. Only a transaction with `create` makes it; if that fails,
    the file is removed again. Unless it is for `writing`, the file can be read-only.

    Raises:
        SinkError: the path cannot be a database, or is for `writing` and read-only.
    """

    def __init__(self, path: Path, name: str, *, writing: bool = True) -> None:
        self.path, self.name, self.writing = path, name, writing
        self._connection: _sqlite_adbc.Connection | None = None
        self._made = False
        # The file that was opened, and whether it had or got tables.
        self._opened: tuple[int, int] | None = None
        self._kept = False
        self._names: frozenset[str] | None = None
        self._refuse_unusable()

    @property
    def title(self) -> str:
        """The file's name without its suffix."""
        return self.path.stem

    @property
    def dialect(self) -> Dialect:
        """SQLite's dialect."""
        return DIALECT

    @property
    def exists(self) -> bool:
        """Whether there is a database, with or without tables."""
        return self._connection is not None or (self.path.exists() and self.path.stat().st_size > 0)

    def seen_from(self, folder: Path | None) -> str:
        """The path of the file relative to a folder (default: the file's own)."""
        if not self.path.exists():
            raise SinkError(
                self.name, "does not exist", "check --to, or load outputs into it first"
            )
        # The system follows links in the folders of a relative path before it applies "..".
        file = self.path.parent.resolve() / self.path.name
        return os.path.relpath(file, folder.resolve() if folder else file.parent)

    def size(self) -> int:
        """The bytes of the file."""
        return self.path.stat().st_size

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def rows(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """The rows of a query, as Python values."""
        with self._errors():
            return self._open().rows(sql, *values)

    def arrow(self, sql: str) -> pa.Table:
        """The rows of a query, as Arrow columns; the first values decide their types."""
        with self._errors():
            return self._open().table(sql)

    @contextmanager
    def stream(self, query: Query, where: str, size: int) -> Iterator[Iterator[pa.RecordBatch]]:
        """The rows of a query; see `Database.stream`."""
        with self._errors(), self._open().reader(sampled(query, where), size=size) as reader:
            yield typed(reader, query, self.name)

    def run(self, sql: str, *values: object) -> None:
        """Executes one statement."""
        if sql.startswith(("CREATE", "DROP", "ALTER")):
            self._names = None
        self.rows(sql, *values)

    def run_many(self, sql: str, values: pa.RecordBatch) -> None:
        """Executes one statement for each row of `values`, columns by position."""
        with self._errors():
            self._open().run_many(sql, [values])

    def ingest(self, table: str, rows: pa.RecordBatch) -> None:
        """Appends rows to a table, columns by name."""
        self.append(table, rows.schema.names, [rows])

    def append(self, table: str, names: Sequence[str], blocks: Iterable[pa.RecordBatch]) -> None:
        """Appends blocks of rows to a table. `names` are the table's names for the columns."""
        listed, places = ", ".join(map(quoted, names)), ", ".join("?" * len(names))
        sql = f"INSERT INTO {quoted(table)} ({listed}) VALUES ({places})"
        with self._errors():
            self._open().run_many(sql, blocks)

    @property
    def cut_off(self) -> bool:
        """Whether a program that was writing is still at it, or was killed: its journal is there.

        A load that had stored all of its rows may have been killed in `optimize`.
        """
        return self.path.with_name(f"{self.path.name}-journal").exists()

    def optimize(self) -> None:
        """Counts the values of indexes, if tables have grown since the last count: the optimizer
        must know them. Bounded in time for tables of any size, and left out if others write."""
        with suppress(SinkError):
            for pragma in ("analysis_limit = 1000", "busy_timeout = 1000", "optimize = 0x10002"):
                self.rows(f"PRAGMA {pragma}")
            # The ledger grows while a load goes on, and counts of before would mislead it.
            self.run("DELETE FROM sqlite_stat1 WHERE tbl LIKE '\\_cpexport\\_%' ESCAPE '\\'")
        with suppress(SinkError):
            self.rows(WAIT)

    def names(self) -> frozenset[str]:
        """The names of all tables and views, queried once in a transaction."""
        if self._names is None:
            rows = self.rows("SELECT name FROM sqlite_master WHERE type IN ('table', 'view')")
            self._names = frozenset(name for (name,) in rows)
        return self._names

    def spelled(self, table: str) -> str:
        return table

    def columns(self) -> dict[str, tuple[str, ...]]:
        """The columns of all tables and views by name; a view has none here."""
        # To query the columns of a view whose tables are gone is an error.
        views = self.rows("SELECT name, NULL FROM sqlite_master WHERE type = 'view'")
        columns = self.rows(
            "SELECT m.name, c.name FROM (SELECT name FROM sqlite_master WHERE type = 'table') m "
            "JOIN pragma_table_info(m.name) c ORDER BY m.name, c.cid"
        )
        return collected([*columns, *views])

    def between(self, column: str, image_sets: ImageSets, run: int = 0) -> Iterator[str]:
        """See `Database.between`."""
        # Run and number are compared as pairs: for a run's ranges joined by OR, SQLite would scan
        # the whole run.
        name = f"({TABLE_NUMBER}, {column})" if run else column
        pair = f"({run}, {{}})" if run else "{}"
        for some in spans(image_sets):
            yield " OR ".join(
                f"{name} BETWEEN {pair.format(first)} AND {pair.format(last)}"
                for first, last in some
            )

    @contextmanager
    def transaction(self, *, create: bool = False) -> Iterator[None]:
        """A transaction that commits durably if it is left without an error, and else rolls back.

        It takes the write lock at once, so what is read inside stays true until the end.
        """
        if not create and not self.exists:
            raise SinkError(
                self.name, "does not exist", "check --to, or load outputs into it first"
            )
        self._begin()
        try:
            yield
            self._check_place()
            commit(lambda: self.run("COMMIT"), self.path, self.name)
            self._made, self._kept = False, True
        except BaseException:
            self._roll_back()
            raise
        finally:
            self._names = None
            if self._connection is not None:
                with suppress(SinkError):
                    self.rows(WAIT)
        self._check_place()

    def _check_place(self) -> None:
        """Refuses a file that is no longer in its place: what is written to it is lost.

        Raises:
            SinkError: it was deleted, or another file has its name.
        """
        if identity(self.path) != self._opened:
            raise deleted(self.name)

    def _begin(self) -> None:
        while True:
            self._names = None
            try:
                with waiting_for(f"another program that writes to {self.name}"):
                    self.run("BEGIN IMMEDIATE")
                # From here on only those who read can be in the way, and `commit` waits for them.
                self.rows(DO_NOT_WAIT)
            except SinkError:
                self._unmake()
                raise
            if identity(self.path) == self._opened:
                return
            self.close()
            if self._kept:
                raise deleted(self.name)
            # While this process waited, a load that failed removed the file that it had made.

    def _roll_back(self) -> None:
        try:
            self.run("ROLLBACK")
        except SinkError:
            # After some errors, such as a full disk, SQLite has already rolled back. If its journal
            # is left, the next read of the file applies it.
            self.close()
            with suppress(SinkError):
                self.rows("PRAGMA schema_version")
        self._unmake()

    def _unmake(self) -> None:
        """Removes the file if this process made it, and no process has written to it since."""
        if not self._made:
            return
        with suppress(SinkError):
            # A process that waits for the lock then finds the file gone, and makes another.
            self.run("BEGIN IMMEDIATE")
            empty = not self.rows("SELECT 1 FROM sqlite_master LIMIT 1")
            if empty and identity(self.path) == self._opened:
                self.path.unlink(missing_ok=True)
        self.close()
        self._made = False

    def _open(self) -> _sqlite_adbc.Connection:
        if self._connection is None:
            if self._kept:
                self._check_place()
            self._refuse_unusable()
            if self.writing:
                with suppress(FileExistsError):
                    os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o666))
                    self._made = True
            self._opened = identity(self.path)
            with self._errors():
                self._connection = _sqlite_adbc.Connection(uri(self.path, writing=self.writing))
            with waiting_for(f"another program that writes to {self.name}"):
                for pragma in PRAGMAS:
                    self.rows(pragma)
                # It is 0 until a transaction that makes a table is committed.
                ((version,),) = self.rows("PRAGMA schema_version")
            self._kept = self._kept or version > 0
        return self._connection

    def _refuse_unusable(self) -> None:
        check_usable(self.path, self.name, writing=self.writing)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except (_sqlite_adbc.Error, pa.ArrowException) as error:
            text = str(error)
            raise SinkError(self.name, *(unfinished(self.path, text) or reason(text))) from error
