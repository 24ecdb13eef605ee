"""Compares the image sets of a batch file with the outputs of jobs."""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from cpexport._stopwatch import Stopwatch
from cpexport.cellprofiler.batch_file import BatchFile
from cpexport.cellprofiler.image_set_names import Name, named
from cpexport.cellprofiler.pipeline_use import PipelineUse, PipelineUses
from cpexport.commands.seen import Seen, seen, seen_in_queue, with_replacements
from cpexport.errors import LeftOut, SourceError, UsageError
from cpexport.files.spool import Picked, Spool
from cpexport.imageset_overlaps import overlapping, repeated
from cpexport.imagesets import NONE, ImageSets, Union, union
from cpexport.jobs.history import History
from cpexport.jobs.logs import Logs
from cpexport.jobs.plan import SavedPlan
from cpexport.jobs.record_reader import Reader
from cpexport.jobs.split import Job, split
from cpexport.jobs.underway import read_history
from cpexport.loading.columns import ColumnGap, gaps, of_batches
from cpexport.loading.completeness import shown_by_numbers
from cpexport.loading.how_jobs_ended import trouble
from cpexport.loading.left_out import contradicted, covered, lost, other_outputs, uncertain
from cpexport.loading.missing_features import lacking, sentences
from cpexport.loading.numbering import Numbering
from cpexport.loading.progress import Progress
from cpexport.loading.survey import Survey, survey
from cpexport.loading.whole_batches import WholeBatches
from cpexport.outcome import stamped, status
from cpexport.sources.base import Batch
from cpexport.sources.find_batch_file import NotReadSource

if TYPE_CHECKING:
    from cpexport.commands.resubmit import Resubmission

_log = logging.getLogger(__name__)

GAPS: Final = "gaps in the numbers"
"""What counts as missing without a batch file."""


@dataclass(frozen=True)
class CheckReport:
    """The planned image sets compared with those that jobs left.

    plan: the batch file; None if there is none.
    unexpected: image sets that the batch file does not list.
    duplicate: image sets that several batches have complete.
    plans: the plans of the jobs, the newest last.
    histories: the folders in which the jobs record their attempts.
    history: what those folders and the schedulers report.
    skipped: image sets that FlagImage skipped and no batch has complete.
    trouble: why all jobs of the last plan failed, or why some nodes cannot run jobs; else empty.
    notes: about batch files, and about features that some batches lack.
    left_out: files that may be CellProfiler's but are not read, and batches that a load leaves out.
    mismatched_images: image sets whose images differ from those in the batch file.
    queue: jobs without a folder: they wait, or ended before they began.
    pipelines: those that made the complete image sets.
    resubmission: the plan that runs what is missing, if one was asked for.
    missing_ok: whether the exit status is 0 even if something is missing or left out.
    count_from_1: whether each job counts its own image sets from 1.
    columns: the features that some batches lack, if they were asked for.
    keyed: the names of incomplete image sets that are identified by their metadata.
    """

    plan: BatchFile | None
    complete: ImageSets
    unexpected: ImageSets
    duplicate: ImageSets
    batches: Sequence[Seen] = field(repr=False)
    plans: tuple[SavedPlan, ...] = field(default=(), repr=False)
    histories: tuple[Path, ...] = ()
    history: History = field(default_factory=History, repr=False)
    skipped: ImageSets = NONE
    trouble: str = ""
    notes: tuple[str, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    mismatched_images: ImageSets = NONE
    queue: tuple[Seen, ...] = ()
    pipelines: tuple[PipelineUse, ...] = ()
    resubmission: "Resubmission | None" = None
    missing_ok: bool = False
    keyed: Mapping[int, Name] = field(default_factory=dict, repr=False)
    count_from_1: bool = False
    columns: tuple[ColumnGap, ...] | None = None

    @property
    def batch_file(self) -> BatchFile:
        """The batch file, for tasks that need one.

        Raises:
            UsageError: there is none, nor a list of LoadData with its pipeline.
        """
        if self.plan is None:
            raise UsageError(
                "this needs the batch file; name it with --batch, or LoadData's list with --plan"
            )
        if self.plan.is_list and self.plan.pipeline_file is None:
            raise UsageError("this needs the pipeline of the list; name it with --pipeline")
        return self.plan

    @cached_property
    def missing(self) -> ImageSets:
        """The planned image sets that no batch has; without a batch file, the gaps in numbers."""
        if self.plan is not None:
            wanted = self.plan.planned
        else:
            wanted = shown_by_numbers(batch.image_sets for batch in self.batches)
        return wanted - self.complete - self.skipped

    @cached_property
    def names(self) -> Mapping[int, Name]:
        """The names of the missing image sets, if there is a batch file, or if metadata identifies
        image sets."""
        if self.plan:
            return named(self.plan.pictures, self.missing)
        return {n: name for n, name in self.keyed.items() if n in self.missing}

    @property
    def is_complete(self) -> bool:
        """Whether all planned image sets are present, and nothing else.

        Without a batch file, whether nothing shows that image sets are missing.
        """
        if self.left_out:
            return False
        if self.plan is None:
            return not self.missing and all(batch.image_sets for batch in self.batches)
        return not (self.missing or self.unexpected or self.mismatched_images)

    @property
    def exit_status(self) -> int:
        """0: all is there. 3: something is missing, unexpected or left out."""
        return status(self.is_complete, self.missing_ok)

    def to_dict(self) -> dict[str, Any]:
        """The report as `cpexport check --format json` prints it: lists, texts and numbers."""
        fields: dict[str, Any] = {
            "planned": None if self.plan is None else len(self.plan.planned),
            "complete": len(self.complete),
            "skipped": self.skipped.to_list(),
            "missing": self.missing.to_list(),
            "missing_is": _missing_is(self.plan),
            "missing_names": {str(n): str(name) for n, name in self.names.items()},
            "unexpected": self.unexpected.to_list(),
            "misplaced": self.mismatched_images.to_list(),
            "duplicate": self.duplicate.to_list(),
            "trouble": self.trouble,
            "batches": [batch.to_dict() for batch in self.batches],
            "queue": [job.to_queue_dict() for job in self.queue],
            "pipelines": [pipeline.to_dict() for pipeline in self.pipelines],
            "notes": list(self.notes),
            "left_out": [left.to_dict() for left in self.left_out],
        }
        if self.columns is not None:
            fields["columns"] = [gap.to_dict() for gap in self.columns]
        if self.resubmission:
            fields["resubmit"] = self.resubmission.to_dict()
        return stamped(self.exit_status, fields)

    def jobs(self, size: int | None = None) -> tuple[Job, ...]:
        """Returns jobs that run the missing image sets: ranges, or whole groups in a grouped run.

        A job has at most `size` image sets; without `size`, as many as a range holds.

        Raises:
            UsageError: there is no batch file.
            SourceError: no command line can select one of the groups.
        """
        return split(self.batch_file, self.missing, size)


def check(
    outputs: Sequence[Path],
    batch_file: Path | None = None,
    *,
    same_pictures: bool = False,
    key: tuple[str, ...] = (),
    lists: Sequence[Path] = (),
    pipeline: Path | None = None,
    columns: bool = False,
    reader: Reader | None = None,
    whole: WholeBatches | None = None,
    progress: Progress = lambda done: None,
) -> CheckReport:
    """Compares the batch file with the outputs below `outputs`, by default next to the batch file.

    same_pictures: whether an image set's number alone identifies it in the batch file.
    key: the features that identify image sets whose jobs count from 1; empty to find them.
    lists: LoadData's lists of the image sets to run, if there is no batch file.
    pipeline: the pipeline that runs them, if jobs are to be planned.
    columns: whether to find the features that some batches lack.
    reader: the reader of an earlier check, which reads only records of jobs that have changed.
    whole: what earlier checks found whole. The report counts those image sets, but does not list
        the batches. This check adds what it finds.

    Raises:
        UsageError: there are neither outputs nor a batch file, or several batch files.
        SourceError: the batch file cannot be read, or a path does not exist.
    """
    if not outputs:
        if batch_file is None:
            raise UsageError("name the batch file with --batch, or the folder of the outputs")
        outputs = [batch_file.parent]
    whole = WholeBatches() if whole is None else whole
    look = partial(
        survey,
        outputs,
        batch_file,
        known=whole,
        same_pictures=same_pictures,
        numbering=Numbering(key),
        lists=lists,
        pipeline=pipeline,
        progress=progress,
    )
    found = look()
    if found.plan is None:
        _check_not_empty(found, outputs)
    clock = Stopwatch()
    folders = [plan.path.parent / "logs" for plan in found.plans]
    history, logs = read_history(found.histories, reader, folders), Logs(folders)
    what = "%d attempts of jobs read from their records, and schedulers asked, in %s"
    _log.info(what, len(history.attempts), clock)
    in_sight = union((whole.complete, whole.skipped, *(b.complete for b in found.batches)))
    if history.complete and not history.complete <= in_sight:
        # Jobs have ended since their outputs were inspected.
        found = look()
    sums = _Sums.of(found.batches)
    sums.done.add(whole.complete)
    sums.skipped.add(whole.skipped)
    if not found.by_metadata:
        whole.add(found.batches)
    done, skipped = sums.done.all, sums.skipped.all
    present = done | skipped
    some, sharing = found.facts.not_whole, overlapping(b.complete for b in found.batches)
    several = found.batches if len(found.facts.features) > 1 else ()
    left_out = (
        *found.left_out,
        *(left for batch in some for left in batch.left_out),
        *uncertain(some, found.plan, present),
        *_not_loaded(found, present, sharing, same_pictures),
    )
    reports = Spool(seen(batch, history, logs, present) for batch in found.batches)
    return CheckReport(
        found.plan,
        done,
        sums.unexpected.all,
        repeated(b.complete - b.skipped for b in Picked(found.batches, sharing)),
        with_replacements(reports, {left.path for left in left_out}),
        found.plans,
        found.histories,
        history,
        skipped - done,
        trouble(history, found.histories),
        (*found.notes, *sentences(lacking(several)), *map(str, history.broken)),
        left_out,
        sums.mismatched.all,
        tuple(seen_in_queue(history, logs, present)),
        sums.pipelines.all,
        keyed=found.names,
        count_from_1=found.count_from_1,
        columns=gaps(of_batches(found.batches)) if columns else None,
    )


@dataclass(frozen=True)
class _Sums:
    """The image sets of all batches: complete ones, those that FlagImage skipped, and those that
    the batch file does not list, or lists with other images; and the pipelines."""

    done: Union = field(default_factory=Union)
    skipped: Union = field(default_factory=Union)
    unexpected: Union = field(default_factory=Union)
    mismatched: Union = field(default_factory=Union)
    pipelines: PipelineUses = field(default_factory=PipelineUses)

    @classmethod
    def of(cls, batches: Iterable[Batch]) -> Self:
        sums = cls()
        for batch in batches:
            sums.done.add(batch.complete - batch.skipped)
            sums.skipped.add(batch.skipped)
            sums.unexpected.add(batch.unexpected)
            sums.mismatched.add(batch.mismatched_images)
            sums.pipelines.add(PipelineUse(batch.pipeline, batch.version, 1, batch.complete))
        return sums


def _missing_is(plan: BatchFile | None) -> str:
    if plan is None:
        return GAPS
    return f"what {'the list' if plan.is_list else 'the batch file'} plans"


def _check_not_empty(found: Survey, outputs: Sequence[Path]) -> None:
    """Refuses outputs without a batch file if it cannot be read, or if nothing else is found."""
    for batch in found.batches:
        if isinstance(batch.source, NotReadSource):
            raise batch.source.error
    if not found.batches and not found.left_out:
        raise SourceError(
            outputs[0],
            "no batch file and no output of a job",
            "name the batch file with --batch, or another folder",
        )


def _not_loaded(
    found: Survey, present: ImageSets, sharing: Sequence[int], same_pictures: bool
) -> Iterator[LeftOut]:
    """Yields what a load would leave out although all its image set numbers are `present`.

    `sharing` are the places of batches that share complete image sets with others. Batches that
    lack numbers are left to the list of missing image sets.
    """
    some = found.facts.not_whole
    reported = {left.path for left in lost(some, found.plan, present)}
    reported |= {str(batch.source.path) for batch in some if not batch.image_sets}
    yield from covered(found, other_outputs(found.batches), (), reported)
    # With a batch file, all images have already been compared with it.
    same_pictures = same_pictures or found.plan is not None
    yield from contradicted(Picked(found.batches, sharing), same_pictures=same_pictures)
