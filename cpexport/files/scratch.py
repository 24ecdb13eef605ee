"""The folder for decoded batches, which lasts as long as a load."""

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

# A folder has the first name until its load has locked it, and then the second. Version 0.1.0 put
# the number of its process and a dash into the name, and locked nothing.
_NEW = "cpexport-new-"
_SCRATCH = "cpexport-scratch-"
_LOCK = "lock"
# Seconds after which a new folder has long been renamed.
_SOON = 60.0


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """A folder for decoded batches, deleted at the end.

    First deletes the folders that this user's killed loads left behind. A load locks a file in its
    folder. The number of its process would not do: another machine, or a container, can have the
    same folder for temporary files, and a process of the same number.
    """
    home = Path(tempfile.gettempdir())
    for begin in (_NEW, _SCRATCH):
        for folder in home.glob(f"{begin}*"):
            if "-" not in folder.name.removeprefix(begin):
                _delete_if_left(folder)
    folder, lock = _locked_folder(home)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _locked_folder(home: Path) -> tuple[Path, int]:
    """A new folder, and the descriptor that locks it."""
    while True:
        new = Path(tempfile.mkdtemp(prefix=_NEW, dir=home))
        # Until it is locked, another load may take it for one that was left behind, and delete it.
        with suppress(FileNotFoundError, BlockingIOError):
            lock = os.open(new / _LOCK, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            try:
                _lock(lock)
                return new.rename(home / new.name.replace(_NEW, _SCRATCH)), lock
            except BaseException:
                os.close(lock)
                raise


def _delete_if_left(folder: Path) -> None:
    """Deletes a folder unless a load has locked it, or it is another user's."""
    with suppress(OSError):
        status = folder.stat(follow_symlinks=False)
        if folder.is_symlink() or status.st_uid != os.getuid():
            return
        if folder.name.startswith(_NEW) and status.st_mtime > time.time() - _SOON:
            # Its load is about to lock and rename it. To delete it now could go on after that.
            return
        lock = None
        with suppress(FileNotFoundError):
            lock = os.open(folder / _LOCK, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            if lock is not None:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
        finally:
            if lock is not None:
                os.close(lock)


def _lock(descriptor: int) -> None:
    """Locks an open file. Where files cannot be locked, no load deletes another's folder either.

    Raises:
        BlockingIOError: another process has locked it.
    """
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except OSError:
        return
