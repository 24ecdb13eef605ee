"""Compares what a batch file plans with what jobs left, or with what a destination holds."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cpexport.batch import Batch, State
from cpexport.batchfile import BatchFile, read_batch_file
from cpexport.errors import UsageError
from cpexport.findbatch import NotReadSource
from cpexport.history import History, read_history
from cpexport.imagesets import ImageSets, repeated
from cpexport.jobs import PART, Job, split
from cpexport.plan import Planned
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
    details: tuple[str, ...] = ()


@dataclass(frozen=True)
class Check:
    """Planned against found. `duplicate` are image sets that several batches have complete.

    `plans` are those by which the jobs were submitted, the newest last; `histories` the folders in
    which they keep count of their attempts, and `history` what those and the scheduler say.
    `notes` are about batch files.
    """

    plan: BatchFile
    complete: ImageSets
    unexpected: ImageSets
    duplicate: ImageSets
    batches: tuple[Seen, ...]
    plans: tuple[Planned, ...] = ()
    histories: tuple[Path, ...] = ()
    history: History = field(default_factory=History)
    notes: tuple[str, ...] = ()

    @property
    def missing(self) -> ImageSets:
        """What was planned and is not complete anywhere."""
        return self.plan.planned - self.complete

    @property
    def whole(self) -> bool:
        """Whether all that was planned is there, and nothing else."""
        return not self.missing and not self.unexpected

    def jobs(self, size: int | None = None) -> tuple[Job, ...]:
        """The jobs that bring what is missing: ranges, and in a grouped run whole groups.

        At most `size` image sets a job, or as many as a range holds.

        Raises:
            SourceError: a group that no command line can say.
        """
        return split(self.plan, self.missing, size)


def check(
    outputs: Sequence[Path],
    batch_file: Path | None = None,
    *,
    same_pictures: bool = False,
    progress: Progress = lambda done: None,
) -> Check:
    """What is there of a plan below `outputs`: without those, beside the batch file. With
    `same_pictures` image sets are those of the batch file by their numbers alone.

    Raises:
        UsageError: there is no batch file, or there are several.
        SourceError: the batch file cannot be read, a path does not exist, or a list of submitted
            jobs is damaged.
    """
    if not outputs:
        if batch_file is None:
            raise UsageError("name the batch file with --batch, or the folder of the outputs")
        outputs = [batch_file.parent]
    found = survey(outputs, batch_file, same_pictures=same_pictures, progress=progress)
    if found.plan is None:
        for batch in found.batches:
            if isinstance(batch.source, NotReadSource):
                raise batch.source.error
        raise UsageError(f"no batch file at {outputs[0]}; name it with --batch")
    complete = ImageSets.from_ranges(r for b in found.batches for r in b.complete.ranges)
    unexpected = ImageSets.from_ranges(r for b in found.batches for r in b.unexpected.ranges)
    duplicate = repeated(batch.complete for batch in found.batches)
    history = read_history(found.histories)
    return Check(
        found.plan,
        complete,
        unexpected,
        duplicate,
        tuple(_seen(batch, history) for batch in found.batches),
        found.plans,
        found.histories,
        history,
        found.notes,
    )


def check_destination(
    to: str, batch_file: Path, *, prefix: str = "", run: str | None = None
) -> Check:
    """What a destination holds of a plan, by its ledger; the outputs are not looked at.

    `run` is the name of the run that was planned, where the destination numbers runs.

    Raises:
        UsageError: there is no such run, or there are several and none was named.
        SourceError: the batch file cannot be read.
        SinkError: the destination cannot be read.
    """
    plan = read_batch_file(batch_file)
    with open_sink(to, prefix, run=run, writing=False) as sink:
        ledger, runs = sink.ledger(), sink.runs()
        if (run is None and runs) or (run is not None and run not in runs):
            said = f"name the run with --run; it has {', '.join(runs)}"
            raise UsageError(f"{sink.name}: {said if runs else 'has no runs; leave --run out'}")
    batches = tuple(
        Seen(entry.path, entry.image_sets, entry.loaded, entry.state, entry.reason)
        for entry in ledger.entries
    )
    there = ledger.loaded
    return Check(plan, there & plan.planned, there - plan.planned, ImageSets(), batches)


def _seen(batch: Batch, history: History) -> Seen:
    path = batch.source.path
    image_sets, state, reason = batch.image_sets, batch.state, batch.reason
    attempt = history.last.get(path.name.removesuffix(PART))
    if attempt and not image_sets and path.name.endswith(PART):
        # Its files say nothing yet, or never will.
        image_sets = attempt.image_sets
        if attempt.open:
            state, reason = State.RUNNING, "the job has begun and not ended"
    complete, sign = batch.complete, batch.sign
    return Seen(str(path), image_sets, complete, state, reason, sign, batch.notes, batch.details)
