"""Which processes have locked a file."""

import os
from pathlib import Path


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
