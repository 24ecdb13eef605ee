"""Numbers the image sets of jobs that count their own from 1.

Many labs give each job an image set list of its own. Then the number of an image set says nothing,
and its metadata identifies it: the *key*, such as plate, well and site. Each key gets a number for
the whole run: its place in the batch file, or the one that the destination has for it, or else the
next free one, in order of the keys.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count

import numpy as np

from cpexport.cellprofiler.batch_file import BatchFile
from cpexport.cellprofiler.image_identity import Identities
from cpexport.cellprofiler.image_keys import (
    described,
    identities_of_keys,
    in_order,
    keys_of,
    usual_key,
)
from cpexport.cellprofiler.image_set_list import key_of
from cpexport.cellprofiler.image_set_names import Name, named
from cpexport.cellprofiler.plates_of_run import of_the_plates
from cpexport.errors import SourceError, UsageError
from cpexport.imagesets import NONE, ImageSets
from cpexport.loading.given_numbers import NoNumbers, Numbers
from cpexport.loading.inspection import Inspected
from cpexport.loading.judging import Again, Judge
from cpexport.loading.own_keys import Keys, features_of_most
from cpexport.loading.source_numbers import placed, value
from cpexport.sources.base import Batch, Evidence
from cpexport.tables.layout import Features


@dataclass(frozen=True)
class Numbering:
    """How image sets are numbered.

    key: the features that identify image sets, if the user names them.
    numbers: what the destination has.
    one_of_several: whether the outputs are those of one of several runs, so that a list can also
        have the plates of the others.
    """

    key: tuple[str, ...] = ()
    numbers: Numbers = field(default_factory=NoNumbers)
    one_of_several: bool = False

    def may_apply(self, judging: Judge, plan: BatchFile | None, *, all_seen: bool = True) -> bool:
        """Whether the batches may have to be numbered, as far as their own numbers show.

        They must be if there is a key, or a list of LoadData. Otherwise they may be if all jobs
        count from 1, and there is no batch file. `all_seen`: no other batch will come.
        """
        if self.key or self.numbers.key or (plan and plan.is_list):
            return True
        few = 1 if self.numbers.loaded else 2
        return plan is None and judging.count_from_1(few if all_seen else 0)


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
        shared: dict[int, tuple[Features, Features]] = {}
        for place, batch in enumerate(batches):
            item = Inspected(batch.source, batch.signature)
            own = item.found = errors.get(place) or again(place, batch.source)
            keys = self.keys.get(place, ())
            item = placed(item, keys, self.given, self.key)
            if isinstance(own, Evidence) and isinstance(new := item.found, Evidence):
                # Batches with equal features share one mapping of them, also with new numbers.
                _, features = shared.setdefault(id(own.features), (own.features, new.features))
                item.found = replace(new, features=features)
            yield item

    @property
    def unplanned(self) -> int:
        """How many image sets of the outputs are not planned."""
        planned = self.plan.planned if self.plan else NONE
        return sum(number not in planned for number in self.given.values())

    def names(self, image_sets: ImageSets) -> Mapping[int, Name]:
        """The names of these image sets, by their keys."""
        keys = sorted((n, key) for key, n in self.given.items() if n in image_sets)
        return dict(named(identities_of_keys(keys, self.key), image_sets))

    @property
    def note(self) -> str:
        names = ", ".join(self.key)
        return f"image sets are identified by {names}, not by the numbers that their jobs gave them"


def renumbered(
    batches: Sequence[Batch],
    again: Again,
    errors: Collection[int],
    plan: BatchFile | None,
    numbering: Numbering,
    *,
    from_1: bool,
) -> Renumbered | None:
    """Returns the numbers of the run; None if those of the jobs are right.

    They are wrong if the user names a key, if the destination has one, if a list of LoadData says
    what was planned, or if metadata says that the same numbers mean different image sets.

    again: returns the evidence of a source once more. `errors` are the places of sources that
        cannot be read.
    from_1: whether all jobs count from 1.

    Raises:
        UsageError: the user names another key than the destination has.
        SourceError: the key does not identify what was planned.
    """
    numbers = numbering.numbers
    key, named_key = _key(numbering), True
    if not key and plan is not None and not plan.is_list:
        return None
    if not key:
        of_outputs = features_of_most(batches, again, errors)
        named_key = plan is not None
        own = batches if from_1 else ()
        key = _key_of_list(plan, own, of_outputs) if plan else usual_key(of_outputs)
        if not key and plan is not None:
            return None
    keys = Keys(key, numbers, found=named_key)
    for place, batch in enumerate(batches):
        evidence = None if place in errors else again(place, batch.source)
        if isinstance(evidence, Evidence):
            keys.add(place, evidence.identities)
    if not (named_key or keys.identify()):
        return None
    every = {key for of_batch in keys.by_place.values() for key in of_batch if key is not None}
    given = _given(every, keys.features, plan, numbers)
    planned = _planned(plan, keys.features, given) if plan else None
    if planned and every and not planned.planned & ImageSets.of(given[key] for key in every):
        raise _of_others(planned, keys.features, every)
    if planned and numbering.one_of_several:
        there = ImageSets.of(given[key] for key in every) | numbers.loaded
        planned = of_the_plates(planned, there)
    return Renumbered(planned, keys.features, given, keys.by_place)


def numbered_plan(plan: BatchFile, numbering: Numbering) -> BatchFile:
    """The batch file with the numbers that a destination gives its image sets."""
    key = _key(numbering) or (key_of(plan) if plan.is_list else ())
    if not key:
        return plan
    planned = _planned(plan, key, _given((), key, plan, numbering.numbers))
    several = numbering.one_of_several
    return of_the_plates(planned, numbering.numbers.loaded) if several else planned


def _key(numbering: Numbering) -> tuple[str, ...]:
    """The features of the keys that the user names, or else those of the destination.

    Raises:
        UsageError: the user names others than the destination has.
    """
    if numbering.key and numbering.numbers.key not in ((), numbering.key):
        names = ", ".join(numbering.numbers.key)
        raise UsageError(f"the destination's image sets are identified by {names}; leave out --key")
    return numbering.key or numbering.numbers.key


def _key_of_list(
    plan: BatchFile, own: Sequence[Batch], of_outputs: Collection[str]
) -> tuple[str, ...]:
    """The features that identify the image sets of a list and that its outputs have; empty if the
    numbers of the jobs are the rows of the list. `own` are batches that all count from 1.

    Raises:
        SourceError: nothing that outputs have identifies the rows.
    """
    if key := key_of(plan, of_outputs) if of_outputs else key_of(plan):
        return key
    whole = all(batch.image_sets == plan.planned for batch in own if batch.image_sets)
    if not of_outputs or whole:
        return ()
    if lacking := [name for name in key_of(plan) if name not in of_outputs]:
        problem = f"image sets are identified by {lacking[0]}, which the outputs do not have"
        advice = "name the metadata or file names that both have with --key"
        raise SourceError(plan.path, problem, advice)
    problem = "neither metadata nor file names identify its image sets, and each job counts from 1"
    raise SourceError(plan.path, problem, "add Metadata_Plate, Metadata_Well and Metadata_Site")


def _of_others(plan: BatchFile, features: tuple[str, ...], keys: Collection[str]) -> SourceError:
    """The error of a list that has none of the image sets of the outputs."""
    ours = in_order(keys)[0]
    theirs = next(key for key in keys_of(plan.identities, features) if key is not None)
    return SourceError(
        plan.path,
        f"lists no image set of these outputs: by {', '.join(features)}, they have "
        f"{described(ours)}, and the list has {described(theirs)}",
        "name the list that the jobs ran; or name what identifies image sets in both with --key, "
        "for example FileName_DNA",
    )


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
    keys = keys_of(plan.identities, features)
    for row, (key, number) in enumerate(zip(keys, plan.identities.numbers.tolist(), strict=True)):
        if key is None:
            lacking = next(name for name in features if not value(plan.identities, name, row))
            problem = f"its image set {number} has no {lacking}, which identifies image sets"
            raise SourceError(plan.path, problem, "add it to the list")
        yield key, number


def _planned(plan: BatchFile, features: Sequence[str], given: Mapping[str, int]) -> BatchFile:
    """The batch file with the numbers that the destination gives its image sets."""
    new = {number: given[key] for key, number in _places(plan, features)}
    if all(number == place for place, number in new.items()):
        return plan

    def moved(identities: Identities) -> Identities:
        numbers = np.array([new[number] for number in identities.numbers.tolist()], np.int64)
        return replace(identities, numbers=numbers).take(np.argsort(numbers))

    planned = ImageSets.of(new.values())
    return replace(
        plan, planned=planned, identities=moved(plan.identities), grouping=moved(plan.grouping)
    )
