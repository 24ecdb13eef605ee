"""The tables of destinations that have their rows and their ledger in the same database."""

from abc import abstractmethod
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

import pyarrow as pa

from cpexport.cellprofiler.features import EXPERIMENT, IMAGE_NUMBER, OBJECT, RELATIONSHIP
from cpexport.errors import SinkError
from cpexport.imagesets import ImageSets
from cpexport.sinks.base import TableState
from cpexport.sinks.sql import (
    experiment_tables,
    ledger_settings,
    object_view,
    relationships,
    schema,
)
from cpexport.sinks.sql.batch_replacement import count, delete, renumber
from cpexport.sinks.sql.database import Database, quoted
from cpexport.sinks.sql.growing_layout import GrowingLayout
from cpexport.sinks.sql.indexes import TableIndex, missing, query_indexes
from cpexport.sinks.sql.ledger_settings import INDEXES
from cpexport.sinks.sql.reader import broken, read, table_states
from cpexport.sinks.sql.scope import Scope
from cpexport.sinks.sql.table_store import TableStore
from cpexport.tables.layout import Layout, table_of
from cpexport.tables.options import VIEW, TableOptions


class SqlTableStore(TableStore):
    """Tables of a database. Subclasses know how to make them, and when that can be rolled back."""

    def __init__(self, database: Database, prefix: str, shape: TableOptions) -> None:
        super().__init__(database.name, prefix, shape)
        self._db = database

    @abstractmethod
    def _views(self, layout: Layout) -> Iterable[str]:
        """The names of the views that a layout needs."""

    @abstractmethod
    def _make_object_view(self, layout: Layout) -> None:
        """Makes or remakes the view of all objects, and the indexes that it needs."""

    def close(self, layout: GrowingLayout, *, failed: bool) -> None:
        self._db.close()

    def table_names(self) -> frozenset[str]:
        return self._db.names()

    def append(
        self, layout: Layout, table: str, names: Sequence[str], blocks: Iterable[pa.RecordBatch]
    ) -> None:
        self._db.ingest(table, pa.concat_batches(list(blocks)).rename_columns(names))

    def count(self, layout: Layout, table: str, scope: Scope, image_sets: ImageSets) -> int:
        pairs = table == table_of(RELATIONSHIP, self.prefix)
        return count(self._db, table, "image_number1" if pairs else IMAGE_NUMBER, scope, image_sets)

    def delete_rows(self, layout: Layout, scope: Scope, image_sets: ImageSets) -> None:
        delete(self._db, layout, scope, image_sets)

    def renumber(self, layout: Layout, scope: Scope, columns: Mapping[str, pa.Array]) -> None:
        renumber(self._db, layout, scope, columns)

    def states(self, layout: Layout, scope: Scope) -> Mapping[str, TableState]:
        return table_states(self._db, scope, schema.names(layout, self.prefix))

    def read(
        self,
        layout: Layout,
        scope: Scope,
        object_name: str,
        features: Sequence[str] | None,
        image_sets: ImageSets | None,
    ) -> Iterator[pa.RecordBatch]:
        if object_name == RELATIONSHIP:
            return relationships.read(self._db, layout, scope, image_sets)
        if object_name == EXPERIMENT:
            return experiment_tables.read(self._db, scope)
        if object_name == OBJECT and self.shape.layout == VIEW:
            return object_view.read(self._db, layout, scope, features, image_sets)
        return read(self._db, layout, scope, object_name, features, image_sets)

    def columns_of_derived(self, tables: Collection[str]) -> Mapping[str, tuple[str, ...]]:
        if not tables:
            return {}
        columns = self._db.columns()
        spelled = {table: self._db.spelled(table) for table in tables}
        return {table: columns[name] for table, name in spelled.items() if name in columns}

    def read_derived_table(self, table: str, columns: Sequence[str]) -> list[tuple[object, ...]]:
        if self._db.spelled(table) not in self._db.names():
            raise SinkError(self.name, "is missing", "run cpexport load")
        listed = ", ".join(map(quoted, columns))
        return self._db.rows(f"SELECT {listed} FROM {quoted(table)}")

    def broken_views(self, layout: Layout) -> Mapping[str, str]:
        problems = broken(self._db, self._views(layout))
        if not problems and self._has_object_view(layout):
            problems |= object_view.wrong_counts(self._db, layout, self.prefix)
        return problems

    def renew_views(self, layout: GrowingLayout) -> None:
        if (
            self._has_object_view(layout.current())
            and ledger_settings.setting(self._db, Scope(self.prefix), "view") != object_view.FORM
        ):
            with self.exclusive(layout):
                self._make_object_view(layout.current())
                layout.note_view()

    def missing_indexes(self, layout: Layout) -> tuple[TableIndex, ...]:
        unwanted = ledger_settings.setting(self._db, Scope(self.prefix), INDEXES) == "no"
        if unwanted or not self.capabilities.indexes:
            return ()
        places = ledger_settings.places(self._db, self.prefix)
        return missing(query_indexes(layout, self.prefix, places), self._indexes(layout))

    def _indexes(self, layout: Layout) -> Mapping[str, Collection[tuple[str, ...]]]:
        """The columns of all indexes of the data tables, by table."""
        return {}

    def _has_object_view(self, layout: Layout) -> bool:
        return self.shape.layout == VIEW and table_of(OBJECT, self.prefix) in self._views(layout)
