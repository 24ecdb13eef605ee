"""What of a run waits, runs or has ended: jobs' own records, with what their schedulers say now."""

import os
import platform
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Final

from cpexport import gridengine, slurm
from cpexport.history import History, Queued
from cpexport.imagesets import ImageSets
from cpexport.jobs import PART, STATUS, STATUS_SUFFIXES, name_of
from cpexport.logs import Logs
from cpexport.queues import ENDED, RUNNING, WAITING, Answer, Task
from cpexport.records import ANY, Attempt, Reader, Records, Submission

_TITLES: Final = {"slurm": "Slurm", "sge": "Grid Engine", "lsf": "LSF", "pbs": "PBS"}
_ASKED: Final = ("slurm", "sge")
_NUMBER = re.compile("[0-9]+")
# What a scheduler may say of a job whose memory ran out. Without cgroups Slurm cancels it.
_UNCLEAR: Final = ("", "FAILED", "CANCELLED")
# Somebody may submit meanwhile, but not for ever.
_ROUNDS: Final = 5


def read_history(
    folders: Iterable[Path], reader: Reader | None = None, logs: Iterable[Path] = ()
) -> History:
    """The history in the `status` folders of some outputs, with what their schedulers say now.

    `logs` are folders of schedulers' logs. A `reader` that has read them before reads only what has
    changed. Records are read once more after the schedulers were asked: a job that has left the
    queue by then has said how it ended.
    """
    folders, reader = list(folders), reader or Reader()
    records = reader.read(folders)
    for _ in range(_ROUNDS):
        asked = _asked(records)
        before, records = records, reader.read(folders)
        if all(_arrays(records, name) == _arrays(before, name) for name in _ASKED):
            break
    return _Judging(records, asked, Logs(logs, reader.logs)).history()


def _asked(records: Records) -> dict[str, Answer]:
    """What schedulers say of all arrays that the records name."""
    asked: dict[str, Answer] = {}
    if ids := _arrays(records, "slurm"):
        asked["slurm"] = slurm.ask(ids, others=records.others)
    if ids := _arrays(records, "sge"):
        asked["sge"] = gridengine.ask(ids)
    return asked


def _arrays(records: Records, scheduler: str) -> set[str]:
    """The ids of all arrays of a scheduler that the records name."""
    ids = {_array(s.id) for s in records.submissions if s.scheduler == scheduler}
    begins = f"{scheduler}:"
    ids |= {_array(a.id.removeprefix(begins)) for a in records.attempts if a.id.startswith(begins)}
    return ids - {""}


def _array(id: str) -> str:
    """The number of an array, which PBS calls `17[].server`, and a job of it `17_2`."""
    match = _NUMBER.match(id)
    return match[0] if match else ""


@dataclass
class _Judging:
    """Puts together what records say and what schedulers `asked` answered."""

    records: Records
    asked: Mapping[str, Answer]
    logs: Logs
    waiting: list[ImageSets] = field(default_factory=list)
    running: list[ImageSets] = field(default_factory=list)
    doubts: dict[str, list[ImageSets]] = field(default_factory=dict)

    def history(self) -> History:
        judged = list(map(self._judged, self.records.attempts))
        last = {(attempt.home, attempt.folder): attempt for attempt in judged}
        attempts = tuple(self._of_memory(a, last[a.home, a.folder] is a) for a in judged)
        queued = tuple(self._queued(attempts))
        for broken in self.records.broken:
            if broken.image_sets and self._may_run(broken.path, broken.image_sets):
                self.doubts.setdefault(str(broken), []).append(broken.image_sets)
        return History(
            attempts,
            _union(self.waiting),
            _union(self.running),
            _union(one for some in self.doubts.values() for one in some),
            {why: _union(some) for why, some in self.doubts.items()},
            queued,
            self.records.broken,
            bool(self.records.submissions),
            self.records.recorded,
        )

    def _judged(self, attempt: Attempt) -> Attempt:
        """An attempt with how it ended; what has not ended is noted."""
        if attempt.result == "requeued":
            return attempt
        task = self._tasks.get(attempt.id)
        if task:
            attempt = replace(attempt, state=task.state)
        scheduler, _, rest = attempt.id.partition(":")
        home = Path(attempt.home, STATUS)
        if attempt.result:
            # Stopped to make room for another one, it may wait for its next start.
            stopped = attempt.result in ("terminated", "timeout") and task is None
            if stopped and scheduler in self.asked and not self._told(scheduler):
                self._doubt(scheduler, rest, home, attempt.image_sets)
            return attempt
        if task and task.standing == ENDED:
            return replace(attempt, result="killed")
        if task:
            (self.waiting if task.standing == WAITING else self.running).append(attempt.image_sets)
            return attempt
        host, _, process = rest.partition(":")
        if scheduler == "shell" and host == platform.node():
            if not _runs_here(process.partition(":")[0]) and not self._works_on(attempt):
                return replace(attempt, result="killed")
            self.running.append(attempt.image_sets)
            return replace(attempt, state="RUNNING")
        if not attempt.id:
            if not self._may_run(home / f"{attempt.folder}.status", attempt.image_sets):
                return replace(attempt, result="killed")
        elif self._told(scheduler) and _array(rest):
            return replace(attempt, result="killed")
        self._doubt(scheduler, rest, home, attempt.image_sets)
        return attempt

    def _of_memory(self, attempt: Attempt, last: bool) -> Attempt:
        """An attempt that failed, and where only its log says that memory ran out, with that."""
        failed = attempt.result in ("failed", "killed", "terminated")
        if not failed or attempt.state not in _UNCLEAR:
            return attempt
        lacked = self.logs.ran_out_of_memory(attempt, last=last)
        return replace(attempt, state="OUT_OF_MEMORY") if lacked else attempt

    def _queued(self, attempts: Iterable[Attempt]) -> Iterator[Queued]:
        """The jobs of all submissions that never began; those that have not ended are noted."""
        began = {attempt.id: attempt for attempt in attempts}
        for submission in self.records.submissions:
            if submission.scheduler == "shell" and submission.id:
                yield from self._to_come(submission, attempts)
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
                elif (task or self._told(scheduler)) and array:
                    if attempt is None and job:
                        yield Queued(id, job, ENDED, task.state if task else "")
                elif attempt is None:
                    self._doubt(scheduler, array, submission.path, image_sets)
            self._beyond(submission)

    def _to_come(self, run: Submission, attempts: Iterable[Attempt]) -> Iterator[Queued]:
        """The jobs that a shell's run has not begun yet, unless it has ended."""
        host, process, number = run.id.split(":")
        if host == platform.node() and not _runs_here(process):
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

    def _beyond(self, submission: Submission) -> None:
        """Notes jobs that the record of a submission, which was cut off, does not list."""
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
            for scheduler, answer in self.asked.items()
            for id, task in answer.tasks.items()
        }

    def _told(self, scheduler: str) -> bool:
        """Whether a scheduler said all that it has, so that what it did not name has ended."""
        return scheduler in self.asked and not self.asked[scheduler].problem

    def _may_run(self, path: Path, image_sets: ImageSets) -> bool:
        """Whether a job of which no record says the number may run.

        What was submitted to a scheduler that answers is known by that. Else it is a process.
        """
        if path.suffix == STATUS_SUFFIXES[0]:
            submissions = self.records.submissions
            told = [s for s in submissions if s.id and self._told(s.scheduler)]
            submitted = _union(job for one in told for job in one.jobs if job)
            if told and (image_sets == ANY or image_sets <= submitted):
                return False
            here = f"{platform.node()}:"
            if all(s.scheduler == "shell" and s.id[: len(here)] == here for s in submissions):
                return self._works_in(path.parent.parent / f"{path.stem}{PART}")
        return True

    def _works_on(self, attempt: Attempt) -> bool:
        """Whether CellProfiler outlived the job that began it, as when that alone was killed."""
        home = Path(attempt.home)
        return self._works_in(home / f"{attempt.folder}{PART}.{name_of(attempt.id)}", unknown=False)

    def _works_in(self, part: Path, *, unknown: bool = True) -> bool:
        """Whether a process here was told to write into a job's folder, as CellProfiler is.
        `unknown` is the answer where nobody can tell."""
        names = {part.absolute(), part.parent.resolve() / part.name}
        said = self._said
        return unknown if said is None else any(os.fsencode(name) in said for name in names)

    @cached_property
    def _said(self) -> bytes | None:
        return _commands()

    def _doubt(self, scheduler: str, id: str, path: Path, image_sets: ImageSets) -> None:
        """Notes image sets of which nobody can say whether they wait or run, and why."""
        title = _TITLES.get(scheduler, scheduler)
        folder = path if path.name == STATUS else path.parent
        remove = f"if none of those jobs waits or runs, remove their files in {folder}"
        if path.name != STATUS and not id:
            why = f"{path}: a submission that never said its number is left out; "
        elif scheduler in self.asked:
            why = (
                f"{title} cannot be asked which jobs wait or run ({self.asked[scheduler].problem}):"
                " what jobs may be running is left out; run this where it can be asked, or "
            )
        elif scheduler == "shell":
            host = id.partition(":")[0]
            what = "jobs that began" if path.name == STATUS else f"{path}: jobs that were submitted"
            why = (
                f"{what} on {host} never said how they ended, and are left out; "
                f"run this on {host}, or "
            )
        else:
            why = (
                f"{title or 'a job'} is not asked which jobs wait or run: those that never said how"
                " they ended are left out; "
            )
        self.doubts.setdefault(why + remove, []).append(image_sets)


def _runs_here(process: str) -> bool:
    """Whether a process of this machine runs, and is one of a job or of a shell's run."""
    try:
        os.kill(int(process), 0)
    except PermissionError:
        # Another user's, which is there.
        pass
    except (OSError, ValueError, OverflowError):
        return False
    # Numbers of processes are used again, and Linux tells what of.
    return _is_job(Path("/proc", process))


def _is_job(process: Path) -> bool:
    try:
        command = (process / "cmdline").read_bytes()
    except FileNotFoundError:
        return not Path("/proc/self").exists()
    except OSError:
        return True
    return b"task.sh" in command or b"submit.sh" in command


def _commands() -> bytes | None:
    """The words of all processes of this machine; None where nobody can tell."""
    if not Path("/proc/self").exists():
        return None
    found = []
    for process in Path("/proc").iterdir():
        with suppress(OSError):
            if process.name.isdecimal():
                found.append((process / "cmdline").read_bytes())
    return b"\n".join(found)


def _union(sets: Iterable[ImageSets]) -> ImageSets:
    return ImageSets.from_ranges(ends for one in sets for ends in one.ranges)
