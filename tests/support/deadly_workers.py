"""Processes that are killed by one batch; they import this module, and so it imports little."""

import multiprocessing
import os
import signal
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from cpexport.loading.workers import Processes
from cpexport.sources.base import Batch


def kills(what: str, call: Callable[[], Any]) -> Any:
    """Calls, or kills the process that was to, as the system does for want of memory."""
    assert isinstance(call, partial)
    words = call.args[0] if isinstance(call.args[0], tuple) else call.args
    steps = [word.source for word in map(_batch, words) if isinstance(word, Batch)]
    sources = steps if what == "decoded" else call.args
    if any(getattr(source, "path", Path()).name == "batch_7_12" for source in sources):
        os.kill(os.getpid(), signal.SIGKILL)
    return call()


def _batch(word: object) -> object:
    """The batch of a step, or the word."""
    return getattr(word, "batch", word)


class Deadly(Processes):
    """Processes of which one batch kills whoever looks at it, or decodes it."""

    def __init__(self, what: str) -> None:
        super().__init__(3)
        self._what = what

    def submit(self, call: Callable[..., Any], /, *words: Any, **named: Any) -> Future[Any]:
        return super().submit(kills, self._what, call)


class DeadlyPool(ProcessPoolExecutor):
    """CPython's own pool, which is lost as a whole when a process of it is killed."""

    def __init__(self, what: str) -> None:
        super().__init__(3, multiprocessing.get_context("spawn"))
        self._what = what

    def submit(self, call: Callable[..., Any], /, *words: Any, **named: Any) -> Future[Any]:
        return super().submit(kills, self._what, call)
