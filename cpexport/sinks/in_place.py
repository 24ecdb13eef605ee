"""Tells a destination that is still in its place from one that was deleted during a load."""

from pathlib import Path

from cpexport.errors import SinkError


def identity(path: Path) -> tuple[int, int] | None:
    """What tells a file from another one that is put in its place later; None without a file."""
    try:
        stat = path.stat()
    except FileNotFoundError:
        return None
    return stat.st_dev, stat.st_ino


def deleted(name: str) -> SinkError:
    """The error for a destination that is gone, although batches were stored in it."""
    return SinkError(
        name,
        "was deleted or replaced while cpexport wrote to it",
        "run the command again; it loads whatever the destination lacks",
    )
