"""Finds image sets of two analyses that have the same images, by the rules of a load.

A load compares image sets with the same number. Two analyses can number theirs differently, so here
each image set is compared with all candidates, which are first found by file names.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from cpexport.cellprofiler.comparable import (
    channels_of_both,
    least_names,
    metadata_of_both,
    of_a_plate,
)
from cpexport.cellprofiler.image_identity import DIGEST, FILE, Identities, file_name, planes
from cpexport.cellprofiler.same_image import judged
from cpexport.cellprofiler.same_text import number, plate

# A key with more pairs than this is skipped: so many similar files cannot be distinguished.
_MOST = 256

_Places = npt.NDArray[np.int64]
_Keys = list[tuple[object, ...] | None]


def _no_places() -> _Places:
    return np.empty(0, np.int64)


@dataclass(frozen=True)
class Partners:
    """Rows of two analyses that have the same images, one to one.

    `ambiguous` counts the rows of the first analysis with several partners. `undecided` counts the
    rows with files of the same names in the other analysis, but no evidence whether they are the
    same. `why` is the reason if no row can have a partner; else empty.
    """

    ours: _Places = field(default_factory=_no_places)
    theirs: _Places = field(default_factory=_no_places)
    ambiguous: int = 0
    undecided: int = 0
    why: str = ""


def partners(ours: Identities, theirs: Identities, *, same_pictures: bool = False) -> Partners:
    """Returns the partners of the image sets of two analyses, as row numbers.

    `same_pictures` is whether the user states that files of the same names are the same, if nothing
    else shows it.
    """
    channels = channels_of_both(ours, theirs)
    metadata = metadata_of_both(ours, theirs)
    if not channels and ((_have_files(ours) and _have_files(theirs)) or not metadata):
        return Partners(why="they have no channel and no metadata in common")
    matching = _Matching(ours, theirs, same_pictures)
    if channels:
        matching.unique(_exact(ours, theirs))
        matching.unique(_moved(ours, theirs), last=True)
    else:
        keys = _by_metadata(ours, metadata), _by_metadata(theirs, metadata)
        matching.unique(keys, last=True)
    return matching.partners()


class _Matching:
    """The matches so far."""

    def __init__(self, ours: Identities, theirs: Identities, same_pictures: bool) -> None:
        self._ours, self._theirs, self._same = ours, theirs, same_pictures
        self._pairs: list[tuple[_Places, _Places]] = []
        self._done = np.zeros(len(ours), bool), np.zeros(len(theirs), bool)
        self._ambiguous = np.zeros(len(ours), bool)
        self._undecided = np.zeros(len(ours), bool)

    def unique(self, keys: tuple[_Keys, _Keys], *, last: bool = False) -> None:
        """Matches rows with equal keys that have the same images, if each matches only one other.

        With `last`, also records why the other rows have no partner.
        """
        left, right = self._candidates(keys, last)
        different, undecided = judged(self._ours.take(left), self._theirs.take(right))
        same = ~different if self._same else ~different & ~undecided
        times = [
            np.bincount(rows[same], minlength=len(done))
            for rows, done in zip((left, right), self._done, strict=True)
        ]
        only = same & (times[0][left] == 1) & (times[1][right] == 1)
        self._pairs.append((left[only], right[only]))
        self._done[0][left[only]] = self._done[1][right[only]] = True
        if last:
            self._ambiguous[left[same & ~only]] = True
            self._undecided[left[undecided & ~same]] = True

    def _candidates(self, keys: tuple[_Keys, _Keys], last: bool) -> tuple[_Places, _Places]:
        """The pairs of rows with equal keys that have no partner yet."""
        by_key: list[dict[tuple[object, ...], list[int]]] = [{}, {}]
        for side, (keys_of_side, done) in enumerate(zip(keys, self._done, strict=True)):
            for row in np.flatnonzero(~done).tolist():
                if (key := keys_of_side[row]) is not None:
                    by_key[side].setdefault(key, []).append(row)
        left: list[int] = []
        right: list[int] = []
        for key, ours in by_key[0].items():
            theirs = by_key[1].get(key, [])
            if len(ours) * len(theirs) > _MOST:
                self._ambiguous[ours] |= last
                continue
            left += [row for row in ours for _ in theirs]
            right += theirs * len(ours)
        return np.array(left, np.int64), np.array(right, np.int64)

    def partners(self) -> Partners:
        left, right = (np.concatenate(rows) for rows in zip(*self._pairs, strict=True))
        undecided = self._undecided & ~self._ambiguous & ~self._done[0]
        return Partners(left, right, int(self._ambiguous.sum()), int(undecided.sum()))


def _exact(ours: Identities, theirs: Identities) -> tuple[_Keys, _Keys]:
    """Keys that are equal if everything that both know about files is equal."""
    channels = sorted(channels_of_both(ours, theirs))
    features = [b for c in channels for b in (DIGEST + c, *planes(c))]
    features = [f for f in features if f in ours.columns and f in theirs.columns]
    folders = [c for c in channels if c in ours.folders and c in theirs.folders]

    def keys(side: Identities) -> _Keys:
        names = [_changed(side.columns[FILE + channel], file_name) for channel in channels]
        more = [_changed(side.columns[feature], number) for feature in features]
        more += [_changed(side.folders[channel], str) for channel in folders]
        return _keys(names, more)

    return keys(ours), keys(theirs)


def _moved(ours: Identities, theirs: Identities) -> tuple[_Keys, _Keys]:
    """Keys that are equal if files can be the same although they were moved.

    To keep the rows with equal keys few, a key has everything that all rows know and that must then
    be equal.
    """
    channels = sorted(channels_of_both(ours, theirs))
    digests = _whole([DIGEST + c for c in channels], ours.columns, theirs.columns)
    places = _whole([f for c in channels for f in planes(c)], ours.columns, theirs.columns)
    folders = [] if digests else _whole(channels, ours.folders, theirs.folders)
    if folders:
        plates = filter(of_a_plate, metadata_of_both(ours, theirs))
        places += _whole(plates, ours.columns, theirs.columns)
    least = least_names(ours, theirs)

    def keys(side: Identities) -> _Keys:
        names = [_changed(side.columns[FILE + channel], _folded) for channel in channels]
        more = [_changed(side.columns[feature], number) for feature in [*digests, *places]]
        more += [_changed(side.folders[c], lambda end: plate(end, least)) for c in folders]
        return _keys(names, more)

    return keys(ours), keys(theirs)


def _by_metadata(side: Identities, metadata: Sequence[str]) -> _Keys:
    return _keys([_changed(side.columns[feature], number) for feature in metadata])


def _keys(needed: Sequence[list[object]], more: Sequence[list[object]] = ()) -> _Keys:
    """A key for each row; None if a `needed` part is unknown."""
    count = len(needed)
    keys = zip(*needed, *more, strict=True)
    return [None if None in key[:count] else key for key in keys]


def _changed(column: pa.StringArray, change: Callable[[str], object]) -> list[object]:
    """Applies `change` to each text, once per distinct text; None if there is no text."""
    changed = {text: change(text) if text else None for text in column.unique().to_pylist()}
    return [changed[text] for text in column.to_pylist()]


def _whole(
    names: Iterable[str],
    ours: Mapping[str, pa.StringArray],
    theirs: Mapping[str, pa.StringArray],
) -> list[str]:
    """The columns that are complete on both sides."""
    sides = (ours, theirs)
    return [name for name in names if all(name in one and _filled(one[name]) for one in sides)]


def _filled(column: pa.StringArray) -> bool:
    return not column.null_count and not pc.any(pc.equal(column, "")).as_py()


def _have_files(identities: Identities) -> bool:
    return any(f.startswith(FILE) and c.null_count < len(c) for f, c in identities.columns.items())


def _folded(path: str) -> str:
    return (file_name(path) or "").casefold()
