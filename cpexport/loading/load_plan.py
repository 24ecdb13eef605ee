"""Decides which image sets to load from which batch, before any row is read.

If several outputs hold the same image set, the newest complete one is loaded. Different images
under one number stop the load, and so does a newer output that lacks what an older one has
(`succession`).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from cpexport.errors import SourceError
from cpexport.imagesets import NONE, ImageSets, in_common, union
from cpexport.loading.succession import Succession, is_same_output
from cpexport.sinks.ledger import Entry
from cpexport.sources.base import Batch, fingerprint
from cpexport.sources.error_containment import contained


@dataclass(frozen=True)
class Older:
    """An output that a newer one replaces, partly or wholly, whether it was loaded or not."""

    path: str
    signature: str
    pipeline: str | None


@dataclass(frozen=True, slots=True)
class LoadStep:
    """One batch, and the image sets to load from it.

    image_sets: empty if newer outputs have all of the batch's image sets.
    older: the outputs whose image sets these replace.
    """

    batch: Batch
    image_sets: ImageSets
    older: tuple[Older, ...] = ()


@dataclass(frozen=True)
class LoadPlan:
    """The steps of a load, in order of image set.

    already_loaded: batches whose content is in the destination or in another step. They are copies,
        or the same files with new times.
    """

    steps: tuple[LoadStep, ...]
    already_loaded: tuple[LoadStep, ...]


class Loaded(Protocol):
    """What a plan needs to know of a destination's ledger."""

    def holding(self, image_sets: ImageSets) -> tuple[Entry, ...]:
        """The entries from which the destination has some of these image sets, each with only those
        in `loaded`."""


def planned(batches: Sequence[Batch], ledger: Loaded, succession: Succession) -> LoadPlan:
    """Returns what to load from `batches` into a destination with this ledger.

    Raises:
        CollisionError: two batches, or a batch and the destination, have different images under
            one image set number, or nothing tells whether they are the same.
        LossError: a newer output lacks what an older one has.
    """
    split, already_loaded = _split(batches, ledger)
    split.sort(key=lambda one: one[0].age)
    fresh, loaded = [batch for batch, _ in split], [held for _, held in split]
    for batch, entries in zip(fresh, loaded, strict=True):
        if entries:
            succession.check_loaded(batch, entries)
    # For each batch, what newer outputs have of it, and what it has of older outputs.
    newer: list[list[ImageSets]] = [[] for _ in fresh]
    older: list[list[tuple[ImageSets, Older]]] = [[] for _ in fresh]
    for old, new, shared in in_common([batch.complete for batch in fresh]):
        succession.check_between(fresh[new], fresh[old], shared)
        newer[old].append(shared)
        older[new].append((shared, _older(fresh[old])))
    steps = []
    for index, batch in enumerate(fresh):
        for entry in loaded[index]:
            if entry.age > batch.age:
                newer[index].append(entry.loaded)
            elif not is_same_output(entry, batch):
                older[index].append((entry.loaded, _older(entry)))
        image_sets = batch.complete - union(newer[index])
        replaced = tuple(output for shared, output in older[index] if shared & image_sets)
        steps.append(LoadStep(batch, image_sets, replaced))
    steps.sort(key=lambda step: (step.batch.complete.first, str(step.batch.source.path)))
    return LoadPlan(tuple(steps), tuple(already_loaded))


@dataclass(frozen=True)
class Replacement:
    """An output that a newer one, `by`, replaces, partly or wholly; both are paths."""

    path: str
    by: str

    def __str__(self) -> str:
        return f"{self.path}: replaced by {self.by}"

    def to_dict(self) -> dict[str, str]:
        """The two paths, as in JSON reports."""
        return {"path": self.path, "by": self.by}


def replacements(replaced: Iterable[tuple[Older, Batch]]) -> tuple[Replacement, ...]:
    """The replaced outputs, each with the output that replaces it."""
    return tuple(Replacement(older.path, str(newer.source.path)) for older, newer in replaced)


def other_pipelines(replaced: Iterable[tuple[Older, str | None]]) -> list[str]:
    """Notes on outputs that another pipeline's output replaced, one note per pair of pipelines.

    Each item is a replaced output and the pipeline of the output that replaced it.
    """
    paths_by_pipelines: dict[tuple[str, str], list[str]] = {}
    for older, pipeline in replaced:
        if older.pipeline and pipeline and older.pipeline != pipeline:
            paths_by_pipelines.setdefault((older.pipeline, pipeline), []).append(older.path)
    return [
        f"{paths[0]}{f' and {len(paths) - 1} more' if len(paths) > 1 else ''}: replaced by "
        f"outputs of another pipeline (SHA-256 {new[:8]}, before {old[:8]})"
        for (old, new), paths in paths_by_pipelines.items()
    ]


def _older(output: Batch | Entry) -> Older:
    path = output.source.path if isinstance(output, Batch) else output.path
    return Older(str(path), output.signature, output.pipeline)


_Held = tuple[Entry, ...]


def _split(
    batches: Sequence[Batch], ledger: Loaded
) -> tuple[list[tuple[Batch, _Held]], list[LoadStep]]:
    """Separates the batches to load from those whose content the ledger or another batch has.

    The former come with the entries that hold some of their image sets. Only a batch that shares
    its format and image sets with another can be a copy; only such a batch is read for its
    fingerprint.
    """
    batches_like: dict[tuple[str, ImageSets], int] = {}
    for batch in batches:
        key = (batch.source.format, batch.image_sets)
        batches_like[key] = batches_like.get(key, 0) + bool(batch.complete)
    fresh: list[tuple[Batch, _Held]] = []
    already_loaded: list[LoadStep] = []
    by_content: dict[str, Batch] = {}
    for batch in batches:
        if not batch.complete:
            continue
        key = (batch.source.format, batch.image_sets)
        held = ledger.holding(batch.complete)
        loaded = _loaded_alike(batch, held)
        if loaded or batches_like[key] > 1:
            with contained(batch.source):
                content = fingerprint(batch.source)
            other = by_content.get(content)
            copied = other is not None and batch.complete <= other.complete
            if copied or (loaded is not None and loaded.fingerprint == content):
                already_loaded.append(LoadStep(batch, NONE))
                continue
            by_content[content] = batch
        fresh.append((batch, held))
    return fresh, already_loaded


def _loaded_alike(batch: Batch, held: _Held) -> Entry | None:
    """The entry of the same format and image sets that owns all complete image sets of a batch.

    The ledger also knows content that newer outputs have replaced since. The destination no longer
    holds it, and `batch` may be newer than what replaced it.
    """
    key = batch.source.format, batch.image_sets
    for entry in held:
        if batch.complete <= entry.loaded and (entry.format, entry.image_sets) == key:
            return entry
    return None


def planned_of_readable(
    batches: Sequence[Batch],
    ledger: Loaded,
    succession: Succession,
) -> tuple[LoadPlan, list[tuple[Batch, SourceError]]]:
    """Like `planned`, but leaves out batches that can no longer be read, and returns their errors.

    Raises:
        CollisionError, LossError: as `planned`.
    """
    damaged: list[tuple[Batch, SourceError]] = []
    rest = list(batches)
    while True:
        try:
            return planned(rest, ledger, succession), damaged
        except SourceError as error:
            unreadable = [
                batch
                for batch in rest
                if error.path in map(str, (batch.source.path, *batch.source.files))
            ]
            if not unreadable:
                raise
            damaged += [(batch, error) for batch in unreadable]
            rest = without(rest, unreadable)


def without(batches: Iterable[Batch], others: Iterable[Batch]) -> list[Batch]:
    """Returns the batches that are not among `others`, which are the same objects."""
    excluded = {id(other) for other in others}
    return [batch for batch in batches if id(batch) not in excluded]
