"""What of an older output a newer one lacks: features by name, as far as the older has values."""

from collections.abc import Callable, Iterable, Mapping

import pyarrow as pa
import pyarrow.compute as pc

from cpexport.batch import Batch
from cpexport.contained import contained
from cpexport.errors import SourceError
from cpexport.features import IMAGE, NOT_OBJECTS, NUMBER, is_column
from cpexport.imagesets import ImageSets
from cpexport.naming import is_kept
from cpexport.ordering import full_name, is_aggregate
from cpexport.tables import Features

Names = Mapping[str, frozenset[str]]
"""Features by object type; an object type that has rows has its number."""

_SHOWN = 3
# They say when and in which order modules ran, and not what was measured.
_OF_THE_JOB = ("ExecutionTime_", "Group_", "ImageSet_", "ProcessingStatus")


def names(features: Features) -> Names:
    found = {}
    for name, types in features.items():
        own = {f for f in types if is_column(f) and not f.startswith(_OF_THE_JOB)}
        found[name] = frozenset(own if name == IMAGE else own | {NUMBER})
    return found


def lost(had: Names, has: Names, newer: Batch | None) -> Names:
    """The features of `had` that `has` has not, without types of which `newer` counts none: then
    there is nothing that a table could have."""
    found: dict[str, frozenset[str]] = {}
    for name, features in had.items():
        if name not in has and newer is not None and _counts_none(newer, name):
            continue
        gone = features - has.get(name, frozenset())
        if gone:
            found[name] = gone
    return found


def unmeasured(newer: Batch, wanted: Names) -> Names:
    """What a newer output of the same pipeline lacks of `wanted` though it had objects to measure.

    Outputs have the features that some image set of the job recorded, and not all that the pipeline
    could measure (CellProfiler 4.2.8, cellprofiler_core/measurement/_measurements.py,
    get_feature_names). So of an object type without rows nothing counts as lost, nor of images
    where any type has none. All that is `wanted` if the output cannot be read.
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


def _counts_none(batch: Batch, name: str) -> bool:
    return f"Count_{name}" in batch.features.get(IMAGE, {}) and name not in batch.lacking


def valued(batch: Batch, wanted: Names, image_sets: ImageSets) -> Names:
    """Those features that a batch has a value of in some of the image sets, as `_valued` of what is
    loaded: one that is NaN everywhere is lost to nobody. All of them if it cannot be read."""
    found: dict[str, set[str]] = {}
    try:
        with contained(batch.source), batch.source.open() as opened:
            for name, block in opened.read(image_sets, {}):
                if block.num_rows and (features := wanted.get(name)):
                    mine = found.setdefault(name, set())
                    mine |= {NUMBER} & features
                    mine |= {f for f in features - mine if has_value(block, f)}
    except SourceError:
        return wanted
    if any(found.get(name) for name in wanted if name != IMAGE):
        # Means of objects are computed only when they are loaded.
        own = batch.features.get(IMAGE, {})
        found.setdefault(IMAGE, set()).update(wanted.get(IMAGE, frozenset()) - own.keys())
    return {name: frozenset(features) for name, features in found.items() if features}


def described(lost: Names, counts: Callable[[str, str, Iterable[str]], bool] | None = None) -> str:
    """What is lost, in words; empty if nothing is. `counts` says which features do, else all."""
    types = sorted(name for name, features in lost.items() if NUMBER in features)
    features = sorted(
        (name, feature)
        for name, some in lost.items()
        if name not in types
        for feature in some
        if counts is None or counts(name, feature, lost)
    )
    what = [f"object type{'s' * (len(types) > 1)} {', '.join(types)}"] if types else []
    if features:
        named = ", ".join(f"{feature} of {name}" for name, feature in features[:_SHOWN])
        more = f" and {len(features) - _SHOWN} more" if len(features) > _SHOWN else ""
        what.append(f"{len(features)} feature{'s' * (len(features) > 1)} ({named}{more})")
    return " and ".join(what)


def has_value(block: pa.RecordBatch, column: str) -> bool:
    if column not in block.schema.names:
        return False
    values = block[column]
    if not pa.types.is_floating(values.type):
        return bool(values.null_count < len(values))
    return pc.any(pc.invert(pc.is_nan(values.drop_null()))).as_py() is True


def by_name(name: str, feature: str, objects: Iterable[str]) -> bool:
    """Whether a feature is known by its name in all formats."""
    own = [o for o in objects if o != IMAGE]
    whole = full_name(name, feature, own)
    return is_kept(whole) and not (name == IMAGE and is_aggregate(feature, own))
