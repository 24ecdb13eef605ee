"""Outputs of one job in several formats: what is said of those that are not used."""

from collections.abc import Sequence
from pathlib import Path

from cpexport.errors import RunningError, SourceError
from cpexport.sources.databasefile import SUFFIXES


def note(used: str, names: Sequence[str]) -> tuple[str, ...]:
    """That what is `used` was taken and not the files of these names; nothing if there are none.

    >>> note("the .h5 is", ["Image.csv", "Cells.csv"])
    ('the .h5 is used, not the 2 CSV files beside it',)
    """
    return (f"{used} used, not the {_files(names)} beside it",) if names else ()


def advised(error: SourceError, names: Sequence[str]) -> SourceError:
    """The error of what is used, with the advice that there are other files to be had instead."""
    if not names or isinstance(error, RunningError):
        return error
    what = _files(names).lstrip("0123456789 ")
    advice = f"{error.advice}, or take it away to use the {what} beside it"
    return SourceError(error.path, error.problem, advice)


def _files(names: Sequence[str]) -> str:
    databases = sum(Path(name).suffix.lower() in SUFFIXES for name in names)
    kinds = ["CSV"] * (databases < len(names)) + ["SQLite"] * (databases > 0)
    return f"{len(names)} {' and '.join(kinds)} file{'s' * (len(names) > 1)}"
