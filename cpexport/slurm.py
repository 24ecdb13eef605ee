"""Asks Slurm what became of jobs. Its word is a hint: what counts is what jobs left on disk."""

import getpass
import re
import shutil
import subprocess
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Final

WAITING: Final = frozenset({"PENDING", "CONFIGURING", "REQUEUED", "REQUEUE_HOLD", "SPECIAL_EXIT"})
RUNNING: Final = frozenset(
    {"RUNNING", "COMPLETING", "SUSPENDED", "STOPPED", "RESIZING", "SIGNALING", "STAGE_OUT"}
)
BUSY: Final = WAITING | RUNNING

_LINE = re.compile(r"([0-9]+_[0-9]+)\|([A-Z_]+)\b.*")
_SECONDS = 60
_AT_ONCE = 500


@dataclass(frozen=True)
class Answer:
    """The states of tasks by `job_index`. `here` is whether there is a Slurm to ask at all, and
    `problem` why it did not tell what waits and runs; without, tasks not in `states` have ended."""

    states: Mapping[str, str] = field(default_factory=dict)
    here: bool = True
    problem: str = ""


def ask(jobs: Collection[str]) -> Answer:
    """The states of all tasks of array jobs, as far as Slurm still knows them.

    `squeue` knows what waits and runs, and for a few minutes what has ended; `sacct` all of it, at
    sites that keep accounts. A site without accounts is none without Slurm.
    """
    if shutil.which("squeue") is None:
        return Answer(here=False)
    # -u: everybody's jobs are more than a site likes to be asked for.
    user = getpass.getuser()
    found, problem = _ask(["squeue", "-h", "-r", "-t", "all", "-u", user, "-o", "%F_%K|%T"])
    known = sorted(jobs)
    ended: dict[str, str] = {}
    for start in range(0, len(known), _AT_ONCE):
        some = ",".join(known[start : start + _AT_ONCE])
        more, no_accounts = _ask(["sacct", "-n", "-P", "-X", "-j", some, "-o", "JobID,State"])
        ended |= more
        if no_accounts:
            break
    both = {id: s for id, s in (ended | found).items() if id.split("_")[0] in jobs}
    return Answer(both, problem=problem)


def _ask(words: list[str]) -> tuple[dict[str, str], str]:
    """States by task; and what is wrong if the command fails or says something else."""
    try:
        done = subprocess.run(
            words,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_SECONDS,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return {}, f"{words[0]}: {error}"
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip() or "no word why").splitlines()[0]
        return {}, f"{words[0]} failed with {done.returncode}: {said}"
    lines = [line for line in done.stdout.splitlines() if line.strip()]
    found = [match for line in lines if (match := _LINE.fullmatch(line))]
    # Jobs that are no arrays, and arrays' tasks that sacct has not expanded, are passed over.
    strange = [line for line in lines if not re.match(r"[0-9]+(_\S+)?(\.\S+)?\|[A-Z]", line)]
    if strange:
        return {}, f"{words[0]} said {strange[0][:60]!r}"
    return {match[1]: match[2] for match in found}, ""
