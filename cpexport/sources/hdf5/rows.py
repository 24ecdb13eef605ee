"""Converts a measurement file to rows: places values by their `index`, one column per feature."""

import base64
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from cpexport.cellprofiler.features import (
    IMAGE,
    IMAGE_NUMBER,
    INTEGER,
    NULL,
    NUMBER,
    REAL,
    TEXT,
    is_column,
)
from cpexport.cellprofiler.hdf5.bulk_reader import Vectors
from cpexport.cellprofiler.hdf5.dataset_decoder import Block
from cpexport.cellprofiler.hdf5.index import Index, check_index
from cpexport.cellprofiler.hdf5.measurement_file import MeasurementFile
from cpexport.errors import RERUN, SourceError
from cpexport.files.memory import fits
from cpexport.tables.layout import RELATIONSHIPS

Numbers = npt.NDArray[np.int64]

# The bytes of a number, and how often all numbers of a table are in memory at once.
_WIDTH, _COPIES = 8, 2
_TYPES = {"i": INTEGER, "f": REAL, "O": TEXT}


def image_rows(file: MeasurementFile, numbers: Numbers) -> pa.RecordBatch:
    """The rows of the image sets `numbers`, one column per feature."""
    features = [feature for feature in file.features(IMAGE) if is_column(feature)]
    blobs = {feature for feature in features if _is_blob(file, feature)}
    plain = [feature for feature in features if feature not in blobs]
    vectors = Vectors(file, IMAGE, plain)
    for feature, index in zip(plain, vectors.indexes, strict=True):
        _check_single_values(file, feature, index)
    laid = _columns(file, IMAGE, plain, vectors, lambda index: _one_each(index, numbers))
    columns = dict(zip(plain, laid, strict=True)) | {
        feature: _blobs(file, feature, numbers) for feature in blobs
    }
    arrays = [pa.array(numbers), *(columns[feature] for feature in features)]
    return pa.RecordBatch.from_arrays(arrays, names=[IMAGE_NUMBER, *features])


class _Recipe:
    """Places the values of an index in rows.

    `indices` has for each row of the table the position of its value in `data`; -1 without a value.
    """

    def __init__(self, index: Index, indices: Numbers) -> None:
        self._index, self._indices = index, indices
        self._missing = indices < 0
        self._end = int(index[:, 2].max(initial=0))
        start = int(indices[0]) if len(indices) else 0
        is_consecutive = np.array_equal(indices, np.arange(start, start + len(indices)))
        self._slice = slice(start, start + len(indices)) if is_consecutive and start >= 0 else None
        self._checked = False

    def lay(
        self, file: MeasurementFile, name: str, feature: str, block: Block
    ) -> Iterator[pa.Array]:
        """Yields the columns of features, one per row of `block`; the first one is `feature`.

        Raises:
            SourceError: the index points outside the values.
        """
        length = block.shape[1]
        if not self._checked or length < self._end:
            check_index(file.path, name, feature, self._index, length)
            self._checked = True
        type = _TYPES[block.dtype.kind] if length else NULL
        if type == NULL or not len(self._index):
            yield from [pa.nulls(len(self._indices), type)] * len(block)
        elif self._slice is not None:
            for values in block[:, self._slice]:
                yield pa.array(values, type)
        else:
            mask = self._missing if self._missing.any() else None
            for values in block[:, np.maximum(self._indices, 0)]:
                yield pa.array(values, type, mask=mask)


def _columns(
    file: MeasurementFile,
    name: str,
    features: Sequence[str],
    vectors: Vectors,
    recipe: Callable[[Index], _Recipe],
) -> Iterator[pa.Array]:
    """Yields the columns of features; each distinct index gets one recipe."""
    recipes: dict[int, _Recipe] = {}
    for span, block in vectors.values():
        begin = 0
        for _, same_index in groupby(vectors.indexes[span], id):
            index, *others = same_index
            if id(index) not in recipes:
                recipes[id(index)] = recipe(index)
            end = begin + 1 + len(others)
            feature = features[span.start + begin]
            yield from recipes[id(index)].lay(file, name, feature, block[begin:end])
            begin = end


def _one_each(index: Index, numbers: Numbers) -> _Recipe:
    """A recipe with one row per image set, which has its first value."""
    index = index[index[:, 2] > index[:, 1]]
    wanted = index[np.isin(index[:, 0], numbers)]
    indices = np.full(len(numbers), -1, np.int64)
    indices[np.searchsorted(numbers, wanted[:, 0])] = wanted[:, 1]
    return _Recipe(index, indices)


def _check_single_values(file: MeasurementFile, feature: str, index: Index) -> None:
    if (index[:, 2] - index[:, 1]).max(initial=0) > 1:
        problem = f"{IMAGE}/{feature} has several values for one image set"
        raise SourceError(file.path, problem, "move it out of OUTPUTS")


def _is_blob(file: MeasurementFile, feature: str) -> bool:
    # NamesAndTypes writes compressed XML for each image set: bytes, not one value. Since
    # CellProfiler 5 it is text.
    return feature == "ImageSet_ImageSet" and file.type_of(IMAGE, feature) == INTEGER


def _blobs(file: MeasurementFile, feature: str, numbers: Numbers) -> pa.Array:
    """Bytes as ExportToSpreadsheet writes them: Python's text of the bytes in base64.

    Raises:
        SourceError: the values are not bytes.
    """
    index = file.index(IMAGE, feature)
    values = file.values(IMAGE, feature)
    check_index(file.path, IMAGE, feature, index, len(values))
    bytes = values.astype(np.uint8)
    if not np.array_equal(bytes, values):
        raise SourceError(
            file.path,
            f"damaged: {IMAGE}/{feature} does not contain bytes",
            "run its image sets again",
        )
    texts = {
        number: str(base64.b64encode(bytes[start:stop].tobytes()))
        for number, start, stop in index.tolist()
        if stop > start
    }
    return pa.array([texts.get(number) for number in numbers.tolist()], TEXT)


def object_rows(file: MeasurementFile, name: str, numbers: Numbers) -> pa.RecordBatch:
    """The rows of one object type for the image sets `numbers`, sorted by image set."""
    # ObjectNumber is not a column. It is written again for every feature (CellProfiler 4.2.8,
    # _measurements.py, add_measurement), and its copies are always 1..n.
    features = [feature for feature in file.features(name) if is_column(feature)]
    gather = _Gather(file, name, features, numbers)
    values = int(gather.counts.sum()) * len(features)
    if not fits(values * _WIDTH, _COPIES):
        problem = f"does not fit in memory ({values:,} values of {name})"
        advice = "load it on a machine with more memory, or with fewer --jobs"
        raise SourceError(file.path, problem, advice)
    columns = dict(zip(features, gather.columns(), strict=True))
    images, number = np.repeat(numbers, gather.counts), gather.positions()
    own = columns.pop(NUMBER, None)
    if own is not None and own.type != NULL:
        number = _own_numbers(file, name, images, own, number)
    return pa.RecordBatch.from_arrays(
        [pa.array(images), pa.array(number), *columns.values()],
        names=[IMAGE_NUMBER, NUMBER, *columns],
    )


def _own_numbers(
    file: MeasurementFile, name: str, images: Numbers, own: pa.Array, positions: Numbers
) -> Numbers:
    """The recorded numbers of objects, or their positions if some numbers are missing.

    Raises:
        SourceError: a number is not whole or occurs twice, or some are missing and the others
            differ from the positions.
    """
    problem = f"damaged: some numbers of {name} are not whole numbers"
    if own.type == TEXT:
        raise SourceError(file.path, problem, "run its image sets again")
    present = own.is_valid().to_numpy(zero_copy_only=False)
    if own.type != INTEGER:
        present &= ~np.isnan(own.to_numpy(zero_copy_only=False))
    values = own.fill_null(0).to_numpy(zero_copy_only=False)
    if not present.all():
        if not np.array_equal(values[present], positions[present]):
            problem = f"damaged: some {name} have no number"
            raise SourceError(file.path, problem, "run its image sets again")
        return positions
    with np.errstate(invalid="ignore"):
        numbers: Numbers = values.astype(np.int64)
    if not np.array_equal(numbers, values):
        raise SourceError(file.path, problem, "run its image sets again")
    _check_unique_keys(file, name, images, numbers, positions)
    return numbers


def _check_unique_keys(
    file: MeasurementFile,
    name: str,
    images: Numbers,
    numbers: Numbers,
    positions: Numbers,
) -> None:
    """Raises SourceError if two objects of one image set share a number.

    Numbers are nearly always 1..n, which needs no further check.
    """
    if not np.array_equal(numbers, positions):
        pairs = np.unique(np.stack([images, numbers]), axis=1)
        if pairs.shape[1] < len(images):
            problem = f"damaged: two {name} of one image set have the same number"
            raise SourceError(file.path, problem, RERUN)


class _Gather:
    """Sorts the values of one object type's features by image set and object.

    An image set has as many objects as its longest feature has values. Shorter features are padded
    with nulls, as in CellProfiler's own exports. The features of a type nearly always share one
    index, so the placement is computed once per distinct index.
    """

    def __init__(
        self, file: MeasurementFile, name: str, features: list[str], numbers: Numbers
    ) -> None:
        self._file, self._name, self._features, self._numbers = file, name, features, numbers
        self._vectors = Vectors(file, name, features)
        distinct = {id(index): n for n, index in enumerate(self._vectors.indexes)}
        self._indexes: dict[int, Index] = {}
        self.counts = np.zeros(len(numbers), np.int64)
        for place, number in distinct.items():
            index = self._vectors.indexes[number]
            index = index[np.isin(index[:, 0], numbers)]
            index = self._indexes[place] = index[index[:, 2] > index[:, 1]]
            check_index(file.path, name, features[number], index, self._vectors.length(number))
            rows = np.searchsorted(numbers, index[:, 0])
            self.counts[rows] = np.maximum(self.counts[rows], index[:, 2] - index[:, 1])
        self._starts = np.concatenate([[0], np.cumsum(self.counts)])

    def positions(self) -> Numbers:
        """1, 2, 3 ... for the objects of each image set."""
        total = int(self._starts[-1])
        first: Index = np.repeat(self._starts[:-1], self.counts)
        return np.arange(1, total + 1, dtype=np.int64) - first

    def columns(self) -> Iterator[pa.Array]:
        """Yields the values of each feature."""
        return _columns(self._file, self._name, self._features, self._vectors, self._recipe)

    def _recipe(self, index: Index) -> _Recipe:
        index = self._indexes[id(index)]
        indices = np.full(int(self._starts[-1]), -1, np.int64)
        first = self._starts[np.searchsorted(self._numbers, index[:, 0])]
        lengths = index[:, 2] - index[:, 1]
        offsets = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        indices[np.repeat(first, lengths) + offsets] = np.repeat(index[:, 1], lengths) + offsets
        return _Recipe(index, indices)


def relationship_rows(file: MeasurementFile, numbers: Numbers) -> pa.RecordBatch:
    """Pairs with both image sets in `numbers`; each pair once, as in CellProfiler's databases."""
    batches = []
    for module, name, first, second, vectors in file.relationships():
        pairs = np.stack(vectors, axis=1)
        pairs = pairs[np.isin(pairs[:, 0], numbers) & np.isin(pairs[:, 2], numbers)]
        # This equals numpy's `unique` along an axis, in a tenth of its time.
        pairs = pairs[np.lexsort(pairs.T[::-1])]
        pairs = pairs[np.append(True, (pairs[1:] != pairs[:-1]).any(axis=1))[: len(pairs)]]
        rows = len(pairs)
        constants = [module, name, first, second]
        arrays = [
            pa.repeat(pa.scalar(value, field.type), rows)
            for value, field in zip(constants, RELATIONSHIPS, strict=False)
        ]
        arrays += [pa.array(np.ascontiguousarray(pairs[:, i])) for i in range(4)]
        batches.append(pa.RecordBatch.from_arrays(arrays, schema=RELATIONSHIPS))
    table = pa.Table.from_batches(batches, RELATIONSHIPS).combine_chunks()
    batch = table.to_batches()
    return batch[0] if batch else pa.RecordBatch.from_pylist([], RELATIONSHIPS)
