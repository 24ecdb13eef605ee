"""What image sets that failed need when they run again: more time or memory, or to run alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from cpexport.cellprofiler.batch_file import BatchFile
from cpexport.imagesets import ImageSets
from cpexport.jobs.history import History
from cpexport.jobs.records import Attempt
from cpexport.jobs.scheduler_options import partition
from cpexport.jobs.schedulers import SCHEDULERS
from cpexport.jobs.schedulers.slurm import most_minutes
from cpexport.jobs.settings import Settings, clock

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


@dataclass
class Tries:
    """The failed attempts on an image set. Times are not used, as the clocks of nodes differ."""

    attempts: list[Attempt] = field(default_factory=list)

    @property
    def count(self) -> int:
        return len(self.attempts)

    def alone(self, unit: ImageSets) -> bool:
        """Whether an attempt ran only (part of) `unit`, so that the failure is its own."""
        return any(attempt.image_sets <= unit for attempt in self.attempts)


@dataclass(frozen=True)
class Need:
    """What a job needs: its own limits, and whether each image set or group runs alone."""

    time: int | None = None
    memory: int | None = None
    alone: bool = field(default=False, kw_only=True)

    @property
    def order(self) -> tuple[int, int, bool]:
        return (self.time or 0, self.memory or 0, self.alone)


def failed_attempts(history: History, wanted: ImageSets) -> dict[int, Tries]:
    """The failed attempts on each wanted image set that has any, by number."""
    tries: dict[int, Tries] = {}
    for attempt in history.counted:
        retried = attempt.image_sets & wanted
        for number in retried:
            tries.setdefault(number, Tries()).attempts.append(attempt)
    return tries


def next_need(tried: Tries, settings: Settings, limits: RetryPolicy, notes: list[str]) -> Need:
    """What the next attempt needs: as much as the largest earlier one, or more if that ran out.

    A limit that should grow, but that the plan does not have, is added to `notes`.
    """
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
    return Need(time, memory, alone=tried.count >= limits.attempts)


def _no_limit(settings: Settings, what: str) -> str:
    scheduler = SCHEDULERS.get(settings.scheduler)
    if scheduler is None:
        return (
            f"jobs ran out of {what}, which has no limit here; run fewer jobs at once (--at-once)"
        )
    option = scheduler.time(120) if what == "time" else scheduler.memory.format(8000)
    return _NO_LIMIT.format(what=what, option=option)


def within_partition(
    needs: Mapping[Need, list[int]], settings: Settings, notes: list[str]
) -> dict[Need, list[int]]:
    """Limits the time in needs to what Slurm's partition allows, if Slurm tells: jobs that ask for
    more wait forever. Each need that is limited is added to `notes`."""
    asks = settings.scheduler == "slurm" and any(need.time for need in needs)
    most = most_minutes(partition(settings)) if asks else None
    limited: dict[Need, list[int]] = {}
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


def why_given_up(batch_file: BatchFile, unit: ImageSets, tried: Tries, limits: RetryPolicy) -> str:
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
    identities = batch_file.identities.select(list(unit))
    names = [
        str(column[0])
        for name, column in identities.columns.items()
        if name.startswith("FileName_")
    ]
    return (
        f"tried {times}{how} ({', '.join(names) or 'no file names'}); to try "
        f"again, add --max-attempts {max(tried.count, limits.attempts) + 1}"
    )
