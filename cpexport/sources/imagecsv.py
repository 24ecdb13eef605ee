"""Image.csv: the image sets it lists, which of them were measured, and their pictures."""

from collections.abc import Collection, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cpexport.errors import AS_WRITTEN, SourceError
from cpexport.features import (
    IMAGE,
    IMAGE_NUMBER,
    INTEGER,
    NULL,
    REAL,
    TEXT,
    is_column,
    promised_type,
)
from cpexport.imagesets import ImageSets
from cpexport.pictures import Pictures, telling
from cpexport.pipeline import Pipeline
from cpexport.skipped import MARKS, flag_features, skipped
from cpexport.sources.csvfile import CsvFile
from cpexport.sources.csvvalues import text_type, typed
from cpexport.sources.severalruns import two_rows

ROW = "row in Image.csv"


class ImageRows:
    """What completeness needs of the Image.csv files of one job, rows in order of image set.

    Raises:
        SourceError: a row without a number, or two rows for one image set.
    """

    def __init__(self, files: Sequence[CsvFile], pipeline: Pipeline | None) -> None:
        features = list(dict.fromkeys(feature for file in files for _, feature in file.names))
        self.features = features
        free = [f for f in features if is_column(f) and promised_type(IMAGE, f) == NULL]
        pictures = telling(features)
        counts = [f for f in features if f.startswith("Count_")]
        self.sign, marks = _sign(features, pipeline)
        types = dict.fromkeys([*pictures, *free], TEXT) | dict.fromkeys(counts, REAL)
        flags = [f for f in flag_features(pipeline) if f in features]
        types |= dict.fromkeys([f for f in (*marks, *flags) if f not in types], REAL)
        table = _stacked(files, {IMAGE_NUMBER: INTEGER} | types)
        self.numbers = table[IMAGE_NUMBER].to_numpy()
        self.held = ImageSets.of(self.numbers)
        self.skipped = skipped(pipeline, flags, lambda feature: (self.numbers, table[feature]))
        self.measured = self._marked(table, marks) - self.skipped
        self.counts = {
            f.removeprefix("Count_"): table[f].to_numpy(zero_copy_only=False) for f in counts
        }
        self.pictures = Pictures.of(self.numbers, {f: table[f] for f in pictures})
        # Image sets that were not measured have empty fields, which would make all of it text.
        whole = pa.array(np.isin(self.numbers, np.fromiter(self.measured, np.int64)))
        self.types = {f: text_type(table[f].filter(whole), may_be_blank(f)) for f in free}

    def counted(self) -> dict[str, ImageSets]:
        """Object type to the image sets that count at least one such object."""
        return {name: ImageSets.of(self.numbers[n > 0]) for name, n in self.counts.items()}

    def with_objects(self, names: Collection[str]) -> ImageSets:
        """The image sets that count at least one object of some of these types."""
        counted = self.counted()
        return ImageSets.from_ranges(r for n in names if n in counted for r in counted[n].ranges)

    def unwritten(self, names: Collection[str]) -> ImageSets:
        """The skipped image sets of which a file of these object types, side by side, has no rows.

        CellProfiler writes as many as the largest count says, and none where one of the types was
        not made yet, so that its count is no number (4.2.8, exporttospreadsheet.py,
        make_object_file).
        """
        if len(names) < 2 or not self.skipped:
            return ImageSets()
        uncounted = np.zeros(len(self.numbers), bool)
        for name in names:
            uncounted |= np.isnan(self.counts[name]) if name in self.counts else True
        return ImageSets.of(self.numbers[uncounted]) & self.skipped

    def _marked(self, table: dict[str, pa.Array], marks: Collection[str]) -> ImageSets:
        if not marks and self.sign != ROW:
            return ImageSets()
        fine = np.ones(len(self.numbers), bool)
        for mark in marks:
            values = table[mark]
            if values.type == TEXT:
                fine &= np.array([bool(text) for text in values.to_pylist()], bool)
                continue
            numbers = values.to_numpy(zero_copy_only=False)
            # 1 in ModuleError_ is written by the GUI's workers only, for a module that raised.
            fine &= ~np.isnan(numbers)
            fine &= (numbers == 0) | (not mark.startswith("ModuleError_"))
        return ImageSets.of(self.numbers[fine])


def image_rows(files: Sequence[CsvFile], wanted: ImageSets, skipped: ImageSets) -> pa.RecordBatch:
    """The rows of Image.csv for the image sets `wanted`, one column a feature.

    An empty field of an image set that was `skipped` is no value, of whatever type its column is.
    """
    features = [
        f for f in dict.fromkeys(n for file in files for _, n in file.names) if is_column(f)
    ]
    asked = {f: _asked(f) for f in features}
    table = _stacked(files, {IMAGE_NUMBER: INTEGER} | asked)
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
    """Whether an empty field is a missing value of a feature whose type only its values tell.

    Of metadata it is a text, as LoadData takes it; a module's number is empty where CellProfiler
    was told to write nothing for NaN.
    """
    return not feature.startswith("Metadata_")


def _sign(features: list[str], pipeline: Pipeline | None) -> tuple[str, list[str]]:
    """What tells that an image set was measured: in words, and the columns that must be filled.

    Without such columns the row itself does, unless the last module's column is not there because
    no image set of the job came that far: columns are those that this job measured.
    """
    recorder = pipeline.recorder if pipeline else None
    found = [feature for feature in features if feature.startswith(MARKS)]
    if recorder is None and found:
        recorder = max(feature.partition("_")[2] for feature in found)
    for mark in MARKS:
        if f"{mark}{recorder}" in found:
            return f"{mark}{recorder}", [f"{mark}{recorder}"]
    if found and not (pipeline and pipeline.exports_chosen_columns):
        return f"ModuleError_{recorder}", []
    # A failed image set keeps its row; the flags that modules measure are empty in it.
    flags = [f for f in features if pipeline and f in pipeline.flags]
    return ", ".join(flags) or ROW, flags


def _stacked(files: Sequence[CsvFile], types: dict[str, pa.DataType]) -> dict[str, pa.Array]:
    """Columns by feature, the rows of all files together in order of image set."""
    tables = []
    for file in files:
        names = set(file.names)
        here = [feature for feature in types if (None, feature) in names]
        table, _ = file.read({(None, feature): types[feature] for feature in here})
        columns = dict(zip(here, table.columns, strict=True))
        tables.append(
            pa.table(
                {f: columns.get(f, pa.nulls(table.num_rows, type)) for f, type in types.items()}
            )
        )
    whole = pa.concat_tables(tables).combine_chunks()
    numbers = whole[IMAGE_NUMBER]
    path = files[0].path
    if numbers.null_count:
        raise SourceError(path, "a row without ImageNumber", AS_WRITTEN)
    order = np.argsort(numbers.to_numpy(), kind="stable")
    whole = whole.take(pa.array(order)).combine_chunks()
    ordered = whole[IMAGE_NUMBER].to_numpy()
    if len(ordered) and ordered[0] < 1:
        raise SourceError(path, f"image set {ordered[0]}: their numbers start at 1", AS_WRITTEN)
    if (twice := ordered[1:][ordered[1:] == ordered[:-1]]).size:
        raise two_rows(files, int(twice[0]))
    return {
        name: whole[name].chunk(0) if whole[name].num_chunks else pa.array([], whole[name].type)
        for name in whole.column_names
    }


def _asked(feature: str) -> pa.DataType:
    promised = promised_type(IMAGE, feature)
    return TEXT if promised in (TEXT, NULL) else REAL
