"""The command line options about jobs: how large they are, how they run, and what runs again."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from cpexport.cli import screens
from cpexport.cli.screens import Choice, Number, OptionDecorator, all_of, option
from cpexport.jobs.scheduler_options import option_words
from cpexport.jobs.settings import SCHEDULER_NAMES, mebibytes, minutes

_count = Number(int, 1)
_factor = Number(float, 1)


def _read(read: Callable[[str], int]) -> Callable[[Any, Any, str | None], int | None]:
    """Returns a click callback that parses a value with `read`."""

    def convert(context: Any, parameter: Any, value: str | None) -> int | None:
        try:
            return None if value is None else read(value)
        except ValueError as error:
            raise click.BadParameter(str(error)) from error

    return convert


def _checked_options(context: Any, parameter: Any, texts: tuple[str, ...]) -> tuple[str, ...]:
    try:
        for text in texts:
            option_words(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error
    return texts


def size(default: str) -> OptionDecorator:
    """`--images-per-batch`; `default` describes how large jobs are without it."""
    return option(
        "--images-per-batch",
        group=screens.SPLIT,
        type=_count,
        metavar="N",
        show_default=default,
        help="Maximum number of image sets per job. A group is never split. A batch is one job's "
        "output.",
    )


how_jobs_run = all_of(
    option(
        "--keep-measurements",
        group=screens.JOBS,
        is_flag=True,
        help="Keep each job's measurement file (.h5), which CellProfiler 4 deletes.",
    ),
    option(
        "--plugins-directory",
        group=screens.JOBS,
        type=click.Path(path_type=Path),
        metavar="FOLDER",
        help="Folder of CellProfiler's plugins. Jobs ignore the one in CellProfiler's preferences.",
    ),
    option(
        "--time",
        group=screens.JOBS,
        metavar="TIME",
        callback=_read(minutes),
        show_default="set by the site",
        help="Time limit of a job: minutes, H:MM:SS or D-H:MM:SS.",
    ),
    option(
        "--memory",
        group=screens.JOBS,
        metavar="SIZE",
        callback=_read(mebibytes),
        show_default="set by the site",
        help="Memory limit of a job, for example 4000M or 4G.",
    ),
    option(
        "--partition",
        group=screens.JOBS,
        metavar="NAME",
        show_default="set by the site",
        help="Partition or queue of the jobs.",
    ),
    option(
        "--at-once",
        group=screens.JOBS,
        type=_count,
        metavar="N",
        show_default="no limit, or one per core with --format shell",
        help="Maximum number of jobs at the same time.",
    ),
    option(
        "--module",
        group=screens.JOBS,
        multiple=True,
        metavar="NAME",
        help="Environment module to load before CellProfiler starts.",
    ),
    option(
        "--container",
        group=screens.JOBS,
        metavar="IMAGE",
        help="Container image in which Apptainer runs CellProfiler.",
    ),
    option(
        "--option",
        group=screens.JOBS,
        multiple=True,
        metavar="OPTION",
        callback=_checked_options,
        help="Option for the scheduler, split as in a shell, for example '-pe smp 4'.",
    ),
    option(
        "--merge-time",
        group=screens.LAST_JOB,
        metavar="TIME",
        callback=_read(minutes),
        show_default="from the number of image sets, if --time is given",
        help="Time limit of the last job.",
    ),
    option(
        "--merge-memory",
        group=screens.LAST_JOB,
        metavar="SIZE",
        callback=_read(mebibytes),
        show_default="from the number of image sets, if --memory is given",
        help="Memory limit of the last job.",
    ),
)
"""How jobs run: the fields of `Settings`."""

again = all_of(
    option(
        "--resubmit",
        group=screens.AGAIN,
        type=click.Path(path_type=Path),
        metavar="FOLDER",
        help="Write the files that run the missing image sets again into this new folder.",
    ),
    option(
        "--scheduler",
        group=screens.AGAIN,
        type=Choice(SCHEDULER_NAMES),
        show_default="as planned, else slurm",
        help="Scheduler to write files for.",
    ),
    option(
        "--max-attempts",
        group=screens.AGAIN,
        type=_count,
        metavar="N",
        default=3,
        help="After this many failed attempts, split a job into single image sets.",
    ),
    option(
        "--time-factor",
        group=screens.AGAIN,
        type=_factor,
        metavar="FACTOR",
        default=2,
        help="Multiplies the time limit of jobs that ran out of time.",
    ),
    option(
        "--mem-factor",
        group=screens.AGAIN,
        type=_factor,
        metavar="FACTOR",
        default=2,
        help="Multiplies the memory limit of jobs that ran out of memory.",
    ),
)
"""What to run again, and with which limits."""
