"""Summarizes what became of jobs so far, and what that shows about their image sets."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from cpexport.imagesets import NONE, ImageSets
from cpexport.jobs.records import Attempt, Broken
from cpexport.jobs.split import PART, name_of

# An attempt that ended in one of these states shows nothing about its image sets.
_NOT_ITS_FAULT = frozenset({"NODE_FAIL", "PREEMPTED", "CANCELLED", "BOOT_FAIL"})


@dataclass(frozen=True)
class Queued:
    """A submitted job that never began: it waits, or has ended without beginning.

    id: the scheduler's id.
    standing: WAITING or ENDED (`queues`).
    state: the scheduler's word for it.
    reason: why it waits.
    """

    id: str
    image_sets: ImageSets
    standing: str
    state: str = ""
    reason: str = ""


@dataclass(frozen=True)
class History:
    """Attempts in order of time, and the image sets of jobs that have not ended.

    waiting: image sets of jobs in a scheduler's queue.
    running: image sets of jobs that run, according to their scheduler.
    unsure: image sets of jobs that may wait or run; nothing shows whether they do.
    doubts: the image sets of `unsure`, by why they are unsure and what to do.
    queued: jobs that never began.
    broken: records that could not be read.
    submitted: whether jobs were submitted to a scheduler, which knows all that are still to come.
    recorded: as in `Records`.
    """

    attempts: tuple[Attempt, ...] = ()
    waiting: ImageSets = NONE
    running: ImageSets = NONE
    unsure: ImageSets = NONE
    doubts: Mapping[str, ImageSets] = field(default_factory=dict)
    queued: tuple[Queued, ...] = ()
    broken: tuple[Broken, ...] = ()
    submitted: bool = False
    recorded: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def last(self) -> Mapping[tuple[str, str], Attempt]:
        """The last attempt of each job, by the folder that holds the jobs' folders and the name of
        the job's own folder."""
        return {(a.home, a.folder): a for a in self.attempts}

    def of(self, path: Path, part: str) -> Attempt | None:
        """Returns the attempt that left the folder at `path`, or None.

        `part` is the job's name if the folder is that of an unfinished job, else empty. If the name
        of the folder has an attempt's id, that attempt is returned, else the job's last one.
        """
        last = self.last.get((str(path.parent), part or path.name))
        id = path.name.removeprefix(f"{part}{PART}.") if part else ""
        if id in ("", path.name) or last is None:
            return last
        with_id = (a for a in reversed(self.attempts) if a.folder == part and name_of(a.id) == id)
        return next(with_id, last)

    @cached_property
    def complete(self) -> ImageSets:
        """The image sets that jobs recorded as complete."""
        return _union(a.image_sets for a in self.attempts if a.result == "complete")

    @property
    def busy(self) -> ImageSets:
        """The image sets that must not be run now."""
        return self.waiting | self.running | self.unsure

    @cached_property
    def failed(self) -> tuple[Attempt, ...]:
        """The attempts that ended for a reason of their own."""
        return tuple(
            a
            for a in self.attempts
            if not (a.open or a.result == "requeued" or a.state in _NOT_ITS_FAULT)
            # An attempt that was stopped at its time limit says so, or its scheduler does.
            and not (a.result == "terminated" and a.time and not a.state)
        )

    @cached_property
    def counted(self) -> tuple[Attempt, ...]:
        """The failed attempts whose image sets may be the reason.

        Attempts that could not start CellProfiler do not count. If all jobs of a plan failed in the
        same way within a minute, an attempt counts only if one of its image sets failed before in
        an attempt that counts.
        """
        counted: set[int] = set()
        blamed = NONE
        for attempts in self._by_plan.values():
            alike = _alike(attempts)
            new = [
                a for a in attempts if not a.unstarted and not (alike and not a.image_sets & blamed)
            ]
            blamed |= _union(a.image_sets for a in new if a.result != "complete")
            counted |= {id(a) for a in new}
        return tuple(a for a in self.failed if id(a) in counted)

    @property
    def alike(self) -> tuple[Attempt, ...]:
        """The jobs of the newest plan, if all that have ended failed in the same way within a
        minute."""
        newest = next(reversed(self._by_plan.values()), [])
        last = {attempt.folder: attempt for attempt in newest}
        return tuple(last.values()) if _alike(newest) else ()

    @cached_property
    def _by_plan(self) -> dict[str, list[Attempt]]:
        """The failed attempts of each plan, the newest plan last."""
        attempts_by_plan: dict[str, list[Attempt]] = {}
        for attempt in self.failed:
            plan = attempt.plan or attempt.id.split("_")[0]
            # Moves the plan to the end, as it can be submitted again after another one.
            attempts = attempts_by_plan.pop(plan, [])
            attempts.append(attempt)
            attempts_by_plan[plan] = attempts
        return attempts_by_plan


def _alike(attempts: Sequence[Attempt]) -> bool:
    """Whether several jobs failed within a minute, all with the same exit status."""
    statuses = {attempt.exit_status for attempt in attempts}
    several = len({attempt.folder for attempt in attempts}) > 1
    unstarted = bool(attempts) and all(attempt.unstarted for attempt in attempts)
    return (several or unstarted) and len(statuses) == 1 and all(a.at_once for a in attempts)


def _union(sets: Iterable[ImageSets]) -> ImageSets:
    return ImageSets.from_ranges(ends for image_sets in sets for ends in image_sets.ranges)
