"""Where batches are decoded: in a thread, in processes, or on any other executor."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import ParamSpec, TypeVar

_P = ParamSpec("_P")
_T = TypeVar("_T")

_WORTH = 200_000_000


@dataclass(frozen=True)
class Workers:
    """Makes executors, which decode `number` batches at once.

    `executor` is asked for another one when one breaks, as a pool does of which a process was
    killed. Whatever it makes has to see the outputs and the scratch folder under the same paths.
    Less than `worth` bytes of outputs are decoded in a thread of this process instead.
    """

    executor: Callable[[], Executor]
    number: int
    worth: int = 0

    def fit(self, size: int) -> "Workers":
        """What decodes `size` bytes of outputs."""
        return self if size >= self.worth else THREAD


THREAD = Workers(partial(ThreadPoolExecutor, 1), 1)
"""One batch is decoded while another is written; both by this process."""


def processes(number: int | None) -> Workers:
    """So many processes of this machine, or one for each core where there is work enough."""
    if number == 1:
        return THREAD
    if number is None:
        cores = _cores()
        return Workers(partial(_pool, cores), cores, _WORTH)
    return Workers(partial(_pool, number), number)


def _cores() -> int:
    """The cores that this process may use: fewer than there are, in a job of a cluster."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def _pool(number: int) -> Executor:
    # A fork would share this process's open files, and drop a database's locks as it ends.
    return _Pool(number, multiprocessing.get_context("spawn"), _ready)


class _Pool(ProcessPoolExecutor):
    def submit(self, call: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> Future[_T]:
        # Ctrl-C reaches a worker that starts only when it is ready for it.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            return super().submit(call, *args, **kwargs)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _ready() -> None:
    """Has a worker end at once, and without a word, when Ctrl-C is pressed or its parent dies."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    parent = multiprocessing.parent_process()
    assert parent is not None

    def end() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=end, daemon=True).start()
