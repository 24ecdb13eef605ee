"""Compares texts of different systems: whether they name the same file, folder or number."""

import re
from decimal import Decimal

from cpexport.cellprofiler.image_identity import file_name

# Folder names that instruments use on every plate: Harmony's, MetaXpress's, Columbus's.
_ANYWHERE = re.compile(
    r"images?|tiff?s?|timepoint[ _]?\d+|zstep[ _]?\d+|measurement[ _]?\d+", re.IGNORECASE
)
_WELL = re.compile(r"([A-Za-z]{1,2})(\d{1,3})", re.ASCII)
# Python always writes the sign of an exponent, so 1E1 is a well or a plate.
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([Ee][+-]\d{1,3})?", re.ASCII)


def same_folder(one: str, other: str, least: int, apart: bool) -> bool:
    """Whether two path ends are the same folder.

    Compares the last `least` names, and more if those are the same on every plate. Paths with the
    same first and last name but different names in between are folders side by side; with `apart`
    they count as two folders.

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
    compared = min(least, names)
    while (
        compared < names
        and _ANYWHERE.fullmatch(ours[-compared])
        and _ANYWHERE.fullmatch(theirs[-compared])
    ):
        compared += 1
    return ours[-compared:] == theirs[-compared:]


def same_name(one: str, other: str) -> bool:
    """Whether two paths end in the same file name, without regard to case.

    Windows preserves the case of names but ignores it, so case is no evidence.
    """
    return (file_name(one) or "").casefold() == (file_name(other) or "").casefold()


def same_number(one: str | None, other: str | None) -> bool:
    """Whether two texts are the same number, such as 1 and 1.0."""
    if one is None or other is None:
        return False
    ours, theirs = number(one), number(other)
    return isinstance(ours, Decimal) and ours == theirs


def same_value(one: str | None, other: str | None) -> bool:
    """Whether two texts are the same number, or the same well however it is written: A1 and A01."""
    return same_number(one, other) or (
        one is not None and other is not None and well_name(one) == well_name(other) != ""
    )


def well_name(text: str) -> str:
    """The name of a well with two digits or more; empty if the text names no well.

    >>> well_name("a1"), well_name("P24"), well_name("A1234")
    ('A01', 'P24', '')
    """
    match = _WELL.fullmatch(text.strip())
    return f"{match[1].upper()}{int(match[2]):02}" if match else ""


def plate(end: str, least: int = 1) -> str:
    """The part of a path end that separates plates.

    It is the last `least` names, and more if those are the same on every plate.

    >>> plate("data/P1/Images"), plate("data/P1"), plate("data/P1/DNA", 2)
    ('P1/Images', 'P1', 'P1/DNA')
    """
    parts = end.split("/")
    kept = min(least, len(parts))
    while kept < len(parts) and _ANYWHERE.fullmatch(parts[-kept]):
        kept += 1
    return "/".join(parts[-kept:])


def number(text: str) -> Decimal | str:
    """Converts a text to the number that it is, else returns the text.

    Types differ between files, so `1` and `1.0` must be equal.

    >>> number("1.0") == number("1"), number("1E1") == number("10")
    (True, False)
    """
    return Decimal(text) if _NUMBER.fullmatch(text) else text
