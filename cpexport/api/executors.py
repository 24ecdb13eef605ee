"""Turns `jobs`, `dask` and `dask_option` into the workers of a command."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

from cpexport.api.arguments import Words, pairs
from cpexport.errors import UsageError
from cpexport.loading.workers import ExecutorSpec, processes


@contextmanager
def executors(
    jobs: int | None, dask: str | None = None, dask_option: Words | Mapping[str, str] = ()
) -> Iterator[ExecutorSpec]:
    """Gives the workers that these options describe: processes here, or those of a Dask cluster.

    Raises:
        UsageError: an option makes no sense, or Dask is not installed.
        CpexportError: the Dask cluster does not answer, or none of its workers can be used.
    """
    options = _named(pairs(dask_option))
    if dask is None:
        if options:
            raise UsageError("--dask-option needs --dask")
        yield processes(jobs)
        return
    # Most loads do without, and Dask takes half a second to import.
    from cpexport.loading.dask_workers import dask_workers

    with dask_workers(dask, options, jobs) as workers:
        yield workers


def _named(words: Iterable[str]) -> dict[str, str]:
    named = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not (name and equals):
            raise UsageError(f"--dask-option {word}: write NAME=VALUE")
        named[name] = value
    return named
