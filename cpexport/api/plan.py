"""Plans the jobs of a batch file; implements `cpexport.plan`."""

import logging
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

from cpexport._stopwatch import Stopwatch
from cpexport.api.arguments import (
    FilePath,
    Words,
    check_range,
    lists_of,
    new_path,
    path,
    url,
    word_list,
)
from cpexport.cellprofiler.batch_file import BatchFile, read_batch_file
from cpexport.cellprofiler.image_set_list import for_jobs, key_of, read_lists
from cpexport.destination_url import file_url
from cpexport.errors import UsageError
from cpexport.jobs import plan as plans
from cpexport.jobs.plan import Plan
from cpexport.jobs.preflight import problems
from cpexport.jobs.scheduler_options import option_words
from cpexport.jobs.settings import SCHEDULER_NAMES, Settings, mebibytes, minutes
from cpexport.jobs.submit import check_not_fatal, check_on_disk, prepare
from cpexport.sinks.registry import absolute

_log = logging.getLogger(__name__)


def plan(
    batch: FilePath | None = None,
    *,
    plan: FilePath | Iterable[FilePath] = (),
    pipeline: FilePath | None = None,
    images_per_batch: int | None = None,
    by_group: bool = False,
    out: FilePath | None = None,
    scheduler: str | None = None,
    check_images: bool = False,
    keep_measurements: bool = False,
    plugins_directory: FilePath | None = None,
    time: str | int | None = None,
    memory: str | int | None = None,
    partition: str | None = None,
    at_once: int | None = None,
    merge_time: str | int | None = None,
    merge_memory: str | int | None = None,
    module: Words = (),
    container: str | None = None,
    option: Words = (),
    to: FilePath | None = None,
    defaults_file: FilePath | None = None,
) -> Plan:
    """Plans the jobs that run all image sets of a batch file or of a list, one image set or group a
    job.

    Without `out` it writes nothing: `report.tasks` has the jobs, and `report.command(task)` the
    words of a job's command line. With `out`, it also writes the files that submit and run them.

    >>> import cpexport
    >>> jobs = cpexport.plan("screen/Batch_data.h5", images_per_batch=10)
    >>> [(task.number, task.job.image_sets) for task in jobs.tasks]
    [(1, ImageSets('1-10')), (2, ImageSets('11-20')), (3, ImageSets('21-24'))]
    >>> jobs.command(jobs.tasks[0])[:8]
    ('cellprofiler', '-c', '-r', '-p', 'screen/Batch_data.h5', '-f', '1', '-l')

    Arguments have the names of the options of `cpexport plan`, with underscores.

    batch: the batch file, Batch_data.h5.
    plan, pipeline: LoadData's list of image sets, `load_data.csv`, or several, and the pipeline
        (.cppipe) that runs them, where there is no batch file.
    images_per_batch: the most image sets a job, from 1; groups are never cut.
    by_group: one group a job, whatever its size.
    out: a new folder for the files that run the jobs, and below it for their outputs.
    scheduler: with `out`: slurm (the default), sge, lsf, pbs or shell.
    check_images: whether to look for every image.
    keep_measurements: with `out`: whether each job keeps its measurements as an .h5 file.
    plugins_directory: the folder of CellProfiler's plugins that every job gets.
    time, merge_time: limits of a job and of the last job, which loads: minutes, or a text such as
        H:MM:SS or D-H:MM:SS.
    memory, merge_memory: likewise, in MiB, or a text such as 4000M or 4G.
    partition: the partition or queue.
    at_once: the most jobs that run at a time, from 1.
    module: environment modules to load before CellProfiler runs.
    container: an image in which Apptainer calls CellProfiler.
    option: words for the scheduler, split as a shell does.
    to: where the last job loads to; by default screen.sqlite in `out`. No password may be in it.
    defaults_file: the option file of a MySQL or MariaDB server in `to`.

    Raises:
        UsageError: an argument makes no sense, or `out` is not empty.
        SourceError: the batch file, the list or the pipeline cannot be read, lists nothing to run,
            or has a group that no command line can select.
        PreflightError: all jobs would run in vain; nothing was written.
        OSError: the folder `out` cannot be written.
    """
    folder, lists = new_path(out), lists_of(plan, batch)
    check_range("images-per-batch", images_per_batch, 1)
    check_range("at-once", at_once, 1)
    if scheduler is not None and scheduler not in SCHEDULER_NAMES:
        raise UsageError(f"no scheduler {scheduler!r}; there are {', '.join(SCHEDULER_NAMES)}")
    if scheduler and not folder:
        raise UsageError(f"name a folder for the files of --format {scheduler} with --out")
    if keep_measurements and not folder:
        raise UsageError("--keep-measurements needs --out, and a --format that names a scheduler")
    read = _read(path(batch), lists, path(pipeline), whole_path=folder is not None)
    home = folder.absolute() if folder else read.path.parent
    if lists and folder:
        read = for_jobs(read, home / plans.LIST)
    elif lists:
        plans.check_commands(read)
    settings = Settings(
        scheduler=scheduler or ("slurm" if folder else "shell"),
        size=images_per_batch,
        by_group=by_group,
        at_once=at_once,
        time=_limit("time", minutes, time),
        memory=_limit("memory", mebibytes, memory),
        partition=partition,
        modules=word_list(module),
        container=container,
        options=_options(option),
        keep_measurements=keep_measurements,
        plugins=str(plugins.absolute()) if (plugins := path(plugins_directory)) else None,
        pipeline=plans.pipeline_of(read),
        to=absolute(url(to, defaults_file) or file_url("sqlite", home / "screen.sqlite"))
        if folder
        else None,
        merge_time=_limit("merge-time", minutes, merge_time),
        merge_memory=_limit("merge-memory", mebibytes, merge_memory),
    )
    planned, clock = plans.plan(read, home / "outputs", settings), Stopwatch()
    if folder:
        found = prepare(planned, read, folder, check_images=check_images)
    else:
        found = problems(planned, read, check_images=check_images, printed=True)
        check_not_fatal(found)
    _log.info("%d jobs planned, and problems looked for, in %s", len(planned.tasks), clock)
    return replace(planned, warnings=tuple(map(str, found)))


def _read(
    batch: Path | None, lists: tuple[Path, ...], pipeline: Path | None, *, whole_path: bool
) -> BatchFile:
    """Reads the batch file, or the lists and the pipeline that uses them.

    Raises:
        UsageError: neither or both are given, or jobs cannot open a file where it is.
        SourceError: a file cannot be read.
    """
    if batch is None and not lists:
        raise UsageError("name the batch file, or LoadData's list with --plan and --pipeline")
    if bool(lists) != (pipeline is not None):
        raise UsageError("--plan and --pipeline need each other")
    for file in filter(None, (batch, *lists, pipeline)):
        check_on_disk(file)
    clock = Stopwatch()
    if batch is not None:
        read = read_batch_file(batch.absolute() if whole_path else batch)
    else:
        read = read_lists(lists, pipeline)
        key_of(read)
    _log.info("%s: %d image sets, read in %s", read.path, len(read.planned), clock)
    return read


def _limit(option: str, read: Callable[[str], int], value: str | int | None) -> int | None:
    """A limit in minutes or MiB, from a number or a text.

    Raises:
        UsageError: the text has another form, or the number is below 1.
    """
    if isinstance(value, str):
        try:
            return read(value)
        except ValueError as error:
            raise UsageError(f"--{option}: {error}") from error
    check_range(option, value, 1)
    return value


def _options(texts: Words) -> tuple[str, ...]:
    """The words for the scheduler.

    Raises:
        UsageError: a text has an open quote, or an option that cpexport sets.
    """
    try:
        return tuple(word for text in word_list(texts) for word in option_words(text))
    except ValueError as error:
        raise UsageError(f"--option: {error}") from error
