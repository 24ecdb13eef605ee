"""The features that the user wants in the tables, or leaves out of them."""

import fnmatch
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Final

from cpexport.cellprofiler.features import (
    IMAGE,
    IMAGE_NUMBER,
    NOT_OBJECTS,
    NUMBER,
    OBJECT_NUMBER,
    is_measured_of_images,
)

_KEYS: Final = frozenset({IMAGE_NUMBER, OBJECT_NUMBER, NUMBER})


def is_left_out(patterns: tuple[str, ...], object_name: str, feature: str) -> bool:
    """Whether one of the patterns matches a feature, so that it gets no column.

    A pattern is the name of a column, such as `Nuclei_AreaShape_Area`, or of a feature of any
    object type, such as `AreaShape_Area`; in it `*` stands for any text, `?` for one character and
    `[ab]` for one of some. Object numbers always stay, and so do the features of images that say
    which images they are: names, metadata, groups.

    >>> is_left_out(("Nuclei_Texture_*",), "Nuclei", "Texture_Contrast_DNA_3_00_256")
    True
    >>> [is_left_out(("Texture_*",), name, "Texture_Contrast_DNA") for name in ("Nuclei", "Image")]
    [True, True]
    >>> [is_left_out(("*",), *feature) for feature in (("Nuclei", NUMBER), ("Image", "URL_DNA"))]
    [False, False]
    """
    if not patterns or _always_stays(object_name, feature):
        return False
    return matches(patterns, object_name, feature)


def is_wanted(patterns: tuple[str, ...], object_name: str, feature: str) -> bool:
    """Whether a feature is one of those that the user chose; True if none were chosen.

    The patterns are those of `is_left_out`. What cannot be left out always stays; so do counts of
    objects, their parents and their centers, without which tables cannot be joined or shown.

    >>> chosen = ("AreaShape_*",)
    >>> [is_wanted(chosen, "Nuclei", f) for f in ("AreaShape_Area", "Texture_A", "Parent_Cells")]
    [True, False, True]
    """
    if not patterns or _always_stays(object_name, feature):
        return True
    needed = ("Count_",) if object_name == IMAGE else ("Parent_", "Location_Center_")
    return feature.startswith(needed) or matches(patterns, object_name, feature)


def _always_stays(object_name: str, feature: str) -> bool:
    if object_name == IMAGE:
        return feature in _KEYS or not _measured(feature)
    # Relationships, and what is known of the whole run, are no features.
    return object_name in NOT_OBJECTS or feature in _KEYS


def is_pattern(text: str) -> bool:
    """Whether a text stands for several features; else it is the name of one."""
    return re.search(r"[*?[]", text) is not None


def matches(patterns: tuple[str, ...], object_name: str, feature: str) -> bool:
    """Whether one of the patterns is that of a feature; see `is_left_out`."""
    fits = _matcher(patterns)
    return fits(f"{object_name}_{feature}") or fits(feature)


def _measured(feature: str) -> bool:
    return is_measured_of_images(feature) and not feature.startswith("Group_")


@lru_cache(maxsize=8)
def _matcher(patterns: tuple[str, ...]) -> Callable[[str], bool]:
    """Thousands of names are looked up in a set; only those with a wildcard take an expression."""
    names = frozenset(pattern for pattern in patterns if not is_pattern(pattern))
    wild = "|".join(fnmatch.translate(pattern) for pattern in patterns if pattern not in names)
    expression = re.compile(wild)

    def fits(name: str) -> bool:
        return name in names or (bool(wild) and expression.match(name) is not None)

    return fits
