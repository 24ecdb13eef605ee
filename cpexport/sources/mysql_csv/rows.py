"""Reads the rows of "MySQL / CSV" files: image sets, objects, and pairs of objects."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from cpexport.cellprofiler.features import IMAGE_NUMBER, INTEGER, NUMBER, REAL, TEXT
from cpexport.cellprofiler.image_identity import Identities, telling
from cpexport.errors import AS_WRITTEN, SourceError
from cpexport.imagesets import ImageSets
from cpexport.sources.mysql_csv.csv_reader import read_table
from cpexport.sources.mysql_csv.setup_sql import SqlColumn
from cpexport.sources.spreadsheet.csv_values import check_exact
from cpexport.sources.spreadsheet.object_csv import check_unique_keys, unique_pairs
from cpexport.tables.layout import RELATIONSHIPS

_PAIR = ("relationship_type_id", *RELATIONSHIPS.names[4:])


class ImageTable:
    """The rows of a job's Image.CSV, sorted by image set, one column per feature.

    A column has its declared type: `25.0`, as CellProfiler writes counts, is an integer in an
    integer column. `cut` is whether the file's end is missing.

    Raises:
        SourceError: a row has no number, or an image set has two rows; also as `read_table`.
    """

    def __init__(self, path: Path, columns: Sequence[SqlColumn]) -> None:
        features = {place: column for place, column in enumerate(columns) if column.object}
        types = {0: INTEGER} | dict.fromkeys(features, TEXT)
        (numbers, *texts), self.cut = read_table(path, columns, types)
        order = pa.array(np.argsort(_image_numbers(path, numbers), kind="stable"))
        self.path = path
        self.numbers = numbers.take(order).to_numpy()
        if (repeated := self.numbers[1:][self.numbers[1:] == self.numbers[:-1]]).size:
            raise SourceError(path, f"image set {repeated[0]} has two rows", AS_WRITTEN)
        self.present = ImageSets.of(self.numbers)
        self.columns: dict[str, pa.Array] = {}
        texts_by_feature: dict[str, pa.StringArray] = {}
        for column, text in zip(features.values(), texts, strict=True):
            written = _plain_integers(text) if column.type == INTEGER else text
            written = written.take(order)
            self.columns[column.feature] = _typed(path, column, written)
            texts_by_feature[column.feature] = written
        self.identities = Identities.of(
            self.numbers, {f: texts_by_feature[f] for f in telling(texts_by_feature)}
        )

    @property
    def counts(self) -> dict[str, npt.NDArray[np.int64]]:
        """Object type to the number of its objects in each image set, as counted in Image.CSV."""
        return {
            feature.removeprefix("Count_"): np.nan_to_num(
                column.cast(REAL).to_numpy(zero_copy_only=False)
            ).astype(np.int64)
            for feature, column in self.columns.items()
            if feature.startswith("Count_") and column.type != TEXT
        }

    @property
    def counted(self) -> dict[str, ImageSets]:
        """Object type to the image sets that count at least one such object."""
        return {name: ImageSets.of(self.numbers[n > 0]) for name, n in self.counts.items()}

    def filled(self, features: Sequence[str]) -> ImageSets:
        """The image sets that have a value for each of `features`."""
        fine = np.ones(len(self.numbers), bool)
        for feature in features:
            fine &= self.columns[feature].is_valid().to_numpy(zero_copy_only=False)
        return ImageSets.of(self.numbers[fine])

    def rows(self, wanted: ImageSets) -> pa.RecordBatch:
        """The rows of the image sets `wanted`."""
        numbers = np.fromiter(wanted, np.int64, len(wanted))
        indices = pa.array(np.flatnonzero(np.isin(self.numbers, numbers)))
        columns = {IMAGE_NUMBER: pa.array(self.numbers), **self.columns}
        return pa.RecordBatch.from_pydict(
            {name: array.take(indices) for name, array in columns.items()}
        )


class ObjectTable:
    """A job's CSV file of objects: of one type, or of all types side by side.

    Side by side, row i of an image set has object i of every type, and types with fewer objects are
    padded. An object exists if its number is present (exporttodatabase.py, write_csv_data).
    """

    def __init__(self, path: Path, columns: Sequence[SqlColumn]) -> None:
        self.path = path
        self._columns = columns
        self._places: dict[str, dict[str, int]] = {}
        for place, column in enumerate(columns):
            if column.object:
                self._places.setdefault(column.object, {})[column.feature] = place

    @property
    def features(self) -> dict[str, list[str]]:
        """Object type to its features, without the object number."""
        return {
            name: [feature for feature in places if feature != NUMBER]
            for name, places in self._places.items()
        }

    def counted(self) -> tuple[dict[str, dict[int, int]], ImageSets, bool]:
        """Returns object counts, the image sets with rows, and whether the file's end is missing.

        The first is a mapping of object type to image set to number of objects.

        Raises:
            SourceError: as `read_table`.
        """
        numbers = [places[NUMBER] for places in self._places.values()]
        types = {0: INTEGER} | dict.fromkeys(numbers, REAL)
        (first, *own), cut = read_table(self.path, self._columns, types)
        images = _image_numbers(self.path, first)
        counts_by_type = {}
        for name, number in zip(self._places, own, strict=True):
            images_with_object = images[number.is_valid().to_numpy(zero_copy_only=False)]
            sets, counts = np.unique(images_with_object, return_counts=True)
            counts_by_type[name] = dict(zip(sets.tolist(), counts.tolist(), strict=True))
        return counts_by_type, ImageSets.of(np.unique(images)), cut

    def rows(self, wanted: ImageSets) -> Iterator[tuple[str, pa.RecordBatch]]:
        """Yields the rows of each object type for the image sets `wanted`.

        Rows are sorted by image set and number.

        Raises:
            SourceError: an object has two rows, or a number that is not positive and whole; also as
                `read_table`.
        """
        types = {0: INTEGER} | {
            place: TEXT if self._columns[place].type == TEXT else REAL
            for places in self._places.values()
            for place in places.values()
        }
        values, _ = read_table(self.path, self._columns, types)
        arrays = dict(zip(types, values, strict=True))
        images = _image_numbers(self.path, arrays[0])
        is_wanted = np.isin(images, np.fromiter(wanted, np.int64, len(wanted)))
        for name, places in self._places.items():
            number = arrays[places[NUMBER]].to_numpy(zero_copy_only=False)
            chosen = np.flatnonzero(is_wanted & ~np.isnan(number))
            chosen = chosen[np.lexsort((number[chosen], images[chosen]))]
            numbers = number[chosen]
            if (odd := numbers[~((numbers >= 1) & (numbers == np.floor(numbers)))]).size:
                raise SourceError(
                    self.path, f"{odd[0]} is not a valid number of {name}", AS_WRITTEN
                )
            indices = pa.array(chosen)
            columns = {
                IMAGE_NUMBER: pa.array(images[chosen]),
                NUMBER: pa.array(numbers.astype(np.int64)),
            }
            for feature, place in places.items():
                if feature != NUMBER:
                    columns[feature] = arrays[place].take(indices)
            batch = pa.RecordBatch.from_pydict(columns)
            check_unique_keys(self.path, batch)
            yield name, batch


def pair_rows(
    path: Path, kinds: Mapping[int, tuple[int, str, str, str]], wanted: ImageSets
) -> pa.RecordBatch:
    """The pairs of objects whose image sets are both `wanted`; `kinds` spell out the first column.

    Raises:
        SourceError: a kind is not in `kinds`; also as `read_table`.
    """
    columns = [SqlColumn(name, INTEGER) for name in _PAIR]
    (ids, *pairs), _ = read_table(path, columns, dict.fromkeys(range(len(columns)), INTEGER))
    for column, array in zip(columns, [ids, *pairs], strict=True):
        if array.null_count:
            raise SourceError(path, f"a row has no {column.name}", AS_WRITTEN)
    kinds_present, which = np.unique(ids.to_numpy(), return_inverse=True)
    if unknown := sorted(set(kinds_present.tolist()) - kinds.keys()):
        problem = f"SETUP.SQL has no relationship {unknown[0]}, or is cut off"
        raise SourceError(path, problem, "restore the SETUP.SQL of its run")
    spelled = list(zip(*(kinds[id] for id in kinds_present.tolist()), strict=True)) or [()] * 4
    types = [field.type for field in RELATIONSHIPS]
    words = [
        pa.array(words, type).take(pa.array(which))
        for words, type in zip(spelled, types, strict=False)
    ]
    return unique_pairs(pa.Table.from_arrays([*words, *pairs], schema=RELATIONSHIPS), wanted)


def _image_numbers(path: Path, column: pa.Int64Array) -> npt.NDArray[np.int64]:
    if column.null_count:
        raise SourceError(path, "a row has no ImageNumber", AS_WRITTEN)
    numbers: npt.NDArray[np.int64] = column.to_numpy()
    if len(numbers) and numbers.min() < 1:
        raise SourceError(
            path, f"image set {numbers.min()}: image set numbers start at 1", AS_WRITTEN
        )
    return numbers


def _plain_integers(column: pa.StringArray) -> pa.StringArray:
    """Rewrites integers that were written as real numbers: `25.0` becomes `25`."""
    return pc.replace_substring_regex(column, r"^(-?[0-9]+)\.0$", r"\1")


def _typed(path: Path, column: SqlColumn, text: pa.StringArray) -> pa.Array:
    """The values of a column in its declared type, or as real numbers if some are not integers."""
    if column.type == TEXT:
        return text
    if column.type == INTEGER:
        with suppress(pa.ArrowInvalid):
            return text.cast(INTEGER)
    with suppress(pa.ArrowInvalid):
        numbers = text.cast(REAL)
        check_exact(path, column.name, text)
        return numbers
    bad = next(value for value in text.to_pylist() if value is not None and not _is_number(value))
    raise SourceError(path, f"{bad!r} in the numeric column {column.name}", AS_WRITTEN)


def _is_number(text: str) -> bool:
    try:
        pa.scalar(text).cast(REAL)
    except pa.ArrowInvalid:
        return False
    return True
