"""A database on a MySQL or MariaDB server: statements and transactions, errors as `SinkError`."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, cast

import pyarrow as pa
import pymysql
import sqlalchemy as sa
from sqlalchemy.dialects.mysql import pymysql as dialect
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError, InvalidRequestError

from cpexport.errors import SinkError
from cpexport.sinks import mysqlsession as session
from cpexport.sinks.mysqladdress import address
from cpexport.sinks.mysqldriver import Driver
from cpexport.sinks.mysqlerrors import at_commit, refusal
from cpexport.sinks.mysqlrows import send

# Names as they are: with PyMySQL's own paramstyle a percent sign in them would be doubled.
DIALECT = dialect.MySQLDialect_pymysql(paramstyle="named")

_COMMITS = ("CREATE", "DROP", "ALTER", "RENAME", "TRUNCATE")


class Connection:
    """Statements and transactions in one database, one connection at a time.

    Outside of `transaction` each statement is committed by itself. READ COMMITTED, strict, utf8mb4.
    After an error a connection is closed and the next statement makes another, but within a
    transaction: there nothing can follow.

    Raises:
        UsageError: the URL has something in it that is not understood.
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
            # Whatever goes back to the pool was committed or taken back, else it is closed.
            pool_reset_on_return=None,
            isolation_level="READ COMMITTED",
            hide_parameters=True,
            # A percent sign in a statement without values is one.
            execution_options={"no_parameters": True},
        )

    def close(self) -> None:
        self._engine.dispose()

    def rows(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """The rows of a query, as Python values; `%s` stands for each of `values`."""
        with self._using() as connection:
            result = connection.exec_driver_sql(sql, values or None)
            return [tuple(row) for row in result] if result.returns_rows else []

    def run(self, sql: str, *values: object) -> int:
        """Executes one statement; how many rows it changed.

        Not within a transaction if it is one that commits, as all DDL does there.
        """
        if sql.startswith(_COMMITS):
            if self._within is not None:
                raise AssertionError(f"it would commit: {sql[:40]}")
            self._names = None
        with self._using() as connection:
            return connection.exec_driver_sql(sql, values or None).rowcount

    def run_many(self, sql: str, values: pa.RecordBatch) -> None:
        """Executes one statement for each row of `values`, columns by position, NaN as NULL."""
        columns = [_python(column) for column in values.columns]
        if values.num_rows:
            with self._using() as connection:
                connection.exec_driver_sql(sql, list(zip(*columns, strict=True)))

    def ingest(self, table: str, rows: pa.RecordBatch) -> None:
        """Appends rows to a table, all of them or none: `mysqlrows.send`."""
        if rows.num_rows:
            with self._using() as connection:
                send(_driver(connection), self.name, table, rows)

    @property
    def takes_bulk(self) -> bool:
        """Whether the server takes rows in bulk."""
        with self._using() as connection:
            return _driver(connection).takes_bulk

    def names(self) -> frozenset[str]:
        """The names of all tables and views; in a transaction asked for once."""
        if self._names is None or self._within is None:
            found = self.rows(
                "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE()"
            )
            self._names = frozenset(name for (name,) in found)
        return self._names

    @property
    def in_transaction(self) -> bool:
        """Whether a `transaction` is open."""
        return self._within is not None

    def forget_names(self) -> None:
        """Has `names` ask again, as others have changed them."""
        self._names = None

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commits durably when left without an error, and else takes all of it back.

        Raises:
            RetryError: others were in the way; all of it may be tried again.
            OutcomeUnknownError: the connection was lost at the commit itself.
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
                raise pymysql.err.OperationalError(2013, "lost before it committed")
            connection.commit()

    @contextmanager
    def _using(self) -> Iterator[sa.Connection]:
        """The transaction's connection; outside of one, another for this statement."""
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
        # Rows are sent past SQLAlchemy, which would not know that there is something to commit.
        with connection:
            connection.begin()
            yield connection

    @contextmanager
    def _errors(
        self,
        connection: sa.Connection,
        reason: Callable[[str, BaseException], SinkError] = refusal,
    ) -> Iterator[None]:
        """Errors as ours; after any the server is left, which rolls back, and not asked again."""
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
        """One more connection, apart from all else here: whoever asks for it closes it."""
        try:
            driver = Driver(**self.address.options)
        except (ValueError, LookupError, AssertionError, TypeError) as error:
            # What PyMySQL makes of bytes that are no server's.
            raise pymysql.err.OperationalError(2003, "(it speaks another protocol)") from error
        except RuntimeError as error:
            # To hide a password without TLS, PyMySQL would need a library more.
            raise pymysql.err.OperationalError(2061, "no TLS") from error
        try:
            self._settle(driver)
        except BaseException:
            driver.close()
            raise
        return driver

    def _settle(self, driver: Driver) -> None:
        """Gives a connection the session that all of ours have.

        Raises:
            SinkError: a variable stays as it was.
        """
        greeting: Any = driver
        kind = "MariaDB" if "mariadb" in greeting.server_version.lower() else "MySQL"
        with driver.cursor() as cursor:
            for statement in session.statements(kind):
                cursor.execute(statement)
            cursor.execute(session.question(kind))
            row: Any = cursor.fetchone()
        if what := session.wrong(kind, row):
            raise SinkError(
                self.name,
                f"{what} in the session, whatever is set",
                "connect to the server itself and not by a proxy",
            )


def quoted(name: str) -> str:
    """A name as SQL has it."""
    return DIALECT.identifier_preparer.quote_identifier(name)


def _driver(connection: sa.Connection) -> Driver:
    return cast(Driver, connection.connection.driver_connection)


def _python(column: pa.Array) -> list[Any]:
    if pa.types.is_floating(column.type):
        column = pa.array(column.to_numpy(zero_copy_only=False), from_pandas=True)
    return cast(list[Any], column.to_pylist())
