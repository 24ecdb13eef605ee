"""What is found out of MariaDB and MySQL before anything is changed: facts, options, widths."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pymysql
import pytest
from sqlalchemy.engine import make_url
from support.proxy import proxied
from support.servers import PASSWORD, USER, Database, Server

from cpexport.cellprofiler.features import INTEGER, REAL, TEXT
from cpexport.errors import SinkError, UsageError
from cpexport.sinks.mysql.connection import Connection
from cpexport.sinks.mysql.dialect import quoted
from cpexport.sinks.mysql.errors import refusal
from cpexport.sinks.mysql.row_size import capacity
from cpexport.sinks.mysql.server_info import PRIVILEGES, ServerInfo, facts
from cpexport.sinks.mysql.url import address
from cpexport.tables.layout import Layout, Table


def asked(
    database: Database, query: str = "", user: str = USER, port: int | None = None
) -> ServerInfo:
    connection = Connection(make_url(database.url(query, port).replace(USER, user)))
    try:
        return facts(
            connection.rows,
            database.name,
            local=connection.address.local,
            takes_bulk=connection.takes_bulk,
        )
    finally:
        connection.close()


def test_a_usual_server_has_no_problems(database: Database) -> None:
    found = asked(database)
    assert found.problems(writing=True) == ()
    assert found.notes == ()
    names = {"mariadb": ("MariaDB", (10, 6)), "mysql": ("MySQL", (8, 0))}
    kind, least = names[database.server.kind]
    assert (found.kind, found.version > least) == (kind, True)
    assert (found.innodb_page_size, found.character_set_database) == (16384, "utf8mb4")
    assert found.default_storage_engine == "InnoDB"


def test_what_is_weaker_is_noted(database: Database) -> None:
    with database.server.setting("innodb_flush_log_at_trx_commit", 2):
        found = asked(database)
    assert found.problems(writing=True) == ()
    (note,) = found.notes
    assert "innodb_flush_log_at_trx_commit is 2" in note


def test_local_that_is_off_is_noted_where_rows_would_go_by_it(database: Database) -> None:
    with (
        proxied(database.server.port, bulk=False) as proxy,
        database.server.setting("local_infile", 0),
    ):
        found, without_bulk = asked(database), asked(database, port=proxy.port)
    (note,) = without_bulk.notes
    assert "local_infile is off" in note
    assert found.notes == (() if database.server.kind == "mariadb" else without_bulk.notes)
    assert found.takes_bulk == (database.server.kind == "mariadb")


def test_a_server_that_cannot_be_used_says_why(database: Database) -> None:
    found = asked(database)
    old = replace(found, version=(10, 5, 9) if found.kind == "MariaDB" else (5, 7, 44))
    for writing in (True, False):
        (problem,) = old.problems(writing=writing)
        assert "too old" in problem
    with database.server.setting("read_only", 1):
        replica = asked(database)
    assert replica.problems(writing=True) == ("the server accepts no changes: it is read-only",)
    assert replica.problems(writing=False) == ()
    unfit = replace(found, innodb=False, log_bin=True, binlog_format="STATEMENT")
    assert len(unfit.problems(writing=True)) == 2


def test_an_engine_that_the_server_enforces_is_named(
    databases: Callable[[str], Database],
) -> None:
    database = databases("mariadb")
    with database.server.setting("enforce_storage_engine", "MyISAM"):
        found = asked(database)
    problem = "enforce_storage_engine is MyISAM; cpexport needs InnoDB for transactions"
    assert found.problems(writing=True) == (problem,)
    assert found.problems(writing=False) == ()


@pytest.mark.parametrize(
    ("option", "problem"),
    [
        ("--read-only", "it is read-only"),
        ("--super-read-only", "it is read-only"),
        ("NO_ENGINE_SUBSTITUTION", "an option of the server prevents this"),
        ("--secure-file-priv", "an option of the server prevents this"),
    ],
)
def test_only_an_option_that_makes_a_server_read_only_is_called_so(
    option: str, problem: str
) -> None:
    text = f"The MySQL server is running with the {option} option so it cannot execute this"
    error = pymysql.err.OperationalError(1290, text)
    assert problem in str(refusal("mysql+pymysql://screen", error))


@pytest.fixture
def user(database: Database) -> Iterator[str]:
    """Another user, who may do nothing yet."""
    database.rows(f"CREATE USER other@'%' IDENTIFIED BY '{PASSWORD}'")
    yield "other"
    database.rows("DROP USER other@'%'")


@pytest.mark.parametrize("lacking", PRIVILEGES)
def test_a_privilege_that_is_missing_is_named(database: Database, user: str, lacking: str) -> None:
    names = ", ".join(name for name in PRIVILEGES if name != lacking)
    database.rows(f"GRANT {names} ON {database.name}.* TO {user}@'%'")
    found = asked(database, user=user)
    assert found.missing == (lacking,)
    assert found.problems(writing=True) == (f"the user lacks {lacking} on the database",)
    assert found.problems(writing=False) == ()


@pytest.mark.parametrize("pattern", [r"`test\_%`", "`test_%`", "`%`", "*"])
def test_privileges_on_many_databases_count(database: Database, user: str, pattern: str) -> None:
    database.rows(f"GRANT CREATE ON {database.name}.* TO {user}@'%'")
    database.rows("CREATE DATABASE IF NOT EXISTS elsewhere")
    database.rows(f"GRANT ALL ON elsewhere.* TO {user}@'%'")
    assert len(asked(database, user=user).missing) == len(PRIVILEGES) - 1
    database.rows(f"GRANT ALL ON {pattern}.* TO {user}@'%'")
    assert asked(database, user=user).missing == ()


def test_privileges_by_a_role_count(database: Database, user: str) -> None:
    database.rows("CREATE ROLE loaders")
    try:
        database.rows(f"GRANT ALL ON {database.name}.* TO loaders")
        database.rows(f"GRANT loaders TO {user}@'%'")
        # Who lacks what is active only could not even connect to the database.
        place = "FOR" if database.server.kind == "mariadb" else "TO"
        database.rows(f"SET DEFAULT ROLE loaders {place} {user}@'%'")
        assert asked(database, user=user).missing == ()
    finally:
        database.rows("DROP ROLE loaders")


# Tables whose parts must fit: of which columns, and names of which length.
WIDE = {
    "doubles": (["double"] * 2100, 12),
    "doubles of long names": (["double"] * 2100, 64),
    "texts": (["text"] * 450, 12),
    "texts of long names": (["text"] * 450, 64),
    "of both": (["text", "double", "double", "double"] * 500, 30),
    "a few texts": (["text"] * 10 + ["double"] * 1200, 20),
    "integers": (["integer"] * 1200, 20),
}
_TYPES = {"double": REAL, "text": TEXT, "integer": INTEGER}
_SQL = {REAL: "DOUBLE", TEXT: "LONGTEXT", INTEGER: "BIGINT"}


@pytest.mark.parametrize("wide", WIDE)
def test_a_full_row_fits_into_every_part(database: Database, wide: str) -> None:
    types, length = WIDE[wide]
    features = {f"F_{n}_".ljust(length - 6, "x"): _TYPES[type] for n, type in enumerate(types)}
    limits = capacity()
    layout = Layout().extended({"Cells": features}, capacity=limits)
    parts = layout.parts("Cells")
    assert len(parts) > 1
    stored = [c.feature for part in parts for c in part.columns if c.feature in features]
    assert sorted(stored) == sorted(features)
    with database.connect(autocommit=False) as connection, connection.cursor() as cursor:
        for part in parts:
            create(cursor, part)
            values = [1] * len(part.key) + [full(c.type) for c in part.columns]
            places = ", ".join(["%s"] * len(values))
            cursor.execute(f"INSERT INTO {quoted(part.name)} VALUES ({places})", values)
        connection.rollback()
    # Which is no wonder if parts are small: twice as much does not fit.
    more = replace(parts[0], name="more", columns=parts[0].columns * 2)
    assert refuses(database, more)


def create(cursor: Any, part: Table) -> None:
    kinds = [f"{quoted(key)} BIGINT NOT NULL" for key in part.key]
    kinds += [f"{quoted(f'{c.name}')} {_SQL[c.type]}" for c in part.columns]
    keys = ", ".join(quoted(key) for key in part.key)
    cursor.execute(
        f"CREATE TABLE {quoted(part.name)} ({', '.join(kinds)}, PRIMARY KEY ({keys})) "
        "ENGINE = InnoDB ROW_FORMAT = DYNAMIC CHARACTER SET utf8mb4"
    )


def full(type: pa.DataType) -> object:
    # A text of 40 bytes is the worst, as it has to stay in the row.
    return {REAL: 1.5, TEXT: "x" * 40, INTEGER: 2**60}[type]


def refuses(database: Database, part: Table) -> bool:
    twice = tuple(
        replace(column, name=f"c{number}".ljust(len(column.name), "x"))
        for number, column in enumerate(part.columns)
    )
    with database.connect(autocommit=False) as connection, connection.cursor() as cursor:
        try:
            create(cursor, replace(part, columns=twice))
            values = [1] * len(part.key) + [full(c.type) for c in twice]
            places = ", ".join(["%s"] * len(values))
            cursor.execute(f"INSERT INTO {quoted(part.name)} VALUES ({places})", values)
        except pymysql.Error as error:
            # 1005 is MariaDB's own for too many columns.
            return error.args[0] in (1005, 1117, 1118)
    return False


def test_columns_that_come_later_fill_the_last_part_and_then_another(database: Database) -> None:
    limits = capacity()
    layout = Layout().extended({"Cells": {f"F_{n}": REAL for n in range(500)}}, capacity=limits)
    assert len(layout.parts("Cells")) == 1
    later = layout.extended({"Cells": {f"G_{n}": REAL for n in range(600)}}, capacity=limits)
    first, second = later.parts("Cells")
    assert (
        first.columns[: len(layout.parts("Cells")[0].columns)] == layout.parts("Cells")[0].columns
    )
    assert len(first.columns) > 900
    assert second.key == first.key


# Where options come from: files, URL, environment.


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("MYSQL_PWD", raising=False)
    return tmp_path


def options(url: str) -> dict[str, Any]:
    return dict(address(make_url(url)).options)


def test_options_come_from_url_then_file_then_environment(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MYSQL_PWD", "of the environment")
    assert options("mysql://me@h/db")["password"] == b"of the environment"
    (home / ".my.cnf").write_text(
        "!includedir /etc/mysql/conf.d\n# a comment\n[client]\nuser = filed\n"
        "password = 'p#w é' # its comment\nsocket=/run/s\nport=3307\n[mysql]\nport=1\n",
        encoding="utf-8",
    )
    found = options("mariadb:///db")
    assert (found["user"], found["port"], found["unix_socket"]) == ("filed", 3307, "/run/s")
    assert found["password"] == "p#w é".encode()
    found = options("mysql+pymysql://me:mine@h:5/db?connect_timeout=4")
    assert (found["user"], found["password"], found["port"]) == ("me", b"mine", 5)
    assert (found["host"], found["connect_timeout"]) == ("h", 4)
    assert "unix_socket" not in found
    other = home / "other.cnf"
    other.write_text("[client]\npassword=secret#comment\n[mine]\npassword=mine\n")
    assert options(f"mysql://h/db?read_default_file={other}")["password"] == b"secret"
    both = f"mysql://h/db?read_default_file={other}&read_default_group=mine"
    assert options(both)["password"] == b"mine"


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("mysql+mysqldb://h/db", "mysql\\+pymysql"),
        ("mysql://u:canary@h", "names no database"),
        ("mysql://u:canary@h/db?local_infile=1", "local_infile"),
        ("mysql://u:canary@h/db?password=canary2", "unknown password after"),
        ("mysql://u:canary@h/db?ssl_disabled=maybe", "true or false"),
        ("mysql://u:canary@h/db?read_timeout=0", "seconds"),
        ("mysql://u:canary@h/db?ssl_ca=a&ssl_ca=b", "several values of ssl_ca"),
    ],
)
def test_a_url_that_is_not_understood_is_refused(home: Path, url: str, said: str) -> None:
    with pytest.raises(UsageError, match=said) as error:
        address(make_url(url))
    assert "canary" not in str(error.value)


@pytest.mark.parametrize("text", ["password=canary\n", "[client\npassword=canary\n", None])
def test_an_option_file_that_cannot_be_read_is_named(home: Path, text: str | None) -> None:
    path = home / "bad.cnf"
    if text is not None:
        path.write_text(text)
    with pytest.raises(SinkError, match=str(path)) as error:
        options(f"mysql://h/db?read_default_file={path}")
    assert "canary" not in str(error.value)


def test_a_socket_and_an_option_file_lead_to_the_server(home: Path, server: Server) -> None:
    file = home / ".my.cnf"
    file.write_text(f"[client]\nuser={USER}\npassword={PASSWORD}\nsocket={server.socket}\n")
    file.chmod(0o600)
    connection = Connection(make_url("mysql+pymysql:///information_schema"))
    assert connection.rows("SELECT SUBSTRING_INDEX(USER(), '@', 1)") == [(USER,)]
    assert connection.address.local
    connection.close()
