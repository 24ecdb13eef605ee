"""Parquet destinations: a folder a table, of files that all readers take for one table.

Rows are in Parquet; the ledger, and what is a few rows only, is in a SQLite file beside them, whose
transaction is that of a batch. The few rows are written to Parquet besides whenever they change.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import pyarrow as pa
import sqlalchemy as sa

from cpexport.errors import SinkError, UsageError
from cpexport.features import (
    EXPERIMENT,
    IMAGE,
    IMAGE_NUMBER,
    INTEGER,
    NULL,
    NUMBER,
    REAL,
    RELATIONSHIP,
)
from cpexport.imagesets import ImageSets
from cpexport.ledger import Entry
from cpexport.paths import PathMap
from cpexport.room import Room
from cpexport.shape import VIEW, Shape
from cpexport.sinks import There, schema
from cpexport.sinks import parquetchange as change
from cpexport.sinks import sqlledger as ledger
from cpexport.sinks.fitting import missing_as_null
from cpexport.sinks.parquetfile import Writer
from cpexport.sinks.parquetfolder import Folder, LedgerFile
from cpexport.sinks.parquetread import Query, stream
from cpexport.sinks.parquettables import PAIRS, of_run, pairs, pairs_schema, publish, there, whole
from cpexport.sinks.scope import Scope
from cpexport.sinks.sqlitelayout import make, make_ledger_table, make_of_run, make_own
from cpexport.sinks.sqlsink import SqlSink
from cpexport.sinks.widening import stored
from cpexport.tables import Layout, table_of

_WIDTH = 1_000_000
_Tables = Mapping[str, tuple[pa.Schema, list[str]]]


class ParquetSink(SqlSink):
    """A folder. The first batch makes it, and it is gone again if that comes to nothing."""

    infinite = True
    has_views = False

    def __init__(
        self,
        path: str,
        prefix: str,
        shape: Shape | None,
        run: str | None,
        paths: PathMap | None,
        *,
        writing: bool = True,
    ) -> None:
        if not path or path.startswith("//"):
            raise UsageError("--to names no folder; write parquet:FOLDER")
        if shape is not None and shape.layout == VIEW:
            raise UsageError(
                "a folder of Parquet has no views; use --objects separate, or combined"
            )
        if prefix.startswith(("_", ".")) or {"/", "=", "@"} & set(prefix):
            raise UsageError(f"--prefix {prefix}: no name of folders that readers of Parquet take")
        self._file = LedgerFile(Path(path), f"parquet:{path}", writing=writing)
        self._folder = Folder(self._file)
        self._writers: dict[str, Writer] = {}
        self._tables: tuple[Layout, _Tables] | None = None
        self._grown = False
        super().__init__(self._file, prefix, shape, run, paths)
        if writing and self._folder.unsettled:
            self._settle()

    def __exit__(self, *error: object) -> None:
        try:
            if self._grown and error[0] is None:
                # What is not gathered is no less right, so nobody is told if it cannot be now.
                with suppress(SinkError), self.alone():
                    for table, of in self._gathered().items():
                        change.gather(self._folder, table, *of, all=True)
                if self._folder.unsettled:
                    self._settle()
        finally:
            super().__exit__(*error)

    @property
    def width(self) -> int:
        return _WIDTH

    @property
    def notes(self) -> tuple[str, ...]:
        return ()

    def address(self, folder: Path | None) -> Mapping[str, str]:
        raise SinkError(
            self.name,
            "CellProfiler Analyst reads no Parquet",
            "load into SQLite or MySQL for that",
        )

    @contextmanager
    def alone(self) -> Iterator[None]:
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
        """The ledger's transaction, and the files that come and go with it."""
        self._writers = {}
        with self._file.transaction(create=create):
            self._folder.settle()
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
        mine = False
        try:
            with self._file.transaction():
                mine = True
                self._folder.settle()
        except SinkError:
            # Else who came in between has done it, or whoever comes next will.
            if mine:
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
                change.grow(self._folder, self._file, self.prefix, before, table)
        ledger.write_layout(self._file, self.prefix, new)

    def _views(self) -> Iterable[str]:
        return ()

    def settings(self) -> dict[str, str]:
        # A load that did not come to its end has left files that readers do not find.
        late = not self._file.writing and self._folder.unsettled
        return {} if late else super().settings()

    def tables(self) -> Mapping[str, There]:
        names = schema.names(self.layout(), self.prefix)
        return there(self._folder, self._scope(), names) if self._ours() else {}

    def read(
        self,
        object_name: str,
        features: Sequence[str] | None = None,
        image_sets: ImageSets | None = None,
    ) -> Iterator[pa.RecordBatch]:
        layout, scope = self.layout(), self._scope()
        if object_name == RELATIONSHIP:
            yield from pairs(self._folder, layout, scope, image_sets)
            return
        if object_name == EXPERIMENT:
            yield from of_run(self._folder, scope)
            return
        (table,) = layout.parts(object_name)
        keys = dict(zip(table.key, (*layout.image_key, NUMBER), strict=False))
        wanted = None if features is None else set(features)
        columns = [c for c in table.columns if wanted is None or c.feature in wanted]
        names = [*keys.values(), *(column.feature for column in columns)]
        query = Query(
            table.name,
            (*keys, *(column.name for column in columns)),
            (*(INTEGER for _ in keys), *(column.type for column in columns)),
            table.key,
            IMAGE_NUMBER,
            scope.number,
        )
        chosen = (*keys.values(), *(names[len(keys) :] if features is None else features))
        there = [name for name in dict.fromkeys(chosen) if name in names]
        for rows in stream(self._folder, query, image_sets):
            yield rows.rename_columns(names).select(there)

    def renumber(self, columns: Mapping[str, pa.Array]) -> None:
        layout = self.layout()
        (table,) = layout.parts(IMAGE)
        known = {
            layout.by_feature[IMAGE, feature].name: values
            for feature, values in columns.items()
            if feature != IMAGE_NUMBER and (IMAGE, feature) in layout.by_feature
        }
        numbers = columns[IMAGE_NUMBER]
        change.renumber(self._folder, table, self._scope(), known, numbers)

    def _make(self, table: sa.Table, rows: pa.Table) -> None:
        for file in self._folder.files(table.name):
            self._folder.drop(file)
        fields = [f.with_type(REAL) if f.type == NULL else f for f in rows.schema]
        writer = self._folder.stage(table.name, pa.schema(fields))
        with self._folder.errors():
            for batch in rows.cast(writer.schema).to_batches():
                writer.write(missing_as_null(batch))
        self._folder.enter(table.name, writer)

    def replaced(self, table: str, columns: Sequence[str]) -> list[tuple[object, ...]]:
        if not self._folder.files(table):
            raise SinkError(self.name, "is not there", "run cpexport load")
        rows = whole(self._folder, table)
        return list(zip(*(rows[column].to_pylist() for column in columns), strict=True))

    def _make_object_view(self) -> None:
        """There are no views."""

    @property
    def _room(self) -> Room:
        return Room.columns(_WIDTH)

    def _version(self) -> object:
        return self._file.rows("PRAGMA data_version")

    def _names(self) -> Iterable[str]:
        return self._folder.names()

    def _append(self, table: str, names: Sequence[str], blocks: Iterable[pa.RecordBatch]) -> None:
        if table not in self._writers:
            self._writers[table] = self._folder.stage(table, *self._gathered()[table])
        rows = pa.concat_batches(list(blocks)).rename_columns(names)
        with self._folder.errors():
            self._writers[table].write(missing_as_null(rows))

    def _count(self, table: str, scope: Scope, image_sets: ImageSets) -> int:
        """As the new file says; rows of one key count as one, as nothing else keeps them off."""
        writer = self._writers.pop(table, None)
        if writer is None or not writer.rows:
            return 0
        file = self._folder.enter(table, writer, light=True)
        keys = self.layout().tables
        key = [*(keys[table].key if table in keys else self._gathered()[table][0].names)]
        with self._folder.open(file) as opened, self._folder.unchanged(file):
            rows = opened.read(key, use_threads=False)
            return int(rows.group_by(key, use_threads=False).aggregate([]).num_rows)

    def _delete(self, scope: Scope, image_sets: ImageSets) -> None:
        for table, of in self._gathered().items():
            change.remove(self._folder, table, *of, scope, image_sets)

    def _gathered(self) -> _Tables:
        """The tables that batches bring rows of: their columns, and those of image sets."""
        layout = self.layout()
        # Kept, as it is asked with every part of a batch, and columns are hundreds.
        if self._tables is None or self._tables[0] is not layout:
            found = {name: (stored(of), [IMAGE_NUMBER]) for name, of in layout.tables.items()}
            if layout.columns:
                found[table_of(RELATIONSHIP, self.prefix)] = pairs_schema(layout), PAIRS
            self._tables = layout, found
        return self._tables[1]

    def _finish(self) -> None:
        """Enters what was staged, gathers what came to be small files, and publishes few rows."""
        for name, writer in self._writers.items():
            if writer.rows:
                self._folder.enter(name, writer, light=True)
        for table, of in self._gathered().items():
            change.gather(self._folder, table, *of, all=False)
            # Without a file nobody could read that there is nothing.
            if not self._folder.files(table):
                self._folder.enter(table, self._folder.stage(table, *of))
        publish(self._folder, self._file, self.prefix, self.shape.numbered)
