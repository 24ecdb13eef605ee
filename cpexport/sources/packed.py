"""Recognizes compressed files that contain a job's output, and are reported and not loaded.

Tables in CSV are the exception: `files.unpacked` reads them if they are compressed with gzip.
"""

import lzma
import zipfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import IO

import pyarrow as pa

from cpexport.files.kinds import HDF5, SQLITE
from cpexport.files.opening import open_regular

_OPENERS: dict[str, Callable[[Path], IO[bytes]]] = {
    ".gz": lambda path: _stream(path, "gzip"),
    ".bz2": lambda path: _stream(path, "bz2"),
    ".zst": lambda path: _stream(path, "zstd"),
    ".xz": lambda path: BytesIO(_start_of_xz(path)),
    ".zip": lambda path: BytesIO(_start_of_member(path)),
}
SUFFIXES = frozenset(_OPENERS)

_START = 1 << 16
_MEMORY = 1 << 28
_BINARY = (HDF5, SQLITE)
_COLUMNS = (b"ImageNumber", b"Module,Module Number", b"Key,Value")


def may_be_data(path: Path) -> bool:
    """Whether a compressed file begins like a job's output; also true if decompression fails."""
    try:
        with _OPENERS[path.suffix.lower()](path) as stream:
            start = stream.read(_START)
    except Exception:
        # Each library raises errors of its own for damaged files.
        return True
    lines = b"\n".join(start.replace(b"\t", b",").splitlines()[:2])
    return start.startswith(_BINARY) or any(column in lines for column in _COLUMNS)


def _stream(path: Path, compression: str) -> IO[bytes]:
    stream: IO[bytes] = pa.input_stream(open_regular(path), compression=compression)
    return stream


def _start_of_xz(path: Path) -> bytes:
    """The first bytes of what is compressed. The file says how much memory this takes."""
    with open_regular(path) as stream:
        decompressor = lzma.LZMADecompressor(memlimit=_MEMORY)
        return decompressor.decompress(stream.read(_START), _START)


def _start_of_member(path: Path) -> bytes:
    """The first bytes of the first file of an archive, which is usually the only one."""
    with (
        open_regular(path) as stream,
        zipfile.ZipFile(stream) as archive,
        archive.open(archive.namelist()[0]) as member,
    ):
        return member.read(_START)
