"""Asks Grid Engine which tasks of array jobs wait or run; it lists none that have ended."""

import re
from collections.abc import Collection, Iterator
from typing import Final
from xml.etree import ElementTree

from cpexport.queues import RUNNING, WAITING, Answer, Task, said

# `3`, or `2-12:5` where several tasks stand in one line (qstat(1), ja-task-ID).
_TASKS: Final = re.compile(r"([0-9]+)(?:-([0-9]+)(?::([0-9]+))?)?")


def ask(jobs: Collection[str]) -> Answer:
    """All tasks of these array jobs that wait or run, whoever submitted them."""
    lines, problem = said(["qstat", "-u", "*", "-xml"])
    if problem:
        return Answer(problem=problem)
    try:
        root = ElementTree.fromstring("\n".join(lines))
    except ElementTree.ParseError:
        return Answer(problem=f"qstat said {''.join(lines[:1])[:60]!r}")
    found: dict[str, Task] = {}
    for job in root.iter("job_list"):
        id = job.findtext("JB_job_number", "").strip()
        if id in jobs:
            state = job.findtext("state", "").strip()
            standing = RUNNING if job.get("state") == "running" else WAITING
            for index in _indices(job.findtext("tasks", "")):
                found[f"{id}_{index}"] = Task(standing, state)
    return Answer(found)


def _indices(text: str) -> Iterator[int]:
    """The numbers that `1,4-10:2` says."""
    for match in _TASKS.finditer(text):
        first, last, step = match[1], match[2] or match[1], match[3] or "1"
        yield from range(int(first), int(last) + 1, max(int(step), 1))
