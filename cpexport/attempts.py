"""Trying again what others were in the way of, as a whole, a few times."""

import random
import time
from collections.abc import Callable
from typing import TypeVar

from cpexport.errors import OutcomeUnknownError, RetryError

_MOST = 6
# Seconds; doubled each time, and by chance less, so that two do not meet again and again.
_PAUSE = 0.2

T = TypeVar("T")


class Attempts:
    """Tries what it is given; `again` counts how often that was not for the first time."""

    def __init__(self) -> None:
        self.again = 0

    @property
    def notes(self) -> tuple[str, ...]:
        """What people should know of it."""
        if not self.again:
            return ()
        return (f"{self.again} times tried again, as others were writing there too",)

    def __call__(self, do: Callable[[bool], T]) -> T:
        """What `do` returns, told whether an earlier attempt may have been done after all.

        Raises:
            RetryError, OutcomeUnknownError: it failed so each time.
        """
        unknown = False
        for attempt in range(_MOST):
            if attempt:
                self.again += 1
                time.sleep(random.uniform(0, _PAUSE * 2**attempt))
            try:
                return do(unknown)
            except OutcomeUnknownError:
                unknown = True
                if attempt == _MOST - 1:
                    raise
            except RetryError:
                if attempt == _MOST - 1:
                    raise
        raise AssertionError("an attempt returns or raises")
