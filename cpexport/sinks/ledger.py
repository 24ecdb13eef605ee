"""The ledger: a destination's own record of the batches that it holds, and how much of each."""

import hashlib
import json
from bisect import bisect_left
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Self

import pyarrow as pa

from cpexport.cellprofiler.pipeline_use import PipelineUse, pipelines_used
from cpexport.imagesets import NONE, ImageSets, union


@dataclass(frozen=True)
class Count:
    """What a batch added to one table: rows, and values that are not finite numbers.

    `missing` counts NaN and absent values in columns of numbers, `infinite` both infinities.
    `infinite_columns` counts infinities by column, since a destination may store them as NULL.
    """

    rows: int
    missing: int = 0
    infinite: int = 0
    infinite_columns: Mapping[str, int] = field(default_factory=dict)

    def __add__(self, other: "Count") -> "Count":
        """The sum of two counts for the same table."""
        columns = Counter(self.infinite_columns) + Counter(other.infinite_columns)
        return Count(
            self.rows + other.rows,
            self.missing + other.missing,
            self.infinite + other.infinite,
            dict(columns),
        )


@dataclass(frozen=True)
class RecordedFeatures:
    """The features that an output has columns for, also those without any value.

    features: sorted, by object type.
    counted_none: the object types that the images count none of, and that have no table.
    """

    features: Mapping[str, tuple[str, ...]]
    counted_none: frozenset[str] = frozenset()

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The features that `as_json` wrote."""
        stored = json.loads(text)
        features = {name: tuple(names) for name, names in stored["features"].items()}
        return cls(features, frozenset(stored["counted_none"]))

    def as_json(self) -> str:
        none = sorted(self.counted_none)
        stored = {"features": self.features, "counted_none": none}
        return json.dumps(stored, sort_keys=True, separators=(",", ":"))

    @property
    def digest(self) -> str:
        """Differs if the features do: 64 hexadecimal digits."""
        return hashlib.sha3_256(self.as_json().encode()).hexdigest()


@dataclass(frozen=True)
class Entry:
    """One batch in the ledger.

    path: as the user gave it.
    signature: changes when the batch's files are touched.
    fingerprint: changes when their content does; empty if the batch must be loaded again.
    image_sets: the image sets that the job was to run.
    complete: the image sets that it completed.
    loaded: the complete image sets that the destination has from this batch now; fewer once a newer
        batch has replaced some.
    rejected: image sets of the batch whose images differ from the batch file's, or that are not in
        the batch file.
    group_tags: the features by which the job was grouped; None if unknown.
    age: sorts batches from the oldest to the newest.
    time: when it was loaded, UTC, ISO 8601.
    measured: the job's measurements of its whole run: numbers by feature, NaN for a missing one.
    measured_kept: False if version 0.1.0 loaded the batch, which did not keep `measured`.
    replaced: the number of image sets that each newer batch replaced, by that batch's signature.
    recorded: the features that the output had when it was loaded; None if version 0.1.0 loaded it.
    key: the features that identify image sets, if the job counts its own from 1. `numbers` has the
        number of each of `loaded` by its key. Reading the ledger gives neither.
    removed: the image sets of `complete` that a user removed and that are not back; only
        `LedgerStore.removed` gives them.
    """

    path: str
    format: str
    signature: str
    fingerprint: str
    image_sets: ImageSets
    complete: ImageSets
    loaded: ImageSets
    rejected: ImageSets
    group_tags: tuple[str, ...] | None
    state: str
    reason: str
    age: tuple[str, int]
    version: str | None
    pipeline: str | None
    time: str
    cpexport: str
    counts: Mapping[str, Count] = field(default_factory=dict)
    measured: Mapping[str, float] = field(default_factory=dict)
    measured_kept: bool = True
    replaced: Mapping[str, int] = field(default_factory=dict)
    recorded: RecordedFeatures | None = None
    key: tuple[str, ...] = ()
    numbers: Mapping[str, int] = field(default_factory=dict)
    removed: ImageSets = NONE


@dataclass(frozen=True)
class History:
    """The batches in a ledger.

    batches: how many there are.
    current: how many own image sets.
    replaced: how many completed image sets, and own none any more as others have replaced them.
    removed: how many own none any more as a user removed some.
    versions: how many each version of cpexport wrote.
    first, last: when the first and the last one were loaded, UTC, ISO 8601; empty without any.
    """

    batches: int = 0
    current: int = 0
    replaced: int = 0
    removed: int = 0
    versions: Mapping[str, int] = field(default_factory=dict)
    first: str = ""
    last: str = ""


@dataclass(frozen=True)
class Ledger:
    """All entries of one destination and prefix; they can lie on disk."""

    entries: Sequence[Entry] = ()

    @cached_property
    def by_signature(self) -> Mapping[str, Entry]:
        return {entry.signature: entry for entry in self.entries if entry.fingerprint}

    @cached_property
    def settled(self) -> frozenset[str]:
        """The signatures of batches that need not be read again. An incomplete batch does: another
        batch may have loaded a different image under the number of an image set that this one
        lacks, and only its files can tell."""
        return frozenset(
            signature
            for signature, entry in self.by_signature.items()
            if entry.image_sets == entry.complete
        )

    def settled_among(self, signatures: Collection[str]) -> frozenset[str]:
        """Those of the signatures that are `settled`."""
        return self.settled.intersection(signatures)

    def settled_signatures(self) -> Iterator[pa.Array]:
        """All of `settled`."""
        yield pa.array(self.settled, pa.string())

    @cached_property
    def loaded(self) -> ImageSets:
        """The image sets that the destination holds."""
        return union(entry.loaded for entry in self.entries)

    @cached_property
    def pipelines(self) -> tuple[PipelineUse, ...]:
        """The pipelines that made what the destination holds."""
        return pipelines_used(
            PipelineUse(entry.pipeline, entry.version, 1, entry.loaded) for entry in self.entries
        )

    @cached_property
    def _owned(self) -> list[tuple[int, int, int]]:
        """The last and first number of each range of image sets, and the index of its entry."""
        return sorted(
            (last, first, place)
            for place, entry in enumerate(self.entries)
            for first, last in entry.loaded.ranges
        )

    def holding(self, image_sets: ImageSets) -> tuple[Entry, ...]:
        """The entries from which the destination has some of these image sets, each with only those
        in `loaded`. The time it takes grows with `image_sets`, not with the whole ledger."""
        ranges_by_entry: dict[int, list[tuple[int, int]]] = {}
        for first, last in image_sets.ranges:
            at = bisect_left(self._owned, (first, 0, 0))
            while at < len(self._owned) and self._owned[at][1] <= last:
                end, begin, place = self._owned[at]
                ranges_by_entry.setdefault(place, []).append((max(first, begin), min(last, end)))
                at += 1
        return tuple(
            replace(self.entries[place], loaded=ImageSets.from_ranges(ranges))
            for place, ranges in ranges_by_entry.items()
        )

    @cached_property
    def csv_tables(self) -> Mapping[str | None, frozenset[str]]:
        """The tables that batches of CSV files had, by pipeline."""
        tables: dict[str | None, frozenset[str]] = {}
        for entry in self.entries:
            if entry.format == "spreadsheet":
                tables[entry.pipeline] = tables.get(entry.pipeline, frozenset()).union(entry.counts)
        return tables
