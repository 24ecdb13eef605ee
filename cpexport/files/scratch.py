"""The folder for decoded batches, which lasts as long as a load."""

import errno
import fcntl
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

# Version 0.1.0 put the number of its process and a dash into the name, and locked nothing.
_SCRATCH = "cpexport-scratch-"
_LOCK = "lock"


@contextmanager
def scratch_folder(home: Path | None = None, prefix: str = _SCRATCH) -> Iterator[Path]:
    """A folder for decoded batches, deleted at the end.

    home: where it is made; by default where temporary files are.
    prefix: how its name begins, up to the last dash.

    First deletes the folders that this user's killed loads left behind. A load locks a file in its
    folder. The number of its process would not do: another machine, or a container, can have the
    same folder for temporary files, and a process of the same number.
    """
    home = home or Path(tempfile.gettempdir())
    delete_left_behind(home, prefix)
    folder, lock = _locked_folder(home, prefix)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def delete_left_behind(home: Path, prefix: str) -> None:
    """Deletes the folders that killed loads left in `home`."""
    for folder in home.glob(f"{prefix}*"):
        if "-" not in folder.name.removeprefix(prefix):
            _delete_if_left(folder)


def _locked_folder(home: Path, prefix: str) -> tuple[Path, int]:
    """A new folder, and the descriptor that locks it."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=prefix, dir=home))
        # Another load can take it for one that was left behind until it is locked: try a new one.
        with suppress(FileNotFoundError, BlockingIOError):
            try:
                return folder, _locked(folder)
            except OSError as error:
                if not isinstance(error, FileNotFoundError | BlockingIOError):
                    shutil.rmtree(folder, ignore_errors=True)
                raise


def _delete_if_left(folder: Path) -> None:
    """Deletes a folder unless a load has locked it, or it is another user's.

    A load locks its folder just after it makes it, so the lock is held for as long as this goes on,
    also for a folder that has no lock yet.
    """
    with suppress(OSError):
        status = folder.lstat()
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid():
            return
        lock = _locked(folder, must=True)
        try:
            shutil.rmtree(folder, ignore_errors=True)
        finally:
            os.close(lock)


def _locked(folder: Path, *, must: bool = False) -> int:
    """Locks a folder, and returns the descriptor of its lock.

    Where files cannot be locked at all, a folder goes without unless it `must` be locked, so no
    load deletes another's there.

    Raises:
        BlockingIOError: another process has locked it.
        FileNotFoundError: another process has deleted it.
        OSError: it cannot be locked.
    """
    path = folder / _LOCK
    lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise
        except OSError:
            if must:
                raise
        # The file may have been deleted since it was opened, which leaves a lock on nothing.
        if not os.path.samestat(os.fstat(lock), path.stat()):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
    except BaseException:
        os.close(lock)
        raise
    return lock
