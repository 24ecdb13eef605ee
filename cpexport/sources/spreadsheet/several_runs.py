"""Explains Image.csv files that contain several runs: what separates the runs, how to load them."""

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from cpexport.cellprofiler.features import IMAGE_NUMBER, INTEGER, TABLE_NUMBER, TEXT
from cpexport.cellprofiler.image_identity import identifies_images
from cpexport.errors import AS_WRITTEN, SourceError
from cpexport.sources.spreadsheet.csv_file import CsvFile, relative_name

_SHOWN = 3


def two_rows(files: Sequence[CsvFile], number: int) -> SourceError:
    """The error for an image set with two rows in the Image.csv files of one job, and its cause.

    A column separates runs if no image set has two rows with the same value in it. If several
    columns do, the one with the fewest values counts.

    Raises:
        SourceError: a file cannot be read.
    """
    paths = [file.path for file in files if number in file.image_sets()[0]]
    path = paths[0]
    if len(paths) > 1:
        return SourceError(
            path,
            f"image set {number} has a row here and in {relative_name(paths[1], path)}",
            "keep the one of this job, or load each from a folder of its own with --table-number",
        )
    table = _texts(files)
    names = table.column_names[1:]
    numbers = table[IMAGE_NUMBER].to_pylist()
    runs = {}
    for name in names:
        values = table[name].to_pylist()
        if len(set(zip(values, numbers, strict=True))) == len(numbers) and "FileName_" not in name:
            runs[name] = list(dict.fromkeys(values))
    if runs:
        name = TABLE_NUMBER if TABLE_NUMBER in runs else min(runs, key=lambda name: len(runs[name]))
        shown = ", ".join(map(str, runs[name][:_SHOWN])) + ", ..." * (len(runs[name]) > _SHOWN)
        return SourceError(
            path,
            f"image set {number} has two rows: the file contains several runs, with {name} {shown}",
            f"split it by {name} into one folder each, and load those folders with --table-number",
        )
    one, two, *_ = table.filter(pc.equal(table[IMAGE_NUMBER], number)).to_pylist()
    if differ := next((name for name in names if one[name] != two[name]), None):
        return SourceError(
            path,
            f"image set {number} has two rows with different images ({differ} is "
            f"{one[differ]!r} and {two[differ]!r}): the files of several runs were joined",
            "load the separate files, in one folder each, with --table-number",
        )
    return SourceError(path, f"image set {number} has two rows", AS_WRITTEN)


def _texts(files: Sequence[CsvFile]) -> pa.Table:
    """The image numbers, and as text the columns that can separate runs."""
    parts = []
    for file in files:
        features = [f for f in dict.fromkeys(f for _, f in file.names) if _may_tell(f)]
        types = {file.name_of(feature): TEXT for feature in features}
        table, _ = file.read({file.name_of(IMAGE_NUMBER): INTEGER} | types)
        parts.append(table.rename_columns([IMAGE_NUMBER, *features]))
    return pa.concat_tables(parts, promote_options="default")


def _may_tell(feature: str) -> bool:
    # Tables of a database that were saved as CSV have `Image_` before each feature.
    return feature == TABLE_NUMBER or identifies_images(feature.removeprefix("Image_"))
