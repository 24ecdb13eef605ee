"""The ledger: a destination's own record of which batches it holds, and what of each."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from cpexport.imagesets import ImageSets


@dataclass(frozen=True)
class Count:
    """What a batch brought to one table: rows, and values that are not finite numbers.

    `missing` counts NaN and absent values in columns of numbers, `infinite` both infinities;
    `infinite_columns` says which columns those were in, as the destination cannot.
    """

    rows: int
    missing: int = 0
    infinite: int = 0
    infinite_columns: Mapping[str, int] = field(default_factory=dict)

    def __add__(self, other: "Count") -> "Count":
        """What both brought together, to the same table."""
        columns = Counter(self.infinite_columns) + Counter(other.infinite_columns)
        return Count(
            self.rows + other.rows,
            self.missing + other.missing,
            self.infinite + other.infinite,
            dict(columns),
        )


@dataclass(frozen=True)
class Entry:
    """One batch in the ledger.

    `path` is as it was given, `signature` tells whether its files were touched since, `fingerprint`
    their content. `image_sets` is what the job was to run, `complete` what was complete of it, and
    `loaded` what of that is now in the destination from this batch: less where a newer batch has
    replaced some. `refused` are image sets of it that are other pictures than the batch file's, or
    not in it. `group_tags` are the features by which the job was grouped, None if unknown. `age`
    sorts batches from the oldest to the newest. `time` is UTC, ISO 8601. `measured` is what it says
    of all that the job ran: numbers by feature, NaN where it found none; `measured_kept`
    is False where version 0.1.0 loaded it, which did not keep that. `replaced` are batches by
    signature that took its place, and in how many image sets.
    """

    path: str
    format: str
    signature: str
    fingerprint: str
    image_sets: ImageSets
    complete: ImageSets
    loaded: ImageSets
    refused: ImageSets
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


@dataclass(frozen=True)
class Ledger:
    """All entries of one destination and prefix."""

    entries: tuple[Entry, ...] = ()

    def unknown(self) -> "Ledger":
        """The same, with no batch that is known again."""
        return Ledger(tuple(replace(entry, fingerprint="") for entry in self.entries))

    @cached_property
    def by_signature(self) -> Mapping[str, Entry]:
        return {entry.signature: entry for entry in self.entries if entry.fingerprint}

    @cached_property
    def settled(self) -> frozenset[str]:
        """The signatures of batches that need not be looked at again. What a batch lacked may be
        there under its number as another picture, which only its files tell."""
        return frozenset(
            signature
            for signature, entry in self.by_signature.items()
            if entry.image_sets == entry.complete
        )

    @cached_property
    def by_fingerprint(self) -> Mapping[str, Entry]:
        """The entries by content; of several the one from which the most is loaded."""
        by_loaded = sorted(self.entries, key=lambda entry: len(entry.loaded))
        return {entry.fingerprint: entry for entry in by_loaded}

    @cached_property
    def loaded(self) -> ImageSets:
        """The image sets that the destination holds."""
        ranges = [r for entry in self.entries for r in entry.loaded.ranges]
        return ImageSets.from_ranges(ranges)

    @cached_property
    def _owned(self) -> list[tuple[int, int, int]]:
        """Ranges of image sets, last and first, and the place of the entry that they are of."""
        return sorted(
            (last, first, place)
            for place, entry in enumerate(self.entries)
            for first, last in entry.loaded.ranges
        )

    def holding(self, image_sets: ImageSets) -> tuple[Entry, ...]:
        """The entries from which the destination has some of these image sets, each with only
        those as `loaded`. Takes time by how many they are, and not by how many there are."""
        found: dict[int, list[tuple[int, int]]] = {}
        for first, last in image_sets.ranges:
            at = bisect_left(self._owned, (first, 0, 0))
            while at < len(self._owned) and self._owned[at][1] <= last:
                end, begin, place = self._owned[at]
                found.setdefault(place, []).append((max(first, begin), min(last, end)))
                at += 1
        return tuple(
            replace(self.entries[place], loaded=ImageSets.from_ranges(ranges))
            for place, ranges in found.items()
        )

    @cached_property
    def csv_tables(self) -> Mapping[str | None, frozenset[str]]:
        """The tables that batches of CSV files had, by the pipeline that made them."""
        found: dict[str | None, frozenset[str]] = {}
        for entry in self.entries:
            if entry.format == "spreadsheet":
                found[entry.pipeline] = found.get(entry.pipeline, frozenset()).union(entry.counts)
        return found
