"""Finds features and object types that some batches of a run have and others lack."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from cpexport.cellprofiler.column_order import is_aggregate
from cpexport.cellprofiler.features import (
    IMAGE,
    IMAGE_NUMBER,
    NOT_OBJECTS,
    NUMBER,
    TEXT,
    is_column,
    promised_type,
)
from cpexport.errors import LeftOut
from cpexport.sources.base import Batch
from cpexport.tables.layout import Features, joined

# How many features and how many sentences are shown if batches differ in many ways.
_SHOWN, _SENTENCES = 3, 10


@dataclass(frozen=True)
class Lacking:
    """Batches that lack features of an object type which other batches have.

    features: if there are none, the batches lack the whole table.
    first: the path of one of the batches.
    batches: how many there are.
    """

    object: str
    features: tuple[str, ...]
    first: str
    batches: int

    def __str__(self) -> str:
        first, several = self.first, self.batches > 1
        who = f"{self.batches} batches lack" if several else f"{first} lacks"
        like = f" (such as {first})" if several else ""
        if not self.features:
            return f"{who} the table of {self.object} that other batches have{like}"
        listed = ", ".join(self.features[:_SHOWN])
        listed += ", ..." if len(self.features) > _SHOWN else ""
        plural = "s" if len(self.features) > 1 else ""
        return (
            f"{who} {len(self.features)} feature{plural} of {self.object} that other batches "
            f"have: {listed}; stored as NULL{like}"
        )


@dataclass
class _Alike:
    """Batches with equal features: the path of the first, and how many there are."""

    features: Features
    first: str
    batches: int = 0


def unloaded(
    batches: Iterable[Batch], others: Iterable[Batch], known: Iterable[str] = ()
) -> tuple[LeftOut, ...]:
    """Returns batches without any complete image set that have object types no other batch has.

    Their image sets may be complete in other batches, so no other check reports these tables.
    `known` are object types that are loaded already or not wanted.
    """
    candidates = [batch for batch in batches if not batch.complete and batch.features]
    if not candidates:
        return ()
    loaded: set[str] = set()
    counted: set[str] = set()
    lacked: set[str] = set()
    for batch in others:
        lacked.update(name for name, sets in batch.missing_tables.items() if sets)
        if batch.complete:
            loaded |= batch.features.keys()
            counted.update(_counted(batch))
    loaded |= (counted - lacked) | NOT_OBJECTS | set(known)
    left_out = []
    for batch in candidates:
        if types := batch.features.keys() - loaded:
            what = f"no other output has {', '.join(sorted(types))}"
            reason = f"{batch.reason}; {what}" if batch.reason else what
            left_out.append(LeftOut(str(batch.source.path), reason))
    return tuple(left_out)


def _counted(batch: Batch) -> Iterator[str]:
    """The object types that a batch counts. It has all rows of them, or found no such objects,
    unless they are in `missing_tables`."""
    for feature in batch.features.get(IMAGE, {}):
        name = feature.removeprefix("Count_")
        if name != feature:
            yield name


def lacking(
    batches: Iterable[Batch],
    keeps: Callable[[str], bool] = lambda name: True,
    loaded: Features | None = None,
    keeps_feature: Callable[[str, str], bool] = lambda name, feature: True,
) -> tuple[Lacking, ...]:
    """Returns what batches lack that other batches have, in the object types and features that one
    keeps.

    `loaded` are the features of earlier batches. Only batches with a complete image set count.
    Batches with equal features share one mapping of them (`survey`), so they are compared together.
    """
    complete = ((str(batch.source.path), batch.features) for batch in batches if batch.complete)
    return compared(complete, keeps, loaded, keeps_feature)


def compared(
    outputs: Iterable[tuple[str, Features]],
    keeps: Callable[[str], bool] = lambda name: True,
    loaded: Features | None = None,
    keeps_feature: Callable[[str, str], bool] = lambda name, feature: True,
) -> tuple[Lacking, ...]:
    """Returns what outputs, each with its path and its features, lack that others have; see
    `lacking`."""
    loaded = loaded or {}
    groups: dict[int, _Alike] = {}
    for path, features in outputs:
        groups.setdefault(id(features), _Alike(features, path)).batches += 1
    if len(groups) + bool(loaded) < 2:
        return ()
    objects = loaded.keys() - NOT_OBJECTS
    wanted_by_type = {
        name: {
            f
            for f in types
            # A destination has the numbers of objects even if an output has only `ObjectNumber`.
            if f != NUMBER
            and is_column(f)
            and not is_aggregate(f, objects)
            and keeps_feature(name, f)
        }
        for name, types in joined([*(group.features for group in groups.values()), loaded]).items()
        if keeps(name)
    }
    gaps: dict[tuple[str, tuple[str, ...]], list[_Alike]] = {}
    for group in groups.values():
        for name, wanted in wanted_by_type.items():
            own = group.features.get(name)
            if own is None:
                gaps.setdefault((name, ()), []).append(group)
            elif missing := sorted(wanted - own.keys()):
                gaps.setdefault((name, tuple(missing)), []).append(group)
    return tuple(
        Lacking(name, types, some[0].first, sum(group.batches for group in some))
        for (name, types), some in gaps.items()
    )


def sentences(found: Sequence[Lacking]) -> tuple[str, ...]:
    """Describes the gaps for the user in a limited number of lines, the most common gaps first."""
    by_batches = sorted(found, key=lambda gap: -gap.batches)
    lines = [str(gap) for gap in by_batches[:_SENTENCES]]
    if more := len(by_batches) - len(lines):
        lines.append(f"{more} more such differences between batches")
    return tuple(lines)


def absent(
    name: str, wanted: Features, came: Mapping[str, object], *, widened: bool = False
) -> int:
    """Counts the numeric columns for the features `wanted` of an object type that get no values
    from rows with the features `came`.

    With `widened`, text columns that may have been numeric before count as well.
    """
    objects = wanted.keys() - NOT_OBJECTS
    return sum(
        (type != TEXT or (widened and promised_type(name, feature) != TEXT))
        and feature not in came
        and feature not in (IMAGE_NUMBER, NUMBER)
        and is_column(feature)
        and not is_aggregate(feature, objects)
        for feature, type in wanted.get(name, {}).items()
    )
