"""Recognizes by its first bytes that a file is something else than its name suggests.

A clone without git-lfs has pointers instead of files, a browser saves an error page under the name
of the requested file, and people give a workbook the ending `.csv`.
"""

import shlex
from pathlib import Path
from typing import Final

from cpexport.errors import SourceError
from cpexport.files.opening import open_regular
from cpexport.files.unpacked import is_packed, open_unpacked

HDF5: Final = b"\x89HDF\r\n\x1a\n"
SQLITE: Final = b"SQLite format 3\x00"

_FIRST = 512
_GZIP: Final = b"\x1f\x8b"
_LFS: Final = "run: git -C {folder} lfs pull"
_KINDS: Final = (
    (b"version https://git-lfs.github.com/spec/", "is a git-lfs pointer", _LFS),
    (b"/annex/objects/", "is a git-annex pointer", "run: git -C {folder} annex get {name}"),
    (HDF5, "is an HDF5 file", "rename it so that it ends in .h5"),
    (SQLITE, "is a SQLite file", "rename it so that it ends in .sqlite"),
    (b"PK\x03\x04", "is an Excel workbook or a zip file", "save it as CSV UTF-8, or unzip it"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "is an Excel workbook", "save it as CSV UTF-8"),
    (_GZIP, "is compressed with gzip", "decompress it"),
    (b"BZh", "is compressed with bzip2", "decompress it"),
    (b"\xfd7zXZ\x00", "is compressed with xz", "decompress it"),
    (b"\x28\xb5\x2f\xfd", "is compressed with zstd", "decompress it"),
)
# Files that people name by mistake.
_NAMED: Final = (
    (b"CellProfiler Pipeline:", "is a pipeline of CellProfiler"),
    (b"\x89PNG", "is an image"),
    (b"\xff\xd8\xff", "is an image"),
    (b"II*\x00", "is an image"),
    (b"MM\x00*", "is an image"),
    (b"%PDF", "is a PDF file"),
)
_PAGES: Final = (b"<!doctype html", b"<html")


def another_kind(path: Path, expected: bytes = b"") -> SourceError | None:
    """Returns what `path` is instead of a job's file, and what to do; None if it is not recognized.

    `expected` are the first bytes that the file should have. An unreadable file is not recognized;
    the code that reads it reports the error.
    """
    try:
        with open_regular(path) as stream:
            first = stream.read(_FIRST)
        if is_packed(path) and first.startswith(_GZIP):
            with open_unpacked(path) as stream:
                first = stream.read(_FIRST)
    except OSError:
        return None
    if expected and first.startswith(expected):
        return None
    for start, problem, advice in _KINDS:
        if first.startswith(start):
            folder, name = shlex.quote(str(path.parent)), shlex.quote(path.name)
            return SourceError(path, problem, advice.format(folder=folder, name=name))
    if first.lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith(_PAGES):
        return SourceError(
            path, "is a web page", "download the file itself, not the page that links to it"
        )
    return None


def described(path: Path) -> str:
    """What `path` is, for a file that no other rule recognizes: a text, an image, a pipeline."""
    try:
        with open_regular(path) as stream:
            first = stream.read(_FIRST)
    except OSError:
        return "cannot be read"
    if not first:
        return "is empty (0 bytes)"
    for start, what in _NAMED:
        if first.startswith(start):
            return what
    return "is a text file" if _is_text(first) else "is a file of another program"


def _is_text(first: bytes) -> bool:
    """Whether the first bytes of a file are UTF-8 without control characters."""
    try:
        text = first.decode("utf-8")
    except UnicodeDecodeError as error:
        # The last character may be cut off.
        if error.start < len(first) - 3:
            return False
        text = first[: error.start].decode("utf-8")
    return all(c.isprintable() or c.isspace() for c in text)


def is_pointer(path: Path) -> bool:
    """Whether `path` is only a pointer to a file's contents; its name shows what those are."""
    kind = another_kind(path)
    return kind is not None and kind.problem.endswith("pointer")
