"""A folder that was listed: what a walk yields, wherever the folder lies."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from cpexport.files.places import path_of

SCRIPT = "cpexport-script.json"
"""The file that marks a folder written by `cpexport script`, which contains no job's files."""

ReportFiles = Callable[[int], None]
"""A callback that repeatedly gets the number of files seen; it can raise to stop the walk."""

SYSTEM_FOLDERS = frozenset({"__MACOSX", "lost+found"})


@dataclass(frozen=True, slots=True)
class Listed:
    """One folder: the names of its regular files, in order, and what cannot be read in it.

    `where` is its path as text: most folders of a large run are passed over before it is needed.
    `closed` are a folder that cannot be listed, and FIFOs, sockets and devices, each with the
    reason. `real` is the folder's path without links. `state` changes when the folder or one of its
    files does, however it is changed; it is empty if a file was written just now or is a link, or
    if the folder has anything but regular files.
    """

    where: str
    real: str
    names: tuple[str, ...]
    closed: tuple[tuple[Path, str], ...] = field(default=())
    state: bytes = b""

    @property
    def path(self) -> Path:
        return path_of(self.where)

    def real_path(self, name: str) -> str:
        """The path of one of its files without links."""
        path = os.path.join(self.real, name)  # noqa: PTH118 - called for every file
        return os.path.realpath(path) if os.path.islink(path) else path  # noqa: PTH114


def is_hidden(name: str) -> bool:
    """Whether a program keeps a file or folder of this name for itself.

    On foreign disks, macOS puts `._Image.csv` next to `Image.csv`. While the file is open, Office
    adds `~$Image.csv`, and editors add `.#Image.csv`, `#Image.csv#` or `Image.csv~`. File servers
    keep old versions in folders such as `.snapshot`.
    """
    if name.startswith((".", "~$")) or name.endswith("~") or name in SYSTEM_FOLDERS:
        return True
    return name.startswith("#") and name.endswith("#")
