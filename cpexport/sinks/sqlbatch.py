"""The rows of one batch on their way into the tables of a database; whether all arrived."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import pyarrow as pa

from cpexport.errors import NumbersError, SinkError, WidthError
from cpexport.features import EXPERIMENT, RELATIONSHIP
from cpexport.ledger import Entry
from cpexport.sinks import sqlexperiment as experiment
from cpexport.sinks import sqlledger as ledger
from cpexport.sinks import sqlpairs as pairs
from cpexport.sinks.fitting import Fitting
from cpexport.sinks.scope import Scope
from cpexport.sinks.sql import Database
from cpexport.tables import Layout, table_of

Append = Callable[[str, Sequence[str], Iterable[pa.RecordBatch]], None]


@dataclass(frozen=True)
class BatchWriter:
    """Takes the rows of a batch within its transaction: a `Write`.

    `append` adds blocks to a table, columns with these names there. Where rows are to be `finite`,
    infinities become NULL.
    """

    db: Database
    scope: Scope
    layout: Layout
    entry: Entry
    fitting: Fitting
    append: Append
    gate: "Gate"
    finite: bool

    def __call__(self, object_name: str, rows: pa.RecordBatchReader) -> None:
        if object_name == EXPERIMENT:
            for block in rows:
                experiment.write(self.db, self.scope, block, self.entry.loaded.first)
            return
        table = table_of(object_name, self.scope.prefix)
        if object_name == RELATIONSHIP:
            for block in rows:
                some = pairs.numbered(self.db, self.scope, block)
                self.append(table, some.schema.names, self.gate.through(table, [some]))
            return
        parts = self.layout.parts(object_name)
        if not parts:
            self.gate.add(table, sum(block.num_rows for block in rows))
        for part, names, blocks in self.fitting.parted(parts, self.scope, rows, self.finite):
            with naming(self.db.name, self.layout):
                self.append(part, names, self.gate.through(part, blocks))


class Gate:
    """Counts the rows that a batch gives to each table, and lets it commit only where just those
    are there: in tables that it gives none to, none."""

    def __init__(self, name: str, entry: Entry) -> None:
        self._name, self._entry = name, entry
        self._given: dict[str, int] = {}

    def through(self, table: str, blocks: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """The blocks, whose rows are counted as they are taken."""
        for block in blocks:
            self.add(table, block.num_rows)
            yield block

    def add(self, table: str, rows: int) -> None:
        """Counts rows that are given to a table."""
        self._given[table] = self._given.get(table, 0) + rows

    def check(self, tables: Iterable[str], there: Callable[[str], int]) -> None:
        """Refuses to commit unless these tables have what was given, and the ledger's entry says
        the same; `there` counts the rows of the batch's image sets in one.

        Raises:
            SinkError: one has not, or rows were given to a table that is none of these.
        """
        tables = list(tables)
        for table, count in self._entry.counts.items():
            if table in tables:
                self.same(table, self._given.get(table, 0), count.rows)
        for table in self._given.keys() - set(tables):
            self.same(table, 0, self._given[table])
        for table in tables:
            self.same(table, there(table), self._given.get(table, 0))

    def same(self, table: str, there: int, rows: int) -> None:
        """Refuses to commit where there are not as many rows as there must be.

        Raises:
            SinkError: so it is.
        """
        if there != rows:
            raise SinkError(
                self._name,
                f"{table} took {there} of {rows} rows of {self._entry.path}",
                "report this; nothing of the batch was kept",
            )

    def check_ledger(self, db: Database, scope: Scope) -> None:
        """Refuses to commit where the ledger does not say all of the batch.

        Raises:
            SinkError: so it is.
        """
        words = f"SELECT batch_id FROM _cpexport_batches WHERE {scope.ledger} AND signature = ?"
        ((batch,),) = db.rows(words, self._entry.signature)
        owners = ledger.batches_of(db, scope, self._entry.loaded)
        mine = sum(owner == batch for owner in owners.values())
        self.same("_cpexport_sets", mine, len(self._entry.loaded))
        words = "SELECT count(*) FROM _cpexport_tables WHERE batch_id = ?"
        self.same("_cpexport_tables", db.rows(words, batch)[0][0], len(self._entry.counts))


@contextmanager
def naming(name: str, layout: Layout) -> Iterator[None]:
    """Names the feature whose values do not fit its column, in the destination of this name.

    Raises:
        NumbersError: so it is.
    """
    try:
        yield
    except WidthError as error:
        column = next(column for column in layout.columns if column.name == error.column)
        raise NumbersError(name, column.object, column.feature) from error
