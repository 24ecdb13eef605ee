"""Jobs: which image sets one `cellprofiler` process runs, and how its command line says so.

CellProfiler takes a range (`-f`, `-l`) or one group (`-g K=V,K=V`; CellProfiler 4.2.8,
__main__.py, run_pipeline_headless). A range is preferred, as two things go wrong with `-g`: values
with a comma or an equals sign cannot be said, and image sets that LoadData lists out of the order
of their groups are renumbered when the job runs (pipeline/_pipeline.py, prepare_run).
"""

import re
from collections import Counter
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from itertools import chain, count
from pathlib import Path

from cpexport.batchfile import BatchFile
from cpexport.errors import SourceError
from cpexport.imagesets import ImageSets

PART = ".part"
"""Ends the names of folders and files that a job has not completed, also with an id after it:
`batch_1_6.part.slurm_12_3`."""
PLAN = "plan.json"
"""Holds a plan, beside what runs it or beside the outputs."""
STATUS = "status"
"""The folder beside jobs' folders in which each keeps count of its attempts (history.py)."""
STATUS_SUFFIXES = (".status", ".submitted")
LOG = "job.log"
"""In a job's folder: what CellProfiler said."""
STAMP = "batch_file.sha256"
"""In a job's folder: the batch file it was run with, as `sha256sum` writes it."""

_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9-]+")
_NOT_IN_IDS = re.compile(r"[^A-Za-z0-9-]")
# What -g or a line of a list cannot hold; an empty value means none, which -g would not match.
_UNSAYABLE = re.compile(r"[,=\x00-\x1f\x7f\u2028\u2029]|^$")
_NAME_LENGTH = 80


@dataclass(frozen=True)
class Job:
    """The image sets of one job, at least one. `name` names its folder.

    `group` are the metadata of the one group that it runs, if it is one. `by_range` is whether
    `first` to `last` says the image sets; otherwise only `group` does.
    """

    image_sets: ImageSets
    name: str
    group: Mapping[str, str] | None = None
    by_range: bool = True

    @property
    def first(self) -> int | None:
        """What `-f` takes; None where no range says the job."""
        return self.image_sets.first if self.by_range else None

    @property
    def last(self) -> int | None:
        """What `-l` takes; None where no range says the job."""
        return self.image_sets.last if self.by_range else None

    @property
    def group_text(self) -> str | None:
        """What `-g` takes where no range says the job: `Metadata_Plate=P1,Metadata_Well=A01`."""
        if self.by_range or self.group is None:
            return None
        return ",".join(f"{tag}={value}" for tag, value in self.group.items())

    @property
    def selection(self) -> tuple[str, ...]:
        """The words of the command line that select the image sets.

        >>> Job(ImageSets.span(1, 6), "batch_1_6").selection
        ('-f', '1', '-l', '6')
        """
        if self.group_text is not None:
            return ("-g", self.group_text)
        return ("-f", str(self.first), "-l", str(self.last))


def split(
    batch_file: BatchFile,
    wanted: ImageSets,
    size: int | None = None,
    *,
    by_group: bool = False,
) -> tuple[Job, ...]:
    """Jobs that run `wanted`, each image set once, in order of their first image sets.

    At most `size` image sets a job; without, as many as one range holds. In a grouped run every
    group touched is run whole, however large: one a job, or as many as fit into `size` where one
    range says them, unless `by_group`.

    Raises:
        SourceError: the command line cannot say one of the groups.
    """
    wanted = wanted & batch_file.planned
    if not batch_file.members:
        ranges = chain.from_iterable(_chunks(*ends, size) for ends in wanted.ranges)
        return tuple(_of(ImageSets.span(*ends)) for ends in ranges)
    groups = _groups(batch_file, wanted)
    return tuple(groups if by_group or size is None else _packed(batch_file, groups, size))


def folder_for(job: Job, outputs: Path, taken: Container[str] = ()) -> Path:
    """A folder for a job's output that is not there yet, nor while it is written (`.part`).

    What an earlier job left in a folder would be taken for this one's.
    """
    again = (f"{job.name}_{attempt}" for attempt in count(2))
    return next(
        outputs / name
        for name in chain([job.name], again)
        if name not in taken and not (outputs / name).exists()
    )


def unfinished(folder: str) -> str:
    """The name that a job's folder will have, if this is that of one not completed; else nothing.

    >>> unfinished("batch_1_6.part.slurm_12_3"), unfinished("batch_1_6")
    ('batch_1_6', '')
    """
    name, part, more = folder.partition(PART)
    return name if part and (not more or more.startswith(".")) else ""


def name_of(id: str) -> str:
    """A job's id as it is in the names of folders (scripts/task.sh).

    >>> name_of("slurm:12_3")
    'slurm_12_3'
    """
    return _NOT_IN_IDS.sub("_", id)


def _of(image_sets: ImageSets) -> Job:
    return Job(image_sets, f"batch_{image_sets.first}_{image_sets.last}")


def _chunks(first: int, last: int, size: int | None) -> Iterable[tuple[int, int]]:
    step = size or last - first + 1
    return ((start, min(start + step - 1, last)) for start in range(first, last + 1, step))


def _groups(batch_file: BatchFile, wanted: ImageSets) -> list[Job]:
    """A job for each group that has image sets wanted."""
    names = _names(batch_file.members)
    jobs = []
    for key, members in batch_file.members.items():
        if not members & wanted:
            continue
        group = dict(zip(batch_file.group_tags, key, strict=True))
        by_range = _is_range(batch_file, members)
        if not by_range and any(_UNSAYABLE.search(value) for value in key):
            said = ", ".join(f"{tag}={value!r}" for tag, value in group.items())
            raise SourceError(
                batch_file.path,
                f"the group {said} ({members}) is no range, and -g cannot say its values",
                "sort the images by group, or rename the value, and make the batch file again",
            )
        jobs.append(Job(members, names[key], group, by_range))
    return sorted(jobs, key=lambda job: job.image_sets.first)


def _is_range(batch_file: BatchFile, members: ImageSets) -> bool:
    return batch_file.planned & ImageSets.span(members.first, members.last) == members


def _packed(batch_file: BatchFile, groups: Iterable[Job], size: int) -> Iterable[Job]:
    """Groups that follow each other put together, up to `size` image sets a job."""
    together: list[Job] = []
    held = 0
    for group in groups:
        held += len(group.image_sets)
        if together and (held > size or not _follows(batch_file, together[-1], group)):
            yield _together(together)
            together, held = [], len(group.image_sets)
        together.append(group)
    if together:
        yield _together(together)


def _follows(batch_file: BatchFile, before: Job, after: Job) -> bool:
    """Whether one range says both groups and nothing else, and a job on it keeps its numbers."""
    between = (before.image_sets.last + 1, after.image_sets.first - 1)
    if not (before.by_range and after.by_range):
        return False
    if between[0] <= between[1] and batch_file.planned & ImageSets.span(*between):
        return False
    # A job sorts the groups of LoadData's list by their values, and moves the rows of its range.
    in_order = tuple((before.group or {}).values()) < tuple((after.group or {}).values())
    return in_order or not batch_file.renumbers


def _together(jobs: list[Job]) -> Job:
    if len(jobs) == 1:
        return jobs[0]
    return _of(ImageSets.from_ranges(r for job in jobs for r in job.image_sets.ranges))


def _names(members: Mapping[tuple[str, ...], ImageSets]) -> dict[tuple[str, ...], str]:
    """A folder name for each group, the same whichever groups are wanted."""
    plain = {
        key: "group_" + "-".join(_NOT_IN_NAMES.sub("_", value) for value in key)[:_NAME_LENGTH]
        for key in members
    }
    # Disks that do not tell upper from lower case would put two groups into one folder.
    often = Counter(name.casefold() for name in plain.values())
    return {
        key: f"{name}_{members[key].first}" if often[name.casefold()] > 1 else name
        for key, name in plain.items()
    }


def overlap(jobs: Iterable[Job]) -> ImageSets:
    """Image sets that more than one job runs.

    >>> overlap([_of(ImageSets.span(1, 6)), _of(ImageSets.span(5, 9))])
    ImageSets('5-6')
    """
    twice = []
    reached = 0
    for first, last in sorted(ends for job in jobs for ends in job.image_sets.ranges):
        if first <= reached:
            twice.append((first, min(last, reached)))
        reached = max(reached, last)
    return ImageSets.from_ranges(twice)
