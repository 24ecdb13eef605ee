"""Which features each batch lacks that other batches have, by pipeline: `check --columns`."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cpexport.cellprofiler.column_order import is_aggregate
from cpexport.cellprofiler.features import NOT_OBJECTS, NUMBER, SOURCE_NUMBER, is_column
from cpexport.loading.lost_features import counted_none
from cpexport.sinks.ledger import Entry
from cpexport.sources.base import Batch

Names = Mapping[str, Collection[str]]
"""The features of each object type."""


@dataclass(frozen=True)
class Columns:
    """The features of one batch.

    pipeline: the digest of its pipeline; None if it is unknown.
    without: object types without a table, because the batch has no such objects.
    """

    path: str
    pipeline: str | None
    features: Names
    without: Collection[str] = ()


@dataclass(frozen=True)
class ColumnGap:
    """Batches of one pipeline that lack the same features of an object type.

    features: those features; empty if the batches lack the whole table.
    batches: the paths of the batches.
    of: how many batches of this pipeline there are.
    """

    object: str
    features: tuple[str, ...]
    pipeline: str | None
    batches: tuple[str, ...]
    of: int

    def to_dict(self) -> dict[str, Any]:
        """The gap as JSON reports have it."""
        return {
            "object": self.object,
            "features": list(self.features),
            "pipeline": self.pipeline,
            "batches": list(self.batches),
            "of": self.of,
        }


def gaps(batches: Iterable[Columns]) -> tuple[ColumnGap, ...]:
    """Returns what batches lack that others have, in order of object type and of first batch.

    Aggregates do not count: a load makes them.
    """
    listed = list(batches)
    every: dict[str, set[str]] = {}
    objects = {name for one in listed for name in one.features} - NOT_OBJECTS
    seen: set[int] = set()
    for one in listed:
        # Batches with equal features mostly share one mapping of them.
        if id(one.features) not in seen:
            seen.add(id(one.features))
            for name, features in one.features.items():
                every.setdefault(name, set()).update(_own(features, objects))
    places: dict[str | None, int] = {}
    of: dict[str | None, int] = {}
    found: dict[tuple[str, int, tuple[str, ...]], list[Columns]] = {}
    lacked: dict[int, list[tuple[str, tuple[str, ...]]]] = {}
    for one in listed:
        place = places.setdefault(one.pipeline, len(places))
        of[one.pipeline] = of.get(one.pipeline, 0) + 1
        if id(one.features) not in lacked:
            lacked[id(one.features)] = list(_lacked(one.features, every))
        for name, missing in lacked[id(one.features)]:
            if missing or name not in one.without:
                found.setdefault((name, place, missing), []).append(one)
    return tuple(
        ColumnGap(
            name, missing, some[0].pipeline, tuple(b.path for b in some), of[some[0].pipeline]
        )
        for (name, _, missing), some in sorted(found.items(), key=lambda item: item[0][:2])
    )


def of_batches(batches: Iterable[Batch]) -> Iterator[Columns]:
    """The features of batches with a complete image set."""
    for batch in batches:
        if batch.complete:
            path = str(batch.source.path)
            yield Columns(path, batch.pipeline, batch.features, counted_none(batch))


def of_entries(entries: Iterable[Entry]) -> Iterator[Columns]:
    """The features of the batches that a destination holds, except those that version 0.1.0 loaded,
    which did not record them."""
    for entry in entries:
        if entry.loaded and (recorded := entry.recorded):
            yield Columns(entry.path, entry.pipeline, recorded.features, recorded.counted_none)


def _own(features: Collection[str], objects: Collection[str]) -> Iterator[str]:
    for feature in features:
        # A destination has the numbers of objects, and those that jobs gave image sets.
        has_value = feature not in (NUMBER, SOURCE_NUMBER) and is_column(feature)
        if has_value and not is_aggregate(feature, objects):
            yield feature


def _lacked(features: Names, every: Names) -> Iterator[tuple[str, tuple[str, ...]]]:
    for name, wanted in every.items():
        own = features.get(name)
        if own is None:
            yield name, ()
        elif missing := sorted(set(wanted) - set(own)):
            yield name, tuple(missing)
