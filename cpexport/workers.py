"""Who reads batches: a thread, processes, or any other executor."""

import multiprocessing
import os
import pickle
import signal
import tempfile
import threading
from collections.abc import Callable
from concurrent.futures import (
    BrokenExecutor,
    Executor,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
)
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, ParamSpec, Self, TypeVar

from cpexport.decode import scratch_folder
from cpexport.start import without_pandas

_P = ParamSpec("_P")
_T = TypeVar("_T")

_WORTH = 200_000_000


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
    """Workers at work: begun when there is something to do, until closed; a context manager.

    When it is closed, nobody is left who could write into the scratch folder.
    """

    def __init__(self, workers: Workers) -> None:
        self._all = workers
        self._workers = THREAD
        self._executor: Executor | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end()

    @property
    def number(self) -> int:
        """How many things are done at once."""
        return self._workers.number

    def fit(self, size: int) -> None:
        """Gets ready for `size` bytes of outputs; those who are more than that needs stay."""
        fitting = self._all.fit(size)
        if fitting is not self._workers and fitting is not THREAD:
            self._end()
            self._workers = fitting

    def submit(self, call: Callable[[], _T]) -> Future[_T]:
        """Has something done; that all of them are gone is said by what comes of it."""
        if self._executor is None:
            self._executor = self._workers.executor()
        try:
            return self._executor.submit(call)
        except BrokenExecutor as error:
            broken: Future[_T] = Future()
            broken.set_exception(error)
            return broken

    def renew(self) -> None:
        """Lets those go of whom one was killed; others come when there is something to do."""
        self._end()

    def _end(self) -> None:
        if self._executor is not None:
            self._executor.shutdown(cancel_futures=True)
            self._executor = None


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
    """Processes that are called, and answer, through files.

    A pool sends both through pipes, and waits for ever for the rest of what a killed process began
    to read or write (CPython issue 94777). What is sent here is the name of a file, which pipes
    take as a whole.
    """

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._stack = ExitStack()
        self._folder = self._stack.enter_context(scratch_folder())

    def submit(self, call: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> Future[_T]:
        number, name = tempfile.mkstemp(dir=self._folder)
        with os.fdopen(number, "wb") as file:
            pickle.dump((call, args, kwargs), file)
        # Ctrl-C reaches a worker that starts only when it is ready for it.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            sent = super().submit(_called, name)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        answer: Future[_T] = Future()
        sent.add_done_callback(lambda done: _answer(name, done, answer))
        return answer

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        super().shutdown(wait, cancel_futures=cancel_futures)
        self._stack.close()


def _called(name: str) -> None:
    """Calls what a file says, and puts there what came of it."""
    file = Path(name)
    call, args, kwargs = pickle.loads(file.read_bytes())
    try:
        came: tuple[Any, Exception | None] = (call(*args, **kwargs), None)
    except Exception as error:
        came = (None, error)
    file.write_bytes(pickle.dumps(came))


def _answer(name: str, done: Future[None], answer: Future[Any]) -> None:
    try:
        done.result()
        result, error = pickle.loads(Path(name).read_bytes())
        Path(name).unlink()
    except BaseException as other:
        result, error = None, other
    if error is None:
        answer.set_result(result)
    else:
        answer.set_exception(error)


def _ready() -> None:
    """Begins a worker, which ends at once and without a word at Ctrl-C, or when its parent dies."""
    without_pandas()
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    parent = multiprocessing.parent_process()
    assert parent is not None

    def end() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=end, daemon=True).start()
