"""The rows of a measurement file: values laid out by what `index` says, one column a feature."""

import base64
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from cpexport.errors import RERUN, SourceError
from cpexport.features import (
    IMAGE,
    IMAGE_NUMBER,
    INTEGER,
    NULL,
    NUMBER,
    REAL,
    TEXT,
    is_column,
)
from cpexport.hdf5values import Block
from cpexport.measurements import Index, MeasurementFile, check_index
from cpexport.tables import RELATIONSHIPS
from cpexport.vectors import Vectors

Numbers = npt.NDArray[np.int64]

_TYPES = {"i": INTEGER, "f": REAL, "O": TEXT}


def image_rows(file: MeasurementFile, numbers: Numbers) -> pa.RecordBatch:
    features = [feature for feature in file.features(IMAGE) if is_column(feature)]
    blobs = {feature for feature in features if _is_blob(file, feature)}
    plain = [feature for feature in features if feature not in blobs]
    vectors = Vectors(file, IMAGE, plain)
    for feature, index in zip(plain, vectors.indexes, strict=True):
        _refuse_several(file, feature, index)
    laid = _columns(file, IMAGE, plain, vectors, lambda index: _one_each(index, numbers))
    columns = dict(zip(plain, laid, strict=True)) | {
        feature: _blobs(file, feature, numbers) for feature in blobs
    }
    arrays = [pa.array(numbers), *(columns[feature] for feature in features)]
    return pa.RecordBatch.from_arrays(arrays, names=[IMAGE_NUMBER, *features])


class _Recipe:
    """How the values that an index points at are laid in rows: for each row of the table `take` is
    the position in `data`, or -1 where there is no value."""

    def __init__(self, index: Index, take: Numbers) -> None:
        self._index, self._take = index, take
        self._missing = take < 0
        self._end = int(index[:, 2].max(initial=0))
        start = int(take[0]) if len(take) else 0
        along = np.array_equal(take, np.arange(start, start + len(take)))
        self._run = slice(start, start + len(take)) if along and start >= 0 else None
        self._checked = False

    def lay(
        self, file: MeasurementFile, name: str, feature: str, block: Block
    ) -> Iterator[pa.Array]:
        """The columns of features, one for each row of a block; the first is `feature`.

        Raises:
            SourceError: the index points outside the values.
        """
        length = block.shape[1]
        if not self._checked or length < self._end:
            check_index(file, name, feature, self._index, length)
            self._checked = True
        type = _TYPES[block.dtype.kind] if length else NULL
        if type == NULL or not len(self._index):
            yield from [pa.nulls(len(self._take), type)] * len(block)
        elif self._run is not None:
            for values in block[:, self._run]:
                yield pa.array(values, type)
        else:
            mask = self._missing if self._missing.any() else None
            for values in block[:, np.maximum(self._take, 0)]:
                yield pa.array(values, type, mask=mask)


def _columns(
    file: MeasurementFile,
    name: str,
    features: Sequence[str],
    vectors: Vectors,
    recipe: Callable[[Index], _Recipe],
) -> Iterator[pa.Array]:
    """The columns of features, laid by a recipe for each distinct index."""
    recipes: dict[int, _Recipe] = {}
    for some, block in vectors.values():
        begin = 0
        for _, alike in groupby(vectors.indexes[some], id):
            index, *others = alike
            if id(index) not in recipes:
                recipes[id(index)] = recipe(index)
            end = begin + 1 + len(others)
            feature = features[some.start + begin]
            yield from recipes[id(index)].lay(file, name, feature, block[begin:end])
            begin = end


def _one_each(index: Index, numbers: Numbers) -> _Recipe:
    """One row an image set, that of its first value."""
    index = index[index[:, 2] > index[:, 1]]
    wanted = index[np.isin(index[:, 0], numbers)]
    take = np.full(len(numbers), -1, np.int64)
    take[np.searchsorted(numbers, wanted[:, 0])] = wanted[:, 1]
    return _Recipe(index, take)


def _refuse_several(file: MeasurementFile, feature: str, index: Index) -> None:
    if (index[:, 2] - index[:, 1]).max(initial=0) > 1:
        problem = f"{IMAGE}/{feature} has several values for one image set"
        raise SourceError(file.path, problem, "leave it out, or report what kind of file it is")


def _is_blob(file: MeasurementFile, feature: str) -> bool:
    # NamesAndTypes' compressed XML for each image set: bytes, not one value, until CellProfiler 5
    # made text of them.
    return feature == "ImageSet_ImageSet" and file.type_of(IMAGE, feature) == INTEGER


def _blobs(file: MeasurementFile, feature: str, numbers: Numbers) -> pa.Array:
    """Bytes as ExportToSpreadsheet writes them: Python's text of the base64 of the bytes.

    Raises:
        SourceError: they are no bytes.
    """
    index = file.index(IMAGE, feature)
    values = file.values(IMAGE, feature)
    check_index(file, IMAGE, feature, index, len(values))
    bytes = values.astype(np.uint8)
    if not np.array_equal(bytes, values):
        raise SourceError(
            file.path, f"damaged: {IMAGE}/{feature} holds no bytes", "run its image sets again"
        )
    texts = {
        number: str(base64.b64encode(bytes[start:stop].tobytes()))
        for number, start, stop in index.tolist()
        if stop > start
    }
    return pa.array([texts.get(number) for number in numbers.tolist()], TEXT)


def object_rows(file: MeasurementFile, name: str, numbers: Numbers) -> pa.RecordBatch:
    # ObjectNumber, which is no column, is written once for every feature (CellProfiler 4.2.8,
    # _measurements.py, add_measurement): its copies are only ever 1..n.
    features = [feature for feature in file.features(name) if is_column(feature)]
    gather = _Gather(file, name, features, numbers)
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
    """The numbers that objects have themselves: all, or in places those of their positions.

    Raises:
        SourceError: they are no whole numbers, lack some but are not the positions, or are shared.
    """
    problem = f"damaged: the numbers of {name} are no whole numbers"
    if own.type == TEXT:
        raise SourceError(file.path, problem, "run its image sets again")
    known = own.is_valid().to_numpy(zero_copy_only=False)
    if own.type != INTEGER:
        known &= ~np.isnan(own.to_numpy(zero_copy_only=False))
    values = own.fill_null(0).to_numpy(zero_copy_only=False)
    if not known.all():
        if not np.array_equal(values[known], positions[known]):
            problem = f"damaged: some {name} have no number"
            raise SourceError(file.path, problem, "run its image sets again")
        return positions
    with np.errstate(invalid="ignore"):
        numbers: Numbers = values.astype(np.int64)
    if not np.array_equal(numbers, values):
        raise SourceError(file.path, problem, "run its image sets again")
    _refuse_twins(file, name, images, numbers, positions)
    return numbers


def _refuse_twins(
    file: MeasurementFile,
    name: str,
    images: Numbers,
    numbers: Numbers,
    positions: Numbers,
) -> None:
    """Refuses objects of one image set that share a number; nearly always those are 1..n."""
    if not np.array_equal(numbers, positions):
        pairs = np.unique(np.stack([images, numbers]), axis=1)
        if pairs.shape[1] < len(images):
            problem = f"damaged: two {name} of one image set have one number"
            raise SourceError(file.path, problem, RERUN)


class _Gather:
    """Lays the values of one object type's features in order of image set and object.

    An image set has as many objects as its longest feature has values; features with fewer are
    padded with nulls, as CellProfiler's own exports do. The features of a type nearly always share
    one index, so the way to lay them is worked out once for each distinct index.
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
            check_index(file, name, features[number], index, self._vectors.length(number))
            rows = np.searchsorted(numbers, index[:, 0])
            self.counts[rows] = np.maximum(self.counts[rows], index[:, 2] - index[:, 1])
        self._starts = np.concatenate([[0], np.cumsum(self.counts)])

    def positions(self) -> Numbers:
        """1, 2, 3 … for each image set's objects."""
        total = int(self._starts[-1])
        first: Index = np.repeat(self._starts[:-1], self.counts)
        return np.arange(1, total + 1, dtype=np.int64) - first

    def columns(self) -> Iterator[pa.Array]:
        """The values of each feature."""
        return _columns(self._file, self._name, self._features, self._vectors, self._recipe)

    def _recipe(self, index: Index) -> _Recipe:
        index = self._indexes[id(index)]
        take = np.full(int(self._starts[-1]), -1, np.int64)
        first = self._starts[np.searchsorted(self._numbers, index[:, 0])]
        lengths = index[:, 2] - index[:, 1]
        offsets = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        take[np.repeat(first, lengths) + offsets] = np.repeat(index[:, 1], lengths) + offsets
        return _Recipe(index, take)


def relationship_rows(file: MeasurementFile, numbers: Numbers) -> pa.RecordBatch:
    """Pairs of which both image sets are wanted; each pair once, as in CellProfiler's databases."""
    batches = []
    for module, name, first, second, vectors in file.relationships():
        pairs = np.stack(vectors, axis=1)
        pairs = pairs[np.isin(pairs[:, 0], numbers) & np.isin(pairs[:, 2], numbers)]
        # As numpy's `unique` along an axis, in a tenth of its time.
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
    whole = table.to_batches()
    return whole[0] if whole else pa.RecordBatch.from_pylist([], RELATIONSHIPS)
