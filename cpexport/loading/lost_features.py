"""Finds the features that an older output has values for and a newer one lacks."""

from collections.abc import Callable, Collection, Iterable, Mapping

import pyarrow as pa
import pyarrow.compute as pc

from cpexport.cellprofiler.column_names import is_kept
from cpexport.cellprofiler.column_order import full_name, is_aggregate
from cpexport.cellprofiler.features import IMAGE, NOT_OBJECTS, NUMBER, SOURCE_NUMBER, is_column
from cpexport.errors import SourceError
from cpexport.imagesets import ImageSets
from cpexport.sinks.ledger import RecordedFeatures
from cpexport.sources.base import Batch
from cpexport.sources.error_containment import contained
from cpexport.tables.layout import Features

Names = Mapping[str, frozenset[str]]
"""Features by object type; an object type that has rows has its `NUMBER`."""

_SHOWN = 3
_COUNT = "Count_"
# Features that say when and in which order modules ran, not what they measured; and the number that
# a job gave an image set, which only outputs with numbers of their own get.
_OF_THE_JOB = ("ExecutionTime_", "Group_", "ImageSet_", "ProcessingStatus", SOURCE_NUMBER)


def names(features: Features) -> Names:
    """Returns the names of measured features, by object type."""
    measured = {}
    for name, types in features.items():
        own = {f for f in types if is_column(f) and not f.startswith(_OF_THE_JOB)}
        measured[name] = frozenset(own if name == IMAGE else own | {NUMBER})
    return measured


def recorded(batch: Batch) -> RecordedFeatures:
    """Returns the features that an output has, as the ledger keeps them."""
    # The number that the job gave an image set comes from no feature of the job.
    features = {
        name: tuple(sorted(feature for feature in types if feature != SOURCE_NUMBER))
        for name, types in batch.features.items()
    }
    return RecordedFeatures(features, counted_none(batch))


def counted_none(batch: Batch) -> frozenset[str]:
    """Returns the object types without a table that the complete image sets count none of."""
    counts = (f for f in batch.features.get(IMAGE, {}) if f.startswith(_COUNT))
    names = {feature.removeprefix(_COUNT) for feature in counts}
    counted = {name for name, image_sets in batch.missing_tables.items() if image_sets}
    return frozenset(names - batch.features.keys() - counted)


def lost(had: Names, has: Names, counted_none: Collection[str] = ()) -> Names:
    """Returns the features in `had` that are not in `has`.

    Object types in `counted_none` are left out: a table of them would be empty.
    """
    missing: dict[str, frozenset[str]] = {}
    for name, features in had.items():
        if name not in has and name in counted_none:
            continue
        gone = features - has.get(name, frozenset())
        if gone:
            missing[name] = gone
    return missing


def unmeasured(newer: Batch, wanted: Names) -> Names:
    """Returns the `wanted` features that a newer output of the same pipeline lacks although it had
    objects to measure.

    An output has the features that some image set of its job recorded, not all that the pipeline
    could measure (CellProfiler 4.2.8, cellprofiler_core/measurement/_measurements.py,
    get_feature_names). So no feature of an object type without rows counts as lost, and no feature
    of images if any object type has no rows. If the output cannot be read, all `wanted` are lost.
    """
    rows = dict.fromkeys(newer.features.keys() - NOT_OBJECTS, 0)
    try:
        with contained(newer.source), newer.source.open() as opened:
            for name, block in opened.read(newer.complete, {}):
                if name in rows:
                    rows[name] += block.num_rows
    except SourceError:
        return wanted
    return {
        name: features
        for name, features in wanted.items()
        if (all(rows.values()) if name == IMAGE else rows.get(name, 1))
    }


def valued(batch: Batch, wanted: Names, image_sets: ImageSets) -> Names:
    """Returns the wanted features that a batch has a value for in some of the image sets.

    A feature that is NaN everywhere cannot be lost. If the batch cannot be read, all features
    count. `Succession` does the same for loaded rows.
    """
    with_values: dict[str, set[str]] = {}
    try:
        with contained(batch.source), batch.source.open() as opened:
            for name, block in opened.read(image_sets, {}):
                if block.num_rows and (features := wanted.get(name)):
                    own = with_values.setdefault(name, set())
                    own |= {NUMBER} & features
                    own |= {f for f in features - own if has_value(block, f)}
    except SourceError:
        return wanted
    if any(with_values.get(name) for name in wanted if name != IMAGE):
        # Means of objects are computed only when a batch is loaded.
        recorded = batch.features.get(IMAGE, {})
        with_values.setdefault(IMAGE, set()).update(
            wanted.get(IMAGE, frozenset()) - recorded.keys()
        )
    return {name: frozenset(features) for name, features in with_values.items() if features}


def described(lost: Names, counts: Callable[[str, str, Iterable[str]], bool] | None = None) -> str:
    """Describes lost object types and features; empty if nothing is lost.

    `counts` decides which features count; without it all do.
    """
    types = sorted(name for name, features in lost.items() if NUMBER in features)
    features = sorted(
        (name, feature)
        for name, lost_features in lost.items()
        if name not in types
        for feature in lost_features
        if counts is None or counts(name, feature, lost)
    )
    what = [f"object type{'s' * (len(types) > 1)} {', '.join(types)}"] if types else []
    if features:
        named = ", ".join(f"{feature} of {name}" for name, feature in features[:_SHOWN])
        more = f" and {len(features) - _SHOWN} more" if len(features) > _SHOWN else ""
        what.append(f"{len(features)} feature{'s' * (len(features) > 1)} ({named}{more})")
    return " and ".join(what)


def has_value(block: pa.RecordBatch, column: str) -> bool:
    """Whether a column is in the block and has a value that is neither null nor NaN."""
    if column not in block.schema.names:
        return False
    values = block[column]
    if not pa.types.is_floating(values.type):
        return bool(values.null_count < len(values))
    return pc.any(pc.invert(pc.is_nan(values.drop_null()))).as_py() is True


def by_name(name: str, feature: str, objects: Iterable[str]) -> bool:
    """Whether a feature has the same name in all formats."""
    own = [o for o in objects if o != IMAGE]
    whole = full_name(name, feature, own)
    return is_kept(whole) and not (name == IMAGE and is_aggregate(feature, own))
