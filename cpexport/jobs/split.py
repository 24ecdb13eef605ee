"""Splits a run into jobs: the image sets of one `cellprofiler` process, and its command line.

CellProfiler takes a range (`-f`, `-l`) or one group (`-g K=V,K=V`; CellProfiler 4.2.8,
__main__.py, run_pipeline_headless). A range is preferred because `-g` has two problems. It cannot
express values with a comma or an equals sign, and if LoadData's list is not in the order of the
groups, the job renumbers the image sets (pipeline/_pipeline.py, prepare_run).
"""

import re
from collections import Counter
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from itertools import chain, count
from pathlib import Path

from cpexport.cellprofiler.batch_file import BatchFile
from cpexport.cellprofiler.image_keys import plain
from cpexport.errors import SourceError
from cpexport.imagesets import ImageSets

PART = ".part"
"""Ends the names of folders and files of unfinished jobs; the job's id can follow:
`batch_1_6.part.slurm_12_3`."""
PLAN = "plan.json"
"""The file of a plan, next to its scripts or next to the outputs."""
STATUS = "status"
"""The folder next to the jobs' folders in which each job records its attempts (history.py)."""
STATUS_SUFFIXES = (".status", ".submitted")
LOG = "job.log"
"""In a job's folder: the messages of CellProfiler."""
STAMP = "batch_file.sha256"
"""In a job's folder: the digest of its batch file, as `sha256sum` writes it."""

_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9-]+")
_NOT_IN_IDS = re.compile(r"[^A-Za-z0-9-]")
# Characters that neither -g nor a line of a list can hold. An empty value means missing metadata,
# which -g would not match.
_UNSAYABLE = re.compile(r"[,=\x00-\x1f\x7f\u2028\u2029]|^$")
_NAME_LENGTH = 80


@dataclass(frozen=True)
class Job:
    """The image sets of one job, at least one.

    name: the name of its folder.
    group: the metadata of its group, if it runs a single group.
    by_range: whether `first` and `last` select the image sets; otherwise only `group` does.
    """

    image_sets: ImageSets
    name: str
    group: Mapping[str, str] | None = None
    by_range: bool = True

    @property
    def first(self) -> int | None:
        """The value of `-f`; None if no range selects the image sets."""
        return self.image_sets.first if self.by_range else None

    @property
    def last(self) -> int | None:
        """The value of `-l`; None if no range selects the image sets."""
        return self.image_sets.last if self.by_range else None

    @property
    def group_text(self) -> str | None:
        """The value of `-g`, such as `Metadata_Plate=P1,Metadata_Well=A01`; None if a range
        selects the image sets."""
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
    """Returns jobs that run each of the `wanted` image sets once, in order of their first image
    sets.

    A job has at most `size` image sets; without `size`, as many as one range holds. In a grouped
    run, every group with a wanted image set runs whole, however large it is. A job then has one
    group. With `size`, and without `by_group`, it has as many groups as fit into `size` and one
    range can select.

    Raises:
        SourceError: the command line cannot select one of the groups.
    """
    wanted = wanted & batch_file.planned
    if not batch_file.members:
        ranges = chain.from_iterable(_chunks(*ends, size) for ends in wanted.ranges)
        return tuple(_of(ImageSets.span(*ends)) for ends in ranges)
    groups = _groups(batch_file, wanted)
    return tuple(groups if by_group or size is None else _packed(batch_file, groups, size))


def folder_for(job: Job, outputs: Path, taken: Container[str] = ()) -> Path:
    """Returns a folder for a job's output that does not exist and is not in `taken`.

    In an existing folder, files of an earlier job would be mistaken for this one's.
    """
    numbered = (f"{job.name}_{attempt}" for attempt in count(2))
    return next(
        outputs / name
        for name in chain([job.name], numbered)
        if name not in taken and not (outputs / name).exists()
    )


def unfinished(folder: str) -> str:
    """Returns the final name of an unfinished job's folder; empty if the name is not of one.

    >>> unfinished("batch_1_6.part.slurm_12_3"), unfinished("batch_1_6")
    ('batch_1_6', '')
    """
    name, part, suffix = folder.partition(PART)
    return name if part and (not suffix or suffix.startswith(".")) else ""


def name_of(id: str) -> str:
    """Returns a job's id as it appears in the names of folders (templates/task.sh).

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
    """Returns a job for each group that has wanted image sets."""
    names = _names(batch_file.members)
    jobs = []
    for key, members in batch_file.members.items():
        if not members & wanted:
            continue
        group = dict(zip(batch_file.group_tags, key, strict=True))
        by_range = batch_file.own_lists or _is_range(batch_file, members)
        words = (*batch_file.group_tags, *key)
        # LoadData makes numbers of texts such as 007, and then -g 007 selects nothing.
        rewritten = batch_file.is_list and any(plain(value) != value for value in key)
        if not by_range and (rewritten or any(map(_UNSAYABLE.search, words))):
            metadata = ", ".join(f"{tag}={value!r}" for tag, value in group.items())
            advice = (
                "sort the images by group, or rename the value, and create the batch file again"
            )
            if batch_file.is_list:
                advice = "name a folder with --out or --resubmit: its jobs have lists of their own"
            raise SourceError(
                batch_file.path,
                f"the group {metadata} ({members}) is not one range, and -g cannot express "
                "its values",
                advice,
            )
        jobs.append(Job(members, names[key], group, by_range))
    return sorted(jobs, key=lambda job: job.image_sets.first)


def _is_range(batch_file: BatchFile, members: ImageSets) -> bool:
    # CellProfiler numbers the rows of a list in the order of their groups.
    if batch_file.is_list:
        return False
    return batch_file.planned & ImageSets.span(members.first, members.last) == members


def _packed(batch_file: BatchFile, groups: Iterable[Job], size: int) -> Iterable[Job]:
    """Joins consecutive groups into jobs of up to `size` image sets."""
    packed: list[Job] = []
    total = 0
    for group in groups:
        total += len(group.image_sets)
        if packed and (total > size or not _follows(batch_file, packed[-1], group)):
            yield _together(packed)
            packed, total = [], len(group.image_sets)
        packed.append(group)
    if packed:
        yield _together(packed)


def _follows(batch_file: BatchFile, before: Job, after: Job) -> bool:
    """Whether one range selects both groups and nothing else, and its job keeps the numbers."""
    between = (before.image_sets.last + 1, after.image_sets.first - 1)
    if not (before.by_range and after.by_range):
        return False
    if between[0] <= between[1] and batch_file.planned & ImageSets.span(*between):
        return False
    # A job sorts the groups of LoadData's list by their values, which moves the rows of its range.
    in_order = tuple((before.group or {}).values()) < tuple((after.group or {}).values())
    return in_order or not batch_file.renumbers


def _together(jobs: list[Job]) -> Job:
    if len(jobs) == 1:
        return jobs[0]
    return _of(ImageSets.from_ranges(r for job in jobs for r in job.image_sets.ranges))


def _names(members: Mapping[tuple[str, ...], ImageSets]) -> dict[tuple[str, ...], str]:
    """Returns a folder name for each group, whichever groups are wanted."""
    plain = {
        key: "group_" + "-".join(_NOT_IN_NAMES.sub("_", value) for value in key)[:_NAME_LENGTH]
        for key in members
    }
    # File systems that ignore case would put two groups into one folder.
    uses = Counter(name.casefold() for name in plain.values())
    return {
        key: f"{name}_{members[key].first}" if uses[name.casefold()] > 1 else name
        for key, name in plain.items()
    }


def overlap(jobs: Iterable[Job]) -> ImageSets:
    """Returns the image sets that more than one job runs.

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
