"""Finds which jobs of a run wait, run or have ended, from their records and their schedulers."""

import os
import platform
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Final

from cpexport.imagesets import ImageSets, union
from cpexport.jobs.history import History, Queued
from cpexport.jobs.logs import Logs
from cpexport.jobs.processes import command_lines, runs_here
from cpexport.jobs.record_reader import Reader, read_files
from cpexport.jobs.records import ANY, Attempt, Records, Submission
from cpexport.jobs.scheduler_commands import ENDED, RUNNING, WAITING, QueueState, Task
from cpexport.jobs.schedulers import SCHEDULERS
from cpexport.jobs.split import PART, STATUS, STATUS_SUFFIXES, name_of

_QUERIED: Final = {name: one for name, one in SCHEDULERS.items() if one.answers}
_NUMBER = re.compile("[0-9]+")
# States that a scheduler may report for a job that ran out of memory; Slurm without cgroups cancels
# it.
_UNCLEAR: Final = ("", "FAILED", "CANCELLED")
# How often schedulers are asked again because jobs were submitted while they answered.
_ROUNDS: Final = 5


def read_history(
    folders: Iterable[Path], reader: Reader | None = None, logs: Iterable[Path] = ()
) -> History:
    """Returns the history in some `status` folders, together with what schedulers report now.

    `logs` are folders with schedulers' logs. A `reader` that has read the folders before reads only
    what has changed. Records are read again after the schedulers have answered: a job that has left
    the queue by then has recorded how it ended.
    """
    folders, reader = list(folders), reader or Reader()
    records = reader.read(folders)
    for _ in range(_ROUNDS):
        queues = _ask_schedulers(records)
        before, records = records, reader.read(folders)
        if all(_arrays(records, name) == _arrays(before, name) for name in _QUERIED):
            break
    return _Judging(records, queues, Logs(logs, reader.logs)).history()


def read_recorded(paths: Iterable[Path], logs: Iterable[Path] = ()) -> History:
    """Returns the history in some records of jobs, without asking a scheduler.

    `logs` are folders with schedulers' logs.
    """
    return _Judging(read_files(paths), {}, Logs(logs)).history()


def _ask_schedulers(records: Records) -> dict[str, QueueState]:
    """Asks the schedulers for all arrays in the records; returns their answers by scheduler."""
    queues: dict[str, QueueState] = {}
    for name, scheduler in _QUERIED.items():
        if ids := _arrays(records, name):
            queues[name] = scheduler.ask(ids, others=records.others)
    return queues


def _arrays(records: Records, scheduler: str) -> set[str]:
    """Returns the ids of a scheduler's arrays in the records."""
    ids = {_array(s.id) for s in records.submissions if s.scheduler == scheduler}
    begins = f"{scheduler}:"
    ids |= {_array(a.id.removeprefix(begins)) for a in records.attempts if a.id.startswith(begins)}
    return ids - {""}


def _array(id: str) -> str:
    """Returns the number of an array from its id (PBS: `17[].server`) or a job's id (`17_2`)."""
    match = _NUMBER.match(id)
    return match[0] if match else ""


@dataclass
class _Judging:
    """Combines the records with the answers of the schedulers that were asked (`queues`)."""

    records: Records
    queues: Mapping[str, QueueState]
    logs: Logs
    waiting: list[ImageSets] = field(default_factory=list)
    running: list[ImageSets] = field(default_factory=list)
    doubts: dict[str, list[ImageSets]] = field(default_factory=dict)

    def history(self) -> History:
        judged = list(map(self._judged, self.records.attempts))
        last = {(attempt.home, attempt.folder): attempt for attempt in judged}
        attempts = tuple(self._out_of_memory(a, last[a.home, a.folder] is a) for a in judged)
        queued = tuple(self._queued(attempts))
        for broken in self.records.broken:
            if broken.image_sets and self._may_run(broken.path, broken.image_sets):
                self.doubts.setdefault(str(broken), []).append(broken.image_sets)
        return History(
            attempts,
            union(self.waiting),
            union(self.running),
            union(one for some in self.doubts.values() for one in some),
            {why: union(some) for why, some in self.doubts.items()},
            queued,
            self.records.broken,
            bool(self.records.submissions),
            self.records.recorded,
        )

    def _judged(self, attempt: Attempt) -> Attempt:
        """Returns an attempt with how it ended; collects the image sets of one that has not."""
        if attempt.result == "requeued":
            return attempt
        task = self._tasks.get(attempt.id)
        if task:
            attempt = replace(attempt, state=task.state)
        if attempt.result:
            # A job that was stopped to make room for another one may wait for its next start.
            if task is None and attempt.result in ("terminated", "timeout"):
                self._doubt_silent(attempt)
            return attempt
        if task is None:
            return self._untracked(attempt)
        if task.standing == ENDED:
            return replace(attempt, result="killed")
        (self.waiting if task.standing == WAITING else self.running).append(attempt.image_sets)
        return attempt

    def _untracked(self, attempt: Attempt) -> Attempt:
        """Judges an attempt that has no recorded end and that no scheduler lists."""
        scheduler, _, rest = attempt.id.partition(":")
        host, _, process = rest.partition(":")
        if scheduler == "shell" and host == platform.node():
            if not runs_here(process.partition(":")[0]) and not self._works_on(attempt):
                return replace(attempt, result="killed")
            self.running.append(attempt.image_sets)
            return replace(attempt, state="RUNNING")
        home = Path(attempt.home, STATUS)
        if not attempt.id:
            if not self._may_run(home / f"{attempt.folder}.status", attempt.image_sets):
                return replace(attempt, result="killed")
        elif self._answered(scheduler) and _array(rest):
            return replace(attempt, result="killed")
        self._doubt(scheduler, rest, home, attempt.image_sets)
        return attempt

    def _doubt_silent(self, attempt: Attempt) -> None:
        """Counts an attempt as possibly running if its scheduler was asked and did not answer."""
        scheduler, _, rest = attempt.id.partition(":")
        if scheduler in self.queues and not self._answered(scheduler):
            self._doubt(scheduler, rest, Path(attempt.home, STATUS), attempt.image_sets)

    def _out_of_memory(self, attempt: Attempt, last: bool) -> Attempt:
        """Returns an attempt; marks a failed one as out of memory if only its log says so."""
        failed = attempt.result in ("failed", "killed", "terminated")
        if not failed or attempt.state not in _UNCLEAR:
            return attempt
        ran_out = self.logs.ran_out_of_memory(attempt, last=last)
        return replace(attempt, state="OUT_OF_MEMORY") if ran_out else attempt

    def _queued(self, attempts: Iterable[Attempt]) -> Iterator[Queued]:
        """Yields the submitted jobs that never began; collects the image sets of those that have
        not ended."""
        began = {attempt.id: attempt for attempt in attempts}
        for submission in self.records.submissions:
            if submission.scheduler == "shell" and submission.id:
                yield from self._not_begun(submission, attempts)
                continue
            scheduler, array = submission.scheduler, _array(submission.id)
            for index, job in enumerate(submission.jobs, start=1):
                id = f"{scheduler}:{array}_{index}"
                task, attempt = self._tasks.get(id), began.get(id) if array else None
                image_sets = ANY if job is None else job
                if task and task.standing == WAITING:
                    self.waiting.append(image_sets)
                    yield Queued(id, image_sets, WAITING, task.state, task.reason)
                elif task and task.standing == RUNNING:
                    self.running.append(image_sets)
                elif (task or self._answered(scheduler)) and array:
                    if attempt is None and job:
                        yield Queued(id, job, ENDED, task.state if task else "")
                elif attempt is None:
                    self._doubt(scheduler, array, submission.path, image_sets)
            self._collect_unlisted(submission)

    def _not_begun(self, run: Submission, attempts: Iterable[Attempt]) -> Iterator[Queued]:
        """Yields the jobs that a shell's run has not begun yet, unless the run has ended."""
        host, process, number = run.id.split(":")
        if host == platform.node() and not runs_here(process):
            return
        begins, ends = f"shell:{host}:", f":{number}"
        begun = {a.image_sets for a in attempts if a.id.startswith(begins) and a.id.endswith(ends)}
        for job in run.jobs:
            image_sets = ANY if job is None else job
            if job in begun:
                continue
            if host == platform.node():
                self.waiting.append(image_sets)
                yield Queued(f"shell:{run.id}", image_sets, WAITING)
            else:
                self._doubt("shell", run.id, run.path, image_sets)

    def _collect_unlisted(self, submission: Submission) -> None:
        """Collects jobs that the truncated record of a submission does not list."""
        if not any(submission.path == broken.path for broken in self.records.broken):
            return
        begins = f"{submission.scheduler}:{_array(submission.id)}_"
        for id, task in self._tasks.items():
            if id.startswith(begins) and int(id.rpartition("_")[2]) > len(submission.jobs):
                if task.standing == WAITING:
                    self.waiting.append(ANY)
                elif task.standing == RUNNING:
                    self.running.append(ANY)

    @cached_property
    def _tasks(self) -> dict[str, Task]:
        return {
            f"{scheduler}:{id}": task
            for scheduler, answer in self.queues.items()
            for id, task in answer.tasks.items()
        }

    def _answered(self, scheduler: str) -> bool:
        """Whether a scheduler listed all its jobs, so that every job it did not list has ended."""
        return scheduler in self.queues and not self.queues[scheduler].problem

    def _may_run(self, path: Path, image_sets: ImageSets) -> bool:
        """Whether a job may run although no record gives its number.

        If jobs were submitted to a scheduler that answers, its list of jobs decides. Otherwise the
        processes of this machine do.
        """
        if path.suffix == STATUS_SUFFIXES[0]:
            submissions = self.records.submissions
            answered = [s for s in submissions if s.id and self._answered(s.scheduler)]
            submitted = union(job for submission in answered for job in submission.jobs if job)
            if answered and (image_sets == ANY or image_sets <= submitted):
                return False
            this_host = f"{platform.node()}:"
            if all(
                s.scheduler == "shell" and s.id[: len(this_host)] == this_host for s in submissions
            ):
                return self._works_in(path.parent.parent / f"{path.stem}{PART}")
        return True

    def _works_on(self, attempt: Attempt) -> bool:
        """Whether CellProfiler outlived its job, for example because only the job was killed."""
        home = Path(attempt.home)
        return self._works_in(home / f"{attempt.folder}{PART}.{name_of(attempt.id)}", unknown=False)

    def _works_in(self, part: Path, *, unknown: bool = True) -> bool:
        """Whether a process of this machine has a job's folder in its command line.

        `unknown` is the answer if command lines cannot be read.
        """
        names = {part.absolute(), part.parent.resolve() / part.name}
        lines = self._command_lines
        return unknown if lines is None else any(os.fsencode(name) in lines for name in names)

    @cached_property
    def _command_lines(self) -> bytes | None:
        return command_lines()

    def _doubt(self, scheduler: str, id: str, path: Path, image_sets: ImageSets) -> None:
        """Collects image sets that may wait or run, with why that is unknown and what to do."""
        title = SCHEDULERS[scheduler].title if scheduler in SCHEDULERS else scheduler
        folder = path if path.name == STATUS else path.parent
        remove = f"if none of those jobs waits or runs, remove their files in {folder}"
        if path.name != STATUS and not id:
            why = f"{path}: a submission that never recorded its number is left out; "
        elif scheduler in self.queues:
            why = (
                f"{title} cannot be asked which jobs wait or run "
                f"({self.queues[scheduler].problem}), so jobs that may be running are left "
                "out; run this where it can be asked, or "
            )
        elif scheduler == "shell":
            host = id.partition(":")[0]
            what = (
                ("jobs that started")
                if path.name == STATUS
                else f"{path}: jobs that were submitted"
            )
            why = (
                f"{what} on {host} never recorded how they ended and are left out; run this "
                f"on {host}, or "
            )
        else:
            why = (
                f"cpexport cannot ask {title or 'the scheduler'} which jobs wait or run, so jobs "
                "that never recorded how they ended are left out; "
            )
        self.doubts.setdefault(why + remove, []).append(image_sets)
