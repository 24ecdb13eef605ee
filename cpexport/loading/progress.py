"""The progress of a task, which commands report and the command line shows."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class ProgressEvent:
    """How far a task is: the batches done, out of how many, and what they held.

    what: what was done, such as "loaded".
    total: None if it is unknown.
    unit: what is counted, if not batches.
    """

    what: str
    batches: int
    total: int | None
    image_sets: int = 0
    values: int = 0
    unit: str = "batches"


Progress = Callable[[ProgressEvent], None]
"""Called after every step; may raise an exception to stop between two batches."""
