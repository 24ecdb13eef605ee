"""Reads the bytes of a CSV file: its first lines, all whole lines, or why it is not a table.

Memory is used only after a size check: a line has at most `_LONGEST` bytes, a header `_HEADER`, and
a file must fit the available memory.
"""

import codecs
import os
import re
from io import BufferedReader
from pathlib import Path

from cpexport.errors import RERUN, SourceError
from cpexport.files import explained
from cpexport.files.kinds import another_kind
from cpexport.files.memory import fits
from cpexport.files.unpacked import UnpackingError, is_packed, open_unpacked

_PIECE = 1 << 24
_HEADER = 1 << 24
_LONGEST = 1 << 26
# Files up to this size are read at once.
_SMALL = 1 << 27
# A file's text, its fields and its columns are in memory at the same time.
_COPIES = 3
_SAMPLE = 1 << 12
_SEPARATOR = re.compile(rb"(?:\xef\xbb\xbf)?\"?sep=[,;|\t]\"?[,;|\t]*\r*\n", re.IGNORECASE)
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def first_lines(path: Path) -> tuple[bytes, bytes]:
    """Returns the first two lines of a table, as `beginning` does.

    A line has its line end, unless the file or `_HEADER` ends first.

    Raises:
        SourceError: the file cannot be read.
    """
    _, first, second = beginning(path)
    return first, second


def beginning(path: Path) -> tuple[int, bytes, bytes]:
    """Returns the number of lines before a table, and the first two lines of the table.

    Excel, and people who prepare files for it, add a first line with the delimiter: `sep=;`.

    Raises:
        SourceError: the file cannot be read.
    """
    try:
        with open_unpacked(path) as stream:
            first, second = stream.readline(_HEADER), stream.readline(_HEADER)
            if _SEPARATOR.fullmatch(first):
                return 1, second, stream.readline(_HEADER)
            return 0, first, second
    except OSError as error:
        raise unreadable(path, error) from error


def whole_lines(path: Path) -> tuple[bytes | bytearray, bool]:
    """Returns all lines that have a line end, and whether text follows the last of them.

    Raises:
        SourceError: as in `content`, or lines end in CR alone.
    """
    body = content(path)
    end = body.rfind(b"\n") + 1
    if not end and b"\r" in body[:-1]:
        raise _old_mac(path)
    return (body, False) if end == len(body) else (body[:end], True)


def without_empty_rows(body: bytes | bytearray, delimiter: str) -> bytes | bytearray:
    """Returns a table without the lines that have only delimiters.

    Spreadsheet programs write such lines below the last row, and people leave them when they empty
    a row. A line within quotation marks is part of a text and stays. Arrow itself skips empty
    lines.
    """
    mark = delimiter.encode()
    if b"\n" + mark not in body:
        return body
    kept, start, quotes = [], 0, 0
    for match in re.finditer(rb"^[%s]+\r*\n" % re.escape(mark), body, re.MULTILINE):
        between = body[start : match.start()]
        quotes += between.count(b'"')
        if quotes % 2 == 0:
            kept.append(between)
            start = match.end()
        else:
            quotes -= between.count(b'"')
    return b"".join([*kept, body[start:]]) if start else body


def content(path: Path) -> bytes | bytearray:
    """Returns all bytes of a text file.

    Raises:
        SourceError: the file cannot be read, has NUL bytes or a line that is too long, or does not
            fit in memory.
    """
    try:
        with open_unpacked(path) as stream:
            # How large a compressed file will be is only known at its end.
            size = None if is_packed(path) else stream.seek(0, os.SEEK_END)
            if size is not None:
                stream.seek(0)
                if not fits(size, _COPIES):
                    raise too_big(path, size)
            return _checked(path, stream, size)
    except OSError as error:
        raise unreadable(path, error) from error
    except MemoryError as error:
        raise too_big(path) from error


def unreadable(path: Path, error: OSError) -> SourceError:
    """The error for a file that cannot be read, in the system's words."""
    if isinstance(error, UnpackingError) and (kind := another_kind(path)):
        return kind
    return explained.unreadable(path, error, "make it readable, or move it out of OUTPUTS")


def too_big(path: Path, size: int | None = None) -> SourceError:
    """The error for a file of `size` bytes that does not fit in memory; the default is its size."""
    size = path.stat().st_size if size is None else size
    return SourceError(
        path,
        f"does not fit in memory ({size / 1e9:.1f} GB)",
        "load it on a machine with more memory, or with fewer --jobs",
    )


def no_table(path: Path) -> SourceError:
    """Returns why a file has no header of CellProfiler's, and what to do about it.

    Call it only if `csv_file.open_csv` finds no header.

    Raises:
        SourceError: the file cannot be read.
    """
    line, _ = first_lines(path)
    sample = line[:_SAMPLE]
    if not line:
        return SourceError(path, "is empty (0 bytes)", RERUN)
    if kind := no_text(path):
        return kind
    if 0 in sample:
        return SourceError(path, "has NUL bytes in its header", RERUN)
    if b"\r" in sample.rstrip(b"\r\n"):
        return _old_mac(path)
    if len(line) == _HEADER:
        return SourceError(
            path, "its first line is too long for a header", "move it out of OUTPUTS"
        )
    if not line.endswith(b"\n"):
        return SourceError(path, "is cut off in its header", RERUN)
    start = sample[:40].decode("utf-8", "replace").strip()
    # A link can lead to a file whose content is not for the readers of a report.
    quoted = "" if path.is_symlink() else f" ({start}...)"
    return SourceError(
        path,
        f"has no column ImageNumber in its header{quoted}",
        "select ImageNumber in ExportToSpreadsheet, or move the file out of OUTPUTS",
    )


def no_text(path: Path) -> SourceError | None:
    """What a file is that is not UTF-8 text, and what to do; None if it is not recognized."""
    if kind := another_kind(path):
        return kind
    sample = first_lines(path)[0][:_SAMPLE]
    # UTF-16 has a byte order mark, or every other byte of its Latin letters is 0.
    wide = len(sample) > 3 and any(sample[::2]) != any(sample[1::2])
    if wide or sample.startswith(_UTF16):
        return SourceError(
            path, "is UTF-16 text, like Excel's Unicode Text", "save it as CSV UTF-8"
        )
    return None


def _old_mac(path: Path) -> SourceError:
    problem = "has lines that end in CR alone, as on old Macs"
    return SourceError(path, problem, "save it as CSV UTF-8")


def last_byte(path: Path) -> bytes:
    """Returns the last byte of a file; nothing if it is empty.

    Raises:
        SourceError: the file cannot be read.
    """
    try:
        with open_unpacked(path) as stream:
            if not is_packed(path):
                stream.seek(max(stream.seek(0, 2) - 1, 0))
                return stream.read(1)
            last = b""
            while piece := stream.read(_PIECE):
                last = piece[-1:]
            return last
    except OSError as error:
        raise unreadable(path, error) from error


def _checked(path: Path, stream: BufferedReader, size: int | None) -> bytes | bytearray:
    """Returns the `size` bytes of a file; checks a large file piece by piece.

    Without a size, the file must fit in memory as it is read.
    """
    if size is not None and size <= _SMALL:
        small = stream.read(size)
        _check_is_text(path, small, 0, len(small))
        return small
    text = bytearray()
    while piece := stream.read(_PIECE):
        text += piece
        if size is None and not fits(len(text), _COPIES):
            raise too_big(path, len(text))
        _check_is_text(path, text, len(text) - len(piece), len(text))
    return text


def _check_is_text(path: Path, text: bytes | bytearray, begin: int, end: int) -> None:
    """Raises SourceError for NUL bytes or an overlong line in a piece of a file."""
    if (place := text.find(b"\0", begin, end)) >= 0:
        if kind := no_text(path):
            raise kind
        line = text.count(b"\n", 0, place) + 1
        problem = f"line {line}: NUL bytes, as a failed disk or copy leaves them"
        raise SourceError(path, problem, f"copy it again, or {RERUN}")
    if end > _LONGEST and text.rfind(b"\n", end - _LONGEST, end) < 0:
        problem = f"has a line longer than {_LONGEST >> 20} MB, so it is not a table"
        raise SourceError(path, problem, "move it out of OUTPUTS")
