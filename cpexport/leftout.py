"""What a destination lacks of some outputs, or would lack, and why.

`load`, `load --dry-run`, `check` and `verify` all take their lines from here, so that what one of
them names none of the others passes over.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

from cpexport import losses
from cpexport.batch import Batch, LeftOut
from cpexport.batchfile import BatchFile
from cpexport.completeness import shown_by_numbers
from cpexport.errors import RERUN, SourceError
from cpexport.imagesetnames import Name, named
from cpexport.imagesets import NONE, ImageSets, in_common
from cpexport.lacking import unloaded
from cpexport.ledger import Entry, Ledger
from cpexport.pictures import Pictures
from cpexport.samepictures import compared
from cpexport.sinks import Sink
from cpexport.survey import Survey, pictures_of

_DELETED = "somebody deleted image sets of it from the destination; restore that, or load all anew"

Others = Callable[[Batch], Iterable[Pictures]]
"""The pictures that are held under a batch's image set numbers from elsewhere."""


@dataclass(frozen=True)
class Missing:
    """Image sets that are missing, and what people call them, as far as the batch file tells.

    `planned` is how many the batch file plans; None without one: then the image sets are gaps in
    the numbers, and `known` is whether there is any number to tell gaps by.
    """

    image_sets: ImageSets = NONE
    planned: int | None = None
    names: Mapping[int, Name] = field(default_factory=dict)
    known: bool = True


def missing(plan: BatchFile | None, there: ImageSets, ran: Iterable[ImageSets]) -> Missing:
    """What is missing besides the image sets `there`; `ran` are those that each job was to run."""
    if plan is None:
        shown = shown_by_numbers(ran)
        return Missing(shown - there, known=bool(shown))
    gone = plan.planned - there
    return Missing(gone, len(plan.planned), named(plan.pictures, gone))


def lost(
    batches: Iterable[Batch],
    plan: BatchFile | None,
    there: ImageSets,
    damaged: Iterable[tuple[Batch, SourceError]] = (),
) -> list[LeftOut]:
    """The batches of which something is not `there`, or must not be, and those that are `damaged`.

    Batches that do not say what they were to run are named unless all that is planned is there.
    """
    errors = {id(batch): error for batch, error in damaged}
    found = []
    for batch in batches:
        gone = (batch.image_sets - there) | batch.unexpected | batch.misplaced
        unknown = (batch.unnumbered or not batch.image_sets) and not _all_there(plan, there)
        reason = "; ".join(filter(None, [batch.reason, batch.unnumbered]))
        if error := errors.get(id(batch)):
            reason = str(error)
            if not gone and error.advice == RERUN:
                reason = f"{error.path}: {error.problem}; nothing is missing without it"
        if gone or unknown or error:
            found.append(LeftOut(str(batch.source.path), reason))
    return found


def uncertain(
    batches: Iterable[Batch], plan: BatchFile | None, there: ImageSets
) -> Iterator[LeftOut]:
    """The batches that may have lost image sets whose numbers nothing tells."""
    if not _all_there(plan, there):
        for batch in batches:
            if batch.unnumbered:
                yield LeftOut(str(batch.source.path), batch.unnumbered)


def _all_there(plan: BatchFile | None, there: ImageSets) -> bool:
    return plan is not None and plan.planned <= there


def left_out(
    found: Survey,
    sink: Sink,
    entries: Iterable[Entry],
    there: ImageSets,
    types: Collection[str],
    damaged: Iterable[tuple[Batch, SourceError]] = (),
    others: Others = lambda batch: (),
) -> list[LeftOut]:
    """All that a destination lacks of what was found, where it holds the image sets `there` and
    has the object types `types`.

    `entries` are those of its ledger. `others` are pictures that it would get besides those that it
    has.
    """
    batches = found.batches
    said = [
        *found.left_out,
        *lost(batches, found.plan, there, damaged),
        *(left for batch in batches for left in batch.left_out),
    ]
    unwanted = {n for batch in batches for n in batch.features if not sink.shape.keeps(n)}
    said += covered(
        batches,
        lambda batch: chain([sink.pictures(batch.image_sets - batch.complete)], others(batch)),
        unwanted.union(types),
        {left.path for left in said},
    )
    known = set(found.known)
    for entry in entries:
        if entry.signature in known and ((entry.image_sets - there) | entry.refused):
            said.append(LeftOut(entry.path, entry.reason or _DELETED))
    return said


def covered(
    batches: Sequence[Batch], others: Others, types: Iterable[str], said: Collection[str]
) -> list[LeftOut]:
    """Batches that lack image sets whose numbers others have, but not all that they hold: their
    pictures are `others`, or they have object types that no other one has.

    `types` are those that are held, or not wanted; `said` the paths of which enough is said.
    """
    found = [
        LeftOut(str(batch.source.path), f"{batch.reason}; {why}" if batch.reason else why)
        for batch in batches
        if str(batch.source.path) not in said
        if (lacking := batch.image_sets - batch.complete)
        if (why := _other_pictures(batch, others(batch), lacking))
    ]
    paths = {*said, *(one.path for one in found)}
    return [*found, *(left for left in unloaded(batches, types) if left.path not in paths)]


def other_outputs(batches: Sequence[Batch]) -> Others:
    """The pictures of those batches that have complete what another one lacks."""
    sharing: dict[int, list[Batch]] = {}
    for first, second, both in in_common([batch.image_sets for batch in batches]):
        one, other = batches[first], batches[second]
        for lacks, has in ((one, other), (other, one)):
            if (both - lacks.complete) & has.complete:
                sharing.setdefault(id(lacks), []).append(has)
    return lambda batch: (pictures_of(other) for other in sharing.get(id(batch), ()))


def contradicted(batches: Sequence[Batch], *, same_pictures: bool) -> list[LeftOut]:
    """Batches that have image sets complete which an older one has complete too, but as other
    pictures, or with more object types and features. No load takes both unasked.

    `same_pictures` is whether image sets of one number are known to be the same pictures.
    """
    by_age = sorted((batch for batch in batches if batch.complete), key=lambda batch: batch.age)
    found: dict[str, LeftOut] = {}
    for older, newer, both in in_common([batch.complete for batch in by_age]):
        old, new = by_age[older], by_age[newer]
        path = str(new.source.path)
        if path in found:
            continue
        why = "" if same_pictures else _other_pictures(new, [pictures_of(old)], both, unknown=True)
        if why:
            why = (
                f"{why}: {old.source.path}; if they are two runs, load them with --table-number; "
                "if they are the same pictures, with --same-pictures"
            )
        elif lacks := _lacks(new, old, both):
            why = (
                f"lacks {lacks}, which {old.source.path} has of the same {both.words}; load one of "
                "them with a --prefix of its own, or with --replace"
            )
        if why:
            found[path] = LeftOut(path, why)
    return list(found.values())


def _lacks(newer: Batch, older: Batch, both: ImageSets) -> str:
    """The object types and features that a newer output lacks; empty if it lacks none. Of outputs
    in different formats nothing is said, as those call features by different names."""
    if newer.source.format != older.source.format:
        return ""
    gone = losses.lost(losses.names(older.features), losses.names(newer.features), newer)
    if gone and newer.pipeline is not None and newer.pipeline == older.pipeline:
        gone = losses.unmeasured(newer, gone)
    gone = losses.valued(older, gone, both) if gone else {}
    return losses.described(gone)


def kept(batches: Iterable[Batch], known: Collection[str], ledger: Ledger) -> Iterator[str]:
    """What was not loaded though a person may think so, as others have its image sets: outputs that
    failed and are newer than those, and outputs that gave way to newer ones.

    `known` are the signatures of outputs that were not looked at again. One sentence of each kind.
    """
    failed = []
    for batch in batches:
        lacking = batch.image_sets - batch.complete
        older = [one for one in ledger.holding(lacking) if lacking and one.age < batch.age]
        if older and lacking <= ledger.loaded:
            failed.append(
                f"{batch.source.path}: newer than {older[0].path}, which stays, as this one is not "
                f"complete ({batch.reason})"
            )
    gone = [
        f"{entry.path}: newer outputs have its image sets"
        for entry in ledger.entries
        if entry.signature in known and entry.complete and not entry.loaded
    ]
    for said in (failed, gone):
        if said:
            yield said[0] + (f"; {len(said) - 1} more like it" if len(said) > 1 else "")


def refuse_nothing(found: Survey, outputs: Sequence[Path]) -> None:
    """Refuses outputs of which nothing at all can be loaded.

    Raises:
        SourceError: so it is; it says what is wrong with the first of them.
    """
    if found.known or any(batch.complete for batch in found.batches):
        return
    if not found.batches:
        if found.left_out:
            one = found.left_out[0]
            problem, _, advice = one.reason.partition("; ")
            others = f" (and {n} more files)" if (n := len(found.left_out) - 1) else ""
            raise SourceError(one.path, f"{problem}{others}", advice)
        raise SourceError(
            outputs[0],
            "holds no output of a CellProfiler job",
            "name the folder that holds the jobs' .h5, CSV or SQLite files",
        )
    first, *more = found.batches
    others = f" (and {len(more)} more batches without one)" if more else ""
    raise SourceError(
        first.source.path,
        f"no complete image set{others}: {first.reason}",
        "see cpexport check",
    )


def _other_pictures(
    batch: Batch, others: Iterable[Pictures], within: ImageSets, *, unknown: bool = False
) -> str:
    """How pictures of a batch differ from `others` under the numbers `within`; empty if they do
    not, or if one of them cannot be read. With `unknown`, that nothing tells is said as well."""
    with suppress(SourceError):
        mine: Pictures | None = None
        for theirs in others:
            mine = pictures_of(batch) if mine is None else mine
            both = compared(mine, theirs)
            found = both.different
            if numbers := [number for number in found if number in within]:
                return (
                    f"its image set {min(numbers)} is another picture than in the output that has "
                    f"it complete ({found[min(numbers)]})"
                )
            if unknown and (untold := both.untold & within):
                return (
                    f"nothing tells whether its image set {untold.first} is the same picture as in "
                    "the output that has it complete"
                )
    return ""
