"""Finds image sets that a FlagImage module skipped: flagged, and therefore not measured further.

CellProfiler documents this as quality control: a module with "Skip image set if flagged?" ends the
image set's run, and the job continues with the next one (CellProfiler 4.2.8, modules/flagimage.py).
Such an image set is as it should be; another run would skip it again.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from functools import partial
from typing import Protocol

import numpy as np
import pyarrow as pa

from cpexport.cellprofiler.features import IMAGE_NUMBER
from cpexport.cellprofiler.pipeline import Skip
from cpexport.imagesets import NONE, ImageSets


class Skipping(Protocol):
    """A pipeline, as far as it skips image sets."""

    @property
    def skips(self) -> tuple[Skip, ...]: ...


MARKS = ("ModuleError_", "ExecutionTime_")
"""The beginnings of the features in which a module records that it ran."""


def flag_features(pipeline: Skipping | None) -> list[str]:
    """All features that show which image sets were skipped: flags, and marks of modules."""
    skips = pipeline.skips if pipeline else ()
    modules = {tag for skip in skips for tag in (skip.module, *skip.later)}
    flags = {flag for skip in skips for flag in skip.flags}
    return sorted(flags) + [f"{mark}{tag}" for tag in sorted(modules) for mark in MARKS]


def skipped(
    pipeline: Skipping | None,
    features: Collection[str],
    numbered: Callable[[str], tuple[np.ndarray, pa.Array]],
) -> ImageSets:
    """The image sets with a flag of 1 whose run ended at the module that set it.

    `numbered` returns for one of `features` the image set numbers and their values. If no module is
    recorded, as in files with chosen columns, the flag alone decides.
    """
    skipped_sets = NONE
    for skip in pipeline.skips if pipeline else ():
        flagged = NONE
        for flag in skip.flags:
            if flag in features:
                flagged |= _equal_one(*numbered(flag))
        for tag, ran in ((skip.module, True), *((tag, False) for tag in skip.later)):
            if flagged and (mark := next((m for m in MARKS if f"{m}{tag}" in features), None)):
                numbers, values = numbered(f"{mark}{tag}")
                marked = ImageSets.of(numbers[_filled(values)])
                flagged = flagged & marked if ran else flagged - marked
        skipped_sets |= flagged
    return skipped_sets


def skipped_there(
    pipeline: Skipping,
    features: Collection[str],
    read: Callable[[Sequence[str]], Iterable[pa.RecordBatch]],
) -> ImageSets:
    """The image sets of a destination that were skipped; `features` are its image features.

    `read` returns the rows of images with the requested features.
    """
    wanted = [feature for feature in flag_features(pipeline) if feature in features]
    skipped_sets = NONE
    for part in read(wanted) if wanted else ():
        numbers = part[IMAGE_NUMBER].to_numpy()
        skipped_sets |= skipped(pipeline, wanted, partial(_column, numbers, part))
    return skipped_sets


def without_rows(jobs: Sequence[ImageSets], held: ImageSets, planned: ImageSets | None) -> str:
    """A note about image sets that may have been skipped; empty if there are none.

    Databases have no rows for skipped image sets. `jobs` are the image sets of each database whose
    pipeline skips some, and `held` the image sets of all outputs. If `planned` is None, gaps in a
    job's numbers are taken instead.
    """
    spans = [(sets.first, sets.last) for sets in jobs if sets]
    lacking = (ImageSets.from_ranges(spans) if planned is None else planned) - held
    if not jobs or not lacking:
        return ""
    return (
        f"no output has the image sets {lacking}; FlagImage may have skipped them: "
        "ExportToDatabase writes no rows for skipped image sets, so a database cannot show "
        "whether they ran; an .h5 file or an Image.csv of the jobs can"
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
    """Where there is a value: not null, not an empty text, not NaN."""
    if values.type == pa.string():
        return np.array([bool(text) for text in values.to_pylist()], bool)
    empty = values.is_null(nan_is_null=True)
    return ~np.asarray(empty.to_numpy(zero_copy_only=False), bool)
