"""Checks whether a file can be a SQLite destination, and explains SQLite's errors to users."""

import errno
import os
import re
import shlex
from pathlib import Path
from typing import Final

from cpexport.errors import SinkError

LOCKED: Final = "locked by another process"
# The last words of an error quote the statement, so only the first ones count.
_GONE = re.compile(
    r"no such (?:table|column|view): (?:main\.)?(\S+)|table (\S+) has no column named"
)
_MAGIC = b"SQLite format 3\x00"


def check_usable(path: Path, name: str, *, writing: bool) -> None:
    """Checks a path before SQLite opens it: SQLite would refuse it later with less explanation, or
    accept what it should not. Unless it is for `writing`, the file may be read-only.

    Raises:
        SinkError: the path cannot be used.
    """
    if not path.name or str(path) == ":memory:":
        raise SinkError(name, "no file is named", "write sqlite:///screen.sqlite")
    folder = path.parent
    if not folder.is_dir():
        raise SinkError(
            name,
            f"the folder {folder} does not exist",
            f"create it: mkdir -p {shlex.quote(str(folder))}",
        )
    if not path.exists():
        if not writable(folder):
            raise SinkError(name, f"the folder {folder} is read-only", "choose another folder")
        return
    if not path.is_file():
        raise SinkError(name, "not a file", "name a file")
    if writing and not writable(path):
        raise SinkError(name, "read-only", "make it writable, or choose another file")
    if writing and not writable(folder):
        raise SinkError(name, f"its folder {folder} is read-only", "choose another folder")
    if path.with_name(f"{path.name}-journal").exists():
        # The first page can be anything until SQLite has rolled the journal back.
        return
    with path.open("rb") as stream:
        start = stream.read(len(_MAGIC))
    if start and start != _MAGIC:
        raise SinkError(name, "not a SQLite database", "choose another file")


def reason(text: str) -> tuple[str, str]:
    """The problem and the advice for an error of SQLite's."""
    # Whole phrases of SQLite's, as the driver's text also quotes the statement.
    if re.search(r"database( table| schema)? is locked", text):
        return LOCKED, "wait until that process has ended, or stop it"
    if "database or disk is full" in text:
        return f"the disk is full ({os.strerror(errno.ENOSPC)})", (
            "free some space and run the command again"
        )
    if "disk I/O error" in text:
        return f"the disk reports an error ({os.strerror(errno.EIO)})", (
            "check the disk, and run the command again"
        )
    if "readonly database" in text:
        return "read-only", "make it writable, or choose another file"
    if re.search(r"file is not a database|disk image is malformed|malformed database", text):
        return "damaged: not a whole SQLite database", (
            "restore it, or load its outputs into a new file"
        )
    if gone := _GONE.search(text):
        return f"{gone[1] or gone[2]} is missing", (
            "restore it from a backup, or load the outputs into a new file"
        )
    if "UNIQUE constraint failed" in text:
        return f"SQLite reports: {text}", "drop the unique index, and run the command again"
    # The driver's text ends with the whole statement.
    return f"SQLite reports: {text.partition(' query: ')[0]}", (
        "nothing of the batch was stored; correct the cause, or report this as a bug"
    )


def unfinished(path: Path, text: str) -> tuple[str, str] | None:
    """The problem and the advice for an error of SQLite's if a file that is read has changes next
    to it that SQLite must complete first, where it cannot write; else None."""
    if not re.search(r"readonly database|unable to open database file", text):
        return None
    for end in ("-journal", "-wal"):
        log = path.with_name(path.name + end)
        if log.exists() and log.stat().st_size:
            return (
                f"the last program that wrote to it was cut off, and it is read-only: {log.name} "
                "must be applied first",
                "copy both files to a folder where you can write, and name the copy",
            )
    return None


def writable(path: Path) -> bool:
    """Whether a file can be written, or whether files can be made in a folder."""
    # For root, access() always succeeds, so the mode bits count too.
    return os.access(path, os.W_OK) and bool(path.stat().st_mode & 0o222)
