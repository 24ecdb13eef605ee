"""The keys of image sets whose jobs count from 1, and whether these keys identify them.

Without a named key, plate, well and site are the key, but only if the same numbers have different
keys and nothing shows that metadata was merely changed.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from cpexport.cellprofiler.comparable import of_a_plate
from cpexport.cellprofiler.image_identity import DIGEST, FILE, METADATA, Identities, stacked
from cpexport.cellprofiler.image_keys import keys_of
from cpexport.cellprofiler.same_image import judged
from cpexport.imagesets import ImageSets
from cpexport.loading.given_numbers import Numbers
from cpexport.loading.judging import Again
from cpexport.sources.base import Batch, Evidence

# So many batches show which features the outputs of a run have.
_SAMPLE: Final = 100
# In so many pairs of image sets with one number, files of one name are called so by the microscope
# or the workflow. One pair without anything to compare may be a job that ran again.
_OFTEN: Final = 2
# So many pairs are compared at once.
_AT_ONCE: Final = 500
_Rows = npt.NDArray[np.bool_]


def features_of_most(
    batches: Iterable[Batch], again: Again, errors: Collection[int]
) -> frozenset[str]:
    """The features of files and metadata that have a value in most of the first batches; empty
    without any. `errors` are the places of batches that cannot be read."""
    counts, seen = Counter[str](), 0
    for place, batch in enumerate(batches):
        evidence = None if place in errors else again(place, batch.source)
        if isinstance(evidence, Evidence) and len(evidence.identities):
            seen += 1
            columns = evidence.identities.columns.items()
            counts.update(name for name, column in columns if _has_value(column))
        if seen == _SAMPLE:
            break
    return frozenset(name for name, count in counts.items() if 2 * count > seen)


class Keys:
    """The keys of all image sets, and whether they identify them where their numbers do not.

    features: those of the keys.
    found: whether the user, the destination or a list names them.
    by_place: the keys of each batch's image sets; None for one that lacks a value.
    """

    def __init__(self, features: tuple[str, ...], numbers: Numbers, *, found: bool) -> None:
        self.features, self._numbers, self._found = features, numbers, found
        self.by_place: dict[int, list[str | None]] = {}
        # The first image set with each number: the place of its batch, its row and its key; and the
        # images of the batches that have one.
        self._first: dict[int, tuple[int, int, str | None]] = {}
        self._identities: dict[int, Identities] = {}
        # Batches with and without keys.
        self._with = self._without = 0
        # Pairs of image sets with one number and two keys, by what their files show: different
        # images, or nothing. `_doubtful` is whether they show the same images in a pair.
        self._pairs = _Pairs()
        self._different = self._unclear = 0
        self._doubtful = False
        # The names of files and folders under each number, and whether some number has several.
        self._names: dict[int, tuple[str | None, ...]] = {}
        self._names_differ = False

    def identify(self) -> bool:
        """Whether the same numbers have different keys, and nothing shows that these mean the same
        images: then metadata was changed, and does not identify them.

        Files show nothing if all jobs have the same names and folders for them, and no digests.
        """
        self._compare()
        if not self.features or self._doubtful or self._with <= self._without:
            return False
        pairs = self._different + self._unclear
        if self._unclear and (self._names_differ or pairs < _OFTEN):
            return False
        return pairs > 0

    def add(self, place: int, identities: Identities) -> None:
        """Adds the image sets of a batch."""
        keys = keys_of(identities, self.features)
        self.by_place[place] = keys
        if self._found or self._doubtful or not keys:
            return
        if None in keys:
            # It is left out, and named, if the keys of the others identify them.
            self._without += 1
            return
        self._with += 1
        self._doubtful = len(set(keys)) < len(keys)
        held = self._held(identities)
        names = _names(identities)
        rows_by_other: dict[int, list[tuple[int, int]]] = {}
        for row, (number, key) in enumerate(zip(identities.numbers.tolist(), keys, strict=True)):
            other, other_row, other_key = self._first.setdefault(number, (place, row, key))
            self._names_differ |= self._names.setdefault(number, names[row]) != names[row]
            if other == place:
                self._identities[place] = identities
                if number in held:
                    other, other_row, other_key = -1, *held[number]
            if other_key != key:
                rows_by_other.setdefault(other, []).append((row, other_row))
        for other, rows in rows_by_other.items():
            mine, yours = np.array(rows).T
            self._pairs.add(
                _files(identities).take(mine), _files(self._identities[other]).take(yours)
            )
        if len(self._pairs) >= _AT_ONCE:
            self._compare()

    def _compare(self) -> None:
        """Judges pairs of rows with one number and two keys by their files: metadata alone can be
        wrong."""
        for left, right in self._pairs.all():
            different, _ = judged(left, right)
            self._different += int(different.sum())
            if not different.all():
                same = ~different & _has_digest(left) & _has_digest(right)
                self._doubtful |= bool(same.any())
                self._unclear += int((~different & ~same).sum())

    def _held(self, identities: Identities) -> dict[int, tuple[int, str | None]]:
        """The rows and keys of the destination's image sets with these numbers."""
        sets = ImageSets.of_array(identities.numbers) & self._numbers.loaded
        if not sets:
            return {}
        theirs = self._numbers.identities(sets)
        self._identities[-1] = theirs
        keys = zip(theirs.numbers.tolist(), keys_of(theirs, self.features), strict=True)
        return {number: (row, key) for row, (number, key) in enumerate(keys)}


class _Pairs:
    """Pairs of images to compare: many are compared in little more time than one."""

    def __init__(self) -> None:
        self._rows = 0
        # Pairs with other features are compared apart, as features that some lack would be missing.
        self._by_features: dict[tuple[object, ...], list[tuple[Identities, Identities]]] = {}

    def __len__(self) -> int:
        return self._rows

    def add(self, left: Identities, right: Identities) -> None:
        """Adds the images in the rows of two tables of equal length."""
        features = *left.columns, None, *left.folders, None, *right.columns, None, *right.folders
        self._by_features.setdefault(features, []).append((left, right))
        self._rows += len(left)

    def all(self) -> Iterator[tuple[Identities, Identities]]:
        """Yields all pairs, in few tables, and forgets them."""
        for pairs in self._by_features.values():
            left, right = zip(*pairs, strict=True)
            yield stacked(left), stacked(right)
        self._by_features, self._rows = {}, 0


def _names(identities: Identities) -> list[tuple[str | None, ...]]:
    """The file names and folders of each image set."""
    names = [column for name, column in identities.columns.items() if name.startswith(FILE)]
    columns = [column.to_pylist() for column in (*names, *identities.folders.values())]
    return list(zip(*columns, strict=True)) or [()] * len(identities)


def _files(identities: Identities) -> Identities:
    """Files, and the plates and wells that they are of: those tell blank images apart."""
    has_files = any(name.startswith(FILE) for name in identities.columns)
    metadata = (name for name in identities.columns if name.startswith(METADATA))
    return identities.without([name for name in metadata if not (has_files and of_a_plate(name))])


def _has_digest(identities: Identities) -> _Rows:
    has = np.zeros(len(identities), bool)
    for name, column in identities.columns.items():
        if name.startswith(DIGEST):
            has |= _filled(column)
    return has


def _has_value(column: pa.StringArray) -> bool:
    return bool(_filled(column).any())


def _filled(column: pa.StringArray) -> _Rows:
    filled = pc.fill_null(pc.not_equal(column, ""), False)
    return np.asarray(filled.to_numpy(zero_copy_only=False), bool)
