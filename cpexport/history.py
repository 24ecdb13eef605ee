"""What became of jobs so far, and what that says of their image sets."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from cpexport.imagesets import NONE, ImageSets
from cpexport.jobs import PART, name_of
from cpexport.records import Attempt, Broken

# An attempt that ended so says nothing about its image sets.
_NOT_ITS_FAULT = frozenset({"NODE_FAIL", "PREEMPTED", "CANCELLED", "BOOT_FAIL"})


@dataclass(frozen=True)
class Queued:
    """A job of a submission that never began: it waits, or has ended all the same.

    `id` is the scheduler's, `state` its word, and `reason` why it waits.
    """

    id: str
    image_sets: ImageSets
    standing: str
    state: str = ""
    reason: str = ""


@dataclass(frozen=True)
class History:
    """Attempts in order of time, and the image sets of jobs that have not ended.

    `waiting` are in a scheduler's queue, `running` by its word; `unsure` belong to jobs that may
    wait or run, as nobody can say, and `doubts` say of them why, and what to do. `queued` are jobs
    that never began. `broken` are records that could not be read. `submitted` is whether schedulers
    know all that is to come. `recorded` is as in `Records`.
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
        """The last attempt of each job, by the folder of jobs' folders and the name of its own."""
        return {(a.home, a.folder): a for a in self.attempts}

    def of(self, path: Path, part: str) -> Attempt | None:
        """The attempt that left what is at `path`: by its own id in the name of a folder that is
        the `part` of a job which did not complete, else the last one of the job."""
        last = self.last.get((str(path.parent), part or path.name))
        id = path.name.removeprefix(f"{part}{PART}.") if part else ""
        if id in ("", path.name) or last is None:
            return last
        mine = (a for a in reversed(self.attempts) if a.folder == part and name_of(a.id) == id)
        return next(mine, last)

    @cached_property
    def complete(self) -> ImageSets:
        """What jobs have said to be complete."""
        return _union(a.image_sets for a in self.attempts if a.result == "complete")

    @property
    def busy(self) -> ImageSets:
        """What must not be run now."""
        return self.waiting | self.running | self.unsure

    @cached_property
    def failed(self) -> tuple[Attempt, ...]:
        """The attempts that ended, and for a reason of their own."""
        return tuple(
            a
            for a in self.attempts
            if not (a.open or a.result == "requeued" or a.state in _NOT_ITS_FAULT)
            # With a limit of time, one that was stopped for that says so, or its scheduler does.
            and not (a.result == "terminated" and a.time and not a.state)
        )

    @cached_property
    def counted(self) -> tuple[Attempt, ...]:
        """The attempts that failed and may have done so because of their image sets.

        Not those that could not start CellProfiler, nor those of a plan whose jobs all failed alike
        within a minute, unless some of their image sets had failed before while others were fine.
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
        """The jobs of the newest plan, if all that have ended failed alike within a minute."""
        newest = next(reversed(self._by_plan.values()), [])
        last = {attempt.folder: attempt for attempt in newest}
        return tuple(last.values()) if _alike(newest) else ()

    @cached_property
    def _by_plan(self) -> dict[str, list[Attempt]]:
        """The failed attempts of each plan, the newest plan last."""
        found: dict[str, list[Attempt]] = {}
        for attempt in self.failed:
            plan = attempt.plan or attempt.id.split("_")[0]
            # Takes it to the end, as a plan can be submitted once more after another.
            attempts = found.pop(plan, [])
            attempts.append(attempt)
            found[plan] = attempts
        return found


def _alike(attempts: Sequence[Attempt]) -> bool:
    """Whether several jobs failed within a minute, all with the same exit status."""
    statuses = {attempt.exit_status for attempt in attempts}
    several = len({attempt.folder for attempt in attempts}) > 1
    unstarted = bool(attempts) and all(attempt.unstarted for attempt in attempts)
    return (several or unstarted) and len(statuses) == 1 and all(a.at_once for a in attempts)


def _union(sets: Iterable[ImageSets]) -> ImageSets:
    return ImageSets.from_ranges(ends for one in sets for ends in one.ranges)
