"""The layout of a destination's tables: as it is, and as the next batch needs it."""

from collections.abc import Callable
from typing import Protocol

from cpexport.cellprofiler.features import OBJECT
from cpexport.errors import SinkError
from cpexport.sinks.sql import (
    experiment_tables,
    ledger_settings,
    ledger_tables,
    object_view,
    schema,
)
from cpexport.sinks.sql.batch import naming
from cpexport.sinks.sql.database import Database
from cpexport.sinks.sql.ledger_store import SqlLedger
from cpexport.sinks.sql.scope import Scope
from cpexport.sinks.table_names import check_names
from cpexport.tables.capacity import TableCapacity
from cpexport.tables.layout import Features, Layout, table_of
from cpexport.tables.options import VIEW, TableOptions


class Tables(Protocol):
    """What a layout depends on: the tables that are there, and what a table can hold."""

    @property
    def shape(self) -> TableOptions: ...

    @property
    def capacity(self) -> TableCapacity:
        """What one table can hold."""

    def layout_version(self) -> object:
        """A value that changes whenever the layout does, and may change more often."""

    def table_names(self) -> frozenset[str]:
        """The names of all tables and views, including those that cpexport did not make."""


class GrowingLayout:
    """The layout that the ledger has, and its growth. It only grows, one batch at a time."""

    def __init__(self, db: Database, ledger: SqlLedger, tables: Tables) -> None:
        self._db, self._ledger, self._tables = db, ledger, tables
        self._prefix, self._shape = ledger.prefix, tables.shape
        self._features: Features = {}
        self._current: tuple[object, Layout] | None = None
        self._pending: tuple[Layout, Layout] | None = None

    def current(self) -> Layout:
        """The layout as it is; empty before the first load."""
        if not self._ledger.exists:
            return Layout(numbered=self._shape.numbered)
        version = self._tables.layout_version()
        if self._current is None or self._current[0] != version:
            layout = ledger_tables.layout(self._db, self._prefix, self._shape.numbered)
            self._current = version, layout
        return self._current[1]

    def is_begun(self) -> bool:
        """Whether cpexport has made the destination's tables; see `SqlLedger.still_exists`."""
        return self._ledger.still_exists()

    def forget(self) -> None:
        """Makes `current` read the ledger again, after this process has changed it or a transaction
        was rolled back."""
        self._current = None

    def prepare(self, features: Features) -> None:
        """See `base.Sink.prepare`."""
        self._features, self._pending = features, None

    def pending(self) -> tuple[Layout, Layout]:
        """The layout as it is, and the one with all columns that were prepared.

        Raises:
            SinkError: two tables or columns would have the same name.
        """
        old = self.current()
        if self._pending and self._pending[0] is old:
            return self._pending
        most = self._shape.max_column_length
        new = old.extended(self._features, self._prefix, self._tables.capacity, most)
        if new != old:
            check_names(self._db.name, new, self._prefix, self._shape)
        self._pending = old, new.widened(self._features)
        return self._pending

    def apply_pending(self, change: Callable[[Layout, Layout], None]) -> Layout:
        """Changes the tables, if they lack what was prepared. `change` gets the layout as it is and
        the one to make, and changes both tables and ledger, within the open transaction.

        Returns the layout as it then is.
        """
        old, new = self.pending()
        with naming(self._db.name, old):
            if new != old:
                self.check_new_names(new)
                change(old, new)
                if self._shape.layout == VIEW:
                    self.note_view()
                # The version may not reflect changes by this very connection.
                self.forget()
        return new

    def note_view(self) -> None:
        """Notes in the ledger that the view of all objects is as this version makes it."""
        ledger_settings.note(self._db, Scope(self._prefix), {"view": object_view.FORM})

    def check_new_names(self, layout: Layout) -> None:
        """Checks that the tables that a layout adds would not take the names of others.

        Raises:
            SinkError: something else has one of the names.
        """
        ours = {table.lower() for table in self.current().tables}
        wanted = {table.lower() for table in schema.names(layout, self._prefix)}
        if self._shape.layout == VIEW:
            wanted.add(table_of(OBJECT, self._prefix).lower())
        if ours:
            wanted = {table.lower() for table in layout.tables} - ours
        else:
            experiment_tables.check_shared(self._db)
        self.check_free(wanted)

    def check_free(self, names: set[str]) -> None:
        """Checks that no table or view has one of these names.

        Raises:
            SinkError: one has.
        """
        wanted = {name.lower() for name in names}
        for name in self._tables.table_names():
            if name.lower() in wanted:
                raise SinkError(
                    self._db.name,
                    f"has a table {name} that cpexport did not create",
                    "choose another destination or another --prefix",
                )
