"""What the file system of a path can do."""

import os
from pathlib import Path
from typing import Final

_MOUNTS: Final = Path("/proc/self/mounts")
_LOCAL: Final = frozenset(
    ("ext2", "ext3", "ext4", "xfs", "btrfs", "zfs", "f2fs", "jfs", "tmpfs", "ramfs", "overlay")
)


def is_local(path: Path) -> bool:
    """Whether a path is on a disk of this machine, as far as is known: programs on other machines
    cannot have it open, and programs here can share memory that belongs to its files.

    False if unsure, as for file systems of networks and clusters, and on other systems than Linux.
    """
    try:
        lines = _MOUNTS.read_text(errors="replace").splitlines()
        place = path.resolve()
    except OSError:
        return False
    longest, kind = -1, ""
    for _, folder, type, *_ in (line.split() for line in lines):
        mounted = Path(folder.replace("\\040", " "))
        # Of two mounts on one folder, the later one hides the other.
        if place.is_relative_to(mounted) and len(mounted.parts) >= longest:
            longest, kind = len(mounted.parts), type
    return kind in _LOCAL


def readers(path: Path) -> tuple[str, ...]:
    """The other processes of this machine that have locked a file, as users know them: empty if
    the system does not say so."""
    try:
        inode = path.stat().st_ino
        lines = Path("/proc/locks").read_text().splitlines()
    except OSError:
        return ()
    found = {}
    for line in lines:
        words = line.split()
        if words[1] == "->" or words[5].rpartition(":")[2] != str(inode):
            continue
        number = int(words[4])
        try:
            name = Path(f"/proc/{number}/comm").read_text().strip()
        except OSError:
            continue
        found[number] = f"process {number} ({name})"
    found.pop(os.getpid(), None)
    return tuple(found.values())
