"""Writes a report to its file: whole, or not at all."""

import os
import tempfile
from contextlib import suppress
from pathlib import Path

from cpexport.errors import UsageError
from cpexport.files.opening import open_regular

_HEAD = 600


def check_replaceable(file: Path, mark: str) -> None:
    """Checks that a file does not exist, or that cpexport wrote it: its beginning has the mark.

    Raises:
        UsageError: another program wrote it, it is a folder, or its folder does not exist.
    """
    if not file.parent.is_dir():
        raise UsageError(f"{file}: its folder does not exist; make it, or name another file")
    if file.is_dir():
        raise UsageError(f"{file}: is a folder; name a file")
    if not file.exists():
        return
    with open_regular(file) as stream:
        head = stream.read(_HEAD)
    if mark.encode() not in head:
        raise UsageError(f"{file}: exists, and cpexport did not write it; name another file")


def write(text: str, file: Path) -> None:
    """Writes a file, in place of an older one only when it is whole.

    Raises:
        OSError: it cannot be written; an older one is as it was.
    """
    descriptor, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    new = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as stream:
            stream.write(text)
        # As `open` would have made it; a temporary file is for its owner only.
        umask = os.umask(0)
        os.umask(umask)
        new.chmod(0o666 & ~umask)
        new.replace(file)
    except BaseException:
        with suppress(OSError):
            new.unlink()
        raise
