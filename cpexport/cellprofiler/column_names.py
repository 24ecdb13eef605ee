"""Names the columns of a database: CellProfiler's name of each feature, made short enough.

The rule is that of `ColumnNameMapping` (CellProfiler 4.2.8, exporttodatabase.py), so all columns
have the same names as in ExportToDatabase.
"""

import hashlib
import re
import string
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from itertools import count
from typing import Final

LONGEST: Final = 64
"""The longest column name that MySQL takes, and so the default everywhere."""

_ODD = re.compile(r"[^0-9a-zA-Z_$]")
_VOWELS = frozenset("aeiou")
_CONSONANTS = frozenset(string.ascii_lowercase) - _VOWELS
_CAPITALS = frozenset(string.ascii_uppercase)

# CellProfiler draws until a name is free. It never ends if no name is free, as with two overlong
# names made of underscores only. Real names need a draw or two.
_MOST_DRAWS = 100


def is_kept(name: str, max_length: int = LONGEST) -> bool:
    """Whether a full name is used unchanged as a column name."""
    return 0 < len(name) <= max_length and not _ODD.search(name)


def column_names(
    names: Iterable[str], max_length: int = LONGEST, taken: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Returns the column for each of `names`, in their order; another order gives the same columns.

    `names` are full names, such as `Nuclei_AreaShape_Area` or `Mean_Nuclei_AreaShape_Area`. Pass
    all names of a destination at once, including `ImageNumber` and `ObjectNumber`: CellProfiler has
    one mapping for the tables of all objects, so a column can depend on the other names.

    >>> columns = column_names(["ImageNumber", "Image_Metadata_Dose (uM)"])
    >>> columns["Image_Metadata_Dose (uM)"]
    'Image_Metadata_Dose__uM_'
    >>> long = "Image_Classify_Intensity_MeanIntensity_DNA_Bin_1_NumObjectsPerBin"
    >>> column_names([long])[long]
    'Image_Classify_Intensity_MeanIntensity_DNA_Bin_1_NumObjectsPerBn'

    `taken` maps names to their columns from an earlier load. A name that is in both keeps its
    column, and no other name gets a column of `taken`. The result has only `names`.

    Columns differ from each other and from those in `taken` even without regard to case, which
    SQLite and MySQL ignore. CellProfiler's rule can give one column twice in that sense. Then the
    name that sorts later has a number appended, or in place of its last characters. A column is
    never empty.

    A column can be longer than `max_length`: CellProfiler leaves a name too long if it has some
    letters to drop, but too few (68 underscores and "abc" become 68 underscores). A destination
    with a limit of its own must check.

    Raises:
        ValueError: `max_length` is below 10, which leaves no room for numbers.
    """
    if max_length < 10:
        raise ValueError(f"column names need at least 10 characters, not {max_length}")
    previous = {} if taken is None else taken
    names = list(dict.fromkeys(names))
    fresh = sorted(name for name in names if name not in previous)
    columns = _as_cellprofiler_does(fresh, max_length, previous.values())
    columns = _apart_without_case(columns, max_length, previous.values())
    return {name: previous[name] if name in previous else columns[name] for name in names}


def _as_cellprofiler_does(
    names: list[str], max_length: int, taken: Iterable[str]
) -> dict[str, str]:
    """Maps sorted names to columns, by CellProfiler's rule alone."""
    columns = {name: name for name in names}
    # Names that are not processed yet stand for themselves. Results therefore depend on the order,
    # and an overlong name with nothing to drop collides with itself.
    in_use = {*names, *taken}
    for name in names:
        if len(name) > max_length or not name or _ODD.search(name):
            column = _shortened(_substituted(name, in_use), max_length, in_use)
            in_use.discard(name)
            in_use.add(column)
            columns[name] = column
    return columns


def _substituted(name: str, in_use: set[str]) -> str:
    plain = _ODD.sub("_", name)
    # A name without odd characters is itself in `in_use`, which is not a collision.
    if (plain == name != "") or plain not in in_use:
        return plain
    return next(f"{plain}{n}" for n in count(1) if f"{plain}{n}" not in in_use)


def _shortened(plain: str, max_length: int, in_use: set[str]) -> str:
    column = plain
    # The first pass keeps the text before the first "_": the object, or Mean, Median, StDev.
    for start in (max(plain.find("_"), 0), 0):
        for letters in (_VOWELS, _CONSONANTS, _CAPITALS):
            column = _without(letters, column, start, max_length)
        if column in in_use:
            column = _drawn(plain, max_length, in_use)
    return column


def _without(letters: frozenset[str], column: str, start: int, max_length: int) -> str:
    """Removes such letters from `column`, last first, from `start` on, until it fits."""
    kept = list(column)
    for position in range(len(kept) - 1, start - 1, -1):
        if len(kept) <= max_length:
            break
        if kept[position] in letters:
            del kept[position]
    return "".join(kept)


def _drawn(plain: str, max_length: int, in_use: set[str]) -> str:
    """Removes randomly drawn characters from `plain`, the same in every run.

    The result is free, unless all draws fail.
    """
    numbers = _pseudo_random(plain)
    for _ in range(_MOST_DRAWS):
        column = plain
        while len(column) > max_length:
            position = next(numbers) % len(column)
            column = column[:position] + column[position + 1 :]
        if column not in in_use:
            break
    return column


def _pseudo_random(seed: str) -> Iterator[int]:
    chain = hashlib.md5(seed.encode(), usedforsecurity=False)
    while True:
        digest = chain.digest()
        chain.update(digest)
        yield digest[0] + 256 * digest[1]


def _apart_without_case(
    columns: dict[str, str], max_length: int, taken: Iterable[str]
) -> dict[str, str]:
    """Adds a number to each column that equals an earlier one or one of `taken` except for case."""
    used = {column.lower() for column in taken}
    # A number must not create a column that CellProfiler's rule gives to a later name.
    avoided = used | {column.lower() for column in columns.values()}
    numbers = defaultdict[str, Iterator[int]](lambda: count(1))
    apart = {}
    for name, column in columns.items():
        if column.lower() in used:
            untried = numbers[column.lower()]
            numbered = (column[: max_length - len(str(n))] + str(n) for n in untried)
            column = next(one for one in numbered if one.lower() not in avoided)
            avoided.add(column.lower())
        used.add(column.lower())
        apart[name] = column
    return apart
