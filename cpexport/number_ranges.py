"""Ranges of image set numbers: as texts, what two lists share, and what one has without the other.

A range is a pair (first, last) of whole numbers, both included. Lists are in normal form: sorted,
with a gap between two ranges.
"""

import operator
import re
from bisect import bisect_right
from collections.abc import Iterator

Ranges = tuple[tuple[int, int], ...]

_MANY = 4
# 18 digits stay below 2**63, and far below the length that int() itself refuses.
_PIECE = re.compile(r"\s*([0-9]{1,18})\s*(?:-\s*([0-9]{1,18})\s*)?")


def near(ranges: Ranges, others: Ranges) -> Ranges:
    """Those of the ranges that lie between the first and the last of the others, if there are far
    more of them: a batch has few ranges, and a run can have a hundred thousand."""
    if len(ranges) <= _MANY * len(others) or not others:
        return ranges
    by_first = operator.itemgetter(0)
    start = bisect_right(ranges, others[0][0], key=by_first) - 1
    stop = bisect_right(ranges, others[-1][1], key=by_first)
    return ranges[max(start, 0) : stop]


def common(ours: Ranges, theirs: Ranges) -> Iterator[tuple[int, int]]:
    """Yields the ranges that two lists share, in order.

    The result is in normal form if both lists are.
    """
    i = j = 0
    while i < len(ours) and j < len(theirs):
        first, last = max(ours[i][0], theirs[j][0]), min(ours[i][1], theirs[j][1])
        if first <= last:
            yield first, last
        if ours[i][1] < theirs[j][1]:
            i += 1
        else:
            j += 1


def remaining(ours: Ranges, theirs: Ranges) -> Iterator[tuple[int, int]]:
    """Yields what remains of `ours` without `theirs`, in order.

    The result is in normal form if both lists are.
    """
    j = 0
    for first, last in ours:
        while j < len(theirs) and theirs[j][1] < first:
            j += 1
        # The last of `theirs` that touches this range may reach into the next one, so j stays on
        # it.
        k = j
        while k < len(theirs) and theirs[k][0] <= last:
            if first < theirs[k][0]:
                yield first, theirs[k][0] - 1
            first = theirs[k][1] + 1
            k += 1
        j = max(j, k - 1)
        if first <= last:
            yield first, last


def check_range(first: int, last: int) -> None:
    """Raises ValueError unless `first` to `last` is a range of image set numbers."""
    if first < 1:
        raise ValueError(f"image set numbers start at 1, not {first}")
    if last < first:
        raise ValueError(f"a range of image sets from {first} cannot end at {last}")


def parsed(piece: str) -> tuple[int, int]:
    """The range of one piece of a list of image sets, such as 7 or 1-40.

    Raises:
        ValueError: it is neither; the message quotes it.
    """
    match = _PIECE.fullmatch(piece)
    if match is None:
        problem = "neither a number such as 7 nor a range such as 1-40"
    else:
        first, last = int(match[1]), int(match[2] or match[1])
        if 1 <= first <= last:
            return first, last
        problem = "numbers start at 1" if first < 1 else "the range ends before it starts"
    raise ValueError(f"{piece.strip()!r} in a list of image sets: {problem}")
