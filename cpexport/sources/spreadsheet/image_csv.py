"""Reads Image.csv: its image sets, which were measured, and what identifies their images."""

from collections.abc import Collection, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cpexport.cellprofiler.features import (
    IMAGE,
    IMAGE_NUMBER,
    INTEGER,
    NULL,
    REAL,
    TEXT,
    is_column,
    promised_type,
)
from cpexport.cellprofiler.flagged_image_sets import MARKS, flag_features, skipped
from cpexport.cellprofiler.image_identity import Identities, telling
from cpexport.cellprofiler.pipeline import Pipeline
from cpexport.errors import AS_WRITTEN, SourceError
from cpexport.imagesets import ImageSets
from cpexport.sources.spreadsheet.csv_file import CsvFile
from cpexport.sources.spreadsheet.csv_values import text_type, typed
from cpexport.sources.spreadsheet.several_runs import two_rows

ROW = "row in Image.csv"


class ImageCsvRows:
    """The facts from one job's Image.csv files that decide completeness, sorted by image set.

    Raises:
        SourceError: a row has no number, or an image set has two rows.
    """

    def __init__(self, files: Sequence[CsvFile], pipeline: Pipeline | None) -> None:
        features = list(dict.fromkeys(feature for file in files for _, feature in file.names))
        self.features = features
        untyped = [f for f in features if is_column(f) and promised_type(IMAGE, f) == NULL]
        identities = telling(features)
        counts = [f for f in features if f.startswith("Count_")]
        self.marker, marks = _completion_marker(features, pipeline)
        types = dict.fromkeys([*identities, *untyped], TEXT) | dict.fromkeys(counts, REAL)
        flags = [f for f in flag_features(pipeline) if f in features]
        types |= dict.fromkeys([f for f in (*marks, *flags) if f not in types], REAL)
        table = _stacked(files, {IMAGE_NUMBER: INTEGER} | types)
        self.numbers = table[IMAGE_NUMBER].to_numpy()
        self.present = ImageSets.of(self.numbers)
        self.skipped = skipped(pipeline, flags, lambda feature: (self.numbers, table[feature]))
        self.measured = self._marked(table, marks) - self.skipped
        self.counts = {
            f.removeprefix("Count_"): table[f].to_numpy(zero_copy_only=False) for f in counts
        }
        self.identities = Identities.of(self.numbers, {f: table[f] for f in identities})
        # Unmeasured image sets have empty fields, which would make the whole column text.
        is_measured = pa.array(np.isin(self.numbers, np.fromiter(self.measured, np.int64)))
        self.types = {f: text_type(table[f].filter(is_measured), may_be_blank(f)) for f in untyped}

    def counted(self) -> dict[str, ImageSets]:
        """Object type to the image sets that count at least one such object."""
        return {name: ImageSets.of(self.numbers[n > 0]) for name, n in self.counts.items()}

    def with_objects(self, names: Collection[str]) -> ImageSets:
        """The image sets that count at least one object of any of these types."""
        counted = self.counted()
        return ImageSets.from_ranges(r for n in names if n in counted for r in counted[n].ranges)

    def unwritten(self, names: Collection[str]) -> ImageSets:
        """The skipped image sets without rows in a file that has these object types side by side.

        CellProfiler writes as many rows as the largest count. It writes none if one type does not
        exist yet, because its count is then not a number (4.2.8, exporttospreadsheet.py,
        make_object_file).
        """
        if len(names) < 2 or not self.skipped:
            return ImageSets()
        uncounted = np.zeros(len(self.numbers), bool)
        for name in names:
            uncounted |= np.isnan(self.counts[name]) if name in self.counts else True
        return ImageSets.of(self.numbers[uncounted]) & self.skipped

    def _marked(self, table: dict[str, pa.Array], marks: Collection[str]) -> ImageSets:
        if not marks and self.marker != ROW:
            return ImageSets()
        is_marked = np.ones(len(self.numbers), bool)
        for mark in marks:
            values = table[mark]
            if values.type == TEXT:
                is_marked &= np.array([bool(text) for text in values.to_pylist()], bool)
                continue
            numbers = values.to_numpy(zero_copy_only=False)
            # Only the GUI's workers write 1 in ModuleError_, for a module that raised an error.
            is_marked &= ~np.isnan(numbers)
            is_marked &= (numbers == 0) | (not mark.startswith("ModuleError_"))
        return ImageSets.of(self.numbers[is_marked])


def image_rows(files: Sequence[CsvFile], wanted: ImageSets, skipped: ImageSets) -> pa.RecordBatch:
    """The rows of Image.csv for the image sets `wanted`, one column per feature.

    An empty field of a `skipped` image set is a missing value in a column of any type.
    """
    features = [
        f for f in dict.fromkeys(n for file in files for _, n in file.names) if is_column(f)
    ]
    types = {f: _read_type(f) for f in features}
    table = _stacked(files, {IMAGE_NUMBER: INTEGER} | types)
    numbers = np.fromiter(wanted, np.int64, len(wanted))
    rows = pa.array(np.flatnonzero(np.isin(table[IMAGE_NUMBER].to_numpy(), numbers)))
    columns = {IMAGE_NUMBER: table[IMAGE_NUMBER].take(rows)}
    unmeasured = pa.array(np.isin(table[IMAGE_NUMBER].take(rows), np.fromiter(skipped, np.int64)))
    for feature in features:
        column = table[feature].take(rows)
        if promised_type(IMAGE, feature) == NULL:
            blank = pc.and_(unmeasured, pc.equal(column, ""))
            column = pc.if_else(blank, pa.scalar(None, TEXT), column)
            column = typed(column, may_be_blank(feature))
        columns[feature] = column
    return pa.RecordBatch.from_pydict(columns)


def may_be_blank(feature: str) -> bool:
    """Whether an empty field of a feature with an unknown type is a missing value.

    In metadata it is a text, as in LoadData. In a module's numbers it is missing, because
    CellProfiler can be set to write nothing for NaN.
    """
    return not feature.startswith("Metadata_")


def _completion_marker(features: list[str], pipeline: Pipeline | None) -> tuple[str, list[str]]:
    """The marker of a measured image set: its name, and the columns that must be filled.

    Without such columns, the row itself is the marker, unless the last module's column is missing
    because no image set reached it: a job writes only columns that it measured.
    """
    recorder = pipeline.recorder if pipeline else None
    marks = [feature for feature in features if feature.startswith(MARKS)]
    if recorder is None and marks:
        recorder = max(feature.partition("_")[2] for feature in marks)
    for mark in MARKS:
        if f"{mark}{recorder}" in marks:
            return f"{mark}{recorder}", [f"{mark}{recorder}"]
    if marks and not (pipeline and pipeline.exports_chosen_columns):
        return f"ModuleError_{recorder}", []
    # A failed image set keeps its row, but the flags that modules measure are empty in it.
    flags = [f for f in features if pipeline and f in pipeline.flags]
    return ", ".join(flags) or ROW, flags


def _stacked(files: Sequence[CsvFile], types: dict[str, pa.DataType]) -> dict[str, pa.Array]:
    """Columns by feature, with the rows of all files sorted by image set."""
    tables = []
    for file in files:
        names = set(file.names)
        present = [feature for feature in types if (None, feature) in names]
        table, _ = file.read({(None, feature): types[feature] for feature in present})
        columns = dict(zip(present, table.columns, strict=True))
        tables.append(
            pa.table(
                {f: columns.get(f, pa.nulls(table.num_rows, type)) for f, type in types.items()}
            )
        )
    combined = pa.concat_tables(tables).combine_chunks()
    numbers = combined[IMAGE_NUMBER]
    path = files[0].path
    if numbers.null_count:
        raise SourceError(path, "a row has no ImageNumber", AS_WRITTEN)
    order = np.argsort(numbers.to_numpy(), kind="stable")
    combined = combined.take(pa.array(order)).combine_chunks()
    ordered = combined[IMAGE_NUMBER].to_numpy()
    if len(ordered) and ordered[0] < 1:
        raise SourceError(path, f"image set {ordered[0]}: image set numbers start at 1", AS_WRITTEN)
    if (repeated := ordered[1:][ordered[1:] == ordered[:-1]]).size:
        raise two_rows(files, int(repeated[0]))
    return {
        name: combined[name].chunk(0)
        if combined[name].num_chunks
        else pa.array([], combined[name].type)
        for name in combined.column_names
    }


def _read_type(feature: str) -> pa.DataType:
    promised = promised_type(IMAGE, feature)
    return TEXT if promised in (TEXT, NULL) else REAL
