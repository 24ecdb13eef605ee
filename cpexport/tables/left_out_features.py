"""The features that the user leaves out of the tables."""

import fnmatch
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Final

from cpexport.cellprofiler.features import (
    IMAGE,
    IMAGE_NUMBER,
    NUMBER,
    OBJECT_NUMBER,
    is_measured_of_images,
)

_KEYS: Final = frozenset({IMAGE_NUMBER, OBJECT_NUMBER, NUMBER})


def is_left_out(patterns: tuple[str, ...], object_name: str, feature: str) -> bool:
    """Whether one of the patterns matches a feature, so that it gets no column.

    A pattern is the name of a column, such as `Nuclei_AreaShape_Area`, in which `*` stands for any
    text, `?` for one character and `[ab]` for one of some. Object numbers always stay, and so do
    the features of images that say which images they are: names, metadata, groups.

    >>> is_left_out(("Nuclei_Texture_*",), "Nuclei", "Texture_Contrast_DNA_3_00_256")
    True
    >>> [is_left_out(("*",), *feature) for feature in (("Nuclei", NUMBER), ("Image", "URL_DNA"))]
    [False, False]
    """
    if not patterns or feature in _KEYS or (object_name == IMAGE and not _measured(feature)):
        return False
    return _matcher(patterns)(f"{object_name}_{feature}")


def _measured(feature: str) -> bool:
    return is_measured_of_images(feature) and not feature.startswith("Group_")


@lru_cache(maxsize=8)
def _matcher(patterns: tuple[str, ...]) -> Callable[[str], bool]:
    """Thousands of names are looked up in a set; only those with a wildcard take an expression."""
    names = frozenset(pattern for pattern in patterns if not re.search(r"[*?[]", pattern))
    wild = "|".join(fnmatch.translate(pattern) for pattern in patterns if pattern not in names)
    expression = re.compile(wild)

    def matches(name: str) -> bool:
        return name in names or (bool(wild) and expression.match(name) is not None)

    return matches
