"""Disks that are full or read-only, and limits of what a process may use."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from days.disk import Disk

from faults.places import FILES, NAMES, SCRIPTS
from faults.setup import CannotRunError, Row, Setup, Tried, spread
from faults.trials import Trials

# Room for so many pages of 4 KiB; a load takes from 30 to 150.
PAGES = (
    *(0, 1, 2, 3, 4, 5, 6, 8, 10, 12, 14, 16, 18, 20, 24, 28, 32, 36, 40, 48, 56, 64, 72, 80, 96),
    *(112, 128, 160, 192, 256),
)
_MEBIBYTE = 1 << 20
LIMITS = {
    "FSIZE": (*(1 << power for power in range(9, 20)),),
    "NOFILE": tuple(range(8, 40, 2)),
    # Less than this, and the loader of shared libraries itself ends the process.
    "AS": tuple(step * _MEBIBYTE for step in (16, 32, 48, 64, 96, 128, 192, 256, 384, 512)),
}


def _on_small_disk(setup: Setup, place: str) -> tuple[Disk, Trials]:
    """A place, with the scratch folder, on a disk of its own.

    Raises:
        CannotRunError: only root can mount one, or the machine does not allow it.
    """
    disk = Disk(setup.new(f"disk-{place}"))
    if not disk.is_mounted:
        raise CannotRunError("only root can mount a small disk, where the machine allows it")
    try:
        home = disk.folder / setup.new(f"full-{place}").name
        return disk, Trials(
            setup.place(place, home), setup.screen(home), setup.environment, fresh=True
        )
    except BaseException:
        _gone(disk)
        raise


def _gone(disk: Disk) -> None:
    disk.close()
    disk.folder.rmdir()


@contextmanager
def _full(disk: Disk, pages: int) -> Iterator[None]:
    disk.fill(pages)
    try:
        yield
    finally:
        disk.free()


def _full_disks(setup: Setup, place: str) -> Tried:
    """The disk has room for some pages only, for the destination and for scratch files."""
    disk, trials = _on_small_disk(setup, place)
    try:
        for number in spread(len(PAGES)):
            pages = PAGES[number - 1]
            yield trials.attempt(f"room for {pages} pages", _full(disk, pages))
    finally:
        _gone(disk)


@contextmanager
def _remounted(disk: Disk) -> Iterator[None]:
    for_reading, for_writing = (
        ["mount", "-o", f"remount,{mode}", str(disk.folder)] for mode in ("ro", "rw")
    )
    subprocess.run(for_reading, check=True)
    try:
        yield
    finally:
        subprocess.run(for_writing, check=True)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    folder.chmod(0o555)
    try:
        yield
    finally:
        folder.chmod(0o755)


def _read_only(setup: Setup, place: str) -> Tried:
    """The disk is mounted read-only, and for users other than root the folder is locked."""
    if os.getuid():
        for trials in (setup.trials(place), setup.trials(place, fresh=True)):
            yield trials.attempt("a locked folder", _locked(trials.place.folder))
            yield trials.attempt("a locked scratch folder", _locked(trials.scratch))
        return
    disk, trials = _on_small_disk(setup, place)
    try:
        yield trials.attempt("a read-only disk", _remounted(disk))
    finally:
        _gone(disk)


def _limited(name: str, setup: Setup, place: str) -> Tried:
    """The command may use only so much, in a load that changes a destination, and in a first."""
    values = LIMITS[name]
    for number in spread(len(values)):
        value = values[number - 1]
        for trials in (setup.trials(place), setup.trials(place, fresh=True)):
            limited = trials.limited(**{name: value})
            yield trials.attempt(f"RLIMIT_{name} {value}", limited, may_crash=name == "AS")


ROWS = (
    Row("full-disk", (*FILES, *SCRIPTS), _full_disks),
    Row("read-only", (*FILES, *SCRIPTS), _read_only),
    *(Row(f"limit-{name.lower()}", NAMES, partial(_limited, name)) for name in LIMITS),
)
