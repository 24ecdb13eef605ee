"""What a load has to do: which image sets come from which batch, decided before anything is read.

Of several outputs of one picture the newest complete one is taken. Different pictures under one
number stop the load, and so does a newer output that lacks what an older one has (`succession`).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cpexport.batch import Batch, fingerprint
from cpexport.contained import contained
from cpexport.errors import SourceError
from cpexport.imagesets import NONE, ImageSets, in_common
from cpexport.ledger import Entry, Ledger
from cpexport.succession import Succession, is_same_output


@dataclass(frozen=True)
class Older:
    """An output of which a newer one takes the place, in part or wholly: loaded before or not."""

    path: str
    signature: str
    pipeline: str | None


@dataclass(frozen=True)
class Step:
    """One batch and the image sets to load from it; none where newer batches have all of them.
    It replaces those of `older`."""

    batch: Batch
    image_sets: ImageSets
    older: tuple[Older, ...] = ()


@dataclass(frozen=True)
class Planned:
    """The steps of a load in order of image set.

    `moved` are batches that the destination holds by their content, or another step brings: copies,
    or touched.
    """

    steps: tuple[Step, ...]
    moved: tuple[Step, ...]


def planned(batches: Sequence[Batch], ledger: Ledger, succession: Succession) -> Planned:
    """What to load of `batches` into a destination with this ledger.

    Raises:
        CollisionError: two batches, or a batch and the destination, have different pictures under
            one image set number, or pictures that nothing tells apart.
        LossError: of two, the newer one lacks what the older one has.
    """
    fresh, moved = _split(batches, ledger)
    fresh = sorted(fresh, key=lambda batch: batch.age)
    held = [ledger.holding(batch.complete) for batch in fresh]
    for batch, entries in zip(fresh, held, strict=True):
        if entries:
            succession.refuse_there(batch, entries)
    gone: list[list[tuple[int, int]]] = [[] for _ in fresh]
    older: list[list[tuple[ImageSets, Older]]] = [[] for _ in fresh]
    for old, new, both in in_common([batch.complete for batch in fresh]):
        succession.refuse_between(fresh[new], fresh[old], both)
        gone[old] += both.ranges
        older[new].append((both, _older(fresh[old])))
    steps = []
    for place, batch in enumerate(fresh):
        for entry in held[place]:
            if entry.age > batch.age:
                gone[place] += entry.loaded.ranges
            elif not is_same_output(entry, batch):
                older[place].append((entry.loaded, _older(entry)))
        image_sets = batch.complete - ImageSets.from_ranges(gone[place])
        replaced = tuple(one for both, one in older[place] if both & image_sets)
        steps.append(Step(batch, image_sets, replaced))
    steps.sort(key=lambda step: (step.batch.complete.first, str(step.batch.source.path)))
    return Planned(tuple(steps), tuple(moved))


def replaced_by(replaced: Iterable[tuple[Older, Batch]]) -> list[str]:
    """Which outputs were replaced, each by which."""
    return [f"{older.path}: replaced by {newer.source.path}" for older, newer in replaced]


def other_pipelines(replaced: Iterable[tuple[Older, str | None]]) -> list[str]:
    """What people should know of outputs that were replaced by those of another pipeline, which is
    given with each; one sentence for each two pipelines."""
    found: dict[tuple[str, str], list[str]] = {}
    for older, pipeline in replaced:
        if older.pipeline and pipeline and older.pipeline != pipeline:
            found.setdefault((older.pipeline, pipeline), []).append(older.path)
    return [
        f"{paths[0]}{f' and {len(paths) - 1} more' if len(paths) > 1 else ''}: outputs of another "
        f"pipeline replace it (SHA-256 {new[:8]}, before {old[:8]})"
        for (old, new), paths in found.items()
    ]


def _older(one: Batch | Entry) -> Older:
    path = one.source.path if isinstance(one, Batch) else one.path
    return Older(str(path), one.signature, one.pipeline)


def _split(batches: Sequence[Batch], ledger: Ledger) -> tuple[list[Batch], list[Step]]:
    """Batches to load, and those whose very content the ledger has, or one of the others."""
    known = {(entry.format, entry.image_sets) for entry in ledger.entries}
    here: dict[tuple[str, ImageSets], int] = {}
    for batch in batches:
        key = (batch.source.format, batch.image_sets)
        here[key] = here.get(key, 0) + bool(batch.complete)
    fresh: list[Batch] = []
    moved: list[Step] = []
    taken: dict[str, Batch] = {}
    for batch in batches:
        if not batch.complete:
            continue
        key = (batch.source.format, batch.image_sets)
        if key in known or here[key] > 1:
            with contained(batch.source):
                content = fingerprint(batch.source)
            if _has(ledger.by_fingerprint.get(content), taken.get(content), batch):
                moved.append(Step(batch, NONE))
                continue
            taken[content] = batch
        fresh.append(batch)
    return fresh, moved


def _has(entry: Entry | None, other: Batch | None, batch: Batch) -> bool:
    """Whether the destination holds a batch's content, or another batch brings it. What newer
    outputs have replaced is not there any more, and this may be newer than those."""
    held = entry is not None and batch.complete <= entry.loaded
    return held or (other is not None and batch.complete <= other.complete)


def planned_of_readable(
    batches: Sequence[Batch],
    ledger: Ledger,
    succession: Succession,
) -> tuple[Planned, list[tuple[Batch, SourceError]]]:
    """As `planned`, without batches that cannot be read any more, and why each cannot.

    Raises:
        CollisionError, LossError: as `planned`.
    """
    damaged: list[tuple[Batch, SourceError]] = []
    rest = list(batches)
    while True:
        try:
            return planned(rest, ledger, succession), damaged
        except SourceError as error:
            mine = [b for b in rest if error.path in map(str, (b.source.path, *b.source.files))]
            if not mine:
                raise
            damaged += [(batch, error) for batch in mine]
            rest = [batch for batch in rest if not any(batch is other for other in mine)]
