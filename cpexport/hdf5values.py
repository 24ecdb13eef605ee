"""The values of many datasets of the classic HDF5 layout at once; `hdf5layout` finds them.

CellProfiler has few kinds of datasets (CellProfiler 4.2.8, utilities/hdf5_dict.py): vectors of
numbers in chunks of 1,024, shuffled and deflated, and indexes of three columns, not deflated. What
their object headers say is known byte by byte, but for how many rows there are and where.
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

from cpexport.hdf5layout import ROWS, Chunks, Layout, Numbers, Places, Unfamiliar, expect

# How many bytes are read at once: they stay in the cache of a processor's core.
_AT_ONCE: Final = 1 << 17
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
# The number of rows comes first of what differs between headers, and then the tree.
_ROWS_AT: Final = 16

Block = npt.NDArray[np.generic]
"""What is in datasets of one kind and length, those along the first axis: int64, or float64 for
real numbers."""


@dataclass(frozen=True)
class Kind:
    """Datasets of one type of numbers, of one column or several; shuffled or not, deflated or not.

    `timed` are those that say when they were changed, as in CellProfiler 3.
    """

    type: str
    columns: int
    shuffled: bool
    deflated: bool
    timed: bool

    @property
    def rest(self) -> tuple[int, ...]:
        """The dimensions of a chunk after that of rows, the bytes of a number for the last."""
        size = np.dtype(self.type).itemsize
        return (size,) if self.columns == 1 else (self.columns, size)

    @property
    def row(self) -> int:
        """How many bytes a row is."""
        return math.prod(self.rest)

    def messages(self, unknown: bytes) -> list[bytes]:
        """The messages of the object header of such a dataset, `unknown` for what differs."""
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
    """Some datasets: which of `kinds` each is, or -1 for none of them; how many rows it has, and
    where the tree of its chunks is."""

    kinds: Sequence[Kind]
    kind: Numbers
    rows: Numbers
    trees: Places


def datasets(layout: Layout, headers: Places, kinds: Sequence[Kind]) -> Datasets:
    """What the datasets with these object headers are.

    Raises:
        Unfamiliar: a header is not in the file.
    """
    found = layout.records(headers, _HEADER)
    content = found["messages"]
    size = found["size"].astype(np.int64)
    sound = (found["version"] == 1) & (found["links"] == 1)
    sound &= headers + np.uint64(16) + found["size"] <= layout.end
    kind = np.full(len(headers), -1)
    trees = np.zeros(len(headers), np.uint64)
    for number, one in enumerate(kinds):
        known, count, fill, tree = _pattern(one)
        end = len(known)
        ours = sound & ((content[:, :end] == known) | (known < 0)).all(axis=1)
        ours &= (content[:, fill] == 0) | (content[:, fill] == 2)
        # What is left of the room for messages is one message that says nothing.
        left = content[:, end : end + 8].copy().view(_MESSAGE)[:, 0]
        nothing = (left["type"] == 0) & (left["flags"] == 0) & (left["size"] == size - end - 8)
        ours &= (nothing & (found["count"] == count + 1)) | (
            (size == end) & (found["count"] == count)
        )
        kind[ours] = number
        trees[ours] = content[ours, tree : tree + 8].copy().view("<u8")[:, 0]
    rows = content[:, _ROWS_AT : _ROWS_AT + 8].copy().view("<i8")[:, 0]
    return Datasets(kinds, kind, np.where(kind < 0, 0, rows), trees)


def vectors(layout: Layout, found: Datasets) -> Iterator[tuple[int, Block | None]]:
    """All that is in some datasets, in order: how many come together, and a block of what is in
    those, or None where they are of no kind.

    Raises:
        Unfamiliar: damaged, or not as CellProfiler's HDF5 writes it; after those that are sound.
    """
    chunks: dict[int, Chunks] = {}
    begins = np.zeros(len(found.kind), np.int64)
    for kind, one in enumerate(found.kinds):
        ours = np.flatnonzero((found.kind == kind) & (found.rows != 0))
        if len(ours):
            chunks[kind] = layout.chunks(found.trees[ours], found.rows[ours], one.rest)
            counts = -(-found.rows[ours] // ROWS)
            begins[ours] = np.cumsum(counts) - counts
    order = zip(found.kind.tolist(), found.rows.tolist(), begins.tolist(), strict=True)
    for (kind, rows), group in groupby(order, key=lambda dataset: dataset[:2]):
        alike = list(group)
        begin, many = alike[0][2], len(alike)
        if kind < 0:
            yield many, None
        elif not rows:
            one = found.kinds[kind]
            yield many, np.empty((many, 0, *one.rest[:-1]), _wide(one))
        else:
            for block in _alike(layout, found.kinds[kind], rows, many, chunks[kind], begin):
                yield len(block), block


def _alike(
    layout: Layout, kind: Kind, rows: int, many: int, chunks: Chunks, begin: int
) -> Iterator[Block]:
    """What is in `many` datasets of one kind and length, whose chunks begin with number `begin`."""
    each = -(-rows // ROWS)
    whole = kind.shuffled or kind.deflated or each > 1
    read = (ROWS if whole else rows) * kind.row
    at_once = max(1, _AT_ONCE // (each * read))
    for first in range(0, many, at_once):
        layout.release()
        part = slice(begin + first * each, begin + min(first + at_once, many) * each)
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
            # First the first bytes of all numbers, then the second, and so on.
            size = kind.rest[-1]
            planes = planes.reshape(len(places), size, -1)[:, :, : used // size].transpose(0, 2, 1)
        numbers = np.ascontiguousarray(planes).view(kind.type)
        shape = (len(places) // each, -1, *kind.rest[:-1])
        yield numbers.reshape(shape)[:, :rows].astype(_wide(kind), copy=False)


def _inflated(layout: Layout, places: Places, sizes: Numbers, length: int) -> npt.NDArray[np.uint8]:
    content = memoryview(layout.bytes)
    parts = []
    for place, size in zip(places.tolist(), sizes.tolist(), strict=True):
        if not size:
            parts.append(bytes(length))
            continue
        try:
            parts.append(zlib_ng.decompress(content[place : place + size], bufsize=length))
        except zlib_ng.error as error:  # type: ignore[misc]
            raise Unfamiliar from error
    expect(all(len(part) == length for part in parts))
    return np.frombuffer(b"".join(parts), np.uint8)


def _wide(kind: Kind) -> type[np.generic]:
    return np.float64 if np.dtype(kind.type).kind == "f" else np.int64


@cache
def _pattern(kind: Kind) -> tuple[npt.NDArray[np.int16], int, int, int]:
    """The bytes of such a dataset's messages, or -1; how many messages; where it says when zeros
    are filled in, in files always or if asked for; and where the tree is."""
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
