"""Opens files that other programs wrote: regular files only, and small ones only up to a limit.

Anyone who can write into a folder of outputs can put anything there under the name of a job's file:
a FIFO, whose opening waits for ever; a device, whose reading never ends; a file of any size.
"""

import errno
import os
import stat
from io import BufferedReader
from pathlib import Path
from typing import Final

SMALL: Final = 1 << 26
"""The most bytes of a file that is read whole: a plan, a job's record, a stamp, a setup."""


class NotRegularError(OSError):
    """A path leads to something else than a regular file."""


def open_regular(path: Path, *, follow: bool = True) -> BufferedReader:
    """Opens a regular file for reading; never waits for another process.

    `follow` is whether `path` may be a symbolic link. It may for files that discovery listed, as
    workflow programs stage files as links, and for no others.

    Raises:
        OSError: the file does not exist, cannot be read, is a link, or is not a regular file.
    """
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
