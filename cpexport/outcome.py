"""How a command ends: its exit status, and what every JSON report says about it."""

from collections.abc import Mapping
from typing import Any, Final

from cpexport import __version__

DONE: Final = 0
"""Done, and nothing is missing."""
FAILED: Final = 1
WRONG: Final = 2
"""The arguments are invalid."""
INCOMPLETE: Final = 3
"""Done, but something is missing or was left out, which the report names."""
INTERRUPTED: Final = 130


def status(is_complete: bool, missing_ok: bool) -> int:
    """The exit status of a command that has finished.

    `missing_ok` is for workflow managers: they discard the files of a command whose status is not
    0.
    """
    return DONE if is_complete or missing_ok else INCOMPLETE


def stamped(exit_status: int, fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a JSON report, after those that all reports have.

    >>> stamped(DONE, {"planned": 24})["exit_status"]
    0
    """
    return {"cpexport_version": __version__, "exit_status": exit_status, **fields}
