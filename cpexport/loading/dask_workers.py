"""Workers of a Dask cluster, which decode batches on other machines.

Dask's scheduler is one that runs already, or one that this process starts together with jobs of a
cluster's scheduler (dask-jobqueue). Workers see outputs and the scratch folder under the same paths
as this process, and have the same version of cpexport.
"""

import logging
import re
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, Final

from cpexport._wait_notice import waiting_for
from cpexport.errors import CpexportError, UsageError
from cpexport.files.scratch import scratch_folder
from cpexport.loading.dask_executor import ANSWER, LOOK, PAUSE, Connection, DaskExecutor, imported
from cpexport.loading.workers import ExecutorSpec
from cpexport.spelling import closest, suggest

_log = logging.getLogger(__name__)

CLUSTERS: Final = {
    "slurm": "SLURMCluster",
    "sge": "SGECluster",
    "pbs": "PBSCluster",
    "lsf": "LSFCluster",
}
"""The classes of dask-jobqueue, by what `--dask` calls them."""

_NOISY: Final = ("distributed", "distributed.client", "tornado.application", "asyncio")
_UNKNOWN: Final = re.compile(r"unexpected keyword argument '(\w+)'")
# Those that people use; only errors need them.
_ARGUMENTS: Final = ("account", "cores", "memory", "processes", "project", "queue", "walltime")
_WHOLE: Final = re.compile(r"[0-9]{1,9}")


@contextmanager
def dask_workers(
    where: str, options: Mapping[str, str], jobs: int | None
) -> Iterator[ExecutorSpec]:
    """Connects to a Dask cluster, and gives its workers as executors.

    where: the address of a scheduler (`tcp://HOST:PORT`), its scheduler file (`dask.json`), or one
        of `CLUSTERS`.
    options: arguments of the class in dask-jobqueue, by name.
    jobs: how many jobs to submit, if `where` is one of `CLUSTERS`; by default 1.

    Raises:
        UsageError: Dask is not installed, or `where` or an option is invalid.
        CpexportError: no scheduler answers, or no worker can be used.
    """
    distributed = imported("distributed")
    for name in _NOISY:
        # They print tracebacks of what is an error of one line here.
        logging.getLogger(name).setLevel(logging.CRITICAL)
    with ExitStack() as stack:
        if where in CLUSTERS:
            cluster = stack.enter_context(_cluster(where, options))
            cluster.scale(jobs=jobs or 1)
            arguments: dict[str, Any] = {"address": cluster}
        else:
            if options or jobs not in (None, 1):
                what = "--dask-option" if options else "--jobs"
                raise UsageError(
                    f"{what} describes the jobs of --dask {' or '.join(CLUSTERS)}, not the workers "
                    f"of {where}; leave it out"
                )
            arguments = _address(where)
        client = stack.enter_context(_client(distributed, where, arguments))
        with waiting_for(f"the first worker of Dask's scheduler {where}"):
            client.wait_for_workers(1)
        mark = stack.enter_context(scratch_folder())
        connection = Connection(client, where, mark)
        stack.enter_context(_reporting(client, where))
        yield ExecutorSpec(partial(DaskExecutor, connection), connection.number)


def _address(where: str) -> dict[str, Any]:
    """The arguments of Dask's Client for an address or a scheduler file."""
    if "://" in where:
        return {"address": where}
    if not where.endswith(".json"):
        raise UsageError(
            suggest(
                f"--dask {where}: neither an address such as tcp://HOST:8786, nor a scheduler file "
                f"such as dask.json, nor one of {', '.join(CLUSTERS)}",
                closest(where, [*CLUSTERS, f"{where.rpartition('.')[0]}.json"]),
            )
        )
    until = time.monotonic() + ANSWER
    with waiting_for(f"{where}, which Dask's scheduler writes as it starts"):
        while not Path(where).is_file() and time.monotonic() < until:
            time.sleep(PAUSE)
    if not Path(where).is_file():
        raise UsageError(f"--dask {where}: there is no such file; start the scheduler first")
    return {"scheduler_file": where}


def _cluster(name: str, options: Mapping[str, str]) -> Any:
    """A cluster whose workers are jobs, each with as many processes as it has cores."""
    values: dict[str, Any] = {
        key.replace("-", "_"): int(text) if _WHOLE.fullmatch(text) else text
        for key, text in options.items()
    }
    if "cores" in values:
        # Decoding takes a process of its own: threads of one process wait for each other.
        values.setdefault("processes", values["cores"])
    # A page about the scheduler would take a port that other schedulers here want.
    values["scheduler_options"] = {"dashboard": False, "dashboard_address": "127.0.0.1:0"}
    kind = getattr(imported("dask_jobqueue"), CLUSTERS[name])
    try:
        return kind(**values)
    except (TypeError, ValueError) as error:
        if unknown := _UNKNOWN.search(str(error)):
            message = f"--dask-option {unknown[1]}: dask-jobqueue has no such argument"
            raise UsageError(suggest(message, closest(unknown[1], _ARGUMENTS))) from error
        raise UsageError(f"--dask {name}: {error}") from error


def _client(distributed: Any, where: str, arguments: Mapping[str, Any]) -> Any:
    try:
        return distributed.Client(**arguments, timeout=ANSWER, set_as_default=False)
    except (OSError, TimeoutError, ValueError) as error:
        raise CpexportError(
            f"{where}: Dask's scheduler does not answer ({error}); start it, or correct --dask"
        ) from error


@contextmanager
def _reporting(client: Any, where: str) -> Iterator[None]:
    """Logs a warning each time that the last worker has gone: its calls wait for a new one."""
    ended = threading.Event()

    def watch() -> None:
        had = True
        while not ended.wait(LOOK):
            with suppress(Exception):
                has = bool(client.scheduler_info(n_workers=-1)["workers"])
                if had and not has:
                    _log.warning("waiting for a worker of Dask's scheduler %s: none is left", where)
                had = has

    threading.Thread(target=watch, daemon=True).start()
    try:
        yield
    finally:
        ended.set()
