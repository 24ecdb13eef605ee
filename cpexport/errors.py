"""The errors that cpexport raises on purpose, all of them a `CpexportError`.

Each prints as one line, for a terminal or a log, whatever the text it was made of; the parts that
it was made of are attributes and stay as they were.
"""

import os
import re
from typing import Final

RERUN: Final = "run its image sets again"
"""The advice for what a job left empty or cut off, and for nothing else: elsewhere it helps nobody
to compute the same once more."""
AS_WRITTEN: Final = "use the file as CellProfiler wrote it"
"""The advice for what no job leaves: a file that another program or a person has changed."""

_CONTROL = re.compile(r"[\s\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]+")


def _one_line(text: str) -> str:
    """`text` without what breaks a line, moves a terminal's cursor, or cannot be encoded."""
    # A file name that is not UTF-8 reaches Python as lone surrogates, and printing those raises.
    encodable = text.encode("utf-8", "backslashreplace").decode("utf-8")
    return _CONTROL.sub(" ", encodable).strip()


class CpexportError(Exception):
    """Anything that cpexport refuses or fails to do, for a reason that it can say.

    >>> print(CpexportError("two\\nlines"))
    two lines
    """

    def __str__(self) -> str:
        return _one_line(super().__str__())


class UsageError(CpexportError):
    """What was asked for makes no sense; nothing was read or written."""


class SourceError(CpexportError):
    """What a job left cannot be read, or is not what it should be.

    `path` is the file or folder, `problem` what is wrong with it, `advice` what a person can do;
    the last two are phrases without a full stop. It crosses process borders whole.

    >>> print(SourceError("run/1.h5", "not an HDF5 file", "run image sets 1-6 again"))
    run/1.h5: not an HDF5 file; run image sets 1-6 again
    """

    def __init__(self, path: str | os.PathLike[str], problem: str, advice: str) -> None:
        self.path = os.fspath(path)
        self.problem = problem
        self.advice = advice
        # All of them go to the base class, which is what unpickling calls the class with.
        super().__init__(self.path, problem, advice)

    def __str__(self) -> str:
        return _one_line(f"{self.path}: {self.problem}; {self.advice}")


class RunningError(SourceError):
    """A job is still writing this file."""


class SinkError(CpexportError):
    """A destination cannot be written or read, or holds what it should not.

    `destination` is shown to people as it is: a URL must come without its password. `problem` and
    `advice` are as in `SourceError`.

    >>> print(SinkError("sqlite:///screen.sqlite", "the disk is full", "make room, run it again"))
    sqlite:///screen.sqlite: the disk is full; make room, run it again
    """

    def __init__(self, destination: str | os.PathLike[str], problem: str, advice: str) -> None:
        self.destination = os.fspath(destination)
        self.problem = problem
        self.advice = advice
        super().__init__(self.destination, problem, advice)

    def __str__(self) -> str:
        return _one_line(f"{self.destination}: {self.problem}; {self.advice}")


class WidthError(CpexportError):
    """An integer would lose digits in a column of real numbers. `column` is that column's name."""

    def __init__(self, column: str) -> None:
        self.column = column
        super().__init__(column)

    def __str__(self) -> str:
        return f"column {self.column}: an integer has too many digits for a column of real numbers"


class NumbersError(SinkError):
    """A feature has integers with too many digits for real numbers, and real numbers too: as
    numbers no column holds both. `object` and `feature` are the destination's."""

    def __init__(self, destination: str, object: str, feature: str) -> None:
        self.object, self.feature = object, feature
        super().__init__(
            destination,
            f"{feature} of {object} has integers of more than 15 digits and real numbers, which no "
            "column of numbers holds",
            "report this",
        )


class ChangedError(SinkError):
    """What a destination holds is not what can have been put there."""


class CollisionError(SinkError):
    """Two batches bring different pictures under one image set number."""


class LossError(CollisionError):
    """An output lacks what an older one of the same pictures has, and would take its place."""


class RetryError(SinkError):
    """Others were in the way, and nothing was kept: the same may be tried again as a whole."""


class OutcomeUnknownError(SinkError):
    """The connection was lost while it committed: the batch is there whole, or not at all.

    Only the destination's ledger can tell which.
    """
