"""What `check` reports about each batch, and about jobs that have no output yet."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cpexport.files.spool import Spool
from cpexport.imagesets import NONE, ImageSets, union
from cpexport.jobs.history import History, Queued
from cpexport.jobs.logs import Logs, last_lines
from cpexport.jobs.records import ANY, Attempt
from cpexport.jobs.scheduler_commands import WAITING
from cpexport.jobs.split import LOG, STATUS, STATUS_SUFFIXES, unfinished
from cpexport.loading.how_jobs_ended import died_at_once, how_it_ended, unsaid, waits
from cpexport.sources.base import Batch, State


@dataclass(frozen=True)
class Seen:
    """One batch in a report: where it is, which image sets it has, and which are complete.

    reason: why some are not complete.
    evidence: how completion was recognized.
    skipped: image sets that FlagImage skipped; they are not in `complete`.
    exit_status, seconds, node: of the job's last attempt, if they are known.
    attempt: the number of that attempt, from 1.
    limit: its time limit, in minutes.
    log: the last lines of the file `log_file`.
    details: notes that need no action.
    replaced_by: the names of the batches that have every image set which this one lacks; empty if
        there are none.
    """

    path: str
    image_sets: ImageSets
    complete: ImageSets
    state: str
    reason: str
    evidence: str = ""
    notes: tuple[str, ...] = ()
    skipped: ImageSets = NONE
    exit_status: int | None = None
    log: tuple[str, ...] = ()
    attempt: int | None = None
    seconds: int | None = None
    limit: int | None = None
    log_file: str = ""
    node: str = ""
    details: tuple[str, ...] = ()
    replaced_by: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The batch as JSON reports have it; times are in seconds."""
        return {
            "path": self.path,
            "image_sets": str(self.image_sets),
            "complete": str(self.complete),
            "skipped": str(self.skipped),
            "state": str(self.state),
            "reason": self.reason,
            **self._attempt(),
            "evidence": self.evidence,
            "notes": [*self.notes, *self.details],
        }

    def to_queue_dict(self) -> dict[str, Any]:
        """A job without a folder as JSON reports have it; `job` is its id."""
        return {
            "job": self.path,
            "image_sets": str(self.image_sets),
            "state": str(self.state),
            "reason": self.reason,
            **self._attempt(),
        }

    def _attempt(self) -> dict[str, Any]:
        return {
            "exit_status": self.exit_status,
            "attempt": self.attempt,
            "seconds": self.seconds,
            "limit": None if self.limit is None else self.limit * 60,
            "node": self.node,
            "log_file": self.log_file,
            "log": list(self.log),
        }


def seen(batch: Batch, history: History, logs: Logs, done: ImageSets) -> Seen:
    """Reports a batch and what is known about its job; `done` are the image sets of all batches."""
    path = batch.source.path
    part = unfinished(path.name)
    attempt = history.of(path, part)
    details = batch.details
    image_sets = batch.image_sets
    if attempt and part and not image_sets:
        # The files of an unfinished job may not tell its image sets.
        image_sets = NONE if attempt.image_sets == ANY else attempt.image_sets
    if image_sets and not batch.complete and image_sets <= done:
        details = (*details, "other outputs have all its image sets")
    report = Seen(
        str(path),
        image_sets,
        batch.complete - batch.skipped,
        batch.state,
        batch.reason,
        batch.completion_marker,
        batch.notes,
        batch.skipped,
        details=details,
    )
    if attempt:
        return _with_attempt(report, attempt, logs, path, begun=bool(batch.image_sets))
    record = path.parent / STATUS / f"{part}{STATUS_SUFFIXES[0]}"
    for broken in history.broken:
        if part and broken.path == record:
            return replace(report, reason=unsaid(broken, report.reason))
    return report


def _with_attempt(report: Seen, attempt: Attempt, logs: Logs, path: Path, *, begun: bool) -> Seen:
    """Adds what is known about the job of a batch; `begun` is whether its files have image sets."""
    report = replace(
        report,
        attempt=attempt.number,
        seconds=attempt.seconds,
        limit=attempt.time,
        node=attempt.node,
    )
    if not unfinished(path.name):
        return report
    own = path / LOG
    log = own if own.is_file() else logs.of(attempt.id)
    report = replace(report, log_file=str(log or ""))
    if attempt.open and not begun:
        return replace(report, state=State.RUNNING, reason="the job has started but not ended")
    if attempt.result == "complete" and not path.with_name(attempt.folder).exists():
        reason = "the job ended during the check; run cpexport check again"
        return replace(report, state=State.RUNNING, reason=reason)
    if attempt.open:
        return report
    return replace(
        report,
        exit_status=attempt.exit_status,
        log=last_lines(log) if log else (),
        reason=how_it_ended(attempt, report.reason),
    )


def with_replacements(batches: Spool[Seen], unlike: Collection[str]) -> Spool[Seen]:
    """Completes `replaced_by`. `unlike` are the paths of batches that others cannot replace,
    because their images or their object types differ."""
    lacking = {
        place: lacks
        for place, one in enumerate(batches)
        if one.state != State.RUNNING and one.path not in unlike
        if (lacks := one.image_sets - one.complete - one.skipped)
    }
    wanted = union(lacking.values())
    owner: dict[int, str] = {}
    for other in batches if wanted else ():
        for number in wanted & (other.complete | other.skipped):
            owner.setdefault(number, other.path)
    for place, lacks in lacking.items():
        one = batches[place]
        if all(number in owner for number in lacks):
            names = dict.fromkeys(_name(owner[number], one.path) for number in lacks)
            batches[place] = replace(one, replaced_by=tuple(names))
    return batches


def _name(path: str, other: str) -> str:
    """The name of a folder or file, with its path unless it is next to another one."""
    return Path(path).name if Path(path).parent == Path(other).parent else path


def seen_in_queue(history: History, logs: Logs, done: ImageSets) -> Iterator[Seen]:
    """Yields the jobs without a folder that wait, or that ended before they began.

    A job that ended is left out if each of its image sets is `done` or under way.
    """
    settled = done | history.busy
    for job in history.queued:
        if job.standing == WAITING:
            yield Seen(job.id, job.image_sets, NONE, WAITING, waits(job))
        elif not job.image_sets <= settled:
            yield _unbegun(job, logs)


def _unbegun(job: Queued, logs: Logs) -> Seen:
    log = logs.of(job.id)
    return Seen(
        job.id,
        job.image_sets,
        NONE,
        State.FAILED,
        died_at_once(job),
        log=last_lines(log) if log else (),
        log_file=str(log or ""),
    )
