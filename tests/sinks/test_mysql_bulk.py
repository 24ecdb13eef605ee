"""Rows into MariaDB in bulk: every value as it was, packets of bounded size, and who offers it."""

import itertools
import math
import os
import struct
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from sqlalchemy.engine import make_url
from support.proxy import proxied
from support.servers import Database

from cpexport.errors import SinkError
from cpexport.sinks.mysql import bulk_protocol
from cpexport.sinks.mysql.connection import Connection


@pytest.fixture
def database(databases: Callable[[str], Database]) -> Database:
    return databases("mariadb")


@pytest.fixture
def connection(database: Database) -> Iterator[Connection]:
    connection = Connection(make_url(database.url()))
    assert connection.takes_bulk
    yield connection
    connection.close()


def test_what_is_missing_is_null_wherever_it_stands(
    database: Database, connection: Connection
) -> None:
    kinds: dict[str, list[Any]] = {"t": ["", "a"], "n": [0, -(2**63)], "x": [0.5, 5e-324]}
    names = [name + place for name in kinds for place in "ab"]
    patterns = list(itertools.product([True, False], repeat=len(names)))
    columns = {
        name: [
            None if row[at] else kinds[name[0]][number % 2] for number, row in enumerate(patterns)
        ]
        for at, name in enumerate(names)
    }
    types = {"t": "LONGTEXT", "n": "BIGINT", "x": "DOUBLE"}
    listed = ", ".join(f"{name} {types[name[0]]}" for name in names)
    connection.run(f"CREATE TABLE t (k INT, {listed})")

    # As it comes from jobs, what is missing of real numbers is NaN.
    for of_real in (None, math.nan):
        given = {
            name: [of_real if v is None and name[0] == "x" else v for v in values]
            for name, values in columns.items()
        }
        connection.run("DELETE FROM t")
        connection.ingest("t", pa.record_batch({"k": range(len(patterns)), **given}))
        found = database.rows(f"SELECT {', '.join(names)} FROM t ORDER BY k")
        assert found == list(zip(*columns.values(), strict=True))


@pytest.mark.parametrize("rows", [1, 700])
@pytest.mark.parametrize("missing", [0, 0.01, 0.9, 1])
def test_a_thousand_columns_come_back_bit_by_bit(
    database: Database, connection: Connection, rows: int, missing: float
) -> None:
    random = np.random.default_rng(rows)
    values = random.integers(0, 2**64, (1000, rows), np.uint64).view(np.float64)
    values[~np.isfinite(values) | (random.random(values.shape) < missing)] = np.nan
    names = [f"c{number}" for number in range(1000)]
    listed = ", ".join(f"{name} DOUBLE" for name in names)
    # In InnoDB a row has no room for so many.
    connection.run(f"CREATE TABLE t (k INT PRIMARY KEY, {listed}) ENGINE = MyISAM")
    keys = pa.array(range(rows), pa.int64())

    connection.ingest("t", pa.record_batch([keys, *map(pa.array, values)], names=["k", *names]))

    found = database.rows("SELECT * FROM t ORDER BY k")
    assert [row[0] for row in found] == list(range(rows))
    back = np.array([row[1:] for row in found], np.float64).T
    assert back.view(np.uint64).tolist() == values.view(np.uint64).tolist()


def test_texts_of_all_lengths_come_back(database: Database, connection: Connection) -> None:
    """Their lengths are written in one, three, four or nine bytes; packets have 16 MiB at most."""
    lengths = [0, 1, 250, 251, 252, 255, 256, 65535, 65536, 2**24 - 1, 2**24, 2**24 + 70_000]
    # The last one's packet ends where a part of 16 MiB does.
    lengths.append(2 * (2**24 - 1) - 1 - 4 - 2 - 4 - 10 - 9)
    texts = ["x" * length for length in lengths]
    connection.run("CREATE TABLE t (k BIGINT, t LONGTEXT)")
    connection.close()
    with database.server.setting("max_allowed_packet", 2**26):
        wide = Connection(make_url(database.url()))
        for k, text in enumerate(texts):
            wide.ingest("t", pa.record_batch({"k": [k], "t": [text]}))
        wide.close()
        found = database.rows("SELECT k, length(t), t = repeat('x', length(t)) FROM t ORDER BY k")

    assert found == [(k, length, 1) for k, length in enumerate(lengths)]


def test_a_row_that_just_fits_is_taken_and_a_larger_one_refused(database: Database) -> None:
    limit = 2**20
    # A command, a number, flags, a type, and before the text a byte and its length.
    most = limit - 1 - (1 + 4 + 2 + 2 + 1 + 4)
    with database.server.setting("max_allowed_packet", limit):
        connection = Connection(make_url(database.url()))
        connection.run("CREATE TABLE t (t LONGTEXT)")
        connection.ingest("t", pa.record_batch({"t": ["x" * most, "y", "z" * (most - 1)]}))
        with pytest.raises(
            SinkError, match=r"a row is larger than the server accepts \(1153: .*increase"
        ):
            connection.ingest("t", pa.record_batch({"t": ["a", "x" * (most + 1), "b"]}))
        connection.ingest("t", pa.record_batch({"t": ["after"]}))
        connection.close()

    found = database.rows("SELECT length(t) FROM t ORDER BY 1")
    assert found == [(1,), (5,), (most - 1,), (most,)]


def test_packets_are_of_bounded_size_and_made_one_by_one() -> None:
    count = 300_000
    numbers = pa.record_batch({"k": range(count), "x": np.arange(count) / 7})
    sizes = [len(packet) for packet in bulk_protocol.packets(numbers, 1_000_000)]
    assert len(sizes) == 6
    assert sum(sizes) == count * 18 + 6 * (2 + 2 * 2)
    texts = pa.record_batch({"t": [os.urandom(n % 4000).hex() for n in range(5000)]})
    sizes = [len(packet) for packet in bulk_protocol.packets(texts, 100_000)]
    assert max(sizes) <= 100_000
    assert sum(sizes) > 17_000_000
    # A server may take very much, and this program has not the room for it.
    largest = max(len(packet) for packet in bulk_protocol.packets(numbers, 2**30))
    assert largest <= 4_000_000


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE t ADD COLUMN more DOUBLE FIRST",
        "ALTER TABLE t MODIFY COLUMN x LONGTEXT",
        "RENAME TABLE t TO old, other TO t",
    ],
)
def test_rows_go_on_into_a_table_that_another_changes(
    database: Database, connection: Connection, change: str
) -> None:
    for table in ("t", "other"):
        connection.run(f"CREATE TABLE {table} (k INT PRIMARY KEY, x DOUBLE)")
    connection.ingest("t", pa.record_batch({"k": [1], "x": [0.5]}))
    database.rows(change)
    with connection.transaction():
        connection.ingest("t", pa.record_batch({"k": [2], "x": [1.5]}))
        connection.ingest("t", pa.record_batch({"x": [2.5], "k": [3]}))

    found = database.rows("SELECT k, x + 0.0 FROM t WHERE k > 1 ORDER BY k")
    assert found == [(2, 1.5), (3, 2.5)]


def test_columns_that_come_otherwise_leave_no_statement_behind(
    database: Database, connection: Connection
) -> None:
    connection.run("CREATE TABLE t (a INT, b INT)")
    held = "SHOW GLOBAL STATUS LIKE 'Prepared_stmt_count'"
    ((_, before),) = database.rows(held)
    with connection.transaction():
        for names in (["a"], ["b"], ["a", "b"]) * 5:
            connection.ingest("t", pa.record_batch([[1]] * len(names), names=names))

    ((_, after),) = database.rows(held)
    assert int(after) - int(before) == 1
    assert database.rows("SELECT count(*), count(a), count(b) FROM t") == [(15, 10, 10)]


def test_a_duplicate_key_in_the_middle_of_a_packet_keeps_nothing(
    database: Database, connection: Connection
) -> None:
    connection.run("CREATE TABLE t (k INT PRIMARY KEY, x DOUBLE)")
    keys = [*range(5000), 2500]
    with pytest.raises(SinkError, match="wrote the same at the same time"):
        connection.ingest("t", pa.record_batch({"k": keys, "x": [0.5] * len(keys)}))
    assert database.rows("SELECT count(*) FROM t") == [(0,)]


@pytest.mark.parametrize("query", ["", "ssl_disabled=true", "unix_socket=SOCKET"])
def test_mariadb_takes_bulk_by_tls_too_and_by_its_socket(database: Database, query: str) -> None:
    words = query.replace("SOCKET", str(database.server.socket))
    connection = Connection(make_url(database.url(words)))
    ((_, cipher),) = connection.rows("SHOW SESSION STATUS LIKE 'Ssl_cipher'")
    assert (bool(cipher), connection.takes_bulk) == (not query.startswith("ssl_disabled"), True)
    connection.run("CREATE TABLE t (x DOUBLE)")
    connection.ingest("t", pa.record_batch({"x": [0.1] * 100_000}))
    connection.close()
    assert database.rows("SELECT count(*), max(x) FROM t") == [(100_000, 0.1)]


def test_who_does_not_offer_bulk_is_not_asked_for_it(databases: Callable[[str], Database]) -> None:
    database = databases("mariadb")
    with proxied(database.server.port, bulk=False) as proxy:
        connection = Connection(make_url(database.url(port=proxy.port)))
        assert not connection.takes_bulk
        connection.close()
    connection = Connection(make_url(databases("mysql").url()))
    assert not connection.takes_bulk
    connection.close()


def test_a_driver_that_logs_in_otherwise_loads_rows_without_bulk(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    asking = bulk_protocol.asking

    def with_more(login: bytes) -> bytes | None:
        return asking(login[:28] + b"\1" + login[29:])

    monkeypatch.setattr(bulk_protocol, "asking", with_more)
    connection = Connection(make_url(database.url()))
    assert not connection.takes_bulk
    connection.run("CREATE TABLE t (x DOUBLE)")
    connection.ingest("t", pa.record_batch({"x": [0.1, None]}))
    connection.close()
    assert database.rows("SELECT * FROM t ORDER BY x") == [(None,), (0.1,)]


def test_only_a_login_is_changed() -> None:
    login = struct.pack("<IIB23x", 0x3BAA85, 2**24, 45) + b"loader\0"
    assert (
        bulk_protocol.asking(login) == struct.pack("<IIB19xI", 0x3BAA84, 2**24, 45, 4) + b"loader\0"
    )
    assert bulk_protocol.asking(login[:32]) is not None
    for other in (b"", b"\0" * 20, login[:31], bytes(40), b"\1" * 40):
        assert bulk_protocol.asking(other) is None
    for greeting in (b"", b"\n8.0\0", b"\n5.5.5-10.11\0" + bytes(20), b"x" * 100):
        assert not bulk_protocol.offered(greeting)
