"""Features and object types that some batches of a run have and others lack."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from cpexport.batch import Batch, LeftOut
from cpexport.features import (
    IMAGE,
    IMAGE_NUMBER,
    NOT_OBJECTS,
    NUMBER,
    TEXT,
    is_column,
    promised_type,
)
from cpexport.ordering import is_aggregate
from cpexport.tables import Features, joined

# What is shown of features, and how many sentences there are, where batches differ in many ways.
_SHOWN, _SENTENCES = 3, 10


@dataclass(frozen=True)
class Lacking:
    """Batches that lack `features` of an object type which others have, by their paths; without
    features they have no table of it at all."""

    object: str
    features: tuple[str, ...]
    batches: tuple[str, ...]

    def __str__(self) -> str:
        first, *more = self.batches
        who = f"{first} lacks" if not more else f"{len(self.batches)} batches lack"
        like = f" (such as {first})" if more else ""
        if not self.features:
            return f"{who} the table of {self.object} that others have{like}"
        listed = ", ".join(self.features[:_SHOWN])
        listed += ", ..." if len(self.features) > _SHOWN else ""
        plural = "s" if len(self.features) > 1 else ""
        return (
            f"{who} {len(self.features)} feature{plural} of {self.object} that others have: "
            f"{listed}; NULL there{like}"
        )


def unloaded(batches: Sequence[Batch], known: Iterable[str] = ()) -> tuple[LeftOut, ...]:
    """Batches of which nothing is complete and that have object types which no other one has.

    Their image sets may be complete elsewhere, so that nothing else tells of these tables. `known`
    are object types that are loaded, or not wanted.
    """
    loaded = {name for batch in batches if batch.complete for name in batch.features}
    loaded |= {name for batch in batches if batch.complete for name in _counted(batch)}
    loaded |= NOT_OBJECTS | set(known)
    found = []
    for batch in batches:
        if not batch.complete and (types := batch.features.keys() - loaded):
            what = f"no other output has {', '.join(sorted(types))}"
            reason = f"{batch.reason}; {what}" if batch.reason else what
            found.append(LeftOut(str(batch.source.path), reason))
    return tuple(found)


def _counted(batch: Batch) -> Iterator[str]:
    """The object types that a batch counts, but for those whose table it lacks: of the others it
    has all rows, or none was found."""
    for feature in batch.features.get(IMAGE, {}):
        name = feature.removeprefix("Count_")
        if name != feature and name not in batch.lacking:
            yield name


def lacking(
    batches: Iterable[Batch],
    keeps: Callable[[str], bool] = lambda name: True,
    there: Features | None = None,
) -> tuple[Lacking, ...]:
    """What batches lack that others of them have, of the object types that one `keeps`, or that is
    `there` of batches loaded before.

    Only batches of which something is complete count. Batches that have the same features share
    one mapping of them (`survey`), and so are looked at together.
    """
    there = there or {}
    alike: dict[int, tuple[Features, list[str]]] = {}
    for batch in batches:
        if batch.complete:
            features = batch.features
            alike.setdefault(id(features), (features, []))[1].append(str(batch.source.path))
    if len(alike) + bool(there) < 2:
        return ()
    objects = there.keys() - NOT_OBJECTS
    every = {
        name: {f for f in types if is_column(f) and not is_aggregate(f, objects)}
        for name, types in joined([*(some for some, _ in alike.values()), there]).items()
        if keeps(name)
    }
    found: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for features, paths in alike.values():
        for name, wanted in every.items():
            mine = features.get(name)
            if mine is None:
                found.setdefault((name, ()), []).extend(paths)
            elif missing := sorted(wanted - mine.keys()):
                found.setdefault((name, tuple(missing)), []).extend(paths)
    return tuple(Lacking(name, some, tuple(paths)) for (name, some), paths in found.items())


def sentences(found: Sequence[Lacking]) -> tuple[str, ...]:
    """What people are told of it: first what most batches lack, and not more than they can read."""
    most = sorted(found, key=lambda one: -len(one.batches))
    said = [str(one) for one in most[:_SENTENCES]]
    if more := len(most) - len(said):
        said.append(f"{more} more such differences between batches")
    return tuple(said)


def absent(
    name: str, wanted: Features, came: Mapping[str, object], *, widened: bool = False
) -> int:
    """How many columns of numbers a destination has for the features `wanted` of an object type,
    and rows with the features `came` have no values for. With `widened`, columns of text count as
    well that can have been of numbers before."""
    objects = wanted.keys() - NOT_OBJECTS
    return sum(
        (type != TEXT or (widened and promised_type(name, feature) != TEXT))
        and feature not in came
        and feature not in (IMAGE_NUMBER, NUMBER)
        and is_column(feature)
        and not is_aggregate(feature, objects)
        for feature, type in wanted.get(name, {}).items()
    )
