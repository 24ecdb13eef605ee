"""The rows of a measurement file: values laid out by what `index` says, one column a feature."""

import base64

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from cpexport.errors import SourceError
from cpexport.features import (
    IMAGE,
    IMAGE_NUMBER,
    INTEGER,
    NUMBER,
    OBJECT_NUMBER,
    TEXT,
    is_column,
)
from cpexport.measurements import Index, MeasurementFile, check_index
from cpexport.tables import RELATIONSHIPS


def image_rows(file: MeasurementFile, numbers: npt.NDArray[np.int64]) -> pa.RecordBatch:
    names, arrays = [IMAGE_NUMBER], [pa.array(numbers)]
    for feature in file.features(IMAGE):
        if is_column(feature):
            array = _blobs if _is_blob(feature) else _one_each
            names.append(feature)
            arrays.append(array(file, feature, numbers))
    return pa.RecordBatch.from_arrays(arrays, names=names)


def _is_blob(feature: str) -> bool:
    # NamesAndTypes' compressed XML for each image set: bytes, not one value.
    return feature == "ImageSet_ImageSet"


def _one_each(file: MeasurementFile, feature: str, numbers: npt.NDArray[np.int64]) -> pa.Array:
    type = file.type_of(IMAGE, feature)
    known, values = file.one_each(IMAGE, feature)
    wanted = np.isin(known, numbers)
    if not wanted.any() or type == pa.null():
        return pa.nulls(len(numbers), type)
    rows = np.searchsorted(numbers, known[wanted])
    missing = np.ones(len(numbers), bool)
    missing[rows] = False
    out = np.zeros(len(numbers), values.dtype)
    out[rows] = values[wanted]
    return pa.array(out, type, mask=missing if missing.any() else None)


def _blobs(file: MeasurementFile, feature: str, numbers: npt.NDArray[np.int64]) -> pa.Array:
    """Bytes as ExportToSpreadsheet writes them: Python's text of the base64 of the bytes."""
    index = file.index(IMAGE, feature)
    values = file.values(IMAGE, feature).astype(np.uint8)
    check_index(file, IMAGE, feature, index, len(values))
    texts = {
        number: str(base64.b64encode(values[start:stop].tobytes()))
        for number, start, stop in index.tolist()
        if stop > start
    }
    return pa.array([texts.get(number) for number in numbers.tolist()], TEXT)


def object_rows(file: MeasurementFile, name: str, numbers: npt.NDArray[np.int64]) -> pa.RecordBatch:
    features = [f for f in file.features(name) if is_column(f)]
    gather = _Gather(file, name, features, numbers)
    columns = {f: gather.column(f) for f in features if f != NUMBER}
    images, number = np.repeat(numbers, gather.counts), gather.positions()
    own = gather.column(NUMBER) if NUMBER in features else None
    if own is not None and own.type == INTEGER and not own.null_count:
        _refuse_twins(file, name, images, own.to_numpy(), number)
        number = own.to_numpy()
    return pa.RecordBatch.from_arrays(
        [pa.array(images), pa.array(number), *columns.values()],
        names=[IMAGE_NUMBER, NUMBER, *columns],
    )


def _refuse_twins(
    file: MeasurementFile,
    name: str,
    images: npt.NDArray[np.int64],
    numbers: npt.NDArray[np.int64],
    positions: npt.NDArray[np.int64],
) -> None:
    """Refuses objects of one image set that share a number; nearly always those are 1..n."""
    if not np.array_equal(numbers, positions):
        pairs = np.unique(np.stack([images, numbers]), axis=1)
        if pairs.shape[1] < len(images):
            problem = f"damaged: two {name} of one image set have one number"
            raise SourceError(file.path, problem, "run its image sets again")


class _Gather:
    """Lays the values of one object type's features in order of image set and object.

    An image set has as many objects as its longest feature has values; features with fewer are
    padded with nulls, as CellProfiler's own exports do. The features of a type nearly always share
    one index, so the way to lay them is worked out once for each distinct index.
    """

    def __init__(
        self, file: MeasurementFile, name: str, features: list[str], numbers: npt.NDArray[np.int64]
    ) -> None:
        self._file, self._name, self._numbers = file, name, numbers
        self._indexes = {feature: self._index(feature) for feature in features}
        distinct = {index.tobytes(): (f, index) for f, index in self._indexes.items()}
        self.counts = np.zeros(len(numbers), np.int64)
        for feature, index in distinct.values():
            check_index(file, name, feature, index, file.length(name, feature))
            rows = np.searchsorted(numbers, index[:, 0])
            self.counts[rows] = np.maximum(self.counts[rows], index[:, 2] - index[:, 1])
        self._starts = np.concatenate([[0], np.cumsum(self.counts)])
        self._recipes: dict[bytes, npt.NDArray[np.int64]] = {}

    def positions(self) -> npt.NDArray[np.int64]:
        """1, 2, 3 … for each image set's objects."""
        total = int(self._starts[-1])
        first: Index = np.repeat(self._starts[:-1], self.counts)
        return np.arange(1, total + 1, dtype=np.int64) - first

    def column(self, feature: str) -> pa.Array:
        index = self._indexes[feature]
        type = self._file.type_of(self._name, feature)
        total = int(self._starts[-1])
        if not len(index) or type == pa.null():
            return pa.nulls(total, type)
        values = self._file.values(self._name, feature)
        check_index(self._file, self._name, feature, index, len(values))
        take = self._recipe(index)
        missing = take < 0
        if not missing.any():
            return pa.array(values[take], type)
        return pa.array(values[np.maximum(take, 0)], type, mask=missing)

    def _index(self, feature: str) -> Index:
        # ObjectNumber is written once for every feature; its copies are only ever 1..n (the
        # source of formats: _measurements.py, add_measurement), so it is never read.
        assert feature != OBJECT_NUMBER
        index = self._file.index(self._name, feature)
        index = index[np.isin(index[:, 0], self._numbers)]
        return np.ascontiguousarray(index[index[:, 2] > index[:, 1]])

    def _recipe(self, index: Index) -> npt.NDArray[np.int64]:
        """For each row of the table the position in `data`, or -1 where there is no value."""
        key = index.tobytes()
        if key not in self._recipes:
            take = np.full(int(self._starts[-1]), -1, np.int64)
            first = self._starts[np.searchsorted(self._numbers, index[:, 0])]
            lengths = index[:, 2] - index[:, 1]
            offsets = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
            take[np.repeat(first, lengths) + offsets] = np.repeat(index[:, 1], lengths) + offsets
            self._recipes[key] = take
        return self._recipes[key]


def relationship_rows(file: MeasurementFile, numbers: npt.NDArray[np.int64]) -> pa.RecordBatch:
    """Pairs of which both image sets are wanted; each pair once, as in CellProfiler's databases."""
    batches = []
    for module, name, first, second, vectors in file.relationships():
        pairs = np.stack(vectors, axis=1)
        pairs = pairs[np.isin(pairs[:, 0], numbers) & np.isin(pairs[:, 2], numbers)]
        pairs = np.unique(pairs, axis=0)
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
