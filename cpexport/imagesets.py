"""Sets of image set numbers, kept as ranges: what was planned, what is there, what is missing."""

import operator
import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise
from typing import Final, Self, SupportsIndex

# 18 digits stay below 2**63, and far below the length at which int() itself refuses a text.
_PIECE = re.compile(r"\s*([0-9]{1,18})\s*(?:-\s*([0-9]{1,18})\s*)?")


@dataclass(frozen=True, slots=True, repr=False)
class ImageSets:
    """An immutable set of image set numbers, kept as ranges.

    >>> ImageSets.parse("1-96") - ImageSets.parse("1-40,42-96")
    ImageSets('41')

    `ranges` are pairs (first, last): numbers start at 1, both ends count, in ascending order, with
    at least one number missing between two of them. Equal sets have equal ranges, and so equal
    texts and hashes. `|`, `-`, `&` and `<=` take time by the number of ranges, `in` by its
    logarithm, whatever the number of image sets.

    Call the class itself only for the empty set, or with ranges already as above; otherwise take
    `parse`, `of`, `span` or `from_ranges`.

    >>> ImageSets()
    ImageSets('')
    >>> ImageSets.parse("1-3") | ImageSets.of([7, 4])
    ImageSets('1-4,7')

    Raises:
        ValueError: `ranges` are not as above.
    """

    ranges: tuple[tuple[int, int], ...] = ()

    def __post_init__(self) -> None:
        for first, last in self.ranges:
            _check(first, last)
        for (_, last), (first, _) in pairwise(self.ranges):
            if first <= last + 1:
                raise ValueError(f"image sets {first} and on follow {last} in a range of their own")

    @classmethod
    def of(cls, numbers: Iterable[SupportsIndex]) -> Self:
        """The set of these numbers, in any order, repeated or not; NumPy's integers too.

        >>> ImageSets.of([3, 1, 2, 2, 9])
        ImageSets('1-3,9')

        Raises:
            ValueError: a number is below 1.
            TypeError: a number is not of an integer type; 2.0 is not.
        """
        distinct = sorted({operator.index(number) for number in numbers})
        return cls.from_ranges((number, number) for number in distinct)

    @classmethod
    def span(cls, first: int, last: int) -> Self:
        """The set of all numbers from `first` to `last`, both included.

        >>> ImageSets.span(1, 50)
        ImageSets('1-50')

        Raises:
            ValueError: `first` is below 1 or above `last`; an empty set is `ImageSets()`.
        """
        return cls.from_ranges([(first, last)])

    @classmethod
    def from_ranges(cls, ranges: Iterable[tuple[int, int]]) -> Self:
        """The set of all numbers in these ranges (first, last), in any order, overlapping or not.

        It is also the union of many sets at once, where `|` one after another would be slow:

        >>> sets = [ImageSets.span(first, first + 9) for first in (21, 1, 11)]
        >>> ImageSets.from_ranges(pair for one in sets for pair in one.ranges)
        ImageSets('1-30')

        Raises:
            ValueError: a range begins below 1, or ends before it begins.
        """
        joined: list[tuple[int, int]] = []
        for first, last in sorted(ranges):
            _check(first, last)
            if joined and first <= joined[-1][1] + 1:
                joined[-1] = (joined[-1][0], max(joined[-1][1], last))
            else:
                joined.append((first, last))
        return cls(tuple(joined))

    @classmethod
    def parse(cls, text: str) -> Self:
        """The set that `text` names: numbers and ranges between commas, as `str` gives them.

        Spaces, order and overlaps do not matter; a blank text is the empty set.

        >>> ImageSets.parse("42-96, 1 - 40, 7")
        ImageSets('1-40,42-96')
        >>> ImageSets.parse("1-4,5-3")
        Traceback (most recent call last):
        ...
        ValueError: '5-3' in a list of image sets: the range ends before it begins

        Raises:
            ValueError: a piece is neither a number from 1 on nor a range of them; names the piece.
        """
        if not text.strip():
            return cls()
        return cls.from_ranges(_parse_piece(piece) for piece in text.split(","))

    @property
    def first(self) -> int:
        """The smallest number.

        Raises:
            ValueError: the set is empty.
        """
        if not self.ranges:
            raise ValueError("no image sets, so there is no first")
        return self.ranges[0][0]

    @property
    def last(self) -> int:
        """The largest number, which is in the set.

        Raises:
            ValueError: the set is empty.
        """
        if not self.ranges:
            raise ValueError("no image sets, so there is no last")
        return self.ranges[-1][1]

    @property
    def words(self) -> str:
        """What a sentence calls them.

        >>> ImageSets.parse("4").words, ImageSets.parse("4-6").words
        ('image set 4', 'image sets 4-6')
        """
        return f"image set{'s' * (len(self) != 1)} {self}"

    def __str__(self) -> str:
        """The ranges as `parse` takes them: "1-40,42-96", or "" for the empty set."""
        return ",".join(
            str(first) if first == last else f"{first}-{last}" for first, last in self.ranges
        )

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self)!r})"

    def __bool__(self) -> bool:
        return bool(self.ranges)

    def __len__(self) -> int:
        """How many image sets, not how many ranges."""
        return sum(last - first + 1 for first, last in self.ranges)

    def __iter__(self) -> Iterator[int]:
        """The numbers one by one, in ascending order; the ranges are in `ranges`."""
        return chain.from_iterable(range(first, last + 1) for first, last in self.ranges)

    def __contains__(self, number: object) -> bool:
        if not isinstance(number, SupportsIndex):
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
        return type(self)(tuple(_common(self.ranges, other.ranges)))

    def __sub__(self, other: Self) -> Self:
        if not isinstance(other, ImageSets):
            return NotImplemented
        return type(self)(tuple(_remaining(self.ranges, other.ranges)))

    def __le__(self, other: Self) -> bool:
        """Whether every number of this set is in the other."""
        if not isinstance(other, ImageSets):
            return NotImplemented
        return not self - other

    def issubset(self, other: Self) -> bool:
        """Whether every number of this set is in the other, as `<=`.

        >>> ImageSets.parse("2,4").issubset(ImageSets.span(1, 4))
        True
        """
        return self <= other


def _check(first: int, last: int) -> None:
    """Raises ValueError unless `first` to `last` is a range of image set numbers."""
    if first < 1:
        raise ValueError(f"image sets are numbered from 1, not {first}")
    if last < first:
        raise ValueError(f"a range of image sets from {first} cannot end at {last}")


def _parse_piece(piece: str) -> tuple[int, int]:
    match = _PIECE.fullmatch(piece)
    if match is None:
        problem = "neither a number such as 7 nor a range such as 1-40"
    else:
        first, last = int(match[1]), int(match[2] or match[1])
        if 1 <= first <= last:
            return first, last
        problem = "numbers start at 1" if first < 1 else "the range ends before it begins"
    raise ValueError(f"{piece.strip()!r} in a list of image sets: {problem}")


def _common(
    ours: tuple[tuple[int, int], ...], theirs: tuple[tuple[int, int], ...]
) -> Iterator[tuple[int, int]]:
    """What two lists of ranges share, in order; it is in normal form if they are."""
    i = j = 0
    while i < len(ours) and j < len(theirs):
        first, last = max(ours[i][0], theirs[j][0]), min(ours[i][1], theirs[j][1])
        if first <= last:
            yield first, last
        if ours[i][1] < theirs[j][1]:
            i += 1
        else:
            j += 1


def _remaining(
    ours: tuple[tuple[int, int], ...], theirs: tuple[tuple[int, int], ...]
) -> Iterator[tuple[int, int]]:
    """What is left of our ranges without theirs, in order; it is in normal form if they are."""
    j = 0
    for first, last in ours:
        while j < len(theirs) and theirs[j][1] < first:
            j += 1
        # The last of theirs that touches this range may reach into our next, so j stays on it.
        k = j
        while k < len(theirs) and theirs[k][0] <= last:
            if first < theirs[k][0]:
                yield first, theirs[k][0] - 1
            first = theirs[k][1] + 1
            k += 1
        j = max(j, k - 1)
        if first <= last:
            yield first, last


def repeated(sets: Iterable[ImageSets]) -> ImageSets:
    """The numbers that are in more than one of the sets. Takes time by all their ranges.

    >>> repeated([ImageSets.span(1, 4), ImageSets.span(3, 6), ImageSets.of([9])])
    ImageSets('3-4')
    """
    found = []
    until = 0
    for first, last in sorted(ends for one in sets for ends in one.ranges):
        if first <= until:
            found.append((first, min(last, until)))
        until = max(until, last)
    return ImageSets.from_ranges(found)


def in_common(sets: Sequence[ImageSets]) -> Iterator[tuple[int, int, ImageSets]]:
    """The places of two sets that have numbers in common, the smaller place first, and those
    numbers. Takes time by the pairs, and not by all that could be.

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


NONE: Final = ImageSets()
"""The empty set."""
