"""Compares the image sets of a batch file with the outputs of jobs."""

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Self

from cpexport._stopwatch import Stopwatch
from cpexport.cellprofiler.pipeline_use import PipelineUse, PipelineUses
from cpexport.commands.seen import seen, seen_in_queue, with_replacements
from cpexport.errors import LeftOut, SourceError, UsageError
from cpexport.files.spool import Picked, Spool
from cpexport.imageset_overlaps import overlapping, repeated
from cpexport.imagesets import ImageSets, Union, union
from cpexport.jobs.logs import Logs
from cpexport.jobs.record_reader import Reader
from cpexport.jobs.underway import read_history
from cpexport.loading.columns import gaps, of_batches
from cpexport.loading.contradictions import contradicted, other_outputs
from cpexport.loading.given_numbers import NoNumbers, Numbers
from cpexport.loading.how_jobs_ended import trouble
from cpexport.loading.left_out import covered, lost, uncertain
from cpexport.loading.missing_features import lacking, sentences
from cpexport.loading.numbering import Numbering
from cpexport.loading.progress import Progress
from cpexport.loading.survey import survey
from cpexport.loading.whole_batches import WholeBatches
from cpexport.sources.base import Batch
from cpexport.sources.find_batch_file import NotReadSource

if TYPE_CHECKING:
    pass
from cpexport.commands.check_report import CheckReport
from cpexport.loading.surveyed import Survey

_log = logging.getLogger(__name__)


def check(
    outputs: Sequence[Path],
    batch_file: Path | None = None,
    *,
    same_pictures: bool = False,
    key: tuple[str, ...] = (),
    numbers: Numbers | None = None,
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
    numbers: those that a destination has given to image sets whose jobs count from 1.
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
        numbering=Numbering(key, numbers or NoNumbers()),
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
