"""What SQL destinations share: the rows are in the same database as the ledger."""

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence

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
from cpexport.sinks.sql.ledger_sink import LedgerSink
from cpexport.sinks.sql.ledger_store import SqlLedger
from cpexport.sinks.sql.reader import broken, read, table_states
from cpexport.sinks.sql.scope import Scope
from cpexport.tables.layout import table_of
from cpexport.tables.options import VIEW, TableOptions
from cpexport.tables.path_map import PathMap


class SqlSink(LedgerSink):
    """A database. Subclasses know how to make its tables, and when that can be rolled back."""

    def __init__(
        self,
        database: Database,
        prefix: str,
        shape: TableOptions | None,
        run: str | None,
        paths: PathMap | None,
    ) -> None:
        super().__init__(database, SqlLedger(database, prefix, run), shape, paths)

    @abstractmethod
    def _views(self) -> Iterable[str]:
        """The names of the views that its layout needs."""

    @abstractmethod
    def _make_object_view(self) -> None:
        """Makes or remakes the view of all objects, and the indexes that it needs."""

    def tables(self) -> Mapping[str, TableState]:
        names = schema.names(self.layout(), self.prefix)
        return table_states(self._db, self.ledger.scope(), names) if self.ledger.exists else {}

    def read(
        self,
        object_name: str,
        features: Sequence[str] | None = None,
        image_sets: ImageSets | None = None,
    ) -> Iterator[pa.RecordBatch]:
        db, layout, scope = self._db, self.layout(), self.ledger.scope()
        if object_name == RELATIONSHIP:
            return relationships.read(db, layout, scope, image_sets)
        if object_name == EXPERIMENT:
            return experiment_tables.read(db, scope)
        if object_name == OBJECT and self.shape.layout == VIEW:
            return object_view.read(db, layout, scope, features, image_sets)
        return read(db, layout, scope, object_name, features, image_sets)

    def read_derived_table(self, table: str, columns: Sequence[str]) -> list[tuple[object, ...]]:
        if self._db.spelled(table) not in self._db.names():
            raise SinkError(self.name, "is missing", "run cpexport load")
        listed = ", ".join(map(quoted, columns))
        return self._db.rows(f"SELECT {listed} FROM {quoted(table)}")

    def broken_views(self) -> Mapping[str, str]:
        problems = broken(self._db, self._views())
        if not problems and self._has_object_view():
            problems |= object_view.wrong_counts(self._db, self.layout(), self.prefix)
        return problems

    def renew_views(self) -> None:
        if (
            self._has_object_view()
            and ledger_settings.setting(self._db, Scope(self.prefix), "view") != object_view.FORM
        ):
            with self._locked():
                self._make_object_view()
                self._note_view()

    def renumber(self, columns: Mapping[str, pa.Array]) -> None:
        renumber(self._db, self.layout(), self.ledger.scope(), columns)

    def _append(self, table: str, names: Sequence[str], blocks: Iterable[pa.RecordBatch]) -> None:
        """Appends a batch's rows to a table. `names` are the table's names for the columns."""
        self._db.ingest(table, pa.concat_batches(list(blocks)).rename_columns(names))

    def delete_rows(self, scope: Scope, image_sets: ImageSets) -> None:
        """Deletes the rows of image sets, and their relationships."""
        delete(self._db, self.layout(), scope, image_sets)

    def _count(self, table: str, scope: Scope, image_sets: ImageSets) -> int:
        """How many rows of these image sets a table has."""
        pairs = table == table_of(RELATIONSHIP, self.prefix)
        return count(self._db, table, "image_number1" if pairs else IMAGE_NUMBER, scope, image_sets)

    def table_names(self) -> frozenset[str]:
        """The names of all tables and views, including those that cpexport did not make."""
        return self._db.names()

    def _has_object_view(self) -> bool:
        return self.shape.layout == VIEW and table_of(OBJECT, self.prefix) in self._views()
