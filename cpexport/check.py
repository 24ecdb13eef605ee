"""Compares what a batch file plans with what jobs left, or with what a destination holds."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from cpexport.batch import Batch, LeftOut, State
from cpexport.batchfile import BatchFile, read_batch_file
from cpexport.completeness import shown_by_numbers
from cpexport.ended import died_at_once, how_it_ended, trouble, unsaid, waits
from cpexport.errors import UsageError
from cpexport.features import IMAGE
from cpexport.findbatch import NotReadSource
from cpexport.history import History, Queued
from cpexport.imagesetnames import Name, named
from cpexport.imagesets import NONE, ImageSets, repeated
from cpexport.jobs import LOG, STATUS, STATUS_SUFFIXES, Job, split, unfinished
from cpexport.lacking import lacking, sentences
from cpexport.leftout import contradicted, covered, lost, other_outputs, uncertain
from cpexport.logs import Logs, last_lines
from cpexport.plan import Planned
from cpexport.queues import WAITING
from cpexport.records import ANY, Attempt, Reader
from cpexport.samepictures import Difference, compared
from cpexport.sinks import open_sink
from cpexport.skipped import skipped_there
from cpexport.survey import Progress, Survey, survey
from cpexport.underway import read_history


@dataclass(frozen=True)
class Seen:
    """One batch in a report: where it is, what it was to run, what of it is complete, and why.

    `skipped` are image sets that FlagImage skipped, which are not in `complete`. Of the job's last
    attempt, as far as that is known: `exit_status`, `attempt` counted from 1, `seconds` that it
    took, `limit` in minutes, its `node`, and the last lines, `log`, of the file `log_file`.
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
    attempt: int | None = None
    seconds: int | None = None
    limit: int | None = None
    log_file: str = ""
    node: str = ""
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
    may be CellProfiler's, but are not read. `queue` are jobs without a folder yet: that wait, or
    ended before they began.
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
    queue: tuple[Seen, ...] = ()

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
    reader: Reader | None = None,
    progress: Progress = lambda done: None,
) -> Check:
    """What is there of a plan below `outputs`: without those, beside the batch file. With
    `same_pictures` image sets are those of the batch file by their numbers alone. A `reader` of an
    earlier check reads only those records of jobs that have changed.

    Raises:
        UsageError: there are neither outputs nor a batch file, or several batch files.
        SourceError: the batch file cannot be read, or a path does not exist.
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
    if found.plan is None and not found.batches and not found.left_out:
        raise UsageError(
            f"no batch file and no output of a job at {outputs[0]}; name the batch file with "
            "--batch, or another folder"
        )
    folders = [plan.path.parent / "logs" for plan in found.plans]
    history, logs = read_history(found.histories, reader, folders), Logs(folders)
    if not history.complete <= ImageSets.from_ranges(
        ends for batch in found.batches for ends in batch.complete.ranges
    ):
        # Jobs have ended since their outputs were looked at.
        found = survey(outputs, batch_file, same_pictures=same_pictures, progress=progress)
    unexpected = ImageSets.from_ranges(r for b in found.batches for r in b.unexpected.ranges)
    skipped = ImageSets.from_ranges(r for b in found.batches for r in b.skipped.ranges)
    done = ImageSets.from_ranges(r for b in found.batches for r in (b.complete - b.skipped).ranges)
    duplicate = repeated(batch.complete - batch.skipped for batch in found.batches)
    there = done | skipped
    return Check(
        found.plan,
        done,
        unexpected,
        duplicate,
        tuple(_seen(batch, history, logs, there) for batch in found.batches),
        found.plans,
        found.histories,
        history,
        skipped - done,
        trouble(history, found.histories),
        (*found.notes, *sentences(lacking(found.batches)), *map(str, history.broken)),
        (
            *found.left_out,
            *(left for batch in found.batches for left in batch.left_out),
            *uncertain(found.batches, found.plan, there),
            *_not_loaded(found, there, same_pictures),
        ),
        ImageSets.from_ranges(r for b in found.batches for r in b.misplaced.ranges),
        tuple(_queue(history, logs, there)),
    )


def _not_loaded(found: Survey, there: ImageSets, same_pictures: bool) -> Iterator[LeftOut]:
    """What a load would leave out although its image set numbers are all `there`; of others what is
    missing says enough."""
    batches = found.batches
    said = {left.path for left in lost(batches, found.plan, there)}
    said |= {str(batch.source.path) for batch in batches if not batch.image_sets}
    yield from covered(batches, other_outputs(batches), (), said)
    # Where there is a batch file, all pictures were compared with that.
    same_pictures = same_pictures or found.plan is not None
    yield from contradicted(batches, same_pictures=same_pictures)


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


def _queue(history: History, logs: Logs, done: ImageSets) -> Iterator[Seen]:
    """The jobs without a folder: those that wait, and those that ended before they began and have
    image sets that are neither `done` nor under way."""
    settled = done | history.busy
    for job in history.queued:
        if job.standing == WAITING:
            yield Seen(job.id, job.image_sets, NONE, WAITING, waits(job))
        elif not job.image_sets <= settled:
            yield _unbegun(job, logs)


def _unbegun(job: Queued, logs: Logs) -> Seen:
    log = logs.of(job.id)
    return Seen(
        job.id,
        job.image_sets,
        NONE,
        State.FAILED,
        died_at_once(job),
        log=last_lines(log) if log else (),
        log_file=str(log or ""),
    )


def _seen(batch: Batch, history: History, logs: Logs, done: ImageSets) -> Seen:
    """A batch, and what is known of its job; `done` are the image sets that any batch has."""
    path = batch.source.path
    part = unfinished(path.name)
    attempt = history.of(path, part)
    details = batch.details
    image_sets = batch.image_sets
    if attempt and part and not image_sets:
        # Its files may say nothing yet, or never will.
        image_sets = NONE if attempt.image_sets == ANY else attempt.image_sets
    if image_sets and not batch.complete and image_sets <= done:
        details = (*details, "other outputs have all its image sets")
    seen = Seen(
        str(path),
        image_sets,
        batch.complete - batch.skipped,
        batch.state,
        batch.reason,
        batch.sign,
        batch.notes,
        batch.skipped,
        details=details,
    )
    if attempt:
        return _with_attempt(seen, attempt, logs, path, begun=bool(batch.image_sets))
    record = path.parent / STATUS / f"{part}{STATUS_SUFFIXES[0]}"
    if broken := next((one for one in history.broken if part and one.path == record), None):
        return replace(seen, reason=unsaid(broken, seen.reason))
    return seen


def _with_attempt(seen: Seen, attempt: Attempt, logs: Logs, path: Path, *, begun: bool) -> Seen:
    """A batch with what is known of its job; `begun` is whether its files say image sets."""
    seen = replace(
        seen,
        attempt=attempt.number,
        seconds=attempt.seconds,
        limit=attempt.time,
        node=attempt.node,
    )
    if not unfinished(path.name):
        return seen
    own = path / LOG
    log = own if own.is_file() else logs.of(attempt.id)
    seen = replace(seen, log_file=str(log or ""))
    if attempt.open and not begun:
        return replace(seen, state=State.RUNNING, reason="the job has begun and not ended")
    if attempt.result == "complete" and not path.with_name(attempt.folder).exists():
        reason = "the job ended as it was looked at; look again"
        return replace(seen, state=State.RUNNING, reason=reason)
    if attempt.open:
        return seen
    return replace(
        seen,
        exit_status=attempt.exit_status,
        log=last_lines(log) if log else (),
        reason=how_it_ended(attempt, seen.reason),
    )
