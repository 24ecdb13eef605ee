"""Refuses datasets that would take far more memory or time than their file suggests.

A few kilobytes of HDF5 can hold a chunk of gigabytes, which has to be decompressed for a single
value, or a million texts that all refer to one long text. A filter that HDF5 does not have itself
is code that it loads from a folder. CellProfiler writes vectors in chunks of 1,024 values, deflated
(CellProfiler 4.2.8, utilities/hdf5_dict.py), and texts of at most a pipeline's length.
"""

import os
import zlib
from collections.abc import Iterator
from math import prod
from typing import Final

import h5py
import numpy as np
import numpy.typing as npt

from cpexport.cellprofiler.features import LONGEST_TEXT
from cpexport.files.memory import fits

# Arrow counts the bytes of a column of texts in 31 bits.
_TEXTS: Final = (1 << 31) - 1
_COPIES: Final = 3
# All texts of a feature may have so many bytes without a look at their lengths.
_FEW: Final = 1 << 27
_CHUNK: Final = 1 << 26
_DEFLATE, _SHUFFLE, _CHECKSUM = 1, 2, 3
# HDF5's own filters, and h5py's LZF.
_FILTERS: Final = frozenset({_DEFLATE, _SHUFFLE, _CHECKSUM, 4, 5, 6, 32000})


class NeverWrittenError(Exception):
    """Something in a file is as CellProfiler never writes it."""


def check_storage(dataset: h5py.h5d.DatasetID, creation: h5py.h5p.PropDCID) -> None:
    """Checks how a dataset's values are stored; reads none of them.

    Raises:
        NeverWrittenError: the chunks or texts are too large, or a filter is not HDF5's own.
    """
    type = dataset.get_type()
    if type.committed():
        raise NeverWrittenError(f"{shown(dataset)} has a type that is stored apart from it")
    size = type.get_size()
    if size > LONGEST_TEXT:
        raise NeverWrittenError(f"{shown(dataset)} has values of {size >> 20:,} MB")
    if creation.get_layout() == h5py.h5d.CHUNKED and prod(creation.get_chunk()) * size > _CHUNK:
        raise NeverWrittenError(f"{shown(dataset)} has chunks of more than {_CHUNK >> 20} MB")
    for filter in _filters(creation):
        if filter not in _FILTERS:
            raise NeverWrittenError(f"{shown(dataset)} needs filter {filter}, which is not HDF5's")


def check_texts(dataset: h5py.h5d.DatasetID, count: int) -> None:
    """Checks the lengths of a dataset's `count` texts before they are read.

    Raises:
        NeverWrittenError: a text, or all of them together, are too long.
    """
    file = h5py.h5i.get_file_id(dataset)
    if not dataset.get_type().is_variable_str():
        total = longest = count * dataset.get_type().get_size()
        longest = dataset.get_type().get_size()
    elif (size := file.get_filesize()) <= LONGEST_TEXT and size * count <= _FEW:
        # No text can be longer than the file.
        return
    else:
        total = longest = 0
        for lengths in _lengths(dataset, count, file):
            total += int(lengths.sum(dtype=np.uint64))
            longest = max(longest, int(lengths.max(initial=0)))
            if longest > LONGEST_TEXT or total > _TEXTS:
                break
    if longest > LONGEST_TEXT:
        raise NeverWrittenError(
            f"{shown(dataset)} has a text of {longest >> 20:,} MB; at most {LONGEST_TEXT >> 20} MB "
            "can be loaded"
        )
    if total > _TEXTS:
        raise NeverWrittenError(f"{shown(dataset)} has texts of {total >> 20:,} MB together")
    if not fits(total, _COPIES):
        raise MemoryError(f"{shown(dataset)} has texts of {total >> 20:,} MB together")


def shown(item: h5py.h5g.GroupID | h5py.h5d.DatasetID, name: bytes | None = None) -> str:
    """The path of a group or dataset in its file, or of a name in a group, for a message."""
    path = h5py.h5i.get_name(item) or b""
    whole = path if name is None else b"/".join([path, name])
    return repr(whole.decode("utf-8", "replace"))


def _filters(creation: h5py.h5p.PropDCID) -> list[int]:
    return [creation.get_filter(place)[0] for place in range(creation.get_nfilters())]


def _lengths(
    dataset: h5py.h5d.DatasetID, count: int, file: h5py.h5f.FileID
) -> Iterator[npt.NDArray[np.uint32]]:
    """Yields the lengths of the `count` texts of a vector in bytes, without the texts if possible.

    A dataset has for each text its length and its place in a heap (HDF5 File Format Specification
    3.0, IV.B).
    """
    creation = dataset.get_create_plist()
    address = file.get_create_plist().get_sizes()[0]
    reference = np.dtype([("length", "<u4"), ("place", f"V{address + 4}")])
    if creation.get_layout() == h5py.h5d.CHUNKED:
        (rows,) = creation.get_chunk()
        for first in range(0, count, rows):
            raw = _chunk(dataset, creation, first, rows * reference.itemsize, reference.itemsize)
            yield np.frombuffer(raw, reference)["length"][: count - first]
    elif creation.get_layout() == h5py.h5d.CONTIGUOUS:
        if (offset := dataset.get_offset()) is not None:
            raw = os.pread(file.get_vfd_handle(), count * reference.itemsize, offset)
            whole = len(raw) // reference.itemsize * reference.itemsize
            yield np.frombuffer(raw[:whole], reference)["length"]
    else:
        # A compact dataset is in the header, which only HDF5 reads.
        texts = h5py.Dataset(dataset)
        for row in range(count):
            yield np.array([len(texts[row])], np.uint32)


def _chunk(
    dataset: h5py.h5d.DatasetID, creation: h5py.h5p.PropDCID, first: int, size: int, width: int
) -> bytes:
    """The `size` bytes of the chunk that begins at row `first`; empty if it was never written."""
    stored = dataset.get_chunk_info_by_coord((first,))
    if not stored.size:
        return b""
    if stored.size > _CHUNK:
        raise NeverWrittenError(f"{shown(dataset)} has chunks of more than {_CHUNK >> 20} MB")
    raw: bytes
    mask, raw = dataset.read_direct_chunk((first,))
    for place, filter in reversed(list(enumerate(_filters(creation)))):
        if mask >> place & 1:
            continue
        if filter == _DEFLATE:
            try:
                raw = zlib.decompressobj().decompress(raw, size)
            except zlib.error as error:
                raise ValueError(f"{shown(dataset)} has a damaged chunk") from error
        elif filter == _SHUFFLE:
            raw = np.frombuffer(raw, np.uint8).reshape(width, -1).T.tobytes()
        elif filter == _CHECKSUM:
            raw = raw[:-4]
        else:
            raise NeverWrittenError(f"{shown(dataset)} has texts with filter {filter}")
    if len(raw) != size:
        raise ValueError(f"{shown(dataset)} has a chunk of {len(raw)} bytes in place of {size}")
    return raw
