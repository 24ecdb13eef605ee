"""Positions of wells on a plate, and the standard formats of plates."""

import re
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

FORMATS: Final = {
    6: (2, 3),
    12: (3, 4),
    24: (4, 6),
    48: (6, 8),
    96: (8, 12),
    384: (16, 24),
    1536: (32, 48),
}
"""Rows and columns of a plate, by its number of wells."""

_WELL = re.compile(r"([A-Za-z]{1,2})[ _-]?0*([0-9]{1,2})")
_PADDED = re.compile("[A-Za-z]0[0-9]$")
_NUMBERED = re.compile(r"row ([0-9]{1,2}) column ([0-9]{1,2})")


class Position(NamedTuple):
    """A place on a plate: row and column, both from 0. A01 is at the top left."""

    row: int
    column: int

    @property
    def name(self) -> str:
        """Its usual name; a 1536-well plate has rows up to AF.

        >>> Position(1, 1).name, Position(31, 47).name
        ('B02', 'AF48')
        """
        first, second = divmod(self.row, 26)
        letters = (chr(64 + first) if first else "") + chr(65 + second)
        return f"{letters}{self.column + 1:02}"


def positions(wells: Iterable[str]) -> dict[str, Position | None]:
    """The position of each well, however a lab spells it; None if its name gives none.

    >>> positions(["A1", "b02", "AF48", "17", "Z0"])
    {'A1': Position(row=0, column=0), 'b02': Position(row=1, column=1), \
'AF48': Position(row=31, column=47), '17': None, 'Z0': None}

    Rows and columns that are both numbers count from 0 if any of them is 0, else from 1.

    >>> positions(["row 0 column 1", "row 1 column 2"])
    {'row 0 column 1': Position(row=0, column=1), 'row 1 column 2': Position(row=1, column=2)}
    """
    wells = list(wells)
    numbered = {well: match for well in wells if (match := _NUMBERED.fullmatch(well))}
    first = 0 if any(int(n) == 0 for match in numbered.values() for n in match.groups()) else 1
    found: dict[str, Position | None] = {}
    for well in wells:
        position = None
        if match := numbered.get(well):
            position = Position(int(match[1]) - first, int(match[2]) - first)
        elif match := _WELL.fullmatch(well.strip()):
            position = Position(_row(match[1]), int(match[2]) - 1)
        found[well] = position if position and min(position) >= 0 else None
    return found


def plate_format(wells: Iterable[str]) -> int:
    """The number of wells of the smallest plate that has all these wells.

    Columns with two digits, as in A01, belong to plates with ten columns or more. Wells that no
    plate has do not count.

    >>> plate_format(["A1", "B3"]), plate_format(["A01", "B03"]), plate_format(["A01", "P24", "17"])
    (6, 96, 384)
    """
    rows, columns = FORMATS[1536]
    found = positions(wells)
    fitting = [p for p in found.values() if p and p.row < rows and p.column < columns]
    row, column = (max((p[axis] for p in fitting), default=0) for axis in (0, 1))
    if any(_PADDED.search(well) for well, place in found.items() if place):
        column = max(column, 9)
    return next(n for n, (r, c) in FORMATS.items() if row < r and column < c)


def selected(text: str) -> frozenset[Position]:
    """The positions in a list of wells and rectangles.

    >>> sorted(place.name for place in selected("A01-B02, H12"))
    ['A01', 'A02', 'B01', 'B02', 'H12']

    Raises:
        ValueError: a piece is neither a well nor a rectangle; the message quotes it.
    """
    found: set[Position] = set()
    for piece in text.split(","):
        ends = [positions([end])[end] for end in piece.strip().split("-")]
        if len(ends) not in (1, 2) or None in ends:
            raise ValueError(f"{piece.strip()!r} is neither a well nor a rectangle of wells")
        corners: Sequence[Position] = [end for end in ends if end]
        rows, columns = zip(*corners, strict=True)
        found |= {
            Position(row, column)
            for row in range(min(rows), max(rows) + 1)
            for column in range(min(columns), max(columns) + 1)
        }
    return frozenset(found)


def _row(letters: str) -> int:
    """The row of one or two letters, from 0: A is 0, AA is 26."""
    number = 0
    for letter in letters.upper():
        number = number * 26 + ord(letter) - 64
    return number - 1
