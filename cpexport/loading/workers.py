"""Runs calls in a thread, in processes, or in any other executor."""

import logging
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Executor, Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from multiprocessing.spawn import get_executable
from typing import Any, ParamSpec, TypeVar

from cpexport._startup import begin
from cpexport.errors import CpexportError
from cpexport.loading.worker_log import PipeHandler, received, wanted_level


class WorkerKilledError(BrokenExecutor):
    """Workers were killed while they ran a call, and it is not worth another attempt."""


_P = ParamSpec("_P")
_T = TypeVar("_T")

_log = logging.getLogger(__name__)

# Bytes of outputs from which starting several processes pays.
_WORTH = 400_000_000


@dataclass(frozen=True)
class ExecutorSpec:
    """Makes executors that run `number` calls at once.

    executor: returns a new executor; called again when one breaks, as a pool does if one of its
        processes is killed. Its workers must see the outputs and the scratch folder under the same
        paths.
    worth: fewer bytes of outputs than this are read by a thread of this process instead.
    """

    executor: Callable[[], Executor]
    number: int
    worth: int = 0

    def fit(self, size: int) -> "ExecutorSpec":
        """Returns the executors to use for `size` bytes of outputs."""
        return self if size >= self.worth else THREAD


THREAD = ExecutorSpec(partial(ThreadPoolExecutor, 1), 1)
"""One batch is decoded while another is written, both in this process."""


class WorkerPool:
    """Workers that start with the first call and run until the pool is closed.

    After that no worker is left that could write into the scratch folder.
    """

    def __init__(self, workers: ExecutorSpec) -> None:
        self._all = workers
        self._workers = THREAD
        self._executor: Executor | None = None

    def close(self) -> None:
        """Waits for running calls and ends all workers."""
        if self._executor is not None:
            self._executor.shutdown(cancel_futures=True)
            self._executor = None

    @property
    def number(self) -> int:
        """How many calls run at once."""
        return self._workers.number

    @property
    def elsewhere(self) -> bool:
        """Whether calls run in other processes, and not in a thread next to the one that waits."""
        return self._workers is not THREAD

    def fit(self, size: int) -> None:
        """Prepares for `size` bytes of outputs; more workers than that needs are kept."""
        fitting = self._all.fit(size)
        if fitting is not self._workers and fitting is not THREAD:
            self.close()
            self._workers = fitting

    def submit(self, call: Callable[[], _T]) -> Future[_T]:
        """Submits a call."""
        try:
            return self._started().submit(call)
        except BrokenExecutor:
            # A worker was killed, which breaks the whole executor.
            self.close()
            return self._started().submit(call)

    def _started(self) -> Executor:
        if self._executor is None:
            self._executor = self._workers.executor()
        return self._executor


def processes(number: int | None) -> ExecutorSpec:
    """`number` processes on this machine; by default one per core, if the work is worth it."""
    if number == 1:
        return THREAD
    if number is None:
        cores = _cores()
        return ExecutorSpec(partial(Processes, cores), cores, _WORTH)
    return ExecutorSpec(partial(Processes, number), number)


def _cores() -> int:
    """The number of cores that this process may use: in a cluster job fewer than the node has."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


class Processes(Executor):
    """A number of processes, each called by a thread of this process through its own pipe.

    A killed process breaks only its own call, with BrokenExecutor; the next call gets a new
    process. In CPython's own pool the processes share pipes and locks, so the pool can wait forever
    if one of them is killed while it writes or starts (CPython issue 94777).
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
    """One process, which runs calls until the pipe to it is closed.

    Raises:
        BrokenExecutor: it was killed.
        CpexportError: it ended without being killed, before it could take a call.
    """

    def __init__(self) -> None:
        self._pipe, theirs = multiprocessing.Pipe()
        # It closes with this process, which ends the worker whatever it is doing.
        alive, self._alive = os.pipe()
        with theirs, _ONE_AT_A_TIME:
            # The new process receives Ctrl-C only when it can handle it.
            before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
            try:
                self._process = _started(theirs.fileno(), alive)
            finally:
                signal.pthread_sigmask(signal.SIG_SETMASK, before)
                os.close(alive)
        self.ended = False
        try:
            received(self._pipe.recv)
        except (EOFError, OSError) as lost:
            killed = self._process.wait() < 0
            self.end()
            if killed:
                raise BrokenExecutor("a process was killed") from lost
            raise CpexportError(
                "worker processes end as soon as they start; work without them with --jobs 1"
            ) from lost
        _log.debug("worker process %d began", self._process.pid)

    def call(self, call: Callable[[], _T]) -> _T:
        """Runs a call in the process; returns its result or raises its error.

        Raises:
            BrokenExecutor: the process was killed.
        """
        try:
            self._pipe.send(call)
            answer, error = received(self._pipe.recv)
        except (EOFError, OSError) as lost:
            _log.info("worker process %d was killed", self._process.pid)
            self.end()
            raise BrokenExecutor("a process was killed") from lost
        if error is not None:
            raise error
        result: _T = answer
        return result

    def end(self) -> None:
        """Kills the process, whatever it is doing."""
        if not self.ended:
            self.ended = True
            self._pipe.close()
            os.close(self._alive)
            self._process.kill()
            self._process.wait()


_ONE_AT_A_TIME = threading.Lock()


def _started(calls: int, alive: int) -> subprocess.Popen[bytes]:
    """A new process that runs `serve`.

    It is a fresh interpreter: a forked process would share open files with this one and release
    database locks when it ends. Nor is it one of `multiprocessing`, which would run the script that
    called cpexport again, from its first line, in each worker.
    """
    main = f"serve({calls}, {alive}, {wanted_level()})"
    imports = f"import sys; sys.path = {sys.path!r}; from cpexport.loading.workers import serve"
    utf8 = {"PYTHONUTF8": "1"} if sys.flags.utf8_mode else {}
    return subprocess.Popen(
        [os.fsdecode(get_executable()), "-c", f"{imports}; {main}"],
        stdin=subprocess.DEVNULL,
        pass_fds=(calls, alive),
        env=os.environ | utf8,
    )


def serve(pipe: int, alive: int, level: int) -> None:
    """Runs calls as they come: the main function of a worker process.

    pipe: the file descriptor that calls come through.
    alive: the one that closes when the process that called ends.
    level: the lowest level of what the worker logs.
    """
    begin()
    calls = Connection(pipe)
    answers = PipeHandler(calls, level)
    # Arrow's own allocator keeps more of the freed memory, and would do so in every process.
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    threading.Thread(target=_end_with, args=(alive,), daemon=True).start()
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    # When the pipe breaks, the parent no longer calls or waits for an answer.
    with suppress(EOFError, OSError):
        answers.send("ready")
        while True:
            call = calls.recv()
            try:
                answer: tuple[Any, Exception | None] = (call(), None)
            except Exception as error:
                answer = (None, error)
            try:
                answers.send(answer)
            except (EOFError, OSError):
                raise
            except Exception as error:
                # It has no form that can be sent, or is too large for one.
                failed = answer[1] or error
                answers.send((None, RuntimeError(f"{type(failed).__name__}: {failed}")))


def _end_with(alive: int) -> None:
    """Ends this process at once and silently when the one that it works for ends or is killed."""
    os.read(alive, 1)
    os._exit(1)
