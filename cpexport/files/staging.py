"""Copies objects of buckets to this machine while they are read, and deletes the copies after that.

Each worker has the files of one batch at most, in a folder for temporary files (TMPDIR). A file of
this machine is used where it is.
"""

import shutil
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from cpexport.files.buckets import BucketError
from cpexport.files.places import RemotePath
from cpexport.files.scratch import scratch_folder

_PIECE: Final = 1 << 23
# What tells which image sets a measurement file has lies all over it. Reading only that takes
# hundreds of requests (see `remote_file`), which cost more time than the rest of a small file.
_WORTH: Final = 1 << 27


_AT_ONCE: Final = 8
"""Most of the time of a small file is waiting for its first byte."""


class _Copies(threading.local):
    """The files that this thread has at hand, and their copies, which the first opening begins.

    whole: as in `at_hand`. `stack` closes what the copies need.
    """

    def __init__(self) -> None:
        self.paths: tuple[RemotePath, ...] = ()
        self.made: dict[Path, Future[Path]] = {}
        self.stack, self.whole = ExitStack(), False


_COPIES = _Copies()


@contextmanager
def at_hand(paths: Iterable[Path], *, whole: bool = False) -> Iterator[None]:
    """Within it, opening one of these files gives a copy, which is made only once.

    whole: also for those who read a few places of a large file, as of measurement files.
    """
    remote = tuple(path for path in paths if isinstance(path, RemotePath))
    if not remote or _COPIES.paths:
        yield
        return
    with ExitStack() as stack:
        _COPIES.paths, _COPIES.whole, _COPIES.stack = remote, whole, stack
        try:
            yield
        finally:
            _COPIES.paths, _COPIES.made = (), {}


def copy_of(path: RemotePath, *, in_places: bool = False) -> Path | None:
    """The copy of a file that is at hand; None if it is not, and is read where it lies.

    in_places: whether only a few places of it are read.

    Raises:
        BucketError: the file cannot be read, or there is no room for it.
    """
    if path not in _COPIES.paths:
        return None
    if in_places and not _COPIES.whole and path.entry().size > _WORTH:
        return None
    if not _COPIES.made:
        folder = _COPIES.stack.enter_context(scratch_folder())
        pool = ThreadPoolExecutor(_AT_ONCE)
        _COPIES.stack.callback(pool.shutdown, cancel_futures=True)
        for number, each in enumerate(_COPIES.paths):
            _COPIES.made[each] = pool.submit(_copied, each, folder / str(number))
    return _COPIES.made[path].result()


@contextmanager
def local(path: Path) -> Iterator[Path]:
    """The path of a file on this machine: a copy, if it lies in a bucket.

    Raises:
        BucketError: as `copy_of`.
    """
    if not isinstance(path, RemotePath):
        yield path
    elif (copy := copy_of(path)) is not None:
        yield copy
    else:
        with scratch_folder() as folder:
            yield _copied(path, folder / "copy")


def _copied(path: RemotePath, target: Path) -> Path:
    entry, bucket = path.entry(), path.bucket
    room = shutil.disk_usage(target.parent).free
    if entry.size > room:
        problem = f"has {entry.size / 1e9:.1f} GB, and {target.parent.parent} has {room / 1e9:.1f}"
        advice = "free some space there, or set TMPDIR to another folder"
        raise BucketError(str(path), problem, advice)
    with target.open("wb") as stream:
        for start in range(0, entry.size, _PIECE):
            stop = min(start + _PIECE, entry.size)
            stream.write(bucket.read(path.key, start, stop, entry.tag))
    return target
