"""A destination whose ledger is in SQL: a batch's rows, ledger entry and checks in one transaction.

Subclasses store the rows: `sinks.sql.sink.SqlSink` in tables of the same database, and
`sinks.parquet.sink.ParquetSink` in files.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Self

import pyarrow as pa
import sqlalchemy as sa

from cpexport.cellprofiler.features import IMAGE, OBJECT, RELATIONSHIP
from cpexport.cellprofiler.image_identity import Pictures
from cpexport.errors import SinkError
from cpexport.imagesets import ImageSets
from cpexport.sinks.base import Allow, Write
from cpexport.sinks.capabilities import Capabilities
from cpexport.sinks.ledger import Entry
from cpexport.sinks.sql import (
    experiment_tables,
    ledger_options,
    ledger_settings,
    ledger_tables,
    ledger_upgrade,
    object_view,
    schema,
)
from cpexport.sinks.sql.batch import BatchWriter, RowCountCheck, naming
from cpexport.sinks.sql.batch_replacement import replaced
from cpexport.sinks.sql.column_projection import ColumnProjection
from cpexport.sinks.sql.database import Database
from cpexport.sinks.sql.ledger_store import SqlLedger
from cpexport.sinks.sql.scope import NO_RUN_YET, Scope
from cpexport.sinks.sql.transaction import SqlTransaction
from cpexport.sinks.table_names import check_names
from cpexport.tables.capacity import TableCapacity
from cpexport.tables.layout import Features, Layout, table_of
from cpexport.tables.options import VIEW, TableOptions
from cpexport.tables.path_map import PathMap


class LedgerSink(ABC):
    """What all destinations do in the same way. Subclasses know how to make and change tables, how
    to write and read rows, and when a change can be rolled back."""

    capabilities: Capabilities

    def __init__(
        self,
        database: Database,
        ledger: SqlLedger,
        shape: TableOptions | None,
        paths: PathMap | None,
    ) -> None:
        self._db = database
        self.ledger, self.name, self.prefix = ledger, database.name, ledger.prefix
        self._features: Features = {}
        self._layout: tuple[object, Layout] | None = None
        self._pending: tuple[Layout, Layout] | None = None
        self._fitting = ColumnProjection()
        try:
            if self.ledger.exists:
                ledger_settings.check_version(self._db)
                has = ledger_options.shape_of(self._db, self.prefix)
                if shape is not None and has is not None and has.numbered:
                    # Where runs are numbered, OUTPUTS are runs even without --table-number.
                    shape = replace(shape, numbered=True)
            self.shape = ledger.agreed(shape, paths)
            if self._db.exists:
                self._check_ours(Layout().extended({IMAGE: {}}, self.prefix))
        except BaseException:
            self._db.close()
            raise

    @abstractmethod
    def _locked(self) -> AbstractContextManager[None]:
        """A transaction in which no other process writes."""

    @abstractmethod
    def _begun(self, entry: Entry) -> AbstractContextManager[None]:
        """The transaction of a batch."""

    @abstractmethod
    def _fitted(self, entry: Entry) -> Layout:
        """The layout with all columns that were prepared, within the transaction of a batch."""

    @property
    @abstractmethod
    def _room(self) -> TableCapacity:
        """What a table can hold."""

    @abstractmethod
    def _version(self) -> object:
        """A value that changes whenever the layout does."""

    @property
    @abstractmethod
    def notes(self) -> tuple[str, ...]:
        """See `Sink.notes`."""

    @abstractmethod
    def address(self, folder: Path | None) -> Mapping[str, str]:
        """See `Sink.address`."""

    @abstractmethod
    def make_table(self, table: sa.Table, rows: pa.Table) -> None:
        """Makes a table with these rows; replaces the table if cpexport made it before."""

    @abstractmethod
    def _make_ledger_table(self, table: sa.Table) -> None:
        """Makes one of the ledger's tables, within `exclusive`."""

    @abstractmethod
    def renumber(self, columns: Mapping[str, pa.Array]) -> None:
        """See `base.Transaction.renumber`."""

    @abstractmethod
    def delete_rows(self, scope: Scope, image_sets: ImageSets) -> None:
        """Deletes the rows of image sets, and their relationships."""

    @abstractmethod
    def table_names(self) -> frozenset[str]:
        """The names of all tables and views, including those that cpexport did not make."""

    @abstractmethod
    def _append(self, table: str, names: Sequence[str], blocks: Iterable[pa.RecordBatch]) -> None:
        """Appends a batch's rows to a table. `names` are the table's names for the columns."""

    @abstractmethod
    def _count(self, table: str, scope: Scope, image_sets: ImageSets) -> int:
        """How many rows of these image sets a table has."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._db.close()

    @contextmanager
    def exclusive(self) -> Iterator[SqlTransaction]:
        with self._locked():
            yield SqlTransaction(self._db, self.ledger, self)

    def layout(self) -> Layout:
        if not self.ledger.exists:
            return Layout(numbered=self.shape.numbered)
        version = self._version()
        if self._layout is None or self._layout[0] != version:
            self._layout = version, ledger_tables.layout(self._db, self.prefix, self.shape.numbered)
        return self._layout[1]

    def prepare(self, features: Features) -> None:
        self._features, self._pending = features, None

    def pending_layout(self) -> Layout:
        return self._extended()[1]

    @contextmanager
    def batch(
        self, entry: Entry, pictures: Pictures, allow: Allow = lambda held: None
    ) -> Iterator[Write | None]:
        with self._begun(entry):
            self._check_numbered()
            if self.ledger.holds(entry):
                yield None
                return
            layout = self._fitted(entry)
            scope = self._scope_of_run()
            owners = self._delete_replaced(scope, entry, allow)
            # The entry comes before the rows: of two processes that write the same batch, the
            # second must wait here for the first.
            number = ledger_tables.write(self._db, scope, entry, pictures)
            ledger_upgrade.write(self._db, number, entry, owners)
            experiment_tables.keep_measured(self._db, scope, {})
            # An aggregate can be infinite although all values are finite.
            infinite = bool(self.shape.aggregate) or any(c.infinite for c in entry.counts.values())
            finite = infinite and not self.capabilities.infinities
            counts = RowCountCheck(self.name, entry)
            try:
                yield BatchWriter(
                    self._db, scope, layout, entry, self._fitting, self._append, counts, finite
                )
            except BaseException:
                # The layout may have been rolled back too.
                self._layout = None
                raise
            counts.check(
                [*layout.tables, table_of(RELATIONSHIP, self.prefix)],
                lambda table: self._count(table, scope, entry.loaded),
            )
            counts.check_ledger(self._db, scope)

    def _check_numbered(self) -> None:
        """Refuses tables that another process made since this one looked, if only one of both
        numbers runs."""
        stored = self.ledger.agreed(self.shape, self.shape.paths)
        if stored.numbered != self.shape.numbered:
            option = "with" if stored.numbered else "without"
            problem = f"another load has just created it {option} --table-number"
            raise SinkError(self.name, problem, f"run the command again {option} --table-number")

    def _scope_of_run(self) -> Scope:
        """The scope of this sink's run, which is entered in the ledger if it is new."""
        scope = self.ledger.scope()
        if self.ledger.run is None or scope.number != NO_RUN_YET:
            return scope
        number = ledger_tables.enter_run(self._db, self.prefix, self.ledger.run)
        return Scope(self.prefix, number)

    def _delete_replaced(self, scope: Scope, entry: Entry, allow: Allow) -> Mapping[int, int]:
        """Deletes the image sets that a batch replaces, if `allow` accepts it.

        Returns the batch of each of them, by image set number.
        """
        owners = ledger_tables.batches_of(self._db, scope, entry.loaded)
        if owners:
            allow(replaced(self._db, scope, entry))
            old = ImageSets.of(owners)
            self.delete_rows(scope, old)
            ledger_tables.delete_image_sets(self._db, scope, old)
        return owners

    @property
    def reshaped(self) -> bool:
        return self.ledger.exists and ledger_options.differs(self._db, self.prefix, self.shape)

    def upgrade(self) -> None:
        if self.ledger.exists and not ledger_upgrade.complete(self._db):
            with self._locked():
                ledger_upgrade.upgraded(self._db, self._make_ledger_table)

    def _made_to_fit(self, entry: Entry, change: Callable[[Layout, Layout], None]) -> Layout:
        """`_fitted`, for destinations that can change tables within the transaction of a batch."""
        old, new = self._extended()
        with naming(self.name, old):
            if new != old:
                self._check_ours(new)
                change(old, new)
                if self.shape.layout == VIEW:
                    self._note_view()
                # The version may not reflect changes by this very connection.
                self._layout = None
        return new

    def _extended(self) -> tuple[Layout, Layout]:
        """The present layout, and the one with all columns that were prepared."""
        old = self.layout()
        if self._pending and self._pending[0] is old:
            return self._pending
        new = old.extended(self._features, self.prefix, self._room, self.shape.max_column_length)
        if new != old:
            check_names(self.name, new, self.prefix, self.shape)
        self._pending = old, new.widened(self._features)
        return self._pending

    def _note_view(self) -> None:
        ledger_settings.note(self._db, Scope(self.prefix), {"view": object_view.FORM})

    def _check_ours(self, layout: Layout) -> None:
        ours = {table.lower() for table in self.layout().tables}
        wanted = {table.lower() for table in schema.names(layout, self.prefix)}
        if self.shape.layout == VIEW:
            wanted.add(table_of(OBJECT, self.prefix).lower())
        if ours:
            wanted = {table.lower() for table in layout.tables} - ours
        self.check_free(wanted)

    def check_free(self, names: set[str]) -> None:
        wanted = {name.lower() for name in names}
        for name in self.table_names():
            if name.lower() in wanted:
                raise SinkError(
                    self.name,
                    f"has a table {name} that cpexport did not create",
                    "choose another destination or another --prefix",
                )
