"""Which image sets of a batch are complete, and why the others are not.

The same rules for every format and every command (README, "What counts as done"): an image set is
complete when the last module that records itself has marked it, or FlagImage skipped it as the
pipeline asks for, and its tables are whole. What the
job thought of itself never makes one complete; `Failure` takes one away only in a grouped run.
"""

from collections import ChainMap
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cpexport.batch import Batch, Evidence, LeftOut, Source, State
from cpexport.batchfile import BatchFile
from cpexport.errors import RERUN, RunningError, SourceError
from cpexport.imagesets import NONE, ImageSets
from cpexport.jobs import PART
from cpexport.samepictures import compared

UNFINISHED = "the job never finished"
"""Begins the reason of a batch of which nobody said how its job ended, in a kind of output that
says so of every job that did."""
UNSAID = "nothing says that the job ended"
"""The same in other kinds of output, such as CSV files, which need no done file."""


@dataclass
class _Verdict:
    """Image sets struck off, each with the first reason found."""

    reasons: dict[str, ImageSets] = field(default_factory=dict)
    struck: ImageSets = NONE

    def strike(self, image_sets: ImageSets, reason: str) -> None:
        new = image_sets - self.struck
        if new:
            self.reasons[reason] = self.reasons.get(reason, ImageSets()) | new
            self.struck |= new

    def strike_each(self, reasons: Mapping[int, str]) -> None:
        by_reason: dict[str, list[int]] = {}
        for number, reason in reasons.items():
            by_reason.setdefault(reason, []).append(number)
        for reason, numbers in by_reason.items():
            self.strike(ImageSets.of(numbers), reason)

    def sentences(self) -> list[str]:
        return [f"{sets}: {reason}" for reason, sets in self.reasons.items()]


def judge(
    source: Source,
    evidence: Evidence,
    plan: BatchFile | None,
    tables: Collection[str] = (),
    *,
    same_pictures: bool = False,
) -> Batch:
    """The batch that a job's evidence makes.

    `tables` are the tables that the same run's other outputs have in this format: an output that
    lacks one of them, though its image sets count such objects, was cut off. `same_pictures` is
    whether image sets are those of the batch file by their numbers alone.
    """
    verdict = _Verdict()
    notes, details = list(evidence.notes), []
    skipped = evidence.skipped & evidence.held
    verdict.strike(
        evidence.held - evidence.measured - skipped, f"not measured (no {evidence.sign})"
    )
    verdict.strike_each(evidence.short)
    for name, counted in evidence.lacking.items():
        if name in tables:
            verdict.strike(counted, f"the table of {name} is missing")
        else:
            details.append(f"{name} were counted, but no output of the run has a table of them")
    # Without objects, as in quality control, there are no pairs of them.
    related = "Relationship" in tables and bool(evidence.tables)
    if related and "Relationship" not in evidence.tables:
        # A job may have skipped image sets before it related any objects.
        verdict.strike(evidence.held - skipped, "the table of relationships is missing")
    unexpected, misplaced = _strike_unplanned(verdict, evidence, plan, notes, same_pictures)
    _strike_cut_groups(verdict, evidence, plan, notes)
    complete = evidence.held - verdict.struck
    state, job = _state(evidence, complete)
    reason = "; ".join([*job, *verdict.sentences()])
    return Batch(
        source,
        state,
        reason,
        evidence.held,
        complete,
        unexpected,
        misplaced,
        evidence.sign,
        evidence.finished,
        evidence.version,
        evidence.pipeline.digest if evidence.pipeline else None,
        evidence.pipeline.flags if evidence.pipeline else frozenset(),
        _tags(evidence, plan),
        tuple(notes),
        evidence.features,
        frozenset(evidence.lacking),
        skipped=skipped & complete,
        left_out=tuple(LeftOut(path, reason) for path, reason in evidence.left_out.items()),
        details=tuple(details),
        unnumbered=evidence.unnumbered,
    )


def shown_by_numbers(batches: Iterable[ImageSets]) -> ImageSets:
    """The image sets that there must be by the numbers of some, where no batch file tells: with
    those that batches were to run, those between, and those before, as CellProfiler counts from 1.

    Whoever looks at one batch alone, however often it ran, may mean just that, and what comes
    before is not counted.
    """
    known = {image_sets for image_sets in batches if image_sets}
    if not known:
        return NONE
    first = 1 if len(known) > 1 else min(known, key=lambda sets: sets.first).first
    return ImageSets.span(first, max(image_sets.last for image_sets in known))


def not_readable(source: Source, error: SourceError, missing: bool = True) -> Batch:
    """The batch of files that cannot be read, or not yet.

    `missing` is whether image sets can be missing for want of it: else nothing need run again.
    """
    idle = not missing and error.advice == RERUN
    advice = "nothing is missing without it" if idle else error.advice
    inside = Path(error.path)
    # A batch that is one of several in a folder goes by the path of one of its files.
    home = source.path.parent if inside.parent == source.path.parent else source.path
    here = inside != source.path and inside.is_relative_to(home)
    where = f"{inside.relative_to(home)}: " if here else ""
    reason = f"{where}{error.problem}; {advice}"
    if isinstance(error, RunningError):
        return Batch(source, State.RUNNING, reason)
    if inside.suffix == PART:
        # It gets its name when the job is complete, and cannot be read before it ends.
        return Batch(source, State.FAILED, f"{UNFINISHED}; {reason}")
    return Batch(source, State.UNREADABLE, reason)


def _state(evidence: Evidence, complete: ImageSets) -> tuple[State, list[str]]:
    status = evidence.exit_status
    unsaid = UNFINISHED if evidence.must_say else UNSAID
    said = f"the job said {status}" if status else unsaid
    if not evidence.held:
        return State.FAILED, [said, evidence.nothing]
    if status == "Failure":
        return State.FAILED, [said]
    whole = complete == evidence.held
    if status is None and (evidence.must_say or not whole):
        return State.FAILED, [said]
    return (State.COMPLETE if whole else State.PARTIAL), []


def _strike_unplanned(
    verdict: _Verdict,
    evidence: Evidence,
    plan: BatchFile | None,
    notes: list[str],
    same_pictures: bool,
) -> tuple[ImageSets, ImageSets]:
    """Strikes off what the batch file does not list, and what it lists as other pictures."""
    if plan is None:
        return NONE, NONE
    unexpected = evidence.held - plan.planned
    verdict.strike(unexpected, f"not in {plan.path.name}")
    if same_pictures:
        return unexpected, NONE
    late = plan.pipeline.late | (evidence.pipeline.late if evidence.pipeline else frozenset())
    found = compared(evidence.pictures.without(late), plan.pictures)
    # Names that agree suffice: whoever gives a batch file says that the jobs ran it.
    if evidence.pictures.columns and found.untold - found.named:
        notes.append(f"no file names or metadata to compare with {plan.path.name}")
    others = ImageSets.of(found.different)
    if others:
        example = others.first
        verdict.strike(
            others & evidence.held,
            f"other pictures than in {plan.path.name} (in image set {example} "
            f"{found.different[example]}); say --same-pictures if they were moved or renamed",
        )
    return unexpected, others & evidence.measured


def _strike_cut_groups(
    verdict: _Verdict, evidence: Evidence, plan: BatchFile | None, notes: list[str]
) -> None:
    """In a grouped run the group is the unit: modules that run after it need all of it."""
    groups = _groups(evidence, plan)
    if not groups:
        return
    held: dict[tuple[str, ...], list[int]] = {}
    for number in evidence.held:
        if number in groups:
            held.setdefault(groups[number], []).append(number)
    ended = evidence.exit_status == "Complete" or not (
        evidence.must_say or evidence.exit_status == "Failure"
    )
    ran = evidence.measured | evidence.skipped
    last = groups.get(ran.last) if ran and not ended else None
    elsewhere = NONE
    whole_only = evidence.pipeline is not None and evidence.pipeline.needs_whole_groups
    for key, numbers in held.items():
        members = ImageSets.of(numbers)
        name = ",".join(f"{t}={v}" for t, v in zip(_tags(evidence, plan) or (), key, strict=False))
        if members & verdict.struck:
            verdict.strike(members, f"the group {name} is not whole")
        elif key == last:
            verdict.strike(members, f"the job ended before the group {name} was done")
        elif plan and (rest := plan.members.get(key, members) - members):
            if whole_only:
                verdict.strike(members, f"the group {name} is not whole: {rest} ran elsewhere")
            else:
                elsewhere |= rest
    if elsewhere:
        notes.append(f"groups are cut: {elsewhere} of the same groups are not in this batch")


def _groups(evidence: Evidence, plan: BatchFile | None) -> Mapping[int, tuple[str, ...]]:
    """Image set to group: by the job's own metadata, which it grouped by, else by the batch file,
    which also knows the image sets whose row in the job's Image.csv is cut off."""
    planned = plan.groups if plan else {}
    keys = evidence.pictures.keys(_tags(evidence, plan) or ())
    if keys is None:
        return planned
    # Not copied: a plan can be a thousand times as large as a batch.
    return ChainMap(dict(zip(evidence.pictures.numbers.tolist(), keys, strict=True)), planned)


def _tags(evidence: Evidence, plan: BatchFile | None) -> tuple[str, ...] | None:
    """The features by which the run is grouped: by the job's own word, else by the batch file's."""
    if evidence.group_tags is None and plan is not None:
        return plan.group_tags
    return evidence.group_tags
