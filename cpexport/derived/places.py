"""The plates and wells of a destination."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

import pyarrow.compute as pc

from cpexport.cellprofiler.features import IMAGE
from cpexport.derived.wells import find_metadata
from cpexport.imagesets import ImageSets
from cpexport.sinks.base import Sink

PLACES: Final = "places"
"""The name of `Places` in `Summary.computed`."""


@dataclass(frozen=True)
class Places:
    """The features with the plate and the well of an image set (empty if there is none), and their
    values, without NULL."""

    plate: str
    well: str
    plates: frozenset[str] = frozenset()
    wells: frozenset[str] = frozenset()

    @classmethod
    def read(
        cls, sink: Sink, plate: str | None, well: str | None, image_sets: ImageSets | None = None
    ) -> Self:
        """The places of these image sets (default: of all); without features, those of the usual
        ones.

        Raises:
            SinkError: the destination does not have a feature that was named.
        """
        plate, well = find_metadata(sink, "Plate", plate), find_metadata(sink, "Well", well)
        texts: dict[str, set[str]] = {plate: set(), well: set()}
        for rows in sink.read(IMAGE, [f for f in (plate, well) if f], image_sets):
            for feature in texts.keys() & {*rows.schema.names}:
                values = pc.unique(rows[feature]).to_pylist()
                texts[feature].update(str(value) for value in values if value is not None)
        return cls(plate, well, frozenset(texts[plate]), frozenset(texts[well]))

    @classmethod
    def up_to_date(cls, sink: Sink) -> Self:
        """The places of all image sets; reads only those that were loaded since the last load
        ended, if nothing else has changed."""
        added = sink.ledger.added()
        stored = sink.ledger.stored_summary().computed.get(PLACES)
        if added is None or stored is None:
            return cls.read(sink, None, None)
        before, new = cls.from_json(stored), cls.read(sink, None, None, added)
        if (before.plate, before.well) != (new.plate, new.well):
            return cls.read(sink, None, None)
        return cls(new.plate, new.well, before.plates | new.plates, before.wells | new.wells)

    def as_json(self) -> dict[str, Any]:
        """What `from_json` reads."""
        plates, wells = sorted(self.plates), sorted(self.wells)
        return {"plate": self.plate, "well": self.well, "plates": plates, "wells": wells}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        plates, wells = frozenset(stored["plates"]), frozenset(stored["wells"])
        return cls(stored["plate"], stored["well"], plates, wells)
