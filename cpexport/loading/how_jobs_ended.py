"""Describes how jobs ended, from exit statuses, schedulers and the ends of logs."""

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from cpexport.jobs.history import History, Queued
from cpexport.jobs.logs import last_lines
from cpexport.jobs.records import Attempt, Broken
from cpexport.jobs.split import LOG, PART
from cpexport.loading.completeness import UNFINISHED, UNSAID
from cpexport.spelling import counted

_BY_STATE: Final = {
    "TIMEOUT": "the job ran out of time",
    "OUT_OF_MEMORY": "the job ran out of memory",
    "CANCELLED": "the job was cancelled",
    "PREEMPTED": "the job was preempted by another job",
    "NODE_FAIL": "the job's node failed",
    "BOOT_FAIL": "the job's node did not start",
    "DEADLINE": "the job's deadline passed",
}
_TIME = (
    '; it requests more time than its partition allows (sinfo -o "%P %l" shows how much) and '
    "will never start: shorten it (scontrol update JobId={number} TimeLimit=H:MM:SS), or "
    "cancel it (scancel {number}) and plan with a shorter --time or another partition "
    "(--partition or --option)"
)
_SIZE = (
    "; no node of its partition is large enough, so it will never start: cancel it (scancel "
    "{number}) and plan with less --memory or another partition (--partition or --option)"
)
_HELD = "; it is held until you release it: scontrol release {number}"
# Slurm's reasons for a job that waits until the user acts (squeue(1), JOB REASON CODES).
_FOR_EVER: Final = {
    "PartitionTimeLimit": _TIME,
    "QOSMaxWallDurationPerJobLimit": _TIME,
    "AssocMaxWallDurationPerJobLimit": _TIME,
    "PartitionNodeLimit": _SIZE,
    "BadConstraints": _SIZE,
    "MaxMemPerLimit": _SIZE,
    "QOSMaxMemoryPerJob": _SIZE,
    "JobHeldUser": _HELD,
    "JobHeldAdmin": _HELD,
    "JobLaunchFailure": _HELD,
}
_KILLED = "the job never finished: it was killed, or its node went down"
# A shell reports a program that a signal ended as this plus the signal's number (POSIX).
_SIGNALS = 128
_NODES = 5


def how_it_ended(attempt: Attempt, reason: str) -> str:
    """Returns the reason of a batch, completed by how its job ended if that is known."""
    ending = in_words(attempt)
    for unknown in (UNFINISHED, UNSAID) if ending else ():
        reason = reason.replace(unknown, ending, 1)
    return reason


def unsaid(record: Broken, reason: str) -> str:
    """Returns the reason of a batch whose job has a record that cannot be read."""
    for unknown in (UNFINISHED, UNSAID):
        reason = reason.replace(unknown, f"the job's record {record.path} {record.why}", 1)
    return reason


def waits(job: Queued) -> str:
    """Returns why a job waits in the queue, and what to do if it would wait forever."""
    why = f" (reason: {job.reason})" if job.reason else ""
    advice = _FOR_EVER.get(job.reason, "")
    number = job.id.partition(":")[2].partition("_")[0]
    return f"the job waits in the queue{why}{advice.format(number=number)}"


def in_words(attempt: Attempt) -> str:
    """Returns how an attempt ended: failed, killed, or out of time; empty if that is unknown."""
    status = attempt.exit_status
    if attempt.timed_out:
        return _BY_STATE["TIMEOUT"]
    if attempt.state in _BY_STATE:
        return _BY_STATE[attempt.state]
    if status is not None and status > _SIGNALS:
        killed = f"the job was killed {_duration(attempt)}by signal {status - _SIGNALS}"
        return f"{killed} (exit status {status})"
    if status is not None:
        # A program may be missing on one node only.
        where = f" on {attempt.node}" if attempt.node and attempt.unstarted else ""
        return f"the job failed {_duration(attempt)}with exit status {status}{where}"
    if attempt.result == "terminated":
        return (
            f"the job was stopped {_duration(attempt)}by a signal, for example from scancel or "
            "preemption"
        )
    return _KILLED if attempt.result == "killed" else ""


def died_at_once(job: Queued) -> str:
    """Returns how a job ended that never started CellProfiler."""
    why = _BY_STATE.get(job.state, "the job ended")
    state = f" (the scheduler reports {job.state})" if job.state else ""
    return f"{why} before it started{state}"


def trouble(history: History, histories: Iterable[Path]) -> str:
    """Returns what is wrong if all jobs of the last plan failed in the same way at once, or if some
    nodes could not start CellProfiler; else returns an empty text.

    `histories` are the folders in which the jobs record their attempts.
    """
    alike = history.alike
    if not alike:
        return _bad_nodes(history)
    first = alike[0]
    jobs = f"all {len(alike)} ended jobs" if len(alike) > 1 else "the only job"
    logs = [folder.parent / f"{first.folder}{PART}" / LOG for folder in histories]
    log, lines = next(((log, lines) for log in logs if (lines := last_lines(log))), (None, ()))
    last_line = "".join(lines[-1:])
    why = f": {last_line.strip()}" if last_line else ""
    help = (
        "CellProfiler cannot be started; make it available on the nodes with --module or "
        "--container"
        if first.unstarted
        else (
            "the images are probably not the cause; read the "
            f"logs{f', such as {log},' if log else ''} before you run more jobs"
        )
    )
    return (
        f"{jobs} of the last plan failed within a minute with exit status "
        f"{first.exit_status}{_on(alike) if first.unstarted else ''}{why}. "
        f"{help[0].upper()}{help[1:]}"
    )


def _bad_nodes(history: History) -> str:
    """Names the nodes that could not start CellProfiler if other nodes could; else returns an empty
    text. Only the last attempt of each job counts."""
    last = history.last.values()
    unstarted = [a for a in last if a.node and a.unstarted]
    fine = {a.node for a in last if not a.unstarted}
    bad = [a for a in unstarted if a.node not in fine]
    if not bad or not fine - {""}:
        return ""
    nodes = ",".join(sorted({a.node for a in bad}))
    return (
        f"{counted(len(bad), 'job')} failed with exit status {bad[0].exit_status}{_on(bad)}, where "
        "CellProfiler cannot be started, although other nodes can start it. Install it on "
        f"these nodes, or keep jobs off them (Slurm: --option=--exclude={nodes})"
    )


def _on(attempts: Iterable[Attempt]) -> str:
    """The known nodes of some attempts: at most the first few."""
    nodes = sorted({attempt.node for attempt in attempts} - {""})
    more = f" and {len(nodes) - _NODES} more" if len(nodes) > _NODES else ""
    return f" on {', '.join(nodes[:_NODES])}{more}" if nodes else ""


def _duration(attempt: Attempt) -> str:
    seconds = attempt.seconds
    if attempt.at_once:
        return "within a minute "
    if seconds is None:
        return ""
    minutes, hours = round(seconds / 60), round(seconds / 3600)
    return f"after {minutes} minutes " if seconds < 7200 else f"after {hours} hours "
