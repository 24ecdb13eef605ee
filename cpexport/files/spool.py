"""A sequence whose items lie in a temporary file, for what a run has a million of."""

import io
import os
import pickle
import tempfile
import weakref
from array import array
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Generic, Self, TypeVar, overload

_T = TypeVar("_T")

_BLOCK: Final = 1 << 16


class Spool(Sequence[_T], Generic[_T]):
    """A sequence of values that lie in a file, with some bytes each in memory.

    Every access returns an equal copy, never the same object: what distinguishes two items must be
    in their values. If temporary files cannot be written, the items stay in memory.

    share: makes an object that many items have, such as their features, be kept once, in memory.
    """

    def __init__(self, items: Iterable[_T] = ()) -> None:
        self._starts, self._sizes = array("q"), array("q")
        # What is not in the file yet, and where it begins.
        self._tail, self._written = bytearray(), 0
        self._file: int | None = None
        self._shared: list[object] = []
        self._places: dict[int, int] = {}
        for item in items:
            self.append(item)

    def share(self, value: object) -> None:
        if id(value) not in self._places:
            self._places[id(value)] = len(self._shared)
            self._shared.append(value)

    def append(self, item: _T) -> None:
        start, size = self._put(item)
        self._starts.append(start)
        self._sizes.append(size)

    def __setitem__(self, place: int, item: _T) -> None:
        self._starts[place], self._sizes[place] = self._put(item)

    @overload
    def __getitem__(self, place: int) -> _T: ...
    @overload
    def __getitem__(self, place: slice) -> list[_T]: ...
    def __getitem__(self, place: int | slice) -> _T | list[_T]:
        if isinstance(place, slice):
            return [self[one] for one in range(*place.indices(len(self)))]
        start, size = self._starts[place], self._sizes[place]
        return self._item(self._read(start, size))

    def __len__(self) -> int:
        return len(self._starts)

    def __iter__(self) -> Iterator[_T]:
        block, begin = b"", 0
        for place in range(len(self)):
            start, size = self._starts[place], self._sizes[place]
            if not begin <= start <= start + size <= begin + len(block):
                block, begin = self._read(start, max(size, _BLOCK)), start
            yield self._item(memoryview(block)[start - begin : start - begin + size])

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence):
            return NotImplemented
        # Copies of NaN differ from each other, but have one text.
        pairs = zip(self, other, strict=True)
        return len(self) == len(other) and all(a == b or repr(a) == repr(b) for a, b in pairs)

    __hash__ = None  # type: ignore[assignment]

    def __reduce__(self) -> tuple[object, ...]:
        # Another process does not have the file.
        return type(self), (list(self),)

    def _put(self, item: _T) -> tuple[int, int]:
        """Writes an item; returns where it begins, and its size."""
        stream = io.BytesIO()
        _Pickler(stream, self._places).dump(item)
        start = self._written + len(self._tail)
        self._tail += stream.getbuffer()
        if len(self._tail) >= 16 * _BLOCK:
            self._flush()
        return start, stream.tell()

    def _flush(self) -> None:
        """Moves what is in memory to the file, as far as there is room for it."""
        with suppress(OSError):
            if self._file is None:
                self._file = _temporary_file()
                weakref.finalize(self, os.close, self._file)
            while self._tail:
                written = os.pwrite(self._file, self._tail[: 16 * _BLOCK], self._written)
                self._written += written
                del self._tail[:written]

    def _read(self, start: int, size: int) -> bytes:
        """At most so many bytes; a part of them can be in the file, and the rest in memory."""
        found = b""
        if self._file is not None and start < self._written:
            found = os.pread(self._file, min(size, self._written - start), start)
        begin = start + len(found) - self._written
        return found + self._tail[begin : begin + size - len(found)]

    def _item(self, pickled: bytes | memoryview) -> _T:
        item: _T = _Unpickler(io.BytesIO(pickled), self._shared).load()
        return item

    @classmethod
    def of(cls, items: Iterable[_T]) -> Self:
        """The items, as they are if they are spooled already."""
        return items if isinstance(items, cls) else cls(items)


class Picked(Sequence[_T], Generic[_T]):
    """Some items of a sequence, by their places."""

    def __init__(self, items: Sequence[_T], places: Sequence[int]) -> None:
        self._items, self._places = items, places

    @overload
    def __getitem__(self, index: int) -> _T: ...
    @overload
    def __getitem__(self, index: slice) -> "Picked[_T]": ...
    def __getitem__(self, index: int | slice) -> "_T | Picked[_T]":
        if isinstance(index, slice):
            return Picked(self._items, self._places[index])
        return self._items[self._places[index]]

    def __len__(self) -> int:
        return len(self._places)


class _Pickler(pickle.Pickler):
    """Writes the places of objects that are shared, instead of these objects."""

    def __init__(self, stream: io.BytesIO, places: dict[int, int]) -> None:
        super().__init__(stream, pickle.HIGHEST_PROTOCOL)
        self._places = places

    def persistent_id(self, value: Any) -> int | None:
        return self._places.get(id(value))

    def reducer_override(self, value: Any) -> Any:
        # A path is made from one text in half the time that it takes from its parts.
        return (type(value), (str(value),)) if isinstance(value, Path) else NotImplemented


class _Unpickler(pickle.Unpickler):
    """Reads only what this process has written."""

    def __init__(self, stream: io.BytesIO, shared: list[object]) -> None:
        super().__init__(stream)
        self._shared = shared

    def persistent_load(self, place: int) -> object:
        return self._shared[place]


def _temporary_file() -> int:
    """The descriptor of a new file without a name, so that no process leaves it behind.

    Raises:
        OSError: no folder for temporary files can be written.
    """
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())
