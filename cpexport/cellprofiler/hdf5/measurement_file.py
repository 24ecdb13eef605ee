"""Opens CellProfiler's measurement files (HDF5) for reading, both batch files and jobs' outputs.

The layout, from CellProfiler 4.2.8, utilities/hdf5_dict.py and measurement/_measurements.py, is
`/Measurements/<run>/<object>/<feature>/{data,index}`. If there are several runs, the last by name
counts. `data` is one vector, and `index` has rows `[image number, start, stop]` into it. Only
`index` shows what is valid: `data` keeps superseded values, rows may be out of order, and -1 as
image number means deleted.
"""

import os
from collections.abc import Iterator
from functools import cached_property
from io import BufferedReader
from pathlib import Path
from types import TracebackType
from typing import Self

import h5py
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from cpexport.cellprofiler.features import EXPERIMENT, NOT_OBJECTS, NULL, RELATIONSHIP, TEXT
from cpexport.cellprofiler.hdf5.errors import opening, reading
from cpexport.cellprofiler.hdf5.file_map import FileMap, UnsupportedLayoutError
from cpexport.cellprofiler.hdf5.index import Index, check_index, valid
from cpexport.cellprofiler.hdf5.link_check import dataset_in, group_in, members
from cpexport.cellprofiler.hdf5.storage_check import check_chunks, check_texts
from cpexport.cellprofiler.hdf5.types import arrow_type, shape_of, vector, whole_numbers
from cpexport.errors import RERUN, SourceError
from cpexport.files.opening import open_regular, path_in_places

_DIGITS = 10
_PAIR = ("ImageNumber_First", "ObjectNumber_First", "ImageNumber_Second", "ObjectNumber_Second")


class NotMeasurementsError(SourceError):
    """An HDF5 file of another program."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        super().__init__(path, "not a CellProfiler measurement file", "move it out of OUTPUTS")

    def __reduce__(self) -> tuple[type, tuple[str]]:
        return type(self), (self.path,)


class MeasurementFile:
    """One measurement file, open for reading until closed; a context manager.

    Raises:
        RunningError: another process is writing the file.
        SourceError: the file cannot be opened, or is not a measurement file. Every method can raise
            it too, because HDF5 finds damage only in the parts that it reads.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._own = open_regular(path, in_places=True)
        except OSError as error:
            raise opening(path, error) from error
        try:
            place = path_in_places(path)
            self._file = h5py.File(place or self._own, "r")
        except OSError as error:
            self._own.close()
            raise opening(path, error) from error
        try:
            with reading(path):
                if place and not _is_same(self._own, self._file):
                    raise OSError("the file was replaced while it was opened")
                self._run = _run(self._file, path)
                self._by_name = {
                    name.decode("utf-8"): group_in(self._run, name) for name in members(self._run)
                }
                self.groups = tuple(self._by_name)
        except BaseException:
            self.close()
            raise
        self._features: dict[str, tuple[str, ...]] = {}
        self._escaped = False
        self._escaped = self._is_escaped()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the file."""
        self._file.close()
        self._own.close()

    @property
    def objects(self) -> tuple[str, ...]:
        """The object types, without `Image`."""
        return tuple(name for name in self.groups if name not in NOT_OBJECTS)

    def features(self, object_name: str) -> tuple[str, ...]:
        """The names of an object type's features; empty if the type does not exist."""
        if object_name not in self._features:
            with reading(self.path):
                group = self._by_name.get(object_name)
                names = members(group) if group is not None else []
                self._features[object_name] = tuple(name.decode("utf-8") for name in names)
        return self._features[object_name]

    @cached_property
    def layout(self) -> FileMap | None:
        """A map of the file without HDF5's library; None if its layout is not CellProfiler's."""
        try:
            # h5py's own descriptor would stay locked as long as the file is mapped.
            return FileMap(self._own.fileno())
        except (UnsupportedLayoutError, OSError, ValueError):
            return None

    def group(self, object_name: str) -> str:
        """The path of an object type's group in the file."""
        run = h5py.h5i.get_name(self._run).decode("utf-8", "surrogateescape")
        return f"{run}/{object_name}"

    def index(self, object_name: str, feature: str) -> Index:
        """The valid rows [image number, start, stop], sorted by image number.

        If an image set has two rows, the later one counts, as in CellProfiler's own reader.
        """
        with reading(self.path):
            return valid(self._rows(object_name, feature))

    def type_of(self, object_name: str, feature: str) -> pa.DataType:
        """The Arrow type of a feature; `null` if it never had a value, whatever HDF5's type is."""
        with reading(self.path):
            dataset = self._dataset(object_name, feature, "data")
            if dataset.shape == (0,):
                return NULL
            return arrow_type(dataset)

    def values(self, object_name: str, feature: str) -> npt.NDArray[np.generic]:
        """All of a feature's `data`, including superseded values: int64, float64 or str.

        float32 is widened. Strings come as an object array. Blobs (bytes of uint8) come as int64,
        like other numbers.
        """
        with reading(self.path):
            values = vector(self._dataset(object_name, feature, "data"))
            if values.dtype.kind in "if":
                return values
            try:
                return np.array([self._text(value) for value in values], dtype=object)
            except UnicodeError as error:
                raise ValueError(f"{object_name}/{feature} contains invalid text") from error

    def length(self, object_name: str, feature: str) -> int:
        """The number of a feature's values in `data`, including superseded ones."""
        with reading(self.path):
            return shape_of(self._dataset(object_name, feature, "data"), 1)[0]

    def one_each(
        self, object_name: str, feature: str
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.generic]]:
        """The image sets with a value of an image feature, ascending, and those values."""
        index = self.index(object_name, feature)
        index = index[index[:, 2] > index[:, 1]]
        values = self.values(object_name, feature)
        check_index(self.path, object_name, feature, index, len(values))
        return index[:, 0], values[index[:, 1]]

    def experiment(self, feature: str) -> str | None:
        """The value of an Experiment feature as text; None if it has none."""
        with reading(self.path):
            group = self._by_name.get(EXPERIMENT)
            if group is None or _c(feature) not in group:
                return None
            rows = self._rows(EXPERIMENT, feature)
            rows = rows[rows[:, 2] > rows[:, 1]]
            if not len(rows):
                return None
            dataset = self._dataset(EXPERIMENT, feature, "data")
            (length,) = shape_of(dataset, 1)
            check_chunks(dataset)
            if arrow_type(dataset) == TEXT:
                check_texts(dataset, length)
            value = h5py.Dataset(dataset)[int(rows[-1, 1])]
            return self._text(value) if isinstance(value, bytes) else str(value)

    def experiment_values(self, feature: str) -> tuple[str, ...]:
        """All values that an Experiment feature ever had, including superseded ones, as text."""
        with reading(self.path):
            group = self._by_name.get(EXPERIMENT)
            if group is None or _c(feature) not in group:
                return ()
        return tuple(map(str, self.values(EXPERIMENT, feature)))

    def relationships(self) -> Iterator[tuple[int, str, str, str, list[npt.NDArray[np.int64]]]]:
        """Yields each kind of relationship with its pairs.

        The values are module number, name, first and second object type, and four vectors: the
        image and object numbers of the first objects, then of the second.
        """
        if RELATIONSHIP not in self._by_name:
            return
        with reading(self.path):
            root = self._by_name[RELATIONSHIP]
            for path, pair in _leaves(root, 4):
                vectors = [whole_numbers(dataset_in(pair, _c(part)), 1) for part in _PAIR]
                if len({len(vector) for vector in vectors}) != 1:
                    raise ValueError(f"{'/'.join(path)} has vectors of different lengths")
                if any((vector < 1).any() for vector in vectors):
                    raise ValueError(f"{'/'.join(path)} has numbers below 1")
                module, name, first, second = path
                if not (module.isdecimal() and len(module) < _DIGITS):
                    raise ValueError(f"{'/'.join(path)} has no module number")
                yield int(module), name, first, second, vectors

    def _is_escaped(self) -> bool:
        """Whether texts are escaped, as in CellProfiler 2 and 3.

        See CellProfiler 3.1.9, measurement.py, wrap_string.
        """
        version = self.experiment("CellProfiler_Version") or ""
        major = version.split(".")[0]
        if major.isdecimal() and len(major) < _DIGITS:
            return int(major) < 4
        # CellProfiler 2 has a time as its version, `2014-07-23T17:45:00 6c2d896`, and so may builds
        # of any version. A pipeline, however, always has several lines.
        pipeline = self.experiment("Pipeline_Pipeline") or ""
        return "\n" not in pipeline and r"\n" in pipeline

    def _dataset(self, object_name: str, feature: str, part: str) -> h5py.h5d.DatasetID:
        try:
            return dataset_in(group_in(self._by_name[object_name], _c(feature)), _c(part))
        except (LookupError, TypeError, ValueError) as error:
            where = f"{object_name}/{feature}/{part}"
            raise ValueError(f"{where} is missing or not a dataset") from error

    def _rows(self, object_name: str, feature: str) -> Index:
        """All rows of an index, valid or not."""
        rows = whole_numbers(self._dataset(object_name, feature, "index"), 2)
        if rows.shape[1] != 3:
            raise ValueError(
                f"{object_name}/{feature}/index has the shape {rows.shape}, not 3 columns"
            )
        return rows

    def _text(self, value: bytes) -> str:
        if self._escaped:
            return value.decode("unicode_escape").encode("utf-16", "surrogatepass").decode("utf-16")
        return value.decode("utf-8")


def _is_same(own: BufferedReader, file: h5py.File) -> bool:
    return os.path.sameopenfile(own.fileno(), file.id.get_vfd_handle())


def _run(file: h5py.File, path: Path) -> h5py.h5g.GroupID:
    root = h5py.h5g.open(file.id, b"/")
    if b"Measurements" not in root:
        raise NotMeasurementsError(path)
    runs = group_in(root, b"Measurements")
    names = members(runs)
    if not names:
        raise SourceError(path, "contains no measurements", RERUN)
    return group_in(runs, max(names))


def _leaves(
    group: h5py.h5g.GroupID, depth: int, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], h5py.h5g.GroupID]]:
    """Yields the groups `depth` levels below a group, with the names on the way to them."""
    if not depth:
        yield path, group
        return
    for name in members(group):
        yield from _leaves(group_in(group, name), depth - 1, (*path, name.decode("utf-8")))


def _c(name: str) -> bytes:
    return name.encode("utf-8")
