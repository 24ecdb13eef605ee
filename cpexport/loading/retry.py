"""Retries a whole transaction, a few times, when it conflicts with another writer."""

import logging
from collections.abc import Callable
from typing import TypeVar

from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    stop_after_attempt,
    wait_random_exponential,
)

from cpexport.errors import OutcomeUnknownError, RetryError

_MOST = 6
# The longest first pause in seconds. It doubles each time, and is shortened at random so that two
# writers do not collide repeatedly.
_PAUSE = 0.4

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
        for attempt in Retrying(
            retry=retry_if_exception_type((RetryError, OutcomeUnknownError)),
            stop=stop_after_attempt(_MOST),
            wait=wait_random_exponential(multiplier=_PAUSE),
            before_sleep=self._note,
            reraise=True,
        ):
            with attempt:
                try:
                    return do(unknown)
                except OutcomeUnknownError:
                    unknown = True
                    raise
        raise AssertionError("the last attempt returns or raises")

    def _note(self, state: RetryCallState) -> None:
        self.again += 1
        assert state.outcome is not None
        _log.info("trying again: %s", state.outcome.exception())
