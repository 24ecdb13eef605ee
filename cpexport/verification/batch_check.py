"""Compares the rows that a destination has of one batch with the batch's own files."""

from collections.abc import Collection, Iterator, Sequence

import pyarrow as pa

from cpexport.cellprofiler.batch_file import BatchFile
from cpexport.cellprofiler.experiment import BEGAN, MODIFIED
from cpexport.cellprofiler.features import (
    EXPERIMENT,
    IMAGE,
    IMAGE_NUMBER,
    INTEGER,
    NUMBER,
    RELATIONSHIP,
    is_column,
)
from cpexport.cellprofiler.group_numbers import FEATURES
from cpexport.derived.group_renumbering import groups_of_run, unlike_stored, with_stored_features
from cpexport.errors import ChangedError, SinkError, WidthError
from cpexport.imagesets import ImageSets
from cpexport.loading.decode import Decoded
from cpexport.sinks.base import Sink
from cpexport.sinks.ledger import Entry, Ledger
from cpexport.sinks.sql.schema import names
from cpexport.sources.base import Batch
from cpexport.tables.layout import (
    RELATIONSHIPS,
    Column,
    Table,
    children_as_child,
    table_of,
)
from cpexport.verification.diff import (
    Difference,
    Tally,
    mismatches,
    pair_mismatches,
    short,
    whole,
)
from cpexport.verification.ledger_check import LedgerCheck, shares_times

_COLUMNS = 20


class BatchVerifier:
    """Reads a destination batch by batch, and reports differences.

    structure: the missing tables and columns; they are not read.
    unfinished: what about the whole run could not be compared, and why; empty if all could.
    tallies: what was compared in each table; they grow with every batch.
    """

    def __init__(self, sink: Sink, ledger: Ledger, plan: BatchFile | None, prefix: str) -> None:
        self._sink, self._ledger, self._prefix = sink, ledger, prefix
        self.name, self.layout, self.tables = sink.name, sink.layout(), sink.tables()
        self.tallies: dict[str, Tally] = {}
        self._ledger_check = LedgerCheck(sink, self.layout, prefix)
        self.structure = list(self._missing())
        self._gone = {(d.table, d.column) for d in self.structure}
        self._groups = with_stored_features(sink, groups_of_run(sink, plan))
        self.unfinished = unlike_stored(sink, self._groups)

    def has(self, table: str, column: str = "") -> bool:
        """Whether a table, or one of its columns, can be read."""
        return (table, "") not in self._gone and (table, column) not in self._gone

    def readable(self, object_name: str) -> bool:
        """Whether the tables of an object type can be read, at least their keys."""
        if object_name == RELATIONSHIP:
            return all(self.has(f"{self._prefix}Per_Relationship{end}") for end in ("s", "Types"))
        return all(
            self.has(part.name) and all(self.has(part.name, key) for key in part.key)
            for part in self.layout.parts(object_name)
        )

    def of_ledger(self, batch: Batch, entries: Sequence[Entry]) -> list[Difference]:
        """How the ledger's entries of a batch differ from what its files say."""
        return self._ledger_check.of_entries(batch, entries)

    def of_batch(
        self, batch: Batch, decoded: Decoded, entries: Sequence[Entry]
    ) -> list[Difference]:
        """How the stored rows of a batch differ from those in its files."""
        sets = decoded.image_sets
        parts: dict[str, list[pa.RecordBatch]] = {}
        for name, rows in decoded.rows():
            parts.setdefault(name, []).extend(rows)
        experiment = parts.pop(EXPERIMENT, None)
        pairs = parts.pop(RELATIONSHIP, [])
        differences = self._ledger_check.of_rows(decoded, entries, parts)
        for name in sorted(self.layout.objects | parts.keys(), key=lambda n: (n != IMAGE, n)):
            differences += self._rows(name, parts.get(name, []), sets)
        differences += self._pairs(pairs, sets)
        if self._ledger.loaded.first in sets and self._row_is_of(self._ledger.loaded.first):
            times = {entry.age[0] for entry in entries} if shares_times(batch) else None
            differences += self._experiment(experiment[0] if experiment else None, times)
        return differences

    def _row_is_of(self, first: int) -> bool:
        """Whether the row of Per_Experiment comes from the job of this image set, as far as the
        ledger knows. The row of a job that was removed stays until another job is loaded."""
        return int(self._sink.ledger.metadata().get("experiment_first", first)) >= first

    def _missing(self) -> Iterator[Difference]:
        for name in names(self.layout, self._prefix):
            if name not in self.tables:
                yield Difference(name, "", "is missing")
        for table in self.layout.tables.values():
            if table.name in self.tables:
                for column in (*table.key, *(column.name for column in table.columns)):
                    if column not in self.tables[table.name].columns:
                        yield Difference(table.name, column, "is missing")

    def _rows(
        self, name: str, parts: Sequence[pa.RecordBatch], sets: ImageSets
    ) -> list[Difference]:
        tables = self.layout.parts(name)
        own_features = {
            f for rows in parts for f in rows.schema.names if is_column(f) and f != NUMBER
        }
        differences = [
            Difference(table_of(name, self._prefix), feature, "has no column in _cpexport_columns")
            for feature in sorted(own_features)
            if (name, feature) not in self.layout.by_feature
        ]
        if not tables or not self.readable(name):
            return differences[:_COLUMNS]
        columns = [c for t in tables for c in t.columns if self._compared(t.name, c)]
        key = [pa.field(f, INTEGER) for f in (IMAGE_NUMBER, NUMBER)][: 1 if name == IMAGE else 2]
        schema = pa.schema([*key, *(pa.field(c.feature, c.type) for c in columns)])
        try:
            expected = whole(parts, schema, infinite=self._sink.capabilities.infinities)
        except WidthError as error:
            return [*differences[:_COLUMNS], Difference(tables[0].name, "", str(error))]
        if name == IMAGE:
            expected = self._renumbered(expected)
        self._tally(tables, expected)

        def read(features: Sequence[str], some: ImageSets) -> pa.Table:
            rows = pa.Table.from_batches(self._sink.read(name, features, some))
            self._check_types(expected.schema, rows.schema)
            return rows

        for mismatch in dict.fromkeys(mismatches(expected, read, sets)):
            column = self.layout.by_feature.get((name, mismatch.column))
            where = (column.table, column.name) if column else (tables[0].name, "")
            differences.append(Difference(*where, mismatch.what, mismatch.image_sets))
        omitted = len(differences) - _COLUMNS
        if omitted > 0:
            problem = f"{omitted} more columns differ"
            differences[_COLUMNS:] = [Difference(tables[0].name, "", problem, tuple(sets))]
        return differences

    def _check_types(self, expected: pa.Schema, stored: pa.Schema) -> None:
        """Refuses columns that have become wider since this check began.

        Raises:
            SinkError: a load that runs at the same time has changed a table.
        """
        both = set(expected.names) & set(stored.names)
        if any(expected.field(name).type != stored.field(name).type for name in both):
            raise SinkError(
                self._sink.name,
                "a load changed its tables while they were compared",
                "run the command again when the load has ended",
            )

    def _compared(self, table: str, column: Column) -> bool:
        group_number = column.object == IMAGE and column.feature in FEATURES
        return self.has(table, column.name) and not (group_number and self.unfinished)

    def _renumbered(self, expected: pa.Table) -> pa.Table:
        """Replaces the job's group numbers by the numbers in the whole run."""
        numbers = expected[IMAGE_NUMBER].to_numpy()
        for feature in self._groups.new:
            if feature in expected.column_names:
                place = expected.column_names.index(feature)
                values = self._groups.values(feature, numbers).cast(expected.schema.types[place])
                expected = expected.set_column(place, expected.schema.field(place), values)
        return expected

    def _tally(self, tables: Sequence[Table], expected: pa.Table) -> None:
        rows, features = expected.num_rows, set(expected.column_names)
        for table in tables:
            tally = self.tallies.setdefault(table.name, Tally())
            tally.rows += rows
            for column in table.columns:
                if column.feature in features:
                    tally.values += rows
                    tally.null += expected[column.feature].null_count

    def _pairs(self, parts: Sequence[pa.RecordBatch], sets: ImageSets) -> list[Difference]:
        if not self.readable(RELATIONSHIP):
            return []
        table = table_of(RELATIONSHIP, self._prefix)
        expected = pa.Table.from_batches(parts, RELATIONSHIPS)
        tally = self.tallies.setdefault(table, Tally())
        tally.rows += expected.num_rows
        tally.values += expected.num_rows * len(RELATIONSHIPS)
        try:
            # Version 0.1.0 stored CellProfiler 5's name of this kind, Children, as it was.
            read = self._sink.read(RELATIONSHIP, None, sets)
            stored = pa.Table.from_batches(map(children_as_child, read))
        except ChangedError as error:
            return [Difference(table, "", error.problem, tuple(sets))]
        wrong = pair_mismatches(expected, stored.select(RELATIONSHIPS.names))
        return [Difference(table, "", m.what, m.image_sets) for m in wrong]

    def _experiment(
        self, experiment: pa.RecordBatch | None, times: Collection[str] | None
    ) -> list[Difference]:
        """Compares the run's row of Per_Experiment, which comes from the job of the first image
        set. If that job has none, another job may have written it, and nothing is compared. Its
        start is compared only if it is one of these `times` (None: always)."""
        table = f"{self._prefix}Per_Experiment"
        if experiment is None or not self.has(table):
            return []
        (expected,) = experiment.to_pylist()
        try:
            rows = pa.Table.from_batches(self._sink.read(EXPERIMENT)).to_pylist()
        except ChangedError as error:
            return [Difference(table, "", error.problem)]
        if len(rows) != 1:
            return [Difference(table, "", f"must have one row and has {len(rows)}")]
        if "properties" in self._sink.ledger.metadata():
            ages = (entry.age[0] for entry in self._ledger.entries if entry.loaded)
            expected[MODIFIED] = max(ages)
        else:
            # A load that was killed has left the value of the load before.
            del expected[MODIFIED]
        if times is not None and expected[BEGAN] not in times:
            del expected[BEGAN]
        self.tallies[table] = Tally(1, len(expected), list(expected.values()).count(None))
        return [
            Difference(table, column, f"must be {short(value)} and is {short(rows[0][column])}")
            for column, value in expected.items()
            if value != rows[0][column]
        ]
