"""Compares a batch file with what jobs left; implements `cpexport.check`."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path

from cpexport.api.arguments import (
    FilePath,
    Words,
    check_range,
    key_features,
    lists_of,
    new_path,
    path,
    paths,
    url,
)
from cpexport.api.report import check_report_file, write_report
from cpexport.commands import check as checks
from cpexport.commands.check_report import CheckReport
from cpexport.commands.watch import RunProgress, follow_check
from cpexport.errors import UsageError
from cpexport.jobs.record_reader import Reader
from cpexport.loading.progress import Progress, silent
from cpexport.loading.whole_batches import WholeBatches
from cpexport.reporting.request import ReportRequest


def check(
    outputs: FilePath | Iterable[FilePath] = (),
    *,
    batch: FilePath | None = None,
    plan: FilePath | Iterable[FilePath] = (),
    pipeline: FilePath | None = None,
    to: FilePath | None = None,
    prefix: str = "",
    run: str | None = None,
    same_pictures: bool = False,
    key: Words | None = None,
    images_per_batch: int | None = None,
    resubmit: FilePath | None = None,
    scheduler: str | None = None,
    max_attempts: int = 3,
    time_factor: float = 2.0,
    mem_factor: float = 2.0,
    defaults_file: FilePath | None = None,
    watch: float | None = None,
    report: FilePath | None = None,
    columns: bool = False,
    missing_ok: bool = False,
    progress: Progress | None = None,
    looked: Callable[[RunProgress], None] | None = None,
) -> CheckReport:
    """Finds which planned image sets are complete below `outputs`, which are missing, and why.

    What is missing is in the report and raises nothing: look at `report.is_complete`,
    `report.missing` and `report.batches`.

    >>> import cpexport
    >>> report = cpexport.check("screen/outputs")
    >>> len(report.complete), report.missing, report.exit_status
    (22, ImageSets('9,24'), 3)
    >>> [str(name) for name in report.names.values()]
    ['P1 B02 site 1', 'P2 B03 site 2']
    >>> [batch.reason for batch in report.batches if batch.state != "complete"]
    ['no file shows that the job ended; 9: Cells.csv is empty (0 bytes)']

    Arguments have the names of the options of `cpexport check`, with underscores.

    outputs: folders or files that hold job outputs: one path or several; by default the folder of
        the batch file.
    batch: the batch file, Batch_data.h5; by default found near `outputs`, or by their plan.
        Without any, only gaps in the numbers show that image sets are missing.
    plan: LoadData's list of image sets, `load_data.csv`, or several, where there is no batch file.
    pipeline: the pipeline (.cppipe) that runs the list, for `resubmit`; by default the one that the
        jobs were planned with.
    to: a destination to compare with `batch`, by its ledger, instead of `outputs`.
    prefix, run, defaults_file: with `to`, its table name prefix, the planned run if it numbers
        runs, and the option file of its server.
    same_pictures: image sets with one number have the same images, although their files moved.
    resubmit: a new folder for the files that run the missing image sets again, which
        `report.resubmission` describes. Jobs that wait or run are not in it.
    key: the metadata that identifies image sets whose jobs count from 1, such as
        `Plate,Well,Site`; by default found where the numbers of jobs mean different images.
    images_per_batch: the most image sets of each of these jobs, from 1; by default as planned.
    scheduler: slurm, sge, lsf, pbs or shell; by default as planned, else slurm.
    max_attempts: so many failed attempts, from 1, split a range into single image sets.
    time_factor, mem_factor: how limits grow for jobs that ran out of time or memory, from 1.
    watch: look again every so many seconds until nothing is missing, or all jobs have ended; above
        0.
    report: an HTML file with plate maps to write, as `cpexport.report` does; with `watch`, each
        time.
    columns: whether `report.columns` has the features that some batches lack, by pipeline.
    missing_ok: whether `report.exit_status` is 0 even if something is missing.
    progress: is called after every step, and may raise an exception to stop.
    looked: is called with how far the run is, each time that `watch` has looked.

    Raises:
        UsageError: an argument makes no sense, or there are neither outputs nor a batch file, or
            several batch files.
        SourceError: the batch file cannot be read, a path does not exist, or `resubmit` cannot
            select a group on a command line.
        PreflightError: all jobs that `resubmit` plans would run in vain; nothing was written.
        SinkError: the destination `to` cannot be read.
        OSError: the folder `resubmit` or the file `report` cannot be written.
    """
    folders, batch_file, folder = paths(outputs), path(batch), new_path(resubmit)
    lists = lists_of(plan, batch)
    page = new_path(report)
    check_range("watch", watch, 0, above=True)
    check_range("images-per-batch", images_per_batch, 1)
    check_range("max-attempts", max_attempts, 1)
    check_range("time-factor", time_factor, 1)
    check_range("mem-factor", mem_factor, 1)
    if run is not None and to is None:
        raise UsageError("--run needs --to")
    check_report_file(page)
    where = url(to, defaults_file)
    identified = key_features(key)
    if pipeline is not None and not lists:
        raise UsageError("--pipeline needs --plan")
    shown = ReportRequest(
        folders,
        batch_file,
        where,
        prefix,
        run,
        same_pictures,
        lists=lists,
        key=identified,
    )
    if where is not None:
        found = _of_destination(
            where, folders, batch_file, lists, folder, watch, prefix, run, same_pictures, columns
        )
        write_report(page, shown, found)
        return replace(found, missing_ok=missing_ok)
    if watch is not None and folder:
        raise UsageError("--watch and --resubmit exclude each other; leave one out")
    look = partial(
        checks.check,
        folders,
        batch_file,
        same_pictures=same_pictures,
        key=identified,
        lists=lists,
        pipeline=path(pipeline),
        columns=columns,
        reader=Reader(),
        progress=progress or silent,
    )

    def look_and_write(whole: WholeBatches) -> CheckReport:
        # A report shows all batches.
        found = look() if page else look(whole=whole)
        write_report(page, shown, found)
        return found

    if watch is None:
        found = look_and_write(WholeBatches())
    else:
        found = follow_check(look_and_write, watch, looked or (lambda now: None))
    found = replace(found, missing_ok=missing_ok)
    if folder is None:
        return found
    from cpexport.commands.resubmit import resubmitted
    from cpexport.jobs.next_attempt import RetryPolicy

    limits = RetryPolicy(max_attempts, time_factor, mem_factor)
    return resubmitted(found, folders, folder, limits, scheduler=scheduler, size=images_per_batch)


def _of_destination(
    to: str,
    outputs: tuple[Path, ...],
    batch_file: Path | None,
    lists: tuple[Path, ...],
    folder: Path | None,
    watch: float | None,
    prefix: str,
    run: str | None,
    same_pictures: bool,
    columns: bool,
) -> CheckReport:
    """Compares the batch file with what a destination holds."""
    from cpexport.commands.check_destination import check_destination

    if outputs or folder or watch:
        what = "OUTPUTS" if outputs else "--resubmit" if folder else "--watch"
        raise UsageError(f"--to checks a destination only; leave out {what}")
    if batch_file is None and not lists:
        raise UsageError("--to needs the batch file; name it with --batch")
    return check_destination(
        to,
        batch_file,
        lists,
        prefix=prefix,
        run=run,
        same_pictures=same_pictures,
        columns=columns,
    )
