"""A database on a MySQL or MariaDB server as the SQL sinks use it: `sinks.sql.database.Database`.

In its sessions double quotes enclose names, as in SQLite. DDL commits on these servers, so it has a
connection of its own. So does every stream of rows, as a connection can carry only one.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from itertools import islice
from typing import Any

import pyarrow as pa
import pymysql
from pymysql.cursors import SSCursor
from sqlalchemy.engine import URL, Dialect

from cpexport._wait_notice import waiting_for
from cpexport.cellprofiler.features import NULL, TABLE_NUMBER
from cpexport.errors import ChangedError
from cpexport.imagesets import ImageSets
from cpexport.sinks.mysql.between_readers import run_between_readers
from cpexport.sinks.mysql.binary_rows import BinaryRows
from cpexport.sinks.mysql.connection import Connection
from cpexport.sinks.mysql.dialect import DIALECT
from cpexport.sinks.mysql.driver import Driver
from cpexport.sinks.mysql.errors import refusal
from cpexport.sinks.sql.database import Query, collected, spans

# The condition on the whole key locks no other row.
_FIRST = (
    "SELECT value FROM _cpexport_settings "
    "WHERE prefix = '' AND table_number = 0 AND name = 'schema'"
)
_DDL = ("CREATE", "DROP", "ALTER", "RENAME")


class MysqlDatabase:
    """Statements and transactions; `?` is the placeholder of a value."""

    def __init__(self, url: URL) -> None:
        self._url = url
        self._server = Connection(url)
        self.name = self._server.name
        self.location = self._server.address

    @property
    def title(self) -> str:
        """The database's name."""
        return self.location.database

    @property
    def dialect(self) -> Dialect:
        """MySQL's dialect; MariaDB shares what is used of it here."""
        return DIALECT

    @property
    def takes_bulk(self) -> bool:
        """Whether the server takes rows by the bulk protocol; see `insert`."""
        return self._server.takes_bulk

    @property
    def exists(self) -> bool:
        """Always True: without the database, the connection fails."""
        return True

    @cached_property
    def aside(self) -> "MysqlDatabase":
        """The same database by a second connection, outside this one's transactions."""
        return MysqlDatabase(self._url)

    def size(self) -> int:
        """The bytes of data and indexes of all its tables, as the server last counted them."""
        ((size,),) = self.rows(
            "SELECT coalesce(sum(data_length + index_length), 0) "
            "FROM information_schema.tables WHERE table_schema = database()"
        )
        return int(size)

    def close(self) -> None:
        self._server.close()
        if "aside" in self.__dict__:
            self.aside.close()

    def rows(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """The rows of a query, as Python values."""
        return self._server.rows(_pyformat(sql, values), *values)

    def run(self, sql: str, *values: object) -> int:
        """Executes one statement. DDL waits for readers as `between_readers` says; within a
        transaction, it goes by `aside`, and takes effect at once."""
        if sql.startswith(_DDL):
            if self._server.in_transaction:
                self.forget_names()
                return self.aside.run(sql)
            return run_between_readers(self._server, sql)
        return self._server.run(_pyformat(sql, values), *values)

    def run_many(self, sql: str, values: pa.RecordBatch) -> None:
        """Executes one statement for each row of `values`, columns by position."""
        self._server.run_many(_pyformat(sql, (values,)), values)

    def ingest(self, table: str, rows: pa.RecordBatch) -> None:
        """Appends rows to a table, columns by name; see `Connection.ingest`."""
        self._server.ingest(table, rows)

    def forget_names(self) -> None:
        """Makes `names` query again, after another connection has changed them."""
        self._server.forget_names()

    def names(self) -> frozenset[str]:
        """The names of all tables and views, queried once in a transaction."""
        return self._server.names()

    def spelled(self, table: str) -> str:
        """A table's name as `names` and `columns` would have it."""
        return table.lower() if self._in_small_letters else table

    @cached_property
    def _in_small_letters(self) -> bool:
        """Whether the server stores names of tables in lower case (MySQL 9 and MariaDB 11,
        Identifier Case Sensitivity)."""
        ((kept,),) = self.rows("SELECT @@lower_case_table_names")
        return int(kept) == 1

    @cached_property
    def requires_keys(self) -> bool:
        """Whether the server makes no table without a primary key. MariaDB has no such variable."""
        return ("sql_require_primary_key", "ON") in self.rows(
            "SHOW VARIABLES LIKE 'sql_require_primary_key'"
        )

    def columns(self) -> dict[str, tuple[str, ...]]:
        """The columns of all tables and views by name; a view has none here."""
        rows = self.rows(
            "SELECT t.table_name, c.column_name FROM information_schema.tables t "
            "LEFT JOIN information_schema.columns c ON t.table_type NOT LIKE '%VIEW' "
            "AND c.table_schema = t.table_schema AND c.table_name = t.table_name "
            "AND NOT (c.column_key = 'PRI' AND c.extra LIKE '%INVISIBLE%') "
            "WHERE t.table_schema = DATABASE() ORDER BY t.table_name, c.ordinal_position"
        )
        return collected(rows)

    def between(self, column: str, image_sets: ImageSets, run: int = 0) -> Iterator[str]:
        """See `sinks.sql.database.Database.between`."""
        for some in spans(image_sets):
            ranges = " OR ".join(f"{column} BETWEEN {first} AND {last}" for first, last in some)
            yield f"{TABLE_NUMBER} = {run} AND ({ranges})" if run else ranges

    @contextmanager
    def transaction(self, lock: str = "") -> Iterator[None]:
        """A transaction that commits durably if left without an error, and else rolls back.

        All sinks first lock one row. `lock` says how: LOCK IN SHARE MODE to share it with other
        loads, FOR UPDATE to exclude them.
        """
        with self._server.transaction():
            if lock:
                with waiting_for(f"another program that writes to {self.name}"):
                    self.rows(f"{_FIRST} {lock}")
            yield

    @contextmanager
    def stream(self, query: Query, where: str, size: int) -> Iterator[Iterator[pa.RecordBatch]]:
        """The rows of a query; see `sinks.sql.database.Database.stream`."""
        with self._opened() as connection:
            rows = BinaryRows(query.schema, query.key)
            asked = [query.columns[column] for column in rows.order]
            types, found = connection.select(_select(query, asked, where))
            if rows.takes(types):
                yield self._batches(found, rows.columns, query, size)
                return
        # Someone has changed types of columns.
        with self._opened() as connection, connection.cursor(SSCursor) as cursor:
            cursor.execute(_select(query, query.columns, where))
            yield self._batches(iter(cursor.fetchone, None), _by_column(query), query, size)

    @contextmanager
    def _opened(self) -> Iterator[Driver]:
        """A connection of its own."""
        try:
            connection = self._server.connect()
        except pymysql.Error as error:
            raise refusal(self.name, error) from error
        try:
            yield connection
        except pymysql.Error as error:
            raise refusal(self.name, error) from error
        finally:
            # Closing it properly would wait for the rows that were not read.
            connection.abandon()

    def _batches(
        self,
        rows: Iterator[Any],
        columns: Callable[[Sequence[Any]], list[pa.Array]],
        query: Query,
        size: int,
    ) -> Iterator[pa.RecordBatch]:
        first = True
        while (some := list(islice(rows, size))) or first:
            first = False
            if not some:
                yield pa.RecordBatch.from_pylist([], query.schema)
                return
            try:
                arrays = columns(some)
            except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
                raise ChangedError(
                    self.name,
                    f"{query.source} was changed by another program: {error}",
                    "load its outputs into a new destination",
                ) from error
            yield pa.RecordBatch.from_arrays(arrays, schema=query.schema)


def _by_column(query: Query) -> Callable[[Sequence[Any]], list[pa.Array]]:
    """Makes columns of rows that the server sent as texts, and the driver read."""

    def columns(rows: Sequence[tuple[Any, ...]]) -> list[pa.Array]:
        return [
            pa.nulls(len(rows)) if field.type == NULL else pa.array(column, field.type)
            for column, field in zip(zip(*rows, strict=True), query.schema, strict=True)
        ]

    return columns


def _select(query: Query, columns: Sequence[str], where: str) -> str:
    order = ", ".join(query.columns[: query.key])
    return f"SELECT {', '.join(columns)} FROM {query.source} WHERE {where} ORDER BY {order}"


def _pyformat(sql: str, values: object) -> str:
    """A statement with PyMySQL's placeholders, if it has values. Quoted names stay as they are."""
    if not values:
        return sql
    parts = sql.replace("%", "%%").split('"')
    return '"'.join(p if place % 2 else p.replace("?", "%s") for place, p in enumerate(parts))
