"""Numbers the image sets of jobs that count their own from 1.

Many labs give each job an image set list of its own. Then the number of an image set says nothing,
and its metadata identifies it: the *key*, such as plate, well and site. Each key gets a number for
the whole run: its place in the batch file, or the one that the destination has for it, or else the
next free one, in order of the keys.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Final

import numpy as np
import numpy.typing as npt

from cpexport.cellprofiler.batch_file import BatchFile
from cpexport.cellprofiler.image_identity import Pictures
from cpexport.cellprofiler.image_keys import (
    described,
    in_order,
    keys_of,
    pictures_of_keys,
    usual_key,
)
from cpexport.cellprofiler.image_set_list import key_of
from cpexport.cellprofiler.image_set_names import Name, named
from cpexport.cellprofiler.same_image import judged
from cpexport.errors import SourceError, UsageError
from cpexport.imagesets import ImageSets
from cpexport.loading.given_numbers import NoNumbers, Numbers
from cpexport.loading.inspection import Inspected
from cpexport.loading.judging import Again
from cpexport.sources.base import Batch, Evidence
from cpexport.sources.renumbered import RenumberedSource

_ADVICE: Final = "name the metadata that identifies each image set with --key"


@dataclass(frozen=True)
class Numbering:
    """How image sets are numbered.

    key: the features that identify image sets, if the user names them.
    numbers: what the destination has.
    """

    key: tuple[str, ...] = ()
    numbers: Numbers = field(default_factory=NoNumbers)

    def may_apply(self, batches: Iterable[Batch], plan: BatchFile | None) -> bool:
        """Whether the batches may have to be numbered, as far as their own numbers show.

        They must be if there is a key, or a list of LoadData. Otherwise they may be if all jobs
        count from 1, and there is no batch file.
        """
        if self.key or self.numbers.key or (plan and plan.is_list):
            return True
        firsts = [batch.image_sets.first for batch in batches if batch.image_sets]
        several = len(firsts) > 1 or bool(firsts and self.numbers.loaded)
        return plan is None and several and set(firsts) == {1}


@dataclass(frozen=True)
class Renumbered:
    """Sources and the batch file with the numbers of their run, and the features of the keys."""

    items: list[Inspected]
    plan: BatchFile | None
    key: tuple[str, ...]
    given: Mapping[str, int] = field(repr=False)

    def names(self, image_sets: ImageSets) -> Mapping[int, Name]:
        """The names of these image sets, by their keys."""
        keys = sorted((n, key) for key, n in self.given.items() if n in image_sets)
        return dict(named(pictures_of_keys(keys, self.key), image_sets))

    @property
    def note(self) -> str:
        names = ", ".join(self.key)
        return f"image sets are told apart by {names}, not by the numbers that their jobs gave them"


def renumbered(
    items: Sequence[Inspected], again: Again, plan: BatchFile | None, numbering: Numbering
) -> Renumbered | None:
    """Returns the items with the numbers of their run; None if their own numbers are right.

    They are wrong if the user names a key, if the destination has one, or if metadata says that the
    same numbers mean different image sets. Items that are known stay as they are.
    """
    numbers = numbering.numbers
    listed = plan is not None and plan.is_list
    key = _key(plan, numbering)
    found = _Found.read(items, again, key)
    if not key:
        if listed or not found.identifies(numbers):
            return None
        key = found.key
    given = _given(found.all_keys, key, plan, numbers)
    placed = [
        _placed(item, found.evidence.get(place), found.keys.get(place, ()), given, key)
        for place, item in enumerate(items)
    ]
    return Renumbered(placed, _planned(plan, key, given) if plan else None, key, given)


def numbered_plan(plan: BatchFile, numbering: Numbering) -> BatchFile:
    """The batch file with the numbers that a destination gives its image sets."""
    key = _key(plan, numbering)
    if not key:
        return plan
    return _planned(plan, key, _given((), key, plan, numbering.numbers))


def _key(plan: BatchFile | None, numbering: Numbering) -> tuple[str, ...]:
    """The features of the keys; empty if neither the user, the destination nor a list has one.

    Raises:
        UsageError: the user names others than the destination has.
    """
    if numbering.key and numbering.numbers.key not in ((), numbering.key):
        names = ", ".join(numbering.numbers.key)
        raise UsageError(f"the destination's image sets are told apart by {names}; leave out --key")
    if key := numbering.key or numbering.numbers.key:
        return key
    return key_of(plan) if plan and plan.is_list else ()


@dataclass(frozen=True)
class _Found:
    """The evidence of new items, and the keys of their image sets, in the order of the items."""

    key: tuple[str, ...]
    evidence: Mapping[int, Evidence]
    keys: Mapping[int, list[str | None]]

    @classmethod
    def read(cls, items: Iterable[Inspected], again: Again, key: tuple[str, ...]) -> "_Found":
        evidence: dict[int, Evidence] = {}
        for place, item in enumerate(items):
            found = item.found
            if not item.known and not isinstance(found, SourceError):
                found = found or again(item.source)
            if isinstance(found, Evidence):
                evidence[place] = found
        if not key:
            first = next((e.pictures for e in evidence.values() if len(e.pictures)), Pictures())
            key = usual_key(first.columns)
        keys = {place: keys_of(e.pictures, key) for place, e in evidence.items()}
        return cls(key, evidence, keys)

    @property
    def all_keys(self) -> set[str]:
        return {key for keys in self.keys.values() for key in keys if key is not None}

    def identifies(self, numbers: Numbers) -> bool:
        """Whether the key tells all image sets apart, and their numbers do not."""
        if not self.key or any(None in keys for keys in self.keys.values()):
            return False
        if any(len(set(keys)) < len(keys) for keys in self.keys.values()):
            return False
        return self._clash(numbers)

    def _clash(self, numbers: Numbers) -> bool:
        """Whether the same numbers have different keys, and all of these have different images.

        Where some have the same images, metadata was changed, and does not identify them.
        """
        clashes = [different.all() for different in self._clashing(numbers)]
        return bool(clashes) and all(clashes)

    def _clashing(self, numbers: Numbers) -> Iterator[npt.NDArray[np.bool_]]:
        """Yields, for image sets with the number and not the key of another one, whether their
        images differ; the other one belongs to another job here, or to the destination."""
        first: dict[int, tuple[int, int]] = {}
        for place, keys in self.keys.items():
            pictures = self.evidence[place].pictures
            rows_by_other: dict[int, list[tuple[int, int]]] = {}
            for row, number in enumerate(pictures.numbers.tolist()):
                other, other_row = first.setdefault(number, (place, row))
                if self.keys[other][other_row] != keys[row]:
                    rows_by_other.setdefault(other, []).append((row, other_row))
            for other, rows in rows_by_other.items():
                yield _different(pictures, self.evidence[other].pictures, rows)
        held = numbers.pictures(ImageSets.of(first) & numbers.loaded)
        places = {number: row for row, number in enumerate(held.numbers.tolist())}
        held_keys = keys_of(held, self.key)
        for place, keys in self.keys.items() if places else ():
            pictures = self.evidence[place].pictures
            pairs = [
                (row, places[number])
                for row, number in enumerate(pictures.numbers.tolist())
                if number in places and held_keys[places[number]] != keys[row]
            ]
            if pairs:
                yield _different(pictures, held, pairs)


def _different(
    ours: Pictures, theirs: Pictures, rows: Sequence[tuple[int, int]]
) -> npt.NDArray[np.bool_]:
    """Whether the images of these pairs of rows differ, as far as anything shows."""
    left, right = np.array(rows).T
    different, _ = judged(ours.take(left), theirs.take(right))
    return different


def _given(
    keys: Collection[str], features: Sequence[str], plan: BatchFile | None, numbers: Numbers
) -> Mapping[str, int]:
    """The number of each key."""
    places = dict(_places(plan, features)) if plan else {}
    given = dict(numbers.of({*keys, *places}, features))
    taken, loaded = set(given.values()), numbers.loaded
    for key, number in places.items():
        if key not in given and number not in taken and number not in loaded:
            given[key] = number
            taken.add(number)
    free = (n for n in count(1) if n not in taken and n not in loaded)
    new = in_order(key for key in {*keys, *places} if key not in given)
    return given | dict(zip(new, free, strict=False))


def _places(plan: BatchFile, features: Sequence[str]) -> Iterator[tuple[str, int]]:
    """Yields the key and the number of each planned image set.

    Raises:
        SourceError: an image set has no key.
    """
    keys = keys_of(plan.pictures, features)
    for key, number in zip(keys, plan.pictures.numbers.tolist(), strict=True):
        if key is None:
            problem = f"its image set {number} lacks one of {', '.join(features)}"
            raise SourceError(plan.path, problem, _ADVICE)
        yield key, number


def _planned(plan: BatchFile, features: Sequence[str], given: Mapping[str, int]) -> BatchFile:
    """The batch file with the numbers that the destination gives its image sets."""
    new = {number: given[key] for key, number in _places(plan, features)}
    if all(number == place for place, number in new.items()):
        return plan

    def moved(pictures: Pictures) -> Pictures:
        numbers = np.array([new[number] for number in pictures.numbers.tolist()], np.int64)
        return replace(pictures, numbers=numbers).take(np.argsort(numbers))

    planned = ImageSets.of(new.values())
    return replace(
        plan, planned=planned, pictures=moved(plan.pictures), grouping=moved(plan.grouping)
    )


def _placed(
    item: Inspected,
    evidence: Evidence | None,
    keys: Sequence[str | None],
    given: Mapping[str, int],
    features: Sequence[str],
) -> Inspected:
    """The item with the numbers of its run, or with the reason that it cannot have them."""
    if evidence is None:
        return item
    own = evidence.pictures.numbers.tolist()
    problem = _problem(own, keys, evidence.pictures, features)
    if problem:
        return replace(item, found=SourceError(item.source.path, problem, _ADVICE))
    rows = [(n, given[key], key) for n, key in zip(own, keys, strict=True) if key is not None]
    pairs = tuple((number, new) for number, new, _ in rows)
    source = RenumberedSource(item.source, pairs, tuple(key for *_, key in rows), tuple(features))
    return replace(item, source=source, found=source.renumbered(evidence))


def _problem(
    own: Sequence[int], keys: Sequence[str | None], pictures: Pictures, features: Sequence[str]
) -> str:
    """Why a batch's image sets cannot be numbered by their keys; empty if they can."""
    if lacking := [name for name in features if name not in pictures.columns]:
        return f"has no {lacking[0]}, by which image sets are told apart" if own else ""
    if None in keys:
        number = own[keys.index(None)]
        empty = [name for name in features if not _value(pictures, name, keys.index(None))]
        return f"its image set {number} has no {empty[0]}, by which image sets are told apart"
    first: dict[str | None, int] = {}
    for number, key in zip(own, keys, strict=True):
        if key in first:
            names = f"{' '.join(features)} ({described(key or '')})"
            return f"its image sets {first[key]} and {number} have the same {names}"
        first[key] = number
    return ""


def _value(pictures: Pictures, feature: str, row: int) -> str:
    return pictures.columns[feature][row].as_py() or ""
