"""Compares a destination with its outputs; implements `cpexport.verify`."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from cpexport.api.arguments import FilePath, Words, check_range, url
from cpexport.api.executors import executors
from cpexport.api.request import load_request
from cpexport.commands.runs import verify_runs
from cpexport.commands.verify_report import VerifyReport
from cpexport.loading.progress import Progress, silent


def verify(
    outputs: FilePath | Iterable[FilePath],
    to: FilePath,
    *,
    batch: FilePath | None = None,
    plan: FilePath | Iterable[FilePath] = (),
    prefix: str = "",
    same_pictures: bool = False,
    key: Words | None = None,
    run_from: str | None = None,
    defaults_file: FilePath | None = None,
    jobs: int | None = 1,
    dask: str | None = None,
    dask_option: Words | Mapping[str, str] = (),
    missing_ok: bool = False,
    progress: Progress | None = None,
) -> VerifyReport:
    """Compares what a destination holds with what `outputs` say, value by value; changes neither.

    Whatever differs is in the report and raises nothing: look at `report.differences`,
    `report.not_loaded` and `report.not_verified`. One batch is in memory at a time.

    >>> import cpexport
    >>> report = cpexport.load("screen/outputs", "screen.sqlite")
    >>> found = cpexport.verify("screen/outputs", "screen.sqlite")
    >>> found.verified, found.differences, found.exit_status
    (22, (), 3)
    >>> found.tables["Per_Cells"].rows
    500

    The arguments are those of `load`, with the values that they had there. `missing_ok` makes
    `report.exit_status` 0 even if something is missing or was not compared, but not if something
    differs.

    Raises:
        UsageError: a path, URL or run is invalid.
        SourceError: a path does not exist, or the batch file cannot be read.
        ChangedError: another program has changed the ledger, so it cannot be trusted.
        SinkError: the destination does not exist, cannot be read, or was loaded into meanwhile.
    """
    check_range("jobs", jobs, 1)
    where = url(to, defaults_file)
    assert where is not None
    request = load_request(
        outputs,
        where,
        batch=batch,
        plan=plan,
        prefix=prefix,
        same_pictures=same_pictures,
        key=key,
        run_from=run_from,
        numbers_runs=False,
    )
    with executors(jobs, dask, dask_option) as workers:
        report = verify_runs(request, workers, progress or silent)
    return replace(report, missing_ok=missing_ok)
