"""What the batches of a run show together: durations, attempts, and errors by kind."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from cpexport.commands.seen import Seen
from cpexport.imagesets import ImageSets, union
from cpexport.reporting.run_state import RunState

# Numbers, and names that have numbers, differ between errors of the same kind.
_VARIES = re.compile(r"[\w./\\-]*[0-9][\w./\\-]*")
_MOST_KINDS: Final = 40


@dataclass(frozen=True)
class ErrorKind:
    """Batches that failed for the same reason, but for numbers and names.

    state, reason, log: of the first one.
    """

    state: str
    reason: str
    batches: tuple[str, ...]
    image_sets: ImageSets
    log: tuple[str, ...]
    log_file: str


@dataclass(frozen=True)
class BatchFacts:
    """The batches of all runs.

    states: how many batches are in each state.
    errors: the kinds of errors, the most frequent first; `more_kinds` are left out.
    durations: the quartiles of the attempts' seconds, the shortest and the longest first and last;
        empty if no record gives any.
    attempts: how many attempts jobs recorded, by how they ended.
    retried: how many batches needed more than one attempt.
    slowest: the batches that took the longest, with their seconds.
    """

    states: Counter[str]
    errors: tuple[ErrorKind, ...]
    more_kinds: int
    durations: tuple[float, ...]
    attempts: Counter[str]
    retried: int
    slowest: tuple[tuple[str, int], ...]


def facts(runs: Iterable[RunState]) -> BatchFacts:
    """Adds up the batches of some runs."""
    runs = list(runs)
    jobs = [job for run in runs for job in run.jobs]
    attempts = [attempt for run in runs for attempt in run.found.history.attempts]
    seconds = [s for attempt in attempts if (s := attempt.seconds) is not None]
    kinds = _kinds(job for job in jobs if job.reason and not job.replaced_by)
    timed = [(job.path, job.seconds) for job in jobs if job.seconds is not None]
    return BatchFacts(
        Counter("replaced" if job.replaced_by else str(job.state) for job in jobs),
        kinds[:_MOST_KINDS],
        len(kinds[_MOST_KINDS:]),
        tuple(np.quantile(seconds, (0, 0.25, 0.5, 0.75, 1)).tolist()) if seconds else (),
        Counter(attempt.result or "has not ended" for attempt in attempts),
        sum((job.attempt or 1) > 1 for job in jobs),
        tuple(sorted(timed, key=lambda pair: -pair[1])[:5]),
    )


def _kinds(jobs: Iterable[Seen]) -> tuple[ErrorKind, ...]:
    alike: dict[tuple[str, str], list[Seen]] = {}
    for job in jobs:
        alike.setdefault((str(job.state), _VARIES.sub("#", job.reason)), []).append(job)
    return tuple(
        ErrorKind(
            state,
            same[0].reason,
            tuple(job.path for job in same),
            _open(same),
            same[0].log,
            same[0].log_file,
        )
        for (state, _), same in sorted(alike.items(), key=lambda item: -len(item[1]))
    )


def _open(jobs: Sequence[Seen]) -> ImageSets:
    return union(job.image_sets - job.complete - job.skipped for job in jobs)


def duration(seconds: float) -> str:
    """A duration for people.

    >>> duration(40), duration(300), duration(9000)
    ('40 s', '5 min', '2.5 h')
    """
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
