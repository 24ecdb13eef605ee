"""Parquet destinations: each table is a folder of files that readers take for one table.

Rows are in Parquet files. The ledger and the small tables are in a SQLite file next to them, whose
transaction is that of a batch. The small tables are also written to Parquet when they change.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from pathlib import Path
from typing import ClassVar

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
from cpexport.errors import SinkError
from cpexport.files.scratch import scratch_folder
from cpexport.imagesets import ImageSets
from cpexport.sinks.base import TableState
from cpexport.sinks.capabilities import Capabilities
from cpexport.sinks.parquet import CAPABILITIES, rewrite
from cpexport.sinks.parquet.batch_tables import BatchTables
from cpexport.sinks.parquet.dataset import Folder, settle
from cpexport.sinks.parquet.ledger_file import LedgerFile
from cpexport.sinks.parquet.parts import PARTS, Part, Parts
from cpexport.sinks.parquet.reader import rows_of
from cpexport.sinks.parquet.small_tables import (
    of_run,
    pairs,
    publish,
    table_states,
    whole,
)
from cpexport.sinks.parquet.writer import ParquetWriter
from cpexport.sinks.sql import ledger_tables, schema
from cpexport.sinks.sql.column_projection import missing_as_null
from cpexport.sinks.sql.growing_layout import GrowingLayout
from cpexport.sinks.sql.indexes import TableIndex
from cpexport.sinks.sql.ledger_store import has_ledger
from cpexport.sinks.sql.scope import Scope
from cpexport.sinks.sql.table_store import TableStore
from cpexport.sinks.sql.type_widening import stored
from cpexport.sinks.sqlite.ddl import make, make_ledger_table, make_of_run, make_own
from cpexport.tables.capacity import TableCapacity
from cpexport.tables.layout import Layout
from cpexport.tables.options import TableOptions


class ParquetTableStore(TableStore):
    """The tables of a folder."""

    kind: ClassVar = "parquet"
    title: ClassVar = "Parquet"
    folder_type: ClassVar[type[Folder]] = Folder

    def __init__(self, file: LedgerFile, folder: Folder, prefix: str, shape: TableOptions) -> None:
        super().__init__(file.name, prefix, shape)
        self._file, self._folder = file, folder
        self._writers: dict[str, ParquetWriter] = {}
        self._tables = BatchTables(prefix)
        self._grown = False
        # The folder in which workers write, once there is one.
        self._parts: Path | None = None
        self._at_end = ExitStack()

    @property
    def capabilities(self) -> Capabilities:
        return CAPABILITIES

    @property
    def capacity(self) -> TableCapacity:
        return TableCapacity.columns(CAPABILITIES.max_columns)

    def close(self, layout: GrowingLayout, *, failed: bool) -> None:
        try:
            if self._file.writing and not failed and has_ledger(self._file):
                self._compact(layout)
                if self._grown and self._folder.unsettled:
                    settle(self._file, self._folder)
            self._publish_all(failed=failed)
        finally:
            self._at_end.close()
            self._file.close()

    def _publish_all(self, *, failed: bool) -> None:
        """Publishes what commits have left for the end; every commit publishes its own here."""

    def _compact(self, layout: GrowingLayout) -> None:
        """Merges the small files of this load, and of an earlier one that could not merge its own.

        Raises:
            SinkError: the files cannot be merged. They are as correct as they are.
        """
        if not any(
            rewrite.scattered(self._folder, table) for table in self._tables.of(layout.current())
        ):
            return
        locked = False
        try:
            with self._changing(layout, create=False):
                locked = True
                for table, schema_and_numbers in self._tables.of(layout.current()).items():
                    rewrite.compact(self._folder, table, *schema_and_numbers, all=True)
        except SinkError as error:
            # Otherwise another process has the lock: it or the next one merges the files.
            if not locked:
                return
            problem = f"all batches are stored, but small files are not merged: {error.problem}"
            raise SinkError(self.name, problem, error.advice) from error

    def notes(self, layout: Layout) -> tuple[str, ...]:
        return ()

    def address(self, folder: Path | None) -> Mapping[str, str]:
        raise SinkError(
            self.name,
            f"CellProfiler Analyst cannot read {self.title}",
            "load into SQLite or MySQL instead",
        )

    def exclusive(self, layout: GrowingLayout) -> AbstractContextManager[None]:
        return self._changing(layout, create=False)

    @contextmanager
    def batch(self, layout: GrowingLayout) -> Iterator[None]:
        made = self._folder.make()
        try:
            with self._changing(layout, create=True):
                yield
        except BaseException:
            if made:
                with suppress(OSError):
                    self._folder.path.rmdir()
            raise
        self._grown = True

    @contextmanager
    def _changing(self, layout: GrowingLayout, *, create: bool) -> Iterator[None]:
        """The ledger's transaction, with the files that it adds and removes."""
        self._writers = {}
        with self._file.transaction(create=create):
            self._folder.publish()
            try:
                yield
                self._finish(layout.current())
                self._folder.sync()
            except BaseException:
                self._writers = {}
                self._folder.discard()
                raise
        settle(self._file, self._folder)

    def apply_pending(self, layout: GrowingLayout) -> Layout:
        return layout.apply_pending(self._change)

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
                rewrite.add_columns(self._folder, self._file, self.prefix, before, table)
        ledger_tables.write_layout(self._file, self.prefix, new)

    def layout_version(self) -> object:
        return self._file.rows("PRAGMA data_version")

    def table_names(self) -> frozenset[str]:
        return frozenset(self._folder.names())

    def make_ledger_table(self, table: sa.Table) -> None:
        make_ledger_table(self._file, table)

    def make_table(self, table: sa.Table, rows: pa.Table) -> None:
        for file in self._folder.files(table.name):
            self._folder.drop(file)
        fields = [f.with_type(REAL) if f.type == NULL else f for f in rows.schema]
        writer = self._folder.stage(table.name, pa.schema(fields))
        with self._folder.errors():
            for batch in rows.cast(writer.schema).to_batches():
                writer.write(missing_as_null(batch))
        self._folder.enter(table.name, writer)

    def append(
        self, layout: Layout, table: str, names: Sequence[str], blocks: Iterable[pa.RecordBatch]
    ) -> None:
        if table not in self._writers:
            self._writers[table] = self._folder.stage(table, *self._tables.of(layout)[table])
        rows = pa.concat_batches(list(blocks)).rename_columns(names)
        with self._folder.errors():
            self._writers[table].write(missing_as_null(rows))

    def staging(self, layout: Layout) -> Parts:
        if self._parts is None:
            with self._folder.errors():
                folder = scratch_folder(self._folder.path.absolute(), PARTS)
                self._parts = self._at_end.enter_context(folder)
        tables = self._tables
        return Parts(self._parts, self.name, tables.of(layout), tables.keys(layout))

    def adopt(self, files: Sequence[Part]) -> None:
        for part in files:
            with self._folder.errors():
                size = part.path.stat().st_size
            if size != part.size:
                problem = f"{part.path.name} has {size} bytes, not the {part.size} of its worker"
                raise SinkError(self.name, problem, "run the command again")
            self._folder.adopt(part.file, part.path)

    def abandon(self, files: Sequence[Part]) -> None:
        for part in files:
            with suppress(OSError):
                part.path.unlink()

    def count(self, layout: Layout, table: str, scope: Scope, image_sets: ImageSets) -> int:
        """How many distinct keys the batch's new file has: nothing else finds duplicate rows."""
        writer = self._writers.pop(table, None)
        if writer is None or not writer.rows:
            return 0
        file = self._folder.enter(table, writer, light=True)
        key = [*self._tables.keys(layout)[table]]
        with self._folder.open(file) as opened, self._folder.unchanged(file):
            rows = opened.read(key, use_threads=False)
            return int(rows.group_by(key, use_threads=False).aggregate([]).num_rows)

    def delete_rows(self, layout: Layout, scope: Scope, image_sets: ImageSets) -> None:
        for table, schema_and_numbers in self._tables.of(layout).items():
            rewrite.remove(self._folder, table, *schema_and_numbers, scope, image_sets)

    def renumber(self, layout: Layout, scope: Scope, columns: Mapping[str, pa.Array]) -> None:
        (table,) = layout.parts(IMAGE)
        known = {
            layout.by_feature[IMAGE, feature].name: values
            for feature, values in columns.items()
            if feature != IMAGE_NUMBER and (IMAGE, feature) in layout.by_feature
        }
        rewrite.renumber(self._folder, table, scope, known, columns[IMAGE_NUMBER])

    def states(self, layout: Layout, scope: Scope) -> Mapping[str, TableState]:
        return table_states(self._folder, scope, schema.names(layout, self.prefix))

    def read(
        self,
        layout: Layout,
        scope: Scope,
        object_name: str,
        features: Sequence[str] | None,
        image_sets: ImageSets | None,
    ) -> Iterator[pa.RecordBatch]:
        if object_name == RELATIONSHIP:
            return pairs(self._folder, layout, scope, image_sets)
        if object_name == EXPERIMENT:
            return of_run(self._folder, scope)
        return rows_of(self._folder, layout, scope, object_name, features, image_sets)

    def columns_of_derived(self, tables: Collection[str]) -> Mapping[str, tuple[str, ...]]:
        return {
            table: tuple(whole(self._folder, table).column_names)
            for table in tables
            if self._folder.files(table)
        }

    def read_derived_table(self, table: str, columns: Sequence[str]) -> list[tuple[object, ...]]:
        if not self._folder.files(table):
            raise SinkError(self.name, "is missing", "run cpexport load")
        rows = whole(self._folder, table)
        return list(zip(*(rows[column].to_pylist() for column in columns), strict=True))

    def broken_views(self, layout: Layout) -> Mapping[str, str]:
        return {}

    def renew_views(self, layout: GrowingLayout) -> None:
        """Does nothing, as Parquet has no views."""

    def tune(self, layout: GrowingLayout, grown: Collection[str]) -> None:
        """Does nothing, as Parquet has no indexes."""

    def missing_indexes(self, layout: Layout) -> tuple[TableIndex, ...]:
        return ()

    def _finish(self, layout: Layout) -> None:
        """Enters the staged files, merges small ones, and writes the small tables."""
        for name, writer in self._writers.items():
            if writer.rows:
                self._folder.enter(name, writer, light=True)
        for table, schema_and_numbers in self._tables.of(layout).items():
            rewrite.compact(self._folder, table, *schema_and_numbers, all=False)
            # An empty table needs a file too: without one, readers find no table.
            if not self._folder.files(table):
                self._folder.enter(table, self._folder.stage(table, *schema_and_numbers))
        publish(self._folder, self._file, self.prefix, self.shape.numbered)
