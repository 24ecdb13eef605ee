"""Reads CSV files with rows of objects, and the file of relationships between objects."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from cpexport.cellprofiler.features import (
    IMAGE,
    IMAGE_NUMBER,
    INTEGER,
    NULL,
    NUMBER,
    OBJECT_NUMBER,
    REAL,
    TEXT,
    is_column,
    is_repeated,
    promised_type,
)
from cpexport.errors import AS_WRITTEN, SourceError
from cpexport.imagesets import ImageSets
from cpexport.sources.spreadsheet.csv_file import CsvFile
from cpexport.sources.spreadsheet.csv_header import Name
from cpexport.sources.spreadsheet.csv_values import typed
from cpexport.sources.spreadsheet.image_csv import ImageCsvRows
from cpexport.tables.layout import RELATIONSHIPS


def object_columns(file: CsvFile, name: str, image: frozenset[str]) -> list[Name]:
    """The columns of one object type, without image columns that repeat Image.csv."""
    return [
        (over, feature)
        for over, feature in dict.fromkeys(file.names)
        if over in (None, name, IMAGE)
        and is_column(feature)
        and not (over == IMAGE and not is_repeated(feature))
        and not (is_repeated(feature) and feature in image)
    ]


def object_rows(
    files: Sequence[CsvFile], name: str, wanted: ImageSets, rows: ImageCsvRows
) -> pa.RecordBatch:
    """The rows of one object type for the image sets `wanted`, sorted by image set and number.

    Raises:
        SourceError: an object has two rows.
    """
    parts = [pa.table(_rows_of(file, name, wanted, rows)) for file in files]
    table = pa.concat_tables(parts, promote_options="permissive")
    if len(parts) > 1:
        table = table.sort_by([(IMAGE_NUMBER, "ascending"), (NUMBER, "ascending")])
    batches = table.combine_chunks().to_batches()
    batch = batches[0] if batches else pa.RecordBatch.from_pylist([], table.schema)
    check_unique_keys(files[0].path, batch)
    return batch


def check_unique_keys(path: Path, batch: pa.RecordBatch) -> None:
    """Raises SourceError if an object has two rows; `batch` is sorted by image set and number."""
    keys = np.stack([batch[IMAGE_NUMBER].to_numpy(), batch[NUMBER].to_numpy()])
    if (same := (keys[:, 1:] == keys[:, :-1]).all(axis=0)).any():
        image, number = keys[:, int(np.flatnonzero(same)[0])].tolist()
        raise SourceError(path, f"object {number} of image set {image} has two rows", AS_WRITTEN)


def _rows_of(
    file: CsvFile, name: str, wanted: ImageSets, rows: ImageCsvRows
) -> dict[str, pa.Array]:
    names = object_columns(file, name, frozenset(rows.features))
    number, position = file.name_of(IMAGE_NUMBER), file.name_of(OBJECT_NUMBER)
    types = {number: INTEGER, position: INTEGER}
    types |= {n: TEXT if promised_type(name, n[1]) in (TEXT, NULL) else REAL for n in names}
    table, _ = file.read(types)
    # Even with a single chunk, combine_chunks would copy it.
    columns = [
        column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
        for column in table.columns
    ]
    for column, (_, feature) in zip(columns, (number, position), strict=False):
        if column.null_count:
            raise SourceError(file.path, f"a row has no {feature}", AS_WRITTEN)
    images, places = columns[0].to_numpy(), columns[1].to_numpy(zero_copy_only=False)
    keep = np.isin(images, np.fromiter(wanted, np.int64, len(wanted)))
    if len(file.objects) > 1:
        keep &= _own_rows(file, name, rows, images, places, dict(zip(types, columns, strict=True)))
    chosen = np.flatnonzero(keep)
    chosen = chosen[np.lexsort((places[chosen], images[chosen]))]
    if not np.array_equal(chosen, np.arange(len(images))):
        columns = [column.take(pa.array(chosen)) for column in columns]
    arrays = {IMAGE_NUMBER: columns[0], NUMBER: columns[1]}
    for (_, feature), array in zip(names, columns[2:], strict=True):
        if feature == NUMBER:
            # ObjectNumber replaces it: it has the same numbers 1..n, and every object has one.
            continue
        arrays[feature] = typed(array) if is_repeated(feature) else array
    return arrays


def _own_rows(
    file: CsvFile,
    name: str,
    rows: ImageCsvRows,
    images: np.ndarray,
    places: np.ndarray,
    columns: Mapping[Name, pa.Array],
) -> np.ndarray:
    """Which rows of a file of several object types belong to `name`; the others are padding.

    Types stand side by side by number. The shorter ones are padded with missing values at the end
    of each image set (exporttospreadsheet.py, make_object_file).
    """
    if name in rows.counts:
        counts = dict(zip(rows.numbers.tolist(), np.nan_to_num(rows.counts[name]), strict=True))
        most = np.array([counts.get(number, 0) for number in images.tolist()])
        return np.asarray(places <= most)
    own = columns.get((name, NUMBER))
    if own is None:
        raise SourceError(
            file.path,
            f"without Count_{name} or {NUMBER}, cpexport cannot separate {name} from padding",
            "export one of these features",
        )
    return np.asarray(own.is_valid().to_numpy(zero_copy_only=False))


def relationship_rows(file: CsvFile, wanted: ImageSets) -> pa.RecordBatch:
    """The pairs of objects with both image sets `wanted`, each once.

    Raises:
        SourceError: a column is missing; also as `CsvFile.read`.
    """
    names = {
        "Module Number": INTEGER,
        "Relationship": TEXT,
        "First Object Name": TEXT,
        "Second Object Name": TEXT,
        "First Image Number": INTEGER,
        "First Object Number": INTEGER,
        "Second Image Number": INTEGER,
        "Second Object Number": INTEGER,
    }
    missing = [name for name in names if (None, name) not in file.names]
    if missing:
        raise SourceError(file.path, f"the column {missing[0]} is missing", AS_WRITTEN)
    table, _ = file.read({(None, name): type for name, type in names.items()})
    table = table.rename_columns(RELATIONSHIPS.names)
    return unique_pairs(table, wanted)


def unique_pairs(table: pa.Table, wanted: ImageSets) -> pa.RecordBatch:
    """The pairs with both image sets `wanted`, each once, sorted by all columns.

    `table` has the columns of RELATIONSHIPS.
    """
    numbers = np.fromiter(wanted, np.int64, len(wanted))
    inside = np.isin(table["image_number1"].to_numpy(), numbers)
    inside &= np.isin(table["image_number2"].to_numpy(), numbers)
    table = table.filter(pa.array(inside)).group_by(RELATIONSHIPS.names).aggregate([])
    table = table.sort_by([(name, "ascending") for name in RELATIONSHIPS.names])
    batches = table.select(RELATIONSHIPS.names).combine_chunks().to_batches()
    return batches[0] if batches else pa.RecordBatch.from_pylist([], RELATIONSHIPS)
