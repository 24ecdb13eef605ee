"""The bytes of a CSV file: its first lines, all whole lines, or the reason why they are no table.

Nothing is held in memory before its size is known: a line has at most `_LONGEST` bytes, a header
`_HEADER`, and a file must fit the memory that is to be had.
"""

import codecs
import io
import os
import re
import resource
from collections.abc import Iterator
from pathlib import Path

from cpexport.errors import RERUN, SourceError
from cpexport.filekinds import another_kind

_PIECE = 1 << 24
_HEADER = 1 << 24
_LONGEST = 1 << 26
# Files of up to this size are read at once, without asking how much memory there is.
_SMALL = 1 << 27
# A file's text, the same cut into fields, and its columns are in memory together.
_COPIES = 3
_SAMPLE = 1 << 12
_SEPARATOR = re.compile(rb"(?:\xef\xbb\xbf)?\"?sep=[,;|\t]\"?[,;|\t]*\r*\n", re.IGNORECASE)
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def first_lines(path: Path) -> tuple[bytes, bytes]:
    """The first two lines of a table, each with its line end unless the file or `_HEADER` ends
    before; see `beginning`.

    Raises:
        SourceError: the file cannot be read.
    """
    _, first, second = beginning(path)
    return first, second


def beginning(path: Path) -> tuple[int, bytes, bytes]:
    """How many lines come before a table, and its first two.

    Excel and people who write for it put a line in front that names the delimiter: `sep=;`.

    Raises:
        SourceError: the file cannot be read.
    """
    try:
        with path.open("rb") as stream:
            first, second = stream.readline(_HEADER), stream.readline(_HEADER)
            if _SEPARATOR.fullmatch(first):
                return 1, second, stream.readline(_HEADER)
            return 0, first, second
    except OSError as error:
        raise unreadable(path, error) from error


def whole_lines(path: Path) -> tuple[bytes | bytearray, bool]:
    """All lines that have an end, and whether the file goes on after the last of them.

    Raises:
        SourceError: as `content`, or lines end in CR alone.
    """
    body = content(path)
    end = body.rfind(b"\n") + 1
    if not end and b"\r" in body[:-1]:
        raise _old_mac(path)
    return (body, False) if end == len(body) else (body[:end], True)


def without_empty_rows(body: bytes | bytearray, delimiter: str) -> bytes | bytearray:
    """A table's lines but for those of nothing than delimiters, which spreadsheet programs write
    below the last row, and for rows that a person has emptied.

    A line within quotation marks is part of a text, and stays. Arrow passes over empty lines.
    """
    mark = delimiter.encode()
    if b"\n" + mark not in body:
        return body
    kept, at, quotes = [], 0, 0
    for found in re.finditer(rb"^[%s]+\r*\n" % re.escape(mark), body, re.MULTILINE):
        between = body[at : found.start()]
        quotes += between.count(b'"')
        if quotes % 2 == 0:
            kept.append(between)
            at = found.end()
        else:
            quotes -= between.count(b'"')
    return b"".join([*kept, body[at:]]) if at else body


def content(path: Path) -> bytes | bytearray:
    """All bytes of a file of text.

    Raises:
        SourceError: the file cannot be read, has NUL bytes or a line that is too long, or does not
            fit in memory.
    """
    try:
        with path.open("rb", buffering=0) as stream:
            size = os.fstat(stream.fileno()).st_size
            if size > _SMALL and size * _COPIES > _memory():
                raise too_big(path, size)
            return _checked(path, stream, size)
    except OSError as error:
        raise unreadable(path, error) from error
    except MemoryError as error:
        raise too_big(path) from error


def unreadable(path: Path, error: OSError) -> SourceError:
    """That a file cannot be read, in the system's words."""
    return SourceError(path, f"cannot be read: {error.strerror}", "check it")


def too_big(path: Path, size: int | None = None) -> SourceError:
    """That a file of `size` bytes does not fit in memory; without, it is looked at for its size."""
    size = path.stat().st_size if size is None else size
    return SourceError(
        path,
        f"does not fit in memory ({size / 1e9:.1f} GB)",
        "load it on a machine with more memory, or with fewer --jobs",
    )


def no_table(path: Path) -> SourceError:
    """Why a file has no header of CellProfiler's, and what to do about it.

    Only for files that `csvfile.open_csv` finds none in.

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
        return SourceError(path, "has a first line that is too long for a header", "check it")
    if not line.endswith(b"\n"):
        return SourceError(path, "is cut off in its header", RERUN)
    start = sample[:40].decode("utf-8", "replace").strip()
    return SourceError(
        path,
        f"has no column ImageNumber in its header ({start}...)",
        "choose ImageNumber among the columns of ExportToSpreadsheet, or take the file away",
    )


def no_text(path: Path) -> SourceError | None:
    """What a file is that is not text in UTF-8, and what to do; None if nothing tells."""
    if kind := another_kind(path):
        return kind
    sample = first_lines(path)[0][:_SAMPLE]
    # By its mark, or by every other byte of Latin letters being 0.
    wide = len(sample) > 3 and any(sample[::2]) != any(sample[1::2])
    if wide or sample.startswith(_UTF16):
        return SourceError(path, "is UTF-16 text, as Excel's Unicode Text", "save it as CSV UTF-8")
    return None


def _old_mac(path: Path) -> SourceError:
    problem = "has lines that end in CR alone, as on old Macs"
    return SourceError(path, problem, "save it as CSV UTF-8")


def _checked(path: Path, stream: io.FileIO, size: int) -> bytes | bytearray:
    """The `size` bytes of a file; each piece of a large one is looked at before the next."""
    if size <= _SMALL:
        small = stream.read(size) or b""
        _refuse_no_text(path, small, 0, len(small))
        return small
    text = bytearray()
    while piece := stream.read(_PIECE):
        text += piece
        _refuse_no_text(path, text, len(text) - len(piece), len(text))
    return text


def _refuse_no_text(path: Path, text: bytes | bytearray, begin: int, end: int) -> None:
    """Refuses NUL bytes in a piece of a file, and a line that is too long and ends in it."""
    if (place := text.find(b"\0", begin, end)) >= 0:
        if kind := no_text(path):
            raise kind
        line = text.count(b"\n", 0, place) + 1
        problem = f"line {line}: NUL bytes, as a disk or a copy that failed leaves them"
        raise SourceError(path, problem, f"copy it again, or {RERUN}")
    if end > _LONGEST and text.rfind(b"\n", end - _LONGEST, end) < 0:
        problem = f"has a line that is longer than {_LONGEST >> 20} MB"
        raise SourceError(path, problem, "take the file away, it is no table")


def _memory() -> int:
    """The bytes that this process may still take: of the machine, its job or container, itself."""
    limits = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    if soft != resource.RLIM_INFINITY:
        limits.append(soft)
    for line in _lines(Path("/proc/meminfo")):
        if line.startswith("MemAvailable:"):
            limits.append(int(line.split()[1]) << 10)
    limits += _cgroup_limits()
    return min(limits)


def _cgroup_limits() -> Iterator[int]:
    """The limits of the cgroups of this process, version 1 and 2, which Slurm and Docker set."""
    root = Path("/sys/fs/cgroup")
    for line in _lines(Path("/proc/self/cgroup")):
        _, controllers, name = line.split(":", 2)
        if controllers not in ("", "memory"):
            continue
        home = root / controllers / name.strip("/")
        for folder in (home, *home.parents):
            for file in ("memory.max", "memory.limit_in_bytes"):
                yield from (int(text) for text in _lines(folder / file) if text.isdigit())
            if folder == root:
                break


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text("ascii").splitlines()
    except (OSError, UnicodeDecodeError):
        return []
