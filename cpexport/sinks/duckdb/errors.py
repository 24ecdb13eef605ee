"""Checks whether a file can be a DuckDB destination, and explains DuckDB's errors to users."""

import errno
import os
import re
import shlex
from pathlib import Path
from typing import Final

from cpexport.errors import SinkError
from cpexport.sinks.sqlite.errors import writable

FULL: Final = "No space left"
_HOLDER: Final = re.compile(r"lock is held in (.+?) \(PID (\d+)\)")


def check_usable(path: Path, name: str, *, writing: bool) -> None:
    """Checks a path before DuckDB opens it. Unless it is for `writing`, the file may be read-only.

    Raises:
        SinkError: the path cannot be used; `name` is that of the destination.
    """
    folder = path.parent
    if not path.name or str(path) == ":memory:":
        raise SinkError(name, "no file is named", "write duckdb:///screen.duckdb")
    if not folder.is_dir():
        raise SinkError(
            name,
            f"the folder {folder} does not exist",
            f"create it: mkdir -p {shlex.quote(str(folder))}",
        )
    if (writing or not path.exists()) and not writable(folder):
        raise SinkError(name, f"the folder {folder} is read-only", "choose another folder")
    if path.exists() and not path.is_file():
        raise SinkError(name, "not a file", "name a file")
    if writing and path.exists() and not writable(path):
        raise SinkError(name, "read-only", "make it writable, or choose another file")


# As DuckDB 1.4 says that a file is cut off or overwritten.
_DAMAGED = ("Corrupt database file", "Could not read enough bytes")


def unreplayed(text: str) -> bool:
    """Whether DuckDB cannot read a file as a killed load left its log next to it."""
    return "replaying WAL" in text and os.strerror(errno.EBADF) in text


def reason(text: str) -> tuple[str, str]:
    """The problem and the advice for an error of DuckDB's."""
    if "set lock on file" in text:
        holder = _HOLDER.search(text)
        who = f"process {holder[2]} ({holder[1]})" if holder else "another process"
        return f"locked by {who}", "wait until that process has ended, or stop it"
    if FULL in text:
        return f"the disk is full ({os.strerror(28)})", "free some space and run the command again"
    if "not a valid DuckDB database" in text:
        return "not a DuckDB database", "choose another file"
    if any(words in text for words in _DAMAGED):
        return (
            "damaged: not a whole DuckDB database",
            "restore it, or load its outputs into a new file",
        )
    if unreplayed(text):
        return (
            "a load that was killed left it open, and DuckDB before 2.0 cannot read such a file "
            "without the right to write",
            "run that load again, or install duckdb 2.0 or newer",
        )
    first = text.strip().partition("\n")[0]
    if re.search("unique constraint", first, re.IGNORECASE):
        return f"DuckDB reports: {first}", "drop the unique index, and run the command again"
    return f"DuckDB reports: {first}", (
        "nothing of the batch was stored; correct the cause, or report this as a bug"
    )
