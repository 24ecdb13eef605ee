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
from cpexport.cellprofiler.comparable import of_a_plate
from cpexport.cellprofiler.image_identity import FILE, METADATA, Pictures
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
        return plan is None and count_from_1(batches, several=not self.numbers.loaded)


def count_from_1(batches: Iterable[Batch], *, several: bool = True) -> bool:
    """Whether the first number of every batch is 1; `several` is whether one batch is too few."""
    firsts = [batch.image_sets.first for batch in batches if batch.image_sets]
    return len(firsts) > several and set(firsts) == {1}


@dataclass(frozen=True)
class Renumbered:
    """Batches and their batch file with the numbers of the run.

    key: the features of the keys. `given` has the number of each key.
    """

    plan: BatchFile | None
    key: tuple[str, ...]
    given: Mapping[str, int] = field(repr=False)
    keys: Mapping[int, Sequence[str | None]] = field(repr=False)

    def items(
        self, batches: Iterable[Batch], again: Again, errors: Mapping[int, SourceError]
    ) -> Iterator[Inspected]:
        """Yields the sources of the batches with their new numbers, to be judged again.

        `errors` are those of sources that cannot be read, by place.
        """
        for place, batch in enumerate(batches):
            item = Inspected(batch.source, batch.signature)
            item.found = errors.get(place) or again(batch.source)
            keys = self.keys.get(place, ())
            yield _placed(item, keys, self.given, self.key)

    def names(self, image_sets: ImageSets) -> Mapping[int, Name]:
        """The names of these image sets, by their keys."""
        keys = sorted((n, key) for key, n in self.given.items() if n in image_sets)
        return dict(named(pictures_of_keys(keys, self.key), image_sets))

    @property
    def note(self) -> str:
        names = ", ".join(self.key)
        return f"image sets are identified by {names}, not by the numbers that their jobs gave them"


def renumbered(
    batches: Iterable[Batch],
    again: Again,
    errors: Collection[int],
    plan: BatchFile | None,
    numbering: Numbering,
) -> Renumbered | None:
    """Returns the numbers of the run; None if those of the jobs are right.

    They are wrong if the user names a key, if the destination has one, if a list of LoadData says
    what was planned, or if metadata says that the same numbers mean different image sets.

    again: reads the evidence of a source once more. `errors` are the places of sources that cannot
        be read.

    Raises:
        UsageError: the user names another key than the destination has.
        SourceError: the key does not identify what was planned.
    """
    numbers = numbering.numbers
    key = _key(plan, numbering)
    if not key and plan is not None:
        return None
    keys = _Keys(key, numbers)
    for place, batch in enumerate(batches):
        evidence = None if place in errors else again(batch.source)
        if isinstance(evidence, Evidence):
            keys.add(place, evidence.pictures)
    if not key and not keys.identify:
        return None
    every = {key for of_batch in keys.by_place.values() for key in of_batch if key is not None}
    given = _given(every, keys.features, plan, numbers)
    planned = _planned(plan, keys.features, given) if plan else None
    return Renumbered(planned, keys.features, given, keys.by_place)


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
        raise UsageError(f"the destination's image sets are identified by {names}; leave out --key")
    if key := numbering.key or numbering.numbers.key:
        return key
    return key_of(plan) if plan and plan.is_list else ()


class _Keys:
    """The keys of all image sets, and whether they identify them where their numbers do not.

    features: those of the keys; if they are not given, those of plate, well and site in the first
        batch.
    by_place: the keys of each batch's image sets.
    """

    def __init__(self, features: tuple[str, ...], numbers: Numbers) -> None:
        self.features, self._numbers = features, numbers
        self._found = bool(features)
        self.by_place: dict[int, list[str | None]] = {}
        # The first image set with each number: the place of its batch, its row and its key; and the
        # images of the batches that have one.
        self._first: dict[int, tuple[int, int, str | None]] = {}
        self._pictures: dict[int, Pictures] = {}
        self._clashes = 0
        self._doubtful = False

    @property
    def identify(self) -> bool:
        """Whether the same numbers have different keys, and all of these have different images.

        Where some have the same images, metadata was changed, and does not identify them.
        """
        return bool(self.features and self._clashes) and not self._doubtful

    def add(self, place: int, pictures: Pictures) -> None:
        """Adds the image sets of a batch."""
        if not self.features and len(pictures):
            self.features = usual_key(pictures.columns)
        keys = keys_of(pictures, self.features)
        self.by_place[place] = keys
        if self._found or self._doubtful:
            return
        self._doubtful = None in keys or len(set(keys)) < len(keys)
        held = self._held(pictures)
        rows_by_other: dict[int, list[tuple[int, int]]] = {}
        for row, (number, key) in enumerate(zip(pictures.numbers.tolist(), keys, strict=True)):
            other, other_row, other_key = self._first.setdefault(number, (place, row, key))
            if other == place:
                self._pictures[place] = pictures
                if number in held:
                    other, other_row, other_key = -1, *held[number]
            if other_key != key:
                rows_by_other.setdefault(other, []).append((row, other_row))
        for other, rows in rows_by_other.items():
            different = _different(pictures, self._pictures[other], rows)
            self._clashes += len(different)
            self._doubtful |= not different.all()

    def _held(self, pictures: Pictures) -> dict[int, tuple[int, str | None]]:
        """The rows and keys of the destination's image sets with these numbers."""
        sets = ImageSets.of_array(pictures.numbers) & self._numbers.loaded
        if not sets:
            return {}
        theirs = self._numbers.pictures(sets)
        self._pictures[-1] = theirs
        keys = zip(theirs.numbers.tolist(), keys_of(theirs, self.features), strict=True)
        return {number: (row, key) for row, (number, key) in enumerate(keys)}


def _different(
    ours: Pictures, theirs: Pictures, rows: Sequence[tuple[int, int]]
) -> npt.NDArray[np.bool_]:
    """Whether the images of these pairs of rows differ, as far as files show: metadata alone can be
    wrong."""
    left, right = np.array(rows).T
    different, _ = judged(_files(ours).take(left), _files(theirs).take(right))
    return different


def _files(pictures: Pictures) -> Pictures:
    """Files, and the plates and wells that they are of: those tell blank images apart."""
    has_files = any(name.startswith(FILE) for name in pictures.columns)
    metadata = (name for name in pictures.columns if name.startswith(METADATA))
    return pictures.without([name for name in metadata if not (has_files and of_a_plate(name))])


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
    keys: Sequence[str | None],
    given: Mapping[str, int],
    features: Sequence[str],
) -> Inspected:
    """The item with the numbers of its run, or with the reason that it cannot have them."""
    evidence = item.found
    if not isinstance(evidence, Evidence):
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
        return f"has no {lacking[0]}, by which image sets are identified" if own else ""
    if None in keys:
        number = own[keys.index(None)]
        empty = [name for name in features if not _value(pictures, name, keys.index(None))]
        return f"its image set {number} has no {empty[0]}, by which image sets are identified"
    first: dict[str | None, int] = {}
    for number, key in zip(own, keys, strict=True):
        if key in first:
            names = f"{' '.join(features)} ({described(key or '')})"
            return f"its image sets {first[key]} and {number} have the same {names}"
        first[key] = number
    return ""


def _value(pictures: Pictures, feature: str, row: int) -> str:
    return pictures.columns[feature][row].as_py() or ""
