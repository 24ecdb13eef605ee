"""Compares the ledger's entry of one batch with the batch's own files."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import pyarrow as pa

from cpexport.cellprofiler.features import OBJECT, TEXT
from cpexport.loading.decode import Decoded
from cpexport.loading.lost_features import recorded
from cpexport.loading.missing_features import absent
from cpexport.sinks.base import Sink
from cpexport.sinks.ledger import Count, Entry
from cpexport.sources.base import Batch
from cpexport.tables.layout import Layout, object_of, table_of
from cpexport.verification.diff import Difference, uncertain

_BATCHES, _SETS, _TABLES = "_cpexport_batches", "_cpexport_sets", "_cpexport_tables"
_MEASURED, _FEATURES = "_cpexport_measured", "_cpexport_features"


class LedgerCheck:
    """Compares a batch with its entries in the ledger of a destination."""

    def __init__(self, sink: Sink, layout: Layout, prefix: str) -> None:
        self._sink, self._layout, self._prefix = sink, layout, prefix

    def of_entries(self, batch: Batch, entries: Sequence[Entry]) -> list[Difference]:
        """How the ledger's entries of a batch differ from what its files say."""
        differences = []
        for entry in entries:
            if strange := entry.loaded - batch.complete:
                problem = f"loaded from it, although only {batch.complete} are complete"
                differences.append(Difference(_SETS, "batch_id", problem, tuple(strange)))
            values = {
                "format": (batch.source.format, entry.format),
                "image_sets": (str(batch.image_sets), str(entry.image_sets)),
                "cellprofiler": (batch.version, entry.version),
                "pipeline_sha256": (batch.pipeline, entry.pipeline),
                "finished": (_finished(batch, entry), entry.age[0]),
                "group_tags": (batch.group_tags, entry.group_tags),
            }
            differences += [
                Difference(_BATCHES, column, f"must be {expected!r} and is {stored!r}")
                for column, (expected, stored) in values.items()
                if expected != stored
            ]
            if entry.recorded not in (None, recorded(batch)):
                problem = f"differ from the features of {entry.path}"
                differences.append(Difference(_FEATURES, "digest", problem))
        return differences

    def of_rows(
        self,
        decoded: Decoded,
        entries: Sequence[Entry],
        parts: Mapping[str, Sequence[pa.RecordBatch]],
    ) -> list[Difference]:
        """How the ledger's counts, identities and measurements differ from a batch's rows.

        `parts` are the rows by object type in the destination.
        """
        return [
            *self._counts(decoded, entries, parts),
            *self._identities(decoded),
            *self._measured(decoded, entries),
        ]

    def _counts(
        self,
        decoded: Decoded,
        entries: Sequence[Entry],
        parts: Mapping[str, Sequence[pa.RecordBatch]],
    ) -> Iterator[Difference]:
        """Compares the ledger's counts of a batch's rows and values, if all its image sets are
        still loaded from it."""
        owners = [entry for entry in entries if entry.loaded]
        if len(owners) != 1 or owners[0].loaded != owners[0].complete:
            return
        expected = {table_of(name, self._prefix): count for name, count in decoded.counts.items()}
        for table in sorted(expected.keys() | owners[0].counts.keys()):
            if not self._sink.shape.keeps(object_of(table, self._prefix)):
                continue
            count, stored = expected.get(table, Count(0)), owners[0].counts.get(table, Count(0))
            if count != stored:
                name = object_of(table, self._prefix)
                rows = parts.get(name) or parts.get(OBJECT, [])
                count = self._as_counted(name, count, stored, rows, decoded.types.get(name, {}))
            if count != stored:
                yield Difference(_TABLES, table, f"must be {count} and is {stored}")

    def _as_counted(
        self,
        name: str,
        count: Count,
        stored: Count,
        rows: Sequence[pa.RecordBatch],
        types: Mapping[str, pa.DataType],
    ) -> Count:
        """Returns a count as it may have been when the batch was loaded, before the layout grew.

        A later column did not exist then, so its values were not missing; and a column that is text
        now may have been numbers.
        """
        count = self._with_infinities_of_text(name, count, stored)
        less, more = uncertain(rows)
        features = self._sink.shape.unshaped(self._layout.features)
        more += count.rows * absent(name, features, types, widened=True)
        if -less <= stored.missing - count.missing <= more:
            return replace(count, missing=stored.missing)
        return count

    def _with_infinities_of_text(self, name: str, count: Count, stored: Count) -> Count:
        """Adds to a count the infinities in columns that were numbers when they were counted, and
        are text now. `stored` is the ledger's count."""
        features = self._sink.shape.unshaped(self._layout.features).get(name, {})
        numbers = {
            feature: infinities
            for feature, infinities in stored.infinite_columns.items()
            if feature not in count.infinite_columns and features.get(feature) == TEXT
        }
        columns = dict(count.infinite_columns) | numbers
        return replace(count, infinite=sum(columns.values()), infinite_columns=columns)

    def _identities(self, decoded: Decoded) -> Iterator[Difference]:
        identities = self._sink.ledger.identities(decoded.image_sets)
        stored = dict(zip(identities.numbers.tolist(), identities.texts(), strict=True))
        wrong: dict[int, str] = {}
        for number, expected, plain in zip(
            decoded.identities.numbers.tolist(),
            decoded.identities.texts(),
            # Version 0.1.0 stored only this.
            decoded.identities.plain().texts(),
            strict=True,
        ):
            if stored.get(number) not in (expected, plain):
                wrong[number] = expected
        if wrong:
            first = min(wrong)
            problem = f"image set {first} must be {wrong[first]} and is {stored.get(first)}"
            yield Difference(_SETS, "identity", problem, tuple(wrong))

    def _measured(self, decoded: Decoded, entries: Sequence[Entry]) -> Iterator[Difference]:
        """Compares what jobs measured of their whole runs."""
        expected = {name: repr(value) for name, value in decoded.measured.items()}
        for entry in entries:
            stored = {name: repr(value) for name, value in entry.measured.items()}
            if not entry.measured_kept:
                if expected and entry.loaded:
                    named = ", ".join(sorted(expected))
                    problem = (
                        f"{named}: a measurement of the whole job, which version 0.1.0 did "
                        "not store; to get it, load the outputs into a new destination"
                    )
                    yield Difference(_MEASURED, "value", problem)
                continue
            for name in sorted(expected.keys() | stored.keys()):
                if expected.get(name) != stored.get(name):
                    problem = f"{name} must be {expected.get(name)} and is {stored.get(name)}"
                    yield Difference(_MEASURED, "value", problem)


def shares_times(batch: Batch) -> bool:
    """Whether the jobs of a folder share the file that says when they ran. The job that began last
    wrote it, perhaps after the others were loaded."""
    return batch.source.format == "sqlcsv"


def _finished(batch: Batch, entry: Entry) -> str:
    """When a job ended; the ledger's value if its files do not say so, or no longer."""
    touched = shares_times(batch) and batch.signature != entry.signature
    return entry.age[0] if touched else batch.finished or entry.age[0]
