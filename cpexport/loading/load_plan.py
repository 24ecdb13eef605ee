"""Decides which image sets to load from which batch, before any row is read.

If several outputs hold the same image set, the newest complete one is loaded. Different images
under one number stop the load, and so does a newer output that lacks what an older one has
(`succession`).
"""

from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, overload

import numpy as np

from cpexport.errors import SourceError
from cpexport.files.spool import Spool
from cpexport.imageset_overlaps import in_common, overlapping
from cpexport.imagesets import NONE, ImageSets, union
from cpexport.loading.replaced_outputs import Older, older_of
from cpexport.loading.succession import Succession, is_same_output
from cpexport.sinks.ledger import Entry
from cpexport.sources.base import Batch, fingerprint
from cpexport.sources.error_containment import contained


@dataclass(frozen=True, slots=True)
class LoadStep:
    """One batch, and the image sets to load from it.

    image_sets: empty if newer outputs have all of the batch's image sets.
    older: the outputs whose image sets these replace.
    """

    batch: Batch
    image_sets: ImageSets
    older: tuple[Older, ...] = ()


class Steps(Sequence[LoadStep]):
    """The steps of a load, in a file, with some bytes each in memory.

    batches: the batches of a survey.
    order: the places in `batches` of those that have a step.
    changed: what other outputs change in a step, by place: the image sets, and the older outputs.
        All other steps load everything that is complete.
    """

    def __init__(
        self,
        batches: Sequence[Batch],
        order: Sequence[int] = (),
        changed: Mapping[int, tuple[ImageSets, tuple[Older, ...]]] | None = None,
    ) -> None:
        self._batches, self._order, self._changed = batches, order, changed or {}

    @overload
    def __getitem__(self, index: int) -> LoadStep: ...
    @overload
    def __getitem__(self, index: slice) -> "Steps": ...
    def __getitem__(self, index: int | slice) -> "LoadStep | Steps":
        if isinstance(index, slice):
            return Steps(self._batches, self._order[index], self._changed)
        place = self._order[index]
        batch = self._batches[place]
        image_sets, older = self._changed.get(place, (batch.complete, ()))
        return LoadStep(batch, image_sets, older)

    def __len__(self) -> int:
        return len(self._order)

    def with_rows(self, some: bool) -> "Steps":
        """The steps with image sets to load, or else those without."""
        changed = self._changed
        order = array(
            "q", (p for p in self._order if (p not in changed or bool(changed[p][0])) == some)
        )
        return Steps(self._batches, order, changed)


@dataclass(frozen=True)
class LoadPlan:
    """The steps of a load, in order of image set.

    already_loaded: batches whose content is in the destination or in another step. They are copies,
        or the same files with new times. Their steps have no image sets.
    """

    steps: Steps
    already_loaded: Steps


class Loaded(Protocol):
    """What a plan needs to know of a destination's ledger."""

    def holding(self, image_sets: ImageSets) -> tuple[Entry, ...]:
        """The entries from which the destination has some of these image sets, each with only those
        in `loaded`."""


def planned(
    batches: Sequence[Batch],
    ledger: Loaded,
    succession: Succession,
    removed: Sequence[Entry] = (),
) -> LoadPlan:
    """Returns what to load from `batches` into a destination with this ledger.

    removed: the entries from which a user removed image sets; their outputs are not loaded again.

    Raises:
        CollisionError: two batches, or a batch and the destination, have different images under
            one image set number, or nothing tells whether they are the same.
        LossError: a newer output lacks what an older one has.
    """
    fresh, copies, held = _split(batches, ledger, removed)
    # Only what shares image sets with others is compared, from the oldest to the newest.
    shared = {fresh[index] for index in overlapping(batches[place].complete for place in fresh)}
    several = {place: batches[place] for place in fresh if place in shared or place in held}
    by_age = sorted(several, key=lambda place: several[place].age)
    for place in by_age:
        if place in held:
            succession.check_loaded(several[place], held[place])
    # For each batch, what newer outputs have of it, and what it has of older outputs.
    newer: dict[int, list[ImageSets]] = {place: [] for place in several}
    older: dict[int, list[tuple[ImageSets, Older]]] = {place: [] for place in several}
    for first, second, both in in_common([several[place].complete for place in by_age]):
        old, new = by_age[first], by_age[second]
        succession.check_between(several[new], several[old], both)
        newer[old].append(both)
        older[new].append((both, older_of(several[old])))
    changed: dict[int, tuple[ImageSets, tuple[Older, ...]]] = {}
    for place, batch in several.items():
        for entry in held.get(place, ()):
            if entry.age > batch.age:
                newer[place].append(entry.loaded)
            elif not is_same_output(entry, batch):
                older[place].append((entry.loaded, older_of(entry)))
        image_sets = batch.complete - union(newer[place])
        replaced = tuple(output for shared, output in older[place] if shared & image_sets)
        changed[place] = image_sets, replaced
    order = _by_image_set(fresh, batches, several)
    without_rows = dict.fromkeys(copies, (NONE, ()))
    return LoadPlan(Steps(batches, order, changed), Steps(batches, copies, without_rows))


def _by_image_set(
    places: Sequence[int], batches: Sequence[Batch], several: Mapping[int, Batch]
) -> Sequence[int]:
    """The places of batches in order of their first image sets, and then of their paths: only
    `several` can share any."""
    ours = np.array(places, np.int64)
    firsts = np.fromiter((batches[place].complete.first for place in places), np.int64, len(ours))
    paths = sorted(several, key=lambda place: str(several[place].source.path))
    rank = {place: number for number, place in enumerate(paths)}
    ranks = np.fromiter((rank.get(place, 0) for place in places), np.int64, len(ours))
    return array("q", ours[np.lexsort((ranks, firsts))].tobytes())


_Held = tuple[Entry, ...]


def _split(
    batches: Sequence[Batch], ledger: Loaded, removed: Sequence[Entry]
) -> tuple["array[int]", "array[int]", dict[int, _Held]]:
    """Separates the batches to load from those whose content the ledger or another batch has.

    Returns the places of both, and the entries that hold some of the image sets of those to load.
    Only a batch that shares its format and image sets with another can be a copy; only such a batch
    is read for its fingerprint.
    """
    alike, taken_out = _alike(batches), _by_kind(removed)
    fresh, copies = array("q"), array("q")
    held: dict[int, _Held] = {}
    by_content: dict[str, ImageSets] = {}
    for place, batch in enumerate(batches):
        if not batch.complete:
            continue
        entries = ledger.holding(batch.complete)
        loaded = _loaded_alike(batch, entries)
        gone = taken_out.get((batch.source.format, batch.image_sets), frozenset())
        if loaded or gone or _kind(batch) in alike:
            with contained(batch.source):
                content = fingerprint(batch.source)
            if content in gone:
                # What the destination kept of it is there.
                copies.append(place)
                continue
            other = by_content.get(content)
            copied = other is not None and batch.complete <= other
            if copied or (loaded is not None and loaded.fingerprint == content):
                copies.append(place)
                continue
            by_content[content] = batch.complete
        fresh.append(place)
        if entries:
            held[place] = entries
    return fresh, copies, held


def _by_kind(removed: Sequence[Entry]) -> dict[tuple[str, ImageSets], frozenset[str]]:
    """The contents of batches that were removed, by format and image sets."""
    found: dict[tuple[str, ImageSets], frozenset[str]] = {}
    for entry in removed:
        key = entry.format, entry.image_sets
        found[key] = found.get(key, frozenset()) | {entry.fingerprint}
    return found


def _alike(batches: Iterable[Batch]) -> frozenset[int]:
    """The kinds of complete batches that more than one of them has."""
    kinds = np.fromiter((_kind(batch) for batch in batches if batch.complete), np.int64)
    found, counts = np.unique(kinds, return_counts=True)
    return frozenset(found[counts > 1].tolist())


def _kind(batch: Batch) -> int:
    """The same number for batches of one format and the same image sets."""
    return hash((batch.source.format, batch.image_sets))


def _loaded_alike(batch: Batch, held: _Held) -> Entry | None:
    """The entry of the same format and image sets that owns all complete image sets of a batch.

    The ledger also knows content that newer outputs have replaced since. The destination no longer
    holds it, and `batch` may be newer than what replaced it.
    """
    key = batch.source.format, batch.image_sets
    for entry in held:
        if batch.complete <= entry.loaded and (entry.format, entry.image_sets) == key:
            return entry
    return None


def planned_of_readable(
    batches: Sequence[Batch],
    ledger: Loaded,
    succession: Succession,
    removed: Sequence[Entry] = (),
) -> tuple[LoadPlan, list[tuple[Batch, SourceError]]]:
    """Like `planned`, but leaves out batches that can no longer be read, and returns their errors.

    Raises:
        CollisionError, LossError: as `planned`.
    """
    damaged: list[tuple[Batch, SourceError]] = []
    while True:
        try:
            return planned(batches, ledger, succession, removed), damaged
        except SourceError as error:
            unreadable = [
                batch
                for batch in batches
                if error.path in map(str, (batch.source.path, *batch.source.files))
            ]
            if not unreadable:
                raise
            damaged += [(batch, error) for batch in unreadable]
            batches = without(batches, unreadable)


def without(batches: Sequence[Batch], others: Iterable[Batch]) -> Sequence[Batch]:
    """Returns the batches whose paths are not those of `others`."""
    excluded = {batch.source.path for batch in others}
    if not excluded:
        return batches
    return Spool(batch for batch in batches if batch.source.path not in excluded)
