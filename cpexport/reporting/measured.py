"""Reads a destination block by block, and adds its values up by well and by time of the jobs."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import pyarrow as pa

from cpexport.cellprofiler.features import IMAGE, IMAGE_NUMBER
from cpexport.cellprofiler.image_set_names import PlaceFeatures
from cpexport.derived.treatment_table import table_name
from cpexport.reporting.places import NOWHERE, Located, Numbers, Places
from cpexport.sinks.base import Sink
from cpexport.sinks.ledger import Entry
from cpexport.tables.aggregates import Floats, numbers

TIMES: Final = 60
"""The most points in time: batches that ended one after the other share one."""


@dataclass
class Sums:
    """Sums and numbers of finite values, with a row for each feature and a column for each key.

    Keys count from 0, and there can be more with each block.
    """

    features: int

    def __post_init__(self) -> None:
        self.sums: Floats = np.zeros((self.features, 0))
        self.counts: Numbers = np.zeros((self.features, 0), np.int64)
        self.rows: Numbers = np.zeros(0, np.int64)

    def add(self, keys: Numbers, values: Sequence[Floats]) -> None:
        """Adds the values of some rows, an array for each feature. Rows with negative keys do not
        count."""
        known = keys >= 0
        keys = keys[known]
        self._grow(int(keys.max(initial=-1)) + 1)
        length = len(self.rows)
        self.rows += np.bincount(keys, minlength=length)
        for place, column in enumerate(values):
            own = column[known]
            finite = np.isfinite(own)
            self.sums[place] += np.bincount(keys[finite], own[finite], minlength=length)
            self.counts[place] += np.bincount(keys[finite], minlength=length)

    def _grow(self, length: int) -> None:
        if length > len(self.rows):
            more = max(length, 2 * len(self.rows)) - len(self.rows)
            self.rows = np.pad(self.rows, (0, more))
            width = ((0, 0), (0, more))
            self.sums, self.counts = np.pad(self.sums, width), np.pad(self.counts, width)

    def to_length(self, length: int) -> None:
        """Gives the arrays exactly this many keys, at least those that were added."""
        self._grow(length)
        self.rows = self.rows[:length]
        self.sums, self.counts = self.sums[:, :length], self.counts[:, :length]


@dataclass(frozen=True)
class Controls:
    """Wells that are controls because their image sets have a value in a metadata feature."""

    feature: str
    value: str
    wells: set[int] = field(default_factory=set)

    def add(self, where: Numbers, column: pa.Array) -> None:
        """Notes the wells of the rows with the value."""
        same = np.array([str(value) == self.value for value in column.to_pylist()], bool)
        self.wells.update(np.unique(where[same & (where != NOWHERE)]).tolist())


@dataclass
class Measured:
    """The image features of a destination, added up by well (`Places.wells`) and by time.

    times: when the first job of each point in time ended; empty where jobs do not say it.
    read: how many image sets were read.
    """

    features: tuple[str, ...]
    wells: Sums
    by_time: Sums
    times: list[str] = field(default_factory=list)
    read: int = 0

    @classmethod
    def none(cls, features: Sequence[str] = ()) -> "Measured":
        """Nothing yet."""
        return cls(tuple(features), Sums(len(features)), Sums(len(features)))

    def add(
        self,
        sink: Sink,
        places: Places,
        where_from: PlaceFeatures,
        plate_prefix: str = "",
        controls: Sequence[Controls] = (),
    ) -> Located:
        """Reads all image sets of the sink's run; returns where they are.

        Raises:
            SinkError: the destination cannot be read.
        """
        times = TimeLine.of(list(sink.ledger.entries()), len(self.times))
        self.times += times.labels
        tags = [where_from.plate, where_from.well, where_from.row, where_from.column]
        tags += where_from.parts.values()
        asked = dict.fromkeys([*filter(None, tags), *(c.feature for c in controls), *self.features])
        located = []
        for rows in sink.read(IMAGE, list(asked)):
            columns = dict(zip(rows.schema.names, rows.columns, strict=True))
            image_sets = columns[IMAGE_NUMBER].to_numpy().astype(np.int64)
            where, parts = places.locate(where_from, columns, plate_prefix)
            values = [_finite(columns, name, len(image_sets)) for name in self.features]
            self.wells.add(where, values)
            self.by_time.add(times.of_sets(image_sets), values)
            for control in controls:
                control.add(where, columns[control.feature])
            self.read += len(image_sets)
            located.append(Located(image_sets, where, parts))
        return Located.joined(located)


def _finite(columns: Mapping[str, pa.Array], name: str, length: int) -> Floats:
    return numbers(columns[name]) if name in columns else np.full(length, np.nan)


@dataclass(frozen=True)
class TimeLine:
    """Batches in the order in which their jobs ended, in at most `TIMES` groups.

    labels: when the first job of each group ended; empty if it is not known.
    """

    labels: list[str]
    _firsts: Numbers
    _lasts: Numbers
    _groups: Numbers

    @classmethod
    def of(cls, entries: Sequence[Entry], begin: int = 0) -> "TimeLine":
        """The groups of these entries, numbered from `begin`."""
        ordered = sorted((entry for entry in entries if entry.loaded), key=lambda entry: entry.age)
        size = -(-len(ordered) // TIMES) or 1
        labels = [entry.age[0] for entry in ordered[::size]]
        ranges = sorted(
            (first, last, begin + place // size)
            for place, entry in enumerate(ordered)
            for first, last in entry.loaded.ranges
        )
        firsts, lasts, groups = np.array(ranges, np.int64).reshape(-1, 3).T
        return cls(labels, firsts, lasts, groups)

    def of_sets(self, image_sets: Numbers) -> Numbers:
        """The group of each image set; negative for one that no batch has."""
        if not len(self._firsts):
            return np.full(len(image_sets), NOWHERE)
        at = np.maximum(np.searchsorted(self._firsts, image_sets, "right") - 1, 0)
        inside = (self._firsts[at] <= image_sets) & (image_sets <= self._lasts[at])
        return np.where(inside, self._groups[at], NOWHERE)


def well_table_columns(sink: Sink, prefix: str) -> Mapping[str, tuple[str, ...]]:
    """The columns of the tables of wells that CellProfiler has too, such as Per_Well_avg."""
    begin, other = f"{prefix}Per_Well_", table_name(prefix)
    tables = sink.derived_tables().items()
    return {t: names for t, names in tables if t.startswith(begin) and t != other}


def read_well_table(
    sink: Sink,
    table: str,
    keys: PlaceFeatures,
    columns: Sequence[str],
    places: Places,
    plate_prefix: str = "",
) -> Iterator[tuple[int, tuple[object, ...]]]:
    """Yields the number of a well and its values in a table of wells.

    keys: the columns of the table that name plate and well.
    plate_prefix: begins the names of all plates.
    """
    own = [name for name in (keys.plate, keys.well, keys.row, keys.column) if name]
    rows = sink.read_derived_table(table, [*own, *columns])
    if not rows:
        return
    texts = {name: pa.array([row[i] for row in rows]) for i, name in enumerate(own)}
    where, _ = places.locate(keys, texts, plate_prefix)
    for row, well in zip(rows, where.tolist(), strict=True):
        if well != NOWHERE:
            yield well, row[len(own) :]
