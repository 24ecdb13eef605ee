"""What became of jobs so far: their own status files, and what the scheduler says.

Every job writes a file of its own in the folder `status` beside the jobs' folders, as appending to
one file from many nodes is not safe on NFS; so does every submission (scripts/task.sh, submit.sh).
"""

import os
import platform
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from pathlib import Path

from cpexport import slurm
from cpexport.errors import SourceError
from cpexport.imagesets import NONE, ImageSets
from cpexport.jobs import STATUS_SUFFIXES

_ATTEMPTS, _SUBMITTED = STATUS_SUFFIXES

# A shell's exit status for a program that is not there, or that it cannot run (POSIX, sh).
_NO_PROGRAM = frozenset({126, 127})
_AT_ONCE = 60

# An attempt that ended so says nothing about its image sets.
_NOT_ITS_FAULT = frozenset({"NODE_FAIL", "PREEMPTED", "CANCELLED", "BOOT_FAIL", "REQUEUED"})


@dataclass(frozen=True)
class Attempt:
    """One start of a job. `folder` is the name of its folder, `id` the scheduler's, such as
    `slurm:12_3`, or empty; `began` is UTC.

    `result` is `complete`, `failed`, or empty while it runs or if it was killed; `state` is what
    the scheduler says of it, or empty. `time` in minutes and `memory` in MiB are what it was given.
    `exit_status` and `ended` (UTC) are known if it ended by itself. `plan` tells the jobs of one
    plan from those of others; version 0.1.0 did not note it.
    """

    folder: str
    image_sets: ImageSets
    id: str
    began: str
    result: str = ""
    state: str = ""
    time: int | None = None
    memory: int | None = None
    exit_status: int | None = None
    ended: str = ""
    plan: str = ""

    @property
    def seconds(self) -> int | None:
        """How long it took, where that is known."""
        try:
            took = datetime.fromisoformat(self.ended) - datetime.fromisoformat(self.began)
        except (TypeError, ValueError):
            return None
        return max(round(took.total_seconds()), 0)

    @property
    def at_once(self) -> bool:
        """Whether it failed within a minute."""
        return self.result == "failed" and (s := self.seconds) is not None and s <= _AT_ONCE

    @property
    def unstarted(self) -> bool:
        """Whether the shell found no CellProfiler to run, or none that it could."""
        return self.exit_status in _NO_PROGRAM

    @property
    def open(self) -> bool:
        """Whether nobody knows that it ended."""
        return not self.result and (not self.state or self.state in slurm.BUSY)


@dataclass(frozen=True)
class _Submission:
    scheduler: str
    id: str
    jobs: tuple[ImageSets, ...]


@dataclass(frozen=True)
class History:
    """Attempts in order of time, and the image sets of jobs that have not ended.

    `waiting` are in the scheduler's queue, `running` by its word; `unsure` belong to jobs that may
    run, as nobody can say. `problem` is why a scheduler that is there did not say.
    """

    attempts: tuple[Attempt, ...] = ()
    waiting: ImageSets = NONE
    running: ImageSets = NONE
    unsure: ImageSets = NONE
    problem: str = ""

    @cached_property
    def last(self) -> Mapping[str, Attempt]:
        """The last attempt of each job, by the name of its folder."""
        return {attempt.folder: attempt for attempt in self.attempts}

    @property
    def busy(self) -> ImageSets:
        """What must not be run now. Without any scheduler to ask, `unsure` is not part of it."""
        held = self.unsure if self.problem else NONE
        return self.waiting | self.running | held

    @property
    def failed(self) -> tuple[Attempt, ...]:
        """The attempts that ended, and for a reason of their own."""
        return tuple(a for a in self.attempts if not a.open and a.state not in _NOT_ITS_FAULT)

    @property
    def counted(self) -> tuple[Attempt, ...]:
        """The attempts that failed and may have done so because of their image sets.

        Not those that could not start CellProfiler, nor those of a plan whose jobs all failed alike
        within a minute, unless some of their image sets had failed before while others were fine.
        """
        counted: list[Attempt] = []
        blamed = NONE
        for attempts in self._by_plan.values():
            alike = _alike(attempts)
            new = [
                a
                for a in attempts
                if not a.unstarted and not (alike and not any(n in blamed for n in a.image_sets))
            ]
            blamed |= _union(a.image_sets for a in new if a.result != "complete")
            counted += new
        return tuple(sorted(counted, key=lambda attempt: attempt.began))

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
            found[plan] = [*found.pop(plan, []), attempt]
        return found


def read_history(folders: Iterable[Path]) -> History:
    """The history in the `status` folders of some outputs; the scheduler is asked if there is one.

    Raises:
        SourceError: a list of submitted jobs is damaged.
    """
    attempts: list[Attempt] = []
    submissions: list[_Submission] = []
    for folder in folders:
        for path in sorted(folder.iterdir()):
            if path.suffix == _ATTEMPTS:
                attempts += _attempts(path)
            elif path.suffix == _SUBMITTED:
                submissions.append(_submission(path))
    attempts.sort(key=lambda attempt: attempt.began)
    ids = {s.id for s in submissions if s.scheduler == "slurm"}
    ids |= {a.id.removeprefix("slurm:").split("_")[0] for a in attempts if a.id[:6] == "slurm:"}
    answer = slurm.ask(ids) if ids else slurm.Answer()
    return _history(attempts, submissions, answer)


def _history(
    attempts: Iterable[Attempt], submissions: Iterable[_Submission], answer: slurm.Answer
) -> History:
    states = {f"slurm:{id}": state for id, state in answer.states.items()}
    told = answer.here and not answer.problem
    judged = tuple(
        a if a.state else replace(a, state=states.get(a.id) or _local(a.id) or _ended(a.id, told))
        for a in attempts
    )
    over = {a.id for a in judged if not a.open}
    waiting, running, unsure = [], [], []
    for job_id, job in _submitted(submissions):
        state = states.get(job_id, "")
        if state in slurm.WAITING:
            waiting.append(job)
        elif state in slurm.RUNNING:
            running.append(job)
        elif answer.problem and not state and job_id not in over:
            unsure.append(job)
    for attempt in judged:
        if attempt.open:
            (running if attempt.state else unsure).append(attempt.image_sets)
    return History(judged, _union(waiting), _union(running), _union(unsure), answer.problem)


def _alike(attempts: Sequence[Attempt]) -> bool:
    """Whether several jobs failed within a minute, all with the same exit status."""
    statuses = {attempt.exit_status for attempt in attempts}
    several = len({attempt.folder for attempt in attempts}) > 1
    unstarted = bool(attempts) and all(attempt.unstarted for attempt in attempts)
    return (several or unstarted) and len(statuses) == 1 and all(a.at_once for a in attempts)


def _ended(id: str, told: bool) -> str:
    """The state of a job that Slurm, which told what there is, does not know any more."""
    return "ENDED" if told and id.startswith("slurm:") else ""


def _local(id: str) -> str:
    """The state of a process of this machine, `shell:host:7`; nothing for any other."""
    words = id.split(":")
    if len(words) != 3 or words[0] != "shell" or words[1] != platform.node():
        return ""
    try:
        os.kill(int(words[2]), 0)
        # Numbers of processes are used again, and Linux tells what of.
        command = Path("/proc", words[2], "cmdline")
        ours = not command.exists() or b"task.sh" in command.read_bytes()
    except (OSError, ValueError):
        return "ENDED"
    return "RUNNING" if ours else "ENDED"


def _attempts(path: Path) -> list[Attempt]:
    """The attempts of one job. A line that a dying node left half written is passed over."""
    found: list[Attempt] = []
    for line in path.read_text("utf-8", "replace").splitlines():
        word, *rest = line.split("\t")
        if word == "start" and len(rest) in (5, 6):
            sets, id, began, time, memory, *plan = rest
            try:
                image_sets = ImageSets.parse(sets)
            except ValueError:
                continue
            found.append(
                Attempt(
                    path.stem,
                    image_sets,
                    id,
                    began,
                    time=_number(time),
                    memory=_number(memory),
                    plan="".join(plan),
                )
            )
        elif word == "end" and rest and found:
            result, status, ended = [*rest, "", ""][:3]
            found[-1] = replace(found[-1], result=result, exit_status=_number(status), ended=ended)
    # The scheduler started it again of its own accord, so what was before is not known to be over.
    return [
        replace(a, state="REQUEUED") if a.id and a.id == b.id and not a.result else a
        for a, b in zip(found, [*found[1:], Attempt("", NONE, "", "")], strict=True)
    ]


def _number(text: str) -> int | None:
    return int(text) if text.isdecimal() else None


def _submission(path: Path) -> _Submission:
    """One array: a line of scheduler and id, and a line of image sets for each of its jobs."""
    first, *lines = path.read_text("utf-8", "replace").splitlines() or [""]
    try:
        scheduler, id = first.split("\t")
        return _Submission(scheduler, id, tuple(map(ImageSets.parse, lines)))
    except ValueError as error:
        advice = "take it away when none of its jobs waits or runs any more"
        raise SourceError(path, f"not a list of submitted jobs: {error}", advice) from error


def _submitted(submissions: Iterable[_Submission]) -> Iterator[tuple[str, ImageSets]]:
    """The jobs of all submissions, by the scheduler's id: `slurm:12_3`."""
    for submission in submissions:
        for index, job in enumerate(submission.jobs, start=1):
            yield f"{submission.scheduler}:{submission.id}_{index}", job


def _union(sets: Iterable[ImageSets]) -> ImageSets:
    return ImageSets.from_ranges(ends for one in sets for ends in one.ranges)
