"""Names the arguments OUTPUTS in which nothing was found, among several."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from cpexport.errors import LeftOut
from cpexport.files.places import real
from cpexport.loading.known_folders import KnownFolders
from cpexport.sources.detect import Found


def without_output(
    outputs: Sequence[Path], found: Found, folders: KnownFolders
) -> Iterator[LeftOut]:
    """Yields the arguments without any file of a job, batch file or plan."""
    empty = {real(path): path for path in outputs if not folders.has_passed(real(path))}
    jobs = [place for place in found.listed if place.is_a_jobs or place.brought]
    has_files = any(path.is_file() for path in empty.values())
    used = (
        *(place.folder.path for place in jobs),
        # A file can be one of several of a job.
        *(file for place in jobs if has_files for file in place.brought),
        *found.batch_files,
        *found.plans,
        *found.histories,
        *(Path(left.path) for left in found.left_out),
    )
    for path in used:
        above = real(path)
        while above and empty:
            empty.pop(above, None)
            above = above.rpartition(os.sep)[0]
    for path in empty.values():
        yield LeftOut(str(path), "contains no output of a CellProfiler job")
