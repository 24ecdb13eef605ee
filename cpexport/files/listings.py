"""Remembers what buckets listed, so that objects below OUTPUTS are not asked for one by one.

The names of a folder lie in a temporary file, and some bytes for each folder in memory.
"""

import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

from cpexport.files.buckets import Entry
from cpexport.files.spool import Spool

Files = Mapping[str, Entry]


class Listing:
    """What lies below one URL, as the bucket listed it; folders can come in any order."""

    def __init__(self, top: Path) -> None:
        self._top = str(top)
        self._files: Spool[Files] = Spool()
        self._places: dict[str, int] = {}
        self._last: tuple[str, Files] = ("", {})
        self._lock = threading.Lock()
        with _LOCK:
            _TOPS[self._top] = self

    def add(self, folder: str, files: Files) -> None:
        """Adds files to a folder, and the folders above it up to the top."""
        files = {**self.files(folder), **files}
        with self._lock:
            self._last = (folder, files)
            self._places[folder] = len(self._files)
            self._files.append(files)
        while folder != self._top:
            folder = folder.rpartition("/")[0]
            if folder in self._places:
                return
            with self._lock:
                self._places[folder] = len(self._files)
                self._files.append({})

    def folders(self) -> list[str]:
        """All folders, each before those below it, in the order in which a disk lists them."""
        return sorted(self._places, key=lambda folder: folder.split("/"))

    def __contains__(self, folder: str) -> bool:
        return folder in self._places

    def files(self, folder: str) -> Files:
        """The files of a folder; none if it was not listed."""
        with self._lock:
            if self._last[0] != folder and folder in self._places:
                self._last = (folder, self._files[self._places[folder]])
            return self._last[1] if self._last[0] == folder else {}


_TOPS: dict[str, Listing] = {}
# Folders that were asked for before they were listed: those that the user named.
_FOLDERS: set[str] = set()
_LOCK = threading.Lock()


def entry(path: Path) -> Entry | None:
    """What a listing says about an object; None if no listing has it."""
    folder = str(path.parent)
    for listing in _of(folder):
        if found := listing.files(folder).get(path.name):
            return found
    return None


def is_folder(path: Path) -> bool:
    """Whether a listing has objects below this path."""
    return str(path) in _FOLDERS or any(str(path) in listing for listing in _of(str(path)))


def note_folder(path: Path) -> None:
    """Remembers that there are objects below this path."""
    _FOLDERS.add(str(path))


def names(path: Path) -> list[str]:
    """The names of a folder's files, as they were listed."""
    return sorted({name for listing in _of(str(path)) for name in listing.files(str(path))})


def _of(folder: str) -> Iterator[Listing]:
    with _LOCK:
        tops = list(_TOPS.items())
    return (listing for top, listing in tops if f"{folder}/".startswith(f"{top}/"))
