"""Writes the files that submit a plan, unless its jobs would run in vain."""

from pathlib import Path

from cpexport.cellprofiler.batch_file import BatchFile
from cpexport.jobs.plan import Plan
from cpexport.jobs.preflight import Problem, problems
from cpexport.jobs.templates import write


def prepare(
    plan: Plan, batch_file: BatchFile, folder: Path, *, check_images: bool = False
) -> tuple[Problem, ...]:
    """Writes the files that run a plan into a new folder, unless a problem is fatal.

    Returns the problems.

    Raises:
        SourceError: the batch file is damaged.
        UsageError: the folder is not empty.
        OSError: the folder cannot be written.
    """
    found = problems(plan, batch_file, check_images=check_images)
    if not any(problem.fatal for problem in found):
        write(plan, folder, batch_file)
    return found
