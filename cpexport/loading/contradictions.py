"""Outputs that contradict each other: other images, object types or features in one image set."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path

from cpexport.cellprofiler.image_identity import Identities
from cpexport.cellprofiler.same_image import compared
from cpexport.errors import LeftOut, SourceError
from cpexport.imageset_overlaps import in_common, overlapping
from cpexport.imagesets import ImageSets
from cpexport.loading import lost_features
from cpexport.loading.surveyed import identities_of
from cpexport.sources.base import Batch

Others = Callable[[Batch], Iterable[Identities]]
"""Returns what other sources say about the images behind a batch's image set numbers."""


def other_outputs(batches: Sequence[Batch]) -> Others:
    """Finds, for each batch, the images of the batches that have complete what it lacks."""

    @cache
    def sharing() -> dict[Path, list[Batch]]:
        places = overlapping(batch.image_sets for batch in batches)
        some = [batches[place] for place in places]
        having: dict[Path, list[Batch]] = {}
        for first, second, both in in_common([batch.image_sets for batch in some]):
            one, other = some[first], some[second]
            for lacks, has in ((one, other), (other, one)):
                if (both - lacks.complete) & has.complete:
                    having.setdefault(lacks.source.path, []).append(has)
        return having

    return lambda batch: (identities_of(other) for other in sharing().get(batch.source.path, ()))


def contradicted(batches: Sequence[Batch], *, same_pictures: bool) -> list[LeftOut]:
    """Returns batches that share complete image sets with an older batch that has other images, or
    more object types and features. No load accepts both without the user's consent.

    `batches` are those that share any with another: all of them are in memory at once.
    `same_pictures` is whether image sets with one number are known to have the same images.
    """
    by_age = sorted(batches, key=lambda batch: batch.age)
    contradictions: dict[str, LeftOut] = {}
    for older, newer, both in in_common([batch.complete for batch in by_age]):
        old, new = by_age[older], by_age[newer]
        path = str(new.source.path)
        if path in contradictions:
            continue
        why = "" if same_pictures else other_images(new, [identities_of(old)], both, unknown=True)
        if why:
            why = (
                f"{why}: {old.source.path}; if they are two runs, load them with "
                "--table-number; if they have the same images, add --same-pictures"
            )
        elif lacks := _lacks(new, old, both):
            why = (
                f"lacks {lacks}, which {old.source.path} has for the same {both.words}; load "
                "one of them with its own --prefix, or replace the older one with --replace"
            )
        if why:
            contradictions[path] = LeftOut(path, why)
    return list(contradictions.values())


def _lacks(newer: Batch, older: Batch, both: ImageSets) -> str:
    """Describes the object types and features that a newer output lacks; empty if it lacks none.

    Outputs in different formats are not compared, because the formats name features differently.
    """
    if newer.source.format != older.source.format:
        return ""
    lost = lost_features.lost(
        lost_features.names(older.features),
        lost_features.names(newer.features),
        lost_features.counted_none(newer),
    )
    if lost and newer.pipeline is not None and newer.pipeline == older.pipeline:
        lost = lost_features.unmeasured(newer, lost)
    lost = lost_features.valued(older, lost, both) if lost else {}
    return lost_features.described(lost)


def other_images(
    batch: Batch, others: Iterable[Identities], within: ImageSets, *, unknown: bool = False
) -> str:
    """Describes how the images of a batch differ from those of `others` in the image sets `within`.

    Empty if they do not differ, or if a batch cannot be read. With `unknown`, it also reports image
    sets that cannot be compared.
    """
    with suppress(SourceError):
        own: Identities | None = None
        for theirs in others:
            own = identities_of(batch) if own is None else own
            comparison = compared(own, theirs)
            different = comparison.different
            if numbers := [number for number in different if number in within]:
                return (
                    f"its image set {min(numbers)} has other images than in the output that "
                    f"has it complete ({different[min(numbers)]})"
                )
            if unknown and (undecided := comparison.undecided & within):
                return (
                    f"nothing shows whether its image set {undecided.first} has the same images "
                    "as in the output that has it complete"
                )
    return ""
