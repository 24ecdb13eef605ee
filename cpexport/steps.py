"""What a load has to do: which image sets come from which batch, decided before anything is read.

Of several outputs of one picture the newest complete one is taken. Different pictures under one
number stop the load.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cpexport.batch import Batch, fingerprint
from cpexport.contained import contained
from cpexport.errors import CollisionError, SourceError
from cpexport.imagesets import NONE, ImageSets
from cpexport.ledger import Ledger
from cpexport.pictures import Pictures, comparable, differences
from cpexport.survey import pictures_of


@dataclass(frozen=True)
class Step:
    """One batch and the image sets to load from it; none where newer batches have all of them."""

    batch: Batch
    image_sets: ImageSets


@dataclass(frozen=True)
class Planned:
    """The steps of a load in order of image set.

    `moved` are batches that the destination holds by their content: copies, or touched.
    """

    steps: tuple[Step, ...]
    moved: tuple[Step, ...]


def planned(
    batches: Sequence[Batch],
    ledger: Ledger,
    pictures_there: Callable[[ImageSets], Pictures],
    destination: str,
) -> Planned:
    """What to load of `batches` into a destination with this ledger.

    Raises:
        CollisionError: two batches, or a batch and the destination, have different pictures under
            one image set number, or pictures that nothing tells apart.
    """
    fresh, moved = _split(batches, ledger)
    fresh = sorted(fresh, key=lambda batch: batch.age)
    _refuse_collisions(fresh, ledger, pictures_there, destination)
    taken = ImageSets()
    steps = []
    for batch in reversed(fresh):
        newer = _newer_there(batch, ledger) if batch.complete & ledger.loaded else NONE
        steps.append(Step(batch, batch.complete - taken - newer))
        taken |= batch.complete
    steps.sort(key=lambda step: (step.batch.complete.first, str(step.batch.source.path)))
    return Planned(tuple(steps), tuple(moved))


def _newer_there(batch: Batch, ledger: Ledger) -> ImageSets:
    """The image sets that the destination holds from batches newer than this one."""
    age = batch.age
    newer = (entry.loaded.ranges for entry in ledger.entries if entry.age > age)
    return ImageSets.from_ranges(r for ranges in newer for r in ranges)


def _split(batches: Sequence[Batch], ledger: Ledger) -> tuple[list[Batch], list[Step]]:
    """Batches to load, and those whose very content the ledger has."""
    lookalikes = {(entry.format, entry.image_sets) for entry in ledger.entries}
    fresh: list[Batch] = []
    moved: list[Step] = []
    for batch in batches:
        if not batch.complete:
            continue
        if (batch.source.format, batch.image_sets) in lookalikes:
            with contained(batch.source):
                entry = ledger.by_fingerprint.get(fingerprint(batch.source))
            if entry is not None and batch.complete <= entry.complete:
                moved.append(Step(batch, NONE))
                continue
        fresh.append(batch)
    return fresh, moved


def _refuse_collisions(
    fresh: Sequence[Batch],
    ledger: Ledger,
    pictures_there: Callable[[ImageSets], Pictures],
    destination: str,
) -> None:
    seen = ImageSets()
    for place, batch in enumerate(fresh):
        if there := batch.complete & ledger.loaded:
            ours = pictures_of(batch)
            _compare(batch, ours, destination, pictures_there(there), there, destination)
        if batch.complete & seen:
            ours = pictures_of(batch)
            for other in fresh[:place]:
                if both := batch.complete & other.complete:
                    theirs = pictures_of(other)
                    _compare(batch, ours, str(other.source.path), theirs, both, destination)
        seen |= batch.complete


def _compare(
    batch: Batch, ours: Pictures, other: str, theirs: Pictures, both: ImageSets, destination: str
) -> None:
    found = {n: d for n, d in differences(ours, theirs).items() if n in both}
    if not found and comparable(ours, theirs):
        return
    number = min(found, default=both.first)
    what = str(found[number]) if found else "there are no file names or metadata to tell them by"
    raise CollisionError(
        destination,
        f"image set {number} is one picture in {batch.source.path} and another in {other} ({what})",
        "load different runs into destinations of their own, or as runs with --table-number, or "
        "name the batch file with --batch",
    )


def planned_of_readable(
    batches: Sequence[Batch],
    ledger: Ledger,
    pictures_there: Callable[[ImageSets], Pictures],
    destination: str,
) -> tuple[Planned, list[tuple[Batch, SourceError]]]:
    """As `planned`, without batches that cannot be read any more, and why each cannot.

    Raises:
        CollisionError: as `planned`.
    """
    damaged: list[tuple[Batch, SourceError]] = []
    rest = list(batches)
    while True:
        try:
            return planned(rest, ledger, pictures_there, destination), damaged
        except SourceError as error:
            mine = [b for b in rest if error.path in map(str, (b.source.path, *b.source.files))]
            if not mine:
                raise
            damaged += [(batch, error) for batch in mine]
            rest = [batch for batch in rest if not any(batch is other for other in mine)]
