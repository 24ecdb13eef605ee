"""Where image sets are: numbers for wells and for parts of wells, as many as there are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from cpexport.cellprofiler.image_set_names import PlaceFeatures, part_of, well_of
from cpexport.errors import UsageError
from cpexport.imagesets import ImageSets
from cpexport.spelling import closest, suggest

Numbers = npt.NDArray[np.int64]

NOWHERE: Final = -1
"""The number of the well of an image set without one."""


class Place(NamedTuple):
    """A plate and a well, as the metadata names them; the plate is empty if nothing names it."""

    plate: str
    well: str


@dataclass
class Places:
    """Numbers wells and parts of wells in the order in which they are first seen, from 0."""

    wells: dict[Place, int] = field(default_factory=dict)
    parts: dict[str, int] = field(default_factory=dict)

    def locate(
        self, features: PlaceFeatures, columns: Mapping[str, pa.Array], plate_prefix: str = ""
    ) -> tuple[Numbers, Numbers]:
        """The numbers of the well and of the part of each row; the well is `NOWHERE` without one.

        columns: at least those of `features`, all of the same length; values of any type.
        plate_prefix: begins the names of all plates.
        """
        names = features.plate, features.well, features.row, features.column
        plates, wells, rows, cols = (_texts(columns, name) for name in names)
        parts = {word: _texts(columns, name) for word, name in features.parts.items()}
        length = len(next(iter(columns.values()))) if columns else 0
        where = np.full(length, NOWHERE, np.int64)
        which = np.zeros(length, np.int64)
        for index in range(length):
            well = _at(wells, index) or well_of(_at(rows, index), _at(cols, index))
            if well:
                place = Place(plate_prefix + _at(plates, index), well)
                where[index] = self.wells.setdefault(place, len(self.wells))
            part = part_of({word: _at(values, index) for word, values in parts.items()})
            which[index] = self.parts.setdefault(part, len(self.parts))
        return where, which


@dataclass(frozen=True)
class Located:
    """The wells and parts of image sets: arrays of one length, in ascending order of `numbers`."""

    numbers: Numbers
    wells: Numbers
    parts: Numbers

    @classmethod
    def nowhere(cls, image_sets: ImageSets) -> "Located":
        """These image sets without a well."""
        numbers = np.fromiter(image_sets, np.int64, len(image_sets))
        return cls(numbers, np.full(len(numbers), NOWHERE), np.zeros(len(numbers), np.int64))

    @classmethod
    def joined(cls, parts: Sequence["Located"]) -> "Located":
        """All image sets of parts that follow each other in order of number."""
        if not parts:
            return cls.nowhere(ImageSets())
        arrays = zip(*((one.numbers, one.wells, one.parts) for one in parts), strict=True)
        return cls(*(np.concatenate(some) for some in arrays))

    def completed(self, other: "Located") -> "Located":
        """Adds the image sets that only `other` has, and its places of those that are nowhere."""
        known = self.numbers[self.wells != NOWHERE]
        new = ~np.isin(other.numbers, known)
        keep = (self.wells != NOWHERE) | ~np.isin(self.numbers, other.numbers[new])
        arrays = (
            np.concatenate([own[keep], others[new]])
            for own, others in (
                (self.numbers, other.numbers),
                (self.wells, other.wells),
                (self.parts, other.parts),
            )
        )
        numbers, wells, which = arrays
        order = np.argsort(numbers, kind="stable")
        return Located(numbers[order], wells[order], which[order])


def within(numbers: Numbers, image_sets: ImageSets) -> npt.NDArray[np.bool_]:
    """Whether each of the numbers is one of the image sets."""
    if not image_sets:
        return np.zeros(len(numbers), bool)
    ends = np.array(image_sets.ranges, np.int64)
    at = np.minimum(np.searchsorted(ends[:, 1], numbers), len(ends) - 1)
    inside: npt.NDArray[np.bool_] = (ends[at, 0] <= numbers) & (numbers <= ends[at, 1])
    return inside


def chosen_features(features: Sequence[str], plate: str | None, well: str | None) -> PlaceFeatures:
    """The features that name plates and wells: those that were named, else the usual ones.

    Raises:
        UsageError: a feature that was named is not one of `features`.
    """
    found = PlaceFeatures.among(features)
    for option, name in (("plate", plate), ("well", well)):
        if name is not None and name not in features:
            present = sorted(f for f in features if f.startswith("Metadata_"))
            message = (
                f"no image feature {name}; --{option} can be {', '.join(present) or 'left out'}"
            )
            raise UsageError(suggest(message, closest(name, present)))
    return replace(found, plate=plate or found.plate, well=well or found.well)


def _texts(columns: Mapping[str, pa.Array], name: str) -> list[str]:
    """The values as the same texts, whether a batch file or a database has them; empty for NULL."""
    if not name:
        return []
    values = columns[name].to_pylist()
    return [
        "" if value is None else str(int(value)) if _is_whole(value) else str(value)
        for value in values
    ]


def _is_whole(value: object) -> bool:
    return isinstance(value, float) and value.is_integer()


def _at(values: Sequence[str], index: int) -> str:
    return values[index] if values else ""
