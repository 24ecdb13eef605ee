"""How jobs ended, in words: by exit status, by the scheduler, and by the end of their logs."""

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from cpexport.completeness import UNFINISHED, UNSAID
from cpexport.history import History, Queued
from cpexport.jobs import LOG, PART
from cpexport.records import Attempt

_SAID: Final = {
    "TIMEOUT": "the job ran out of time",
    "OUT_OF_MEMORY": "the job ran out of memory",
    "CANCELLED": "the job was cancelled",
    "PREEMPTED": "the job made room for another one",
    "NODE_FAIL": "the job's node failed",
    "BOOT_FAIL": "the job's node did not start",
    "DEADLINE": "the job's deadline passed",
}
_KILLED = "the job never finished: it was killed, or its node went down"
# A shell's exit status of a program that a signal ended is the signal's number and this (POSIX).
_SIGNALS = 128
_LINES = 3
_LENGTH = 200
_TAIL = 8192


def how_it_ended(attempt: Attempt, reason: str) -> str:
    """The reason of a batch, with how its job ended where that is known."""
    said = in_words(attempt)
    for unknown in (UNFINISHED, UNSAID) if said else ():
        reason = reason.replace(unknown, said, 1)
    return reason


def in_words(attempt: Attempt) -> str:
    """How an attempt ended: by itself, killed, or out of time; empty if nobody knows."""
    status = attempt.exit_status
    if attempt.timed_out:
        return _SAID["TIMEOUT"]
    if attempt.state in _SAID:
        return _SAID[attempt.state]
    if status is not None and status > _SIGNALS:
        killed = f"the job was killed {_duration(attempt)}by signal {status - _SIGNALS}"
        return f"{killed} (exit status {status})"
    if status is not None:
        return f"the job failed {_duration(attempt)}with exit status {status}"
    if attempt.result == "terminated":
        return f"the job was stopped {_duration(attempt)}by a signal, as of scancel or preemption"
    return _KILLED if attempt.result == "killed" else ""


def died_at_once(job: Queued) -> str:
    """How a job ended that never began to run CellProfiler."""
    why = _SAID.get(job.state, "the job ended")
    said = f" (the scheduler says {job.state})" if job.state else ""
    return f"{why} before it began{said}; see its log"


def last_lines(path: Path) -> tuple[str, ...]:
    """The last lines of a job's log; none if there is no such file."""
    try:
        with path.open("rb") as log:
            log.seek(max(log.seek(0, 2) - _TAIL, 0))
            text = log.read().decode("utf-8", "replace")
    except OSError:
        return ()
    lines = ["".join(c if c.isprintable() else " " for c in line) for line in text.splitlines()]
    return tuple(line[:_LENGTH] for line in lines if line.strip())[-_LINES:]


def trouble(history: History, histories: Iterable[Path]) -> str:
    """What is wrong if all jobs of the last plan failed alike at once; else nothing.

    `histories` are the folders in which the jobs keep count of their attempts.
    """
    alike = history.alike
    if not alike:
        return ""
    first = alike[0]
    jobs = f"all {len(alike)} jobs that have ended" if len(alike) > 1 else "the one job"
    homes = [folder.parent / f"{first.folder}{PART}" for folder in histories]
    said = next((lines[-1] for home in homes if (lines := last_lines(home / LOG))), "")
    why = f": {said.strip()}" if said else ""
    help = (
        "CellProfiler cannot be started; see that it can be on the nodes (--module, --container)"
        if first.unstarted
        else "it is hardly their images; see their logs before you run more of them"
    )
    return (
        f"{jobs} of the last plan failed within a minute with exit status {first.exit_status}{why}."
        f" {help[0].upper()}{help[1:]}"
    )


def log_of(job: Queued, folders: Iterable[Path]) -> Path | None:
    """The log that a scheduler has written of a job, in one of these `folders`."""
    scheduler, _, number = job.id.partition(":")
    array, _, index = number.partition("_")
    name = f"cpexport.o{array}.{index}" if scheduler == "sge" else f"{number}.log"
    return next((path for folder in folders if (path := folder / name).is_file()), None)


def _duration(attempt: Attempt) -> str:
    seconds = attempt.seconds
    if attempt.at_once:
        return "within a minute "
    if seconds is None:
        return ""
    minutes, hours = round(seconds / 60), round(seconds / 3600)
    return f"after {minutes} minutes " if seconds < 7200 else f"after {hours} hours "
