"""Grid Engine: its options, and the jobs that wait or run; it does not list ended jobs."""

import re
from collections.abc import Collection, Iterator
from typing import Final
from xml.etree import ElementTree

from cpexport.jobs.scheduler_commands import RUNNING, WAITING, QueueState, Task, answer_of
from cpexport.jobs.schedulers.base import Scheduler
from cpexport.jobs.settings import clock

# `3`, or `2-12:5` if one line lists several tasks (qstat(1), ja-task-ID).
_TASKS: Final = re.compile(r"([0-9]+)(?:-([0-9]+)(?::([0-9]+))?)?")


class GridEngine(Scheduler):
    """Sun's, Univa's, Altair's and the other Grid Engines."""

    title = "Grid Engine"
    index = "$SGE_TASK_ID"
    array = "${JOB_ID}"
    longest = 75000
    partition = "-q {}"
    memory = "-l h_vmem={}M"
    at_once = "-tc {}"
    chain = '${previous:+-hold_jid "$previous"}'
    holding = ("-h",)
    holding_with = ("-hold_jid", "-hold_jid_ad")
    queue = "qstat"
    log = 'exec >"$here/logs/$JOB_NAME.o$JOB_ID.$SGE_TASK_ID" 2>&1'
    answers = True

    def ask(self, arrays: Collection[str], *, others: bool = False) -> QueueState:
        return ask(arrays)

    def time(self, minutes: int) -> str:
        # The soft limit warns a job a minute before the hard one ends it.
        return f"-l h_rt={clock(minutes)},s_rt={clock(max(minutes - 1, 1))}"


def ask(jobs: Collection[str]) -> QueueState:
    """Returns the tasks of these array jobs that wait or run, for all users."""
    lines, problem = answer_of(["qstat", "-u", "*", "-xml"])
    if problem:
        return QueueState(problem=problem)
    try:
        root = ElementTree.fromstring("\n".join(lines))
    except ElementTree.ParseError:
        return QueueState(problem=f"qstat printed {''.join(lines[:1])[:60]!r}")
    tasks: dict[str, Task] = {}
    for job in root.iter("job_list"):
        id = job.findtext("JB_job_number", "").strip()
        if id in jobs:
            state = job.findtext("state", "").strip()
            standing = RUNNING if job.get("state") == "running" else WAITING
            for index in _indices(job.findtext("tasks", "")):
                tasks[f"{id}_{index}"] = Task(standing, state)
    return QueueState(tasks)


def _indices(text: str) -> Iterator[int]:
    """Yields the numbers in a text such as `1,4-10:2`."""
    for match in _TASKS.finditer(text):
        first, last, step = match[1], match[2] or match[1], match[3] or "1"
        yield from range(int(first), int(last) + 1, max(int(step), 1))
