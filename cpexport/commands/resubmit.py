"""Plans the missing image sets again, with more time or memory if the last attempt lacked them."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from cpexport.cellprofiler.batch_file import BatchFile
from cpexport.cellprofiler.image_set_list import for_jobs
from cpexport.commands.check_report import CheckReport
from cpexport.imagesets import ImageSets
from cpexport.jobs.history import History
from cpexport.jobs.plan import LIST, Plan, check_commands, numbered, pipeline_of
from cpexport.jobs.problem import Problem
from cpexport.jobs.records import Attempt
from cpexport.jobs.scheduler_options import partition
from cpexport.jobs.schedulers import SCHEDULERS
from cpexport.jobs.schedulers.slurm import most_minutes
from cpexport.jobs.settings import Settings, clock
from cpexport.jobs.split import Job, split
from cpexport.jobs.submit import prepare

_MEMORY = "OUT_OF_MEMORY"
_NO_LIMIT = (
    "jobs ran out of {what}, but the plan has no limit to multiply: add one, such as "
    "{option}, to the lines in submit.sh that begin with array"
)


@dataclass(frozen=True)
class RetryPolicy:
    """How often image sets are tried, and how limits grow after a job ran out of time or memory.

    After `attempts` failures, each image set runs alone, or each group in a grouped run. One that
    has failed alone is given up.
    """

    attempts: int = 3
    time_factor: float = 2.0
    memory_factor: float = 2.0


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


@dataclass
class _Tries:
    """The failed attempts on an image set. Times are not used, as the clocks of nodes differ."""

    attempts: list[Attempt] = field(default_factory=list)

    @property
    def count(self) -> int:
        return len(self.attempts)

    def alone(self, unit: ImageSets) -> bool:
        """Whether an attempt ran only (part of) `unit`, so that the failure is its own."""
        return any(attempt.image_sets <= unit for attempt in self.attempts)


@dataclass(frozen=True)
class _Need:
    """What a job needs: its own limits, and whether each image set or group runs alone."""

    time: int | None = None
    memory: int | None = None
    alone: bool = field(default=False, kw_only=True)

    @property
    def order(self) -> tuple[int, int, bool]:
        return (self.time or 0, self.memory or 0, self.alone)


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
    tries = _tries(history, wanted)
    needs: dict[_Need, list[int]] = {}
    given_up: dict[ImageSets, str] = {}
    notes = [
        f"{(unsure & found.missing).words}: {why}"
        for why, unsure in history.doubts.items()
        if unsure & found.missing
    ]
    for unit in _units(batch_file, wanted):
        tried = [tries[n] for n in unit if n in tries]
        worst = max(tried, key=lambda tries_of_one: tries_of_one.count, default=_Tries())
        if worst.count >= limits.attempts and worst.alone(unit):
            given_up[unit] = _why(batch_file, unit, worst, limits)
            continue
        need = _need(worst, settings, limits, notes)
        needs.setdefault(need, []).extend(unit)
    needs = _within(needs, settings, notes)
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


def _tries(history: History, wanted: ImageSets) -> dict[int, _Tries]:
    """The failed attempts on each wanted image set that has any, by number."""
    tries: dict[int, _Tries] = {}
    for attempt in history.counted:
        retried = attempt.image_sets & wanted
        for number in retried:
            tries.setdefault(number, _Tries()).attempts.append(attempt)
    return tries


def _need(tried: _Tries, settings: Settings, limits: RetryPolicy, notes: list[str]) -> _Need:
    """What the next attempt needs: as much as the largest earlier one, or more if that ran out."""
    tries = tried.attempts
    time, lacked = _most([(a.time, a.timed_out) for a in tries], settings.time)
    if lacked and time is None:
        notes.append(_no_limit(settings, "time"))
    elif lacked and time is not None:
        time = round(time * limits.time_factor)
    memory, lacked = _most([(a.memory, a.state == _MEMORY) for a in tries], settings.memory)
    if lacked and memory is None:
        notes.append(_no_limit(settings, "memory"))
    elif lacked and memory is not None:
        memory = round(memory * limits.memory_factor)
    return _Need(time, memory, alone=tried.count >= limits.attempts)


def _no_limit(settings: Settings, what: str) -> str:
    scheduler = SCHEDULERS.get(settings.scheduler)
    if scheduler is None:
        return (
            f"jobs ran out of {what}, which has no limit here; run fewer jobs at once (--at-once)"
        )
    option = scheduler.time(120) if what == "time" else scheduler.memory.format(8000)
    return _NO_LIMIT.format(what=what, option=option)


def _within(
    needs: Mapping[_Need, list[int]], settings: Settings, notes: list[str]
) -> dict[_Need, list[int]]:
    """Limits the time in needs to what Slurm's partition allows, if Slurm tells: jobs that ask for
    more wait forever."""
    asks = settings.scheduler == "slurm" and any(need.time for need in needs)
    most = most_minutes(partition(settings)) if asks else None
    limited: dict[_Need, list[int]] = {}
    for need, numbers in needs.items():
        time = need.time
        if most and time and time > most.minutes:
            notes.append(
                f"{ImageSets.of(numbers).words}: jobs get {clock(most.minutes)}, not "
                f"{clock(time)}, because {most} allows no more; if that is too short, run "
                "fewer image sets per job (--images-per-batch), or plan with another "
                "--partition"
            )
            time = most.minutes
        limited.setdefault(replace(need, time=time), []).extend(numbers)
    return limited


def _most(tries: Sequence[tuple[int | None, bool]], planned: int | None) -> tuple[int | None, bool]:
    """The most that any attempt had or the plan gives, and whether an attempt with it ran out."""
    most = max([0, planned or 0, *(given or 0 for given, _ in tries)])
    return most or None, any(lacked and (given or planned or 0) >= most for given, lacked in tries)


def _why(batch_file: BatchFile, unit: ImageSets, tried: _Tries, limits: RetryPolicy) -> str:
    """Returns why image sets are given up, what tries them again, and which images to look at."""
    last = tried.attempts[-1]
    times, when = f"{tried.count} times", "the last time "
    if tried.count == 1:
        times, when = "once", ""
    how = ""
    if last.exit_status is not None:
        how = f", {when}with exit status {last.exit_status}"
    elif last.state:
        how = f", {when}{last.state.lower().replace('_', ' ')}"
    pictures = batch_file.pictures.select(list(unit))
    names = [
        str(column[0]) for name, column in pictures.columns.items() if name.startswith("FileName_")
    ]
    return (
        f"tried {times}{how} ({', '.join(names) or 'no file names'}); to try "
        f"again, add --max-attempts {max(tried.count, limits.attempts) + 1}"
    )
