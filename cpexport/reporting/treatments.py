"""What is in the wells, as `cpexport annotate` stored it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from cpexport.cellprofiler.image_set_names import PlaceFeatures
from cpexport.derived.treatment_table import table_name
from cpexport.derived.treatments import treatment_columns
from cpexport.reporting.measured import read_well_table
from cpexport.reporting.places import Places
from cpexport.reporting.screen import Well
from cpexport.sinks.base import Sink

_MOST_TEXTS: Final = 40
_ROOM: Final = 200_000
"""The most characters of texts in one report."""


@dataclass(frozen=True)
class Treatments:
    """The columns with what is in the wells, and the texts of each well (`Places.wells`), None
    without one. `left_out` are columns for which there is no room."""

    names: tuple[str, ...] = ()
    by_well: Mapping[int, tuple[str | None, ...]] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()

    @classmethod
    def read(
        cls,
        sink: Sink,
        prefix: str,
        keys: PlaceFeatures,
        places: Places,
        plate_prefixes: Iterable[str],
    ) -> "Treatments":
        """Reads those of a destination; none if it has none, or if the report takes plates and
        wells from other columns.

        keys: the columns that name plate and well.
        plate_prefixes: how the names of plates begin in the report.
        """
        names, table = treatment_columns(sink, prefix), table_name(prefix)
        columns = {name for name in (keys.plate, keys.well, keys.row, keys.column) if name}
        if not names or not columns <= {*sink.derived_tables()[table]}:
            return cls()
        by_well: dict[int, tuple[str | None, ...]] = {}
        for begin in plate_prefixes:
            for well, row in read_well_table(sink, table, keys, names, places, begin):
                by_well[well] = tuple(None if v is None else _text(v) for v in row)
        room, shown = _ROOM, list[int]()
        for place in range(len(names)):
            texts = {row[place] for row in by_well.values()}
            size = sum(len(text) for text in texts if text) + 3 * len(by_well)
            if size <= room:
                room -= size
                shown.append(place)
        return cls(
            tuple(names[place] for place in shown),
            {well: tuple(row[p] for p in shown) for well, row in by_well.items()},
            tuple(name for place, name in enumerate(names) if place not in shown),
        )

    def of(self, well: Well) -> tuple[str | None, ...]:
        """The texts of a well, one for each of `names`."""
        found = (self.by_well[place] for place in well.places if place in self.by_well)
        return next(found, (None,) * len(self.names))

    def groups(self, wells: Sequence[Well]) -> tuple[str, npt.NDArray[np.object_]]:
        """The first column that has a few texts, and its text in each well; an empty name if there
        is none."""
        for name in self.names:
            own = [self.value(well, name) for well in wells]
            if 2 <= len({*own} - {None}) <= _MOST_TEXTS:
                return name, np.array(own, object)
        return "", np.full(len(wells), None, object)

    def value(self, well: Well, name: str) -> str | None:
        """The text of a well in one of `names`."""
        return self.of(well)[self.names.index(name)]


def _text(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
