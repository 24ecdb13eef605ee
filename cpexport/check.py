"""Compares what a batch file plans with what jobs left, or with what a destination holds."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, count
from pathlib import Path

from cpexport.batch import Batch
from cpexport.batchfile import BatchFile, read_batch_file
from cpexport.errors import UsageError
from cpexport.imagesets import ImageSets
from cpexport.sinks import open_sink
from cpexport.survey import Progress, survey


@dataclass(frozen=True)
class Seen:
    """One batch in a report: where it is, what it was to run, what of it is complete, and why."""

    path: str
    image_sets: ImageSets
    complete: ImageSets
    state: str
    reason: str
    evidence: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Job:
    """Image sets to run again in one job. `group` is what `-g` takes, where no range says it."""

    first: int
    last: int
    group: str | None = None


@dataclass(frozen=True)
class Check:
    """Planned against found. `duplicate` are image sets that several batches have complete."""

    plan: BatchFile
    complete: ImageSets
    unexpected: ImageSets
    duplicate: ImageSets
    batches: tuple[Seen, ...]

    @property
    def missing(self) -> ImageSets:
        """What was planned and is not complete anywhere."""
        return self.plan.planned - self.complete

    @property
    def whole(self) -> bool:
        """Whether all that was planned is there, and nothing else."""
        return not self.missing and not self.unexpected

    @property
    def jobs(self) -> tuple[Job, ...]:
        """The jobs that bring what is missing: ranges, and in a grouped run whole groups.

        A group whose image sets do not follow each other is named by its metadata.
        """
        return jobs_for(self.plan, self.missing)


def check(
    outputs: Sequence[Path],
    batch_file: Path | None = None,
    *,
    progress: Progress = lambda done: None,
) -> Check:
    """What is there of a plan below `outputs`: without those, beside the batch file.

    Raises:
        UsageError: there is no batch file, or there are several.
        SourceError: the batch file cannot be read, or a path does not exist.
    """
    if not outputs:
        if batch_file is None:
            raise UsageError("name the batch file with --batch, or the folder of the outputs")
        outputs = [batch_file.parent]
    found = survey(outputs, batch_file, progress=progress)
    if found.plan is None:
        raise UsageError(f"no batch file at {outputs[0]}; name it with --batch")
    complete = duplicate = unexpected = ImageSets()
    for batch in found.batches:
        duplicate |= complete & batch.complete
        complete |= batch.complete
        unexpected |= batch.unexpected
    return Check(found.plan, complete, unexpected, duplicate, tuple(map(_seen, found.batches)))


def check_destination(to: str, batch_file: Path, *, prefix: str = "") -> Check:
    """What a destination holds of a plan, by its ledger; the outputs are not looked at.

    Raises:
        SourceError: the batch file cannot be read.
        SinkError: the destination cannot be read.
    """
    plan = read_batch_file(batch_file)
    with open_sink(to, prefix) as sink:
        ledger = sink.ledger()
    batches = tuple(
        Seen(entry.path, entry.image_sets, entry.loaded, entry.state, entry.reason)
        for entry in ledger.entries
    )
    there = ledger.loaded
    return Check(plan, there & plan.planned, there - plan.planned, ImageSets(), batches)


def jobs_for(plan: BatchFile, wanted: ImageSets) -> tuple[Job, ...]:
    """Jobs for `wanted`, in order of image set; in a grouped run for all of each group touched."""
    if not plan.members:
        return tuple(Job(first, last) for first, last in wanted.ranges)
    jobs = []
    for key, members in plan.members.items():
        if members & wanted:
            if len(members.ranges) == 1 or any("," in value or "=" in value for value in key):
                # -g cannot say a value with either character; ranges can, but they cut the group.
                jobs += [Job(first, last) for first, last in members.ranges]
            else:
                pairs = zip(plan.group_tags, key, strict=True)
                group = ",".join(f"{tag}={value}" for tag, value in pairs)
                jobs.append(Job(members.first, members.last, group))
    return tuple(sorted(jobs, key=lambda job: (job.first, job.last)))


def command(job: Job, batch_file: Path, outputs: Path) -> str:
    """A whole `cellprofiler` command for one job, quoted for a shell, with a folder of its own.

    Always with a done file: without one CellProfiler exits with 0 whatever happened.
    """
    name = f"batch_{job.first}_{job.last}" if job.group is None else f"group_{job.first}"
    # What an earlier job left in a folder would be taken for this one's.
    again = (outputs / f"{name}_{attempt}" for attempt in count(2))
    folder = next(path for path in chain([outputs / name], again) if not path.exists())
    which = ["-f", str(job.first), "-l", str(job.last)] if job.group is None else ["-g", job.group]
    words = ["cellprofiler", "-c", "-r", "-p", str(batch_file), *which]
    return shlex.join([*words, "-o", str(folder), "-d", str(folder / "done.txt")])


def _seen(batch: Batch) -> Seen:
    return Seen(
        str(batch.source.path),
        batch.image_sets,
        batch.complete,
        batch.state,
        batch.reason,
        batch.sign,
        batch.notes,
    )
