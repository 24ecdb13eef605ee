"""A connection to SQLite through ADBC that returns rows as Arrow.

ADBC's own DB-API layer does the same, but it imports pyarrow's datasets, which take longer to
import than many commands take to run.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import chain
from typing import Any

import adbc_driver_sqlite
import pyarrow as pa
from adbc_driver_manager import (
    AdbcConnection,
    AdbcStatement,
    AdbcStatusCode,
    Error,
    OperationalError,
)

__all__ = ["Connection", "Error"]
_BATCH_ROWS = "adbc.sqlite.query.batch_rows"


class Connection:
    """A connection in SQLite's autocommit mode: a transaction needs statements of its own.

    `uri` is a path, or a `file:` URI in SQLite's form. Every method raises `Error` for an error of
    SQLite or the driver.
    """

    def __init__(self, uri: str) -> None:
        self._database = adbc_driver_sqlite.connect(uri)
        try:
            self._connection = AdbcConnection(self._database)
        except BaseException:
            self._database.close()
            raise
        self._open: list[pa.RecordBatchReader | AdbcStatement] = []

    def close(self) -> None:
        """Closes the connection, and the readers that are still open.

        A generator that an error has interrupted keeps its reader until it is collected, and the
        driver closes no connection with an open statement.
        """
        for one in reversed(self._open):
            with suppress(Error):
                self._close(one)
        self._connection.close()
        self._database.close()

    def rows(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """Returns the rows of a statement as Python values; `values` fill its placeholders."""
        columns = [column.to_pylist() for column in self.table(sql, *values).columns]
        return list(zip(*columns, strict=True))

    def table(self, sql: str, *values: object, typed_by: int | None = None) -> pa.Table:
        """Returns the rows of a statement.

        The first `typed_by` rows set the column types; by default, the driver chooses how many.
        """
        with self.reader(sql, *values, size=typed_by) as reader:
            try:
                return reader.read_all()
            except OSError as error:
                raise OperationalError(str(error), status_code=AdbcStatusCode.IO) from error

    @contextmanager
    def reader(
        self, sql: str, *values: object, size: int | None = None
    ) -> Iterator[pa.RecordBatchReader]:
        """Opens a reader of the rows of a statement, `size` rows at a time.

        The first `size` rows set the column types.

        Raises:
            OSError: raised by pyarrow during reading when a later value is of another type.
        """
        with self._statement() as statement:
            if size is not None:
                statement.set_options(**{_BATCH_ROWS: str(size)})
            statement.set_sql_query(sql)
            statement.prepare()
            if values:
                names = [str(place) for place in range(len(values))]
                arrays = [pa.array([value]) for value in values]
                statement.bind(pa.RecordBatch.from_arrays(arrays, names))
            handle, _ = statement.execute_query()
            reader = pa.RecordBatchReader.from_stream(handle)
            self._open.append(reader)
            try:
                yield reader
            finally:
                self._close(reader)

    def run_many(self, sql: str, blocks: Iterable[pa.RecordBatch]) -> None:
        """Executes a statement for each row of `blocks`, which must not be empty.

        Columns are bound by position.

        The blocks are taken one after the other. An error of the iterator is raised here unchanged.
        """
        failed: list[BaseException] = []

        def remaining() -> Iterator[pa.RecordBatch]:
            try:
                yield from rest
            except BaseException as error:
                # The driver would pass on only the error's text.
                failed.append(error)
                raise

        rest = iter(blocks)
        first = next(rest)
        rows = chain([first], remaining())
        with self._statement() as statement:
            statement.set_sql_query(sql)
            statement.prepare()
            statement.bind_stream(pa.RecordBatchReader.from_batches(first.schema, rows))
            try:
                statement.execute_update()
            except Error:
                if failed:
                    raise failed[0] from None
                raise

    @contextmanager
    def _statement(self) -> Iterator[AdbcStatement]:
        statement = AdbcStatement(self._connection)
        self._open.append(statement)
        try:
            yield statement
        finally:
            self._close(statement)

    def _close(self, one: pa.RecordBatchReader | AdbcStatement) -> None:
        """Closes a reader or a statement, unless `close` has done so."""
        if any(one is other for other in self._open):
            # Before it is closed: a statement that cannot be closed is not open either.
            self._open = [other for other in self._open if other is not one]
            one.close()
