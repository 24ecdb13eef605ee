"""All features of an object type at once: the rows of each index that are valid, and all values.

A job's file has thousands of features, and HDF5's library takes a tenth of a millisecond for each.
So they are read by `hdf5values`, and by the library what is not as CellProfiler lays it out.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress

import numpy as np
import numpy.typing as npt

from cpexport.hdf5errors import reading
from cpexport.hdf5layout import Unfamiliar
from cpexport.hdf5values import DATA, INDEX, Block, Datasets, datasets, vectors
from cpexport.measurements import Index, MeasurementFile, valid


class Vectors:
    """Some features of an object type in an open file.

    `indexes` has for each what `MeasurementFile.index` gives, the same array for those that are
    equal, as nearly all are. `mapped` is whether they are read past HDF5's library.

    Raises:
        SourceError: damaged. Reading values can raise it too.
    """

    def __init__(self, file: MeasurementFile, object_name: str, features: Sequence[str]) -> None:
        self._file, self._object, self._features = file, object_name, features
        self._data: Datasets | None = None
        rows: Sequence[npt.NDArray[np.generic] | None] = [None] * len(features)
        with suppress(Unfamiliar):
            self._data, rows = self._mapped()
        known: dict[bytes, Index] = {}
        shared: dict[bytes, Index] = {}
        self.indexes: list[Index] = []
        for feature, raw in zip(features, rows, strict=True):
            key = None if raw is None else raw.tobytes()
            index = None if key is None else known.get(key)
            if index is None:
                index = self._index(feature, raw)
                index = shared.setdefault(index.tobytes(), index)
                if key is not None:
                    known[key] = index
            self.indexes.append(index)

    @property
    def mapped(self) -> bool:
        return self._data is not None

    def length(self, number: int) -> int:
        """How many values the feature of this number has, superseded ones counted."""
        if self._data is not None and self._data.kind[number] >= 0:
            return int(self._data.rows[number])
        return self._file.length(self._object, self._features[number])

    def values(self) -> Iterator[tuple[slice, Block]]:
        """What `MeasurementFile.values` gives for each, in order: those of several features that
        follow each other and are alike, one a row."""
        done = 0
        if self._data is not None and self._file.layout is not None:
            with suppress(Unfamiliar):
                for many, block in vectors(self._file.layout, self._data):
                    here = slice(done, done + many)
                    if block is None:
                        yield from self._read(here)
                    else:
                        yield here, block
                    done += many
        yield from self._read(slice(done, len(self._features)))

    def _mapped(self) -> tuple[Datasets, list[npt.NDArray[np.generic] | None]]:
        layout = self._file.layout
        if layout is None or not self._features:
            raise Unfamiliar
        places = layout.listed(self._file.group(self._object))
        try:
            wanted = [places[feature.encode()] for feature in self._features]
        except KeyError as error:
            raise Unfamiliar from error
        data, index = layout.parts(np.array(wanted, np.uint64))
        rows: list[npt.NDArray[np.generic] | None] = []
        for many, block in vectors(layout, datasets(layout, index, INDEX)):
            rows.extend([None] * many if block is None else block)
        return datasets(layout, data, DATA), rows

    def _index(self, feature: str, rows: npt.NDArray[np.generic] | None) -> Index:
        if rows is None:
            return self._file.index(self._object, feature)
        with reading(self._file.path):
            return valid(rows.astype(np.int64, copy=False))

    def _read(self, some: slice) -> Iterator[tuple[slice, Block]]:
        for number in range(some.start, some.stop):
            values = self._file.values(self._object, self._features[number])
            yield slice(number, number + 1), values[np.newaxis]
