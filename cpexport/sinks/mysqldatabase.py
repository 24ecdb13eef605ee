"""One database on a MySQL or MariaDB server, as the SQL sinks use it: `sql.Database`.

In its sessions double quotes are for names, as in SQLite. DDL commits there by itself, so it has a
connection of its own, and so has every stream of rows, as one connection carries one at a time.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import pyarrow as pa
import pymysql
from pymysql.cursors import SSCursor
from sqlalchemy.engine import URL, Dialect

from cpexport.errors import ChangedError
from cpexport.features import NULL, TABLE_NUMBER
from cpexport.imagesets import ImageSets
from cpexport.sinks.mysqlerrors import refusal
from cpexport.sinks.mysqlserver import DIALECT, Connection
from cpexport.sinks.sql import Query, collected, spans
from cpexport.waiting import waiting_for

# By its whole key: other rows are not to be locked.
_FIRST = (
    "SELECT value FROM _cpexport_settings "
    "WHERE prefix = '' AND table_number = 0 AND name = 'schema'"
)
_DDL = ("CREATE", "DROP", "ALTER", "RENAME")


class MysqlDatabase:
    """Statements and transactions; `?` stands for each value."""

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
        """MySQL's, which MariaDB shares as far as it is used here."""
        return DIALECT

    @property
    def takes_bulk(self) -> bool:
        """Whether the server takes rows in bulk: `mysqlrows`."""
        return self._server.takes_bulk

    @property
    def exists(self) -> bool:
        """It does, or connecting to it fails."""
        return True

    @cached_property
    def aside(self) -> "MysqlDatabase":
        """The same by a second connection, which knows nothing of transactions of this one."""
        return MysqlDatabase(self._url)

    def close(self) -> None:
        self._server.close()
        if "aside" in self.__dict__:
            self.aside.close()

    def rows(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """The rows of a query, as Python values."""
        return self._server.rows(_pyformat(sql, values), *values)

    def run(self, sql: str, *values: object) -> int:
        """Executes one statement; DDL in a transaction aside, where it is at once there for all."""
        if sql.startswith(_DDL) and self._server.in_transaction:
            self.forget_names()
            return self.aside.run(sql)
        return self._server.run(_pyformat(sql, values), *values)

    def run_many(self, sql: str, values: pa.RecordBatch) -> None:
        """Executes one statement for each row of `values`, columns by position."""
        self._server.run_many(_pyformat(sql, (values,)), values)

    def ingest(self, table: str, rows: pa.RecordBatch) -> None:
        """Appends rows to a table, columns by name: `mysqlserver.Connection.ingest`."""
        self._server.ingest(table, rows)

    def forget_names(self) -> None:
        """Has `names` ask again, as another connection has changed them."""
        self._server.forget_names()

    def names(self) -> frozenset[str]:
        """The names of all tables and views; asked for once in a transaction."""
        return self._server.names()

    def spelled(self, table: str) -> str:
        """A table's name as `names` and `columns` have it, if it is there."""
        return table.lower() if self._in_small_letters else table

    @cached_property
    def _in_small_letters(self) -> bool:
        """Whether the server keeps all names of tables so (MySQL 9 and MariaDB 11, Identifier Case
        Sensitivity)."""
        ((kept,),) = self.rows("SELECT @@lower_case_table_names")
        return int(kept) == 1

    def columns(self) -> dict[str, tuple[str, ...]]:
        """The columns of all tables by name, and views, of which none is said."""
        found = self.rows(
            "SELECT t.table_name, c.column_name FROM information_schema.tables t "
            "LEFT JOIN information_schema.columns c ON t.table_type = 'BASE TABLE' "
            "AND c.table_schema = t.table_schema AND c.table_name = t.table_name "
            "WHERE t.table_schema = DATABASE() ORDER BY t.table_name, c.ordinal_position"
        )
        return collected(found)

    def between(self, column: str, image_sets: ImageSets, run: int = 0) -> Iterator[str]:
        """Conditions that together hold for the image sets, each of a bounded length: of one run of
        several, by its `TableNumber`, unless that is 0."""
        for some in spans(image_sets):
            ranges = " OR ".join(f"{column} BETWEEN {first} AND {last}" for first, last in some)
            yield f"{TABLE_NUMBER} = {run} AND ({ranges})" if run else ranges

    @contextmanager
    def transaction(self, lock: str = "") -> Iterator[None]:
        """Commits durably when left without an error, and else takes all of it back.

        `lock` is how the one row is locked that sinks lock first: LOCK IN SHARE MODE together with
        others, or FOR UPDATE alone.
        """
        with self._server.transaction():
            if lock:
                with waiting_for(f"another program that writes to {self.name}"):
                    self.rows(f"{_FIRST} {lock}")
            yield

    @contextmanager
    def stream(self, query: Query, where: str, size: int) -> Iterator[Iterator[pa.RecordBatch]]:
        """The rows of a query in order of its key, in its types, `size` rows at a time."""
        sql = (
            f"SELECT {', '.join(query.columns)} FROM {query.source} WHERE {where} "
            f"ORDER BY {query.order}"
        )
        connection = self._server.connect()
        try:
            with connection.cursor(SSCursor) as cursor:
                cursor.execute(sql)
                yield self._batches(cursor, query, size)
        except pymysql.Error as error:
            raise refusal(self.name, error) from error
        finally:
            # Rows that nobody asked for are not waited for.
            connection.abandon()

    def _batches(self, cursor: SSCursor, query: Query, size: int) -> Iterator[pa.RecordBatch]:
        first = True
        while (rows := cursor.fetchmany(size)) or first:
            first = False
            columns = zip(*rows, strict=True) if rows else [()] * len(query.columns)
            try:
                arrays = [
                    pa.nulls(len(rows)) if field.type == NULL else pa.array(column, field.type)
                    for column, field in zip(columns, query.schema, strict=True)
                ]
            except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
                raise ChangedError(
                    self.name,
                    f"{query.source} was changed by something else: {error}",
                    "load it anew",
                ) from error
            yield pa.RecordBatch.from_arrays(arrays, schema=query.schema)


def _pyformat(sql: str, values: object) -> str:
    """A statement as PyMySQL has it, if it has values: outside of names in quotes."""
    if not values:
        return sql
    parts = sql.replace("%", "%%").split('"')
    return '"'.join(p if place % 2 else p.replace("?", "%s") for place, p in enumerate(parts))
