"""Sets of image set numbers, stored as ranges: which are planned, present or missing."""

import operator
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, pairwise
from typing import TYPE_CHECKING, Final, Self, SupportsIndex

from cpexport.number_ranges import check_range, common, near, parsed, remaining

if TYPE_CHECKING:
    # Its import takes longer than most of what needs no arrays.
    import numpy as np
    import numpy.typing as npt

LARGEST: Final = 999_999_999
"""The largest number that an image set or object of a job can have.

CellProfiler counts both from 1. A larger number is damage.
"""

# Ranges that are collected before they are joined.
_AT_ONCE: Final = 10_000


@dataclass(frozen=True, slots=True, repr=False)
class ImageSets:
    """An immutable set of image set numbers, stored as ranges.

    >>> ImageSets.parse("1-96") - ImageSets.parse("1-40,42-96")
    ImageSets('41')

    `ranges` holds pairs (first, last) in ascending order. Numbers start at 1, both ends are
    included, and at least one number is missing between two ranges. Equal sets therefore have equal
    ranges, texts and hashes. The time of `|`, `-`, `&` and `<=` grows with the number of ranges; of
    a far larger set on the right, only those near the left one count. The time of `in` grows with
    the logarithm of that number. The number of image sets does not matter.

    Call the class itself only for the empty set, or with ranges in the form above. Otherwise use
    `parse`, `of`, `span` or `from_ranges`.

    >>> ImageSets()
    ImageSets('')
    >>> ImageSets.parse("1-3") | ImageSets.of([7, 4])
    ImageSets('1-4,7')

    Raises:
        ValueError: `ranges` are not in the form above.
    """

    ranges: tuple[tuple[int, int], ...] = ()

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        # A million are pickled; the way of dataclasses with slots takes several times as long.
        return (type(self), (self.ranges,)) if self.ranges else (_none, ())

    def __post_init__(self) -> None:
        for first, last in self.ranges:
            check_range(first, last)
        for (_, last), (first, _) in pairwise(self.ranges):
            if first <= last + 1:
                raise ValueError(
                    f"ranges must be sorted, with a gap between them, but {first} follows {last}"
                )

    @classmethod
    def of(cls, numbers: Iterable[SupportsIndex]) -> Self:
        """Returns the set of these numbers, in any order, with or without repeats.

        NumPy integers are accepted too.

        >>> ImageSets.of([3, 1, 2, 2, 9])
        ImageSets('1-3,9')

        Raises:
            ValueError: a number is below 1.
            TypeError: a number is not of an integer type; 2.0 is not.
        """
        distinct = sorted({operator.index(number) for number in numbers})
        return cls.from_ranges((number, number) for number in distinct)

    @classmethod
    def of_array(cls, numbers: "npt.NDArray[np.int64]") -> Self:
        """Returns the set of the numbers in an array, like `of`, with little memory for many.

        >>> import numpy as np
        >>> ImageSets.of_array(np.array([3, 1, 2, 2, 9]))
        ImageSets('1-3,9')

        Raises:
            ValueError: a number is below 1.
        """
        import numpy as np

        distinct = np.unique(np.asarray(numbers))
        ends = np.flatnonzero(np.diff(distinct, append=np.inf) > 1)
        starts = np.concatenate([[0], ends[:-1] + 1]).astype(np.int64)[: len(ends)]
        return cls(tuple(zip(distinct[starts].tolist(), distinct[ends].tolist(), strict=True)))

    @classmethod
    def span(cls, first: int, last: int) -> Self:
        """Returns the set of all numbers from `first` to `last`, both included.

        >>> ImageSets.span(1, 50)
        ImageSets('1-50')

        Raises:
            ValueError: `first` is below 1 or above `last`. For an empty set, use `ImageSets()`.
        """
        return cls.from_ranges([(first, last)])

    @classmethod
    def from_ranges(cls, ranges: Iterable[tuple[int, int]]) -> Self:
        """Returns the set of all numbers in these ranges (first, last).

        The ranges can be in any order and can overlap.

        Use it for the union of many sets: it is faster than repeated `|`.

        >>> sets = [ImageSets.span(first, first + 9) for first in (21, 1, 11)]
        >>> ImageSets.from_ranges(pair for one in sets for pair in one.ranges)
        ImageSets('1-30')

        Raises:
            ValueError: a range begins below 1, or ends before it begins.
        """
        joined: list[tuple[int, int]] = []
        for first, last in sorted(ranges):
            check_range(first, last)
            if joined and first <= joined[-1][1] + 1:
                joined[-1] = (joined[-1][0], max(joined[-1][1], last))
            else:
                joined.append((first, last))
        return cls(tuple(joined))

    @classmethod
    def parse(cls, text: str) -> Self:
        """Returns the set that `text` lists as numbers and ranges between commas, like `str`.

        Spaces, order and overlaps do not matter. A blank text is the empty set.

        >>> ImageSets.parse("42-96, 1 - 40, 7")
        ImageSets('1-40,42-96')
        >>> ImageSets.parse("1-4,5-3")
        Traceback (most recent call last):
        ...
        ValueError: '5-3' in a list of image sets: the range ends before it starts

        Raises:
            ValueError: a piece is neither a number from 1 on nor a range; the message quotes the
                piece.
        """
        if not text.strip():
            return cls()
        return cls.from_ranges(parsed(piece) for piece in text.split(","))

    @property
    def first(self) -> int:
        """The smallest number.

        Raises:
            ValueError: the set is empty.
        """
        if not self.ranges:
            raise ValueError("an empty set of image sets has no first number")
        return self.ranges[0][0]

    @property
    def last(self) -> int:
        """The largest number. It is in the set.

        Raises:
            ValueError: the set is empty.
        """
        if not self.ranges:
            raise ValueError("an empty set of image sets has no last number")
        return self.ranges[-1][1]

    @property
    def words(self) -> str:
        """The set as a phrase for a sentence.

        >>> ImageSets.parse("4").words, ImageSets.parse("4-6").words
        ('image set 4', 'image sets 4-6')
        """
        return f"image set{'s' * (len(self) != 1)} {self}"

    def to_list(self) -> list[list[int]]:
        """The ranges as JSON reports have them.

        >>> ImageSets.parse("1-40,42").to_list()
        [[1, 40], [42, 42]]
        """
        return [[first, last] for first, last in self.ranges]

    def __str__(self) -> str:
        """The ranges as `parse` reads them: "1-40,42-96", or "" for the empty set."""
        return ",".join(
            str(first) if first == last else f"{first}-{last}" for first, last in self.ranges
        )

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self)!r})"

    def __bool__(self) -> bool:
        return bool(self.ranges)

    def __len__(self) -> int:
        """The number of image sets, not of ranges."""
        return sum(last - first + 1 for first, last in self.ranges)

    def __iter__(self) -> Iterator[int]:
        """Yields the numbers one by one, in ascending order. For the ranges, use `ranges`."""
        return chain.from_iterable(range(first, last + 1) for first, last in self.ranges)

    def __contains__(self, number: object) -> bool:
        # Numbers are mostly plain; checking for a protocol takes ten times as long.
        if type(number) is not int and not isinstance(number, SupportsIndex):
            return False
        wanted = operator.index(number)
        at = bisect_right(self.ranges, wanted, key=operator.itemgetter(0)) - 1
        return at >= 0 and wanted <= self.ranges[at][1]

    def __or__(self, other: Self) -> Self:
        if not isinstance(other, ImageSets):
            return NotImplemented
        return self.from_ranges(self.ranges + other.ranges)

    def __and__(self, other: Self) -> Self:
        if not isinstance(other, ImageSets):
            return NotImplemented
        ours, theirs = near(self.ranges, other.ranges), near(other.ranges, self.ranges)
        return type(self)(tuple(common(ours, theirs)))

    def __sub__(self, other: Self) -> Self:
        if not isinstance(other, ImageSets):
            return NotImplemented
        return type(self)(tuple(remaining(self.ranges, near(other.ranges, self.ranges))))

    def __le__(self, other: Self) -> bool:
        """Whether every number of this set is in the other."""
        if not isinstance(other, ImageSets):
            return NotImplemented
        return not self - other

    def issubset(self, other: Self) -> bool:
        """Whether every number of this set is in the other, like `<=`.

        >>> ImageSets.parse("2,4").issubset(ImageSets.span(1, 4))
        True
        """
        return self <= other


def _none() -> ImageSets:
    return NONE


def union(many: Iterable[ImageSets]) -> ImageSets:
    """Returns the image sets that are in any of `many`."""
    joined = Union()
    for image_sets in many:
        joined.add(image_sets)
    return joined.all


class Union:
    """A union that grows. Its memory grows with the result, not with the number of sets."""

    def __init__(self) -> None:
        self._ranges: list[tuple[int, int]] = []
        self._most = _AT_ONCE

    def add(self, image_sets: ImageSets) -> None:
        self._ranges += image_sets.ranges
        if len(self._ranges) > self._most:
            self._ranges = list(self.all.ranges)
            self._most = 2 * len(self._ranges) + _AT_ONCE

    @property
    def all(self) -> ImageSets:
        """The image sets that were added."""
        return ImageSets.from_ranges(self._ranges)


NONE: Final = ImageSets()
"""The empty set."""
