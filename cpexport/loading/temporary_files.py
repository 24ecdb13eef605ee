"""Temporary files of jobs: those that someone kept, and those that killed jobs left."""

from collections.abc import Iterator
from pathlib import Path

from cpexport.cellprofiler.batch_file import BatchFile
from cpexport.sources.detect import Found
from cpexport.sources.folder import TEMPORARY
from cpexport.sources.no_output import holds_measurements, is_left_over


def kept_temporary(found: Found) -> list[Path]:
    """Returns temporary files that someone kept on purpose: they are measurement files too."""
    return [
        path
        for path in found.temporary
        if path.parent.name not in TEMPORARY and holds_measurements(path)
    ]


def left_over(found: Found, plan: BatchFile | None) -> Iterator[str]:
    """Notes on temporary files of killed jobs, in folders that also hold other output."""
    if not found.temporary:
        return
    homes = {path: _home(path) for path in found.temporary}
    wanted = {*homes, *homes.values()}
    paths: set[Path] = set()
    for source in found.sources(plan.pipeline if plan and not plan.is_list else None):
        if source.files:
            files = {source.path, *source.files}
            paths |= (files | {path.parent for path in files}) & wanted
    for path, home in homes.items():
        if path not in paths and home in paths and is_left_over(path):
            yield f"{path}: left over from a killed job, not read"


def _home(temporary: Path) -> Path:
    """The folder of the job that wrote a temporary file."""
    home = temporary.parent
    return home.parent if home.name in TEMPORARY else home
