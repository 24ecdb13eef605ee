"""What a destination holds of a batch, compared with what it must hold."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace

import pyarrow as pa

from cpexport.batch import Batch
from cpexport.batchfile import BatchFile
from cpexport.comparison import (
    Difference,
    Tally,
    mismatches,
    nulls,
    pair_mismatches,
    short,
    uncertain,
    whole,
)
from cpexport.decode import Decoded
from cpexport.errors import ChangedError, WidthError
from cpexport.experiment import BEGAN, MODIFIED
from cpexport.features import (
    EXPERIMENT,
    IMAGE,
    IMAGE_NUMBER,
    INTEGER,
    NUMBER,
    OBJECT,
    RELATIONSHIP,
    TEXT,
    is_column,
)
from cpexport.groups import FEATURES
from cpexport.imagesets import ImageSets
from cpexport.lacking import absent
from cpexport.ledger import Count, Entry, Ledger
from cpexport.numbering import agrees, as_noted, groups_of_run
from cpexport.sinks import Sink
from cpexport.sinks.schema import names
from cpexport.tables import RELATIONSHIPS, Column, Table, children_as_child, object_of, table_of

_COLUMNS = 20
_BATCHES, _SETS, _TABLES = "_cpexport_batches", "_cpexport_sets", "_cpexport_tables"
_MEASURED = "_cpexport_measured"


class Witness:
    """Reads a destination batch by batch, and tells where it differs.

    `structure` are tables and columns that are not there, which then are not read; `unfinished`
    says what of the whole run could not be compared, and why. `tallies` grow with every batch.
    """

    def __init__(self, sink: Sink, ledger: Ledger, plan: BatchFile | None, prefix: str) -> None:
        self._sink, self._ledger, self._prefix = sink, ledger, prefix
        self.name, self.layout, self.there = sink.name, sink.layout(), sink.tables()
        self.tallies: dict[str, Tally] = {}
        self.structure = list(self._missing())
        self._gone = {(d.table, d.column) for d in self.structure}
        self._groups = as_noted(sink, groups_of_run(sink, plan))
        self.unfinished = ""
        if not agrees(sink, self._groups):
            self.unfinished = "groups are numbered as with another batch file; name it with --batch"
            if "groups" not in sink.settings():
                self.unfinished = "the last load did not come to its end; run cpexport load"

    def has(self, table: str, column: str = "") -> bool:
        """Whether a table, or a column of it, can be read."""
        return (table, "") not in self._gone and (table, column) not in self._gone

    def readable(self, object_name: str) -> bool:
        """Whether the table of an object type can be read, its key at least."""
        if object_name == RELATIONSHIP:
            return all(self.has(f"{self._prefix}Per_Relationship{end}") for end in ("s", "Types"))
        return all(
            self.has(part.name) and all(self.has(part.name, key) for key in part.key)
            for part in self.layout.parts(object_name)
        )

    def of_ledger(self, batch: Batch, entries: Sequence[Entry]) -> list[Difference]:
        """How the ledger's entries of a batch differ from what its files say themselves."""
        found = []
        for entry in entries:
            if strange := entry.loaded - batch.complete:
                said = f"loaded from it, where complete are only {batch.complete}"
                found.append(Difference(_SETS, "batch_id", said, tuple(strange)))
            must = {
                "format": (batch.source.format, entry.format),
                "image_sets": (str(batch.image_sets), str(entry.image_sets)),
                "cellprofiler": (batch.version, entry.version),
                "pipeline_sha256": (batch.pipeline, entry.pipeline),
                "finished": (_finished(batch, entry), entry.age[0]),
                "group_tags": (batch.group_tags, entry.group_tags),
            }
            found += [
                Difference(_BATCHES, column, f"must be {expected!r} and is {there!r}")
                for column, (expected, there) in must.items()
                if expected != there
            ]
        return found

    def of_batch(
        self, batch: Batch, decoded: Decoded, entries: Sequence[Entry]
    ) -> list[Difference]:
        """How what is there of a batch differs from its rows."""
        sets = decoded.image_sets
        parts: dict[str, list[pa.RecordBatch]] = {}
        for name, rows in decoded.rows():
            parts.setdefault(name, []).extend(rows)
        said = parts.pop(EXPERIMENT, None)
        pairs = parts.pop(RELATIONSHIP, [])
        found = [*self._counts(decoded, entries, parts), *self._pictures(decoded)]
        found += self._measured(decoded, entries)
        for name in sorted(self.layout.objects | parts.keys(), key=lambda n: (n != IMAGE, n)):
            found += self._rows(name, parts.get(name, []), sets)
        found += self._pairs(pairs, sets)
        if self._ledger.loaded.first in sets:
            times = {entry.age[0] for entry in entries} if _shares_times(batch) else None
            found += self._experiment(said[0] if said else None, times)
        return found

    def _missing(self) -> Iterator[Difference]:
        for name in names(self.layout, self._prefix):
            if name not in self.there:
                yield Difference(name, "", "is not there")
        for table in self.layout.tables.values():
            if table.name in self.there:
                for column in (*table.key, *(column.name for column in table.columns)):
                    if column not in self.there[table.name].columns:
                        yield Difference(table.name, column, "is not there")

    def _counts(
        self,
        decoded: Decoded,
        entries: Sequence[Entry],
        parts: Mapping[str, Sequence[pa.RecordBatch]],
    ) -> Iterator[Difference]:
        """The ledger's own counts of what a batch brought, where it still has all of that."""
        owners = [entry for entry in entries if entry.loaded]
        if len(owners) != 1 or owners[0].loaded != owners[0].complete:
            return
        must = {table_of(name, self._prefix): count for name, count in decoded.counts.items()}
        for table in sorted(must.keys() | owners[0].counts.keys()):
            if not self._sink.shape.keeps(object_of(table, self._prefix)):
                continue
            count, there = (of.get(table, Count(0)) for of in (must, owners[0].counts))
            if count != there:
                name = object_of(table, self._prefix)
                count = self._as_counted(name, count, there)
                less, more = uncertain(parts.get(name) or parts.get(OBJECT, []))
                # A column that came later was not missing when this was counted, and one that is
                # text now can have been of numbers.
                features = self._sink.shape.unshaped(self.layout.features)
                came = decoded.types.get(name, {})
                more += count.rows * absent(name, features, came, widened=True)
                if -less <= there.missing - count.missing <= more:
                    count = replace(count, missing=there.missing)
            if count != there:
                yield Difference(_TABLES, table, f"must be {count} and is {there}")

    def _measured(self, decoded: Decoded, entries: Sequence[Entry]) -> Iterator[Difference]:
        """What jobs measured of all that they ran."""
        must = {name: repr(value) for name, value in decoded.measured.items()}
        for entry in entries:
            there = {name: repr(value) for name, value in entry.measured.items()}
            if not entry.measured_kept:
                if must and entry.loaded:
                    named = ", ".join(sorted(must))
                    said = (
                        f"{named}: measured by the job of all that it ran, which version 0.1.0 did "
                        "not keep; load its outputs into a new destination to have it"
                    )
                    yield Difference(_MEASURED, "value", said)
                continue
            for name in sorted(must.keys() | there.keys()):
                if must.get(name) != there.get(name):
                    said = f"{name} must be {must.get(name)} and is {there.get(name)}"
                    yield Difference(_MEASURED, "value", said)

    def _as_counted(self, name: str, count: Count, there: Count) -> Count:
        """A count with the infinities of columns that were numbers when they were counted, and are
        text since."""
        features = self._sink.shape.unshaped(self.layout.features).get(name, {})
        numbers = {
            feature: many
            for feature, many in there.infinite_columns.items()
            if feature not in count.infinite_columns and features.get(feature) == TEXT
        }
        columns = dict(count.infinite_columns) | numbers
        return replace(count, infinite=sum(columns.values()), infinite_columns=columns)

    def _pictures(self, decoded: Decoded) -> Iterator[Difference]:
        pictures = self._sink.pictures(decoded.image_sets)
        there = dict(zip(pictures.numbers.tolist(), pictures.identities(), strict=True))
        wrong: dict[int, str] = {}
        for number, must, plain in zip(
            decoded.pictures.numbers.tolist(),
            decoded.pictures.identities(),
            # Version 0.1.0 knew no more.
            decoded.pictures.plain().identities(),
            strict=True,
        ):
            if there.get(number) not in (must, plain):
                wrong[number] = must
        if wrong:
            first = min(wrong)
            said = f"image set {first} must be {wrong[first]} and is {there.get(first)}"
            yield Difference(_SETS, "identity", said, tuple(wrong))

    def _rows(
        self, name: str, parts: Sequence[pa.RecordBatch], sets: ImageSets
    ) -> list[Difference]:
        tables = self.layout.parts(name)
        strange = {f for rows in parts for f in rows.schema.names if is_column(f) and f != NUMBER}
        found = [
            Difference(table_of(name, self._prefix), feature, "has no column in _cpexport_columns")
            for feature in sorted(strange)
            if (name, feature) not in self.layout.by_feature
        ]
        if not tables or not self.readable(name):
            return found[:_COLUMNS]
        columns = [c for t in tables for c in t.columns if self._compared(t.name, c)]
        key = [pa.field(f, INTEGER) for f in (IMAGE_NUMBER, NUMBER)][: 1 if name == IMAGE else 2]
        schema = pa.schema([*key, *(pa.field(c.feature, c.type) for c in columns)])
        try:
            expected = whole(parts, schema, infinite=self._sink.infinite)
        except WidthError as error:
            return [*found[:_COLUMNS], Difference(tables[0].name, "", str(error))]
        if name == IMAGE:
            expected = self._renumbered(expected)
        self._tally(tables, expected)

        def read(features: Sequence[str], some: ImageSets) -> pa.Table:
            return pa.Table.from_batches(self._sink.read(name, features, some))

        for mismatch in dict.fromkeys(mismatches(expected, read, sets)):
            column = self.layout.by_feature.get((name, mismatch.column))
            where = (column.table, column.name) if column else (tables[0].name, "")
            found.append(Difference(*where, mismatch.what, mismatch.image_sets))
        more = len(found) - _COLUMNS
        if more > 0:
            said = f"{more} more columns differ"
            found[_COLUMNS:] = [Difference(tables[0].name, "", said, tuple(sets))]
        return found

    def _compared(self, table: str, column: Column) -> bool:
        mine = column.object == IMAGE and column.feature in FEATURES
        return self.has(table, column.name) and not (mine and self.unfinished)

    def _renumbered(self, expected: pa.Table) -> pa.Table:
        """Group numbers as they are over the whole run."""
        numbers = expected[IMAGE_NUMBER].to_numpy()
        for feature in self._groups.new:
            if feature in expected.column_names:
                place = expected.column_names.index(feature)
                values = self._groups.values(feature, numbers).cast(expected.schema.types[place])
                expected = expected.set_column(place, expected.schema.field(place), values)
        return expected

    def _tally(self, tables: Sequence[Table], expected: pa.Table) -> None:
        rows, there = expected.num_rows, set(expected.column_names)
        for table in tables:
            tally = self.tallies.setdefault(table.name, Tally())
            tally.rows += rows
            for column in table.columns:
                if column.feature in there:
                    tally.values += rows
                    tally.null += nulls(expected[column.feature])

    def _pairs(self, parts: Sequence[pa.RecordBatch], sets: ImageSets) -> list[Difference]:
        if not self.readable(RELATIONSHIP):
            return []
        table = table_of(RELATIONSHIP, self._prefix)
        expected = pa.Table.from_batches(parts, RELATIONSHIPS)
        tally = self.tallies.setdefault(table, Tally())
        tally.rows += expected.num_rows
        tally.values += expected.num_rows * len(RELATIONSHIPS)
        try:
            # Version 0.1.0 kept what CellProfiler 5 calls children.
            read = self._sink.read(RELATIONSHIP, None, sets)
            there = pa.Table.from_batches(map(children_as_child, read))
        except ChangedError as error:
            return [Difference(table, "", error.problem, tuple(sets))]
        found = pair_mismatches(expected, there.select(RELATIONSHIPS.names))
        return [Difference(table, "", m.what, m.image_sets) for m in found]

    def _experiment(
        self, said: pa.RecordBatch | None, times: Collection[str] | None
    ) -> list[Difference]:
        """The row of the run, which the job of the first image set wrote; if that says nothing of
        it, another one may have. When it ran is compared only if it is one of these `times`."""
        table = f"{self._prefix}Per_Experiment"
        if said is None or not self.has(table):
            return []
        (must,) = said.to_pylist()
        try:
            rows = pa.Table.from_batches(self._sink.read(EXPERIMENT)).to_pylist()
        except ChangedError as error:
            return [Difference(table, "", error.problem)]
        if len(rows) != 1:
            return [Difference(table, "", f"must have one row and has {len(rows)}")]
        if "properties" in self._sink.settings():
            ages = [entry.age[0] for entry in self._ledger.entries if entry.loaded]
            must[MODIFIED] = max(ages)
        else:
            # A load that was killed left it as the load before had it.
            del must[MODIFIED]
        if times is not None and must[BEGAN] not in times:
            del must[BEGAN]
        self.tallies[table] = Tally(1, len(must), list(must.values()).count(None))
        return [
            Difference(table, column, f"must be {short(value)} and is {short(rows[0][column])}")
            for column, value in must.items()
            if value != rows[0][column]
        ]


def _shares_times(batch: Batch) -> bool:
    """Whether the jobs of a folder share the file that says when they ran: the last one that began
    has written it, and it may have said something else when they were loaded."""
    return batch.source.format == "sqlcsv"


def _finished(batch: Batch, entry: Entry) -> str:
    """When a job ended, or what the ledger has where its files do not tell, or not any more."""
    touched = _shares_times(batch) and batch.signature != entry.signature
    return entry.age[0] if touched else batch.finished or entry.age[0]
