"""Reads all features of an object type at once: the valid rows of each index, and all values.

A job's file has thousands of features, and HDF5's library takes a tenth of a millisecond for each.
Therefore `dataset_decoder` reads them, and the library reads only what CellProfiler lays out in
another way.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress

import numpy as np
import numpy.typing as npt

from cpexport.cellprofiler.hdf5.dataset_decoder import (
    DATA,
    INDEX,
    Block,
    Datasets,
    datasets,
    vectors,
)
from cpexport.cellprofiler.hdf5.errors import reading
from cpexport.cellprofiler.hdf5.file_map import UnsupportedLayoutError
from cpexport.cellprofiler.hdf5.index import Index, valid
from cpexport.cellprofiler.hdf5.measurement_file import MeasurementFile


class Vectors:
    """Some features of an object type in an open file.

    `indexes` has the result of `MeasurementFile.index` for each feature; equal indexes, which
    nearly all are, share one array. `mapped` is whether the features are read without HDF5's
    library.

    Raises:
        SourceError: the file is damaged. Reading values can raise it too.
    """

    def __init__(self, file: MeasurementFile, object_name: str, features: Sequence[str]) -> None:
        self._file, self._object, self._features = file, object_name, features
        self._data: Datasets | None = None
        rows: Sequence[npt.NDArray[np.generic] | None] = [None] * len(features)
        with suppress(UnsupportedLayoutError):
            self._data, rows = self._mapped()
        by_raw_rows: dict[bytes, Index] = {}
        by_content: dict[bytes, Index] = {}
        self.indexes: list[Index] = []
        for feature, raw in zip(features, rows, strict=True):
            key = None if raw is None else raw.tobytes()
            index = None if key is None else by_raw_rows.get(key)
            if index is None:
                index = self._index(feature, raw)
                index = by_content.setdefault(index.tobytes(), index)
                if key is not None:
                    by_raw_rows[key] = index
            self.indexes.append(index)

    @property
    def mapped(self) -> bool:
        return self._data is not None

    def length(self, number: int) -> int:
        """The number of values of the feature at position `number`, including superseded ones."""
        if self._data is not None and self._data.kind[number] >= 0:
            return int(self._data.rows[number])
        return self._file.length(self._object, self._features[number])

    def values(self) -> Iterator[tuple[slice, Block]]:
        """Yields the values of `MeasurementFile.values` for all features, in order.

        A block has the values of several consecutive features of the same kind and length, one per
        row.
        """
        done = 0
        if self._data is not None and self._file.layout is not None:
            with suppress(UnsupportedLayoutError):
                for count, block in vectors(self._file.layout, self._data):
                    span = slice(done, done + count)
                    if block is None:
                        yield from self._read(span)
                    else:
                        yield span, block
                    done += count
        yield from self._read(slice(done, len(self._features)))

    def _mapped(self) -> tuple[Datasets, list[npt.NDArray[np.generic] | None]]:
        layout = self._file.layout
        if layout is None or not self._features:
            raise UnsupportedLayoutError
        places = layout.listed(self._file.group(self._object))
        try:
            wanted = [places[feature.encode()] for feature in self._features]
        except KeyError as error:
            raise UnsupportedLayoutError from error
        data, index = layout.parts(np.array(wanted, np.uint64))
        rows: list[npt.NDArray[np.generic] | None] = []
        for count, block in vectors(layout, datasets(layout, index, INDEX)):
            rows.extend([None] * count if block is None else block)
        return datasets(layout, data, DATA), rows

    def _index(self, feature: str, rows: npt.NDArray[np.generic] | None) -> Index:
        if rows is None:
            return self._file.index(self._object, feature)
        with reading(self._file.path):
            return valid(rows.astype(np.int64, copy=False))

    def _read(self, span: slice) -> Iterator[tuple[slice, Block]]:
        for number in range(span.start, span.stop):
            values = self._file.values(self._object, self._features[number])
            yield slice(number, number + 1), values[np.newaxis]
