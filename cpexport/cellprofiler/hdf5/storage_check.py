"""Refuses datasets that would take far more memory or time than their file suggests.

A few kilobytes of HDF5 can hold a chunk of gigabytes, which has to be decompressed for a single
value, or a million texts that all refer to one long text. A filter that HDF5 does not have itself
is code that it loads from a folder. CellProfiler writes vectors in chunks of 1,024 values, deflated
(CellProfiler 4.2.8, utilities/hdf5_dict.py), and texts of at most a pipeline's length.

HDF5 trusts that a chunk unpacks to its own size: of one that holds less it reads what lies behind
it in memory, and for one that holds more it takes whatever memory that needs.
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
_DEFLATE, _SHUFFLE, _CHECKSUM, _LZF = 1, 2, 3, 32000
# `_unpacked` knows what comes out of these. HDF5 has three more, szip, n-bit and scale-offset: they
# read behind a chunk that is too short.
_FILTERS: Final = frozenset({_DEFLATE, _SHUFFLE, _CHECKSUM, _LZF})


class NeverWrittenError(Exception):
    """Something in a file is as CellProfiler never writes it."""


def check_storage(dataset: h5py.h5d.DatasetID, creation: h5py.h5p.PropDCID) -> None:
    """Checks how a dataset's values are stored; reads none of them.

    Raises:
        NeverWrittenError: the chunks or texts are too large, or a filter is none that is known.
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
            raise NeverWrittenError(f"{shown(dataset)} needs filter {filter}")


def check_chunks(dataset: h5py.h5d.DatasetID) -> None:
    """Checks that each chunk that filters have packed holds as many bytes as it should.

    Raises:
        ValueError: a chunk is damaged.
        NeverWrittenError: a chunk is too large.
    """
    creation = dataset.get_create_plist()
    if creation.get_layout() != h5py.h5d.CHUNKED or not creation.get_nfilters():
        return
    file, type = h5py.h5i.get_file_id(dataset), dataset.get_type()
    is_text = type.get_class() == h5py.h5t.STRING and type.is_variable_str()
    width = _reference(file).itemsize if is_text else type.get_size()
    size = prod(creation.get_chunk()) * width
    for place in _stored(dataset):
        _chunk(dataset, creation, place, size, width)


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


def _stored(dataset: h5py.h5d.DatasetID) -> list[tuple[int, ...]]:
    """Where the chunks begin that were ever written."""
    places: list[tuple[int, ...]] = []
    # To ask for each by its number takes ever longer; but HDF5 1.10 has nothing else.
    if hasattr(dataset, "chunk_iter"):
        dataset.chunk_iter(lambda chunk: places.append(chunk.chunk_offset))
        return places
    return [dataset.get_chunk_info(n).chunk_offset for n in range(dataset.get_num_chunks())]


def _reference(file: h5py.h5f.FileID) -> np.dtype[np.void]:
    """How a dataset refers to a text: its length, and its place in a heap.

    HDF5 File Format Specification 3.0, IV.B.
    """
    address = file.get_create_plist().get_sizes()[0]
    return np.dtype([("length", "<u4"), ("place", f"V{address + 4}")])


def _lengths(
    dataset: h5py.h5d.DatasetID, count: int, file: h5py.h5f.FileID
) -> Iterator[npt.NDArray[np.uint32]]:
    """Yields the lengths of the `count` texts of a vector in bytes; reads no texts if possible."""
    creation, reference = dataset.get_create_plist(), _reference(file)
    if creation.get_layout() == h5py.h5d.CHUNKED:
        (rows,) = creation.get_chunk()
        for first in range(0, count, rows):
            raw = _chunk(dataset, creation, (first,), rows * reference.itemsize, reference.itemsize)
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
    dataset: h5py.h5d.DatasetID,
    creation: h5py.h5p.PropDCID,
    place: tuple[int, ...],
    size: int,
    width: int,
) -> bytes:
    """The `size` bytes of the chunk that begins at a place; empty if it was never written."""
    stored = dataset.get_chunk_info_by_coord(place)
    if not stored.size:
        return b""
    if stored.size > _CHUNK:
        raise NeverWrittenError(f"{shown(dataset)} has chunks of more than {_CHUNK >> 20} MB")
    raw: bytes
    mask, raw = dataset.read_direct_chunk(place)
    for number, filter in reversed(list(enumerate(_filters(creation)))):
        if not mask >> number & 1:
            raw = _unpacked(dataset, filter, raw, size, width)
    if len(raw) != size:
        raise ValueError(f"{shown(dataset)} has a chunk of {len(raw)} bytes in place of {size}")
    return raw


def _unpacked(dataset: h5py.h5d.DatasetID, filter: int, raw: bytes, size: int, width: int) -> bytes:
    """What a filter makes of a chunk: little more than `size` bytes, whatever is in it."""
    most = size + 4
    try:
        if filter == _DEFLATE:
            return zlib.decompressobj().decompress(raw, most + 1)
        if filter == _LZF:
            return _lzf(raw, most)
    except (zlib.error, IndexError) as error:
        raise ValueError(f"{shown(dataset)} has a damaged chunk") from error
    if filter == _CHECKSUM:
        return raw[:-4]
    # Shuffled.
    return np.frombuffer(raw, np.uint8).reshape(width, -1).T.tobytes()


def _lzf(raw: bytes, most: int) -> bytes:
    """What LZF packed, as far as the first `most` bytes and the copy that follows.

    A byte below 32 is followed by so many bytes and one; others copy what came before (LibLZF 3.6,
    lzf_d.c).

    >>> _lzf(bytes([1, 7, 8, 0x40, 1]), 99)
    b'\\x07\\x08\\x07\\x08\\x07\\x08'
    """
    out, at = bytearray(), 0
    while at < len(raw) and len(out) <= most:
        first, at = raw[at], at + 1
        if first < 32:
            out += raw[at : at + first + 1]
            at += first + 1
            continue
        length = first >> 5
        if length == 7:
            length, at = length + raw[at], at + 1
        back, at = ((first & 31) << 8 | raw[at]) + 1, at + 1
        if back > len(out):
            raise IndexError
        for _ in range(length + 2):
            out.append(out[-back])
    return bytes(out)
