"""How many columns a table of a destination has room for, counted or weighed."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import pyarrow as pa

Sized = tuple[str, pa.DataType]
"""A column's name and type, all that its size depends on."""


@dataclass(frozen=True, slots=True)
class Room:
    """What one table can hold: so much of each of some things, such as columns or bytes.

    `cost` is what a column of a name and a type takes of each of them; keys are columns too.
    """

    sizes: tuple[int, ...]
    cost: Callable[[str, pa.DataType], tuple[int, ...]]

    @staticmethod
    def columns(number: int) -> "Room":
        """Room for so many columns, whatever they are."""
        return Room((number,), lambda name, type: (1,))

    def left(self, columns: Iterable[Sized], of: tuple[int, ...] = ()) -> tuple[int, ...]:
        """What columns leave of a table, or `of` some room in it; negative where they do not fit.

        >>> Room.columns(3).left([("ImageNumber", pa.int64())])
        (2,)
        """
        left = of or self.sizes
        for name, type in columns:
            left = tuple(a - b for a, b in zip(left, self.cost(name, type), strict=True))
        return left

    def parts(
        self, columns: Iterable[Sized], keys: Iterable[Sized], left: tuple[int, ...]
    ) -> Iterator[int]:
        """For each column, the number of its table: 0 as long as `left` lasts, then new ones.

        Each new one has the keys first.
        """
        part, fresh = 0, self.left(keys)
        for column in columns:
            rest = self.left([column], left)
            if min(rest) < 0:
                part, rest = part + 1, self.left([column], fresh)
            left = rest
            yield part
