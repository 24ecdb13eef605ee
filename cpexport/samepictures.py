"""Whether two image sets are one picture, as far as files, folders and metadata tell.

Names of files come first. Where they agree, `MD5Digest_` decides where both have it, and else the
last folder, as microscopes call the files of every plate alike. Both are of the whole file: where a
file holds several pictures, the planes must agree too. Metadata decides where there are no files,
and against folders where it names other plates or wells, or files were moved. Elsewhere it does
not, as modules measure metadata too.
"""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from cpexport.imagesets import NONE, ImageSets
from cpexport.pictures import DIGEST, FILE, FIRST, METADATA, Pictures, planes
from cpexport.sametexts import same_folder, same_name, same_number

# FlagImage's by default; it is measured, and the pipeline that says so is often not known.
_MEASURED = "Metadata_QCFlag"
# Illumination functions, which are made anew (CellProfiler 4.2.8, saveimages.py).
_FUNCTION = re.compile(r".*\.(npy|mat)", re.IGNORECASE)
# What metadata calls plates and the places on them.
_PLATE = re.compile(r"Metadata_.*(plate|barcode|well).*", re.IGNORECASE)

_Rows = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Difference:
    """The first thing by which two pictures under one image set number differ. `name` is that of
    the file, where it is the same."""

    feature: str
    ours: str
    theirs: str
    name: str | None = None

    def __str__(self) -> str:
        said = f"{self.feature} is {self.ours!r}, not {self.theirs!r}"
        return said if self.name is None else f"the file is {self.name!r} in both, but {said}"


@dataclass(frozen=True)
class Comparison:
    """Image sets that both have: those that are `different` pictures and how, and those of which
    nothing tells. `named` are those of the latter whose files have the same names."""

    different: Mapping[int, Difference] = field(default_factory=dict)
    untold: ImageSets = NONE
    named: ImageSets = NONE


def compared(ours: Pictures, theirs: Pictures) -> Comparison:
    """How the image sets in both compare. Takes time by the number of those in `ours`.

    Only what both know is compared, and only where both have a value.
    """
    right = theirs.select(ours.numbers)
    left = ours.select(right.numbers)
    if not len(left):
        return Comparison()
    rows, numbers = _Comparing(left, right), left.numbers
    untold = ~rows.different & (~rows.told | rows.repeated())
    return Comparison(
        {int(numbers[row]): rows.found[row] for row in sorted(rows.found)},
        ImageSets.of(numbers[untold]),
        ImageSets.of(numbers[untold & rows.named]),
    )


def judged(ours: Pictures, theirs: Pictures) -> tuple[_Rows, _Rows]:
    """Which rows are different pictures, and of which nothing tells. The rest are the same.

    Row by row: both have as many rows, whose numbers do not matter.
    """
    rows = _Comparing(ours, theirs)
    return rows.different, ~rows.different & ~rows.told


def channels_of_both(ours: Pictures, theirs: Pictures) -> frozenset[str]:
    """The channels by whose files two can be compared."""
    return _without_functions(_channels(ours, theirs), ours)


def metadata_of_both(ours: Pictures, theirs: Pictures) -> list[str]:
    """The metadata by which two can be compared."""
    common = ours.columns.keys() & theirs.columns.keys()
    return sorted(f for f in common if f.startswith(METADATA) and f != _MEASURED)


def of_a_plate(feature: str) -> bool:
    """Whether metadata names plates, or the places on them, which tells against folders."""
    return _PLATE.fullmatch(feature) is not None


def least_names(ours: Pictures, theirs: Pictures) -> int:
    """How many of the last names of folders tell plates apart, at least."""
    return 1 + any(len(side) and _by_channel(side) for side in (ours, theirs))


class _Comparing:
    """Compares rows of two, those in one place with each other."""

    def __init__(self, left: Pictures, right: Pictures) -> None:
        self._left, self._right = left, right
        self.found: dict[int, Difference] = {}
        """The first difference of each row that has one."""
        self._none = np.zeros(len(left), bool)
        self._channels = _channels(left, right)
        self._pictures = _without_functions(self._channels, left)
        self.named = self._names()
        digested = self._digests()
        self._filed = _have_files(left) & _have_files(right)
        placed = self._folders(~digested)
        self.planed, doubtful = self._planes()
        # Folders are weak evidence: plates can have folders of one name, or be mounted at one
        # place, and where files were moved other metadata may tell.
        weak = placed & ~digested
        self._metadata(weak, of_a_plate)
        told = self._metadata(~self.named | weak & ~self._in_place()) & ~self._filed
        self.told = (digested | placed | told) & ~doubtful

    @property
    def different(self) -> _Rows:
        return np.isin(np.arange(len(self._none)), list(self.found))

    def repeated(self) -> _Rows:
        """The rows whose files are those of other rows too, without planes that both know, and
        which no metadata tells apart that both have alike."""
        ours, theirs, rows = self._files(self._left), self._files(self._right), len(self._left)
        repeated = self.named & ~self.planed & (_repeats(ours, rows) | _repeats(theirs, rows))
        if repeated.any():
            metadata = metadata_of_both(self._left, self._right)
            apart = ~_repeats([*ours, *(self._left.columns[f] for f in metadata)], rows)
            for feature in metadata:
                one, other = self._left.columns[feature], self._right.columns[feature]
                pairs = zip(one.to_pylist(), other.to_pylist(), strict=True)
                apart &= np.array([a == b or same_number(a, b) for a, b in pairs], bool)
            repeated &= ~apart
        return repeated

    def _files(self, side: Pictures) -> list[pa.StringArray]:
        """All that is known of files."""
        columns = [side.columns.get(b + c) for c in sorted(self._pictures) for b in (FILE, DIGEST)]
        columns += [side.folders.get(channel) for channel in sorted(self._pictures)]
        return [column for column in columns if column is not None]

    def _names(self) -> _Rows:
        named = self._none.copy()
        for channel in sorted(self._channels):
            feature = FILE + channel
            one, other = self._left.columns[feature], self._right.columns[feature]
            named |= self._compare(feature, one, other, same_name, None)
        return named

    def _digests(self) -> _Rows:
        told = self._none.copy()
        for channel in sorted(self._pictures):
            feature = DIGEST + channel
            one, other = self._left.columns.get(feature), self._right.columns.get(feature)
            if one is not None and other is not None:
                told |= self._compare(feature, one, other, str.__eq__, channel)
        return told

    def _planes(self) -> tuple[_Rows, _Rows]:
        """The rows in which both know a plane, and those in which one knows more than the other.

        The first plane of a file, 0, is also that of a file with one picture, of which CellProfiler
        need not say it.
        """
        known, doubtful = self._none.copy(), self._none.copy()
        for channel in sorted(self._pictures):
            for feature in planes(channel):
                one, other = self._left.columns.get(feature), self._right.columns.get(feature)
                if one is not None and other is not None:
                    known |= self._compare(feature, one, other, _same_plane, channel)
                for side, beside in ((one, other), (other, one)):
                    if side is not None:
                        unknown = True if beside is None else ~_filled(beside)
                        doubtful |= _filled(side, FIRST) & unknown
        return known, doubtful

    def _folders(self, wanted: _Rows) -> _Rows:
        told = self._none.copy()
        least = least_names(self._left, self._right)
        plates = self._same_plate()
        for channel in sorted(self._pictures):
            one, other = self._left.folders.get(channel), self._right.folders.get(channel)
            if one is not None and other is not None:
                for rows, apart in ((wanted & plates, False), (wanted & ~plates, True)):
                    same = partial(same_folder, least=least, apart=apart)
                    told |= self._compare(
                        f"the folder of {channel}", one, other, same, channel, rows
                    )
        return told

    def _same_plate(self) -> _Rows:
        """The rows in which metadata says that both are of one plate."""
        same = self._none.copy()
        for feature in self._left.columns.keys() & self._right.columns.keys():
            if of_a_plate(feature) and "well" not in feature.lower():
                one, other = self._left.columns[feature], self._right.columns[feature]
                equal = pc.fill_null(pc.equal(one, other), False)
                same |= _filled(one) & equal.to_numpy(zero_copy_only=False)
        return same

    def _in_place(self) -> _Rows:
        """The rows in which all that is known of folders is the same on both sides."""
        same = np.ones(len(self._left), bool)
        for channel in self._pictures:
            one, other = self._left.folders.get(channel), self._right.folders.get(channel)
            if one is not None and other is not None:
                differ = pc.fill_null(pc.not_equal(one, other), False)
                same &= ~differ.to_numpy(zero_copy_only=False)
        return same

    def _metadata(self, wanted: _Rows, which: Callable[[str], bool] | None = None) -> _Rows:
        told = self._none.copy()
        if wanted.any():
            for feature in metadata_of_both(self._left, self._right):
                if which is None or which(feature):
                    one, other = self._left.columns[feature], self._right.columns[feature]
                    told |= self._compare(feature, one, other, same_number, None, wanted)
        return told

    def _compare(
        self,
        feature: str,
        one: pa.StringArray,
        other: pa.StringArray,
        same: Callable[[str, str], bool],
        channel: str | None,
        wanted: _Rows | None = None,
    ) -> _Rows:
        """The rows in which both have a value. Differences are noted where texts differ that are
        not the same."""
        differ = pc.not_equal(one, other)
        both = differ.is_valid().to_numpy(zero_copy_only=False)
        if not feature.startswith(METADATA):
            both &= _filled(one) & _filled(other)
        rows = both & differ.fill_null(False).to_numpy(zero_copy_only=False)
        if wanted is not None:
            rows &= wanted
        for row in np.flatnonzero(rows).tolist():
            a, b = one[row].as_py(), other[row].as_py()
            if row not in self.found and not same(a, b):
                name = self._left.columns[FILE + channel][row].as_py() if channel else None
                self.found[row] = Difference(feature, a, b, name)
        return np.asarray(both, bool)


def _channels(left: Pictures, right: Pictures) -> set[str]:
    """The channels that both read from files. Where some have digests, files of the others were
    written by the job itself, in a folder of its own (CellProfiler 4.2.8, saveimages.py)."""
    common = left.columns.keys() & right.columns.keys()
    found = {feature.removeprefix(FILE) for feature in common if feature.startswith(FILE)}
    for side in (left, right):
        found = {channel for channel in found if DIGEST + channel in side.columns} or found
    return found


def _without_functions(channels: Collection[str], pictures: Pictures) -> frozenset[str]:
    """The channels of pictures; those of functions only where there are no others."""
    functions = {c for c in channels if _is_function(pictures.columns[FILE + c])}
    return frozenset(set(channels) - functions or channels)


def _same_plane(one: str, other: str) -> bool:
    return same_number(one, other) or (one in FIRST and other in FIRST)


def _is_function(names: pa.StringArray) -> bool:
    first = next((name for name in names.drop_null().slice(0, 1).to_pylist()), "")
    return _FUNCTION.fullmatch(first) is not None


def _have_files(pictures: Pictures) -> _Rows:
    found = np.zeros(len(pictures), bool)
    for feature, column in pictures.columns.items():
        if feature.startswith(FILE):
            found |= _filled(column)
    return found


def _filled(column: pa.StringArray, but: Collection[str] = ("",)) -> _Rows:
    """The rows with a text that is not empty, as CSV cannot tell an empty one from none, and is
    none of those in `but`."""
    empty = pc.is_in(column, value_set=pa.array([None, *but], pa.string()))
    return ~np.asarray(empty.to_numpy(zero_copy_only=False), bool)


def _repeats(columns: Sequence[pa.StringArray], rows: int) -> _Rows:
    """The rows of which another one has the same texts."""
    if not columns:
        return np.zeros(rows, bool)
    codes = [column.dictionary_encode("encode").indices.to_numpy() for column in columns]
    _, place, count = np.unique(np.array(codes), axis=1, return_inverse=True, return_counts=True)
    return np.asarray(count[place.reshape(-1)] > 1, bool)


def _by_channel(pictures: Pictures) -> bool:
    """Whether each channel has a folder of its own below one of the plate: `Plate1/DNA`."""
    ends = [column[0].as_py() for column in pictures.folders.values() if column[0].is_valid]
    parents = {end.rpartition("/")[0] for end in ends}
    return len(set(ends)) > 1 and len(parents) == 1 and parents != {""}
