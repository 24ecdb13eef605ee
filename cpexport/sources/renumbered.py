"""Gives the image sets of a source other numbers than its job gave them.

A job that has an image set list of its own counts from 1 (LoadData in CellProfiler 4.2.8,
modules/loaddata.py), so the same numbers mean other images in each job. Here all numbers of image
sets change together: keys, relationships, and the features of objects that refer to an image set.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from cpexport.cellprofiler.features import (
    EXPERIMENT,
    IMAGE,
    IMAGE_NUMBER,
    INTEGER,
    RELATIONSHIP,
    SOURCE_NUMBER,
)
from cpexport.cellprofiler.image_identity import Identities
from cpexport.errors import AS_WRITTEN, SourceError
from cpexport.imagesets import ImageSets
from cpexport.sources.base import Evidence, Opened, Source
from cpexport.tables.casts import together
from cpexport.tables.layout import Features

# TrackObjects (CellProfiler 4.2.8, trackobjects.py, F_PARENT_IMAGE_NUMBER); 0 is no image set.
_REFERS: Final = "TrackObjects_ParentImageNumber_"
_PAIRED: Final = ("image_number1", "image_number2")
_Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class RenumberedSource:
    """A source whose image sets have other numbers.

    given: for each image set that has a row of its own, the job's number and the new one; sorted by
        the job's number, and no number twice.
    keys: what identifies each of these image sets, in the same order.
    features: the features of the keys.
    """

    source: Source
    given: tuple[tuple[int, int], ...]
    keys: tuple[str, ...]
    features: tuple[str, ...]

    @property
    def format(self) -> str:
        return self.source.format

    @property
    def path(self) -> Path:
        return self.source.path

    @property
    def files(self) -> tuple[Path, ...]:
        return self.source.files

    @property
    def evidence_files(self) -> tuple[Path, ...] | None:
        return self.source.evidence_files

    def numbers(self, image_sets: ImageSets) -> Mapping[str, int]:
        """The new numbers of these image sets, by key."""
        given = ((key, new) for key, (_, new) in zip(self.keys, self.given, strict=True))
        return {key: new for key, new in given if new in image_sets}

    def inspect(self) -> Evidence:
        return self.renumbered(self.source.inspect())

    def renumbered(self, evidence: Evidence) -> Evidence:
        """The source's own evidence with the new numbers."""
        new = dict(self.given)
        unknown = evidence.present - ImageSets.of(new)
        why = f"nothing shows which images its {unknown.words} have" if unknown else ""
        images = {**evidence.features.get(IMAGE, {}), SOURCE_NUMBER: INTEGER}
        return replace(
            evidence,
            present=_sets(evidence.present, new),
            measured=_sets(evidence.measured, new),
            skipped=_sets(evidence.skipped, new),
            incomplete={new[n]: why for n, why in evidence.incomplete.items() if n in new},
            missing_tables={
                name: _sets(counted, new) for name, counted in evidence.missing_tables.items()
            },
            identities=self._identities(evidence.identities),
            features={**evidence.features, IMAGE: images},
            unnumbered="; ".join(filter(None, (evidence.unnumbered, why))),
        )

    @contextmanager
    def open(self) -> Iterator[Opened]:
        with self.source.open() as opened:
            yield _RenumberedRows(self, opened)

    def _identities(self, identities: Identities) -> Identities:
        numbers = _Lookup(self)
        known = identities.select(numbers.own)
        new = numbers.of(known.numbers)
        return replace(known, numbers=new).take(np.argsort(new))


class _Lookup:
    """Finds the new numbers of image sets."""

    def __init__(self, source: RenumberedSource) -> None:
        pairs = np.array(source.given, np.int64).reshape(-1, 2)
        self._path = source.path
        self.own, self.new = pairs[:, 0], pairs[:, 1]

    def of(self, numbers: _Numbers) -> _Numbers:
        """The new numbers of these image sets.

        Raises:
            SourceError: one of them has no row in the table of image sets.
        """
        places = np.searchsorted(self.own, numbers)
        known = places < len(self.own)
        known[known] = self.own[places[known]] == numbers[known]
        if not known.all():
            number = int(numbers[~known][0])
            problem = f"refers to image set {number}, but has no row for it"
            raise SourceError(self._path, problem, AS_WRITTEN)
        return self.new[places]


class _RenumberedRows:
    """The open files of a source with other numbers; see `sources.base.Opened`."""

    def __init__(self, source: RenumberedSource, opened: Opened) -> None:
        self._source, self._opened = source, opened
        self._numbers = _Lookup(source)

    @property
    def identities(self) -> Identities:
        return self._source._identities(self._opened.identities)

    def read(self, wanted: ImageSets, types: Features) -> Iterator[tuple[str, pa.RecordBatch]]:
        asked = np.isin(self._numbers.new, np.fromiter(wanted, np.int64, len(wanted)))
        own = ImageSets.of_array(self._numbers.own[asked])
        blocks = self._opened.read(own, types)
        if not bool(np.all(np.diff(self._numbers.new[asked]) > 0)):
            blocks = self._in_order(blocks)
        for name, rows in blocks:
            yield name, self._renumbered(name, rows)

    def _renumbered(self, name: str, rows: pa.RecordBatch) -> pa.RecordBatch:
        if name == EXPERIMENT:
            return rows
        if name == RELATIONSHIP:
            for column in _PAIRED:
                rows = _with(rows, column, self._numbers.of(rows[column].to_numpy()))
            return rows
        own = rows[IMAGE_NUMBER].to_numpy()
        rows = _with(rows, IMAGE_NUMBER, self._numbers.of(own))
        if name == IMAGE and SOURCE_NUMBER in rows.schema.names:
            # Another destination has kept the job's own number.
            return rows
        if name == IMAGE:
            return rows.append_column(SOURCE_NUMBER, pa.array(own))
        for column in rows.schema.names:
            if column.startswith(_REFERS):
                rows = _with(rows, column, self._referred(rows[column]))
        return rows

    def _referred(self, values: pa.Array) -> pa.Array:
        """The new numbers of image sets that other rows refer to; 0 and missing values stay."""
        refers = pc.fill_null(pc.greater(values, 0), False)
        own = values.filter(refers).cast(INTEGER).to_numpy()
        new = pa.array(self._numbers.of(own)).cast(values.type)
        return pc.replace_with_mask(values, refers, new)

    def _in_order(
        self, blocks: Iterator[tuple[str, pa.RecordBatch]]
    ) -> Iterator[tuple[str, pa.RecordBatch]]:
        """Yields all rows of a type at once, in the order of the new numbers."""
        parts: dict[str, list[pa.RecordBatch]] = {}
        for name, rows in blocks:
            parts.setdefault(name, []).append(rows)
        for name, of_type in parts.items():
            rows = together(of_type)
            if name != EXPERIMENT:
                key = _PAIRED[0] if name == RELATIONSHIP else IMAGE_NUMBER
                order = np.argsort(self._numbers.of(rows[key].to_numpy()), kind="stable")
                rows = rows.take(pa.array(order))
            yield name, rows


def _sets(image_sets: ImageSets, new: Mapping[int, int]) -> ImageSets:
    return ImageSets.of(new[number] for number in image_sets if number in new)


def _with(rows: pa.RecordBatch, column: str, values: _Numbers | pa.Array) -> pa.RecordBatch:
    place = rows.schema.get_field_index(column)
    array = values if isinstance(values, pa.Array) else pa.array(values)
    return rows.set_column(place, rows.schema.field(place), array)
