"""Values on their way into MariaDB and MySQL, in every way that there is, read by plain PyMySQL."""

import itertools
import math
import struct
from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.engine import make_url
from support.proxy import proxied
from support.servers import KINDS, Database

from cpexport.errors import SinkError
from cpexport.sinks.mysql.connection import Connection

EXTREMES = [0.0, -0.0, 5e-324, -5e-324, 2.2250738585072014e-308, 1.7976931348623157e308, 0.1]
EXTREMES += [-1.7976931348623157e308, math.nextafter(2.2250738585072014e-308, 0), math.pi]
EXTREMES += [1e22, 1e23, 123456789012345678.0, 1e-5, 1e-7, 9007199254740993.0, 1 / 3, -1e-300]
TEXTS = [
    "",
    "N",
    "\\N",
    "\\",
    "a\tb",
    "a\nb\r\n",
    "'",
    '"',
    "NULL",
    "\0",
    "%s%",
    "é😀",
    " x ",
    "E1",
]


# Which rows go which way: MySQL takes none in bulk, nor does MariaDB where it does not offer it.
WAYS = [("mariadb", "bulk"), *itertools.product(KINDS, ["LOAD", "INSERT"])]


@pytest.fixture(params=WAYS, ids="-".join)
def way(request: pytest.FixtureRequest) -> tuple[str, str]:
    chosen: tuple[str, str] = request.param
    return chosen


@pytest.fixture
def database(way: tuple[str, str], databases: Callable[[str], Database]) -> Database:
    return databases(way[0])


@pytest.fixture
def connection(way: tuple[str, str], database: Database) -> Iterator[Connection]:
    """A connection of ours by which rows go that way."""
    server = database.server
    with (
        proxied(server.port, bulk=way[1] == "bulk") as proxy,
        server.setting("local_infile", int(way[1] == "LOAD")),
    ):
        connection = Connection(make_url(database.url(port=proxy.port)))
        yield connection
        connection.close()


def test_rows_go_the_way_that_is_meant(
    database: Database, connection: Connection, way: tuple[str, str]
) -> None:
    """As the server counts what it was asked for."""

    def counted() -> tuple[int, int]:
        names = "'Com_stmt_prepare', 'Com_load'"
        found = database.rows(f"SHOW GLOBAL STATUS WHERE variable_name IN ({names})")
        return int(dict(found)["Com_stmt_prepare"]), int(dict(found)["Com_load"])

    connection.run("CREATE TABLE t (x DOUBLE)")
    before = counted()
    connection.ingest("t", batch(x=[0.5]))
    prepared, loaded = (int(n > m) for n, m in zip(counted(), before, strict=True))

    assert (prepared, loaded) == {"bulk": (1, 0), "LOAD": (0, 1), "INSERT": (0, 0)}[way[1]]
    assert database.rows("SELECT * FROM t") == [(0.5,)]


def stored(
    database: Database, connection: Connection, rows: pa.RecordBatch, types: str
) -> list[tuple[Any, ...]]:
    """What plain PyMySQL reads of rows that went into a table of these columns."""
    connection.run("DROP TABLE IF EXISTS t")
    connection.run(f"CREATE TABLE t ({types})")
    with connection.transaction():
        connection.ingest("t", rows)
    return database.rows("SELECT * FROM t ORDER BY 1")


def bits(value: float, kind: str) -> bytes:
    # MariaDB 10.11 makes -0.0 to 0.0, however it comes.
    return struct.pack("<d", value + 0.0 if kind == "mariadb" and value == 0 else value)


def batch(**columns: list[Any]) -> pa.RecordBatch:
    return pa.RecordBatch.from_pydict({name: pa.array(of) for name, of in columns.items()})


def test_doubles_come_back_bit_by_bit(
    database: Database, connection: Connection, way: tuple[str, str]
) -> None:
    rows = batch(n=list(range(len(EXTREMES))), x=EXTREMES)
    found = stored(database, connection, rows, "n BIGINT, x DOUBLE")
    assert [bits(x, way[0]) for _, x in found] == [bits(x, way[0]) for x in EXTREMES]


def test_what_no_double_can_hold_there_is_null(database: Database, connection: Connection) -> None:
    rows = batch(n=[1, 2, 3, 4, 5], x=[math.nan, math.inf, -math.inf, None, 2.5])
    found = stored(database, connection, rows, "n BIGINT, x DOUBLE")
    assert [x for _, x in found] == [None, None, None, None, 2.5]


def test_texts_and_integers_come_back_as_they_are(
    database: Database, connection: Connection
) -> None:
    numbers = [0, -1, 2**63 - 1, -(2**63)] + [None] * (len(TEXTS) - 4)
    rows = batch(k=list(range(len(TEXTS))), text=TEXTS, n=numbers)
    found = stored(database, connection, rows, "k INT, text LONGTEXT, n BIGINT")
    assert found == list(zip(range(len(TEXTS)), TEXTS, numbers, strict=True))


def test_null_is_no_text(database: Database, connection: Connection) -> None:
    rows = pa.RecordBatch.from_pydict({"k": [1, 2], "t": pa.array([None, "x"], pa.string())})
    assert stored(database, connection, rows, "k INT, t TEXT") == [(1, None), (2, "x")]


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_whatever_doubles_and_texts_come_back(
    database: Database, connection: Connection, way: tuple[str, str], data: st.DataObject
) -> None:
    double = st.floats(allow_nan=False, allow_infinity=False)
    text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
    found = data.draw(st.lists(st.tuples(st.none() | double, st.none() | text), min_size=1))
    rows = pa.RecordBatch.from_arrays(
        [
            pa.array(range(len(found)), pa.int64()),
            pa.array([x for x, _ in found], pa.float64()),
            pa.array([t for _, t in found], pa.string()),
        ],
        names=["k", "a column, `with` %s", "t"],
    )
    back = stored(database, connection, rows, "k INT, `a column, ``with`` %s` DOUBLE, t LONGTEXT")
    assert [t for _, _, t in back] == [t for _, t in found]
    assert [x if x is None else bits(x, way[0]) for _, x, _ in back] == [
        x if x is None else bits(x, way[0]) for x, _ in found
    ]


def test_many_rows_in_many_slices_are_all_there(database: Database, connection: Connection) -> None:
    count = 400_000
    rows = batch(k=list(range(count)), x=[k / 7 for k in range(count)])
    connection.run("CREATE TABLE t (k INT PRIMARY KEY, x DOUBLE)")
    with connection.transaction():
        connection.ingest("t", rows)
    assert database.rows("SELECT count(*), min(k), max(k), count(x) FROM t") == [
        (count, 0, count - 1, count)
    ]
    assert database.rows("SELECT k, x FROM t WHERE k IN (124999, 125000, 250000)") == [
        (k, k / 7) for k in (124999, 125000, 250000)
    ]


def test_a_text_of_megabytes_passes(database: Database, connection: Connection) -> None:
    texts = ["ä" * 3_000_000, "b", "c" * 5_000_000]
    found = stored(database, connection, batch(k=[1, 2, 3], t=texts), "k INT, t LONGTEXT")
    assert [text for _, text in found] == texts


# What a column cannot hold, and what LOAD DATA LOCAL would make of it with a mere warning.
REFUSED = {
    "a text that is no number": (["abc"], "x DOUBLE"),
    "an empty text for a number": ([""], "x DOUBLE"),
    "a number too large": (["1e400"], "x DOUBLE"),
    "an integer too large": ([2**40], "x INT"),
    "a text too long": (["x" * 70_000], "x TEXT"),
    "a key that is there": ([1, 1], "x INT PRIMARY KEY"),
    "nothing where something must be": ([None], "x INT NOT NULL"),
    "a letter that the column has not": (["😀"], "x TEXT CHARACTER SET latin1"),
}


def load_with_ledger(connection: Connection, rows: pa.RecordBatch) -> None:
    with connection.transaction():
        connection.run("INSERT INTO ledger VALUES (1)")
        connection.ingest("t", rows)


@pytest.mark.parametrize("values", REFUSED)
def test_what_does_not_fit_is_refused_and_nothing_is_kept(
    database: Database, connection: Connection, values: str
) -> None:
    given, types = REFUSED[values]
    connection.run(f"CREATE TABLE t ({types})")
    connection.run("CREATE TABLE ledger (n INT)")
    rows = pa.RecordBatch.from_pydict({"x": given})
    with pytest.raises(
        SinkError,
        match=r"did not store the rows as they were sent: .*\(\d+\)|does not fit|server reports|"
        r"the same at the same time",
    ):
        load_with_ledger(connection, rows)
    assert database.rows("SELECT (SELECT count(*) FROM t), (SELECT count(*) FROM ledger)") == [
        (0, 0)
    ]
