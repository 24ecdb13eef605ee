"""The one connection to SQLite: what goes through it, apart from what it is for."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pyarrow as pa
import pytest

from cpexport._sqlite_adbc import Connection, Error

INSERT = "INSERT INTO t VALUES (?, ?)"


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[Connection]:
    with closing(Connection(str(tmp_path / "t.sqlite"))) as opened:
        opened.rows("CREATE TABLE t (a INTEGER PRIMARY KEY, b REAL)")
        yield opened


def block(*numbers: int) -> pa.RecordBatch:
    """Rows of a number and its half; columns are taken by position."""
    halves = pa.array([number / 2 for number in numbers], pa.float64())
    return pa.record_batch([pa.array(numbers, pa.int64()), halves], names=["x", "y"])


def there(tmp_path: Path) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(tmp_path / "t.sqlite")) as plain:
        return plain.execute("SELECT * FROM t ORDER BY a").fetchall()


def test_rows_of_all_blocks_are_inserted_in_order(connection: Connection, tmp_path: Path) -> None:
    connection.run_many(INSERT, iter([block(1, 2), block(), block(3)]))

    assert there(tmp_path) == [(1, 0.5), (2, 1.0), (3, 1.5)]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
@pytest.mark.parametrize("first", [0, 2])
def test_what_is_raised_as_blocks_are_made_is_raised_as_it_is(
    connection: Connection, tmp_path: Path, error: type[BaseException], first: int
) -> None:
    def blocks() -> Iterator[pa.RecordBatch]:
        yield from (block(number) for number in range(first))
        raise error("mine")

    connection.rows("BEGIN IMMEDIATE")
    with pytest.raises(error, match="mine"):
        connection.run_many(INSERT, blocks())
    connection.rows("ROLLBACK")

    assert there(tmp_path) == []


def test_what_sqlite_refuses_is_its_own_error(connection: Connection) -> None:
    with pytest.raises(Error, match="UNIQUE constraint failed"):
        connection.run_many(INSERT, [block(1), block(1)])


def test_a_reader_that_an_error_left_open_is_closed_with_its_connection(tmp_path: Path) -> None:
    """As where a file could not be opened while rows were read."""
    connection = Connection(str(tmp_path / "t.sqlite"))
    connection.rows("CREATE TABLE t (a INTEGER PRIMARY KEY, b REAL)")
    connection.run_many(INSERT, [block(*range(1000))])
    left_open = connection.reader("SELECT * FROM t", size=10)
    left_open.__enter__().read_next_batch()

    connection.close()
    left_open.__exit__(None, None, None)

    with closing(sqlite3.connect(tmp_path / "t.sqlite", timeout=0)) as plain:
        plain.execute("DROP TABLE t")
