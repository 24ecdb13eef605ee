"""Checks object types and features named on the command line against the outputs."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from cpexport.cellprofiler.features import IMAGE, NOT_OBJECTS
from cpexport.derived.wells import Wells
from cpexport.errors import SourceError, UsageError
from cpexport.loading.survey import survey
from cpexport.sinks.own_files import kind_of
from cpexport.sinks.registry import file_of, open_sink, place_of
from cpexport.sources.base import Batch, features_of
from cpexport.spelling import closest, suggest
from cpexport.tables.layout import Layout
from cpexport.tables.left_out_features import is_pattern, matches
from cpexport.tables.options import LAYOUTS, TableOptions

_COUNT: Final = "Count_"


def check_not_an_output(to: str, batches: Iterable[Batch]) -> None:
    """Refuses a destination that is a job's output: with other tables in it, it would be none.

    Raises:
        UsageError: it is.
    """
    file = file_of(to)
    if file is None or not file.exists():
        return
    for batch in batches:
        output = batch.source.files[0] if batch.source.files else batch.source.path
        if output.name == file.name and output.resolve() == file.resolve():
            raise UsageError("--to is one of OUTPUTS; name another destination")


def check_not_itself(to: str, outputs: Iterable[Path]) -> None:
    """Refuses a destination that is to be merged into itself.

    Raises:
        UsageError: it is one of OUTPUTS.
    """
    if destination := place_of(to):
        for path in outputs:
            if path.resolve() == destination.resolve() and kind_of(path):
                raise UsageError("--to is one of OUTPUTS; name another destination")


def check_object_types(
    shape: TableOptions | None, batches: Iterable[Batch], layout: Layout
) -> None:
    """Refuses object types that neither an output nor the destination has, if there are outputs.

    Raises:
        UsageError: lists the object types that exist.
    """
    if shape is None or not shape.only:
        return
    features_of_outputs = [features for features in features_of(batches) if features]
    existing = {name for features in features_of_outputs for name in features} | layout.types
    # Object types that image sets count exist, even if no job left a table of them.
    existing |= {
        feature.removeprefix(_COUNT)
        for features in features_of_outputs
        for feature in features.get(IMAGE, ())
        if feature.startswith(_COUNT)
    }
    existing -= NOT_OBJECTS
    missing = [name for name in shape.only if name not in existing]
    if not features_of_outputs or not missing:
        return
    message = (
        f"--objects {', '.join(missing)}: no output has such an object type; existing object "
        f"types: {', '.join(sorted(existing)) or 'none'}"
    )
    words = [*LAYOUTS, *sorted(existing)]
    raise UsageError(suggest(message, *(closest(name, words) for name in missing)))


def check_features(
    shape: TableOptions | None, batches: Iterable[Batch], layout: Layout
) -> tuple[str, ...]:
    """Refuses misspelled names of features in a first load, as they would be stored with the
    destination. A name unlike any feature, or a pattern, may be for what later outputs have:
    returns a note on each that matches nothing yet.

    Raises:
        UsageError: names them, and the most similar columns.
    """
    if shape is None or shape.keeps_all or layout.columns:
        return ()
    columns = {
        (name, feature)
        for features in features_of(batches)
        for name in features
        for feature in features[name]
    }
    names = sorted({f"{name}_{feature}" for name, feature in columns})
    notes: list[str] = []
    for option, patterns in (("--features", shape.features), ("--leave-out", shape.leave_out)):
        unmatched = [p for p in patterns if not any(matches((p,), *column) for column in columns)]
        exact = [pattern for pattern in unmatched if not is_pattern(pattern)]
        if meant := {name: like for name in exact if (like := closest(name, names))}:
            message = f"{option} {', '.join(meant)}: no feature has such a name"
            raise UsageError(suggest(message, *meant.values()))
        notes += [
            f"{option} {pattern}: matches no feature of these outputs" for pattern in unmatched
        ]
    return tuple(notes)


def check_wells(wells: Wells | None, batches: Iterable[Batch], layout: Layout) -> None:
    """Refuses plate and well features that neither an output nor the destination has for images,
    and tables of wells without a feature that gives the well. Needs an output to check.

    Raises:
        UsageError: lists the metadata that exist.
    """
    if wells is None:
        return
    complete = features_of(batch for batch in batches if batch.complete)
    features_of_outputs = [features[IMAGE] for features in complete]
    if not features_of_outputs:
        return
    existing = {
        *layout.features.get(IMAGE, ()),
        *(name for features in features_of_outputs for name in features),
    }
    metadata = sorted(name for name in existing if name.startswith("Metadata_"))
    advice = f"existing metadata: {', '.join(metadata)}" if metadata else "they have no metadata"
    for option, name in (("--plate", wells.plate), ("--well", wells.well)):
        if name is not None and name not in existing:
            message = f"{option} {name}: no output has such an image feature; {advice}"
            raise UsageError(suggest(message, closest(name, metadata)))
    if wells.kinds and wells.well is None and "Metadata_Well" not in existing:
        raise UsageError(
            "--wells: no output has the image feature Metadata_Well; name the feature of the "
            f"well with --well; {advice}"
        )


def check_wanted_of_runs(
    shape: TableOptions | None,
    wells: Wells | None,
    outputs: Iterable[Sequence[Path]],
    to: str,
    prefix: str,
) -> tuple[str, ...]:
    """Runs these checks for several runs of one destination: one run with a feature suffices.
    Returns the notes of `check_features`.

    The evidence is cached, so the survey of each run's own load takes no time.
    """
    if (shape is None or (not shape.only and shape.keeps_all)) and wells is None:
        return ()
    with open_sink(to, prefix, shape, writing=False) as sink:
        layout = sink.layout()
    batches: list[Batch] = []
    for folders in outputs:
        # The load of this run reports what is wrong with it.
        with suppress(SourceError):
            batches += survey(folders).batches
    check_object_types(shape, batches, layout)
    notes = check_features(shape, batches, layout)
    check_wells(wells, batches, layout)
    return notes
