"""Where batches are decoded: in a thread, in processes, or on any other executor."""

import multiprocessing
import os
import pickle
import signal
import tempfile
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from cpexport.decode import scratch_folder

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
    """Has a worker end at once, and without a word, when Ctrl-C is pressed or its parent dies."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    parent = multiprocessing.parent_process()
    assert parent is not None

    def end() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=end, daemon=True).start()
