"""Decides which image sets of a batch are complete, and why the others are not.

The rules are the same for every format and every command (docs/explanation/completeness.md). An
image set is complete if its tables are whole and the last module that records itself has marked it,
or FlagImage skipped it as the pipeline demands. The exit status of the job never makes an image set
complete; `Failure` makes an image set incomplete only in a grouped run.
"""

from collections import ChainMap
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from cpexport.cellprofiler.batch_file import BatchFile
from cpexport.cellprofiler.same_image import compared
from cpexport.errors import RERUN, LeftOut, RunningError, SourceError
from cpexport.files.places import path_of
from cpexport.imagesets import NONE, ImageSets
from cpexport.jobs.module import NAME
from cpexport.jobs.plugins import uses_module, without_plugin
from cpexport.jobs.split import PART
from cpexport.sources import output_time
from cpexport.sources.base import Batch, Evidence, Source, State, newest_file

UNFINISHED = "the job never finished"
"""Begins the reason of a batch without an exit status, in formats that always have one if the job
ended."""
UNSAID = "no file shows that the job ended"
"""The same for other formats, such as CSV files, which need no done file."""


@dataclass
class _Verdict:
    """Rejected image sets, each with the first reason found."""

    reasons: dict[str, ImageSets] = field(default_factory=dict)
    rejected: ImageSets = NONE

    def reject(self, image_sets: ImageSets, reason: str) -> None:
        new = image_sets - self.rejected
        if new:
            self.reasons[reason] = self.reasons.get(reason, ImageSets()) | new
            self.rejected |= new

    def reject_each(self, reasons: Mapping[int, str]) -> None:
        by_reason: dict[str, list[int]] = {}
        for number, reason in reasons.items():
            by_reason.setdefault(reason, []).append(number)
        for reason, numbers in by_reason.items():
            self.reject(ImageSets.of(numbers), reason)

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
    """Judges the evidence of a job and returns its batch.

    tables: those that the run's outputs have in this format, or that its pipeline exports. An
        output that lacks one of them although its image sets count such objects is truncated.
    same_pictures: whether an image set's number alone identifies it in the batch file.
    """
    verdict = _Verdict()
    notes, details = list(evidence.notes), list[str]()
    notes += output_time.notes(evidence.finished, newest_file(source))
    skipped = evidence.skipped & evidence.present
    verdict.reject(
        evidence.present - evidence.measured - skipped,
        f"not measured (no {evidence.completion_marker})",
    )
    verdict.reject_each(evidence.incomplete)
    _reject_without_tables(verdict, evidence, tables, details)
    unexpected, mismatched = _reject_unplanned(verdict, evidence, plan, notes, same_pictures)
    _reject_cut_groups(verdict, evidence, plan, notes)
    complete = evidence.present - verdict.rejected
    state, job_reasons = _state(evidence, complete, plan)
    return Batch(
        source,
        state,
        "; ".join([*job_reasons, *verdict.sentences()]),
        image_sets=evidence.present,
        complete=complete,
        unexpected=unexpected,
        mismatched_images=mismatched,
        completion_marker=evidence.completion_marker,
        finished=evidence.finished,
        version=evidence.version,
        pipeline=evidence.pipeline.digest if evidence.pipeline else None,
        flags=evidence.pipeline.flags if evidence.pipeline else frozenset(),
        group_tags=_tags(evidence, plan),
        notes=tuple(notes),
        features=evidence.features,
        missing_tables={
            name: counted & complete for name, counted in evidence.missing_tables.items()
        },
        skipped=skipped & complete,
        left_out=tuple(LeftOut(path, reason) for path, reason in evidence.left_out.items()),
        details=tuple(details),
        unnumbered=evidence.unnumbered,
    )


def shown_by_numbers(batches: Iterable[ImageSets]) -> ImageSets:
    """Returns the image sets that a run must have, judged only by the numbers in its batches.

    Without a batch file, these are the image sets that batches were to run, those between them, and
    those before them, because CellProfiler counts from 1. If all batches have the same image sets,
    the user may want just those, and the ones before are not counted.
    """
    some: ImageSets | None = None
    alike, last = True, 0
    for image_sets in filter(None, batches):
        some = some or image_sets
        alike = alike and image_sets == some
        last = max(last, image_sets.last)
    if some is None:
        return NONE
    return ImageSets.span(some.first if alike else 1, last)


def not_readable(source: Source, error: SourceError, missing: bool = True) -> Batch:
    """Returns the batch of files that cannot be read, or cannot be read yet.

    `missing` is whether image sets may be missing without it; otherwise nothing needs to run again.
    """
    needless = not missing and error.advice == RERUN
    advice = "no image set is missing without it" if needless else error.advice
    damaged = path_of(error.path)
    # One of several batches in a folder is known by the path of one of its files.
    home = source.path.parent if damaged.parent == source.path.parent else source.path
    below_home = damaged != source.path and damaged.is_relative_to(home)
    where = f"{damaged.relative_to(home)}: " if below_home else ""
    reason = f"{where}{error.problem}; {advice}"
    if isinstance(error, RunningError):
        return Batch(source, State.RUNNING, reason)
    if damaged.suffix == PART:
        # The job renames the file when it is complete; before that it cannot be read.
        return Batch(source, State.FAILED, f"{UNFINISHED}; {reason}")
    return Batch(source, State.UNREADABLE, reason)


def _state(
    evidence: Evidence, complete: ImageSets, plan: BatchFile | None
) -> tuple[State, list[str]]:
    status = evidence.exit_status
    unknown = UNFINISHED if evidence.always_reports_exit else UNSAID
    ending = f"the job reported {status}" if status else unknown
    if not evidence.present:
        reason = evidence.empty_reason
        if status == "Complete" and plan and uses_module(plan.pipeline) and NAME not in reason:
            # A job that runs the module keeps a file, or does not report Complete.
            reason = f"{reason}: {without_plugin(NAME)}"
        return State.FAILED, [ending, reason]
    if status == "Failure":
        return State.FAILED, [ending]
    whole = complete == evidence.present
    if status is None and (evidence.always_reports_exit or not whole):
        return State.FAILED, [ending]
    return (State.COMPLETE if whole else State.PARTIAL), []


def _reject_without_tables(
    verdict: _Verdict, evidence: Evidence, tables: Collection[str], details: list[str]
) -> None:
    """Rejects image sets whose objects or relationships have no table, if `tables` has it.

    Other tables that are missing are only noted in `details`.
    """
    for name, counted in evidence.missing_tables.items():
        if name in tables:
            verdict.reject(counted, f"the table of {name} is missing")
        else:
            details.append(f"{name} were counted, but no output of the run has a table for them")
    # A run without objects, such as quality control, has no relationships.
    expects_relationships = "Relationship" in tables and bool(evidence.tables)
    if expects_relationships and "Relationship" not in evidence.tables:
        # A job can skip image sets before it relates any objects.
        skipped = evidence.skipped & evidence.present
        verdict.reject(evidence.present - skipped, "the table of relationships is missing")


def _reject_unplanned(
    verdict: _Verdict,
    evidence: Evidence,
    plan: BatchFile | None,
    notes: list[str],
    same_pictures: bool,
) -> tuple[ImageSets, ImageSets]:
    """Rejects image sets that the batch file does not list, or lists with other images.

    Returns both kinds.
    """
    if plan is None:
        return NONE, NONE
    unexpected = evidence.present - plan.planned
    verdict.reject(unexpected, f"not in {plan.path.name}")
    if same_pictures:
        return unexpected, NONE
    late = plan.pipeline.late | (evidence.pipeline.late if evidence.pipeline else frozenset())
    comparison = compared(evidence.identities.without(late), plan.identities)
    # File names that agree are enough, because a batch file is only given for jobs that ran it.
    if evidence.identities.columns and comparison.undecided - comparison.named:
        notes.append(f"no file names or metadata to compare with {plan.path.name}")
    mismatched = ImageSets.of(comparison.different)
    if mismatched:
        example = mismatched.first
        verdict.reject(
            mismatched & evidence.present,
            f"other images than in {plan.path.name} (in image set {example} "
            f"{comparison.different[example]}); if they were moved or renamed, add "
            "--same-pictures",
        )
    return unexpected, mismatched & (evidence.measured | evidence.skipped)


def _reject_cut_groups(
    verdict: _Verdict, evidence: Evidence, plan: BatchFile | None, notes: list[str]
) -> None:
    """Rejects groups that are not whole: modules that run after a group need all of it."""
    groups = _groups(evidence, plan)
    if not groups:
        return
    numbers_by_group: dict[tuple[str, ...], list[int]] = {}
    for number in evidence.present:
        if number in groups:
            numbers_by_group.setdefault(groups[number], []).append(number)
    # Without an exit status, a job may have ended if its format need not report one.
    may_have_ended = evidence.exit_status == "Complete" or (
        evidence.exit_status is None and not evidence.always_reports_exit
    )
    ran = evidence.measured | evidence.skipped
    unfinished = groups.get(ran.last) if ran and not may_have_ended else None
    elsewhere = NONE
    whole_only = evidence.pipeline is not None and evidence.pipeline.needs_whole_groups
    for key, numbers in numbers_by_group.items():
        members = ImageSets.of(numbers)
        name = ",".join(f"{t}={v}" for t, v in zip(_tags(evidence, plan) or (), key, strict=False))
        if members & verdict.rejected:
            verdict.reject(members, f"the group {name} is incomplete")
        elif key == unfinished:
            verdict.reject(members, f"the job ended before the group {name} was done")
        elif plan and (rest := plan.members.get(key, members) - members):
            if whole_only:
                verdict.reject(members, f"the group {name} is incomplete: {rest} ran in other jobs")
            else:
                elsewhere |= rest
    if elsewhere:
        notes.append(f"groups are split: {elsewhere} of the same groups are not in this batch")


def _groups(evidence: Evidence, plan: BatchFile | None) -> Mapping[int, tuple[str, ...]]:
    """Returns the group of each image set.

    It comes from the job's own metadata, or else from the batch file. The batch file also knows the
    image sets whose row in the job's Image.csv is truncated.
    """
    planned = plan.groups if plan else {}
    keys = evidence.identities.keys(_tags(evidence, plan) or ())
    if keys is None:
        return planned
    # `planned` is not copied: a batch file can be a thousand times as large as a batch.
    return ChainMap(dict(zip(evidence.identities.numbers.tolist(), keys, strict=True)), planned)


def _tags(evidence: Evidence, plan: BatchFile | None) -> tuple[str, ...] | None:
    """The features by which the run is grouped, according to the job, or else to the batch file."""
    if evidence.group_tags is None and plan is not None and not plan.is_list:
        return plan.group_tags
    return evidence.group_tags
