"""Asks Slurm what became of jobs. Its word is a hint: what counts is what jobs left on disk."""

import re
from collections.abc import Collection, Iterator
from typing import Final

from cpexport.queues import ENDED, RUNNING, WAITING, Answer, Task, said

# All of Slurm's base states that are final (squeue(1), JOB STATE CODES). Any other word, known or
# not yet, means that the job may still run: REVOKED, for one, runs on another cluster.
_ENDED: Final = frozenset(
    {
        *("BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED"),
        *("NODE_FAIL", "OUT_OF_MEMORY", "PREEMPTED", "TIMEOUT"),
    }
)
_WAITING: Final = frozenset(
    {
        *("PENDING", "CONFIGURING", "REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD"),
        *("RESV_DEL_HOLD", "SPECIAL_EXIT"),
    }
)
# Variables that choose jobs, columns and formats. SLURM_CONF and SLURM_CLUSTERS say whom to ask.
_NOT_OURS: Final = ("SQUEUE_", "SACCT_", "SLURM_TIME_FORMAT", "SLURM_BITSTR_LEN")

_LINE = re.compile(r"([0-9]+_[0-9]+)\|([A-Z_]+)[^|]*(?:\|(.*))?")
# Jobs that are no arrays, tasks that sacct has not expanded, and the name of a cluster.
_OTHERS = re.compile(r"[0-9]+(_\S+)?(\.\S+)?\|[A-Z].*|CLUSTER: .*")
_GONE = re.compile("invalid job id", re.IGNORECASE)
_SECRET = re.compile(r"(?m)^PrivateData\s*=.*\b(jobs|all)\b")
_AT_ONCE: Final = 500


def ask(jobs: Collection[str], *, others: bool = False) -> Answer:
    """All tasks of array jobs that Slurm still knows, whoever submitted them.

    `squeue` knows what waits and runs, and for a few minutes what has ended; `sacct` all of it, at
    sites that keep accounts. A site without accounts is none without Slurm. `others` is whether
    another user may have submitted some, whose jobs a site can hide.
    """
    found: dict[str, Task] = {}
    problems: list[str] = []
    accounts = True
    known = sorted(jobs)
    for start in range(0, len(known), _AT_ONCE):
        ids = ",".join(known[start : start + _AT_ONCE])
        if accounts:
            ended, problem = _tasks(["sacct", "-n", "-P", "-X", "-a", "-j", ids], "JobID,State")
            accounts = not problem
            found |= ended
        queue = ["squeue", "-h", "-r", "-t", "all", "-j", ids]
        there, problem = _tasks(queue, "%F_%K|%T|%r")
        found |= there
        # What a single id is answered that Slurm has forgotten; one of several is passed over.
        if problem and not _GONE.search(problem):
            problems.append(problem)
            break
    if not problems and others and _secret():
        problems.append("this Slurm shows jobs only to who submitted them (PrivateData)")
    return Answer(
        {id: task for id, task in found.items() if id.partition("_")[0] in jobs},
        "".join(problems[:1]),
    )


def _tasks(words: list[str], columns: str) -> tuple[dict[str, Task], str]:
    """Tasks by id; and what is wrong if the command fails or says something else."""
    lines, problem = said([*words, "-o", columns], without=_NOT_OURS)
    strange = [line for line in lines if not _OTHERS.fullmatch(line)]
    if strange:
        return {}, f"{words[0]} said {strange[0][:60]!r}"
    found: dict[str, Task] = {}
    for id, task in _read(lines):
        # Of a task that is listed twice, as after a requeue, what may still run counts.
        if id not in found or task.standing != ENDED:
            found[id] = task
    return found, problem


def _read(lines: list[str]) -> Iterator[tuple[str, Task]]:
    for line in lines:
        if match := _LINE.fullmatch(line):
            id, state, reason = match.groups(default="")
            standing = ENDED if state in _ENDED else WAITING if state in _WAITING else RUNNING
            yield id, Task(standing, state, "" if reason == "None" else reason)


def _secret() -> bool:
    lines, problem = said(["scontrol", "show", "config"])
    return bool(problem) or bool(_SECRET.search("\n".join(lines)))
