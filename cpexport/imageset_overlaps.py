"""Which of many sets of image sets share numbers.

The functions take one set for each batch: a run has up to a million of them.
"""

from array import array
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from cpexport.imagesets import ImageSets

if TYPE_CHECKING:
    # Its import takes longer than most of what needs no arrays.
    import numpy as np
    import numpy.typing as npt


def repeated(sets: Iterable[ImageSets]) -> ImageSets:
    """The numbers that are in more than one of the sets. The time grows with the number of ranges.

    >>> repeated([ImageSets.span(1, 4), ImageSets.span(3, 6), ImageSets.of([9])])
    ImageSets('3-4')
    """
    import numpy as np

    first, last, _ = _ranges_of(sets)
    until = np.maximum.accumulate(last)[:-1]
    shared = np.flatnonzero(first[1:] <= until)
    lasts = np.minimum(last[1:], until)[shared]
    return ImageSets.from_ranges(zip(first[1:][shared].tolist(), lasts.tolist(), strict=True))


def overlapping(sets: Iterable[ImageSets]) -> list[int]:
    """The positions of the sets that share numbers with another one, in order.

    >>> overlapping([ImageSets.span(1, 4), ImageSets.span(5, 6), ImageSets.span(4, 4)])
    [0, 2]
    """
    import numpy as np

    first, last, place = _ranges_of(sets)
    shares = np.zeros(len(first), bool)
    shares[1:] = first[1:] <= np.maximum.accumulate(last)[:-1]
    shares[:-1] |= first[1:] <= last[:-1]
    return [int(one) for one in np.unique(place[shares])]


def _ranges_of(sets: Iterable[ImageSets]) -> "tuple[npt.NDArray[np.int64], ...]":
    """All ranges of many sets, sorted: their first and last numbers, and the positions of the
    sets."""
    import numpy as np

    # A Python object for each range would take ten times the memory.
    columns = array("q"), array("q"), array("q")
    for place, one in enumerate(sets):
        for first, last in one.ranges:
            for column, value in zip(columns, (first, last, place), strict=True):
                column.append(value)
    firsts, lasts, places = (np.frombuffer(column, np.int64) for column in columns)
    order = np.lexsort((places, lasts, firsts))
    return firsts[order], lasts[order], places[order]


def in_common(sets: Sequence[ImageSets]) -> Iterator[tuple[int, int, ImageSets]]:
    """Yields each pair of sets that share numbers, as two positions, and those numbers.

    The smaller position comes first.

    The time grows with the number of pairs that share numbers, not with all possible pairs.

    >>> list(in_common([ImageSets.span(1, 4), ImageSets.span(5, 6), ImageSets.span(4, 5)]))
    [(0, 2, ImageSets('4')), (1, 2, ImageSets('5'))]
    """
    open_: list[tuple[int, int]] = []
    pairs: dict[tuple[int, int], list[tuple[int, int]]] = {}
    ranges = sorted(
        (first, last, place) for place, one in enumerate(sets) for first, last in one.ranges
    )
    for first, last, place in ranges:
        open_ = [(end, other) for end, other in open_ if end >= first]
        for end, other in open_:
            pair = (min(place, other), max(place, other))
            pairs.setdefault(pair, []).append((first, min(last, end)))
        open_.append((last, place))
    for (one, other), both in sorted(pairs.items()):
        yield one, other, ImageSets.from_ranges(both)
