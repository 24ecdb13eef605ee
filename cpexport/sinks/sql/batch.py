"""Writes the rows of one batch to the tables of a destination, and checks that all arrived."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import pyarrow as pa

from cpexport.cellprofiler.features import EXPERIMENT, IMAGE, OBJECT, RELATIONSHIP
from cpexport.errors import NumbersError, SinkError, WidthError
from cpexport.sinks.ledger import Entry
from cpexport.sinks.sql import ledger_tables
from cpexport.sinks.sql.column_projection import ColumnProjection
from cpexport.sinks.sql.database import Database
from cpexport.sinks.sql.scope import Scope
from cpexport.tables.layout import Layout, table_of

Append = Callable[[str, Sequence[str], Iterable[pa.RecordBatch]], None]


@dataclass(frozen=True)
class BatchWriter:
    """A `Write` for one batch: within its transaction, or in a worker (`stager`).

    name: the destination's.
    kinds: numbers the kinds of relationships of a block of pairs.
    run: takes the job's metadata about the whole run.
    append: adds blocks to a table; it gets the table's names for their columns.
    finite: whether infinities become NULL.
    """

    name: str
    scope: Scope
    layout: Layout
    kinds: Callable[[pa.RecordBatch], pa.RecordBatch]
    run: Callable[[pa.RecordBatch], None]
    fitting: ColumnProjection
    append: Append
    row_counts: "RowCounts"
    finite: bool

    def __call__(self, object_name: str, rows: pa.RecordBatchReader) -> None:
        if object_name == EXPERIMENT:
            for block in rows:
                self.run(block)
            return
        table = table_of(object_name, self.scope.prefix)
        if object_name == RELATIONSHIP:
            for block in rows:
                some = self.kinds(block)
                self.append(table, some.schema.names, self.row_counts.through(table, [some]))
            return
        parts = self.layout.parts(object_name)
        if not parts:
            self.row_counts.add(table, sum(block.num_rows for block in rows))
        for part, names, blocks in self.fitting.parted(parts, self.scope, rows, self.finite):
            with naming(self.name, self.layout):
                self.append(part, names, self.row_counts.through(part, blocks))


class RowCounts:
    """Counts the rows that a batch writes to each table; `given` has them by table."""

    def __init__(self) -> None:
        self.given: dict[str, int] = {}

    def through(self, table: str, blocks: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Yields the blocks, and counts their rows as they are consumed."""
        for block in blocks:
            self.add(table, block.num_rows)
            yield block

    def add(self, table: str, rows: int) -> None:
        """Counts rows that are written to a table."""
        self.given[table] = self.given.get(table, 0) + rows


class RowCountCheck(RowCounts):
    """Lets a batch commit only if the tables have just the rows that it writes, for every table of
    the batch's entry: a table to which it writes none must have none."""

    def __init__(self, name: str, entry: Entry, layout: Layout, prefix: str) -> None:
        super().__init__()
        self._name, self._entry, self._layout, self._prefix = name, entry, layout, prefix

    def check(self, count_rows: Callable[[str], int]) -> None:
        """Checks that the tables have the rows that were written, and that the ledger's entry has
        the same numbers. `count_rows` counts the rows of the batch's image sets in a table.

        Raises:
            SinkError: a number differs, or rows were to go to a table that does not exist.
        """
        tables = [*self._layout.tables, table_of(RELATIONSHIP, self._prefix)]
        for table, count in self._entry.counts.items():
            if table in tables:
                self.same(table, self.given.get(table, 0), count.rows)
            elif count.rows:
                self._check_combined(table, count.rows)
        for table in self.given.keys() - set(tables):
            self.same(table, 0, self.given[table])
        for table in tables:
            self.same(table, count_rows(table), self.given.get(table, 0))
        # Each image set that the entry claims has one row.
        images = table_of(IMAGE, self._prefix)
        self.same(images, self.given.get(images, 0), len(self._entry.loaded))

    def _check_combined(self, table: str, rows: int) -> None:
        """Checks the rows of an object type that has no table of its own. Where all objects are in
        one table, side by side, that has at least as many rows."""
        together = OBJECT in self._layout.objects
        given = self.given.get(table_of(OBJECT, self._prefix), 0) if together else 0
        if given < rows:
            self.same(table, given, rows)

    def same(self, table: str, stored: int, rows: int) -> None:
        """Checks that a table has `rows` rows of the batch.

        Raises:
            SinkError: it has another number.
        """
        if stored != rows:
            raise SinkError(
                self._name,
                f"{stored} of {rows} rows of {self._entry.path} were inserted into {table}",
                "report this as a bug; nothing of the batch was stored",
            )

    def check_ledger(self, db: Database, scope: Scope) -> None:
        """Checks that the ledger has all image sets and all counts of the batch.

        Raises:
            SinkError: it has not.
        """
        (batch,) = ledger_tables.ids(db, scope, self._entry)
        owners = ledger_tables.batches_of(db, scope, self._entry.loaded)
        owned = sum(owner == batch for owner in owners.values())
        self.same("_cpexport_sets", owned, len(self._entry.loaded))
        counted = ledger_tables.counted_tables(db, batch)
        self.same("_cpexport_tables", counted, len(self._entry.counts))


@contextmanager
def naming(name: str, layout: Layout) -> Iterator[None]:
    """Translates a `WidthError`, which names a column, into an error that names the feature and the
    destination.

    Raises:
        NumbersError: values do not fit their column.
    """
    try:
        yield
    except WidthError as error:
        column = next(column for column in layout.columns if column.name == error.column)
        raise NumbersError(name, column.object, column.feature) from error
