"""Retries a whole transaction when it conflicts with others: a few times if they write, and for
minutes if they read."""

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    stop_after_attempt,
    stop_after_delay,
    wait_random_exponential,
)

from cpexport.errors import HeldError, OutcomeUnknownError, RetryError

_MOST = 6
# The longest first pause in seconds. It doubles each time, and is shortened at random so that two
# writers do not collide repeatedly.
_PAUSE = 0.4

# In seconds: for how long a transaction is tried while others read, between which others can begin
# to read, and after which they are named again.
_PATIENCE = 600.0
_BETWEEN_READERS = 2.0
_NAMED_AGAIN = 60.0

_few = stop_after_attempt(_MOST)
_random = wait_random_exponential(multiplier=_PAUSE)

_log = logging.getLogger(__name__)

T = TypeVar("T")


class Retry:
    """Calls functions and retries them on conflicts; `again` counts the retries."""

    def __init__(self) -> None:
        self.again = 0
        self._named, self._name_again = "", 0.0

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
            stop=_stop,
            wait=_pause,
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
        error = _error(state)
        if isinstance(error, HeldError):
            now = time.monotonic()
            if error.problem != self._named or now > self._name_again:
                _log.warning(
                    "waiting for the end of a query: %s %s", error.destination, error.problem
                )
                self._named, self._name_again = error.problem, now + _NAMED_AGAIN
            return
        self.again += 1
        _log.info("trying again: %s", error)


def _error(state: RetryCallState) -> BaseException | None:
    assert state.outcome is not None
    return state.outcome.exception()


def _stop(state: RetryCallState) -> bool:
    held = isinstance(_error(state), HeldError)
    return stop_after_delay(_PATIENCE)(state) if held else _few(state)


def _pause(state: RetryCallState) -> float:
    return _BETWEEN_READERS if isinstance(_error(state), HeldError) else _random(state)
