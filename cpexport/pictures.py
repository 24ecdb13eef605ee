"""Which pictures stand behind image set numbers: their file names and metadata.

Image set numbers can lie: CellProfiler renumbers a LoadData list whose groups are not contiguous
when a job runs (CellProfiler 4.2.8, reorder_image_measurements), and every screen counts from 1.
File names and metadata do not.
"""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

# NamesAndTypes sets these two by the plane of the file, and the third by its folder.
_NOT_IDENTITY = frozenset({"Metadata_Frame", "Metadata_Series", "Metadata_FileLocation"})


def tells_pictures_apart(feature: str) -> bool:
    """Whether an image feature is part of what identifies a picture.

    >>> [tells_pictures_apart(f) for f in ("FileName_DNA", "Metadata_Well", "PathName_DNA")]
    [True, True, False]
    """
    return feature.startswith(("FileName_", "Metadata_")) and feature not in _NOT_IDENTITY


@dataclass(frozen=True)
class Pictures:
    """File names and metadata by image set, as text: one column a feature, one row an image set.

    `numbers` is ascending. A feature without a value for an image set is null there.
    """

    numbers: npt.NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    columns: Mapping[str, pa.StringArray] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.numbers)

    def select(self, numbers: Sequence[int] | npt.NDArray[np.int64]) -> "Pictures":
        """Only these image sets, those that are here."""
        wanted = np.unique(np.asarray(numbers, np.int64))
        rows = np.searchsorted(self.numbers, wanted)
        here = rows < len(self.numbers)
        rows, wanted = rows[here], wanted[here]
        rows = rows[self.numbers[rows] == wanted]
        take = pa.array(rows)
        return Pictures(
            self.numbers[rows], {name: column.take(take) for name, column in self.columns.items()}
        )

    def without(self, features: Collection[str]) -> "Pictures":
        """The same without some features, such as flags that a module measured."""
        kept = {name: column for name, column in self.columns.items() if name not in features}
        return Pictures(self.numbers, kept)

    def identities(self) -> Iterator[str]:
        """One JSON object an image set, in order of number, features sorted, nulls left out."""
        names = sorted(self.columns)
        texts = [self.columns[name].to_pylist() for name in names]
        for row in range(len(self.numbers)):
            known = {n: t[row] for n, t in zip(names, texts, strict=True) if t[row] is not None}
            yield json.dumps(known, ensure_ascii=False, separators=(",", ":"))

    def keys(self, features: Sequence[str]) -> list[tuple[str, ...]] | None:
        """The values of some features, an image set a tuple; None if one of them is not here."""
        if not features or any(feature not in self.columns for feature in features):
            return None
        texts = [self.columns[f].fill_null("").to_pylist() for f in features]
        return list(zip(*texts, strict=True))


def from_identities(numbers: Sequence[int], identities: Sequence[str]) -> Pictures:
    """The pictures that `Pictures.identities` wrote down; `numbers` ascending."""
    rows = [json.loads(identity) for identity in identities]
    names = sorted({name for row in rows for name in row})
    columns = {name: pa.array([row.get(name) for row in rows], pa.string()) for name in names}
    return Pictures(np.asarray(numbers, np.int64), columns)


@dataclass(frozen=True)
class Difference:
    """The first feature by which two pictures under one image set number differ."""

    feature: str
    ours: str
    theirs: str

    def __str__(self) -> str:
        return f"{self.feature} is {self.ours!r}, not {self.theirs!r}"


def differences(ours: Pictures, theirs: Pictures) -> dict[int, Difference]:
    """Image sets in both that are different pictures, and how they differ.

    Only features that both know are compared, and only where both have a value. Empty text and
    no value are alike, as CSV cannot tell them apart. See `comparable` for what this cannot say.
    """
    common = np.intersect1d(ours.numbers, theirs.numbers)
    if not len(common):
        return {}
    left, right = ours.select(common), theirs.select(common)
    found: dict[int, Difference] = {}
    for feature in sorted(left.columns.keys() & right.columns.keys()):
        one, other = left.columns[feature], right.columns[feature]
        differ = pc.fill_null(pc.not_equal(one, other), False)
        if feature.startswith("Metadata_") and pc.any(differ).as_py():
            differ = pc.and_(differ, pc.invert(_same_number(one, other)))
        for row in np.flatnonzero(differ.to_numpy(zero_copy_only=False)):
            number = int(common[row])
            if number not in found:
                found[number] = Difference(feature, one[row].as_py(), other[row].as_py())
    return found


def comparable(ours: Pictures, theirs: Pictures) -> bool:
    """Whether the two have any feature in common, so that equal pictures can be told at all."""
    return bool(ours.columns.keys() & theirs.columns.keys())


def _same_number(one: pa.StringArray, other: pa.StringArray) -> pa.BooleanArray:
    """Where two texts are the same number, such as 1 and 1.0: types differ between files."""

    def number(text: str | None) -> float | None:
        try:
            return float(text) if text else None
        except ValueError:
            return None

    pairs = zip(one.to_pylist(), other.to_pylist(), strict=True)
    same = [(a := number(x)) is not None and a == number(y) for x, y in pairs]
    return pa.array(same, pa.bool_())
