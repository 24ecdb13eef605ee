"""What may take the place of what: the same pictures only, and nothing of an older output lost.

Image sets of one number are replaced by those of a newer output if they are the same pictures, as
far as can be told, and if it has all object types and features of the older one. Whatever else is
meant, a person has to say.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from cpexport.batch import Batch
from cpexport.errors import CollisionError, LossError
from cpexport.features import IMAGE, NUMBER, OBJECT, is_column
from cpexport.imagesets import ImageSets
from cpexport.ledger import Entry
from cpexport.naming import is_kept
from cpexport.ordering import full_name, is_aggregate
from cpexport.pictures import Pictures
from cpexport.samepictures import compared
from cpexport.sinks import Sink
from cpexport.sinks.recalled import pictures as recalled
from cpexport.survey import pictures_of
from cpexport.tables import Features

_Names = Mapping[str, frozenset[str]]

# They say when and in which order modules ran, and not what was measured.
_OF_THE_JOB = ("ExecutionTime_", "Group_", "ImageSet_", "ProcessingStatus")
# Formats with columns' names in place of features', and without means of objects.
_SHORTENED = frozenset({"database", "sqlcsv"})
_SHOWN = 3


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
            untold = self._others(
                newer, pictures_of(newer), str(older.source.path), pictures_of(older), both
            )
        alike = _alike(newer, older.pipeline, older.source.format)
        lost = _lost(self._names(older.features), self._names(newer.features), newer, alike)
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
            untold = self._others(batch, ours, self._sink.name, theirs, there)
        for entry in held:
            self._refuse_loss_there(batch, entry)
        self._refuse_untold(untold)

    def _others(
        self, batch: Batch, ours: Pictures, other: str, theirs: Pictures, both: ImageSets
    ) -> CollisionError | None:
        """Refuses different pictures. Returns what is to be said if nothing tells."""
        found = compared(ours, theirs)
        mine, numbers = batch.source.path, [n for n in found.different if n in both]
        if numbers:
            number = min(numbers)
            raise CollisionError(
                self._sink.name,
                f"image set {number} is one picture in {mine} and another in {other} "
                f"({found.different[number]})",
                "load different runs into destinations of their own, or as runs with "
                "--table-number; name the batch file with --batch if some ran by other numbers; or "
                "say --same-pictures if files were only moved or renamed",
            )
        untold = found.untold & both
        if not untold:
            return None
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
            "say --same-pictures if it is, as after a job was run again; load different runs into "
            "destinations of their own, or as runs with --table-number; and a second analysis of "
            "the same pictures with a --prefix of its own",
        )

    def _refuse_untold(self, untold: CollisionError | None) -> None:
        # Who wants what is there to be replaced has said enough.
        if untold and not self._consent.replace:
            raise untold

    def _refuse_loss_there(self, batch: Batch, entry: Entry) -> None:
        ours, both = self._names(batch.features), entry.loaded
        alike = _alike(batch, entry.pipeline, entry.format)
        if entry.age > batch.age:
            if not alike:
                lost = _lost(ours, self._valued(ours, both), None)
                self._refuse_loss(entry, batch, both, lost)
            return
        layout = self._sink.shape.unshaped(self._sink.layout().features)
        suspect = _lost(_names(layout), ours, batch, alike)
        lost = self._valued(suspect, both) if suspect else {}
        self._refuse_loss(batch, entry, both, lost)

    def _refuse_loss(
        self, newer: Batch | Entry, older: Batch | Entry, both: ImageSets, lost: _Names
    ) -> None:
        if self._consent.replace:
            return
        formats = {_format(newer), _format(older)}
        mixed = len(formats) > 1 and formats & _SHORTENED
        types = sorted(name for name, features in lost.items() if NUMBER in features)
        features = sorted(
            (name, feature)
            for name, some in lost.items()
            if name not in types
            for feature in some
            if not mixed or _by_name(name, feature, lost)
        )
        if not types and not features:
            return
        what = [f"object types {', '.join(types)}"] if types else []
        if features:
            named = ", ".join(f"{feature} of {name}" for name, feature in features[:_SHOWN])
            more = f" and {len(features) - _SHOWN} more" if len(features) > _SHOWN else ""
            what.append(f"{len(features)} features ({named}{more})")
        raise LossError(
            self._sink.name,
            f"{_path(newer)} is newer than {_path(older)} and would replace its image sets {both}, "
            f"but lacks {' and '.join(what)}",
            "load one of them beside the other with a prefix, such as --prefix QC_, if both are "
            "wanted; or say --replace",
        )

    def _names(self, features: Features) -> _Names:
        """What the destination keeps of an output's features, by the job's object types."""
        shape = self._sink.shape
        return _names(shape.unshaped(shape.shaped(features)))

    def _valued(self, wanted: _Names, image_sets: ImageSets) -> _Names:
        """Those features that have a value there in some of the image sets; an object type with
        rows has its number."""
        found: dict[str, frozenset[str]] = {}
        layout = self._sink.layout()
        for name, features in wanted.items():
            together = OBJECT in layout.objects and name != IMAGE
            table, begin = (OBJECT, f"{name}_") if together else (name, "")
            if table in layout.objects:
                own = features if together else features - {NUMBER}
                rows = 0
                valued: set[str] = set()
                read = self._sink.read(table, [begin + f for f in sorted(own)], image_sets)
                for block in read:
                    rows += block.num_rows
                    valued |= {f for f in own - valued if _has_value(block, begin + f)}
                if rows and not together:
                    valued.add(NUMBER)
                if valued & features:
                    found[name] = frozenset(valued & features)
        return found


def is_same_output(entry: Entry, batch: Batch) -> bool:
    """Whether an entry is of this very output, which is loaded again for other object types: such
    entries have no fingerprint any more."""
    ours = (str(batch.source.path), batch.source.format, batch.image_sets, batch.age)
    return not entry.fingerprint and ours == (entry.path, entry.format, entry.image_sets, entry.age)


def _has_value(block: pa.RecordBatch, column: str) -> bool:
    return column in block.schema.names and block[column].null_count < block.num_rows


def _names(features: Features) -> _Names:
    found = {}
    for name, types in features.items():
        own = {f for f in types if is_column(f) and not f.startswith(_OF_THE_JOB)}
        found[name] = frozenset(own if name == IMAGE else own | {NUMBER})
    return found


def _lost(had: _Names, has: _Names, newer: Batch | None, alike: bool = False) -> _Names:
    """The features of `had` that `has` has not, without types of which `newer` counts none: then
    there is nothing that a table could have. Of outputs that are `alike` only whole object types
    can be lost: their table is gone."""
    found: dict[str, frozenset[str]] = {}
    for name, features in had.items():
        if name not in has and newer is not None and _counts_none(newer, name):
            continue
        lost = features - has.get(name, frozenset())
        if lost and not (alike and (name == IMAGE or name in has)):
            found[name] = lost
    return found


def _counts_none(batch: Batch, name: str) -> bool:
    return f"Count_{name}" in batch.features.get(IMAGE, {}) and name not in batch.lacking


def _alike(batch: Batch, pipeline: str | None, format: str) -> bool:
    """Whether an output is of the pipeline of another, and of its format: then it lacks no features
    but those that there were not."""
    return pipeline is not None and (pipeline, format) == (batch.pipeline, batch.source.format)


def _path(one: Batch | Entry) -> str:
    return str(one.source.path) if isinstance(one, Batch) else one.path


def _format(one: Batch | Entry) -> str:
    return one.source.format if isinstance(one, Batch) else one.format


def _by_name(name: str, feature: str, objects: Iterable[str]) -> bool:
    """Whether a feature is known by its name in all formats."""
    own = [o for o in objects if o != IMAGE]
    whole = full_name(name, feature, own)
    return is_kept(whole) and not (name == IMAGE and is_aggregate(feature, own))
