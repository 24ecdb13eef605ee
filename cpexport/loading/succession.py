"""Decides which outputs may replace which.

A newer output replaces the image sets of an older one that have the same numbers, if the images are
the same as far as the files show, and if the newer output has all object types and features of the
older one. Anything else needs the user's consent.
"""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import takewhile
from operator import eq
from pathlib import Path

from cpexport.cellprofiler.features import IMAGE, NUMBER, OBJECT, REAL
from cpexport.cellprofiler.image_identity import Identities
from cpexport.cellprofiler.image_keys import parts
from cpexport.cellprofiler.same_image import compared
from cpexport.errors import CollisionError, LossError
from cpexport.imagesets import ImageSets
from cpexport.loading import lost_features
from cpexport.loading.lost_features import Names
from cpexport.loading.surveyed import identities_of
from cpexport.sinks.base import Sink
from cpexport.sinks.ledger import Entry
from cpexport.sinks.sql.loaded_images import identities as recalled
from cpexport.sources.base import Batch
from cpexport.sources.renumbered import RenumberedSource
from cpexport.tables.layout import Features

# Formats that name columns instead of features, and have no means of objects.
_SHORTENED = frozenset({"database", "sqlcsv"})
_OWN = (
    "if each job counts its image sets from 1, name the metadata that tells them apart with --key"
)
_MORE = "if more metadata tells them apart, name all of it with --key"


@dataclass(frozen=True)
class Consent:
    """What the user allows.

    same_pictures: image sets with the same number have the same images.
    replace: newer outputs may replace older ones that have more features.
    """

    same_pictures: bool = False
    replace: bool = False


class Succession:
    """Checks whether batches may replace each other, or what a destination holds."""

    def __init__(self, sink: Sink, consent: Consent) -> None:
        self._sink, self._consent = sink, consent

    def check_between(self, newer: Batch, older: Batch, both: ImageSets) -> None:
        """Checks that a newer batch may replace an older one in the image sets `both`.

        Raises:
            CollisionError: the images differ, or nothing tells whether they are the same.
            LossError: the newer batch lacks something.
        """
        undecided = None
        if not self._consent.same_pictures:
            undecided = self._compare_images(
                newer, identities_of(newer), [older], identities_of(older), both
            )
        none = lost_features.counted_none(newer)
        lost = lost_features.lost(self._names(older.features), self._names(newer.features), none)
        if lost and _alike(newer, older.pipeline, older.source.format):
            lost = lost_features.unmeasured(newer, lost)
        self._check_loss(newer, older, both, lost)
        self._check_undecided(undecided)

    def check_loaded(
        self, batch: Batch, held: Sequence[Entry], identities: Identities | None = None
    ) -> None:
        """Checks a batch against the entries that hold its image sets, older or newer ones.

        `identities` are the batch's own; they are read from it if they are not given.

        Raises:
            CollisionError, LossError: as `check_between`.
        """
        held = [entry for entry in held if not is_same_output(entry, batch)]
        undecided = None
        if held and not self._consent.same_pictures:
            loaded = ImageSets.from_ranges(r for entry in held for r in entry.loaded.ranges)
            ours = identities_of(batch) if identities is None else identities
            theirs = recalled(self._sink, loaded)
            undecided = self._compare_images(batch, ours, held, theirs, loaded)
        for entry in held:
            self._check_loss_of_loaded(batch, entry)
        self._check_undecided(undecided)

    def _compare_images(
        self,
        batch: Batch,
        ours: Identities,
        others: Sequence[Batch | Entry],
        theirs: Identities,
        both: ImageSets,
    ) -> CollisionError | None:
        """Compares the images of `both`; returns an error if nothing tells whether they agree.

        Raises:
            CollisionError: the images differ.
        """
        comparison = compared(ours, theirs)
        path, numbers = _path(batch), [n for n in comparison.different if n in both]
        if numbers:
            number = min(numbers)
            other = _having(number, others)
            key = _key_of(batch, number)
            raise CollisionError(
                self._sink.name,
                f"image set {key or number} has different images in {path} and in {other} "
                f"({comparison.different[number]})",
                f"{self._as_runs(path, other)}; {_MORE if key else _OWN}; if files were only moved "
                "or renamed, add --same-pictures; if one of them ran with another batch file, name "
                "the right one with --batch; if they are two analyses of one run, load one with "
                "its own --prefix",
            )
        unsure = comparison.undecided & both
        if not unsure:
            return None
        other = _having(unsure.first, others)
        why = "no file names or metadata to compare"
        if unsure.first in comparison.named:
            why = (
                "their file names agree, but not both have MD5Digest_ or PathName_, or "
                "Series_ and Frame_ for files with several images"
            )
        return CollisionError(
            self._sink.name,
            f"image set {unsure.first} is in {path} and in {other}, and nothing shows whether "
            f"it has the same images ({why})",
            "if it has, for example after a job ran again, add --same-pictures; "
            f"{self._as_runs(path, other)}; {_OWN}",
        )

    def _as_runs(self, newer: str, older: str) -> str:
        """Advises what to do if the outputs belong to two runs."""
        one, other = map(shlex.quote, _apart(older, newer))
        if one == other:
            return f"if it is now another run, load {other} into another destination"
        if self._sink.shape.numbered and self._sink.ledger.summary().batches:
            name = shlex.quote(f"{Path(newer).name}-2={_apart(older, newer)[1]}")
            return f"if it is another run, name it: {name}"
        if self._sink.shape.numbered:
            return f"if they are two runs, name each of them: {one} {other}"
        where = " and another destination (--to)" if self._sink.ledger.summary().batches else ""
        return f"if they are two runs, load them with --table-number{where}: {one} {other}"

    def _check_undecided(self, error: CollisionError | None) -> None:
        # Users who allow replacement accept images that cannot be compared.
        if error and not self._consent.replace:
            raise error

    def _check_loss_of_loaded(self, batch: Batch, entry: Entry) -> None:
        ours, both = self._names(batch.features), entry.loaded
        alike = _alike(batch, entry.pipeline, entry.format)
        if entry.age > batch.age:
            # An output that gave way before may do so again.
            if not alike and (batch.source.format, batch.image_sets, batch.age) not in self._known:
                self._check_loss(entry, batch, both, self._lost_by_entry(ours, entry))
            return
        layout = self._sink.shape.unshaped(self._sink.layout().features)
        none = lost_features.counted_none(batch)
        suspect = lost_features.lost(lost_features.names(layout), ours, none)
        lost = self._valued(suspect, entry) if suspect else {}
        if lost and alike:
            lost = lost_features.unmeasured(batch, lost)
        self._check_loss(batch, entry, both, lost)

    def _lost_by_entry(self, wanted: Names, entry: Entry) -> Names:
        """The wanted features that a loaded output lacks."""
        if entry.recorded is None:
            # What is NaN everywhere looks lacking once it is loaded.
            return lost_features.lost(wanted, self._valued(wanted, entry))
        # Types do not matter for names.
        recorded = entry.recorded.features.items()
        features = {name: dict.fromkeys(features, REAL) for name, features in recorded}
        return lost_features.lost(wanted, self._names(features), entry.recorded.counted_none)

    @cached_property
    def _known(self) -> frozenset[tuple[str, ImageSets, tuple[str, int]]]:
        """The outputs that the ledger had before: format, image sets and age of each."""
        return frozenset((e.format, e.image_sets, e.age) for e in self._sink.ledger.read().entries)

    def _check_loss(
        self, newer: Batch | Entry, older: Batch | Entry, both: ImageSets, lost: Names
    ) -> None:
        if self._consent.replace:
            return
        if isinstance(older, Batch) and lost:
            lost = lost_features.valued(older, lost, both)
        formats = {_format(newer), _format(older)}
        mixed = len(formats) > 1 and formats & _SHORTENED
        what = lost_features.described(lost, lost_features.by_name if mixed else None)
        if not what:
            return
        raise LossError(
            self._sink.name,
            f"{_path(newer)} is newer than {_path(older)} and would replace its {both.words}, "
            f"but lacks {what}",
            f"to keep both, {_one_by_one(newer, older)}; to replace the older one, add --replace",
        )

    def _names(self, features: Features) -> Names:
        """The features of an output that the destination keeps, by the job's object types."""
        shape = self._sink.shape
        return lost_features.names(shape.unshaped(shape.shaped(features)))

    def _valued(self, wanted: Names, entry: Entry) -> Names:
        """Returns the wanted features that have a value in some image set of the entry.

        An object type with rows has its number. Infinities count as values, although a destination
        that cannot store them has NULL.
        """
        with_values: dict[str, frozenset[str]] = {}
        layout = self._sink.layout()
        for name, features in wanted.items():
            together = OBJECT in layout.objects and name != IMAGE
            table, begin = (OBJECT, f"{name}_") if together else (name, "")
            if table in layout.objects:
                own = features if together else features - {NUMBER}
                rows = 0
                valued: set[str] = set()
                read = self._sink.read(table, [begin + f for f in sorted(own)], entry.loaded)
                for block in read:
                    rows += block.num_rows
                    valued |= {f for f in own - valued if lost_features.has_value(block, begin + f)}
                if rows and not together:
                    valued.add(NUMBER)
                if count := entry.counts.get(layout.parts(table)[0].name):
                    valued |= {f for f in own if begin + f in count.infinite_columns}
                if valued & features:
                    with_values[name] = frozenset(valued & features)
        return with_values


def is_same_output(entry: Entry, batch: Batch) -> bool:
    """Whether an entry belongs to this same output, which is loaded again for other object types.

    Such entries no longer have a fingerprint.
    """
    ours = (str(batch.source.path), batch.source.format, batch.image_sets, batch.age)
    return not entry.fingerprint and ours == (entry.path, entry.format, entry.image_sets, entry.age)


def _alike(batch: Batch, pipeline: str | None, format: str) -> bool:
    """Whether a batch has this pipeline, if it is known, and this format."""
    return pipeline is not None and (pipeline, format) == (batch.pipeline, batch.source.format)


def _key_of(batch: Batch, number: int) -> str:
    """The metadata of an image set that is identified by it: `Metadata_Well A01`; else empty."""
    if not isinstance(batch.source, RenumberedSource):
        return ""
    key = next(iter(batch.source.numbers(ImageSets.of([number]))), None)
    values = parts(key) if key else ()
    return ", ".join(map(" ".join, zip(batch.source.features, values, strict=False)))


def _path(output: Batch | Entry) -> str:
    return str(output.source.path) if isinstance(output, Batch) else output.path


def _apart(one: str, other: str) -> tuple[str, str]:
    """Shortens the paths of two outputs to the folders of their runs: those that lie side by side,
    or else those below which both have the same path.

    >>> _apart("screen/P1/outputs/batch_1_6", "screen/P2/outputs/batch_1_6")
    ('screen/P1', 'screen/P2')
    >>> _apart("screen/outputs/batch_1_6", "P2/batch_1_6")
    ('screen/outputs', 'P2')
    """
    ours, theirs = Path(one).parts, Path(other).parts
    differ = (n for n, (a, b) in enumerate(zip(ours, theirs, strict=False)) if a != b)
    index = next(differ, 0)
    if len(ours) != len(theirs) or ours[:index] in ((), ("/",)):
        same = sum(takewhile(bool, map(eq, reversed(ours[1:]), reversed(theirs[1:]))))
        return str(Path(*ours[: len(ours) - same])), str(Path(*theirs[: len(theirs) - same]))
    return str(Path(*ours[: index + 1])), str(Path(*theirs[: index + 1]))


def _one_by_one(newer: Batch | Entry, older: Batch | Entry) -> str:
    """Advises how to load a second analysis next to the first."""
    first, second = map(shlex.quote, _apart(_path(older), _path(newer)))
    alone = f"load {first} alone, then " if isinstance(older, Batch) else ""
    return f"{alone}load {second} with its own prefix, such as --prefix QC_"


def _having(number: int, others: Sequence[Batch | Entry]) -> str:
    """The path of the first output that has an image set."""
    having = (o for o in others if number in (o.complete if isinstance(o, Batch) else o.loaded))
    return _path(next(having, others[0]))


def _format(output: Batch | Entry) -> str:
    return output.source.format if isinstance(output, Batch) else output.format
