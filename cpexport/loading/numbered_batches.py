"""Gives the batches of a survey the numbers of the run, and judges them by those."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from cpexport.cellprofiler.batch_file import BatchFile
from cpexport.cellprofiler.image_set_names import Name
from cpexport.files.spool import Spool
from cpexport.imagesets import union
from cpexport.loading.inspection import look_at
from cpexport.loading.judging import Again, Judge
from cpexport.loading.list_near_outputs import numbered_by_list_near
from cpexport.loading.numbering import Numbering, renumbered
from cpexport.sources.base import Batch


@dataclass(frozen=True)
class NumberedBatches:
    """The batch file and the batches with the numbers of the run, the names of image sets that
    metadata tells apart, and whether all jobs count from 1."""

    plan: BatchFile | None
    batches: Spool[Batch]
    notes: tuple[str, ...] = ()
    names: Mapping[int, Name] = field(default_factory=dict)
    own: bool = False


def numbered_by_run(
    batches: Spool[Batch],
    judged: Judge,
    plan: BatchFile | None,
    again: Again,
    numbering: Numbering,
    judge: Callable[[BatchFile | None], Judge],
    outputs: Sequence[Path],
) -> NumberedBatches:
    """Gives image sets other numbers if those of their jobs mean different images, and judges the
    batches again.

    judged: what judged the batches by the numbers of their jobs.
    judge: makes the judge of batches by a batch file.
    outputs: a list of LoadData is searched near them, if there is no batch file.
    """
    found, errors, own = None, judged.errors, judged.count_from_1()
    number = partial(renumbered, batches, again, errors, numbering=numbering, from_1=own)
    if numbering.may_apply(judged, plan):
        found = number(plan)
    if found is None:
        return NumberedBatches(plan, batches)
    notes: tuple[str, ...] = ()
    if plan is None:
        listed, notes = numbered_by_list_near(outputs, number)
        found = listed or found
    judging = judge(found.plan)
    for item in found.items(batches, again, errors):
        judging.add(item)
    batches = judging.batches(lambda place, source: look_at(source))
    incomplete = union(batch.image_sets - batch.complete for batch in batches)
    names = found.names(incomplete)
    return NumberedBatches(found.plan, batches, (found.note, *notes), names, own)
