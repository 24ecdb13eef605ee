"""Decides whether two image sets have the same images, by files, folders and metadata.

File names come first. If they agree, `MD5Digest_` decides if both have it; otherwise the last
folder decides, because microscopes use the same file names on every plate. Both describe the whole
file: if a file contains several images, the planes must agree too. Metadata decides in three cases:
without files, if it names other plates or wells than the folders, and if files were moved.
Otherwise it does not count, because modules also measure metadata.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from cpexport.cellprofiler.comparable import (
    channels_of_files,
    least_names,
    metadata_of_both,
    of_a_plate,
    without_functions,
)
from cpexport.cellprofiler.image_identity import (
    DIGEST,
    FILE,
    FIRST,
    METADATA,
    Identities,
    planes,
)
from cpexport.cellprofiler.same_text import same_folder, same_name, same_number, same_value
from cpexport.imagesets import NONE, ImageSets

_Rows = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class ImageDifference:
    """The first difference between the images of two image sets with the same number.

    `name` is the file's name if both have the same.
    """

    feature: str
    ours: str
    theirs: str
    name: str | None = None

    def __str__(self) -> str:
        text = f"{self.feature} is {self.ours!r}, not {self.theirs!r}"
        return text if self.name is None else f"the file is {self.name!r} in both, but {text}"


@dataclass(frozen=True)
class Comparison:
    """The result of comparing the image sets that both sides have.

    `different` has the image sets with different images and their first difference, and `undecided`
    the image sets without evidence. `named` are the undecided ones whose files have the same names.
    """

    different: Mapping[int, ImageDifference] = field(default_factory=dict)
    undecided: ImageSets = NONE
    named: ImageSets = NONE


def compared(ours: Identities, theirs: Identities) -> Comparison:
    """Compares the image sets that are in both; the time grows with the image sets in `ours`.

    Only features that both have are compared, and only where both have a value.
    """
    right = theirs.select(ours.numbers)
    left = ours.select(right.numbers)
    if not len(left):
        return Comparison()
    comparing, numbers = _Comparing(left, right), left.numbers
    undecided = ~comparing.different & (~comparing.decided | comparing.repeated())
    return Comparison(
        {int(numbers[row]): comparing.differences[row] for row in sorted(comparing.differences)},
        ImageSets.of(numbers[undecided]),
        ImageSets.of(numbers[undecided & comparing.named]),
    )


def judged(ours: Identities, theirs: Identities) -> tuple[_Rows, _Rows]:
    """Returns two masks of rows: different images, and no evidence. The other rows are the same.

    Compares row by row. Both must have the same number of rows; image set numbers do not matter.
    """
    comparing = _Comparing(ours, theirs)
    return comparing.different, ~comparing.different & ~comparing.decided


class _Comparing:
    """Compares two tables row by row."""

    def __init__(self, left: Identities, right: Identities) -> None:
        self._left, self._right = left, right
        self.differences: dict[int, ImageDifference] = {}
        """The first difference of each row with different images."""
        self._none = np.zeros(len(left), bool)
        self._channels = channels_of_files(left, right)
        self._image_channels = without_functions(self._channels, left)
        self.named = self._names()
        has_digest = self._digests()
        self._both_have_files = _have_files(left) & _have_files(right)
        has_folder = self._folders(~has_digest)
        self.has_plane, doubtful = self._planes()
        # Folders are weak evidence: plates can have folders of the same name, or be mounted at the
        # same place, and after files were moved, other metadata may decide.
        by_folder_only = has_folder & ~has_digest
        self._metadata(by_folder_only, of_a_plate)
        # Blank images have equal digests. What is elsewhere and of another plate or well is another
        # image; what was only moved, or only got other metadata, is the same.
        self._metadata(has_digest & ~self._in_place(), of_a_plate)
        decided = (
            self._metadata(~self.named | by_folder_only & ~self._in_place())
            & ~self._both_have_files
        )
        self.decided = (has_digest | has_folder | decided) & ~doubtful

    @property
    def different(self) -> _Rows:
        return np.isin(np.arange(len(self._none)), list(self.differences))

    def repeated(self) -> _Rows:
        """The rows whose files also belong to other rows and cannot be separated.

        Neither planes that both know nor metadata on which both agree separates them.
        """
        ours, theirs, rows = self._files(self._left), self._files(self._right), len(self._left)
        repeated = self.named & ~self.has_plane & (_repeats(ours, rows) | _repeats(theirs, rows))
        if repeated.any():
            metadata = metadata_of_both(self._left, self._right)
            separated = ~_repeats([*ours, *(self._left.columns[f] for f in metadata)], rows)
            for feature in metadata:
                one, other = self._left.columns[feature], self._right.columns[feature]
                pairs = zip(one.to_pylist(), other.to_pylist(), strict=True)
                separated &= np.array([a == b or same_value(a, b) for a, b in pairs], bool)
            repeated &= ~separated
        return repeated

    def _files(self, side: Identities) -> list[pa.StringArray]:
        """Everything that is known about files."""
        columns = [
            side.columns.get(b + c) for c in sorted(self._image_channels) for b in (FILE, DIGEST)
        ]
        columns += [side.folders.get(channel) for channel in sorted(self._image_channels)]
        return [column for column in columns if column is not None]

    def _names(self) -> _Rows:
        named = self._none.copy()
        for channel in sorted(self._channels):
            feature = FILE + channel
            one, other = self._left.columns[feature], self._right.columns[feature]
            named |= self._compare(feature, one, other, same_name, None)
        return named

    def _digests(self) -> _Rows:
        decided = self._none.copy()
        for channel in sorted(self._image_channels):
            feature = DIGEST + channel
            one, other = self._left.columns.get(feature), self._right.columns.get(feature)
            if one is not None and other is not None:
                decided |= self._compare(feature, one, other, str.__eq__, channel)
        return decided

    def _planes(self) -> tuple[_Rows, _Rows]:
        """The rows in which both know a plane, and those in which only one side knows it.

        The first plane of a file, 0, does not count as knowledge: it is also the plane of a file
        with only one image, for which CellProfiler need not record it.
        """
        known_by_both, doubtful = self._none.copy(), self._none.copy()
        for channel in sorted(self._image_channels):
            for feature in planes(channel):
                one, other = self._left.columns.get(feature), self._right.columns.get(feature)
                if one is not None and other is not None:
                    known_by_both |= self._compare(feature, one, other, _same_plane, channel)
                for side, opposite in ((one, other), (other, one)):
                    if side is not None:
                        unknown = True if opposite is None else ~_filled(opposite)
                        doubtful |= _filled(side, FIRST) & unknown
        return known_by_both, doubtful

    def _folders(self, wanted: _Rows) -> _Rows:
        decided = self._none.copy()
        least = least_names(self._left, self._right)
        plates = self._same_plate()
        for channel in sorted(self._image_channels):
            one, other = self._left.folders.get(channel), self._right.folders.get(channel)
            if one is not None and other is not None:
                for rows, apart in ((wanted & plates, False), (wanted & ~plates, True)):
                    same = partial(same_folder, least=least, apart=apart)
                    decided |= self._compare(
                        f"the folder of {channel}", one, other, same, channel, rows
                    )
        return decided

    def _same_plate(self) -> _Rows:
        """The rows in which metadata names the same plate on both sides."""
        same = self._none.copy()
        for feature in self._left.columns.keys() & self._right.columns.keys():
            if of_a_plate(feature) and "well" not in feature.lower():
                one, other = self._left.columns[feature], self._right.columns[feature]
                equal = pc.fill_null(pc.equal(one, other), False)
                same |= _filled(one) & equal.to_numpy(zero_copy_only=False)
        return same

    def _in_place(self) -> _Rows:
        """The rows in which all known folders are the same on both sides."""
        same = np.ones(len(self._left), bool)
        for channel in self._image_channels:
            one, other = self._left.folders.get(channel), self._right.folders.get(channel)
            if one is not None and other is not None:
                differ = pc.fill_null(pc.not_equal(one, other), False)
                same &= ~differ.to_numpy(zero_copy_only=False)
        return same

    def _metadata(self, wanted: _Rows, which: Callable[[str], bool] | None = None) -> _Rows:
        decided = self._none.copy()
        if wanted.any():
            for feature in metadata_of_both(self._left, self._right):
                if which is None or which(feature):
                    one, other = self._left.columns[feature], self._right.columns[feature]
                    decided |= self._compare(feature, one, other, same_value, None, wanted)
        return decided

    def _compare(
        self,
        feature: str,
        one: pa.StringArray,
        other: pa.StringArray,
        same: Callable[[str, str], bool],
        channel: str | None,
        wanted: _Rows | None = None,
    ) -> _Rows:
        """The rows in which both have a value.

        Records a difference where the values are not the `same`.
        """
        unequal = pc.not_equal(one, other)
        both = unequal.is_valid().to_numpy(zero_copy_only=False)
        if not feature.startswith(METADATA):
            both &= _filled(one) & _filled(other)
        rows = both & unequal.fill_null(False).to_numpy(zero_copy_only=False)
        if wanted is not None:
            rows &= wanted
        for row in np.flatnonzero(rows).tolist():
            a, b = one[row].as_py(), other[row].as_py()
            if row not in self.differences and not same(a, b):
                name = self._left.columns[FILE + channel][row].as_py() if channel else None
                self.differences[row] = ImageDifference(feature, a, b, name)
        return np.asarray(both, bool)


def _same_plane(one: str, other: str) -> bool:
    return same_number(one, other) or (one in FIRST and other in FIRST)


def _have_files(identities: Identities) -> _Rows:
    has_file = np.zeros(len(identities), bool)
    for feature, column in identities.columns.items():
        if feature.startswith(FILE):
            has_file |= _filled(column)
    return has_file


def _filled(column: pa.StringArray, excluded: Collection[str] = ("",)) -> _Rows:
    """The rows with a text that is not in `excluded`.

    By default an empty text does not count, because CSV cannot distinguish it from a missing one.
    """
    empty = pc.is_in(column, value_set=pa.array([None, *excluded], pa.string()))
    return ~np.asarray(empty.to_numpy(zero_copy_only=False), bool)


def _repeats(columns: Sequence[pa.StringArray], rows: int) -> _Rows:
    """The rows with the same texts as another row."""
    if not columns:
        return np.zeros(rows, bool)
    codes = [column.dictionary_encode("encode").indices.to_numpy() for column in columns]
    _, place, count = np.unique(np.array(codes), axis=1, return_inverse=True, return_counts=True)
    return np.asarray(count[place.reshape(-1)] > 1, bool)
