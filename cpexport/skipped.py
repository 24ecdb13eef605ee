"""Image sets that a FlagImage module skipped: flagged, and so not measured any further.

Quality control as CellProfiler documents it: a module with "Skip image set if flagged?" ends the
image set's run, and the job goes on with the next one (CellProfiler 4.2.8, modules/flagimage.py).
Such an image set is as it should be, and running it again would skip it again.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from functools import partial

import numpy as np
import pyarrow as pa

from cpexport.features import IMAGE_NUMBER
from cpexport.imagesets import NONE, ImageSets
from cpexport.pipeline import Pipeline

MARKS = ("ModuleError_", "ExecutionTime_")
"""What begins the features in which a module records that it ran."""


def flag_features(pipeline: Pipeline | None) -> list[str]:
    """All features that tell which image sets were skipped: flags, and marks of modules."""
    skips = pipeline.skips if pipeline else ()
    modules = {tag for skip in skips for tag in (skip.module, *skip.later)}
    flags = {flag for skip in skips for flag in skip.flags}
    return sorted(flags) + [f"{mark}{tag}" for tag in sorted(modules) for mark in MARKS]


def skipped(
    pipeline: Pipeline | None,
    features: Collection[str],
    numbered: Callable[[str], tuple[np.ndarray, pa.Array]],
) -> ImageSets:
    """The image sets with a flag of 1 whose run ended at the module that gave it.

    `numbered` gives, for one of `features`, the numbers of image sets and their values. Where no
    module is recorded, as in files of chosen columns, the flag alone tells.
    """
    found = NONE
    for skip in pipeline.skips if pipeline else ():
        here = NONE
        for flag in skip.flags:
            if flag in features:
                here |= _equal_one(*numbered(flag))
        for tag, ran in ((skip.module, True), *((tag, False) for tag in skip.later)):
            if here and (mark := next((m for m in MARKS if f"{m}{tag}" in features), None)):
                numbers, values = numbered(f"{mark}{tag}")
                marked = ImageSets.of(numbers[_filled(values)])
                here = here & marked if ran else here - marked
        found |= here
    return found


def skipped_there(
    pipeline: Pipeline,
    features: Collection[str],
    read: Callable[[Sequence[str]], Iterable[pa.RecordBatch]],
) -> ImageSets:
    """The image sets of a destination that were skipped, by the `features` that it has of images.

    `read` gives the rows of images with those of them that it is asked for.
    """
    wanted = [feature for feature in flag_features(pipeline) if feature in features]
    found = NONE
    for part in read(wanted) if wanted else ():
        numbers = part[IMAGE_NUMBER].to_numpy()
        found |= skipped(pipeline, wanted, partial(_column, numbers, part))
    return found


def without_rows(jobs: Sequence[ImageSets], held: ImageSets, planned: ImageSets | None) -> str:
    """What is to be said of image sets that may have been skipped, as databases have no rows of
    those; empty if there are none.

    `jobs` are the image sets of each database whose pipeline skips some, and `held` those of all
    outputs. Without `planned` ones, gaps in the numbers of a job tell.
    """
    spans = [(sets.first, sets.last) for sets in jobs if sets]
    lacking = (ImageSets.from_ranges(spans) if planned is None else planned) - held
    if not jobs or not lacking:
        return ""
    return (
        f"no output has the image sets {lacking}, which may be done: ExportToDatabase writes no "
        "rows of what FlagImage skips, so a database does not tell skipped image sets from those "
        "that did not run; a .h5 or an Image.csv of the jobs would"
    )


def _column(numbers: np.ndarray, part: pa.RecordBatch, feature: str) -> tuple[np.ndarray, pa.Array]:
    return numbers, part[feature]


def _equal_one(numbers: np.ndarray, values: pa.Array) -> ImageSets:
    flags = np.array([_is_one(value) for value in values.to_pylist()], bool)
    return ImageSets.of(numbers[flags])


def _is_one(value: object) -> bool:
    try:
        return float(str(value)) == 1
    except ValueError:
        return False


def _filled(values: pa.Array) -> np.ndarray:
    """Where there is a value: neither none, nor an empty text, nor NaN."""
    if values.type == pa.string():
        return np.array([bool(text) for text in values.to_pylist()], bool)
    empty = values.is_null(nan_is_null=True)
    return ~np.asarray(empty.to_numpy(zero_copy_only=False), bool)
