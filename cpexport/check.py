"""Compares what a batch file plans with what jobs left, or with what a destination holds."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from cpexport.batch import Batch, LeftOut, State
from cpexport.batchfile import BatchFile, read_batch_file
from cpexport.completeness import shown_by_numbers
from cpexport.ended import how_it_ended, last_lines, trouble
from cpexport.errors import UsageError
from cpexport.features import IMAGE
from cpexport.findbatch import NotReadSource
from cpexport.history import History, read_history
from cpexport.imagesetnames import Name, named
from cpexport.imagesets import NONE, ImageSets, repeated
from cpexport.jobs import Job, split, unfinished
from cpexport.lacking import lacking, sentences
from cpexport.leftout import contradicted, covered, lost, other_outputs, uncertain
from cpexport.plan import Planned
from cpexport.samepictures import Difference, compared
from cpexport.sinks import open_sink
from cpexport.skipped import skipped_there
from cpexport.survey import Progress, Survey, survey


@dataclass(frozen=True)
class Seen:
    """One batch in a report: where it is, what it was to run, what of it is complete, and why.

    `skipped` are image sets that FlagImage skipped, which are not in `complete`. `exit_status` is
    that of the job's last attempt and `log` are the last lines of its log, where they are known.
    """

    path: str
    image_sets: ImageSets
    complete: ImageSets
    state: str
    reason: str
    evidence: str = ""
    notes: tuple[str, ...] = ()
    skipped: ImageSets = NONE
    exit_status: int | None = None
    log: tuple[str, ...] = ()
    details: tuple[str, ...] = ()


@dataclass(frozen=True)
class Check:
    """Planned against found. `misplaced` are image sets of batches that are other pictures than the
    batch file's, `duplicate` those that several batches have complete.

    Without a batch file `plan` is None. `skipped` are the image sets that FlagImage skipped and no
    batch has complete. `plans` are those by which the jobs were submitted, the newest last;
    `histories` the folders in which they keep count of their attempts, and `history` what those and
    the scheduler say. `trouble` says what all jobs of the last plan failed of, if they did so;
    `notes` are about batch files, and what batches lack that others have; `left_out` are files that
    may be CellProfiler's, but are not read.
    """

    plan: BatchFile | None
    complete: ImageSets
    unexpected: ImageSets
    duplicate: ImageSets
    batches: tuple[Seen, ...]
    plans: tuple[Planned, ...] = ()
    histories: tuple[Path, ...] = ()
    history: History = field(default_factory=History)
    skipped: ImageSets = NONE
    trouble: str = ""
    notes: tuple[str, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    misplaced: ImageSets = NONE

    @property
    def batch_file(self) -> BatchFile:
        """The batch file, for what cannot be done without it.

        Raises:
            UsageError: there is none.
        """
        if self.plan is None:
            raise UsageError("this needs the batch file; name it with --batch")
        return self.plan

    @cached_property
    def missing(self) -> ImageSets:
        """What was planned and is not done anywhere; without a batch file what numbers show."""
        if self.plan is not None:
            wanted = self.plan.planned
        else:
            wanted = shown_by_numbers([seen.image_sets for seen in self.batches])
        return wanted - self.complete - self.skipped

    @cached_property
    def names(self) -> Mapping[int, Name]:
        """What people call the image sets that are missing, as far as the batch file tells."""
        return named(self.plan.pictures, self.missing) if self.plan else {}

    @property
    def whole(self) -> bool:
        """Whether all that was planned is there, and nothing else.

        Without a batch file: whether nothing shows that anything is missing.
        """
        if self.left_out:
            return False
        if self.plan is None:
            return not self.missing and all(seen.image_sets for seen in self.batches)
        return not (self.missing or self.unexpected or self.misplaced)

    def jobs(self, size: int | None = None) -> tuple[Job, ...]:
        """The jobs that bring what is missing: ranges, and in a grouped run whole groups.

        At most `size` image sets a job, or as many as a range holds.

        Raises:
            UsageError: there is no batch file.
            SourceError: a group that no command line can say.
        """
        return split(self.batch_file, self.missing, size)


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
        UsageError: there are neither outputs nor a batch file, or several batch files.
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
    if found.plan is None and not found.batches:
        raise UsageError(
            f"no batch file and no output of a job at {outputs[0]}; name the batch file with "
            "--batch, or another folder"
        )
    unexpected = ImageSets.from_ranges(r for b in found.batches for r in b.unexpected.ranges)
    skipped = ImageSets.from_ranges(r for b in found.batches for r in b.skipped.ranges)
    done = ImageSets.from_ranges(r for b in found.batches for r in (b.complete - b.skipped).ranges)
    duplicate = repeated(batch.complete - batch.skipped for batch in found.batches)
    history = read_history(found.histories)
    there = done | skipped
    return Check(
        found.plan,
        done,
        unexpected,
        duplicate,
        tuple(_seen(batch, history, there) for batch in found.batches),
        found.plans,
        found.histories,
        history,
        skipped - done,
        trouble(history, found.histories),
        (*found.notes, *sentences(lacking(found.batches))),
        (
            *found.left_out,
            *(left for batch in found.batches for left in batch.left_out),
            *uncertain(found.batches, found.plan, there),
            *_not_loaded(found, there, same_pictures),
        ),
        ImageSets.from_ranges(r for b in found.batches for r in b.misplaced.ranges),
    )


def _not_loaded(found: Survey, there: ImageSets, same_pictures: bool) -> Iterator[LeftOut]:
    """What a load would leave out although its image set numbers are all `there`; of others what is
    missing says enough."""
    batches = found.batches
    said = {left.path for left in lost(batches, found.plan, there)}
    said |= {str(batch.source.path) for batch in batches if not batch.image_sets}
    yield from covered(batches, other_outputs(batches), (), said)
    if found.plan is None and not same_pictures:
        # Where there is a batch file, all of them were compared with that.
        yield from contradicted(batches)


def check_destination(
    to: str,
    batch_file: Path,
    *,
    prefix: str = "",
    run: str | None = None,
    same_pictures: bool = False,
) -> Check:
    """What a destination holds of a plan, by its ledger; the outputs are not looked at.

    `run` is the name of the run that was planned, where the destination numbers runs. With
    `same_pictures` image sets are those of the batch file by their numbers alone.

    Raises:
        UsageError: there is no such run, or there are several and none was named.
        SourceError: the batch file cannot be read.
        SinkError: the destination cannot be read.
    """
    plan = read_batch_file(batch_file)
    with open_sink(to, prefix, run=run, writing=False) as sink:
        ledger, runs = sink.ledger(), sink.runs()
        if run is not None and not runs and sink.layout().columns:
            raise UsageError(f"{sink.name}: has no runs; leave --run out")
        if runs and run not in runs:
            said = f"has no run {run}" if run is not None else "has several runs"
            raise UsageError(f"{sink.name}: {said}; name one with --run: {', '.join(runs)}")
        features = sink.layout().features.get(IMAGE, {})
        skipped = skipped_there(plan.pipeline, features, lambda some: sink.read(IMAGE, some))
        there = ledger.loaded
        held = sink.pictures(NONE if same_pictures else there & plan.planned)
    found = compared(held.without(plan.pipeline.late), plan.pictures).different
    others = ImageSets.of(found)
    batches = tuple(
        Seen(
            entry.path,
            entry.image_sets,
            entry.loaded - skipped - others,
            entry.state,
            entry.reason,
            skipped=entry.loaded & skipped,
        )
        for entry in ledger.entries
    )
    return Check(
        plan,
        (there & plan.planned) - skipped - others,
        there - plan.planned,
        NONE,
        batches,
        skipped=(skipped & plan.planned) - others,
        misplaced=others,
        notes=() if there else (_empty(sink.name, prefix),),
        left_out=(LeftOut(sink.name, _misplaced(plan, found)),) if others else (),
    )


def _empty(destination: str, prefix: str) -> str:
    under = f" under the prefix {prefix}" if prefix else ""
    return f"{destination}: holds no image sets{under}; see that --to names the right destination"


def _misplaced(plan: BatchFile, found: Mapping[int, Difference]) -> str:
    first, others = min(found), ImageSets.of(found)
    are = "is another picture" if len(others) == 1 else "are other pictures"
    return (
        f"its {others.words} {are} than in {plan.path.name} (in image set {first} {found[first]}); "
        "give the batch file of its run, or say --same-pictures if they were moved or renamed"
    )


def _seen(batch: Batch, history: History, done: ImageSets) -> Seen:
    """A batch, and what is known of its job; `done` are the image sets that any batch has."""
    path = batch.source.path
    image_sets, state, reason = batch.image_sets, batch.state, batch.reason
    exit_status: int | None = None
    log: tuple[str, ...] = ()
    job = unfinished(path.name)
    if job and (attempt := history.last.get(job)):
        # Its files may say nothing yet, or never will.
        image_sets = image_sets or attempt.image_sets
        if attempt.open and not batch.image_sets:
            state, reason = State.RUNNING, "the job has begun and not ended"
        elif attempt.result == "complete" and not path.with_name(job).exists():
            state, reason = State.RUNNING, "the job ended as it was looked at; look again"
        elif not attempt.open:
            exit_status, log = attempt.exit_status, last_lines(path)
            reason = how_it_ended(attempt, reason)
    details = batch.details
    if image_sets and not batch.complete and image_sets <= done:
        details = (*details, "other outputs have all its image sets")
    return Seen(
        str(path),
        image_sets,
        batch.complete - batch.skipped,
        state,
        reason,
        batch.sign,
        batch.notes,
        batch.skipped,
        exit_status,
        log,
        details,
    )
