"""Finds groups, datasets and chunks in an HDF5 file of the classic layout, many at a time.

CellProfiler's files have superblock 0, and version 1 of object headers and B-trees (HDF5 File
Format Specification 3.0, II.A, III, IV.A). A feature is a group of two datasets, which HDF5's own
library finds one by one. This module finds those of a whole group at once, in a memory map.
Anything that differs from what CellProfiler's HDF5 writes raises `UnsupportedLayoutError`; the
library then reads or refuses the file. The checks cover everything that the library relies on.
"""

import mmap
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

Places = npt.NDArray[np.uint64]
"""Addresses in the file, in bytes."""
Numbers = npt.NDArray[np.int64]
Records = npt.NDArray[np.void]

ROWS: Final = 1024
"""The number of rows in a chunk."""

_SUPERBLOCK: Final = np.dtype(
    {
        "names": ["fixed", "base", "end", "root"],
        "formats": ["V20", "<u8", "<u8", "<u8"],
        "offsets": [0, 24, 40, 64],
    }
)
# Version 0; addresses and lengths of 8 bytes; nodes with 2 * 4 symbols and with 2 * 16 children.
_SUPERBLOCK_FIXED: Final = b"\x89HDF\r\n\x1a\n\0\0\0\0\0\x08\x08\0\x04\0\x10\0"
_GROUP: Final = np.dtype([("fixed", "V24"), ("tree", "<u8"), ("heap", "<u8")])
# One reference, one message of 16 bytes: the symbol table.
_GROUP_FIXED: Final = bytes.fromhex("010001000100000018000000000000001100100000000000")
_HEAP: Final = np.dtype([("fixed", "V8"), ("size", "<u8"), ("free", "<u8"), ("place", "<u8")])
_NODE: Final = np.dtype(
    [("sign", "V4"), ("kind", "u1"), ("level", "u1"), ("used", "<u2"), ("siblings", "V16")]
)
_SYMBOLS: Final = np.dtype([("fixed", "V6"), ("count", "<u2")])
_SYMBOL: Final = np.dtype(
    [("name", "<u8"), ("header", "<u8"), ("cache", "<u4"), ("reserved", "<u4"), ("cached", "V16")]
)
_MOST_SYMBOLS: Final = 8
_MOST_LEVELS: Final = 4
# If CellProfiler superseded values before it wrote them, their chunks are missing.
_MOST_LACKING: Final = 64

# The heap of a feature's group has 11 words: an empty one, two names, and free space.
_WORDS: Final = 11
_DATA, _INDEX = (int.from_bytes(name, "little") for name in (b"data", b"index"))


class UnsupportedLayoutError(Exception):
    """Something differs from what CellProfiler's HDF5 writes."""


def expect(*facts: bool | np.bool_ | npt.NDArray[np.bool_]) -> None:
    """Raises `UnsupportedLayoutError` unless all facts are true; a fact can be an array."""
    for fact in facts:
        if not (fact if isinstance(fact, bool) else fact.all()):
            raise UnsupportedLayoutError


class Chunks(NamedTuple):
    """The chunks of some datasets, sorted by dataset and row: their addresses and their bytes.

    A size of 0 means that the chunk was never written, and all its values are 0.
    """

    places: Places
    sizes: Numbers


class _Tree(NamedTuple):
    """A kind of B-tree: its number, the type of its keys, and the most children of a node.

    `sorted` are the parts of a key that sort the tree.
    """

    kind: int
    key: np.dtype[np.void]
    sorted: tuple[str, ...]
    most: int


class _Entries(NamedTuple):
    """Children in B-trees: the node of each, and the keys on both sides of it."""

    node: Numbers
    left: Records
    child: Places
    right: Records


_GROUP_TREE: Final = _Tree(0, np.dtype([("name", "<u8")]), ("name",), 32)


class FileMap:
    """A memory map of a file that HDF5's library also has open, and has found not to be cut off.

    As with any map, the process ends if the file is truncated during reading.

    Raises:
        UnsupportedLayoutError: the file has another layout. Every method can raise it.
    """

    def __init__(self, descriptor: int) -> None:
        self.bytes = mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ)
        self.end = len(self.bytes)
        (first,) = self.records(np.zeros(1, np.uint64), _SUPERBLOCK)
        expect(_is(first["fixed"], _SUPERBLOCK_FIXED), first["base"] == 0)
        expect(first["end"] <= self.end)
        self.end = int(first["end"])
        self._root = int(first["root"])
        self._groups: dict[int, dict[bytes, int]] = {}

    def records(self, places: Places, dtype: np.dtype[np.void], room: int = 0) -> Records:
        """Copies the records at `places`. `room` is the space that each must have, if larger."""
        last = self.end - max(dtype.itemsize, room)
        expect(last >= 0, places <= max(last, 0))
        windows = (self.end - dtype.itemsize + 1,)
        return np.ndarray(windows, dtype, self.bytes, strides=(1,))[places]

    def release(self) -> None:
        """Releases the memory of what was read; reading it again maps it again."""
        self.bytes.madvise(mmap.MADV_DONTNEED)

    def listed(self, path: str) -> dict[bytes, int]:
        """The names in a group, with the addresses of their object headers."""
        group = self._root
        for name in path.strip("/").split("/"):
            if group not in self._groups:
                self._groups[group] = self._names(group)
            key = name.encode("utf-8", "surrogateescape")
            expect(key in self._groups[group])
            group = self._groups[group][key]
        return self._names(group)

    def parts(self, features: Places) -> tuple[Places, Places]:
        """The object headers of `data` and of `index`, the only members of these groups."""
        groups = self.records(features, _GROUP)
        expect(_is(groups["fixed"], _GROUP_FIXED))
        heaps = self.records(groups["heap"], _HEAP)
        free = heaps["free"]
        expect(_is(heaps["fixed"], b"HEAP\0\0\0\0"), heaps["size"] == 8 * _WORDS)
        expect(free % 8 == 0, free <= 8 * (_WORDS - 2))
        words = self.records(heaps["place"], np.dtype([("words", "<u8", _WORDS)]))["words"]
        each, block = np.arange(len(features)), (free // 8).astype(np.int64)
        # The free space is one block, which ends within the heap.
        expect(words[each, block] == 1, words[each, block + 1] <= 8 * _WORDS - free)
        levels, entries = self._entries(groups["tree"], _GROUP_TREE)
        expect(levels == 0, len(entries.child) == len(features))
        owner, symbols = self._symbols(entries.child)
        expect(bool(np.array_equal(owner, np.repeat(each, 2))))
        symbols = symbols.reshape(-1, 2)
        names = symbols["name"]
        expect(names % 8 == 0, names < 8 * _WORDS, symbols["cache"] == 0)
        texts = words[each[:, None], (names // 8).astype(np.int64)]
        expect(texts == np.array([_DATA, _INDEX], np.uint64))
        expect(entries.left["name"] == 0, words[:, 0] == 0, entries.right["name"] == names[:, 1])
        return symbols["header"][:, 0], symbols["header"][:, 1]

    def chunks(self, trees: Places, rows: Numbers, rest: tuple[int, ...]) -> Chunks:
        """All chunks of datasets with these numbers of rows.

        `rest` are the other dimensions of a chunk; the last is the bytes of a value.
        """
        counts = -(-rows // ROWS)
        # The file has room for at most this many keys.
        expect(rows > 0, rows < self.end * ROWS, counts.sum() <= self.end // 32)
        fields = [("size", "<u4"), ("mask", "<u4"), ("row", "<u8"), ("rest", "<u8", (len(rest),))]
        owner, entries = self._leaves(trees, _Tree(1, np.dtype(fields), ("row", "rest"), 64), rest)
        rows_at, ends_at = (
            entries.left["row"].astype(np.int64),
            entries.right["row"].astype(np.int64),
        )
        expect(entries.left["mask"] == 0, rows_at % ROWS == 0, ends_at % ROWS == 0)
        # Keys are compared by row first, and then by the rest.
        within = (rows_at < ends_at) | ((rows_at == ends_at) & (entries.right["rest"] > 0).all(1))
        expect(within, rows_at >= 0, rows_at < rows[owner])
        number = (np.cumsum(counts) - counts)[owner] + rows_at // ROWS
        number, order = np.sort(number), np.argsort(number)
        expect(number[1:] > number[:-1])
        present = np.bincount(owner, minlength=len(trees))
        expect((present == counts) | (counts <= _MOST_LACKING))
        places, sizes = entries.child[order], entries.left["size"][order].astype(np.int64)
        expect(sizes > 0, places <= self.end, sizes <= self.end - places.astype(np.int64))
        chunks = Chunks(np.zeros(counts.sum(), np.uint64), np.zeros(counts.sum(), np.int64))
        chunks.places[number], chunks.sizes[number] = places, sizes
        return chunks

    def _names(self, group: int) -> dict[bytes, int]:
        (header,) = self.records(np.array([group], np.uint64), _GROUP)
        expect(_is(header["fixed"], _GROUP_FIXED))
        heap = self._heap(header["heap"])
        _, entries = self._leaves(header["tree"].reshape(1), _GROUP_TREE)
        owner, symbols = self._symbols(entries.child)
        names = [_name(heap, place) for place in symbols["name"].tolist()]
        # The library finds a name because it lies between its neighbours, and between the keys of
        # its node.
        expect(names == sorted(set(names)))
        begins = np.flatnonzero(np.diff(owner, prepend=-1)).tolist()
        ends = [*begins[1:], len(names)]
        keys = zip(entries.left["name"].tolist(), entries.right["name"].tolist(), strict=True)
        for (left, right), begin, end in zip(keys, begins, ends, strict=True):
            expect(_name(heap, left) < names[begin], names[end - 1] <= _name(heap, right))
        return dict(zip(names, symbols["header"].tolist(), strict=True))

    def _heap(self, place: np.uint64) -> bytes:
        (heap,) = self.records(place.reshape(1), _HEAP)
        size, free, begin = (int(heap[part]) for part in ("size", "free", "place"))
        expect(_is(heap["fixed"], b"HEAP\0\0\0\0"), begin <= self.end, size <= self.end - begin)
        content = self.bytes[begin : begin + size]
        # The library refuses a heap if its list of free blocks leads out of it.
        for _ in range(size // 16):
            if free == 1:
                return content
            expect(0 < free <= size - 16)
            following, length = np.frombuffer(content, "<u8", 2, free).tolist()
            expect(length <= size - free)
            free = following
        raise UnsupportedLayoutError

    def _leaves(
        self, trees: Places, kind: _Tree, rest: tuple[int, ...] = ()
    ) -> tuple[Numbers, _Entries]:
        """The entries in the leaves of some trees, with the tree of each; sorted within a tree."""
        owner, nodes = np.arange(len(trees)), trees
        above: tuple[Numbers, _Entries] | None = None
        owners, leaf_entries = [], []
        while len(nodes):
            levels, entries = self._entries(nodes, kind, rest)
            begins = np.flatnonzero(np.diff(entries.node, prepend=-1))
            ends = np.append(begins[1:], len(entries.node)) - 1
            if above is None:
                expect(levels <= _MOST_LEVELS)
            else:
                # The library uses a node's keys to choose the child to search.
                expect(levels == above[0] - 1)
                for part in kind.sorted:
                    expect(entries.left[part][begins] == above[1].left[part])
                    expect(entries.right[part][ends] == above[1].right[part])
            leaf = levels[entries.node] == 0
            owners.append(owner[entries.node][leaf])
            leaf_entries.append(_Entries(*(part[leaf] for part in entries)))
            inner = _Entries(*(part[~leaf] for part in entries))
            above = levels[inner.node], inner
            owner, nodes = owner[inner.node], inner.child
            expect(len(nodes) <= self.end // 32)
        parts = [np.concatenate(part) for part in zip(*leaf_entries, strict=True)]
        return np.concatenate(owners), _Entries(*parts)

    def _entries(
        self, nodes: Places, kind: _Tree, rest: tuple[int, ...] = ()
    ) -> tuple[Numbers, _Entries]:
        """The levels of B-tree nodes, and their children in order."""
        step = kind.key.itemsize + 8
        heads = self.records(nodes, _NODE, _NODE.itemsize + kind.most * step + kind.key.itemsize)
        used = heads["used"].astype(np.int64)
        expect(_is(heads["sign"], b"TREE"), heads["kind"] == kind.kind, used > 0, used <= kind.most)
        node, place = _within(nodes + _NODE.itemsize, used, step)
        fields = [("left", kind.key), ("child", "<u8"), ("right", kind.key)]
        entries = self.records(place, np.dtype(fields))
        if rest:
            right = entries["right"]["rest"]
            expect(entries["left"]["rest"] == 0, (right == 0).all(1) | (right == rest).all(1))
        children = _Entries(node, entries["left"], entries["child"], entries["right"])
        return heads["level"].astype(np.int64), children

    def _symbols(self, nodes: Places) -> tuple[Numbers, Records]:
        """The symbols in symbol nodes, in order, with the node of each."""
        room = _SYMBOLS.itemsize + _MOST_SYMBOLS * _SYMBOL.itemsize
        heads = self.records(nodes, _SYMBOLS, room)
        count = heads["count"].astype(np.int64)
        expect(_is(heads["fixed"], b"SNOD\1\0"), count > 0, count <= _MOST_SYMBOLS)
        node, place = _within(nodes + _SYMBOLS.itemsize, count, _SYMBOL.itemsize)
        symbols = self.records(place, _SYMBOL)
        # Other values mean links that lead elsewhere.
        expect(symbols["cache"] <= 1)
        return node, symbols


def _within(begins: Places, counts: Numbers, step: int) -> tuple[Numbers, Places]:
    """The addresses of consecutive records, and for each the position of its start in `begins`.

    From each of `begins`, `counts` records follow each other, `step` bytes apart.
    """
    owner = np.repeat(np.arange(len(begins)), counts)
    number = np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)
    return owner, begins[owner] + (number * step).astype(np.uint64)


def _is(value: npt.NDArray[np.void] | np.void, bytes: bytes) -> npt.NDArray[np.bool_]:
    return np.asarray(value == np.void(bytes))


def _name(heap: bytes, place: int) -> bytes:
    end = heap.find(b"\0", place)
    expect(end >= 0)
    return heap[place:end]
