"""Writes what submits a plan, unless its jobs would run in vain."""

from pathlib import Path

from cpexport.batchfile import BatchFile
from cpexport.plan import Plan
from cpexport.preflight import Problem, problems
from cpexport.scripts import write


def prepare(
    plan: Plan, batch_file: BatchFile, folder: Path, *, check_images: bool = False
) -> tuple[Problem, ...]:
    """Writes the files that run a plan into a new folder; nothing if a problem is fatal.

    Raises:
        SourceError: the batch file is damaged.
        UsageError: the folder holds something already.
        OSError: it cannot be written.
    """
    found = problems(plan, batch_file, check_images=check_images)
    if not any(problem.fatal for problem in found):
        write(plan, folder, batch_file)
    return found
