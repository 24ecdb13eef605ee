"""Opens files that may be compressed with gzip, and unpacks them as they are read.

A table can have the ending `.gz`, as in `Cells.csv.gz`: it is then read as `Cells.csv` would be.
"""

import io
from io import BufferedReader
from pathlib import Path
from typing import Final

from zlib_ng import zlib_ng

from cpexport.errors import RERUN
from cpexport.files.explained import ExplainedError
from cpexport.files.opening import open_regular

GZIP: Final = ".gz"
_FIRST: Final = b"\x1f\x8b"
_GZIP_STREAM: Final = 31
_AGAIN: Final = f"copy it again, or {RERUN}"
_PIECE: Final = 1 << 18
# Deflate packs at most 1,032 bytes into one. Tables of measurements reach 2 to 13, and one of 1,000
# features that are all missing or all 0 reaches 240 to 340.
_MOST_PER_BYTE: Final = 500
_SMALL: Final = 1 << 27


class UnpackingError(ExplainedError):
    """A compressed file is cut off or damaged, or expands to more than any table."""


def plain_name(path: Path) -> str:
    """The name of a file without the ending that says that it is compressed.

    >>> plain_name(Path("job/Cells.csv.gz")), plain_name(Path("job/Cells.csv"))
    ('Cells.csv', 'Cells.csv')
    """
    return path.name[: -len(GZIP)] if is_packed(path) else path.name


def plain_stem(path: Path) -> str:
    """The name of a table without its endings.

    >>> plain_stem(Path("job/Cells.csv.gz")), plain_stem(Path("job/Cells.csv"))
    ('Cells', 'Cells')
    """
    return path.with_suffix("").stem if is_packed(path) else path.stem


def is_packed(path: Path) -> bool:
    """Whether a file's name says that it is compressed with gzip."""
    return path.name[-len(GZIP) :].lower() == GZIP


def open_unpacked(path: Path) -> BufferedReader:
    """Opens a regular file for reading; the content of a compressed one comes unpacked.

    A compressed file cannot seek, and has no descriptor of its own.

    Raises:
        OSError: as `open_regular`. `UnpackingError` comes from reading, as soon as what is wrong
            shows: a file that is cut off gives all of its content before.
    """
    stream = open_regular(path)
    return BufferedReader(_Unpacked(stream, path), _PIECE) if is_packed(path) else stream


class _Unpacked(io.RawIOBase):
    """The content of a compressed file, which can consist of several gzip streams."""

    def __init__(self, packed: BufferedReader, path: Path) -> None:
        self._packed, self._name = packed, str(path)
        self._unpack = zlib_ng.decompressobj(_GZIP_STREAM)
        self._read = self._given = 0
        # Bytes that are read and not unpacked yet, and whether a stream has begun in them.
        self._rest, self._begun = b"", False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer)  # type: ignore[arg-type]
        content = self._some(len(view))
        view[: len(content)] = content
        return len(content)

    def close(self) -> None:
        self._packed.close()
        super().close()

    def _some(self, most: int) -> bytes:
        """The next bytes, at most so many; none at the end."""
        while True:
            if self._unpack.eof:
                self._rest = self._unpack.unused_data.lstrip(b"\0")
                self._unpack, self._begun = zlib_ng.decompressobj(_GZIP_STREAM), False
            self._rest = self._rest or self._more()
            at_end = not self._rest
            if at_end and not self._begun:
                return b""
            if content := self._next(most):
                return content
            if at_end and not self._unpack.eof:
                raise UnpackingError(self._name, "is cut off in the middle", _AGAIN)

    def _more(self) -> bytes:
        """The next bytes of the file, without the zeros that fill up what follows a stream."""
        while piece := self._packed.read(_PIECE):
            self._read += len(piece)
            if self._begun or not self._given or (piece := piece.lstrip(b"\0")):
                return piece
        return b""

    def _next(self, most: int) -> bytes:
        """What the bytes at hand unpack to, as far as it fits."""
        try:
            content = self._unpack.decompress(self._rest, most)
        except zlib_ng.error as error:  # type: ignore[misc]
            is_other = not self._begun and not self._rest.startswith(_FIRST)
            problem = "not compressed with gzip, as its name says" if is_other else "is damaged"
            raise UnpackingError(self._name, problem, _AGAIN) from error
        self._begun, self._rest = True, self._unpack.unconsumed_tail
        self._given += len(content)
        if self._given > max(_SMALL, self._read * _MOST_PER_BYTE):
            problem = f"expands to more than {_MOST_PER_BYTE} times its size, as no table does"
            raise UnpackingError(self._name, problem, "move it out of OUTPUTS")
        return content
