"""The report of a check: the planned image sets compared with those that jobs left."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cpexport.cellprofiler.batch_file import BatchFile
from cpexport.cellprofiler.image_set_names import Name, named
from cpexport.cellprofiler.pipeline_use import PipelineUse
from cpexport.commands.seen import Seen
from cpexport.errors import LeftOut, UsageError
from cpexport.imagesets import NONE, ImageSets
from cpexport.jobs.history import History
from cpexport.jobs.plan import SavedPlan
from cpexport.jobs.split import Job, split
from cpexport.loading.columns import ColumnGap
from cpexport.loading.completeness import shown_by_numbers
from cpexport.outcome import stamped, status

if TYPE_CHECKING:
    from cpexport.commands.resubmit import Resubmission

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
            return named(self.plan.identities, self.missing)
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


def _missing_is(plan: BatchFile | None) -> str:
    if plan is None:
        return GAPS
    return f"what {'the list' if plan.is_list else 'the batch file'} plans"
