"""Lists what a destination lacks, or would lack, from some outputs, and why.

`load`, `load --dry-run`, `check` and `verify` all take their lines from here, so they all name the
same gaps.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

import numpy as np

from cpexport.cellprofiler.batch_file import BatchFile
from cpexport.cellprofiler.features import IMAGE
from cpexport.cellprofiler.image_set_names import Name, named
from cpexport.errors import RERUN, LeftOut, SourceError
from cpexport.imagesets import NONE, ImageSets, union
from cpexport.loading.completeness import shown_by_numbers
from cpexport.loading.contradictions import Others, other_images
from cpexport.loading.missing_features import unloaded
from cpexport.loading.removed import removed_sets, why_removed
from cpexport.loading.surveyed import Survey
from cpexport.sinks.base import Sink
from cpexport.sinks.ledger import Entry
from cpexport.sinks.ledger_store import LedgerStore
from cpexport.sources.base import Batch
from cpexport.spelling import counted

_DELETED = (
    "image sets of it were deleted from the destination; restore the destination, or load all "
    "outputs into a new one"
)


@dataclass(frozen=True)
class Missing:
    """Image sets that are missing, and their names in the batch file.

    `planned` is how many image sets the batch file lists; None without a batch file. Then the image
    sets are gaps in the numbers, and `known` is whether there are any numbers to find gaps in.
    """

    image_sets: ImageSets = NONE
    planned: int | None = None
    names: Mapping[int, Name] = field(default_factory=dict)
    known: bool = True


def missing(found: Survey, present: ImageSets, ran: Iterable[ImageSets]) -> Missing:
    """Returns the image sets that are missing, given those that are `present`.

    `ran` are the image sets that each job was to run.
    """
    plan = found.plan
    if plan is None:
        shown = shown_by_numbers(ran)
        lacking = shown - present
        names = {number: name for number, name in found.names.items() if number in lacking}
        return Missing(lacking, names=names, known=bool(shown))
    missing_sets = plan.planned - present
    return Missing(missing_sets, len(plan.planned), named(plan.identities, missing_sets))


def lost(
    batches: Iterable[Batch],
    plan: BatchFile | None,
    present: ImageSets,
    damaged: Iterable[tuple[Batch, SourceError]] = (),
    removed: ImageSets = NONE,
) -> list[LeftOut]:
    """Returns the batches with image sets that are not `present`, or are not in the batch file, and
    the `damaged` batches. `removed` are the image sets that a user removed, which do not count.

    Batches that do not say what they were to run are named unless all planned image sets are
    present.
    """
    errors = {batch.source.path: error for batch, error in damaged}
    left_out = []
    for batch in batches:
        missing_sets = (batch.image_sets - present) | batch.unexpected | batch.mismatched_images
        unknown = (batch.unnumbered or not batch.image_sets) and not _all_present(plan, present)
        missing_sets -= batch.complete & removed
        reason = "; ".join(filter(None, [batch.reason, batch.unnumbered]))
        if error := errors.get(batch.source.path):
            reason = str(error)
            if not missing_sets and error.advice == RERUN:
                reason = f"{error.path}: {error.problem}; no image set is missing without it"
        if missing_sets or unknown or error:
            left_out.append(LeftOut(str(batch.source.path), reason))
    return left_out


def uncertain(
    batches: Iterable[Batch], plan: BatchFile | None, present: ImageSets
) -> Iterator[LeftOut]:
    """Yields the batches that may have lost image sets whose numbers are unknown."""
    if not _all_present(plan, present):
        for batch in batches:
            if batch.unnumbered:
                yield LeftOut(str(batch.source.path), batch.unnumbered)


def _all_present(plan: BatchFile | None, present: ImageSets) -> bool:
    return plan is not None and plan.planned <= present


def left_out(
    found: Survey,
    sink: Sink,
    entries: Iterable[Entry],
    present: ImageSets,
    types: Collection[str],
    damaged: Iterable[tuple[Batch, SourceError]] = (),
    others: Others = lambda batch: (),
) -> list[LeftOut]:
    """Returns everything that a destination lacks from the outputs in `found`.

    entries: the entries of its ledger, or those that may lack image sets.
    present: the image sets that it holds.
    types: the object types that it has.
    others: images that it would get in addition to those that it has.
    """
    some, damaged, removed = found.facts.not_whole, tuple(damaged), removed_sets(sink.ledger)
    lines = [
        *found.left_out,
        *lost(_perhaps_lost(found, present, damaged), found.plan, present, damaged, removed),
        *(line for batch in some for line in batch.left_out),
    ]
    unwanted = {n for features in found.facts.features for n in features if not sink.shape.keeps(n)}
    lines += covered(
        found,
        lambda batch: chain(
            [sink.ledger.identities(batch.image_sets - batch.complete)], others(batch)
        ),
        unwanted.union(types, _found_none(some, sink)),
        {line.path for line in lines},
    )
    known = found.known
    gone = [batch.complete & removed for batch in (found.batches if removed else ())]
    for entry in entries if known else ():
        if entry.signature in known:
            gone.append(entry.complete & removed)
            if (entry.image_sets - present - gone[-1]) | entry.rejected:
                lines.append(LeftOut(entry.path, entry.reason or _DELETED))
    if taken := union(gone) - present:
        lines.append(LeftOut(sink.name, why_removed(taken)))
    return lines


def _found_none(batches: Iterable[Batch], sink: Sink) -> Iterator[str]:
    """Yields the object types of incomplete batches that all image sets in a destination count as
    0: the destination lacks nothing without their tables."""
    features = sink.layout().features.get(IMAGE, {})
    asked = {name for batch in batches if not batch.complete for name in batch.features}
    counts = {name: f"Count_{name}" for name in sorted(asked) if f"Count_{name}" in features}
    for part in sink.read(IMAGE, list(counts.values())) if counts else ():
        values = {name: part[of].to_numpy(zero_copy_only=False) for name, of in counts.items()}
        counts = {name: of for name, of in counts.items() if not np.any(values[name] != 0)}
    yield from counts


def _perhaps_lost(
    found: Survey, present: ImageSets, damaged: Collection[tuple[Batch, SourceError]]
) -> Sequence[Batch]:
    """The batches that `lost` may return: whole ones are loaded unless something went wrong."""
    all_loaded = found.facts.whole <= present and not damaged
    return found.facts.not_whole if all_loaded else found.batches


def covered(
    found: Survey, others: Others, types: Iterable[str], reported: Collection[str]
) -> list[LeftOut]:
    """Returns batches that lack image sets whose numbers other batches have complete, although the
    other batches do not cover them: the images differ, or a batch has object types of its own.

    others: the images that the other batches have.
    types: object types that are loaded or not wanted.
    reported: the paths of batches that are reported already.
    """
    with_other_images = [
        LeftOut(str(batch.source.path), f"{batch.reason}; {why}" if batch.reason else why)
        for batch in found.facts.not_whole
        if str(batch.source.path) not in reported
        if (lacking := batch.image_sets - batch.complete)
        if (why := other_images(batch, others(batch), lacking))
    ]
    paths = {*reported, *(left.path for left in with_other_images)}
    own = unloaded(found.facts.not_whole, found.batches, types)
    return [*with_other_images, *(left for left in own if left.path not in paths)]


def kept(batches: Iterable[Batch], known: Collection[str], ledger: LedgerStore) -> Iterator[str]:
    """Notes on outputs that users may believe loaded, although other outputs hold their image sets.

    These are failed outputs that are newer than what is loaded, and outputs that newer ones have
    replaced: one sentence for each kind. `known` are the signatures of outputs that were not
    inspected again.
    """
    failed = []
    loaded = ledger.summary().loaded
    for batch in batches:
        lacking = batch.image_sets - batch.complete
        if not lacking or not lacking <= loaded:
            continue
        if older := [entry for entry in ledger.holding(lacking) if entry.age < batch.age]:
            failed.append(
                f"{batch.source.path}: newer than {older[0].path}, but incomplete "
                f"({batch.reason}), so the older one stays"
            )
    removed = removed_sets(ledger)
    replaced = [
        f"{entry.path}: newer outputs have its image sets"
        for entry in (ledger.without_rows() if known else ())
        if entry.signature in known and not entry.complete & removed
    ]
    for sentences in (failed, replaced):
        if sentences:
            yield sentences[0] + (
                f"; the same applies to {len(sentences) - 1} more" if len(sentences) > 1 else ""
            )


def check_not_empty(found: Survey, outputs: Sequence[Path]) -> None:
    """Refuses outputs without anything to load.

    Raises:
        SourceError: nothing can be loaded; it says what is wrong with the first output.
    """
    if found.known or any(batch.complete for batch in found.batches):
        return
    if not found.batches:
        if found.left_out:
            left = found.left_out[0]
            problem, _, advice = left.reason.partition("; ")
            others = f" (and {counted(n, 'more file')})" if (n := len(found.left_out) - 1) else ""
            raise SourceError(left.path, f"{problem}{others}", advice)
        raise SourceError(
            outputs[0],
            "contains no output of a CellProfiler job",
            "name the folder that holds the jobs' .h5, CSV or SQLite files",
        )
    first, *more = found.batches
    others = f" (nor in {counted(len(more), 'more batch')})" if more else ""
    raise SourceError(
        first.source.path,
        f"no complete image set{others}: {first.reason}",
        "see the reasons with cpexport check",
    )
