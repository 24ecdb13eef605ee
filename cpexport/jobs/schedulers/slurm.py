"""Slurm: its options, and the states of its jobs; only what jobs left on disk counts."""

import os
import re
import shlex
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cpexport.jobs.scheduler_commands import (
    ENDED,
    RUNNING,
    WAITING,
    QueueState,
    Silent,
    Task,
    answer_of,
)
from cpexport.jobs.schedulers.base import Scheduler
from cpexport.jobs.settings import clock

# All final base states of Slurm (squeue(1), JOB STATE CODES). Any other word, even an unknown one,
# means that the job may still run: a REVOKED job, for example, runs on another cluster.
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
# Variables that select jobs, columns and formats. SLURM_CONF and SLURM_CLUSTERS select the cluster
# and stay.
_NOT_OURS: Final = ("SQUEUE_", "SACCT_", "SLURM_TIME_FORMAT", "SLURM_BITSTR_LEN")

_LINE = re.compile(r"([0-9]+_[0-9]+)\|([A-Z_]+)[^|]*(?:\|(.*))?")
# Jobs that are not arrays, tasks that sacct has not expanded, and the name of a cluster.
_OTHERS = re.compile(r"[0-9]+(_\S+)?(\.\S+)?\|[A-Z].*|CLUSTER: .*")
_GONE = re.compile("invalid job id", re.IGNORECASE)
_SECRET = re.compile(r"(?m)^PrivateData\s*=.*\b(jobs|all)\b")
_LIMIT = re.compile(r"(?:(?:([0-9]+)-)?([0-9]+):)?([0-9]+):([0-9]+)")
_AT_ONCE: Final = 500
_SOON: Final = 10


class Slurm(Scheduler):
    """Slurm, which is asked by job id."""

    title = "Slurm"
    index = "$SLURM_ARRAY_TASK_ID"
    array = "${SLURM_ARRAY_JOB_ID}"
    longest = 1000
    partition = "--partition={}"
    memory = "--mem={}M"
    at_once = "%{}"
    chain = '${previous:+"--dependency=afterany:$previous"}'
    holding = ("--hold", "-H")
    holding_with = ("--dependency", "-d")
    queue = "squeue --me -n cpexport"
    log = (
        'exec >"$here/logs/${SLURM_ARRAY_JOB_ID:-merge}'
        '_${SLURM_ARRAY_TASK_ID:-$SLURM_JOB_ID}.log" 2>&1'
    )
    answers = True

    def ask(self, arrays: Collection[str], *, others: bool = False) -> QueueState:
        return ask(arrays, others=others)

    def time(self, minutes: int) -> str:
        return f"--time={clock(minutes)}"

    def logs(self, folder: Path) -> dict[str, str]:
        # Slurm's own logs also say why it ends a job. But Slurm does not fill in the placeholders
        # of a path with a backslash.
        if "\\" in str(folder):
            return {"log": self.log, "output": "/dev/null", "last_output": "/dev/null"}
        path = shlex.quote(str(folder).replace("%", "%%"))
        return {"log": "", "output": f"{path}/%A_%a.log", "last_output": f"{path}/merge_%j.log"}


def ask(jobs: Collection[str], *, others: bool = False) -> QueueState:
    """Returns the tasks of array jobs that Slurm still knows, for all users.

    `squeue` lists waiting and running tasks, and ended ones for a few minutes. `sacct` lists all
    tasks, at sites that keep accounts; other sites answer without it. `others` is whether another
    user may have submitted some of the jobs, which a site can hide.
    """
    tasks: dict[str, Task] = {}
    problems: list[str] = []
    accounts = True
    ids_of_jobs = sorted(jobs)
    for start in range(0, len(ids_of_jobs), _AT_ONCE):
        ids = ",".join(ids_of_jobs[start : start + _AT_ONCE])
        queue = ["squeue", "-h", "-r", "-t", "all", "-j", ids]
        queued, problem = _tasks(queue, "%F_%K|%T|%r")
        # Slurm answers a single id that it has forgotten with this error; among several ids it
        # skips it.
        if problem and not _GONE.search(problem):
            problems.append(problem)
        # One wait for a Slurm that does not answer is enough.
        if accounts and not isinstance(problem, Silent):
            ended, problem = _tasks(["sacct", "-n", "-P", "-X", "-a", "-j", ids], "JobID,State")
            accounts = not problem
            tasks |= ended
            if any(_ended(queued, id) and not _ended(ended, id) for id in queued.keys() & ended):
                # It may have been requeued after squeue answered.
                queued |= _tasks(queue, "%F_%K|%T|%r")[0]
        tasks |= queued
        if problems:
            break
    if not problems and others and _hides_jobs():
        problems.append("this Slurm shows jobs only to the user who submitted them (PrivateData)")
    return QueueState(
        {id: task for id, task in tasks.items() if id.partition("_")[0] in jobs},
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
    """Returns the time limit of a partition, or the longest limit of several (`a,b`).

    Without a name it is the limit of the site's default partition. None if there is no limit, or if
    Slurm does not answer within a few seconds.
    """
    lines, _ = answer_of(["sinfo", "-h", "-o", "%P|%l"], ("SINFO_",), _CONF, seconds=_SOON)
    wanted = (partition or os.environ.get("SBATCH_PARTITION") or "").split(",")
    limits: list[Most] = []
    for line in lines:
        name, _, limit = line.partition("|")
        if name.rstrip("*") in wanted or (wanted == [""] and name.endswith("*")):
            most = _minutes(limit)
            if most is None:
                return None
            limits.append(Most(name.rstrip("*"), most))
    return max(limits, key=lambda limit: limit.minutes, default=None)


def _minutes(limit: str) -> int | None:
    """Parses `1-12:00:00`, `1:00:00` or `30:00` into minutes; None for `infinite`."""
    match = _LIMIT.fullmatch(limit.strip())
    if not match:
        return None
    days, hours, minutes, _ = (int(part or 0) for part in match.groups())
    return days * 1440 + hours * 60 + minutes


def _tasks(words: list[str], columns: str) -> tuple[dict[str, Task], str]:
    """Returns tasks by id, and what is wrong if the command fails or prints something unknown."""
    lines, problem = answer_of([*words, "-o", columns], _NOT_OURS, _CONF)
    unknown = [line for line in lines if not _OTHERS.fullmatch(line)]
    if unknown:
        return {}, f"{words[0]} said {unknown[0][:60]!r}"
    tasks: dict[str, Task] = {}
    for id, task in _read(lines):
        # A task can be listed twice, for example after a requeue; the one that may run counts.
        if id not in tasks or task.standing != ENDED:
            tasks[id] = task
    return tasks, problem


def _ended(tasks: Mapping[str, Task], id: str) -> bool:
    return tasks[id].standing == ENDED


def _read(lines: list[str]) -> Iterator[tuple[str, Task]]:
    for line in lines:
        if match := _LINE.fullmatch(line):
            id, state, reason = match.groups(default="")
            standing = ENDED if state in _ENDED else WAITING if state in _WAITING else RUNNING
            yield id, Task(standing, state, "" if reason == "None" else reason)


def _hides_jobs() -> bool:
    """Whether Slurm hides the jobs of other users, or does not tell."""
    lines, problem = answer_of(["scontrol", "show", "config"], conf=_CONF)
    return bool(problem) or bool(_SECRET.search("\n".join(lines)))
