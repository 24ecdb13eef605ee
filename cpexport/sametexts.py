"""Whether two texts name the same file, folder or number, though other systems wrote them."""

import re
from decimal import Decimal

from cpexport.pictures import file_name

# What instruments call a folder in every plate: Harmony's, MetaXpress's, Columbus's.
_ANYWHERE = re.compile(
    r"images?|tiff?s?|timepoint[ _]?\d+|zstep[ _]?\d+|measurement[ _]?\d+", re.IGNORECASE
)
# Python writes the sign of an exponent: 1E1 is a well or a plate.
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([Ee][+-]\d{1,3})?", re.ASCII)


def same_folder(one: str, other: str, least: int, apart: bool) -> bool:
    """Whether two ends of paths are of one folder: their last `least` names, and more where those
    are the same in every plate. Folders that differ between a first and a last name that are the
    same lie side by side; with `apart` they are two.

    >>> same_folder("data/P1/Images", "nas/P1/Images", 1, True)
    True
    >>> same_folder("data/P1/Images", "data/P2/Images", 1, False)
    False
    >>> [same_folder("data/P1/raw", "data/P2/raw", 1, apart) for apart in (True, False)]
    [False, True]
    """
    ours, theirs = one.split("/"), other.split("/")
    if apart and len(ours) == len(theirs) and ours[0] == theirs[0] and ours != theirs:
        return False
    names = min(len(ours), len(theirs))
    many = min(least, names)
    while many < names and _ANYWHERE.fullmatch(ours[-many]) and _ANYWHERE.fullmatch(theirs[-many]):
        many += 1
    return ours[-many:] == theirs[-many:]


def same_name(one: str, other: str) -> bool:
    """Whether two paths end in one file name. Windows keeps the case of names and does not mind it,
    so it tells nothing."""
    return (file_name(one) or "").casefold() == (file_name(other) or "").casefold()


def same_number(one: str | None, other: str | None) -> bool:
    """Whether two texts are the same number, such as 1 and 1.0."""
    if one is None or other is None:
        return False
    ours, theirs = number(one), number(other)
    return isinstance(ours, Decimal) and ours == theirs


def plate(end: str, least: int = 1) -> str:
    """What of the end of a path tells plates apart: its last `least` names, and more where those
    are the same in every plate.

    >>> plate("data/P1/Images"), plate("data/P1"), plate("data/P1/DNA", 2)
    ('P1/Images', 'P1', 'P1/DNA')
    """
    parts = end.split("/")
    many = min(least, len(parts))
    while many < len(parts) and _ANYWHERE.fullmatch(parts[-many]):
        many += 1
    return "/".join(parts[-many:])


def number(text: str) -> Decimal | str:
    """A text as the number that it is, as types differ between files; else the text.

    >>> number("1.0") == number("1"), number("1E1") == number("10")
    (True, False)
    """
    return Decimal(text) if _NUMBER.fullmatch(text) else text
