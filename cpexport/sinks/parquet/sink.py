"""Parquet destinations: each table is a folder of files that readers take for one table.

Rows are in Parquet files. The ledger and the small tables are in a SQLite file next to them, whose
transaction is that of a batch. The small tables are also written to Parquet when they change.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import pyarrow as pa
import sqlalchemy as sa

from cpexport.cellprofiler.features import (
    EXPERIMENT,
    IMAGE,
    IMAGE_NUMBER,
    NULL,
    REAL,
    RELATIONSHIP,
)
from cpexport.errors import SinkError, UsageError
from cpexport.imagesets import ImageSets
from cpexport.sinks.base import TableState
from cpexport.sinks.ledger import Entry
from cpexport.sinks.parquet import CAPABILITIES, rewrite
from cpexport.sinks.parquet.dataset import Folder, LedgerFile
from cpexport.sinks.parquet.reader import rows_of
from cpexport.sinks.parquet.small_tables import (
    PAIRS,
    of_run,
    pairs,
    pairs_schema,
    publish,
    table_states,
    whole,
)
from cpexport.sinks.parquet.writer import ParquetWriter
from cpexport.sinks.sql import ledger_tables, schema
from cpexport.sinks.sql.column_projection import missing_as_null
from cpexport.sinks.sql.ledger_sink import LedgerSink
from cpexport.sinks.sql.ledger_store import SqlLedger
from cpexport.sinks.sql.scope import Scope
from cpexport.sinks.sql.type_widening import stored
from cpexport.sinks.sqlite.ddl import make, make_ledger_table, make_of_run, make_own
from cpexport.tables.capacity import TableCapacity
from cpexport.tables.layout import Layout, table_of
from cpexport.tables.options import VIEW, TableOptions
from cpexport.tables.path_map import PathMap

_Tables = Mapping[str, tuple[pa.Schema, list[str]]]


class _Ledger(SqlLedger):
    """The ledger in the folder's SQLite file."""

    def __init__(self, file: LedgerFile, folder: Folder, prefix: str, run: str | None) -> None:
        super().__init__(file, prefix, run)
        self._file, self._folder = file, folder

    def metadata(self) -> dict[str, str]:
        # Readers do not find the files of a load that was cut off, so what was computed from
        # those counts as missing.
        unfinished = not self._file.writing and self._folder.unsettled
        return {} if unfinished else super().metadata()


class ParquetSink(LedgerSink):
    """A folder. The first batch makes it; if that batch fails, the folder is removed again."""

    capabilities = CAPABILITIES

    def __init__(
        self,
        path: str,
        prefix: str,
        shape: TableOptions | None,
        run: str | None,
        paths: PathMap | None,
        *,
        writing: bool = True,
    ) -> None:
        if not path or path.startswith("//"):
            raise UsageError("--to names no folder; write parquet:FOLDER")
        if shape is not None and shape.layout == VIEW:
            raise UsageError(
                "a Parquet folder cannot have views; use --objects separate or combined"
            )
        if prefix.startswith(("_", ".")) or {"/", "=", "@"} & set(prefix):
            raise UsageError(
                f"--prefix {prefix}: for Parquet, it must not begin with _ or ., nor contain /, = "
                "or @"
            )
        self._file = LedgerFile(Path(path), f"parquet:{path}", writing=writing)
        self._folder = Folder(self._file)
        self._writers: dict[str, ParquetWriter] = {}
        self._tables: tuple[Layout, _Tables] | None = None
        self._grown = False
        ledger = _Ledger(self._file, self._folder, prefix, run)
        super().__init__(self._file, ledger, shape, paths)
        if writing and self._folder.unsettled:
            self._settle()

    def __exit__(self, *error: object) -> None:
        try:
            if self._grown and error[0] is None:
                # Small files are as correct as merged ones, so a failure here needs no report.
                with suppress(SinkError), self._locked():
                    for table, schema_and_numbers in self._gathered().items():
                        rewrite.compact(self._folder, table, *schema_and_numbers, all=True)
                if self._folder.unsettled:
                    self._settle()
        finally:
            super().__exit__(*error)

    @property
    def notes(self) -> tuple[str, ...]:
        return ()

    def address(self, folder: Path | None) -> Mapping[str, str]:
        raise SinkError(
            self.name,
            "CellProfiler Analyst cannot read Parquet",
            "load into SQLite or MySQL instead",
        )

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with self._changing(create=False):
            yield

    @contextmanager
    def _begun(self, entry: Entry) -> Iterator[None]:
        made = self._folder.make()
        try:
            with self._changing(create=True):
                yield
        except BaseException:
            if made:
                with suppress(OSError):
                    self._folder.path.rmdir()
            raise
        self._grown = True

    @contextmanager
    def _changing(self, *, create: bool) -> Iterator[None]:
        """The ledger's transaction, with the files that it adds and removes."""
        self._writers = {}
        with self._file.transaction(create=create):
            self._folder.publish()
            try:
                yield
                self._finish()
                self._folder.sync()
            except BaseException:
                self._writers = {}
                self._folder.discard()
                raise
        self._settle()

    def _settle(self) -> None:
        locked = False
        try:
            with self._file.transaction():
                locked = True
                self._folder.publish()
        except SinkError:
            # Otherwise another process has the lock: it or the next one publishes the files.
            if locked:
                raise

    def _make_ledger_table(self, table: sa.Table) -> None:
        make_ledger_table(self._file, table)

    def _fitted(self, entry: Entry) -> Layout:
        return self._made_to_fit(entry, self._change)

    def _change(self, old: Layout, new: Layout) -> None:
        make_own(self._file)
        self._folder.make_ledger()
        if not old.columns:
            kinds, _ = schema.relationship_tables(self.prefix, self.shape.numbered)
            make(self._file, kinds, pa.table({}))
            make_of_run(self._file, self.prefix, self.shape)
        for name, table in new.tables.items():
            before = old.tables.get(name)
            if before is not None and stored(before) != stored(table):
                rewrite.grow(self._folder, self._file, self.prefix, before, table)
        ledger_tables.write_layout(self._file, self.prefix, new)

    def tables(self) -> Mapping[str, TableState]:
        names = schema.names(self.layout(), self.prefix)
        return table_states(self._folder, self.ledger.scope(), names) if self.ledger.exists else {}

    def read(
        self,
        object_name: str,
        features: Sequence[str] | None = None,
        image_sets: ImageSets | None = None,
    ) -> Iterator[pa.RecordBatch]:
        layout, scope = self.layout(), self.ledger.scope()
        if object_name == RELATIONSHIP:
            yield from pairs(self._folder, layout, scope, image_sets)
            return
        if object_name == EXPERIMENT:
            yield from of_run(self._folder, scope)
            return
        yield from rows_of(self._folder, layout, scope, object_name, features, image_sets)

    def renumber(self, columns: Mapping[str, pa.Array]) -> None:
        layout = self.layout()
        (table,) = layout.parts(IMAGE)
        known = {
            layout.by_feature[IMAGE, feature].name: values
            for feature, values in columns.items()
            if feature != IMAGE_NUMBER and (IMAGE, feature) in layout.by_feature
        }
        numbers = columns[IMAGE_NUMBER]
        rewrite.renumber(self._folder, table, self.ledger.scope(), known, numbers)

    def make_table(self, table: sa.Table, rows: pa.Table) -> None:
        for file in self._folder.files(table.name):
            self._folder.drop(file)
        fields = [f.with_type(REAL) if f.type == NULL else f for f in rows.schema]
        writer = self._folder.stage(table.name, pa.schema(fields))
        with self._folder.errors():
            for batch in rows.cast(writer.schema).to_batches():
                writer.write(missing_as_null(batch))
        self._folder.enter(table.name, writer)

    def read_derived_table(self, table: str, columns: Sequence[str]) -> list[tuple[object, ...]]:
        if not self._folder.files(table):
            raise SinkError(self.name, "is missing", "run cpexport load")
        rows = whole(self._folder, table)
        return list(zip(*(rows[column].to_pylist() for column in columns), strict=True))

    def broken_views(self) -> Mapping[str, str]:
        return {}

    def renew_views(self) -> None:
        """Does nothing, as Parquet has no views."""

    @property
    def _room(self) -> TableCapacity:
        return TableCapacity.columns(CAPABILITIES.max_columns)

    def _version(self) -> object:
        return self._file.rows("PRAGMA data_version")

    def table_names(self) -> frozenset[str]:
        return frozenset(self._folder.names())

    def _append(self, table: str, names: Sequence[str], blocks: Iterable[pa.RecordBatch]) -> None:
        if table not in self._writers:
            self._writers[table] = self._folder.stage(table, *self._gathered()[table])
        rows = pa.concat_batches(list(blocks)).rename_columns(names)
        with self._folder.errors():
            self._writers[table].write(missing_as_null(rows))

    def _count(self, table: str, scope: Scope, image_sets: ImageSets) -> int:
        """How many distinct keys the batch's new file has: nothing else finds duplicate rows."""
        writer = self._writers.pop(table, None)
        if writer is None or not writer.rows:
            return 0
        file = self._folder.enter(table, writer, light=True)
        keys = self.layout().tables
        key = [*(keys[table].key if table in keys else self._gathered()[table][0].names)]
        with self._folder.open(file) as opened, self._folder.unchanged(file):
            rows = opened.read(key, use_threads=False)
            return int(rows.group_by(key, use_threads=False).aggregate([]).num_rows)

    def delete_rows(self, scope: Scope, image_sets: ImageSets) -> None:
        for table, schema_and_numbers in self._gathered().items():
            rewrite.remove(self._folder, table, *schema_and_numbers, scope, image_sets)

    def _gathered(self) -> _Tables:
        """The tables that batches write to: their schema, and the columns of image set numbers."""
        layout = self.layout()
        # Cached, as each part of a batch needs it, and tables have hundreds of columns.
        if self._tables is None or self._tables[0] is not layout:
            tables = {
                name: (stored(table), [IMAGE_NUMBER]) for name, table in layout.tables.items()
            }
            if layout.columns:
                tables[table_of(RELATIONSHIP, self.prefix)] = pairs_schema(layout), PAIRS
            self._tables = layout, tables
        return self._tables[1]

    def _finish(self) -> None:
        """Enters the staged files, merges small ones, and writes the small tables."""
        for name, writer in self._writers.items():
            if writer.rows:
                self._folder.enter(name, writer, light=True)
        for table, schema_and_numbers in self._gathered().items():
            rewrite.compact(self._folder, table, *schema_and_numbers, all=False)
            # An empty table needs a file too: without one, readers find no table.
            if not self._folder.files(table):
                self._folder.enter(table, self._folder.stage(table, *schema_and_numbers))
        publish(self._folder, self._file, self.prefix, self.shape.numbered)
