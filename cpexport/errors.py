"""The errors that cpexport raises on purpose; all are subclasses of `CpexportError`.

Each prints as one line, for a terminal or a log, whatever text it contains. Its attributes keep the
original text.
"""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from cpexport.outcome import FAILED, WRONG, stamped

RERUN: Final = "run its image sets again"
"""The advice for an output that is empty or cut off.

Use it for nothing else: in other cases a second run gives the same result.
"""
AS_WRITTEN: Final = "restore the file that CellProfiler wrote"
"""The advice for content that no job writes: another program or a person has changed the file."""

_CONTROL = re.compile(r"[\s\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]+")


_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def one_line(text: str) -> str:
    """Replaces characters that break a line, move a terminal's cursor, or have no encoding."""
    # A file name that is not UTF-8 reaches Python as lone surrogates, which raise when printed.
    encodable = text.encode("utf-8", "backslashreplace").decode("utf-8")
    return _CONTROL.sub(" ", encodable).strip()


def printable(text: str, between: str = " ") -> str:
    r"""Replaces each character that moves a terminal's cursor with a blank, for a report.

    `between` comes in place of a line feed.

    >>> printable("two\n  lines\x1b[31m"), printable("two\n  lines", "\n")
    ('two   lines [31m', 'two\n  lines')
    """
    return between.join(_UNPRINTABLE.sub(" ", line) for line in text.split("\n"))


class CpexportError(Exception):
    """A refusal or failure of cpexport for a reason that it can explain.

    `exit_status` is the status with which the command line ends after it.

    >>> print(CpexportError("two\\nlines"))
    two lines
    """

    exit_status: ClassVar[int] = FAILED

    def __str__(self) -> str:
        return one_line(super().__str__())

    def to_dict(self) -> dict[str, Any]:
        """The error as `--format json` prints it; `path` and `advice` are None if it has none.

        >>> error = SourceError("run/1.h5", "not an HDF5 file", "run image sets 1-6 again")
        >>> {name: error.to_dict()[name] for name in ("error", "path", "exit_status")}
        {'error': 'SourceError', 'path': 'run/1.h5', 'exit_status': 1}
        """
        return failure(type(self).__name__, self.exit_status, str(self))


def failure(
    error: str, exit_status: int, problem: str, path: str | None = None, advice: str | None = None
) -> dict[str, Any]:
    """What `--format json` prints in place of a report: the kind of error, and what is wrong."""
    fields = {"path": path, "problem": problem, "advice": advice}
    lines = {name: None if text is None else one_line(text) for name, text in fields.items()}
    return stamped(exit_status, {"error": error, **lines})


class UsageError(CpexportError):
    """The request makes no sense; nothing was read or written."""

    exit_status: ClassVar[int] = WRONG


class PreflightError(CpexportError):
    """All jobs of a plan would run in vain, so nothing was planned; `problems` are the reasons."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__(self.problems)

    def __str__(self) -> str:
        return one_line("; ".join(self.problems))

    def to_dict(self) -> dict[str, Any]:
        return super().to_dict() | {"problems": list(map(one_line, self.problems))}


class SourceError(CpexportError):
    """A job's output cannot be read, or is not what it should be.

    `path` is the file or folder, `problem` says what is wrong with it, `advice` what the user can
    do. `problem` and `advice` are phrases without a full stop. The error crosses process borders
    with all its attributes.

    >>> print(SourceError("run/1.h5", "not an HDF5 file", "run image sets 1-6 again"))
    run/1.h5: not an HDF5 file; run image sets 1-6 again
    """

    def __init__(self, path: str | os.PathLike[str], problem: str, advice: str) -> None:
        self.path = os.fspath(path)
        self.problem = problem
        self.advice = advice
        # The base class gets every argument, because unpickling passes its arguments to the class.
        super().__init__(self.path, problem, advice)

    def __str__(self) -> str:
        return one_line(f"{self.path}: {self.problem}; {self.advice}")

    def to_dict(self) -> dict[str, Any]:
        name = type(self).__name__
        return failure(name, self.exit_status, self.problem, self.path, self.advice)


class RunningError(SourceError):
    """A job is still writing the file."""


class SinkError(CpexportError):
    """A destination cannot be written or read, or has content that it should not have.

    Users see `destination` as it is: pass a URL without its password. `problem` and `advice` are as
    in `SourceError`.

    >>> print(SinkError("sqlite:///screen.sqlite", "the disk is full", "make room, run it again"))
    sqlite:///screen.sqlite: the disk is full; make room, run it again
    """

    def __init__(self, destination: str | os.PathLike[str], problem: str, advice: str) -> None:
        self.destination = os.fspath(destination)
        self.problem = problem
        self.advice = advice
        super().__init__(self.destination, problem, advice)

    def __str__(self) -> str:
        return one_line(f"{self.destination}: {self.problem}; {self.advice}")

    def to_dict(self) -> dict[str, Any]:
        name = type(self).__name__
        return failure(name, self.exit_status, self.problem, self.destination, self.advice)


class WidthError(CpexportError):
    """An integer would lose digits in a column of real numbers; `column` is the column's name."""

    def __init__(self, column: str) -> None:
        self.column = column
        super().__init__(column)

    def __str__(self) -> str:
        return f"column {self.column}: an integer has too many digits for a column of real numbers"


class LimitError(CpexportError):
    """A value is larger than any that CellProfiler writes and destinations take."""


class NumbersError(SinkError):
    """A feature has both real numbers and integers with too many digits for a real number.

    No numeric column can hold both. `object` and `feature` are the destination's names.
    """

    def __init__(self, destination: str, object: str, feature: str) -> None:
        self.object, self.feature = object, feature
        super().__init__(
            destination,
            f"{feature} of {object} has both real numbers and integers of more than 15 "
            "digits, and no numeric column can hold both",
            "report this as a bug",
        )


class ChangedError(SinkError):
    """The content of a destination differs from everything that cpexport can have written there."""


class CollisionError(SinkError):
    """Two batches have different images under one image set number."""


class LossError(CollisionError):
    """An output that would replace an older one lacks something that the older one has.

    Both outputs have the same images.
    """


class RetryError(SinkError):
    """Another writer was in the way and nothing was kept: the operation can be tried again."""


class HeldError(RetryError):
    """Programs that read were in the way and nothing was kept: the operation can be tried again for
    minutes."""


class NumberTakenError(SinkError):
    """Another process has numbered image sets since this one looked; nothing was kept."""


class StaleError(SinkError):
    """Files that workers wrote no longer fit the destination, which has changed since; nothing was
    kept. Their batches can be written one by one."""


class OutcomeUnknownError(SinkError):
    """The connection was lost during a commit: the batch is stored completely, or not at all.

    Only the destination's ledger can tell which.
    """


@dataclass(frozen=True)
class LeftOut:
    """A file or batch that is not loaded, or not completely, and the reason."""

    path: str
    reason: str

    def __post_init__(self) -> None:
        # A name that is not UTF-8 could not be printed.
        path = self.path.encode("utf-8", "backslashreplace").decode("utf-8")
        object.__setattr__(self, "path", path)

    def to_dict(self) -> dict[str, str]:
        """The path and the reason, as in JSON reports."""
        return {"path": self.path, "reason": self.reason}
