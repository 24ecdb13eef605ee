"""Reads the images' table of an ExportToDatabase file: image sets, and which were measured."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pyarrow as pa

from cpexport.cellprofiler.features import IMAGE, IMAGE_NUMBER, NULL, REAL, promised_type, wider
from cpexport.cellprofiler.flagged_image_sets import flag_features, skipped
from cpexport.cellprofiler.image_identity import Identities, telling
from cpexport.cellprofiler.pipeline import Pipeline
from cpexport.imagesets import ImageSets
from cpexport.sources.sqlite.file import DatabaseFile
from cpexport.sources.sqlite.object_numbers import Counts
from cpexport.sources.sqlite.rows import table_rows
from cpexport.sources.sqlite.schema import ObjectTable
from cpexport.sources.sqlite.stored_tables import IMAGE_TABLE
from cpexport.tables.casts import widened

ROW = f"row in {IMAGE_TABLE}"
MARK = "ExecutionTime_"
_COUNT = "Count_"


class ImageTableRows:
    """The facts from the images' table that decide completeness, sorted by image set."""

    def __init__(
        self, file: DatabaseFile, table: ObjectTable, rows: Counts, pipeline: Pipeline | None
    ) -> None:
        columns = table.features[IMAGE]
        identities = telling(columns)
        counts = [f for f in columns if f.startswith(_COUNT)]
        untyped = [f for f in columns if promised_type(IMAGE, f) == NULL]
        mark = _mark(columns, pipeline)
        flags = [f for f in flag_features(pipeline) if f in columns]
        wanted = dict.fromkeys([*identities, *counts, *untyped, *flags, *([mark] if mark else [])])
        narrow = replace(table, features={IMAGE: {f: columns[f] for f in wanted}})
        self.present = ImageSets.of(rows)
        parts = [part for _, part in table_rows(file, narrow, self.present, rows)]
        self.numbers = np.concatenate([part[IMAGE_NUMBER].to_numpy() for part in parts])
        self.marker = mark or ROW
        marked = np.concatenate([part[mark].is_valid() for part in parts]) if mark else None
        self.skipped = skipped(
            pipeline,
            flags,
            lambda f: (self.numbers, pa.concat_arrays([_texts(part[f]) for part in parts])),
        )
        measured = self.present if marked is None else ImageSets.of(self.numbers[marked])
        self.measured = measured - self.skipped
        self.counts = {
            f.removeprefix(_COUNT): np.concatenate([_numbers(part[f], f) for part in parts])
            for f in counts
        }
        self.identities = Identities.of(
            self.numbers,
            {f: pa.concat_arrays([_texts(part[f]) for part in parts]) for f in identities},
        )
        self.types = dict.fromkeys(untyped, NULL)
        for part in parts:
            self.types |= {f: wider(self.types[f], part[f].type) for f in untyped}

    @property
    def counted_each(self) -> dict[str, dict[int, int]]:
        """Object type to the number of its objects in each image set."""
        numbers = self.numbers.tolist()
        return {
            name: dict(zip(numbers, counts.astype(np.int64).tolist(), strict=True))
            for name, counts in self.counts.items()
        }

    def counted(self) -> dict[str, ImageSets]:
        """Object type to the image sets that count at least one such object."""
        return {name: ImageSets.of(self.numbers[n > 0]) for name, n in self.counts.items()}


def _mark(features: Mapping[str, str], pipeline: Pipeline | None) -> str | None:
    """The feature with which the last recording module marks an image set, if there is one.

    CellProfiler 3 writes no such columns, but it writes a row only after all modules have run.
    """
    marks = [feature for feature in features if feature.startswith(MARK)]
    expected = f"{MARK}{pipeline.recorder}" if pipeline else None
    return expected if expected in marks else max(marks, default=None)


def _numbers(array: pa.Array, feature: str) -> np.ndarray:
    """Counts as real numbers; a missing count is 0.

    Raises:
        WidthError: a count has too many digits.
    """
    values = widened(array, REAL, feature).fill_null(0).to_numpy(zero_copy_only=False)
    return np.asarray(values, np.float64)


def _texts(array: pa.Array) -> pa.StringArray:
    """Values as CellProfiler's own text for them: `1`, `1.0`, `DMSO`."""
    if array.type == pa.string():
        return array
    texts = [None if value is None else str(value) for value in array.to_pylist()]
    return pa.array(texts, pa.string())
