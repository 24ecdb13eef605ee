"""Connects to a database on a MySQL or MariaDB server, for statements and transactions."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, cast
from weakref import WeakSet

import pyarrow as pa
import pymysql
import sqlalchemy as sa
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError, InvalidRequestError

from cpexport.errors import SinkError
from cpexport.sinks.mysql import session
from cpexport.sinks.mysql.driver import Driver
from cpexport.sinks.mysql.errors import at_commit, refusal
from cpexport.sinks.mysql.insert import send
from cpexport.sinks.mysql.url import address

_COMMITS = ("CREATE", "DROP", "ALTER", "RENAME", "TRUNCATE")
# A variable is unknown, needs a privilege, does not have this value, or cannot be set.
_NOT_TAKEN = (1193, 1227, 1231, 1238)
_drivers: WeakSet[Driver] = WeakSet()
_DIRECTLY = "connect without a proxy; if that does not help, ask the server's administrator"


class Connection:
    """Statements and transactions in one database, on one connection at a time; all errors are
    `SinkError`.

    Sessions are READ COMMITTED, strict, utf8mb4. Outside `transaction`, each statement commits at
    once. An error closes the connection, and the next statement opens another; within a
    transaction, no statement can follow an error.

    Raises:
        UsageError: the URL has a part that is not understood.
        SinkError: the option file cannot be used.
    """

    def __init__(self, url: URL) -> None:
        self.address = address(url)
        self.name = self.address.name
        self._names: frozenset[str] | None = None
        self._within: sa.Connection | None = None
        self._engine = sa.create_engine(
            "mysql+pymysql://",
            creator=self.connect,
            pool_size=1,
            max_overflow=0,
            pool_pre_ping=True,
            # A connection that returns to the pool has committed or rolled back; others are closed.
            pool_reset_on_return=None,
            hide_parameters=True,
            # In a statement without values, a percent sign stands for itself.
            execution_options={"no_parameters": True},
        )

    def close(self) -> None:
        self._engine.dispose()

    def own_numbers(self) -> frozenset[int]:
        """The server's numbers of all connections of this process."""
        # The stubs declare no types for it.
        drivers: list[Any] = [driver for driver in _drivers if driver.open]
        return frozenset(driver.thread_id() for driver in drivers)

    def rows(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """The rows of a query, as Python values; `%s` is the placeholder of a value."""
        with self._using() as connection:
            result = connection.exec_driver_sql(sql, values or None)
            return [tuple(row) for row in result] if result.returns_rows else []

    def run(self, sql: str, *values: object) -> int:
        """Executes one statement, and returns how many rows it changed.

        DDL commits on these servers, so it must not be run within a transaction.
        """
        if sql.startswith(_COMMITS):
            if self._within is not None:
                raise AssertionError(f"it would commit: {sql[:40]}")
            self._names = None
        with self._using() as connection:
            return connection.exec_driver_sql(sql, values or None).rowcount

    def run_within(self, sql: str, seconds: int) -> int:
        """Executes one statement of DDL, which waits so long for tables that others use.

        Raises:
            RetryError: it waited in vain.
        """
        self._names = None
        with self._using() as connection:
            wait = "SET SESSION lock_wait_timeout ="
            connection.exec_driver_sql(f"{wait} {seconds}")
            changed = connection.exec_driver_sql(sql).rowcount
            connection.exec_driver_sql(f"{wait} {session.LOCK_WAIT}")
            return changed

    def run_many(self, sql: str, values: pa.RecordBatch) -> None:
        """Executes one statement for each row of `values`, columns by position; NaN becomes
        NULL."""
        columns = [_python(column) for column in values.columns]
        if values.num_rows:
            with self._using() as connection:
                connection.exec_driver_sql(sql, list(zip(*columns, strict=True)))

    def ingest(self, table: str, rows: pa.RecordBatch) -> None:
        """Appends rows to a table, all of them or none; see `insert.send`."""
        if rows.num_rows:
            with self._using() as connection:
                send(_driver(connection), self.name, table, rows)

    @property
    def takes_bulk(self) -> bool:
        """Whether the server takes rows by the bulk protocol."""
        with self._using() as connection:
            return _driver(connection).takes_bulk

    def names(self) -> frozenset[str]:
        """The names of all tables and views, queried once in a transaction."""
        if self._names is None or self._within is None:
            rows = self.rows(
                "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE()"
            )
            self._names = frozenset(name for (name,) in rows)
        return self._names

    @property
    def in_transaction(self) -> bool:
        """Whether a `transaction` is open."""
        return self._within is not None

    def forget_names(self) -> None:
        """Makes `names` query again, after another connection has changed them."""
        self._names = None

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """A transaction that commits durably if left without an error, and else rolls back.

        Raises:
            RetryError: it conflicted with another; the whole transaction can be tried again.
            OutcomeUnknownError: the connection was lost during the commit.
        """
        with self._opened() as connection:
            self._within, self._names = connection, None
            try:
                yield
                self._commit(connection)
            except BaseException:
                if not connection.invalidated:
                    with suppress(SinkError), self._errors(connection):
                        connection.rollback()
                raise
            finally:
                self._within = self._names = None

    def _commit(self, connection: sa.Connection) -> None:
        with self._errors(connection, at_commit):
            if connection.invalidated:
                raise pymysql.err.OperationalError(2013, "lost before the commit")
            connection.commit()

    @contextmanager
    def _using(self) -> Iterator[sa.Connection]:
        """The transaction's connection; outside a transaction, one for this statement."""
        if self._within is not None:
            with self._errors(self._within):
                yield self._within
            return
        with self._opened() as connection, self._errors(connection):
            yield connection
            connection.commit()

    @contextmanager
    def _opened(self) -> Iterator[sa.Connection]:
        try:
            connection = self._engine.connect()
        except DBAPIError as error:
            raise refusal(self.name, error.orig or error) from error
        # `insert` sends rows without SQLAlchemy, which would not know that it must commit.
        with connection:
            connection.begin()
            yield connection

    @contextmanager
    def _errors(
        self,
        connection: sa.Connection,
        reason: Callable[[str, BaseException], SinkError] = refusal,
    ) -> Iterator[None]:
        """Turns errors into `SinkError`. Any error closes the connection, so the server rolls
        back."""
        try:
            yield
        except BaseException as error:
            if not connection.invalidated:
                with suppress(DBAPIError, InvalidRequestError):
                    _driver(connection).abandon()
                    connection.invalidate()
            if isinstance(error, DBAPIError):
                raise reason(self.name, error.orig or error) from error
            if isinstance(error, InvalidRequestError):
                raise reason(self.name, pymysql.err.InterfaceError(0, "")) from error
            # A RuntimeError is PyMySQL's answer to a server that asks for a file.
            if isinstance(error, pymysql.Error) or "LOAD_LOCAL" in str(error):
                raise reason(self.name, error) from error
            raise

    def connect(self) -> Driver:
        """A new connection, independent of all others here; the caller closes it."""
        try:
            driver = Driver(**self.address.options)
        except (ValueError, LookupError, AssertionError, TypeError) as error:
            # PyMySQL raises these for bytes that are not from a MySQL server.
            raise pymysql.err.OperationalError(2003, "(it speaks another protocol)") from error
        except RuntimeError as error:
            # To encrypt a password without TLS, PyMySQL needs another library.
            raise pymysql.err.OperationalError(2061, "no TLS") from error
        try:
            self._settle(driver)
        except BaseException:
            driver.close()
            raise
        _drivers.add(driver)
        return driver

    def _settle(self, driver: Driver) -> None:
        """Sets the variables of a connection's session; see `session`.

        Raises:
            SinkError: the server does not take a variable, or does not keep its value.
        """
        greeting: Any = driver
        named = "mariadb" in greeting.server_version.lower()
        kind = session.MARIADB if named else session.MYSQL
        with driver.cursor() as cursor:
            try:
                for statement in session.statements(kind):
                    cursor.execute(statement)
            except pymysql.Error as error:
                if error.args[0] not in _NOT_TAKEN:
                    raise
                problem = f"the server does not take what a session sets: {error.args[-1]}"
                raise SinkError(self.name, f"{problem} ({error.args[0]})", _DIRECTLY) from error
            cursor.execute(session.question(kind))
            row: Any = cursor.fetchone()
        if variable := session.wrong(kind, row):
            raise SinkError(self.name, f"in the session, {variable}", _DIRECTLY)


def _driver(connection: sa.Connection) -> Driver:
    return cast(Driver, connection.connection.driver_connection)


def _python(column: pa.Array) -> list[Any]:
    if pa.types.is_floating(column.type):
        column = pa.array(column.to_numpy(zero_copy_only=False), from_pandas=True)
    return cast(list[Any], column.to_pylist())
