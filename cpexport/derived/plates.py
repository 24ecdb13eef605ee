"""The plates of a destination: how many wells and image sets each has."""

from dataclasses import dataclass

import pyarrow as pa

from cpexport.cellprofiler.features import IMAGE
from cpexport.cellprofiler.image_set_names import PlaceFeatures
from cpexport.sinks.base import Sink


@dataclass(frozen=True)
class PlateContent:
    """A plate, and how many wells and image sets a destination has of it. The name is empty for
    image sets whose metadata name none."""

    name: str
    wells: int
    image_sets: int


def plates(sink: Sink) -> tuple[PlateContent, ...]:
    """The plates in order of name; empty if no metadata name wells."""
    features = PlaceFeatures.among(sink.layout().features.get(IMAGE, {}))
    well = [f for f in ([features.well] if features.well else [features.row, features.column]) if f]
    if not well:
        return ()
    keys = [*([features.plate] if features.plate else []), *well]
    rows = pa.Table.from_batches(sink.read(IMAGE, keys)).select(keys)
    found: dict[str, list[int]] = {}
    for one in rows.group_by(keys).aggregate([([], "count_all")]).to_pylist():
        name = one[features.plate] if features.plate else None
        count = found.setdefault("" if name is None else str(name), [0, 0])
        count[0] += any(one[feature] is not None for feature in well)
        count[1] += one["count_all"]
    return tuple(PlateContent(name, *found[name]) for name in sorted(found))
