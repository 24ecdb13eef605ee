"""Recognizes by its first bytes that a file is something else than its name suggests.

A clone without git-lfs has pointers instead of files, a browser saves an error page under the name
of the requested file, and people give a workbook the ending `.csv`.
"""

from pathlib import Path
from typing import Final

from cpexport.errors import SourceError

HDF5: Final = b"\x89HDF\r\n\x1a\n"
SQLITE: Final = b"SQLite format 3\x00"

_FIRST = 512
_LFS: Final = "run git lfs pull where it was cloned"
_KINDS: Final = (
    (b"version https://git-lfs.github.com/spec/", "is a git-lfs pointer", _LFS),
    (b"/annex/objects/", "is a git-annex pointer", "run git annex get where it was cloned"),
    (HDF5, "is an HDF5 file", "give it the ending .h5"),
    (SQLITE, "is a SQLite file", "give it the ending .sqlite"),
    (b"PK\x03\x04", "is an Excel workbook or a zip file", "save it as CSV UTF-8, or unpack it"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "is an Excel workbook", "save it as CSV UTF-8"),
    (b"\x1f\x8b", "is compressed by gzip", "unpack it"),
    (b"BZh", "is compressed by bzip2", "unpack it"),
    (b"\xfd7zXZ\x00", "is compressed by xz", "unpack it"),
    (b"\x28\xb5\x2f\xfd", "is compressed by zstd", "unpack it"),
)
_PAGES: Final = (b"<!doctype html", b"<html")


def another_kind(path: Path, expected: bytes = b"") -> SourceError | None:
    """Returns what `path` is instead of a job's file, and what to do; None if it is not recognized.

    `expected` are the first bytes that the file should have. An unreadable file is not recognized;
    the code that reads it reports the error.
    """
    try:
        with path.open("rb") as stream:
            first = stream.read(_FIRST)
    except OSError:
        return None
    if expected and first.startswith(expected):
        return None
    for start, problem, advice in _KINDS:
        if first.startswith(start):
            return SourceError(path, problem, advice)
    if first.lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith(_PAGES):
        return SourceError(path, "is a web page", "download the file itself")
    return None


def is_pointer(path: Path) -> bool:
    """Whether `path` is only a pointer to a file's contents; its name shows what those are."""
    kind = another_kind(path)
    return kind is not None and kind.problem.endswith("pointer")
