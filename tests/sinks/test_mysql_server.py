"""Connections to MariaDB and MySQL that are cut, killed, refused or betrayed."""

import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from sqlalchemy.engine import make_url
from support.proxy import BULK, COMMIT, LOAD_DATA, PREPARE, Proxy, proxied
from support.servers import PASSWORD, USER, Database

from cpexport.errors import OutcomeUnknownError, RetryError, SinkError
from cpexport.sinks.mysql import bulk_protocol, load_data
from cpexport.sinks.mysql import session as mysqlsession
from cpexport.sinks.mysql.connection import Connection

pytestmark = pytest.mark.slow

QUICK = "ssl_disabled=true&read_timeout=3&write_timeout=3"
Connect = Callable[..., Connection]


@pytest.fixture
def connect(database: Database) -> Iterator[Connect]:
    """Connections of ours to the database, by a proxy's port if one is given."""
    made: list[Connection] = []

    def make(port: int | None = None, query: str = QUICK) -> Connection:
        made.append(Connection(make_url(database.url(query, port))))
        return made[-1]

    database.rows("CREATE TABLE t (k INT PRIMARY KEY, x DOUBLE) ENGINE = InnoDB")
    yield make
    for connection in made:
        connection.close()


@pytest.fixture(params=[True, False], ids=["as it is", "without bulk"])
def proxy(database: Database, request: pytest.FixtureRequest) -> Iterator[Proxy]:
    if request.param and database.server.kind == "mysql":
        pytest.skip("MySQL takes no rows in bulk")
    with proxied(database.server.port, bulk=request.param) as proxy:
        yield proxy


def rows(count: int = 5, start: int = 0) -> pa.RecordBatch:
    keys = list(range(start, start + count))
    return pa.RecordBatch.from_pydict({"k": keys, "x": [key / 7 for key in keys]})


def load(connection: Connection, batch: pa.RecordBatch) -> None:
    with connection.transaction():
        connection.ingest("t", batch)


def count(database: Database) -> int:
    ((found,),) = database.rows("SELECT count(*) FROM t")
    return int(found)


def settled(database: Database) -> int:
    """How many rows there are when no other connection has any more to do."""
    until = time.monotonic() + 20
    query = "SELECT count(*) FROM information_schema.innodb_trx"
    while database.rows(query) != [(0,)] and time.monotonic() < until:
        # Asked more often, it would answer as it did the last time.
        time.sleep(0.2)
    return count(database)


@pytest.mark.parametrize("how", ["cut", "reset", "stall"])
@pytest.mark.parametrize(("where", "there"), [("before", 0), ("after", 5)])
def test_a_connection_lost_at_commit_leaves_the_outcome_unknown(
    database: Database, connect: Connect, proxy: Proxy, where: str, there: int, how: str
) -> None:
    connection = connect(proxy.port)
    connection.rows("SELECT 1")
    proxy_commit_of(proxy, where, how, connection)
    with pytest.raises(OutcomeUnknownError, match=r"during the commit; run the command again"):
        load(connection, rows())
    assert proxy.faults == 1
    proxy.close()
    assert settled(database) == there


def proxy_commit_of(proxy: Proxy, where: str, how: str, connection: Connection) -> None:
    """The fault, at the next COMMIT but not at those of statements before."""
    connection.rows("SELECT k FROM t")
    proxy.at(COMMIT, where, how)


@pytest.mark.parametrize("how", ["cut", "reset", "stall"])
@pytest.mark.parametrize("sent", [0, 1, 1000, 100_000, 1_500_000])
def test_a_connection_lost_while_rows_are_sent_keeps_none(
    database: Database, connect: Connect, proxy: Proxy, sent: int, how: str
) -> None:
    connection = connect(proxy.port)
    connection.rows("SELECT 1")
    proxy.after_bytes(sent + 600, how)
    with pytest.raises(SinkError, match=r"connection was lost|not answer in time") as error:
        load(connection, rows(100_000))
    assert not isinstance(error.value, OutcomeUnknownError)
    proxy.close()
    assert settled(database) == 0


def test_after_an_error_the_next_statement_has_a_new_connection(
    database: Database, connect: Connect, proxy: Proxy
) -> None:
    connection = connect(proxy.port)
    proxy.at(PREPARE if proxy.bulk else LOAD_DATA, "before", "cut")
    with pytest.raises(SinkError):
        load(connection, rows())
    load(connection, rows())
    assert count(database) == 5


def test_in_a_transaction_nothing_follows_an_error(database: Database, connect: Connect) -> None:
    connection = connect()

    def two() -> None:
        with connection.transaction():
            with pytest.raises(SinkError, match="no_such"):
                connection.run("INSERT INTO no_such VALUES (1)")
            connection.run("INSERT INTO t VALUES (1, 1)")

    with pytest.raises(SinkError, match="connection was lost"):
        two()
    assert count(database) == 0


def test_a_transaction_that_swallowed_an_error_does_not_commit(
    database: Database, connect: Connect
) -> None:
    connection = connect()

    def swallow() -> None:
        with connection.transaction():
            connection.ingest("t", rows())
            with pytest.raises(SinkError):
                connection.run("no SQL")

    with pytest.raises(SinkError, match="connection was lost"):
        swallow()
    assert settled(database) == 0


@pytest.mark.parametrize("after", [0, 1])
def test_rows_that_cannot_be_made_are_not_half_there(
    database: Database,
    connect: Connect,
    proxy: Proxy,
    monkeypatch: pytest.MonkeyPatch,
    after: int,
) -> None:
    def broken(*of: Any) -> Iterator[Any]:
        for number, some in enumerate(real(*of)):
            if number == after:
                raise OSError(5, "Input/output error")
            yield some

    module, name = (bulk_protocol, "packets") if proxy.bulk else (load_data, "lines")
    real = getattr(module, name)
    monkeypatch.setattr(module, name, broken)
    connection = connect(proxy.port)
    with pytest.raises(OSError, match="Input/output error"):
        load(connection, rows(200_000))
    assert settled(database) == 0
    monkeypatch.undo()
    load(connection, rows(200_000))
    assert count(database) == 200_000


def test_a_server_that_is_killed_has_none_of_the_batch_and_takes_it_again(
    database: Database, connect: Connect, proxy: Proxy
) -> None:
    connection = connect(proxy.port, "ssl_disabled=true")
    load(connection, rows(10))

    def fail() -> None:
        with connection.transaction():
            connection.ingest("t", rows(1000, start=10))
            database.server.kill()
            connection.ingest("t", rows(1000, start=5000))

    with pytest.raises(SinkError, match="connection was lost"):
        fail()
    database.server.restart()
    assert count(database) == 10
    load(connection, rows(1000, start=10))
    assert count(database) == 1010


def test_a_server_that_asks_for_a_file_gets_nothing(
    connect: Connect, proxy: Proxy, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("canary of a file")
    connection = connect(proxy.port)
    of_rows = [PREPARE, BULK] if proxy.bulk else [LOAD_DATA]
    for statement in (b"SELECT 7", *of_rows):
        connection.rows("SELECT 1")
        proxy.wanted, proxy.given = str(secret).encode(), b""
        proxy.at(statement, "before", "ask")
        said = r"asked for a file|asked for something other|connection was lost"
        with pytest.raises(SinkError, match=said):
            connection.rows("SELECT 7") if statement == b"SELECT 7" else load(connection, rows())
        assert proxy.given.strip(b"\x00\x01\x02\x03") == b""
    assert proxy.faults == 1 + len(of_rows)


def test_a_deadlock_is_said_to_be_one_and_the_batch_can_be_tried_again(
    database: Database, connect: Connect
) -> None:
    connection = connect(query="ssl_disabled=true")
    load(connection, rows(2))
    errors: list[SinkError] = []
    with database.connect(autocommit=False) as other, other.cursor() as cursor:
        cursor.execute("UPDATE t SET x = 3 WHERE k = 0")

        def one_then_zero() -> None:
            with connection.transaction():
                connection.run("INSERT INTO t VALUES (%s, 0)", 100)
                connection.run("UPDATE t SET x = 2 WHERE k = 1")
                connection.run("UPDATE t SET x = 2 WHERE k = 0")

        def note() -> None:
            try:
                one_then_zero()
            except SinkError as error:
                errors.append(error)

        # Either is the deadlock's victim; the one that has changed fewer rows.
        cursor.execute("INSERT INTO t VALUES (101, 0), (102, 0), (103, 0)")
        thread = threading.Thread(target=note)
        thread.start()
        time.sleep(0.5)
        cursor.execute("UPDATE t SET x = 3 WHERE k = 1")
        other.commit()
        thread.join()
    (error,) = errors
    assert isinstance(error, RetryError)
    assert "deadlock" in str(error)
    assert database.rows("SELECT k FROM t WHERE k = 100") == []
    one_then_zero()
    assert database.rows("SELECT k, x FROM t WHERE k IN (0, 1, 100)") == [(0, 2), (1, 2), (100, 0)]


def test_reading_leaves_no_lock_that_keeps_others_from_changing_the_table(
    database: Database, connect: Connect
) -> None:
    connection = connect()
    assert connection.rows("SELECT count(*) FROM t") == [(0,)]
    with database.connect() as other, other.cursor() as cursor:
        cursor.execute("SET lock_wait_timeout = 2")
        cursor.execute("ALTER TABLE t ADD COLUMN y DOUBLE")
    assert connection.rows("SELECT k, x, y FROM t") == []


def test_ddl_in_a_transaction_would_commit_and_is_not_done(
    database: Database, connect: Connect
) -> None:
    connection = connect()

    def ddl() -> None:
        with connection.transaction():
            connection.ingest("t", rows())
            connection.run("CREATE TABLE u (k INT)")

    with pytest.raises(AssertionError, match="it would commit"):
        ddl()
    assert settled(database) == 0
    assert connection.names() == {"t"}


def test_the_session_is_strict_and_reads_what_is_committed(
    database: Database, connect: Connect
) -> None:
    name = "tx_isolation" if database.server.kind == "mariadb" else "transaction_isolation"
    with database.server.setting("sql_mode", ""), database.server.setting("wait_timeout", 5):
        ((mode, level, charset, waits, autocommit),) = connect().rows(
            f"SELECT @@sql_mode, @@{name}, @@character_set_client, @@wait_timeout, @@autocommit"
        )
    assert set(mode.split(",")) == {"STRICT_ALL_TABLES", "NO_ENGINE_SUBSTITUTION", "ANSI_QUOTES"}
    assert (level, charset, waits, autocommit) == ("READ-COMMITTED", "utf8mb4", 28800, 0)


def test_values_of_statements_come_and_go(database: Database, connect: Connect) -> None:
    connection = connect()
    connection.run_many(
        "INSERT INTO t VALUES (%s, %s)",
        pa.RecordBatch.from_pydict({"k": [1, 2, 3], "x": [0.1, None, float("nan")]}),
    )
    assert connection.run("UPDATE t SET x = %s WHERE k > %s", 2.5, 2) == 1
    assert database.rows("SELECT * FROM t") == [(1, 0.1), (2, None), (3, 2.5)]
    found = connection.rows("SELECT k, x, 'a%' AS p FROM t WHERE 'a%b' LIKE 'a%'")
    assert found == [(1, 0.1, "a%"), (2, None, "a%"), (3, 2.5, "a%")]
    assert connection.rows("SELECT k FROM t WHERE k > 9") == []


# What is wrong with where one connects to, and what is said of it.
WRONG: dict[str, tuple[Callable[[Database], str], str]] = {
    "wrong password": (
        lambda d: d.url("").replace(PASSWORD, "canary-wrong"),
        "refused the user or password",
    ),
    "no such user": (lambda d: d.url("").replace(USER, "nobody"), "refused the user or password"),
    "no such database": (lambda d: d.url().replace(d.name, "none"), "database"),
    "no such port": (lambda d: d.url(port=1), "no server answers"),
    "no such host": (lambda d: d.url().replace("127.0.0.1", "no.such.host.invalid"), "no server"),
    "no such socket": (lambda d: d.url("unix_socket=/no/socket"), "no server answers"),
    "no TLS authority": (lambda d: d.url("ssl_ca=/no/file"), "TLS cannot start"),
    "TLS not trusted": (lambda d: d.url("ssl_verify_identity=true"), "CERTIFICATE_VERIFY_FAILED"),
}


# PyMySQL leaves the socket open to which it could not connect.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_wrong_is_said_in_a_line_without_a_password(database: Database, wrong: str) -> None:
    url, said = WRONG[wrong]

    def ask() -> None:
        connection = Connection(make_url(url(database)))
        try:
            connection.rows("SELECT 1")
        finally:
            connection.close()

    with pytest.raises(SinkError, match=said) as error:
        ask()
    assert re.search("canary", str(error.value)) is None
    assert "\n" not in str(error.value)
    assert "; " in str(error.value)
    assert database.name in str(error.value) or "none" in str(error.value)


def test_tls_is_verified_and_used(database: Database, connect: Connect) -> None:
    certificate = database.server.certificate
    connection = connect(query=f"ssl_ca={certificate}&ssl_verify_identity=true")
    ((_, cipher),) = connection.rows("SHOW SESSION STATUS LIKE 'Ssl_cipher'")
    assert cipher
    load(connection, rows(50_000))
    assert count(database) == 50_000


def test_the_password_is_in_no_form_of_the_connection(connect: Connect) -> None:
    connection = connect()
    assert connection.rows("SELECT 1") == [(1,)]
    shown = f"{connection.name} {connection.address!r} {connection!r} {connection._engine!r}"
    assert "canary" not in shown


# What servers can have, of both kinds and of each.
ODD: dict[str, object] = {
    "autocommit": 1,
    "completion_type": "RELEASE",
    "default_storage_engine": "MyISAM",
    "default_tmp_storage_engine": "MyISAM",
    "default_week_format": 3,
    "div_precision_increment": 0,
    "foreign_key_checks": 0,
    "group_concat_max_len": 8,
    "lc_time_names": "de_DE",
    "max_join_size": 1,
    "max_sort_length": 64,
    "sql_auto_is_null": 1,
    "sql_mode": "ANSI,NO_BACKSLASH_ESCAPES,PAD_CHAR_TO_FULL_LENGTH",
    "sql_notes": 0,
    "sql_safe_updates": 1,
    "sql_select_limit": 1,
    "time_zone": "+05:30",
    "unique_checks": 0,
    "updatable_views_with_limit": "NO",
}
ODD_OF: dict[str, dict[str, object]] = {
    "mariadb": {
        "check_constraint_checks": 0,
        "idle_transaction_timeout": 1,
        "innodb_strict_mode": 0,
        "max_error_count": 0,
        "max_statement_time": 0.01,
        "old_mode": "ZERO_DATE_TIME_CAST",
        "sql_if_exists": 1,
        "tx_isolation": "READ-UNCOMMITTED",
        "tx_read_only": 1,
    },
    "mysql": {
        "max_execution_time": 1,
        "transaction_isolation": "READ-UNCOMMITTED",
        "transaction_read_only": 1,
    },
}


def test_what_a_server_sets_for_others_changes_nothing_of_ours(
    database: Database, connect: Connect
) -> None:
    odd = {**ODD, **ODD_OF[database.server.kind]}
    asked = "SELECT " + ", ".join(f"@@SESSION.{name}" for name in odd)
    (usual,) = connect().rows(asked)
    with ExitStack() as set_there:
        for name, value in odd.items():
            set_there.enter_context(database.server.setting(name, value))
        connection = connect()
        (found,) = connection.rows(asked)
        connection.run("INSERT INTO t VALUES (1, 1), (2, 2), (3, 3)")
        rows = connection.rows("SELECT k FROM t")
        slow = connection.rows("SELECT sleep(0.1)")

    assert found == usual
    assert [name for name, value in zip(odd, found, strict=True) if value == odd[name]] == []
    assert (rows, slow) == ([(1,), (2,), (3,)], [(0,)])


def test_a_session_that_does_not_keep_what_is_set_is_refused(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As a proxy does it that keeps statements of SET to itself.
    monkeypatch.setattr(mysqlsession, "statements", lambda kind: ("SET NAMES utf8mb4",))

    with pytest.raises(SinkError, match=r"in the session, \w+ is .+, not .+; connect without"):
        connect().rows("SELECT 1")


def test_a_server_that_does_not_know_a_variable_is_refused_in_a_line(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mysqlsession, "statements", lambda kind: ("SET SESSION no_such = 1",))

    with pytest.raises(SinkError, match=r"does not take what a session sets: .*no_such.*1193"):
        connect().rows("SELECT 1")


def test_a_server_whose_tables_are_those_of_the_past_is_not_read(
    databases: Callable[[str], Database],
) -> None:
    database = databases("mariadb")
    connection = Connection(make_url(database.url(QUICK)))
    database.rows("SET GLOBAL system_versioning_asof = '2020-01-01 00:00:00'")
    try:
        with pytest.raises(
            SinkError, match=r"system_versioning_asof is 2020-01-01 .*, not DEFAULT"
        ):
            connection.rows("SELECT 1")
    finally:
        database.rows("SET GLOBAL system_versioning_asof = DEFAULT")
        connection.close()
