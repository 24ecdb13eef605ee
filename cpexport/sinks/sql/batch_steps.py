"""Writes batches within a transaction: deletes what they replace, enters them in the ledger, and
checks both against their rows."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial

import pyarrow as pa

from cpexport.cellprofiler.features import IMAGE, IMAGE_NUMBER, INTEGER, SOURCE_NUMBER
from cpexport.cellprofiler.image_identity import Identities
from cpexport.errors import SinkError, StaleError
from cpexport.imagesets import ImageSets
from cpexport.sinks.base import Allow, StagedBatch, Write
from cpexport.sinks.ledger import Entry
from cpexport.sinks.sql import (
    experiment_tables,
    ledger_numbers,
    ledger_tables,
    ledger_upgrade,
    relationships,
)
from cpexport.sinks.sql.batch import BatchWriter, RowCountCheck
from cpexport.sinks.sql.batch_replacement import replaced
from cpexport.sinks.sql.column_projection import ColumnProjection
from cpexport.sinks.sql.database import Database
from cpexport.sinks.sql.growing_layout import GrowingLayout
from cpexport.sinks.sql.ledger_store import SqlLedger
from cpexport.sinks.sql.scope import NO_RUN_YET, Scope
from cpexport.sinks.sql.stager import Staged, version
from cpexport.sinks.sql.table_store import TableStore
from cpexport.tables.layout import Layout
from cpexport.tables.options import TableOptions


class BatchSteps:
    """The steps of a transaction that writes batches, for `LedgerSink`."""

    def __init__(
        self, database: Database, ledger: SqlLedger, tables: TableStore, layout: GrowingLayout
    ) -> None:
        self._db, self._ledger, self._tables, self._layout = database, ledger, tables, layout
        self._fitting = ColumnProjection()

    @property
    def _name(self) -> str:
        return self._db.name

    @property
    def _shape(self) -> TableOptions:
        return self._tables.shape

    @contextmanager
    def write(
        self, entry: Entry, identities: Identities, allow: Allow = lambda held: None
    ) -> Iterator[Write | None]:
        """See `Sink.batch`."""
        self._check_numbered()
        if self._ledger.holds(entry.signature):
            yield None
            return
        before = self._layout.current()
        layout = self._tables.apply_pending(self._layout)
        scope = self._scope_of_run()
        self._number(before, layout, scope, entry)
        self._enter(layout, scope, entry, identities, allow)
        experiment_tables.keep_measured(self._db, scope, {})
        counts = RowCountCheck(self._name, entry, layout, self._ledger.prefix)
        yield self._writer(layout, scope, entry, counts)
        counts.check(lambda table: self._tables.count(layout, table, scope, entry.loaded))
        counts.check_ledger(self._db, scope)

    def adopt(self, staged: Staged, batches: Sequence[StagedBatch]) -> None:
        """See `Sink.adopt`."""
        self._check_numbered()
        layout, scope = self._layout.current(), self._ledger.scope()
        if (version(layout), scope) != (staged.version, staged.scope):
            raise self._stale
        for batch in batches:
            if self._ledger.holds(batch.entry.signature):
                raise self._stale
            self._number(layout, layout, scope, batch.entry)
            self._enter(layout, scope, batch.entry, batch.identities, batch.allow)
        experiment_tables.keep_measured(self._db, scope, {})
        self._tables.adopt(staged.files)
        # Of several jobs, only the metadata of the one with the first image set stays.
        for batch in sorted(batches, key=lambda batch: batch.entry.loaded.first):
            if blocks := list(batch.run()):
                for block in blocks:
                    self._write_run(scope, batch.entry, block)
                break
        for batch, given, found in zip(batches, staged.given, staged.found, strict=True):
            counts = RowCountCheck(self._name, batch.entry, layout, self._ledger.prefix)
            for table, rows in given.items():
                counts.add(table, rows)
            counts.check(lambda table, found=found: found.get(table, 0))  # type: ignore[misc]
            counts.check_ledger(self._db, scope)

    def _write_run(self, scope: Scope, entry: Entry, rows: pa.RecordBatch) -> None:
        experiment_tables.write(self._db, scope, rows, entry.loaded.first)

    @property
    def _stale(self) -> StaleError:
        problem = "another process has changed it meanwhile"
        return StaleError(self._name, problem, "run the command again")

    def _enter(
        self, layout: Layout, scope: Scope, entry: Entry, identities: Identities, allow: Allow
    ) -> None:
        """Deletes what a batch replaces, and enters the batch in the ledger.

        The entry comes before the rows: of two processes that write the same batch, the second must
        wait here for the first.
        """
        owners = self._delete_replaced(layout, scope, entry, allow)
        number = ledger_tables.write(self._db, scope, entry, identities)
        ledger_upgrade.write(self._db, number, entry, owners)

    def _number(self, before: Layout, layout: Layout, scope: Scope, entry: Entry) -> None:
        """Enters the numbers that a batch gives image sets, and the numbers that jobs gave those
        which were there `before` any had a key."""
        as_jobs = ledger_numbers.write(self._db, scope, entry)
        if not as_jobs:
            return
        numbers = pa.array(as_jobs, INTEGER)
        if (IMAGE, SOURCE_NUMBER) in before.by_feature:
            # A script brought them, or another run has such numbers.
            read = self._tables.read(before, scope, IMAGE, [SOURCE_NUMBER], as_jobs)
            rows = pa.Table.from_batches(read)
            numbers = rows[IMAGE_NUMBER].filter(rows[SOURCE_NUMBER].is_null()).combine_chunks()
        if len(numbers):
            columns = {IMAGE_NUMBER: numbers, SOURCE_NUMBER: numbers}
            self._tables.renumber(layout, scope, columns)

    def _writer(
        self, layout: Layout, scope: Scope, entry: Entry, counts: RowCountCheck
    ) -> BatchWriter:
        # An aggregate can be infinite although all values are finite.
        infinite = bool(self._shape.aggregate) or any(c.infinite for c in entry.counts.values())
        return BatchWriter(
            name=self._name,
            scope=scope,
            layout=layout,
            kinds=partial(relationships.numbered, self._db, scope),
            run=partial(self._write_run, scope, entry),
            fitting=self._fitting,
            append=partial(self._tables.append, layout),
            row_counts=counts,
            finite=infinite and not self._tables.capabilities.infinities,
        )

    def _check_numbered(self) -> None:
        """Refuses tables that another process made since this one looked, if only one of both
        numbers runs."""
        stored = self._ledger.agreed(self._shape, self._shape.paths)
        if stored.numbered != self._shape.numbered:
            option = "with" if stored.numbered else "without"
            problem = f"another load has just created it {option} --table-number"
            raise SinkError(self._name, problem, f"run the command again {option} --table-number")

    def _scope_of_run(self) -> Scope:
        """The scope of this sink's run, which is entered in the ledger if it is new."""
        scope = self._ledger.scope()
        if self._ledger.run is None or scope.number != NO_RUN_YET:
            return scope
        number = ledger_tables.enter_run(self._db, scope.prefix, self._ledger.run)
        return Scope(scope.prefix, number)

    def _delete_replaced(
        self, layout: Layout, scope: Scope, entry: Entry, allow: Allow
    ) -> Mapping[int, int]:
        """Deletes the image sets that a batch replaces, if `allow` accepts it.

        Returns the batch of each of them, by image set number.
        """
        owners = ledger_tables.batches_of(self._db, scope, entry.loaded)
        if owners:
            allow(replaced(self._db, scope, entry))
            old = ImageSets.of(owners)
            self._tables.delete_rows(layout, scope, old)
            ledger_tables.delete_image_sets(self._db, scope, old)
        return owners
