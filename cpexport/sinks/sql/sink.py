"""Writes a batch's rows and ledger entry, and checks both, in one transaction, for all kinds.

The ledger is in SQL. A `TableStore` has the rows, in the same database or in files.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final, Self

import pyarrow as pa

from cpexport.cellprofiler.features import IMAGE
from cpexport.cellprofiler.image_identity import Identities
from cpexport.errors import StaleError
from cpexport.imagesets import ImageSets
from cpexport.sinks.base import Allow, StagedBatch, TableState, Write
from cpexport.sinks.capabilities import Capabilities
from cpexport.sinks.ledger import Entry
from cpexport.sinks.opening import Opening
from cpexport.sinks.sql import (
    ledger_options,
    ledger_settings,
    ledger_upgrade,
    relationships,
)
from cpexport.sinks.sql.batch_steps import BatchSteps
from cpexport.sinks.sql.database import Database
from cpexport.sinks.sql.growing_layout import GrowingLayout
from cpexport.sinks.sql.ledger_settings import INDEXES, PLACES
from cpexport.sinks.sql.ledger_store import SqlLedger
from cpexport.sinks.sql.scope import NO_RUN_YET, Scope
from cpexport.sinks.sql.stager import Staged, Stager
from cpexport.sinks.sql.table_store import TableStore
from cpexport.sinks.sql.transaction import SqlTransaction
from cpexport.tables.layout import Features, Layout
from cpexport.tables.options import TableOptions

# As servers do it, the values of a table are counted again when a tenth of its rows are new.
_MUCH: Final = 10


class LedgerSink:
    """Implements `base.Sink` for all kinds: the ledger decides what to write, and the table store
    writes it."""

    def __init__(self, database: Database, ledger: SqlLedger, tables: TableStore) -> None:
        self._db, self.ledger, self._tables = database, ledger, tables
        self._layout = GrowingLayout(database, ledger, tables)
        self._steps = BatchSteps(database, ledger, tables, self._layout)
        self._stager: Stager | None = None

    @classmethod
    def opened(
        cls,
        database: Database,
        ledger: SqlLedger,
        opening: Opening,
        tables: Callable[[TableOptions], TableStore],
    ) -> Self:
        """Opens a destination; `tables` makes the store, once it is known how its tables look.

        Raises:
            SinkError: the destination cannot be used, or its tables look different.
        """
        try:
            shape = _agreed_shape(database, ledger, opening)
            sink = cls(database, ledger, tables(shape))
            if database.exists:
                sink._layout.check_new_names(Layout().extended({IMAGE: {}}, ledger.prefix))
        except BaseException:
            database.close()
            raise
        return sink

    @property
    def name(self) -> str:
        return self._db.name

    @property
    def shape(self) -> TableOptions:
        return self._tables.shape

    @property
    def run(self) -> str | None:
        return self.ledger.run

    @property
    def capabilities(self) -> Capabilities:
        return self._tables.capabilities

    @property
    def notes(self) -> tuple[str, ...]:
        return self._tables.notes(self._layout.current())

    @property
    def exists(self) -> bool:
        return self._db.exists

    def size(self) -> int:
        return self._db.size()

    def address(self, folder: Path | None) -> Mapping[str, str]:
        return self._tables.address(folder)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._tables.close(self._layout, failed=error[0] is not None)

    @contextmanager
    def exclusive(self) -> Iterator[SqlTransaction]:
        with self._tables.exclusive(self._layout):
            self.ledger.renew()
            yield SqlTransaction(self._db, self.ledger, self._tables, self._layout)

    @contextmanager
    def _renewed(self) -> Iterator[None]:
        """Makes what is known of the destination be read again after a transaction."""
        try:
            yield
        except BaseException:
            # The layout may have been rolled back, too.
            self._layout.forget()
            raise
        finally:
            self.ledger.renew()

    def layout(self) -> Layout:
        return self._layout.current()

    def prepare(self, features: Features) -> None:
        self._layout.prepare(features)

    def pending_layout(self) -> Layout:
        return self._layout.pending()[1]

    @contextmanager
    def batch(
        self, entry: Entry, identities: Identities, allow: Allow = lambda held: None
    ) -> Iterator[Write | None]:
        with (
            self._renewed(),
            self._tables.batch(self._layout),
            self._steps.write(entry, identities, allow) as write,
        ):
            yield write
        self.ledger.note_stored()

    def stager(self) -> Stager | None:
        if not self.capabilities.concurrent or not self.ledger.exists:
            return None
        layout, wanted = self._layout.pending()
        scope = self.ledger.scope()
        if layout != wanted or not layout.columns or scope.number == NO_RUN_YET:
            return None
        kinds = relationships.kinds(self._db, scope)
        last = self._stager
        if last is None or (last.layout, last.scope, last.kinds) != (layout, scope, kinds):
            staging = self._tables.staging(layout)
            if staging is None:
                return None
            infinities = self.capabilities.infinities
            last = Stager(self.name, layout, scope, self.shape, kinds, infinities, staging)
            self._stager = last
        return last

    def adopt(self, staged: Staged, batches: Sequence[StagedBatch]) -> None:
        try:
            with self._renewed(), self._tables.batch(self._layout):
                self._steps.adopt(staged, batches)
        except StaleError:
            self._tables.abandon(staged.files)
            raise
        self.ledger.note_stored()

    def tables(self) -> Mapping[str, TableState]:
        if not self.ledger.exists:
            return {}
        return self._tables.states(self._layout.current(), self.ledger.scope())

    def read(
        self,
        object_name: str,
        features: Sequence[str] | None = None,
        image_sets: ImageSets | None = None,
    ) -> Iterator[pa.RecordBatch]:
        layout, scope = self._layout.current(), self.ledger.scope()
        return self._tables.read(layout, scope, object_name, features, image_sets)

    def has(self, name: str) -> bool:
        return self.ledger.exists and self._db.spelled(name) in self._tables.table_names()

    def derived_tables(self) -> Mapping[str, tuple[str, ...]]:
        if not self.ledger.exists:
            return {}
        made = ledger_settings.made(self._db, self.ledger.prefix)
        return self._tables.columns_of_derived(made)

    def read_derived_table(self, table: str, columns: Sequence[str]) -> list[tuple[object, ...]]:
        return self._tables.read_derived_table(table, columns)

    @property
    def reshaped(self) -> bool:
        differs = ledger_options.differs
        return self.ledger.exists and differs(self._db, self.ledger.prefix, self.shape)

    def upgrade(self) -> None:
        if self.ledger.still_exists() and not ledger_upgrade.complete(self._db):
            with self._tables.exclusive(self._layout):
                ledger_upgrade.upgraded(self._db, self._tables.make_ledger_table)

    def tune(
        self, indexes: bool | None, written: Mapping[str, int], places: Sequence[str] = ()
    ) -> None:
        if self.ledger.still_exists():
            self._choose(INDEXES, None if indexes is None else "yes" if indexes else "no")
            self._choose(PLACES, json.dumps(places) if places else None)
            rows = self.ledger.summary().rows
            grown = {name for name, new in written.items() if new * _MUCH >= rows.get(name, 0)}
            self._tables.tune(self._layout, grown)

    def _choose(self, name: str, value: str | None) -> None:
        """Stores what this load has chosen for later ones; None if it has not."""
        scope = Scope(self.ledger.prefix)
        if value not in (None, ledger_settings.setting(self._db, scope, name)):
            with self._tables.exclusive(self._layout):
                ledger_settings.note(self._db, scope, {name: str(value)})

    @property
    def indexed(self) -> bool:
        scope = Scope(self.ledger.prefix)
        return not self.ledger.exists or ledger_settings.setting(self._db, scope, INDEXES) != "no"

    def missing_indexes(self) -> Mapping[str, str]:
        missing = self._tables.missing_indexes(self._layout.current())
        return {index.name: index.table for index in missing}

    def broken_views(self) -> Mapping[str, str]:
        return self._tables.broken_views(self._layout.current())

    def renew_views(self) -> None:
        self._tables.renew_views(self._layout)


def _agreed_shape(database: Database, ledger: SqlLedger, opening: Opening) -> TableOptions:
    """How the destination's tables look, or will look."""
    shape = opening.shape
    if ledger.exists:
        ledger.note_stored()
        ledger_settings.check_version(database)
        has = ledger_options.shape_of(database, ledger.prefix)
        if shape is not None and has is not None and has.numbered:
            # Where runs are numbered, OUTPUTS are runs even without --table-number.
            shape = replace(shape, numbered=True)
    return ledger.agreed(shape, opening.paths)
