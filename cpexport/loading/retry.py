"""Retries a whole transaction, a few times, when it conflicts with another writer."""

import logging
import random
import time
from collections.abc import Callable
from typing import TypeVar

from cpexport.errors import OutcomeUnknownError, RetryError

_MOST = 6
# Seconds; doubled each time, and shortened at random so that two writers do not collide repeatedly.
_PAUSE = 0.2

_log = logging.getLogger(__name__)

T = TypeVar("T")


class Retry:
    """Calls functions and retries them on conflicts; `again` counts the retries."""

    def __init__(self) -> None:
        self.again = 0

    @property
    def notes(self) -> tuple[str, ...]:
        """A note for the user if anything was retried."""
        if not self.again:
            return ()
        return (f"retried {self.again} times, because other processes were writing to it",)

    def __call__(self, do: Callable[[bool], T]) -> T:
        """Returns what `do` returns.

        `do` gets whether an earlier attempt may have succeeded after all.

        Raises:
            RetryError, OutcomeUnknownError: every attempt failed.
        """
        unknown = False
        for attempt in range(_MOST):
            if attempt:
                self.again += 1
                time.sleep(random.uniform(0, _PAUSE * 2**attempt))
            try:
                return do(unknown)
            except OutcomeUnknownError as error:
                unknown = True
                if attempt == _MOST - 1:
                    raise
                _log.info("trying again: %s", error)
            except RetryError as error:
                if attempt == _MOST - 1:
                    raise
                _log.info("trying again: %s", error)
        raise AssertionError("an attempt returns or raises")
