"""Brings what a worker process logs to the process that it works for."""

import logging
import threading
from collections.abc import Callable
from copy import copy
from multiprocessing.connection import Connection
from typing import Any, Final

PACKAGE: Final = "cpexport"


def wanted_level() -> int:
    """The level from which this process wants the package's messages."""
    return logging.getLogger(PACKAGE).getEffectiveLevel()


def handle(record: logging.LogRecord) -> None:
    """Gives the record of a worker to the handlers of this process."""
    logger = logging.getLogger(record.name)
    if logger.isEnabledFor(record.levelno):
        logger.handle(record)


class PipeHandler(logging.Handler):
    """Sends answers and log records through one pipe.

    A thread of a library may log while the worker answers, so both take the same lock.
    """

    def __init__(self, pipe: Connection, level: int) -> None:
        super().__init__()
        self._pipe, self._sending = pipe, threading.Lock()
        logger = logging.getLogger(PACKAGE)
        logger.addHandler(self)
        logger.setLevel(level)

    def send(self, message: Any) -> None:
        """Sends an answer."""
        with self._sending:
            self._pipe.send(message)

    def emit(self, record: logging.LogRecord) -> None:
        # Arguments and tracebacks may not be made to be sent; their text is.
        sent = copy(record)
        sent.msg, sent.args = record.getMessage(), None
        if record.exc_info:
            sent.exc_text = logging.Formatter().formatException(record.exc_info)
            sent.exc_info = None
        try:
            self.send(sent)
        except OSError:
            # The process that wanted it has ended, as this one will.
            return


def received(receive: Callable[[], Any]) -> Any:
    """The next answer; handles the log records that come before it."""
    while isinstance(message := receive(), logging.LogRecord):
        handle(message)
    return message
