"""Opens a DuckDB file that a process may have left open or empty when it was killed."""

import fcntl
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import duckdb

from cpexport.sinks.duckdb.errors import unreplayed
from cpexport.sinks.in_place import identity
from cpexport.sinks.sqlite.errors import writable


def connected(path: Path, *, writing: bool) -> Any:
    """A connection to the file; what a load that was killed had committed is there.

    Raises:
        duckdb.Error: it cannot be opened.
    """
    try:
        return duckdb.connect(path, read_only=not writing)
    except duckdb.Error as error:
        if writing or not unreplayed(str(error)) or not writable(path):
            raise
    # Before 2.0, DuckDB takes over the log of a killed process only where it may write.
    duckdb.connect(path).close()
    return duckdb.connect(path, read_only=True)


def remove_empty(path: Path) -> None:
    """Removes an empty file that a process left when it was killed.

    DuckDB locks a file as soon as it has made it, so an empty file that no process has locked for a
    second belongs to none.
    """
    # Not by the time of the file, which another clock may have set.
    until = time.monotonic() + 1
    while path.exists() and path.stat().st_size == 0:
        if time.monotonic() > until:
            with suppress(FileNotFoundError), path.open("r+b") as file:
                try:
                    fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except OSError:
                    return
                # Another process that found it may have removed it, and made a new one.
                stat = os.fstat(file.fileno())
                if not stat.st_size and identity(path) == (stat.st_dev, stat.st_ino):
                    path.unlink()
            return
        time.sleep(0.1)
