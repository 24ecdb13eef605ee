"""Opens files that other programs wrote: regular files only, and small ones only up to a limit.

Anyone who can write into a folder of outputs can put anything there under the name of a job's file:
a FIFO, whose opening waits for ever; a device, whose reading never ends; a file of any size.

An object of a bucket is opened like a file: by ranges, or as a copy that is at hand (`staging`).
"""

import errno
import os
import stat
from io import BufferedReader
from pathlib import Path
from typing import Final

from cpexport.files.places import RemotePath
from cpexport.files.remote_file import RemoteFile
from cpexport.files.staging import copy_of

_BUFFER: Final = 1 << 16
SMALL: Final = 1 << 26
"""The most bytes of a file that is read whole: a plan, a job's record, a stamp, a setup."""


class NotRegularError(OSError):
    """A path leads to something else than a regular file."""


def open_regular(path: Path, *, follow: bool = True, in_places: bool = False) -> BufferedReader:
    """Opens a regular file for reading; never waits for another process.

    `follow` is whether `path` may be a symbolic link. It may for files that discovery listed, as
    workflow programs stage files as links, and for no others. `in_places` is whether only some
    places of the file are read.

    Raises:
        OSError: the file does not exist, cannot be read, is a link, or is not a regular file.
    """
    if isinstance(path, RemotePath):
        copy = copy_of(path, in_places=in_places)
        return (
            BufferedReader(RemoteFile(path, in_places=in_places), _BUFFER)
            if copy is None
            else open_regular(copy)
        )
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
    try:
        descriptor = os.open(path, flags if follow else flags | os.O_NOFOLLOW)
    except OSError as error:
        if error.errno == errno.ELOOP and not follow:
            raise NotRegularError(error.errno, "it is a link", str(path)) from error
        raise
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise NotRegularError(errno.EINVAL, "it is not a regular file", str(path))
        return open(descriptor, "rb")  # noqa: PTH123 - a descriptor has no path
    except BaseException:
        os.close(descriptor)
        raise


def path_in_places(path: Path) -> Path | None:
    """The path by which a library opens the file that `open_regular` opens to read places of it.

    None for an object of a bucket without a copy, which only the opened file can read.
    """
    return copy_of(path, in_places=True) if isinstance(path, RemotePath) else path


def read_small(path: Path, most: int = SMALL, *, follow: bool = True) -> bytes:
    """Returns the content of a file of at most `most` bytes.

    Raises:
        OSError: as `open_regular`; or the file is larger.
    """
    with open_regular(path, follow=follow) as stream:
        content = stream.read(most + 1)
    if len(content) > most:
        raise OSError(errno.EFBIG, f"it is larger than {_size(most)}", str(path))
    return content


def read_text(path: Path, most: int = SMALL) -> str:
    """Returns the text of a file of at most `most` bytes; bytes that are not UTF-8 become U+FFFD.

    Raises:
        OSError: as `read_small`.
    """
    return read_small(path, most).decode("utf-8", "replace")


def _size(count: int) -> str:
    return f"{count >> 20} MB" if count >= 1 << 20 else f"{count} bytes"
