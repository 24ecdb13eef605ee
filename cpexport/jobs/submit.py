"""Writes the files that submit a plan, unless its jobs would run in vain."""

import logging
from collections.abc import Iterable
from pathlib import Path

from cpexport.cellprofiler.batch_file import BatchFile
from cpexport.errors import PreflightError, UsageError
from cpexport.files.places import is_on_disk
from cpexport.jobs.plan import Plan
from cpexport.jobs.preflight import problems
from cpexport.jobs.problem import Problem
from cpexport.jobs.templates import write

_log = logging.getLogger(__name__)


def prepare(
    plan: Plan, batch_file: BatchFile, folder: Path, *, check_images: bool = False
) -> tuple[Problem, ...]:
    """Writes the files that run a plan into a new folder; returns problems that are not fatal.

    Raises:
        PreflightError: all jobs would run in vain; nothing was written.
        SourceError: the batch file is damaged.
        UsageError: the folder is not empty, or the batch file is in a bucket.
        OSError: the folder cannot be written.
    """
    check_on_disk(batch_file.path)
    found = problems(plan, batch_file, check_images=check_images)
    check_not_fatal(found)
    write(plan, folder, batch_file)
    _log.info("%s: files for %d jobs written", folder, len(plan.tasks))
    return found


def check_on_disk(file: Path) -> None:
    """Refuses a batch file, list or pipeline that jobs could not open.

    Raises:
        UsageError: it is in a bucket.
    """
    if not is_on_disk(file):
        raise UsageError(
            f"{file}: jobs cannot read a file in a bucket; copy it to a disk, and name the copy"
        )


def check_not_fatal(found: Iterable[Problem]) -> None:
    """Refuses a plan whose jobs would run in vain.

    Raises:
        PreflightError: has all fatal problems.
    """
    if fatal := [str(problem) for problem in found if problem.fatal]:
        raise PreflightError(fatal)
