"""The commands that run incomplete wells again."""

import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from cpexport.commands.resubmit import home_of
from cpexport.errors import SourceError
from cpexport.imagesets import ImageSets
from cpexport.jobs.plan import command
from cpexport.jobs.split import Job, folder_for, split
from cpexport.reporting.build import ReportData
from cpexport.reporting.run_state import State
from cpexport.reporting.screen import Well

MOST: Final = 200
"""The most wells whose commands are written into a report."""


def commands(data: ReportData, outputs: tuple[Path, ...]) -> Mapping[int, str]:
    """The command lines that run what a well lacks, by its place in `Screen.wells`; one line for
    each job.

    Wells whose jobs wait or run have none, and there are none without a batch file.
    """
    if data.found.plan is None:
        return {}
    home = home_of(data.found, outputs)
    found: dict[int, str] = {}
    for place, well in enumerate(data.screen.wells):
        if wanted := _to_run(well):
            try:
                jobs = split(data.found.plan, wanted)
            except SourceError as error:
                found[place] = f"# {error}"
            else:
                found[place] = "\n".join(_lines(data.found.plan.path, jobs, home))
        if len(found) == MOST:
            break
    return found


def _to_run(well: Well) -> ImageSets:
    """The image sets of a well that are missing or failed."""
    lacking = (p.image_sets for p in well.pieces if p.state in (State.FAILED, State.MISSING))
    return ImageSets.from_ranges(r for image_sets in lacking for r in image_sets.ranges)


def _lines(batch_file: Path, jobs: tuple[Job, ...], home: Path) -> Iterator[str]:
    taken: set[str] = set()
    for job in jobs:
        folder = folder_for(job, home, taken)
        taken.add(folder.name)
        yield shlex.join(command(batch_file, job, folder))
