"""What may take the place of what: the same pictures only, and nothing of an older output lost.

Image sets of one number are replaced by those of a newer output if they are the same pictures, as
far as can be told, and if it has all object types and features of the older one. Whatever else is
meant, a person has to say.
"""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from cpexport import losses
from cpexport.batch import Batch
from cpexport.errors import CollisionError, LossError
from cpexport.features import IMAGE, NUMBER, OBJECT
from cpexport.imagesets import ImageSets
from cpexport.ledger import Entry
from cpexport.losses import Names
from cpexport.pictures import Pictures
from cpexport.samepictures import compared
from cpexport.sinks import Sink
from cpexport.sinks.recalled import pictures as recalled
from cpexport.survey import pictures_of
from cpexport.tables import Features

# Formats with columns' names in place of features', and without means of objects.
_SHORTENED = frozenset({"database", "sqlcsv"})


@dataclass(frozen=True)
class Consent:
    """What a person says: that image sets of one number are the `same_pictures`, and that newer
    outputs are to `replace` older ones that have more."""

    same_pictures: bool = False
    replace: bool = False


class Succession:
    """Tells whether batches may take the place of others, or of what a destination holds."""

    def __init__(self, sink: Sink, consent: Consent) -> None:
        self._sink, self._consent = sink, consent

    def refuse_between(self, newer: Batch, older: Batch, both: ImageSets) -> None:
        """Refuses two batches that have the image sets `both`.

        Raises:
            CollisionError: different pictures, or nothing tells.
            LossError: the newer one lacks something.
        """
        untold = None
        if not self._consent.same_pictures:
            untold = self._others(newer, pictures_of(newer), [older], pictures_of(older), both)
        lost = losses.lost(self._names(older.features), self._names(newer.features), newer)
        if lost and _alike(newer, older.pipeline, older.source.format):
            lost = losses.unmeasured(newer, lost)
        self._refuse_loss(newer, older, both, lost)
        self._refuse_untold(untold)

    def refuse_there(
        self, batch: Batch, held: Sequence[Entry], pictures: Pictures | None = None
    ) -> None:
        """Refuses a batch beside what the destination holds of its image sets, older or newer.
        `pictures` are those of the batch, which else are read.

        Raises:
            CollisionError, LossError: as `refuse_between`.
        """
        held = [entry for entry in held if not is_same_output(entry, batch)]
        untold = None
        if held and not self._consent.same_pictures:
            there = ImageSets.from_ranges(r for entry in held for r in entry.loaded.ranges)
            ours = pictures_of(batch) if pictures is None else pictures
            theirs = recalled(self._sink, there)
            untold = self._others(batch, ours, held, theirs, there)
        for entry in held:
            self._refuse_loss_there(batch, entry)
        self._refuse_untold(untold)

    def _others(
        self,
        batch: Batch,
        ours: Pictures,
        others: Sequence[Batch | Entry],
        theirs: Pictures,
        both: ImageSets,
    ) -> CollisionError | None:
        """Refuses different pictures. Returns what is to be said if nothing tells."""
        found = compared(ours, theirs)
        mine, numbers = _path(batch), [n for n in found.different if n in both]
        if numbers:
            number = min(numbers)
            other = _having(number, others)
            raise CollisionError(
                self._sink.name,
                f"image set {number} is one picture in {mine} and another in {other} "
                f"({found.different[number]})",
                f"{self._as_runs(mine, other)}; or say --same-pictures if files were only moved or "
                "renamed; or give the batch file with --batch if one of them ran by another one; "
                "or load one with a --prefix of its own if they are two analyses of one run",
            )
        untold = found.untold & both
        if not untold:
            return None
        other = _having(untold.first, others)
        why = "there are no file names or metadata to tell them by"
        if untold.first in found.named:
            why = (
                "names of files agree, and not both have MD5Digest_ or PathName_ of them, or "
                "Series_ and Frame_ where a file holds several pictures"
            )
        return CollisionError(
            self._sink.name,
            f"image set {untold.first} is in {mine} and in {other}, and nothing tells whether it "
            f"is the same picture ({why})",
            "say --same-pictures if it is, as after a job was run again; "
            f"{self._as_runs(mine, other)}",
        )

    def _as_runs(self, newer: str, older: str) -> str:
        """What to do with outputs of two runs."""
        one, other = map(shlex.quote, _apart(older, newer))
        if one == other:
            return f"if it is another run now, load {other} into another destination"
        if self._sink.shape.numbered and self._sink.ledger().entries:
            name = shlex.quote(f"{Path(newer).name}-2={_apart(older, newer)[1]}")
            return f"if it is another run, give it a name of its own: {name}"
        if self._sink.shape.numbered:
            return f"if they are two runs, name each of them: {one} {other}"
        where = " and --to another destination" if self._sink.ledger().entries else ""
        return f"if they are two runs, load them with --table-number{where}: {one} {other}"

    def _refuse_untold(self, untold: CollisionError | None) -> None:
        # Who wants what is there to be replaced has said enough.
        if untold and not self._consent.replace:
            raise untold

    def _refuse_loss_there(self, batch: Batch, entry: Entry) -> None:
        ours, both = self._names(batch.features), entry.loaded
        alike = _alike(batch, entry.pipeline, entry.format)
        if entry.age > batch.age:
            # What is NaN everywhere looks lacking once it is loaded. An output that gave way before
            # may do so again.
            if not alike and (batch.source.format, batch.image_sets, batch.age) not in self._known:
                lost = losses.lost(ours, self._valued(ours, entry), None)
                self._refuse_loss(entry, batch, both, lost)
            return
        layout = self._sink.shape.unshaped(self._sink.layout().features)
        suspect = losses.lost(losses.names(layout), ours, batch)
        lost = self._valued(suspect, entry) if suspect else {}
        if lost and alike:
            lost = losses.unmeasured(batch, lost)
        self._refuse_loss(batch, entry, both, lost)

    @cached_property
    def _known(self) -> frozenset[tuple[str, ImageSets, tuple[str, int]]]:
        """The outputs that the ledger had before: format, image sets and age of each."""
        return frozenset((e.format, e.image_sets, e.age) for e in self._sink.ledger().entries)

    def _refuse_loss(
        self, newer: Batch | Entry, older: Batch | Entry, both: ImageSets, lost: Names
    ) -> None:
        if self._consent.replace:
            return
        if isinstance(older, Batch) and lost:
            lost = losses.valued(older, lost, both)
        formats = {_format(newer), _format(older)}
        mixed = len(formats) > 1 and formats & _SHORTENED
        what = losses.described(lost, losses.by_name if mixed else None)
        if not what:
            return
        raise LossError(
            self._sink.name,
            f"{_path(newer)} is newer than {_path(older)} and would replace its {both.words}, "
            f"but lacks {what}",
            f"if both are wanted, {_one_by_one(newer, older)}; or say --replace",
        )

    def _names(self, features: Features) -> Names:
        """What the destination keeps of an output's features, by the job's object types."""
        shape = self._sink.shape
        return losses.names(shape.unshaped(shape.shaped(features)))

    def _valued(self, wanted: Names, entry: Entry) -> Names:
        """Those features that have a value in some image set of the entry; an object type with rows
        has its number. Infinities count, though a destination without them has NULL instead."""
        found: dict[str, frozenset[str]] = {}
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
                    valued |= {f for f in own - valued if losses.has_value(block, begin + f)}
                if rows and not together:
                    valued.add(NUMBER)
                if count := entry.counts.get(layout.parts(table)[0].name):
                    valued |= {f for f in own if begin + f in count.infinite_columns}
                if valued & features:
                    found[name] = frozenset(valued & features)
        return found


def is_same_output(entry: Entry, batch: Batch) -> bool:
    """Whether an entry is of this very output, which is loaded again for other object types: such
    entries have no fingerprint any more."""
    ours = (str(batch.source.path), batch.source.format, batch.image_sets, batch.age)
    return not entry.fingerprint and ours == (entry.path, entry.format, entry.image_sets, entry.age)


def _alike(batch: Batch, pipeline: str | None, format: str) -> bool:
    """Whether an output is of the pipeline of another, and of its format."""
    return pipeline is not None and (pipeline, format) == (batch.pipeline, batch.source.format)


def _path(one: Batch | Entry) -> str:
    return str(one.source.path) if isinstance(one, Batch) else one.path


def _apart(one: str, other: str) -> tuple[str, str]:
    """Where two outputs lie apart: the folders of their runs, if those lie side by side.

    >>> _apart("screen/P1/outputs/batch_1_6", "screen/P2/outputs/batch_1_6")
    ('screen/P1', 'screen/P2')
    >>> _apart("/here/P1/batch_1_6", "/there/P2/batch_1_6")
    ('/here/P1/batch_1_6', '/there/P2/batch_1_6')
    """
    ours, theirs = Path(one).parts, Path(other).parts
    differ = (n for n, (a, b) in enumerate(zip(ours, theirs, strict=False)) if a != b)
    place = next(differ, 0)
    if len(ours) != len(theirs) or ours[:place] in ((), ("/",)):
        return one, other
    return str(Path(*ours[: place + 1])), str(Path(*theirs[: place + 1]))


def _one_by_one(newer: Batch | Entry, older: Batch | Entry) -> str:
    """How to load a second analysis beside the first."""
    first, second = map(shlex.quote, _apart(_path(older), _path(newer)))
    alone = f"load {first} alone, and then " if isinstance(older, Batch) else ""
    return f"{alone}load {second} with a prefix of its own, such as --prefix QC_"


def _having(number: int, others: Sequence[Batch | Entry]) -> str:
    """Which of some outputs an image set is of."""
    found = (o for o in others if number in (o.complete if isinstance(o, Batch) else o.loaded))
    return _path(next(found, others[0]))


def _format(one: Batch | Entry) -> str:
    return one.source.format if isinstance(one, Batch) else one.format
