"""Walks folders: the regular files of every folder below some place, each folder once."""

import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from cpexport.errors import SourceError

SCRIPT = "cpexport-script.json"
"""The file that makes a folder one of `cpexport script`, where nothing is a job's."""

Told = Callable[[int], None]
"""Told again and again how many files were seen so far; may raise to stop."""

_NOBODYS = frozenset({"__MACOSX", "lost+found"})


@dataclass(frozen=True)
class Listed:
    """One folder: its regular files by name, in order, and the subfolders that cannot be listed.

    `real` is the folder's path without links.
    """

    path: Path
    real: str
    names: tuple[str, ...]
    closed: tuple[tuple[Path, str], ...] = field(default=())

    def real_path(self, name: str) -> str:
        """The path of one of its files without links."""
        path = os.path.join(self.real, name)  # noqa: PTH118 - called for every file
        return os.path.realpath(path) if os.path.islink(path) else path  # noqa: PTH114


def is_hidden(name: str) -> bool:
    """Whether a file or folder of this name holds what programs keep for themselves.

    macOS puts `._Image.csv` beside `Image.csv` where the disk is not its own, Office `~$Image.csv`,
    and editors `.#Image.csv`, `#Image.csv#` or `Image.csv~`, while it is open; file servers keep
    old versions in folders such as `.snapshot`.
    """
    if name.startswith((".", "~$")) or name.endswith("~") or name in _NOBODYS:
        return True
    return name.startswith("#") and name.endswith("#")


def is_text(path: str) -> bool:
    """Whether a path can be written as UTF-8, so that reports and ledgers can name it."""
    try:
        return path.isascii() or bool(path.encode())
    except UnicodeEncodeError:
        return False


def is_regular(path: Path) -> bool:
    """Whether a path is a regular file, or a link to one: reading others may never end."""
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except OSError:
        return False


def walk(top: Path, told: Told = lambda files: None) -> Iterator[Listed]:
    """Every folder below `top` once, `top` first, in order of name; links are followed.

    Hidden files and folders are left out, and folders of `cpexport script` with all that is in
    them.

    Raises:
        SourceError: `top` cannot be listed.
    """
    seen: set[str] = set()
    files = 0
    todo = [(top, os.path.realpath(top))]
    while todo:
        path, real = todo.pop()
        if real in seen:
            continue
        seen.add(real)
        try:
            names, folders = _listed(path)
        except OSError as error:
            problem = f"cannot be listed: {error.strerror}"
            if path == top:
                raise SourceError(top, problem, "check it") from error
            yield Listed(path, real, (), ((path, problem),))
            continue
        files += len(names)
        told(files)
        if SCRIPT in names:
            continue
        yield Listed(path, real, tuple(sorted(names)))
        for name, is_link in sorted(folders, reverse=True):
            below = os.path.join(real, name)  # noqa: PTH118
            todo.append((path / name, os.path.realpath(below) if is_link else below))


def _listed(path: Path) -> tuple[list[str], list[tuple[str, bool]]]:
    """The names of a folder's regular files, and of its subfolders with whether they are links."""
    names, folders = [], []
    with os.scandir(path) as entries:
        for entry in entries:
            if is_hidden(entry.name):
                continue
            try:
                if entry.is_dir():
                    folders.append((entry.name, entry.is_symlink()))
                elif entry.is_file() or _leads_nowhere(entry):
                    names.append(entry.name)
            except OSError:
                # Gone meanwhile.
                continue
    return names, folders


def _leads_nowhere(entry: os.DirEntry[str]) -> bool:
    """Whether a link's file is not there, as git-annex leaves it: it is named when it is read."""
    if not entry.is_symlink():
        return False
    try:
        entry.stat()
    except OSError:
        return True
    return False
