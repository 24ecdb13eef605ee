"""Whether image sets of one number are one picture, as far as files, folders and metadata tell.

Names of files come first. Where they agree, `MD5Digest_` decides where both have it, and else the
last folder, as microscopes call the files of every plate alike. Metadata decides where there are
no files, and against folders where it names other plates or wells, or files were moved. Elsewhere
it does not, as modules measure metadata too.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from cpexport.imagesets import NONE, ImageSets
from cpexport.pictures import DIGEST, FILE, METADATA, Pictures, file_name

# FlagImage's by default; it is measured, and the pipeline that says so is often not known.
_MEASURED = "Metadata_QCFlag"
# Illumination functions, which are made anew (CellProfiler 4.2.8, saveimages.py).
_FUNCTION = re.compile(r".*\.(npy|mat)", re.IGNORECASE)
# What instruments call a folder in every plate: Harmony's, MetaXpress's, Columbus's.
_ANYWHERE = re.compile(
    r"images?|tiff?s?|timepoint[ _]?\d+|zstep[ _]?\d+|measurement[ _]?\d+", re.IGNORECASE
)

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
    return _Comparing(left, right).result() if len(left) else Comparison()


@dataclass(frozen=True)
class Keys:
    """What two analyses both know of pictures, so that equal keys are the same pictures: names of
    files by channel, with digests or else folders, of which the last `least` names count; or
    metadata, where there are no files."""

    channels: tuple[str, ...] = ()
    digests: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()
    least: int = 1
    metadata: tuple[str, ...] = ()

    @classmethod
    def of(cls, ours: Pictures, theirs: Pictures) -> "Keys | None":
        """What both know; None if that is nothing."""
        channels = _channels(ours, theirs)
        if channels:
            functions = {c for c in channels if _is_function(ours.columns[FILE + c])}
            told = sorted(channels - functions or channels)
            sides = (ours, theirs)
            digests = [c for c in told if all(DIGEST + c in one.columns for one in sides)]
            folders = [c for c in told if all(c in one.folders for one in sides)]
            least = 1 + any(len(one) and _by_channel(one) for one in sides)
            some = () if digests else tuple(folders)
            return cls(tuple(sorted(channels)), tuple(digests), some, least)
        if _have_files(ours).any() and _have_files(theirs).any():
            return None
        common = ours.columns.keys() & theirs.columns.keys()
        metadata = sorted(f for f in common if f.startswith(METADATA) and f != _MEASURED)
        return cls(metadata=tuple(metadata)) if metadata else None

    def each(self, pictures: Pictures) -> list[tuple[object, ...] | None]:
        """The key of each image set; None where something of it is not known."""
        columns: list[list[object]] = []
        for channel in self.channels:
            columns.append(_keyed(pictures.columns.get(FILE + channel), pictures, file_name))
        for channel in self.digests:
            columns.append(_keyed(pictures.columns.get(DIGEST + channel), pictures, str))
        for channel in self.folders:
            folders = pictures.folders.get(channel)
            columns.append(_keyed(folders, pictures, lambda end: _plate(end, self.least)))
        for feature in self.metadata:
            columns.append(_keyed(pictures.columns.get(feature), pictures, _number))
        return [None if None in key else key for key in zip(*columns, strict=True)]


class _Comparing:
    """Compares rows of two, the same image sets in the same order."""

    def __init__(self, left: Pictures, right: Pictures) -> None:
        self._left, self._right = left, right
        self._found: dict[int, Difference] = {}
        self._none = np.zeros(len(left), bool)
        self._channels = _channels(left, right)
        functions = {c for c in self._channels if _is_function(left.columns[FILE + c])}
        self._pictures = self._channels - functions or self._channels

    def result(self) -> Comparison:
        named = self._names()
        digested = self._digests()
        filed = _have_files(self._left) & _have_files(self._right)
        placed = self._folders(~digested)
        # Folders are weak evidence: plates can have folders of one name, or be mounted at one
        # place, and where files were moved other metadata may tell.
        weak = placed & ~digested
        self._metadata(weak, _PLATE)
        told = digested | placed | (self._metadata(~named | weak & ~self._in_place()) & ~filed)
        different = np.isin(np.arange(len(named)), list(self._found))
        numbers = self._left.numbers
        return Comparison(
            {int(numbers[row]): self._found[row] for row in sorted(self._found)},
            ImageSets.of(numbers[~told & ~different]),
            ImageSets.of(numbers[~told & ~different & named]),
        )

    def _names(self) -> _Rows:
        named = self._none.copy()
        for channel in sorted(self._channels):
            feature = FILE + channel
            one, other = self._left.columns[feature], self._right.columns[feature]
            named |= self._compare(
                feature, one, other, lambda a, b: file_name(a) == file_name(b), None
            )
        return named

    def _digests(self) -> _Rows:
        told = self._none.copy()
        for channel in sorted(self._pictures):
            feature = DIGEST + channel
            one, other = self._left.columns.get(feature), self._right.columns.get(feature)
            if one is not None and other is not None:
                told |= self._compare(feature, one, other, str.__eq__, channel)
        return told

    def _folders(self, wanted: _Rows) -> _Rows:
        told = self._none.copy()
        least = 1 + (_by_channel(self._left) or _by_channel(self._right))
        plates = self._same_plate()
        for channel in sorted(self._pictures):
            one, other = self._left.folders.get(channel), self._right.folders.get(channel)
            if one is not None and other is not None:
                for rows, apart in ((wanted & plates, False), (wanted & ~plates, True)):
                    same = partial(_same_folder, least=least, apart=apart)
                    told |= self._compare(
                        f"the folder of {channel}", one, other, same, channel, rows
                    )
        return told

    def _same_plate(self) -> _Rows:
        """The rows in which metadata says that both are of one plate."""
        same = self._none.copy()
        for feature in self._left.columns.keys() & self._right.columns.keys():
            if _PLATE.fullmatch(feature) and "well" not in feature.lower():
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

    def _metadata(self, wanted: _Rows, which: re.Pattern[str] | None = None) -> _Rows:
        told = self._none.copy()
        if wanted.any():
            for feature in sorted(self._left.columns.keys() & self._right.columns.keys()):
                if not feature.startswith(METADATA) or feature == _MEASURED:
                    continue
                if which is None or which.fullmatch(feature):
                    one, other = self._left.columns[feature], self._right.columns[feature]
                    told |= self._compare(feature, one, other, _same_number, None, wanted)
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
            if row not in self._found and not same(a, b):
                name = self._left.columns[FILE + channel][row].as_py() if channel else None
                self._found[row] = Difference(feature, a, b, name)
        return np.asarray(both, bool)


def _channels(left: Pictures, right: Pictures) -> set[str]:
    """The channels that both read from files. Where some have digests, files of the others were
    written by the job itself, in a folder of its own (CellProfiler 4.2.8, saveimages.py)."""
    common = left.columns.keys() & right.columns.keys()
    found = {feature.removeprefix(FILE) for feature in common if feature.startswith(FILE)}
    for side in (left, right):
        found = {channel for channel in found if DIGEST + channel in side.columns} or found
    return found


def _is_function(names: pa.StringArray) -> bool:
    first = next((name for name in names.drop_null().slice(0, 1).to_pylist()), "")
    return _FUNCTION.fullmatch(first) is not None


def _have_files(pictures: Pictures) -> _Rows:
    found = np.zeros(len(pictures), bool)
    for feature, column in pictures.columns.items():
        if feature.startswith(FILE):
            found |= _filled(column)
    return found


def _filled(column: pa.StringArray) -> _Rows:
    """The rows with a text that is not empty, as CSV cannot tell an empty one from none."""
    filled = pc.fill_null(pc.not_equal(column, ""), False)
    return np.asarray(filled.to_numpy(zero_copy_only=False), bool)


def _by_channel(pictures: Pictures) -> bool:
    """Whether each channel has a folder of its own below one of the plate: `Plate1/DNA`."""
    ends = [column[0].as_py() for column in pictures.folders.values() if column[0].is_valid]
    parents = {end.rpartition("/")[0] for end in ends}
    return len(set(ends)) > 1 and len(parents) == 1 and parents != {""}


def _same_folder(one: str, other: str, least: int, apart: bool) -> bool:
    """Whether two ends of paths are of one folder: their last `least` names, and more where those
    are the same in every plate. Folders that differ between a first and a last name that are the
    same lie side by side; with `apart` they are two.

    >>> _same_folder("data/P1/Images", "nas/P1/Images", 1, True)
    True
    >>> _same_folder("data/P1/Images", "data/P2/Images", 1, False)
    False
    >>> [_same_folder("data/P1/raw", "data/P2/raw", 1, apart) for apart in (True, False)]
    [False, True]
    """
    ours, theirs = one.split("/"), other.split("/")
    if apart and len(ours) == len(theirs) and ours[0] == theirs[0] and ours != theirs:
        return False
    names = min(len(ours), len(theirs))
    many = min(least, names)
    while many < names and _ANYWHERE.fullmatch(ours[-many]) and _ANYWHERE.fullmatch(theirs[-many]):
        many += 1
    return ours[-many:] == theirs[-many:]


def _plate(end: str, least: int) -> str:
    """What of the end of a path tells plates apart, as `_same_folder` has it."""
    parts = end.split("/")
    many = min(least, len(parts))
    while many < len(parts) and _ANYWHERE.fullmatch(parts[-many]):
        many += 1
    return "/".join(parts[-many:])


def _number(text: str) -> object:
    try:
        return float(text)
    except ValueError:
        return text


def _keyed(
    column: pa.StringArray | None, pictures: Pictures, key: Callable[[str], object]
) -> list[object]:
    """The keys of texts, each that repeats found only once; None where there is no text."""
    if column is None:
        return [None] * len(pictures)
    known = {text: key(text) if text else None for text in column.unique().to_pylist()}
    return [known[text] for text in column.to_pylist()]


def _same_number(one: str, other: str) -> bool:
    """Whether two texts are the same number, such as 1 and 1.0: types differ between files."""
    try:
        return float(one) == float(other)
    except ValueError:
        return False
