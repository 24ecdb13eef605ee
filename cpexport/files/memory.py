"""How much memory this process can still use, so that files too large for it are refused."""

import os
import resource
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_SMALL: Final = 1 << 27
"""Bytes that are always tried."""


def fits(size: int, copies: int = 1) -> bool:
    """Whether `copies` of `size` bytes fit into the memory that is left."""
    return size <= _SMALL or size * copies <= available()


def available() -> int:
    """The bytes of memory that this process can still use.

    Limits can be set by the machine, by its job or container, or for the process itself.
    """
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
    """The limits of this process's cgroups, version 1 and 2, which Slurm and Docker set."""
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
