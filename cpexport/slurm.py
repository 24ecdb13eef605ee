"""Asks Slurm what became of jobs. Its word is a hint: what counts is what jobs left on disk."""

import os
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from cpexport.queues import ENDED, RUNNING, WAITING, Answer, Silent, Task, said

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
_CONF: Final = "SLURM_CONF"
# Variables that choose jobs, columns and formats. SLURM_CONF and SLURM_CLUSTERS say whom to ask.
_NOT_OURS: Final = ("SQUEUE_", "SACCT_", "SLURM_TIME_FORMAT", "SLURM_BITSTR_LEN")

_LINE = re.compile(r"([0-9]+_[0-9]+)\|([A-Z_]+)[^|]*(?:\|(.*))?")
# Jobs that are no arrays, tasks that sacct has not expanded, and the name of a cluster.
_OTHERS = re.compile(r"[0-9]+(_\S+)?(\.\S+)?\|[A-Z].*|CLUSTER: .*")
_GONE = re.compile("invalid job id", re.IGNORECASE)
_SECRET = re.compile(r"(?m)^PrivateData\s*=.*\b(jobs|all)\b")
_LIMIT = re.compile(r"(?:(?:([0-9]+)-)?([0-9]+):)?([0-9]+):([0-9]+)")
_AT_ONCE: Final = 500
_SOON: Final = 10


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
        queue = ["squeue", "-h", "-r", "-t", "all", "-j", ids]
        there, problem = _tasks(queue, "%F_%K|%T|%r")
        # What a single id is answered that Slurm has forgotten; one of several is passed over.
        if problem and not _GONE.search(problem):
            problems.append(problem)
        # One wait for a Slurm that is not there is enough.
        if accounts and not isinstance(problem, Silent):
            ended, problem = _tasks(["sacct", "-n", "-P", "-X", "-a", "-j", ids], "JobID,State")
            accounts = not problem
            found |= ended
            if any(_ended(there, id) and not _ended(ended, id) for id in there.keys() & ended):
                # It may have been put into the queue again after squeue was asked.
                there |= _tasks(queue, "%F_%K|%T|%r")[0]
        found |= there
        if problems:
            break
    if not problems and others and _secret():
        problems.append("this Slurm shows jobs only to who submitted them (PrivateData)")
    return Answer(
        {id: task for id, task in found.items() if id.partition("_")[0] in jobs},
        "".join(problems[:1]),
    )


@dataclass(frozen=True)
class Most:
    """The most time that a job may ask for in a partition."""

    partition: str
    minutes: int

    def __str__(self) -> str:
        return f"partition {self.partition}"


def most_minutes(partition: str | None) -> Most | None:
    """The limit of a partition, of several, `a,b`, the longest, and without a name that of the
    site's default one. None where there is none, or nobody tells within a few seconds."""
    lines, _ = said(["sinfo", "-h", "-o", "%P|%l"], ("SINFO_",), _CONF, seconds=_SOON)
    wanted = (partition or os.environ.get("SBATCH_PARTITION") or "").split(",")
    limits: list[Most] = []
    for line in lines:
        name, _, limit = line.partition("|")
        if name.rstrip("*") in wanted or (wanted == [""] and name.endswith("*")):
            most = _minutes(limit)
            if most is None:
                return None
            limits.append(Most(name.rstrip("*"), most))
    return max(limits, key=lambda one: one.minutes, default=None)


def _minutes(limit: str) -> int | None:
    """Minutes of `1-12:00:00`, `1:00:00` or `30:00`; None for `infinite`."""
    match = _LIMIT.fullmatch(limit.strip())
    if not match:
        return None
    days, hours, minutes, _ = (int(part or 0) for part in match.groups())
    return days * 1440 + hours * 60 + minutes


def _tasks(words: list[str], columns: str) -> tuple[dict[str, Task], str]:
    """Tasks by id; and what is wrong if the command fails or says something else."""
    lines, problem = said([*words, "-o", columns], _NOT_OURS, _CONF)
    strange = [line for line in lines if not _OTHERS.fullmatch(line)]
    if strange:
        return {}, f"{words[0]} said {strange[0][:60]!r}"
    found: dict[str, Task] = {}
    for id, task in _read(lines):
        # Of a task that is listed twice, as after a requeue, what may still run counts.
        if id not in found or task.standing != ENDED:
            found[id] = task
    return found, problem


def _ended(tasks: Mapping[str, Task], id: str) -> bool:
    return tasks[id].standing == ENDED


def _read(lines: list[str]) -> Iterator[tuple[str, Task]]:
    for line in lines:
        if match := _LINE.fullmatch(line):
            id, state, reason = match.groups(default="")
            standing = ENDED if state in _ENDED else WAITING if state in _WAITING else RUNNING
            yield id, Task(standing, state, "" if reason == "None" else reason)


def _secret() -> bool:
    lines, problem = said(["scontrol", "show", "config"], conf=_CONF)
    return bool(problem) or bool(_SECRET.search("\n".join(lines)))
