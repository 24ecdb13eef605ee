"""Which values a report shows of each well, and in which order."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final

from cpexport.cellprofiler.features import IMAGE, INTEGER, REAL
from cpexport.errors import UsageError
from cpexport.spelling import closest, suggest
from cpexport.tables.layout import Layout

SETS: Final = "image sets"
MOST_VALUES: Final = 100_000
"""The most values of wells in one file: 20 plates of 384 wells have 13 features, in 0.5 MB."""
_MOST_FEATURES: Final = 100
_FEWEST: Final = 6

_COUNT: Final = "Count_"
_FIRST: Final = ("Count_Nuclei", "Count_Cells")
# What says most about focus and saturation (CellProfiler 4.2.8, modules/measureimagequality.py and
# measureimageintensity.py).
_QUALITY = re.compile(
    r"ImageQuality_(PowerLogLogSlope|FocusScore|PercentMaximal)_|Intensity_PercentMaximal_"
)
# Numbers that say nothing about a well.
_NOT_MEASURED = re.compile(
    r"(Metadata|Group|ExecutionTime|ModuleError|Height|Width|Series|Frame|Channel|Scaling)(_|$)"
    r"|ImageSet_|ImageNumber$"
)


@dataclass(frozen=True)
class Metric:
    """One value for each well: the sum or the mean of an image feature over its image sets.

    column: the column of Per_Image, or of a table of wells, that has the values.
    kind: `sum`, `mean`, `rows` for the number of image sets, or `well` for a table of wells.
    whole: whether all values are whole numbers.
    """

    title: str
    feature: str = ""
    column: str = ""
    kind: str = "mean"
    whole: bool = False

    @property
    def counts(self) -> bool:
        """Whether it counts objects."""
        return self.feature.startswith(_COUNT)

    @property
    def quality(self) -> bool:
        """Whether it says how well images were focused and exposed."""
        return bool(_QUALITY.match(self.feature))

    @property
    def is_key(self) -> bool:
        """Whether the report draws attention to it: mean counts of objects, focus, saturation."""
        return (self.counts and self.kind == "mean") or self.quality


NUMBER_OF_SETS: Final = Metric("Image sets", SETS, "count(*)", "rows", whole=True)


def metrics(layout: Layout, features: Iterable[str]) -> list[Metric]:
    """The metrics of these image features; a count of objects has its mean and its sum."""
    found = [NUMBER_OF_SETS]
    for name in features:
        column = layout.by_feature[IMAGE, name].name
        if name.startswith(_COUNT):
            title = name.removeprefix(_COUNT)
            found.append(Metric(f"{title} per image set", name, column))
            found.append(Metric(f"{title} in the well", name, column, "sum", whole=True))
        else:
            found.append(Metric(name, name, column))
    return found


def measured_features(layout: Layout) -> list[str]:
    """The numeric features of images: counts first, of nuclei and cells before others, then focus
    and saturation, then all others in the order of their columns."""
    names = [
        column.feature
        for column in layout.columns
        if column.object == IMAGE
        and column.type in (INTEGER, REAL)
        and not _NOT_MEASURED.match(column.feature)
    ]
    return sorted(names, key=_rank)


def _rank(name: str) -> tuple[bool, bool, int]:
    first = _FIRST.index(name) if name in _FIRST else len(_FIRST)
    return not name.startswith(_COUNT), not _QUALITY.match(name), first


def matching(patterns: Sequence[str], names: Sequence[str]) -> list[str]:
    """The names that match a pattern such as `Intensity_Mean*`, in the order of the patterns.

    Raises:
        UsageError: no name matches a pattern.
    """
    chosen: dict[str, None] = {}
    for pattern in patterns:
        found = [name for name in names if fnmatchcase(name, pattern)]
        if not found:
            message = f"--features: no image feature or column of a table of wells is {pattern}"
            raise UsageError(suggest(message, closest(pattern.strip("*"), names)))
        chosen.update(dict.fromkeys(found))
    return list(chosen)


def room(wells: int) -> int:
    """How many metrics fit into a file with so many wells."""
    return max(_FEWEST, min(_MOST_FEATURES, MOST_VALUES // max(wells, 1)))
