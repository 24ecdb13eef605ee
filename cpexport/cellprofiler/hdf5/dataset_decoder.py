"""Decodes many datasets of the classic HDF5 layout at once; `file_map` finds them.

CellProfiler writes few kinds of datasets (CellProfiler 4.2.8, utilities/hdf5_dict.py): vectors of
numbers in chunks of 1,024, shuffled and deflated, and indexes of three columns, not deflated. Every
byte of their object headers is known, except the number of rows and the address of the chunks.
"""

import math
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from typing import Final

import numpy as np
import numpy.typing as npt
from zlib_ng import zlib_ng

from cpexport.cellprofiler.hdf5.file_map import (
    ROWS,
    Chunks,
    FileMap,
    Numbers,
    Places,
    UnsupportedLayoutError,
    expect,
)

# The bytes that are read at once; they stay in the cache of a processor core.
_AT_ONCE: Final = 1 << 17
# What a deflated chunk may take beyond twice its length.
_SLACK: Final = 1024
_TYPES: Final = {
    "<i8": "10080000080000000000400000000000",
    "<i4": "10080000040000000000200000000000",
    "<f8": "11203f000800000000004000340b0034ff03000000000000",
    "<f4": "11201f000400000000002000170800177f00000000000000",
}
_PREFIX: Final = [("version", "<u2"), ("count", "<u2"), ("links", "<u4"), ("size", "<u8")]
_LONGEST: Final = 200
_HEADER: Final = np.dtype([*_PREFIX, ("messages", "u1", _LONGEST)])
_MESSAGE: Final = np.dtype([("type", "<u2"), ("size", "<u2"), ("flags", "<u4")])
# Of the parts that differ between headers, the number of rows comes first, and the tree later.
_ROWS_AT: Final = 16

Block = npt.NDArray[np.generic]
"""The values of datasets of one kind and length, one dataset per row.

Integers are int64, real numbers float64.
"""


@dataclass(frozen=True)
class Kind:
    """A kind of dataset: its type of numbers, its columns, and whether it is shuffled and deflated.

    A `timed` dataset records when it was changed, as in CellProfiler 3.
    """

    type: str
    columns: int
    shuffled: bool
    deflated: bool
    timed: bool

    @property
    def rest(self) -> tuple[int, ...]:
        """The dimensions of a chunk after the rows; the last is the bytes of a number."""
        size = np.dtype(self.type).itemsize
        return (size,) if self.columns == 1 else (self.columns, size)

    @property
    def row(self) -> int:
        """The bytes of a row."""
        return math.prod(self.rest)

    def messages(self, unknown: bytes) -> list[bytes]:
        """The messages in the object header of such a dataset; bytes that differ are `unknown`."""
        rank, more = len(self.rest), b"".join(struct.pack("<Q", n) for n in self.rest[:-1])
        shape = bytes([1, rank, 1, 0, 0, 0, 0, 0]) + unknown * 8 + more + b"\xff" * 8 + more
        chunk = struct.pack(f"<{1 + rank}I", ROWS, *self.rest)
        layout = bytes([3, 2, 1 + rank]) + unknown * 8 + chunk
        filters = [_filter(2, b"shuffle", self.rest[-1])] if self.shuffled else []
        filters += [_filter(1, b"deflate", 4)] if self.deflated else []
        pipeline = bytes([1, len(filters), 0, 0, 0, 0, 0, 0]) + b"".join(filters)
        return [
            _message(0x01, 0, shape),
            _message(0x03, 1, bytes.fromhex(_TYPES[self.type])),
            _message(0x05, 1, bytes([2, 3]) + unknown + bytes([1, 0, 0, 0, 0])),
            *([_message(0x0B, 1, pipeline)] if filters else []),
            _message(0x08, 0, layout.ljust(24, b"\0")),
            *([_message(0x12, 0, b"\x01\0\0\0" + unknown * 4)] if self.timed else []),
        ]


DATA: Final = tuple(Kind(type, 1, True, True, timed) for timed in (False, True) for type in _TYPES)
INDEX: Final = tuple(
    Kind("<i8", 3, shuffled, False, timed) for timed in (False, True) for shuffled in (False, True)
)


@dataclass(frozen=True)
class Datasets:
    """Some datasets.

    `kind` is the position of each in `kinds`, or -1 for none of them, `rows` the number of its
    rows, and `trees` the address of the tree of its chunks.
    """

    kinds: Sequence[Kind]
    kind: Numbers
    rows: Numbers
    trees: Places


def datasets(layout: FileMap, headers: Places, kinds: Sequence[Kind]) -> Datasets:
    """Identifies the datasets with these object headers.

    Raises:
        UnsupportedLayoutError: a header is outside the file.
    """
    header_records = layout.records(headers, _HEADER)
    content = header_records["messages"]
    size = header_records["size"].astype(np.int64)
    is_valid = (header_records["version"] == 1) & (header_records["links"] == 1)
    is_valid &= headers + np.uint64(16) + header_records["size"] <= layout.end
    kind = np.full(len(headers), -1)
    trees = np.zeros(len(headers), np.uint64)
    for number, expected_kind in enumerate(kinds):
        expected, count, fill, tree = _pattern(expected_kind)
        end = len(expected)
        ours = is_valid & ((content[:, :end] == expected) | (expected < 0)).all(axis=1)
        ours &= (content[:, fill] == 0) | (content[:, fill] == 2)
        # The rest of the space for messages is one empty message.
        padding = content[:, end : end + 8].copy().view(_MESSAGE)[:, 0]
        is_padding = (
            (padding["type"] == 0) & (padding["flags"] == 0) & (padding["size"] == size - end - 8)
        )
        ours &= (is_padding & (header_records["count"] == count + 1)) | (
            (size == end) & (header_records["count"] == count)
        )
        kind[ours] = number
        trees[ours] = content[ours, tree : tree + 8].copy().view("<u8")[:, 0]
    rows = content[:, _ROWS_AT : _ROWS_AT + 8].copy().view("<i8")[:, 0]
    return Datasets(kinds, kind, np.where(kind < 0, 0, rows), trees)


def vectors(layout: FileMap, selected: Datasets) -> Iterator[tuple[int, Block | None]]:
    """Yields the values of some datasets in order, as a number of datasets and a block of values.

    The block is None for datasets of no known kind.

    Raises:
        UnsupportedLayoutError: the file is damaged or not in the layout of CellProfiler's HDF5.
            Valid blocks come first.
    """
    chunks: dict[int, Chunks] = {}
    begins = np.zeros(len(selected.kind), np.int64)
    for kind, kind_found in enumerate(selected.kinds):
        ours = np.flatnonzero((selected.kind == kind) & (selected.rows != 0))
        if len(ours):
            chunks[kind] = layout.chunks(selected.trees[ours], selected.rows[ours], kind_found.rest)
            counts = -(-selected.rows[ours] // ROWS)
            begins[ours] = np.cumsum(counts) - counts
    order = zip(selected.kind.tolist(), selected.rows.tolist(), begins.tolist(), strict=True)
    for (kind, rows), group in groupby(order, key=lambda dataset: dataset[:2]):
        group_of_datasets = list(group)
        begin, count = group_of_datasets[0][2], len(group_of_datasets)
        if kind < 0:
            yield count, None
        elif not rows:
            kind_found = selected.kinds[kind]
            yield count, np.empty((count, 0, *kind_found.rest[:-1]), _wide(kind_found))
        else:
            for block in _alike(layout, selected.kinds[kind], rows, count, chunks[kind], begin):
                yield len(block), block


def _alike(
    layout: FileMap, kind: Kind, rows: int, count: int, chunks: Chunks, begin: int
) -> Iterator[Block]:
    """Yields the values of `many` datasets of one kind and length.

    Their chunks begin at number `begin`.
    """
    each = -(-rows // ROWS)
    whole = kind.shuffled or kind.deflated or each > 1
    read = (ROWS if whole else rows) * kind.row
    at_once = max(1, _AT_ONCE // (each * read))
    for first in range(0, count, at_once):
        layout.release()
        part = slice(begin + first * each, begin + min(first + at_once, count) * each)
        places, sizes = chunks.places[part], chunks.sizes[part]
        if kind.deflated:
            content = _inflated(layout, places, sizes, read)
        else:
            expect((sizes == ROWS * kind.row) | (sizes == 0))
            records = layout.records(places, np.dtype(f"V{read}"), ROWS * kind.row)
            content = records.view(np.uint8)
        planes = content.reshape(len(places), -1)
        if not sizes.all():
            planes = np.where(sizes[:, None] == 0, np.uint8(0), planes)
        used = (ROWS if each > 1 else rows) * kind.row
        if kind.shuffled:
            # Shuffled bytes: first the first byte of every number, then the second of every number,
            # and so on.
            size = kind.rest[-1]
            planes = planes.reshape(len(places), size, -1)[:, :, : used // size].transpose(0, 2, 1)
        numbers = np.ascontiguousarray(planes).view(kind.type)
        shape = (len(places) // each, -1, *kind.rest[:-1])
        yield numbers.reshape(shape)[:, :rows].astype(_wide(kind), copy=False)


def _inflated(
    layout: FileMap, places: Places, sizes: Numbers, length: int
) -> npt.NDArray[np.uint8]:
    # What deflate cannot pack stays nearly as long. A longer chunk may fill any memory.
    expect(sizes <= 2 * length + _SLACK)
    content = memoryview(layout.bytes)
    parts = []
    for place, size in zip(places.tolist(), sizes.tolist(), strict=True):
        if not size:
            parts.append(bytes(length))
            continue
        try:
            parts.append(zlib_ng.decompress(content[place : place + size], bufsize=length))
        except zlib_ng.error as error:  # type: ignore[misc]
            raise UnsupportedLayoutError from error
    expect(all(len(part) == length for part in parts))
    return np.frombuffer(b"".join(parts), np.uint8)


def _wide(kind: Kind) -> type[np.generic]:
    return np.float64 if np.dtype(kind.type).kind == "f" else np.int64


@cache
def _pattern(kind: Kind) -> tuple[npt.NDArray[np.int16], int, int, int]:
    """The known bytes of such a dataset's messages, and the places of the bytes that differ.

    The bytes, with -1 for a byte that differs; the number of messages; the offset of the fill time,
    which is always or on request; and the offset of the tree.
    """
    one, other = (
        np.frombuffer(b"".join(kind.messages(unknown)), np.uint8) for unknown in (b"\0", b"\xff")
    )
    known = np.where(one == other, one.astype(np.int16), -1)
    different = np.flatnonzero(known < 0).tolist()
    return known, len(kind.messages(b"\0")), different[8], different[9]


def _message(type: int, flags: int, content: bytes) -> bytes:
    return struct.pack("<HHB3x", type, len(content), flags) + content


def _filter(number: int, name: bytes, value: int) -> bytes:
    return struct.pack("<4H8sI4x", number, 8, 1, 1, name, value)
