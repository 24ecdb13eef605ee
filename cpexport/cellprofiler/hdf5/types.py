"""Reads the values of a dataset exactly or not at all: HDF5 silently converts what does not fit.

It truncates reals to integers, turns 2**63 and more into the largest int64, and rounds long reals.
"""

import math

import h5py
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from cpexport.cellprofiler.features import INTEGER, REAL, TEXT
from cpexport.cellprofiler.hdf5.storage_check import check_chunks, check_texts
from cpexport.files.memory import fits

_FEW = 1 << 20
_WIDTH = 8
# The values, and a part of them in the order of a table.
_COPIES = 2


def arrow_type(dataset: h5py.h5d.DatasetID) -> pa.DataType:
    """The Arrow type of a dataset's values; truth values are integers.

    Raises:
        ValueError: the values are neither numbers nor text, or are numbers of more than 8 bytes.
    """
    type = dataset.get_type()
    kind = type.get_class()
    if kind == h5py.h5t.STRING:
        return TEXT
    if kind == h5py.h5t.ENUM and dataset.dtype == np.bool_:
        return INTEGER
    if kind not in (h5py.h5t.INTEGER, h5py.h5t.FLOAT):
        raise ValueError(f"{_name(dataset)} contains neither numbers nor text")
    if type.get_size() > 8:
        raise ValueError(f"{_name(dataset)} contains numbers of {type.get_size()} bytes")
    return INTEGER if kind == h5py.h5t.INTEGER else REAL


def whole_numbers(dataset: h5py.h5d.DatasetID, dimensions: int) -> npt.NDArray[np.int64]:
    """Returns all values of a dataset of integers.

    Raises:
        ValueError: the values are not integers, or the number of dimensions differs.
    """
    if arrow_type(dataset) != INTEGER:
        raise ValueError(f"{_name(dataset)} does not contain whole numbers")
    return _read(dataset, INTEGER, shape_of(dataset, dimensions)).astype(np.int64, copy=False)


def vector(dataset: h5py.h5d.DatasetID) -> npt.NDArray[np.generic]:
    """Returns all values of a vector.

    Numbers come as int64 or float64, texts as an object array of bytes.

    Raises:
        ValueError: the values are neither, a number does not fit, or the dataset is not a vector.
    """
    type, shape = arrow_type(dataset), shape_of(dataset, 1)
    if type == TEXT:
        check_chunks(dataset)
        check_texts(dataset, shape[0])
        raw: npt.NDArray[np.generic] = h5py.Dataset(dataset)[()]
        return raw
    return _read(dataset, type, shape)


def shape_of(dataset: h5py.h5d.DatasetID, dimensions: int) -> tuple[int, ...]:
    """The lengths of a dataset along its dimensions.

    Raises:
        ValueError: the number of dimensions differs, or the file is too short for so many values.
        MemoryError: so many values do not fit in memory.
    """
    shape: tuple[int, ...] | None = dataset.shape
    if shape is None or len(shape) != dimensions:
        raise ValueError(f"{_name(dataset)} has the shape {shape}, not {dimensions} dimensions")
    # If a length is damaged, HDF5 invents the missing values, gigabytes of them.
    count = math.prod(shape)
    if count > _FEW:
        file = h5py.h5i.get_file_id(dataset)
        if count > file.get_filesize():
            raise ValueError(f"{_name(dataset)} cannot have {shape[0]} values")
        if not fits(count * _WIDTH, _COPIES):
            raise MemoryError(f"{_name(dataset)} has {count:,} values")
    return shape


def _read(
    dataset: h5py.h5d.DatasetID, type: pa.DataType, shape: tuple[int, ...]
) -> npt.NDArray[np.generic]:
    if type == INTEGER and _is_unsigned(dataset):
        long = np.empty(shape, np.uint64)
        _fill(dataset, long)
        if long.max(initial=0) > np.iinfo(np.int64).max:
            raise ValueError(f"{_name(dataset)} contains whole numbers above 9223372036854775807")
        return long.astype(np.int64)
    out = np.empty(shape, np.int64 if type == INTEGER else np.float64)
    _fill(dataset, out)
    return out


def _is_unsigned(dataset: h5py.h5d.DatasetID) -> bool:
    type = dataset.get_type()
    if type.get_class() != h5py.h5t.INTEGER or type.get_size() < 8:
        return False
    return bool(type.get_sign() == h5py.h5t.SGN_NONE)


def _fill(dataset: h5py.h5d.DatasetID, out: npt.NDArray[np.generic]) -> None:
    if out.size:
        check_chunks(dataset)
        dataset.read(h5py.h5s.ALL, h5py.h5s.ALL, out)


def _name(dataset: h5py.h5d.DatasetID) -> str:
    return repr((h5py.h5i.get_name(dataset) or b"").decode("utf-8", "replace"))
