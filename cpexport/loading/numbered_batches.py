"""Gives the batches of a survey the numbers of the run, and judges them by those."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cpexport.cellprofiler.batch_file import BatchFile
from cpexport.cellprofiler.image_set_names import Name
from cpexport.errors import SourceError
from cpexport.files.spool import Spool
from cpexport.imagesets import union
from cpexport.loading.inspection import look_at
from cpexport.loading.judging import Again, Judge
from cpexport.loading.list_near_outputs import numbered_by_list_near
from cpexport.loading.numbering import Numbering, Renumbered, count_from_1, renumbered
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
    errors: Mapping[int, SourceError],
    plan: BatchFile | None,
    again: Again,
    numbering: Numbering,
    judge: Callable[[BatchFile | None], Judge],
    outputs: Sequence[Path],
) -> NumberedBatches:
    """Gives image sets other numbers if those of their jobs mean different images, and judges the
    batches again.

    errors: why sources cannot be read, by place.
    judge: makes the judge of batches by a batch file.
    outputs: a list of LoadData is searched near them, if there is no batch file.
    """
    found = None
    if numbering.may_apply(batches, plan):
        found = renumbered(batches, again, errors, plan, numbering)
    if found is None:
        return NumberedBatches(plan, batches)
    own = count_from_1(batches)
    notes: tuple[str, ...] = ()
    if plan is None:

        def by_list(near: BatchFile) -> Renumbered | None:
            return renumbered(batches, again, errors, near, numbering)

        listed, notes = numbered_by_list_near(outputs, by_list)
        found = listed or found
    judging = judge(found.plan)
    for item in found.items(batches, again, errors):
        judging.add(item)
    batches = judging.batches(look_at)
    incomplete = union(batch.image_sets - batch.complete for batch in batches)
    names = found.names(incomplete)
    return NumberedBatches(found.plan, batches, (found.note, *notes), names, own)
