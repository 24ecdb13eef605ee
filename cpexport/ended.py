"""How jobs ended, in words: by exit status, by the scheduler, and by the end of their logs."""

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from cpexport.completeness import UNFINISHED, UNSAID
from cpexport.history import Attempt, History
from cpexport.jobs import LOG, PART

_SAID: Final = {
    "TIMEOUT": "the job ran out of time",
    "OUT_OF_MEMORY": "the job ran out of memory",
    "CANCELLED": "the job was cancelled",
    "PREEMPTED": "the job made room for another one",
    "NODE_FAIL": "the job's node failed",
}
_LINES = 3
_LENGTH = 200
_TAIL = 8192


def how_it_ended(attempt: Attempt, reason: str) -> str:
    """The reason of a batch, with how its job ended where that is known."""
    if attempt.exit_status is not None:
        when = "within a minute" if attempt.at_once else f"after {_duration(attempt.seconds or 0)}"
        said = f"the job failed {when} with exit status {attempt.exit_status}"
    else:
        said = _SAID.get(attempt.state, "")
    for unknown in (UNFINISHED, UNSAID) if said else ():
        reason = reason.replace(unknown, said, 1)
    return reason


def last_lines(folder: Path) -> tuple[str, ...]:
    """The last lines of what a job said, which stays in its folder; none if there is no log."""
    try:
        with (folder / LOG).open("rb") as log:
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
    said = next((lines[-1] for home in homes if (lines := last_lines(home))), "")
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


def _duration(seconds: int) -> str:
    if seconds < 7200:
        return f"{round(seconds / 60)} minutes"
    return f"{round(seconds / 3600)} hours"
