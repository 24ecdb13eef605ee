"""Walks folders: lists the regular files of every folder below a given one, each folder once.

A prefix of a bucket is walked like a folder (`walk_bucket`).
"""

import os
import stat
import time
from collections.abc import Iterable, Iterator
from operator import attrgetter
from pathlib import Path
from typing import Final

import xxhash

from cpexport.errors import SourceError
from cpexport.files.bucket_walk import walk_bucket
from cpexport.files.digest_set import DigestSet
from cpexport.files.listed import SCRIPT, SYSTEM_FOLDERS, Listed, ReportFiles, is_hidden
from cpexport.files.places import RemotePath

SETTLED: Final = 2.0
"""Seconds. A file written less than this ago may be written again within the same tick of the file
system's clock."""

_SYSTEM = ("/proc/", "/sys/")
_FIRST = frozenset(".~#" + "".join(name[0] for name in SYSTEM_FOLDERS))
"""How the names of hidden files and folders begin, except for those that end with a mark."""


def is_text(path: str) -> bool:
    """Whether a path can be written as UTF-8, so that reports and ledgers can name it."""
    try:
        return path.isascii() or bool(path.encode())
    except UnicodeEncodeError:
        return False


def is_regular(path: Path) -> bool:
    """Whether a path is a regular file or a link to one. Reading other kinds may never end."""
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except OSError:
        return False


def walk(top: Path, report: ReportFiles = lambda files: None) -> Iterator[Listed]:
    """Yields every folder below `top` once, `top` first, in order of name; follows links.

    Skips hidden files and folders, and folders of `cpexport script` with everything below them.
    Does not follow a link to a folder that contains `top`, which has other runs in it, nor one to
    the system's own folders.

    Raises:
        SourceError: `top` cannot be listed.
    """
    if isinstance(top, RemotePath):
        yield from walk_bucket(top, report)
        return
    seen = DigestSet()
    files = 0
    real_top = os.path.realpath(top)
    todo = [(str(top), real_top)]
    while todo:
        path, real = todo.pop()
        if not seen.add(real):
            continue
        if _leads_away(real, real_top):
            why = f"is a link to {real}, which is not followed"
            yield Listed(path, real, (), ((Path(path), why),))
            continue
        try:
            entries, folders, others = _listed(path)
        except OSError as error:
            problem = f"cannot be listed: {error.strerror}"
            if Path(path) == top:
                raise SourceError(top, problem, "make it readable, or leave it out") from error
            yield Listed(path, real, (), ((Path(path), problem),))
            continue
        files += len(entries)
        report(files)
        entries.sort(key=_name)
        names = tuple(map(_name, entries))
        if SCRIPT in names:
            continue
        closed = tuple((Path(path, name), "is not a regular file") for name in sorted(others))
        state = b"" if folders or others else _state(real, entries)
        yield Listed(path, real, names, closed, state)
        for name, is_link in sorted(folders, reverse=True):
            # Path would take most of the time of a walk.
            below = os.path.join(real, name)  # noqa: PTH118
            if is_link:
                below = os.path.realpath(below)
            todo.append((os.path.join(path, name), below))  # noqa: PTH118


def _leads_away(real: str, top: str) -> bool:
    """Whether a folder contains `top`, or is one of those in which files stand for other things."""
    if top.startswith(f"{real.rstrip('/')}/"):
        return True
    return real.startswith(_SYSTEM) and not top.startswith(_SYSTEM)


def _listed(
    path: str,
) -> tuple[list[os.DirEntry[str]], list[tuple[str, bool]], list[str]]:
    """A folder's regular files, the names of its subfolders with whether each is a link, and the
    names of everything else."""
    files, folders, others = [], [], []
    with os.scandir(path) as entries:
        for entry in entries:
            name = entry.name
            # Most names need no second look, and there can be millions.
            if (name[0] in _FIRST or name[-1] in "~#") and is_hidden(name):
                continue
            try:
                if entry.is_dir():
                    folders.append((name, entry.is_symlink()))
                elif entry.is_file() or _leads_nowhere(entry):
                    files.append(entry)
                else:
                    others.append(name)
            except OSError:
                # Deleted in the meantime.
                continue
    return files, folders, others


_name = attrgetter("name")


def _state(real: str, entries: Iterable[os.DirEntry[str]]) -> bytes:
    """A digest of what the system says about files; see `Listed.state`."""
    parts = [real]
    newest = 0
    for entry in entries:
        try:
            status = entry.stat(follow_symlinks=False)
        except OSError:
            return b""
        if stat.S_ISLNK(status.st_mode):
            return b""
        newest = max(newest, status.st_mtime_ns, status.st_ctime_ns)
        parts.append(
            f"{entry.name}\0{status.st_ino} {status.st_size} {status.st_mtime_ns} "
            f"{status.st_ctime_ns}"
        )
    if newest / 1e9 > time.time() - SETTLED:
        return b""
    text = "\n".join(parts).encode("utf-8", "surrogateescape")
    return xxhash.xxh3_128_hexdigest(text).encode()


def _leads_nowhere(entry: os.DirEntry[str]) -> bool:
    """Whether a link's target is missing, as git-annex leaves it: the later read reports it."""
    if not entry.is_symlink():
        return False
    try:
        entry.stat()
    except OSError:
        return True
    return False
