"""A DuckDB file, and the one connection to it, which is opened when first needed."""

import os
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import duckdb
import pyarrow as pa
from sqlalchemy.dialects import sqlite
from sqlalchemy.engine import Dialect

from cpexport.cellprofiler.features import NULL, TABLE_NUMBER
from cpexport.errors import ChangedError, RetryError, SinkError
from cpexport.imagesets import ImageSets
from cpexport.sinks.duckdb.errors import FULL, check_usable, reason
from cpexport.sinks.duckdb.opening import connected, remove_empty
from cpexport.sinks.in_place import deleted, identity
from cpexport.sinks.sql.column_projection import missing_as_null
from cpexport.sinks.sql.database import Query, collected, literal, quoted, spans

# Seconds to wait for another process that has the file open, as with SQLite.
_PATIENCE: Final = 30.0
_SETTINGS: Final = (
    "memory_limit = '512MB'",
    # A checkpoint rewrites all columns of the last rows, so it must not come every few batches.
    "checkpoint_threshold = '256MB'",
)
_ROWS: Final = "_cpexport_rows"
# People keep tables of their own in other schemas of the file.
HERE: Final = (
    "NOT internal AND schema_name = current_schema() AND database_name = current_database()"
)


class Connection:
    """Statements and transactions on one DuckDB file; all errors are `SinkError`.

    The file is opened when first needed. Only a transaction with `create` makes it; if that fails,
    the file is removed again. While it is open, no other process can write to it; while it is open
    for `writing`, no other process can open it. Unless it is for `writing`, it can be read-only.

    Raises:
        SinkError: the path cannot be a database, or is for `writing` and read-only.
    """

    def __init__(self, path: Path, name: str, *, writing: bool = True) -> None:
        self.path, self.name, self.writing = path, name, writing
        self._connection: Any = None
        self._made = self._in_transaction = False
        self._opened: tuple[int, int] | None = None
        self._names: frozenset[str] | None = None
        check_usable(self.path, self.name, writing=self.writing)

    @property
    def title(self) -> str:
        """The file's name without its suffix."""
        return self.path.stem

    @property
    def dialect(self) -> Dialect:
        """SQLite's dialect, for names; `ddl` makes the tables."""
        return sqlite.dialect()

    @property
    def exists(self) -> bool:
        """Whether there is a database, with or without tables."""
        return self._connection is not None or (self.path.exists() and self.path.stat().st_size > 0)

    def size(self) -> int:
        """The bytes of the file."""
        return self.path.stat().st_size

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with self._errors():
                connection.close()

    def rows(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """The rows of a query, as Python values."""
        with self._errors():
            return [tuple(row) for row in self._open().execute(sql, list(values)).fetchall()]

    def arrow(self, sql: str) -> pa.Table:
        """The rows of a query, as Arrow columns."""
        with self._errors():
            return self._open().sql(sql).to_arrow_table()

    @contextmanager
    def stream(self, query: Query, where: str, size: int) -> Iterator[Iterator[pa.RecordBatch]]:
        """The rows of a query; see `Database.stream`."""
        sql = (
            f"SELECT {', '.join(query.columns)} FROM {query.source} "
            f"WHERE {where} ORDER BY {query.order}"
        )
        if self._in_transaction:
            # A cursor is another connection, which does not see what this one has not committed.
            # Transactions read no more than the image sets of one batch.
            yield self._typed(self.arrow(sql).to_batches(size), query)
            return
        # Each stream needs its own cursor: a new statement on a connection ends the last result.
        with self._errors():
            cursor = self._open().cursor()
            try:
                yield self._typed(cursor.sql(sql).to_arrow_reader(size), query)
            finally:
                cursor.close()

    def _typed(self, reader: Iterable[pa.RecordBatch], query: Query) -> Iterator[pa.RecordBatch]:
        any_rows = False
        for batch in reader:
            any_rows = True
            arrays = []
            for array, field in zip(batch.columns, query.schema, strict=True):
                empty = field.type == NULL and array.null_count == len(array)
                if array.type != field.type and not empty:
                    problem = f"{query.source}: {field.name} is of {array.type}"
                    raise ChangedError(
                        self.name,
                        f"was changed by another program: {problem}",
                        "load its outputs into a new destination",
                    )
                arrays.append(pa.nulls(len(array)) if empty else array)
            yield pa.RecordBatch.from_arrays(arrays, schema=query.schema)
        if not any_rows:
            yield pa.RecordBatch.from_pylist([], query.schema)

    def run(self, sql: str, *values: object) -> None:
        """Executes one statement."""
        if sql.startswith(("CREATE", "DROP", "ALTER")):
            self._names = None
        with self._errors():
            self._open().execute(sql, list(values))

    def run_many(self, sql: str, values: pa.RecordBatch) -> None:
        """Executes one statement for each row of `values`, columns by position."""
        rows = [list(row.values()) for row in values.to_pylist()]
        if rows:
            with self._errors():
                self._open().executemany(sql, rows)

    def ingest(self, table: str, rows: pa.RecordBatch) -> None:
        """Appends rows to a table, columns by name."""
        if rows.num_rows:
            with self.named(pa.Table.from_batches([missing_as_null(rows)])) as name:
                self.run(f"INSERT INTO {quoted(table)} BY NAME SELECT * FROM {name}")

    @contextmanager
    def named(self, rows: pa.Table) -> Iterator[str]:
        """A name under which statements find these rows."""
        connection = self._open()
        with self._errors():
            connection.register(_ROWS, rows)
        try:
            yield _ROWS
        finally:
            # After an error, DuckDB takes nothing but ROLLBACK.
            with suppress(duckdb.Error):
                connection.unregister(_ROWS)

    def names(self) -> frozenset[str]:
        """The names of all tables and views, queried once in a transaction."""
        if self._names is None:
            rows = self.rows(
                f"SELECT table_name FROM duckdb_tables() WHERE {HERE} UNION ALL "
                f"SELECT view_name FROM duckdb_views() WHERE {HERE}"
            )
            self._names = frozenset(name for (name,) in rows)
        return self._names

    def spelled(self, table: str) -> str:
        return table

    def columns(self) -> dict[str, tuple[str, ...]]:
        """The columns of all tables and views by name; a view has none here."""
        return collected(
            self.rows(
                "SELECT table_name, column_name FROM (SELECT table_name, column_name, column_index "
                f"FROM duckdb_columns() c WHERE {HERE} AND table_name NOT IN (SELECT view_name "
                f"FROM duckdb_views() WHERE {HERE})) ORDER BY table_name, column_index"
            )
            + self.rows(f"SELECT view_name, NULL FROM duckdb_views() WHERE {HERE}")
        )

    def between(self, column: str, image_sets: ImageSets, run: int = 0) -> Iterator[str]:
        """See `Database.between`."""
        of_run = f"{TABLE_NUMBER} = {run} AND " if run else ""
        for some in spans(image_sets):
            ranges = " OR ".join(f"{column} BETWEEN {first} AND {last}" for first, last in some)
            yield f"{of_run}({ranges})"

    @contextmanager
    def transaction(self, *, create: bool = False) -> Iterator[None]:
        """A transaction that commits durably if left without an error, and else rolls back."""
        if not create and not self.exists:
            raise SinkError(
                self.name, "does not exist", "check --to, or load outputs into it first"
            )
        self._names = None
        self.run("BEGIN")
        self._in_transaction = True
        try:
            yield
            self._check_place()
            self.run("COMMIT")
            self._made = False
        except BaseException:
            with suppress(SinkError):
                self.run("ROLLBACK")
            self._unmake()
            raise
        finally:
            self._names, self._in_transaction = None, False
        self._check_place()

    def _check_place(self) -> None:
        """Refuses a file that is no longer in its place: what is written to it is lost.

        Raises:
            SinkError: it was deleted, or another file has its name.
        """
        if identity(self.path) != self._opened:
            raise deleted(self.name)

    def _unmake(self) -> None:
        """Removes the file if this transaction made it: no other process could open it yet."""
        if self._made:
            with suppress(SinkError):
                self.close()
            if identity(self.path) == self._opened:
                self._remove()
        self._made = False

    def _remove(self) -> None:
        for file in (self.path, self.path.with_name(f"{self.path.name}.wal")):
            file.unlink(missing_ok=True)

    def _open(self) -> Any:
        if self._connection is None:
            check_usable(self.path, self.name, writing=self.writing)
            if self.writing:
                remove_empty(self.path)
            new = not self.path.exists()
            until = time.monotonic() + _PATIENCE
            while self._connection is None:
                try:
                    self._connection = connected(self.path, writing=self.writing)
                except duckdb.Error as error:
                    locked = "set lock on file" in str(error)
                    if not locked or time.monotonic() > until:
                        if new and not locked:
                            self._remove()
                        raise SinkError(self.name, *reason(str(error))) from error
                    time.sleep(0.1)
            self._made, self._opened = new, identity(self.path)
            for setting in _SETTINGS:
                self._connection.execute(f"SET {setting}")
            if not self.writing:
                # The default is next to the file, where nothing may be written.
                aside = Path(tempfile.gettempdir()) / f"cpexport-duckdb-{os.getpid()}"
                self._connection.execute(f"SET temp_directory = {literal(str(aside))}")
        return self._connection

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except duckdb.InterruptException as error:
            raise KeyboardInterrupt from error
        except (duckdb.Error, pa.ArrowException) as error:
            # A commit fails with the same exception for a full disk and for a conflict.
            conflict = isinstance(error, duckdb.TransactionException) and FULL not in str(error)
            raise (RetryError if conflict else SinkError)(self.name, *reason(str(error))) from error
