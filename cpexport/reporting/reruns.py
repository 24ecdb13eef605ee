"""The commands that run incomplete wells again."""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Final

from cpexport.cellprofiler.batch_file import BatchFile
from cpexport.commands.resubmit import home_of
from cpexport.errors import SourceError
from cpexport.imagesets import ImageSets, union
from cpexport.jobs.plan import command, inputs
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
    if data.found.plan is None or (data.found.plan.is_list and not data.found.plan.pipeline_file):
        return {}
    plan, home = data.found.plan, home_of(data.found, outputs)
    to_run = ((place, _to_run(well)) for place, well in enumerate(data.screen.wells))
    wanted = dict(islice(((place, sets) for place, sets in to_run if sets), MOST))
    try:
        return {
            place: "\n".join(_lines(plan, jobs, home))
            for place, jobs in _jobs(plan, wanted).items()
        }
    except SourceError as error:
        return dict.fromkeys(wanted, f"# {error}")


def _jobs(plan: BatchFile, wanted: Mapping[int, ImageSets]) -> Mapping[int, Sequence[Job]]:
    """The jobs for each of some sets of image sets; a group runs whole.

    Raises:
        SourceError: no command line can select one of the groups.
    """
    if not plan.members:
        return {place: split(plan, image_sets) for place, image_sets in wanted.items()}
    # All groups are looked at once, not once for each well.
    groups = split(plan, union(wanted.values()))
    return {
        place: [job for job in groups if job.image_sets & image_sets]
        for place, image_sets in wanted.items()
    }


def _to_run(well: Well) -> ImageSets:
    """The image sets of a well that are missing or failed."""
    lacking = (p.image_sets for p in well.pieces if p.state in (State.FAILED, State.MISSING))
    return ImageSets.from_ranges(r for image_sets in lacking for r in image_sets.ranges)


def _lines(plan: BatchFile, jobs: Sequence[Job], home: Path) -> Iterator[str]:
    taken: set[str] = set()
    words = inputs(plan.path, str(plan.pipeline_file) if plan.pipeline_file else None)
    for job in jobs:
        folder = folder_for(job, home, taken)
        taken.add(folder.name)
        yield shlex.join(command(words + job.selection, folder))
