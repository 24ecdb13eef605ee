"""Errors of files that say what to do about them."""

import errno
import os
from typing import ClassVar, Self

from cpexport.errors import SourceError


class ExplainedError(OSError):
    """A file cannot be read; `problem` is what is wrong, and `advice` what a user can do."""

    NUMBER: ClassVar[int] = errno.EIO

    # OSError takes its arguments as the object is made, in another order.
    def __new__(cls, path: str, problem: str, advice: str) -> Self:
        return super().__new__(cls, cls.NUMBER, problem, path)

    def __init__(self, path: str, problem: str, advice: str) -> None:
        super().__init__(self.NUMBER, problem, path)
        self.problem, self.advice = problem, advice

    def __reduce__(self) -> tuple[type[Self], tuple[object, ...]]:
        return type(self), (self.filename, self.problem, self.advice)


def unreadable(path: str | os.PathLike[str], error: OSError, advice: str) -> SourceError:
    """The error for a file that cannot be read, in the system's words if there are no others.

    advice: for an error that has none of its own.
    """
    if isinstance(error, ExplainedError):
        return SourceError(path, error.problem, error.advice or advice)
    return SourceError(path, f"cannot be read: {error.strerror or error}", advice)
