"""What every sink keeps to: the contract, a class that each kind of destination subclasses."""

import re
import sqlite3
from contextlib import closing
from pathlib import Path

import duckdb
import pytest
from contracts.sink import SinkContract
from support.datasets import asked
from support.decoded_jobs import Job, put
from support.fixtures import rows
from support.servers import Database

from cpexport.errors import SinkError
from cpexport.sinks.base import Sink


class TestSqliteSink(SinkContract):
    """SQLite keeps to the contract."""

    def url(self, folder: Path) -> str:
        return f"sqlite:///{folder}/screen.sqlite"

    def read(self, folder: Path, query: str) -> list[tuple[object, ...]]:
        database = folder / "screen.sqlite"
        if not database.exists() or not rows(
            database, "SELECT 1 FROM sqlite_master WHERE name = '_cpexport_batches'"
        ):
            return []
        return rows(database, query)

    def write(self, folder: Path, statement: str) -> None:
        with closing(sqlite3.connect(folder / "screen.sqlite")) as db, db:
            db.execute(statement)


class TestParquetSink(SinkContract):
    """A folder of Parquet keeps to it as well: each folder in it is read as one table."""

    def url(self, folder: Path) -> str:
        return f"parquet:{folder}/screen"

    def read(self, folder: Path, query: str) -> list[tuple[object, ...]]:
        ledger = folder / "screen" / "_cpexport.sqlite"
        if not ledger.exists() or "_cpexport_" in query:
            return rows(ledger, query) if ledger.exists() else []
        return asked(folder / "screen", query)

    def write(self, folder: Path, statement: str) -> None:
        (table,) = re.findall(r"CREATE TABLE (\w+)", statement)
        (folder / "screen" / table).mkdir()
        with duckdb.connect() as db:
            db.execute(statement)
            db.execute(f"COPY {table} TO '{folder}/screen/{table}/mine.parquet'")

    def test_its_address_says_what_it_is_and_no_password(
        self, sink: Sink, tmp_path: Path, jobs: list[Job]
    ) -> None:
        put(sink, jobs[0])

        with pytest.raises(SinkError, match="CellProfiler Analyst cannot read Parquet"):
            sink.address(tmp_path)


class TestDuckdbSink(SinkContract):
    """DuckDB, too."""

    def url(self, folder: Path) -> str:
        return f"duckdb:///{folder}/screen.duckdb"

    def read(self, folder: Path, query: str) -> list[tuple[object, ...]]:
        file = folder / "screen.duckdb"
        if not file.exists():
            return []
        with duckdb.connect(file) as db:
            there = "SELECT 1 FROM duckdb_tables() WHERE table_name = '_cpexport_batches'"
            return db.execute(query).fetchall() if db.execute(there).fetchall() else []

    def write(self, folder: Path, statement: str) -> None:
        with duckdb.connect(folder / "screen.duckdb") as db:
            db.execute(statement)

    def test_its_address_says_what_it_is_and_no_password(
        self, sink: Sink, tmp_path: Path, jobs: list[Job]
    ) -> None:
        put(sink, jobs[0])

        with pytest.raises(SinkError, match="CellProfiler Analyst cannot read DuckDB"):
            sink.address(tmp_path)


class TestMysqlSink(SinkContract):
    """MariaDB and MySQL keep to it, too."""

    @pytest.fixture(autouse=True)
    def fresh(self, database: Database) -> None:
        self.database = database

    def url(self, folder: Path) -> str:
        return self.database.url()

    def read(self, folder: Path, query: str) -> list[tuple[object, ...]]:
        there = self.database.rows("SHOW TABLES LIKE '\\_cpexport\\_batches'")
        return self.database.rows(query) if there else []

    def write(self, folder: Path, statement: str) -> None:
        self.database.rows(statement)
