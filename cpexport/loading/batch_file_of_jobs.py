"""Reads the batch file that jobs were planned and run with, and refuses any other."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from cpexport.cellprofiler.batch_file import BatchFile, read_batch_file
from cpexport.cellprofiler.image_set_list import read_lists
from cpexport.errors import SourceError
from cpexport.jobs.plan import SavedPlan
from cpexport.jobs.split import PLAN
from cpexport.jobs.stamps import Stamps


def planned_with(plans: Sequence[SavedPlan]) -> Path | None:
    """Returns the batch file of the newest plan.

    Raises:
        SourceError: it is no longer where it was.
    """
    if not plans:
        return None
    newest = plans[-1]
    if not newest.batch_file.exists():
        raise SourceError(
            newest.path,
            f"its batch file {newest.batch_file} no longer exists",
            "restore it, or name its new place with --batch",
        )
    return newest.batch_file


def read_and_check(
    path: Path | None, plans: Sequence[SavedPlan], stamps: Stamps
) -> BatchFile | None:
    """Reads the batch file, or the list that a plan's jobs run, if there is one.

    Raises:
        SourceError: it cannot be read, or jobs were planned or run with another one.
    """
    if path is None:
        return None
    listed = [plan for plan in plans if plan.settings.pipeline and plan.batch_file == path]
    if listed:
        # Its metadata identifies image sets, whatever the order of its rows.
        return read_lists((path,), _existing(Path(listed[-1].settings.pipeline or "")))
    plan = read_batch_file(path)
    _check_same_batch_file(plan, plans, stamps)
    return plan


def _existing(path: Path) -> Path | None:
    """A pipeline; None if it was deleted, as only jobs need it."""
    return path if path.exists() else None


def _check_same_batch_file(plan: BatchFile, plans: Iterable[SavedPlan], stamps: Stamps) -> None:
    """Refuses jobs of another batch file, where the same numbers may mean different images."""
    recorded = {other.path: other.sha256 for other in plans} | dict(stamps.sha256)
    ours = plan.sha256 if recorded else ""
    for path, sha256 in recorded.items():
        if sha256 != ours:
            verb = "planned" if path.name == PLAN else "run"
            raise SourceError(
                path,
                f"{verb} with another batch file than {plan.path} (SHA-256 {sha256[:12]}..., "
                f"not {ours[:12]}...)",
                f"name the batch file it was {verb} with as --batch, or move this file out of "
                "OUTPUTS",
            )
