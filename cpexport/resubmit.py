"""Plans what is missing once more: whole groups, ranges merged, with what the last try lacked."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from cpexport.batchfile import BatchFile
from cpexport.check import Check
from cpexport.history import Attempt, History
from cpexport.imagesets import ImageSets
from cpexport.jobs import Job, split
from cpexport.plan import Plan, numbered
from cpexport.preflight import Problem
from cpexport.settings import Settings

_TIMEOUT, _MEMORY = "TIMEOUT", "OUT_OF_MEMORY"
# Only Slurm is asked, so it is Slurm's option.
_NO_LIMIT = (
    "jobs ran out of {what}, and the plan set none to multiply: "
    "add {option}=... to the lines in submit.sh that begin with array"
)


@dataclass(frozen=True)
class Limits:
    """How often image sets are tried, and what jobs get that ran out of time or memory.

    After `attempts` failures image sets run alone: each by itself, or in a grouped run each group.
    What fails alone then is given up.
    """

    attempts: int = 3
    time_factor: float = 2.0
    memory_factor: float = 2.0


@dataclass(frozen=True)
class Resubmission:
    """The plan, and what is missing but not in it: `busy` as jobs on it wait or run, `given_up`
    with the reason of each."""

    plan: Plan
    busy: ImageSets
    given_up: Mapping[ImageSets, str]
    problems: tuple[Problem, ...] = ()


@dataclass
class _Tries:
    """How often an image set failed, and the last time that it did."""

    count: int = 0
    last: Attempt | None = None

    def alone(self, unit: ImageSets) -> bool:
        """Whether nothing but `unit` ran the last time, so that the failure is its own."""
        return self.last is not None and self.last.image_sets <= unit


@dataclass(frozen=True)
class _Need:
    """What a job is to be given: its own limits, and whether each image set or group runs alone."""

    time: int | None = None
    memory: int | None = None
    alone: bool = field(default=False, kw_only=True)

    @property
    def order(self) -> tuple[int, int, bool]:
        return (self.time or 0, self.memory or 0, self.alone)


def home_of(found: Check, outputs: Sequence[Path], folder: Path | None = None) -> Path:
    """The folder of the jobs' folders: as planned, else where they keep count, else `outputs`; and
    where that cannot be written, one in the `folder` of the files that run them."""
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


def missing(found: Check, home: Path, size: int | None = None) -> Plan:
    """All that is missing as a plan, whatever is under way: to print, not to submit.

    Raises:
        SourceError: a group that no command line can say.
    """
    size = size or (found.plans[-1].settings.size if found.plans else None)
    jobs = [(job, None, None) for job in found.jobs(size)]
    return numbered(found.batch_file, home, jobs, Settings(size=size))


def resubmit(
    found: Check,
    home: Path,
    limits: Limits | None = None,
    *,
    scheduler: str | None = None,
    size: int | None = None,
) -> Resubmission:
    """The jobs that bring what is missing, and nothing that is there or under way.

    They are to run as planned before, but for what is given here.

    Raises:
        SourceError: a group that no command line can say.
    """
    settings = found.plans[-1].settings if found.plans else Settings()
    settings = replace(
        settings, scheduler=scheduler or settings.scheduler, size=size or settings.size
    )
    limits = limits or Limits()
    batch_file, history = found.batch_file, found.history
    busy = _whole(batch_file, history.busy & found.missing)
    wanted = _whole(batch_file, found.missing) - busy
    tries = _tries(history, wanted)
    needs: dict[_Need, list[int]] = {}
    given_up: dict[ImageSets, str] = {}
    notes = [] if not history.problem else [_held(history.problem)]
    if not history.problem and (unsure := history.unsure & wanted):
        notes.append(
            f"jobs on {unsure.words} began and never said how they ended: "
            "see that none of them runs any more"
        )
    for unit in _units(batch_file, wanted):
        tried = [tries[n] for n in unit if n in tries]
        most = max(tried, key=lambda t: t.count, default=_Tries())
        if most.count >= limits.attempts and most.alone(unit):
            given_up[unit] = _why(batch_file, unit, most, limits)
            continue
        need = _need(most, settings, limits, notes)
        needs.setdefault(need, []).extend(unit)
    jobs: list[tuple[Job, int | None, int | None]] = []
    # Jobs with the same limits go into one array.
    for need, numbers in sorted(needs.items(), key=lambda item: item[0].order):
        # A group is never cut, so that with one image set a job each group runs alone.
        size = 1 if need.alone else settings.size
        some = split(batch_file, ImageSets.of(numbers), size)
        jobs += [(job, need.time, need.memory) for job in some]
    plan = numbered(batch_file, home.absolute(), jobs, settings)
    plan = replace(plan, batch_file=batch_file.path.absolute())
    return Resubmission(plan, busy, given_up, tuple(map(Problem, dict.fromkeys(notes))))


def _held(problem: str) -> str:
    return (
        f"Slurm cannot be asked which jobs wait or run ({problem}): "
        "what jobs may be running is left out"
    )


def _whole(batch_file: BatchFile, image_sets: ImageSets) -> ImageSets:
    """In a grouped run all of each group touched."""
    touched = [m for m in batch_file.members.values() if m & image_sets]
    return image_sets | ImageSets.from_ranges(ends for one in touched for ends in one.ranges)


def _units(batch_file: BatchFile, wanted: ImageSets) -> list[ImageSets]:
    """What is run or given up together: single image sets, or groups."""
    if batch_file.members:
        return [members for members in batch_file.members.values() if members & wanted]
    return [ImageSets.span(number, number) for number in wanted]


def _tries(history: History, wanted: ImageSets) -> dict[int, _Tries]:
    found: dict[int, _Tries] = {}
    for attempt in history.counted:
        here = attempt.image_sets & wanted
        for number in here:
            tried = found.setdefault(number, _Tries())
            tried.count += 1
            tried.last = attempt
    return found


def _need(tried: _Tries, settings: Settings, limits: Limits, notes: list[str]) -> _Need:
    """What the next try gets: more of what the last one ran out of, and at least as much of all."""
    last = tried.last
    time, memory = settings.time, settings.memory
    if last is not None:
        time, memory = _more(last.time, time), _more(last.memory, memory)
        if last.state == _TIMEOUT and time is None:
            notes.append(_NO_LIMIT.format(what="time", option="--time"))
        elif last.state == _TIMEOUT and time is not None:
            time = round(time * limits.time_factor)
        if last.state == _MEMORY and memory is None:
            notes.append(_NO_LIMIT.format(what="memory", option="--mem"))
        elif last.state == _MEMORY and memory is not None:
            memory = round(memory * limits.memory_factor)
    return _Need(time, memory, alone=tried.count >= limits.attempts)


def _more(one: int | None, other: int | None) -> int | None:
    return max((n for n in (one, other) if n is not None), default=None)


def _why(batch_file: BatchFile, unit: ImageSets, tried: _Tries, limits: Limits) -> str:
    """Why something is given up, what takes it up again, and the pictures to look at."""
    last = tried.last
    how = ""
    if last and last.exit_status is not None:
        how = f", the last time with exit status {last.exit_status}"
    elif last and last.state:
        how = f", last {last.state.lower().replace('_', ' ')}"
    pictures = batch_file.pictures.select(list(unit))
    names = [
        str(column[0]) for name, column in pictures.columns.items() if name.startswith("FileName_")
    ]
    return (
        f"tried {tried.count} times{how} ({', '.join(names) or 'no file names'}); "
        f"--max-attempts {max(tried.count, limits.attempts) + 1} tries again"
    )
