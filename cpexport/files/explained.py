"""Errors of files that say what to do about them."""

import os
from typing import Self

from cpexport.errors import SourceError


class ExplainedError(OSError):
    """A file cannot be read; `strerror` is what is wrong, and `advice` what a user can do."""

    def __init__(self, number: int, problem: str, path: str, advice: str = "") -> None:
        super().__init__(number, problem, path)
        self.problem, self.advice = problem, advice

    def __reduce__(self) -> tuple[type[Self], tuple[object, ...]]:
        return type(self), (self.errno, self.problem, self.filename, self.advice)


def unreadable(path: str | os.PathLike[str], error: OSError, advice: str) -> SourceError:
    """The error for a file that cannot be read, in the system's words if there are no others.

    advice: for an error that has none of its own.
    """
    if isinstance(error, ExplainedError):
        return SourceError(path, error.problem, error.advice or advice)
    return SourceError(path, f"cannot be read: {error.strerror or error}", advice)
