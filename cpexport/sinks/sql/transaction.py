"""Changes that only one process at a time may make, in one transaction."""

import json
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime

import pyarrow as pa
import sqlalchemy as sa

from cpexport.imagesets import ImageSets
from cpexport.sinks.ledger import Entry
from cpexport.sinks.sql import (
    experiment_tables,
    ledger_entries,
    ledger_options,
    ledger_removals,
    ledger_settings,
    ledger_tables,
)
from cpexport.sinks.sql.database import Database, quoted
from cpexport.sinks.sql.growing_layout import GrowingLayout
from cpexport.sinks.sql.ledger_schema import REMOVED
from cpexport.sinks.sql.ledger_store import SqlLedger
from cpexport.sinks.sql.scope import Scope
from cpexport.sinks.sql.statements import view_for
from cpexport.sinks.sql.table_store import TableStore
from cpexport.sinks.summary import Summary


class SqlTransaction:
    """Implements `base.Transaction`; `LedgerSink.exclusive` gives it and commits it."""

    def __init__(
        self, db: Database, ledger: SqlLedger, tables: TableStore, layout: GrowingLayout
    ) -> None:
        self._db, self._ledger, self._tables, self._layout = db, ledger, tables, layout

    def renumber(self, columns: Mapping[str, pa.Array]) -> None:
        self._tables.renumber(self._layout.current(), self._ledger.scope(), columns)

    def describe(self, properties: Mapping[str, Mapping[str, str]], modified: str) -> None:
        name = self._ledger.run or self._ledger.prefix.rstrip("_") or self._db.title
        experiment_tables.describe(self._db, self._ledger.scope(), name, properties, modified)

    def set_metadata(self, values: Mapping[str, str]) -> None:
        ledger_settings.note(self._db, self._ledger.scope(), values)

    def set_summary(self, summary: Summary) -> None:
        stored = {ledger_settings.SUMMARY: summary.as_json()}
        ledger_settings.note(self._db, self._ledger.scope(), stored)

    def set_measured(self, values: Mapping[str, float]) -> None:
        experiment_tables.keep_measured(self._db, self._ledger.scope(), values)

    def reshape(self) -> None:
        ledger_options.reshape(self._db, self._ledger.prefix, self._tables.shape)

    def write_derived_table(self, table: sa.Table, rows: pa.Table) -> None:
        made = ledger_settings.made(self._db, self._ledger.prefix)
        if table.name not in made:
            self._layout.check_free({table.name})
        self._tables.make_table(table, rows)
        names = json.dumps(sorted(made | {table.name}))
        ledger_settings.note(self._db, Scope(self._ledger.prefix), {"made": names})

    def write_view(self, name: str, statement: str | None) -> bool:
        known = ledger_settings.views(self._db)
        taken = {table.lower() for table in self._tables.table_names()}
        if name.lower() in taken and name not in known:
            return statement is None
        self._db.run(f"DROP VIEW IF EXISTS {quoted(name)}")
        if statement is not None:
            self._db.run(view_for(self._db.dialect, statement))
            ledger_settings.note_view(self._db, name, statement)
        return True

    def remove(
        self, image_sets: Mapping[int, ImageSets], chosen_by: str, kept: Collection[str]
    ) -> None:
        if REMOVED.name not in self._db.names():
            self._tables.make_ledger_table(REMOVED)
        time = datetime.now(UTC).isoformat(timespec="seconds")
        for number, some in image_sets.items():
            scope = Scope(self._ledger.prefix, number)
            ledger_removals.enter(self._db, scope, some, chosen_by, time)
            self._tables.delete_rows(self._layout.current(), scope, some)
            ledger_tables.delete_image_sets(self._db, scope, some)
            ledger_settings.forget_computed(self._db, scope, kept)
            if not ledger_entries.counted_image_sets(self._db, scope):
                experiment_tables.delete(self._db, scope)
        self._ledger.renew()

    def forget_removed(self, entries: Sequence[Entry]) -> None:
        ledger_removals.forget(self._db, self._ledger.scope(), entries)
        self._ledger.renew()

    def delete_batch(self, entry: Entry) -> None:
        scope = self._ledger.scope()
        self._tables.delete_rows(self._layout.current(), scope, entry.loaded)
        ledger_tables.delete_image_sets(self._db, scope, entry.loaded)
        ledger_tables.delete_entry(self._db, scope, entry)
        self._ledger.renew()
