"""Plans the missing image sets again, with more time or memory if the last attempt lacked them."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cpexport.cellprofiler.batch_file import BatchFile
from cpexport.cellprofiler.image_set_list import for_jobs
from cpexport.commands.check_report import CheckReport
from cpexport.imagesets import ImageSets
from cpexport.jobs.next_attempt import (
    Need,
    RetryPolicy,
    Tries,
    failed_attempts,
    next_need,
    why_given_up,
    within_partition,
)
from cpexport.jobs.plan import LIST, Plan, check_commands, numbered, pipeline_of
from cpexport.jobs.problem import Problem
from cpexport.jobs.settings import Settings
from cpexport.jobs.split import Job, split
from cpexport.jobs.submit import prepare


@dataclass(frozen=True)
class Resubmission:
    """The plan, and the missing image sets that are not in it.

    busy: in jobs that wait or run.
    given_up: image sets or groups that failed too often, with the reason.
    problems: limits that could not be raised; `plan.warnings` has them, too.
    folder: the folder with the files that run the plan; None if they were not written.
    notes: for the user, about where the outputs of these jobs go.
    """

    plan: Plan
    busy: ImageSets
    given_up: Mapping[ImageSets, str]
    problems: tuple[Problem, ...] = ()
    folder: Path | None = None
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The plan as a part of the JSON report of a check."""
        return {
            **self.plan.fields(),
            "under_way": self.busy.to_list(),
            "given_up": [
                {"image_sets": str(given_up), "reason": why}
                for given_up, why in self.given_up.items()
            ],
        }


def home_of(found: CheckReport, outputs: Sequence[Path], folder: Path | None = None) -> Path:
    """Returns the folder for the jobs' folders.

    It is the planned one, else where jobs record their attempts, else `outputs`. If it cannot be
    written, it is a folder in `folder`, which holds the files that run the jobs.
    """
    if found.plans:
        home = found.plans[-1].outputs
    elif found.histories:
        home = found.histories[-1].parent
    elif not outputs:
        home = found.batch_file.path.parent
    else:
        home = outputs[0] if outputs[0].is_dir() else outputs[0].parent
    if folder and home.is_dir() and not os.access(home, os.W_OK):
        return folder / "outputs"
    return home


def missing(found: CheckReport, home: Path, size: int | None = None) -> Plan:
    """Plans all missing image sets, even those under way: to print, not to submit.

    Raises:
        SourceError: no command line can select one of the groups.
    """
    size = size or _planned_size(found)
    jobs = [(job, None, None) for job in _split(found.batch_file, found, found.missing, size)]
    plugins = found.plans[-1].settings.plugins if found.plans else None
    settings = Settings(size=size, plugins=plugins, pipeline=pipeline_of(found.batch_file))
    check_commands(found.batch_file)
    return numbered(found.batch_file, home, jobs, settings)


def resubmitted(
    found: CheckReport,
    outputs: Sequence[Path],
    folder: Path,
    limits: RetryPolicy,
    *,
    scheduler: str | None = None,
    size: int | None = None,
) -> CheckReport:
    """Writes the files that run what is missing into a new folder; returns the check with the plan.

    Nothing is written if no job is needed.

    Raises:
        SourceError: no command line can select one of the groups, or the batch file is damaged.
        PreflightError: all jobs would run in vain.
        UsageError: the folder is not empty.
        OSError: the folder cannot be written.
    """
    home = home_of(found, outputs, folder)
    batch_file = found.batch_file
    if batch_file.is_list:
        path = folder.absolute() / LIST
        batch_file = for_jobs(batch_file, path, own_lists=found.count_from_1)
    again = resubmit(replace(found, plan=batch_file), home, limits, scheduler=scheduler, size=size)
    problems: tuple[Problem, ...] = ()
    if again.plan.tasks:
        problems = prepare(again.plan, batch_file, folder)
    notes: tuple[str, ...] = ()
    if (shared := home_of(found, outputs)) != home:
        notes = (
            f"{shared}: you cannot write here, so the outputs and records of these jobs go "
            f"to {home}; tell your colleagues, because their cpexport check does not see these "
            "jobs",
        )
    warnings = tuple(map(str, (*problems, *again.problems)))
    planned = replace(again.plan, warnings=warnings)
    return replace(found, resubmission=replace(again, plan=planned, folder=folder, notes=notes))


def resubmit(
    found: CheckReport,
    home: Path,
    limits: RetryPolicy | None = None,
    *,
    scheduler: str | None = None,
    size: int | None = None,
) -> Resubmission:
    """Plans the jobs for missing image sets that are not under way.

    They have the settings of the last plan, except those that are given here.

    Raises:
        SourceError: no command line can select one of the groups.
    """
    settings = found.plans[-1].settings if found.plans else Settings()
    size = size or _planned_size(found)
    limits = limits or RetryPolicy()
    batch_file, history = found.batch_file, found.history
    settings = replace(
        settings, scheduler=scheduler or settings.scheduler, pipeline=pipeline_of(batch_file)
    )
    busy = _whole(batch_file, history.busy & found.missing)
    wanted = _whole(batch_file, found.missing) - busy
    tries = failed_attempts(history, wanted)
    needs: dict[Need, list[int]] = {}
    given_up: dict[ImageSets, str] = {}
    notes = [
        f"{(unsure & found.missing).words}: {why}"
        for why, unsure in history.doubts.items()
        if unsure & found.missing
    ]
    for unit in _units(batch_file, wanted):
        tried = [tries[n] for n in unit if n in tries]
        worst = max(tried, key=lambda tries_of_one: tries_of_one.count, default=Tries())
        if worst.count >= limits.attempts and worst.alone(unit):
            given_up[unit] = why_given_up(batch_file, unit, worst, limits)
            continue
        need = next_need(worst, settings, limits, notes)
        needs.setdefault(need, []).extend(unit)
    needs = within_partition(needs, settings, notes)
    jobs: list[tuple[Job, int | None, int | None]] = []
    # Jobs with the same limits go into one array.
    for need, numbers in sorted(needs.items(), key=lambda item: item[0].order):
        # A group is never split, so a size of one image set makes each group run alone.
        parts = _split(batch_file, found, ImageSets.of(numbers), 1 if need.alone else size)
        jobs += [(job, need.time, need.memory) for job in parts]
    # The plan after this one then uses the same size.
    size = size or max((len(job.image_sets) for job, *_ in jobs), default=None)
    settings = replace(settings, size=size)
    plan = numbered(batch_file, home.absolute(), jobs, settings)
    plan = replace(plan, batch_file=batch_file.path.absolute(), known=history.recorded)
    return Resubmission(plan, busy, given_up, tuple(map(Problem, dict.fromkeys(notes))))


def _planned_size(found: CheckReport) -> int | None:
    """The largest number of image sets in a job of the last plan: one if the plan does not give it;
    None without a plan."""
    return (found.plans[-1].settings.size or 1) if found.plans else None


def _split(
    batch_file: BatchFile, found: CheckReport, wanted: ImageSets, size: int | None
) -> tuple[Job, ...]:
    by_group = bool(found.plans) and found.plans[-1].settings.by_group
    return split(batch_file, wanted, size, by_group=by_group)


def _whole(batch_file: BatchFile, image_sets: ImageSets) -> ImageSets:
    """Extends image sets to whole groups in a grouped run."""
    touched = [members for members in batch_file.members.values() if members & image_sets]
    return image_sets | ImageSets.from_ranges(ends for group in touched for ends in group.ranges)


def _units(batch_file: BatchFile, wanted: ImageSets) -> list[ImageSets]:
    """The image sets that run, or are given up, together: single ones, or groups."""
    if batch_file.members:
        return [members for members in batch_file.members.values() if members & wanted]
    return [ImageSets.span(number, number) for number in wanted]
