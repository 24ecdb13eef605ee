"""Commits between the queries of others, who wait a second at most.

A commit waits until all readers have ended, and new readers wait behind the commit. They go on only
if it rolls back. So a commit gives up after a second, and the transaction is run again.
Source: sqlite.org/lockingv3.html.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from cpexport._wait_notice import waiting_for
from cpexport.errors import HeldError, SinkError
from cpexport.files.locks import readers
from cpexport.sinks.sqlite.errors import LOCKED

_SECONDS: Final = 1.0
_PAUSE: Final = 0.02

WAIT: Final = "PRAGMA busy_timeout = 30000"
"""Lets statements wait so many milliseconds for others."""
DO_NOT_WAIT: Final = "PRAGMA busy_timeout = 0"
"""Within a transaction: to write pages early, SQLite would wait for who reads, at every page."""


def commit(attempt: Callable[[], object], path: Path, name: str) -> None:
    """Commits a transaction on the file by `attempt`, which does not wait.

    Raises:
        HeldError: others read for all of a second.
    """
    until = time.monotonic() + _SECONDS
    while True:
        try:
            with waiting_for("the disk"):
                attempt()
            return
        except SinkError as error:
            if error.problem != LOCKED:
                raise
            if time.monotonic() > until:
                who = ", ".join(readers(path)) or "another program"
                problem = f"could not be written, as it was read by {who}"
                raise HeldError(
                    name, problem, "end that program, and run the command again"
                ) from error
        time.sleep(_PAUSE)
