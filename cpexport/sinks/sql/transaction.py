"""Changes that only one process at a time may make, in one transaction."""

import json
from collections.abc import Mapping
from typing import Protocol

import pyarrow as pa
import sqlalchemy as sa

from cpexport.imagesets import ImageSets
from cpexport.sinks.ledger import Entry
from cpexport.sinks.sql import experiment_tables, ledger_options, ledger_settings, ledger_tables
from cpexport.sinks.sql.database import Database, quoted
from cpexport.sinks.sql.ledger_store import SqlLedger
from cpexport.sinks.sql.scope import Scope
from cpexport.tables.options import TableOptions


class Tables(Protocol):
    """What a transaction needs to do with the destination's tables."""

    @property
    def shape(self) -> TableOptions: ...

    def renumber(self, columns: Mapping[str, pa.Array]) -> None:
        """See `base.Transaction.renumber`."""

    def delete_rows(self, scope: Scope, image_sets: ImageSets) -> None:
        """Deletes the rows of image sets, and their relationships."""

    def make_table(self, table: sa.Table, rows: pa.Table) -> None:
        """Makes a table with these rows; replaces the table if cpexport made it before."""

    def check_free(self, names: set[str]) -> None:
        """Raises `SinkError` if something else has one of these names."""

    def table_names(self) -> frozenset[str]:
        """The names of all tables and views, including those that cpexport did not make."""


class SqlTransaction:
    """Implements `base.Transaction`; `LedgerSink.exclusive` gives it and commits it."""

    def __init__(self, db: Database, ledger: SqlLedger, tables: Tables) -> None:
        self._db, self._ledger, self._tables = db, ledger, tables

    def renumber(self, columns: Mapping[str, pa.Array]) -> None:
        self._tables.renumber(columns)

    def describe(self, properties: Mapping[str, Mapping[str, str]], modified: str) -> None:
        name = self._ledger.run or self._ledger.prefix.rstrip("_") or self._db.title
        experiment_tables.describe(self._db, self._ledger.scope(), name, properties, modified)

    def set_metadata(self, values: Mapping[str, str]) -> None:
        ledger_settings.note(self._db, self._ledger.scope(), values)

    def set_measured(self, values: Mapping[str, float]) -> None:
        experiment_tables.keep_measured(self._db, self._ledger.scope(), values)

    def reshape(self) -> None:
        ledger_options.reshape(self._db, self._ledger.prefix, self._tables.shape)

    def write_derived_table(self, table: sa.Table, rows: pa.Table) -> None:
        made = ledger_settings.made(self._db, self._ledger.prefix)
        if table.name not in made:
            self._tables.check_free({table.name})
        self._tables.make_table(table, rows)
        names = json.dumps(sorted(made | {table.name}))
        ledger_settings.note(self._db, Scope(self._ledger.prefix), {"made": names})

    def write_view(self, name: str, statement: str | None) -> bool:
        shown = ledger_settings.shown(self._db)
        taken = {known.lower() for known in self._tables.table_names()}
        if name.lower() in taken and name not in shown:
            return statement is None
        self._db.run(f"DROP VIEW IF EXISTS {quoted(name)}")
        if statement is not None:
            self._db.run(statement)
            names = json.dumps(sorted(shown | {name}))
            ledger_settings.note(self._db, Scope(""), {"views": names})
        return True

    def delete_batch(self, entry: Entry) -> None:
        scope = self._ledger.scope()
        self._tables.delete_rows(scope, entry.loaded)
        ledger_tables.delete_image_sets(self._db, scope, entry.loaded)
        ledger_tables.delete_entry(self._db, scope, entry)
