"""The progress of a task, which commands report and the command line shows."""

from collections.abc import Callable
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class ProgressEvent:
    """How far a task is: the batches done, out of how many, and what they held.

    what: what was done, such as "loaded".
    total: None if it is unknown.
    unit: what is counted, if not batches.
    run: which run of several this is about, such as "plate3, 3 of 6"; else empty.
    """

    what: str
    batches: int
    total: int | None
    image_sets: int = 0
    values: int = 0
    unit: str = "batches"
    run: str = ""


Progress = Callable[[ProgressEvent], None]
"""Called after every step; may raise an exception to stop between two batches."""


def of_run(progress: Progress, run: str) -> Progress:
    """Returns a function that reports the progress of a run by its name."""
    return lambda done: progress(replace(done, run=run))


def silent(_: ProgressEvent) -> None:
    """Shows no progress."""
