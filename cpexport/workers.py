"""Who reads batches: a thread, processes, or any other executor."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Executor, Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from typing import Any, ParamSpec, TypeVar

from cpexport.errors import CpexportError
from cpexport.start import begin

_P = ParamSpec("_P")
_T = TypeVar("_T")

_WORTH = 400_000_000


@dataclass(frozen=True)
class Workers:
    """Makes executors, which do `number` things at once.

    `executor` is asked for another one when one breaks, as a pool does of which a process was
    killed. Whatever it makes has to see the outputs and the scratch folder under the same paths.
    Less than `worth` bytes of outputs are read by a thread of this process instead.
    """

    executor: Callable[[], Executor]
    number: int
    worth: int = 0

    def fit(self, size: int) -> "Workers":
        """What reads `size` bytes of outputs."""
        return self if size >= self.worth else THREAD


THREAD = Workers(partial(ThreadPoolExecutor, 1), 1)
"""One batch is decoded while another is written; both by this process."""


class Crew:
    """Workers at work: begun when there is something to do, until closed.

    When it is closed, nobody is left who could write into the scratch folder.
    """

    def __init__(self, workers: Workers) -> None:
        self._all = workers
        self._workers = THREAD
        self._executor: Executor | None = None

    def close(self) -> None:
        """Waits for what is being done, and lets all go."""
        if self._executor is not None:
            self._executor.shutdown(cancel_futures=True)
            self._executor = None

    @property
    def number(self) -> int:
        """How many things are done at once."""
        return self._workers.number

    def fit(self, size: int) -> None:
        """Gets ready for `size` bytes of outputs; those who are more than that needs stay."""
        fitting = self._all.fit(size)
        if fitting is not self._workers and fitting is not THREAD:
            self.close()
            self._workers = fitting

    def submit(self, call: Callable[[], _T]) -> Future[_T]:
        """Has something done."""
        try:
            return self._begun().submit(call)
        except BrokenExecutor:
            # One of those was killed, and with it they all are gone.
            self.close()
            return self._begun().submit(call)

    def _begun(self) -> Executor:
        if self._executor is None:
            self._executor = self._workers.executor()
        return self._executor


def processes(number: int | None) -> Workers:
    """So many processes of this machine, or one for each core where there is work enough."""
    if number == 1:
        return THREAD
    if number is None:
        cores = _cores()
        return Workers(partial(Processes, cores), cores, _WORTH)
    return Workers(partial(Processes, number), number)


def _cores() -> int:
    """The cores that this process may use: fewer than there are, in a job of a cluster."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


class Processes(Executor):
    """So many processes, each called through a pipe of its own by a thread of this one.

    A process that is killed breaks its call, with BrokenExecutor, and no other; the next call has a
    new one. CPython's own pool has its processes share pipes and locks, and can wait for ever when
    one of them is killed in mid-word, or as it begins (CPython issue 94777).
    """

    def __init__(self, number: int) -> None:
        self._threads = ThreadPoolExecutor(number)
        self._of_thread = threading.local()
        self._all: list[_Process] = []

    def submit(self, call: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> Future[_T]:
        return self._threads.submit(self._called, partial(call, *args, **kwargs))

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self._threads.shutdown(wait, cancel_futures=cancel_futures)
        for process in self._all:
            process.end()

    def _called(self, call: Callable[[], _T]) -> _T:
        process: _Process | None = getattr(self._of_thread, "process", None)
        if process is None or process.ended:
            process = self._of_thread.process = _Process()
            self._all.append(process)
        return process.call(call)


class _Process:
    """One process, which does what it is told until the pipe to it is closed.

    Raises:
        BrokenExecutor: it was killed.
        CpexportError: it ended by itself before it could be told anything.
    """

    def __init__(self) -> None:
        # A fork would share this process's open files, and drop a database's locks as it ends.
        spawn = multiprocessing.get_context("spawn")
        self._pipe, theirs = spawn.Pipe()
        self._process = spawn.Process(target=_serve, args=(theirs,), daemon=True)
        with _ONE_AT_A_TIME:
            # Ctrl-C reaches a process that starts only when it is ready for it.
            before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
            try:
                self._process.start()
            finally:
                signal.pthread_sigmask(signal.SIG_SETMASK, before)
                theirs.close()
        self.ended = False
        try:
            self._pipe.recv()
        except (EOFError, OSError) as lost:
            self._process.join()
            killed = (self._process.exitcode or 0) < 0
            self.end()
            if killed:
                raise BrokenExecutor("a process was killed") from lost
            raise CpexportError(
                "processes that decode end as soon as they begin; do without them by --jobs 1"
            ) from lost

    def call(self, call: Callable[[], _T]) -> _T:
        """What the process answers, or raises.

        Raises:
            BrokenExecutor: it was killed.
        """
        try:
            self._pipe.send(call)
            answer, error = self._pipe.recv()
        except (EOFError, OSError) as lost:
            self.end()
            raise BrokenExecutor("a process was killed") from lost
        if error is not None:
            raise error
        result: _T = answer
        return result

    def end(self) -> None:
        """Ends it, whatever it does."""
        self.ended = True
        self._pipe.close()
        self._process.kill()
        self._process.join()


_ONE_AT_A_TIME = threading.Lock()


def _serve(calls: Connection) -> None:
    """Does what comes, in a process of its own."""
    begin()
    # Arrow's own allocator keeps more of what is freed, and here in each process.
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    _end_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    # Nobody is there any more who calls, or waits for an answer.
    with suppress(EOFError, OSError):
        calls.send("ready")
        while True:
            call = calls.recv()
            try:
                answer: tuple[Any, Exception | None] = (call(), None)
            except Exception as error:
                answer = (None, error)
            calls.send(answer)


def _end_with_parent() -> None:
    """Ends this process at once, and without a word, when its parent ends or is killed."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def end() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=end, daemon=True).start()
