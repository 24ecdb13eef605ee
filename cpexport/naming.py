"""Names of columns: every feature gets CellProfiler's own, short enough for a database.

The rule is that of `ColumnNameMapping` (CellProfiler 4.2.8, exporttodatabase.py), so that tables
are column for column those of ExportToDatabase.
"""

import hashlib
import re
import string
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from itertools import count

_ODD = re.compile(r"[^0-9a-zA-Z_$]")
_VOWELS = frozenset("aeiou")
_CONSONANTS = frozenset(string.ascii_lowercase) - _VOWELS
_CAPITALS = frozenset(string.ascii_uppercase)

# CellProfiler draws until a name is free, and so for ever where none is, as for two overlong names
# of underscores only. Real names need a draw or two.
_MOST_DRAWS = 100


def is_kept(name: str, max_length: int = 64) -> bool:
    """Whether a full name is a column's as it is."""
    return 0 < len(name) <= max_length and not _ODD.search(name)


def column_names(
    names: Iterable[str], max_length: int = 64, taken: Mapping[str, str] | None = None
) -> dict[str, str]:
    """The column for each of `names`, in their order; another order gives the same columns.

    Names are full ones, such as `Nuclei_AreaShape_Area` or `Mean_Nuclei_AreaShape_Area`. Give all
    that share a destination at once, `ImageNumber` and `ObjectNumber` with them: CellProfiler has
    one mapping for the tables of all objects, and what a name becomes depends on the others.

    >>> columns = column_names(["ImageNumber", "Image_Metadata_Dose (uM)"])
    >>> columns["Image_Metadata_Dose (uM)"]
    'Image_Metadata_Dose__uM_'
    >>> long = "Image_Classify_Intensity_MeanIntensity_DNA_Bin_1_NumObjectsPerBin"
    >>> column_names([long])[long]
    'Image_Classify_Intensity_MeanIntensity_DNA_Bin_1_NumObjectsPerBn'

    `taken` are names with the columns that they got in an earlier load: one that is among `names`
    keeps its column, and no other gets a column of `taken`. The result has only `names`.

    Columns differ from each other, and from those in `taken`, even where case does not count, as
    it does not in SQLite and MySQL. There CellProfiler's rule can give one column twice; here the
    name that sorts later then has a number appended, or in place of its last characters. A column
    is never empty.

    A column can be longer than `max_length`: CellProfiler leaves a name so that has letters to
    drop but too few of them (68 underscores and "abc" become 68 underscores). A destination with a
    limit of its own has to look.

    Raises:
        ValueError: `max_length` is below 10, which leaves no room for numbers.
    """
    if max_length < 10:
        raise ValueError(f"columns need room for 10 characters, not {max_length}")
    given = {} if taken is None else taken
    names = list(dict.fromkeys(names))
    fresh = sorted(name for name in names if name not in given)
    columns = _as_cellprofiler_does(fresh, max_length, given.values())
    columns = _apart_without_case(columns, max_length, given.values())
    return {name: given[name] if name in given else columns[name] for name in names}


def _as_cellprofiler_does(
    names: list[str], max_length: int, taken: Iterable[str]
) -> dict[str, str]:
    """Sorted names to columns, by CellProfiler's rule and no other."""
    columns = {name: name for name in names}
    # Names not dealt with yet stand for themselves. That makes results depend on the order, and an
    # overlong name with nothing to drop collides with itself.
    known = {*names, *taken}
    for name in names:
        if len(name) > max_length or not name or _ODD.search(name):
            column = _shortened(_substituted(name, known), max_length, known)
            known.discard(name)
            known.add(column)
            columns[name] = column
    return columns


def _substituted(name: str, known: set[str]) -> str:
    plain = _ODD.sub("_", name)
    # A name without odd characters is in `known` as itself, which is no collision.
    if (plain == name != "") or plain not in known:
        return plain
    return next(f"{plain}{n}" for n in count(1) if f"{plain}{n}" not in known)


def _shortened(plain: str, max_length: int, known: set[str]) -> str:
    column = plain
    # The first pass spares what stands before the first "_": the object, or Mean, Median, StDev.
    for start in (max(plain.find("_"), 0), 0):
        for letters in (_VOWELS, _CONSONANTS, _CAPITALS):
            column = _without(letters, column, start, max_length)
        if column in known:
            column = _drawn(plain, max_length, known)
    return column


def _without(letters: frozenset[str], column: str, start: int, max_length: int) -> str:
    """`column` less its last such letters from `start` on, as few as make it fit, or all."""
    kept = list(column)
    for at in range(len(kept) - 1, start - 1, -1):
        if len(kept) <= max_length:
            break
        if kept[at] in letters:
            del kept[at]
    return "".join(kept)


def _drawn(plain: str, max_length: int, known: set[str]) -> str:
    """`plain` less characters drawn by lot, the same in every run; free unless luck runs out."""
    lots = _lots(plain)
    for _ in range(_MOST_DRAWS):
        column = plain
        while len(column) > max_length:
            at = next(lots) % len(column)
            column = column[:at] + column[at + 1 :]
        if column not in known:
            break
    return column


def _lots(seed: str) -> Iterator[int]:
    chain = hashlib.md5(seed.encode(), usedforsecurity=False)
    while True:
        digest = chain.digest()
        chain.update(digest)
        yield digest[0] + 256 * digest[1]


def _apart_without_case(
    columns: dict[str, str], max_length: int, taken: Iterable[str]
) -> dict[str, str]:
    """`columns`, with a number to each that is, but for case, one of `taken` or an earlier one."""
    used = {column.lower() for column in taken}
    # No number may make a column that some later name has from CellProfiler's rule.
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
