"""The rows of the CSV files of "MySQL / CSV": image sets, objects, and pairs of objects."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from cpexport.errors import AS_WRITTEN, SourceError
from cpexport.features import IMAGE_NUMBER, INTEGER, NUMBER, REAL, TEXT
from cpexport.imagesets import ImageSets
from cpexport.pictures import Pictures, telling
from cpexport.sources.csvvalues import refuse_rounded
from cpexport.sources.objectcsv import refuse_twins, unique_pairs
from cpexport.sources.setupsql import SqlColumn
from cpexport.sources.sqltable import read_table
from cpexport.tables import RELATIONSHIPS

_PAIR = ("relationship_type_id", *RELATIONSHIPS.names[4:])


class ImageTable:
    """The rows of a job's Image.CSV, in order of image set, one column a feature.

    A column of a type is of that type: `25.0`, as CellProfiler writes counts, is an integer in a
    column of integers. `cut` says that the file's end is missing.

    Raises:
        SourceError: a row without a number, or two rows for one image set; see `read_table`.
    """

    def __init__(self, path: Path, columns: Sequence[SqlColumn]) -> None:
        mine = {place: column for place, column in enumerate(columns) if column.object}
        types = {0: INTEGER} | dict.fromkeys(mine, TEXT)
        (numbers, *texts), self.cut = read_table(path, columns, types)
        order = pa.array(np.argsort(_image_numbers(path, numbers), kind="stable"))
        self.path = path
        self.numbers = numbers.take(order).to_numpy()
        if (twice := self.numbers[1:][self.numbers[1:] == self.numbers[:-1]]).size:
            raise SourceError(path, f"image set {twice[0]} has two rows", AS_WRITTEN)
        self.held = ImageSets.of(self.numbers)
        self.columns: dict[str, pa.Array] = {}
        known: dict[str, pa.StringArray] = {}
        for column, text in zip(mine.values(), texts, strict=True):
            written = _plain_integers(text) if column.type == INTEGER else text
            written = written.take(order)
            self.columns[column.feature] = _typed(path, column, written)
            known[column.feature] = written
        self.pictures = Pictures.of(self.numbers, {f: known[f] for f in telling(known)})

    @property
    def counts(self) -> dict[str, npt.NDArray[np.int64]]:
        """Object type to how many of them each image set counts."""
        return {
            feature.removeprefix("Count_"): np.nan_to_num(
                column.cast(REAL).to_numpy(zero_copy_only=False)
            ).astype(np.int64)
            for feature, column in self.columns.items()
            if feature.startswith("Count_") and column.type != TEXT
        }

    @property
    def counted(self) -> dict[str, ImageSets]:
        """Object type to the image sets that count at least one of them."""
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
        take = pa.array(np.flatnonzero(np.isin(self.numbers, numbers)))
        found = {IMAGE_NUMBER: pa.array(self.numbers), **self.columns}
        return pa.RecordBatch.from_pydict({name: array.take(take) for name, array in found.items()})


class ObjectTable:
    """A job's CSV file of objects: of one type, or of all types side by side.

    There, row i of an image set has object i of every type, those with fewer objects being padded:
    an object is where its number is (exporttodatabase.py, write_csv_data).
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
        """Object type to its features, their number not among them."""
        return {
            name: [feature for feature in places if feature != NUMBER]
            for name, places in self._places.items()
        }

    def counted(self) -> tuple[dict[str, dict[int, int]], ImageSets, bool]:
        """Object type to image set to objects, the image sets that have rows, and whether the
        file's end is missing.

        Raises:
            SourceError: see `read_table`.
        """
        numbers = [places[NUMBER] for places in self._places.values()]
        types = {0: INTEGER} | dict.fromkeys(numbers, REAL)
        (first, *own), cut = read_table(self.path, self._columns, types)
        images = _image_numbers(self.path, first)
        found = {}
        for name, number in zip(self._places, own, strict=True):
            here = images[number.is_valid().to_numpy(zero_copy_only=False)]
            sets, counts = np.unique(here, return_counts=True)
            found[name] = dict(zip(sets.tolist(), counts.tolist(), strict=True))
        return found, ImageSets.of(np.unique(images)), cut

    def rows(self, wanted: ImageSets) -> Iterator[tuple[str, pa.RecordBatch]]:
        """The rows of each object type for the image sets `wanted`, in order of set and number.

        Raises:
            SourceError: an object has two rows, or a number that is none; see `read_table`.
        """
        types = {0: INTEGER} | {
            place: TEXT if self._columns[place].type == TEXT else REAL
            for places in self._places.values()
            for place in places.values()
        }
        read, _ = read_table(self.path, self._columns, types)
        arrays = dict(zip(types, read, strict=True))
        images = _image_numbers(self.path, arrays[0])
        here = np.isin(images, np.fromiter(wanted, np.int64, len(wanted)))
        for name, places in self._places.items():
            number = arrays[places[NUMBER]].to_numpy(zero_copy_only=False)
            chosen = np.flatnonzero(here & ~np.isnan(number))
            chosen = chosen[np.lexsort((number[chosen], images[chosen]))]
            numbers = number[chosen]
            if (odd := numbers[~((numbers >= 1) & (numbers == np.floor(numbers)))]).size:
                raise SourceError(self.path, f"{odd[0]} is not a number of {name}", AS_WRITTEN)
            take = pa.array(chosen)
            found = {
                IMAGE_NUMBER: pa.array(images[chosen]),
                NUMBER: pa.array(numbers.astype(np.int64)),
            }
            for feature, place in places.items():
                if feature != NUMBER:
                    found[feature] = arrays[place].take(take)
            batch = pa.RecordBatch.from_pydict(found)
            refuse_twins(self.path, batch)
            yield name, batch


def pair_rows(
    path: Path, kinds: Mapping[int, tuple[int, str, str, str]], wanted: ImageSets
) -> pa.RecordBatch:
    """The pairs of objects of which both image sets are wanted; `kinds` spell out the first column.

    Raises:
        SourceError: a kind that is not among them; see `read_table`.
    """
    columns = [SqlColumn(name, INTEGER) for name in _PAIR]
    (ids, *pairs), _ = read_table(path, columns, dict.fromkeys(range(len(columns)), INTEGER))
    for column, array in zip(columns, [ids, *pairs], strict=True):
        if array.null_count:
            raise SourceError(path, f"a row without {column.name}", AS_WRITTEN)
    known, which = np.unique(ids.to_numpy(), return_inverse=True)
    if unknown := sorted(set(known.tolist()) - kinds.keys()):
        problem = f"SETUP.SQL has no relationship {unknown[0]}, or is cut off"
        raise SourceError(path, problem, "put the SETUP.SQL of its run there")
    spelled = list(zip(*(kinds[id] for id in known.tolist()), strict=True)) or [()] * 4
    types = [field.type for field in RELATIONSHIPS]
    words = [
        pa.array(words, type).take(pa.array(which))
        for words, type in zip(spelled, types, strict=False)
    ]
    return unique_pairs(pa.Table.from_arrays([*words, *pairs], schema=RELATIONSHIPS), wanted)


def _image_numbers(path: Path, column: pa.Int64Array) -> npt.NDArray[np.int64]:
    if column.null_count:
        raise SourceError(path, "a row without ImageNumber", AS_WRITTEN)
    numbers: npt.NDArray[np.int64] = column.to_numpy()
    if len(numbers) and numbers.min() < 1:
        raise SourceError(path, f"image set {numbers.min()}: their numbers start at 1", AS_WRITTEN)
    return numbers


def _plain_integers(column: pa.StringArray) -> pa.StringArray:
    """Integers that were written as real numbers, as they are: `25.0` is `25`."""
    return pc.replace_substring_regex(column, r"^(-?[0-9]+)\.0$", r"\1")


def _typed(path: Path, column: SqlColumn, text: pa.StringArray) -> pa.Array:
    """The values of a column as its type says; as real numbers where not all are integers."""
    if column.type == TEXT:
        return text
    if column.type == INTEGER:
        with suppress(pa.ArrowInvalid):
            return text.cast(INTEGER)
    with suppress(pa.ArrowInvalid):
        numbers = text.cast(REAL)
        refuse_rounded(path, column.name, text)
        return numbers
    bad = next(value for value in text.to_pylist() if value is not None and not _is_number(value))
    raise SourceError(path, f"{bad!r} in the number column {column.name}", AS_WRITTEN)


def _is_number(text: str) -> bool:
    try:
        pa.scalar(text).cast(REAL)
    except pa.ArrowInvalid:
        return False
    return True
