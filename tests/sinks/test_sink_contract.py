"""What every sink keeps to: the contract, a class that each kind of destination subclasses."""

import re
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from contracts.sink import SinkContract
from deltalake import write_deltalake
from support.datasets import asked
from support.decoded_jobs import Job, put
from support.fixtures import rows
from support.servers import Database

from cpexport.cellprofiler.features import EXPERIMENT
from cpexport.cellprofiler.image_identity import Identities
from cpexport.errors import SinkError
from cpexport.sinks.base import Allow, Sink, StagedBatch, Write
from cpexport.sinks.ledger import Count, Entry
from cpexport.sinks.parquet.parts import PartFiles
from cpexport.sinks.sql.sink import LedgerSink


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


class TestDeltaSink(TestParquetSink):
    """So does a folder of Delta Lake tables, which DuckDB reads by their logs."""

    @pytest.fixture(autouse=True)
    def at_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Logs are updated after each batch, which tests read before the sink is closed."""
        monkeypatch.setattr("cpexport.sinks.delta.folder._SECONDS", 0)

    def url(self, folder: Path) -> str:
        return f"delta:{folder}/screen"

    def read(self, folder: Path, query: str) -> list[tuple[object, ...]]:
        ledger = folder / "screen" / "_cpexport_delta.sqlite"
        if not ledger.exists() or "_cpexport_" in query:
            return rows(ledger, query) if ledger.exists() else []
        return asked(folder / "screen", query)

    def write(self, folder: Path, statement: str) -> None:
        (table,) = re.findall(r"CREATE TABLE (\w+)", statement)
        with duckdb.connect() as db:
            db.execute(statement)
            write_deltalake(folder / "screen" / table, db.table(table).to_arrow_table())

    def test_its_address_says_what_it_is_and_no_password(
        self, sink: Sink, tmp_path: Path, jobs: list[Job]
    ) -> None:
        put(sink, jobs[0])

        with pytest.raises(SinkError, match="CellProfiler Analyst cannot read Delta Lake"):
            sink.address(tmp_path)


class TestParquetSinkOfWorkers(TestParquetSink):
    """So does a folder whose files workers write, where they can."""

    @pytest.fixture(autouse=True)
    def staged(self, monkeypatch: pytest.MonkeyPatch) -> None:
        write_here = LedgerSink.batch

        @contextmanager
        def batch(
            sink: LedgerSink,
            entry: Entry,
            identities: Identities,
            allow: Allow = lambda held: None,
        ) -> Iterator[Write | None]:
            stager = sink.stager()
            if stager is None or sink.ledger.holds(entry.signature):
                with write_here(sink, entry, identities, allow) as write:
                    yield write
                return
            rows = Collected(entry.counts)
            yield rows.add
            staged = stager.stage([rows])
            if staged is not None:
                blocks = partial(rows.blocks, EXPERIMENT)
                sink.adopt(staged, [StagedBatch(entry, identities, allow, blocks)])
                return
            with write_here(sink, entry, identities, allow) as write:
                assert write
                for name, reader in rows.rows():
                    write(name, reader)

        monkeypatch.setattr(LedgerSink, "batch", batch)

    @pytest.mark.parametrize("lost", ["Per_Cells", "Per_Image", "Per_Relationships"])
    def test_a_batch_whose_rows_do_not_arrive_is_refused(
        self,
        sink: Sink,
        jobs: list[Job],
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        lost: str,
    ) -> None:
        one, other = jobs
        put(sink, one)
        append = PartFiles.append

        def leave_out(
            files: PartFiles, table: str, names: Sequence[str], blocks: Iterable[pa.RecordBatch]
        ) -> None:
            kept = [
                block.slice(0, block.num_rows - 1) if table == lost else block for block in blocks
            ]
            append(files, table, names, kept)

        with monkeypatch.context() as patch:
            patch.setattr(PartFiles, "append", leave_out)
            with pytest.raises(SinkError, match=f"\\d+ of \\d+ rows of .* inserted into {lost}"):
                put(sink, other)

        assert self.counted(tmp_path, one.counts()) == one.counts()
        assert sink.ledger.read().entries == (one.entry,)
        assert put(sink, other)


@dataclass
class Collected:
    """The rows of a batch, which a worker has decoded."""

    counts: Mapping[str, Count]
    tables: list[tuple[str, pa.Table]] = field(default_factory=list)

    def add(self, name: str, rows: pa.RecordBatchReader) -> None:
        self.tables.append((name, rows.read_all()))

    def rows(self) -> Iterator[tuple[str, pa.RecordBatchReader]]:
        for name, table in self.tables:
            yield name, table.to_reader()

    def blocks(self, wanted: str) -> list[pa.RecordBatch]:
        return [b for name, table in self.tables if name == wanted for b in table.to_batches()]


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
