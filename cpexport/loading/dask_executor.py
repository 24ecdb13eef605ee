"""Sends calls to the workers of a Dask cluster, and leaves out those that cannot do the work."""

import importlib
import importlib.metadata
import logging
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Executor, Future
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from cpexport import __version__
from cpexport.errors import CpexportError, UsageError
from cpexport.loading.workers import WorkerKilledError

_log = logging.getLogger(__name__)

# Seconds. A scheduler that was stopped may come back; a cluster's first job may wait for days.
ANSWER: Final = 30
# Seconds between looks at which workers there are, and at whether a scheduler is back.
LOOK: Final = 2.0
PAUSE: Final = 0.1


def imported(package: str) -> Any:
    """A package of Dask; those who do not use it need not have it."""
    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise UsageError(
            f"--dask needs the package {error.name}; run: pip install 'cpexport[dask]'"
        ) from error


class UnfitWorkerError(Exception):
    """A worker that cannot do the work. Arguments: its address, and why."""


@dataclass(frozen=True)
class _Call:
    """A call for a worker, with what the worker must have.

    mark: a folder next to the scratch folder.
    """

    call: Callable[[], Any]
    mark: Path
    version: str

    def __call__(self) -> Any:
        has, host = importlib.metadata.version("cpexport"), socket.gethostname()
        if has != self.version:
            raise UnfitWorkerError(_own_address(), _other_version(host, has))
        if not self.mark.is_dir():
            raise UnfitWorkerError(_own_address(), _not_shared(host, self.mark.parent))
        return self.call()


def _own_address() -> str:
    address: str = imported("distributed").get_worker().address
    return address


def _not_shared(host: str, folder: Path) -> str:
    return f"{host} does not see what is in {folder}; set TMPDIR to a folder that all hosts share"


def _other_version(host: str, has: str | None) -> str:
    what = f"has cpexport {has}, not {__version__}" if has else "has no cpexport"
    return f"{host} {what}; install cpexport {__version__} there"


class Connection:
    """A client of the scheduler, and the workers that cannot be used."""

    def __init__(self, client: Any, where: str, mark: Path) -> None:
        self._client, self._where, self._mark = client, where, mark
        self._known: set[str] = set()
        self._unfit: dict[str, str] = {}
        self._looked = 0.0
        self._lock = threading.Lock()

    @property
    def number(self) -> int:
        """How many calls the workers run at once.

        Raises:
            CpexportError: no worker can be used.
        """
        self._look()
        workers = self._client.scheduler_info(n_workers=-1)["workers"]
        return sum(workers[address]["nthreads"] for address in self._fit if address in workers)

    def send(self, call: Callable[[], Any]) -> Any:
        """Sends a call to any worker that can be used; returns Dask's future.

        Raises:
            CpexportError: no worker can be used, or the scheduler does not answer.
        """
        self._wait_for_scheduler()
        try:
            self._look()
            wanted = {"workers": self._fit, "allow_other_workers": False} if self._unfit else {}
            task = _Call(call, self._mark, __version__)
            # Dask takes two equal calls for one, unless they are not `pure`.
            return self._client.submit(task, pure=False, **wanted)
        except (OSError, TimeoutError, RuntimeError) as error:
            raise self._silent from error

    def exclude(self, address: str, why: str) -> None:
        """Sends no further call to a worker."""
        with self._lock:
            if address not in self._unfit:
                self._unfit[address] = why
                _log.warning("a Dask worker is not used: %s", why)

    def cancel(self, tasks: list[Any]) -> None:
        """Cancels calls that have no use any more."""
        with suppress(Exception):
            self._client.cancel(tasks)

    @property
    def _fit(self) -> list[str]:
        """The addresses of workers that can be used.

        Raises:
            CpexportError: there is none, although there are workers.
        """
        with self._lock:
            fit = sorted(self._known - self._unfit.keys())
            if not fit and self._unfit:
                why = next(reversed(self._unfit.values()))
                raise CpexportError(f"{self._where}: no Dask worker can be used: {why}")
            return fit

    def _look(self) -> None:
        """Excludes new workers that have another version of cpexport, or none."""
        if time.monotonic() < self._looked + LOOK:
            return
        asked = self._client.get_versions(check=False, packages=["cpexport"])["workers"]
        self._looked = time.monotonic()
        for address, worker in asked.items():
            has = worker["packages"].get("cpexport")
            if address not in self._known and has != __version__:
                self.exclude(address, _other_version(str(urlsplit(address).hostname), has))
        with self._lock:
            self._known = set(asked)
            self._unfit = {a: why for a, why in self._unfit.items() if a in asked}

    def _wait_for_scheduler(self) -> None:
        """Waits while Dask's client connects again, which it does for a while.

        Raises:
            CpexportError: it has given up.
        """
        until = time.monotonic() + ANSWER
        while self._client.status != "running":
            if self._client.status == "closed" or time.monotonic() > until:
                raise self._silent
            time.sleep(PAUSE)

    @property
    def _silent(self) -> CpexportError:
        return CpexportError(
            f"{self._where}: Dask's scheduler no longer answers; what was loaded stays; start it, "
            "and run the same command again"
        )


class DaskExecutor(Executor):
    """Runs calls on the workers of a Dask cluster.

    If a worker dies, Dask sends its call to another one, as often as Dask's setting
    `distributed.scheduler.allowed-failures` says.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._tasks: set[Any] = set()

    def submit(self, call: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_running_or_notify_cancel()
        self._send(future, partial(call, *args, **kwargs))
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        if cancel_futures:
            self._connection.cancel(list(self._tasks))
        self._tasks.clear()

    def _send(self, future: Future[Any], call: Callable[[], Any]) -> None:
        task = self._connection.send(call)
        self._tasks.add(task)
        task.add_done_callback(partial(self._pass_on, future, call))

    def _pass_on(self, future: Future[Any], call: Callable[[], Any], task: Any) -> None:
        """Gives a future what became of its task; a thread of Dask calls this."""
        self._tasks.discard(task)
        try:
            if task.status == "finished":
                future.set_result(task.result())
                return
            error = task.exception() if task.status == "error" else _Lost()
            if isinstance(error, UnfitWorkerError):
                self._connection.exclude(*error.args)
                self._send(future, call)
                return
        except CpexportError as failed:
            error = failed
        except Exception as lost:
            # A worker died before its answer was here.
            error = _Lost(str(lost))
        killed = type(error).__name__ == "KilledWorker"
        future.set_exception(WorkerKilledError(str(error)) if killed else error)


class _Lost(BrokenExecutor):
    """Dask's scheduler lost a call, or its answer."""
