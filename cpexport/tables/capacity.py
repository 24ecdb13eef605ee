"""How many more columns a table of a destination can hold, by number or by size."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import pyarrow as pa

Sized = tuple[str, pa.DataType]
"""A column's name and type, which determine its size."""


@dataclass(frozen=True, slots=True)
class TableCapacity:
    """The capacity of one table in one or more resources, such as columns or bytes.

    `sizes` is the amount of each resource, and `cost` returns what a column of a given name and
    type uses of each. Key columns count too.
    """

    sizes: tuple[int, ...]
    cost: Callable[[str, pa.DataType], tuple[int, ...]]

    @staticmethod
    def columns(number: int) -> "TableCapacity":
        """Returns a capacity of `number` columns of any type."""
        return TableCapacity((number,), lambda name, type: (1,))

    def left(self, columns: Iterable[Sized], of: tuple[int, ...] = ()) -> tuple[int, ...]:
        """Returns what remains of the table, or of the capacity `of`, after these columns.

        A negative value means that the columns do not fit.

        >>> TableCapacity.columns(3).left([("ImageNumber", pa.int64())])
        (2,)
        """
        left = of or self.sizes
        for name, type in columns:
            left = tuple(a - b for a, b in zip(left, self.cost(name, type), strict=True))
        return left

    def parts(
        self, columns: Iterable[Sized], keys: Iterable[Sized], left: tuple[int, ...]
    ) -> Iterator[int]:
        """Yields for each column the number of its table: 0 while `left` suffices, then new tables.

        Each new table begins with the keys.
        """
        part, fresh = 0, self.left(keys)
        for column in columns:
            rest = self.left([column], left)
            if min(rest) < 0:
                part, rest = part + 1, self.left([column], fresh)
            left = rest
            yield part
