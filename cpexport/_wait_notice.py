"""Reports that something is waiting for a lock, once it has waited for a while."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

_log = logging.getLogger(__name__)
_SECONDS: Final = 2.0


@contextmanager
def waiting_for(what: str) -> Iterator[None]:
    """Logs a warning that the block waits for `what` if it takes longer than two seconds.

    A separate thread logs the warning, because the block itself is inside a library at that time.
    """
    timer = threading.Timer(_SECONDS, _log.warning, ["waiting for %s", what])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
