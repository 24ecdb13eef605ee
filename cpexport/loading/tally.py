"""Counts the rows of a batch as they pass, and gives values the form that destinations store."""

import math
from collections.abc import Iterable, Iterator, Mapping

import numpy as np
import pyarrow as pa

from cpexport.cellprofiler.experiment import EXPERIMENTS
from cpexport.cellprofiler.features import (
    EXPERIMENT,
    IMAGE,
    IMAGE_NUMBER,
    INTEGER,
    REAL,
    RELATIONSHIP,
    TEXT,
)
from cpexport.cellprofiler.image_identity import Identities
from cpexport.loading.limits import check_object_numbers, check_text
from cpexport.sinks.ledger import Count
from cpexport.tables.casts import numbers_as_promised
from cpexport.tables.layout import children_as_child, joined
from cpexport.tables.options import TableOptions


class Tally:
    """Collects the types and counts of a batch's rows as they pass (see `Decoded`).

    `images` are the destination's types for the features of image sets.
    """

    def __init__(self, shape: TableOptions, images: Mapping[str, pa.DataType]) -> None:
        self.types: dict[str, Mapping[str, pa.DataType]] = {}
        self.counts: dict[str, Count] = {}
        self.unmapped = 0
        self.measured: dict[str, float] = {}
        self._shape, self._images = shape, images

    def settled(
        self, parts: Iterable[tuple[str, pa.RecordBatch]], identities: Identities
    ) -> Iterator[tuple[str, pa.RecordBatch]]:
        """Yields the rows that the shape keeps, with values as destinations store them."""
        for name, rows in parts:
            if name == EXPERIMENT:
                for column in EXPERIMENTS.names:
                    check_text(column, rows[column])
                numbers = rows.drop_columns(EXPERIMENTS.names)
                self.measured |= {n: numbers[n][0].as_py() for n in numbers.schema.names}
                yield name, rows.select(EXPERIMENTS.names)
            elif self._shape.keeps(name):
                check_object_numbers(name, rows)
                rows = self._without_left_out(name, rows)
                rows = _settled(name, rows)
                if name == IMAGE:
                    selected = identities.select(rows[IMAGE_NUMBER].to_numpy())
                    rows = _as_written(rows, selected, self._images)
                rows, unmapped = self._shape.paths.mapped(rows)
                self.unmapped += unmapped
                self._add(name, rows)
                yield name, rows
            else:
                # The ledger records all tables of an output, also those that are not loaded.
                self.counts[name] = Count(0)

    def _without_left_out(self, name: str, rows: pa.RecordBatch) -> pa.RecordBatch:
        if self._shape.keeps_all:
            return rows
        return rows.select([f for f in rows.schema.names if self._shape.keeps_feature(name, f)])

    def _add(self, name: str, rows: pa.RecordBatch) -> None:
        count = _count(rows)
        self.counts[name] = self.counts[name] + count if name in self.counts else count
        if name != RELATIONSHIP:
            types = dict(zip(rows.schema.names, rows.schema.types, strict=True))
            del types[IMAGE_NUMBER]
            before = {name: self.types.get(name, {})}
            self.types |= joined([before, {name: types}])


def _settled(name: str, rows: pa.RecordBatch) -> pa.RecordBatch:
    """Stores whole numbers as integers where the feature's name promises them, and NaN for missing
    real numbers."""
    if name == RELATIONSHIP:
        return children_as_child(rows)
    arrays = [
        numbers_as_promised(name, feature, array)
        for feature, array in zip(rows.schema.names, rows.columns, strict=True)
    ]
    return pa.RecordBatch.from_arrays(arrays, names=rows.schema.names)


def _as_written(
    rows: pa.RecordBatch, identities: Identities, types: Mapping[str, pa.DataType]
) -> pa.RecordBatch:
    """Restores metadata as the job wrote it, `1.0` and not `1`, where the destination has text."""
    arrays = [
        identities.columns[field.name]
        if field.name in identities.columns and types.get(field.name) == TEXT
        else array
        for field, array in zip(rows.schema, rows.columns, strict=True)
    ]
    return pa.RecordBatch.from_arrays(arrays, names=rows.schema.names)


def _count(rows: pa.RecordBatch) -> Count:
    missing, infinite = 0, {}
    with np.errstate(invalid="ignore", over="ignore"):
        for name, array in zip(rows.schema.names, rows.columns, strict=True):
            if array.type == REAL:
                values = array.to_numpy()
                # A sum is finite only if all values are, and costs a fraction of a test of each.
                if not math.isfinite(np.add.reduce(values)):
                    missing += int(np.isnan(values).sum())
                    if count := int(np.isinf(values).sum()):
                        infinite[name] = count
            elif array.type == INTEGER:
                missing += array.null_count
            elif array.type == TEXT:
                check_text(name, array)
    return Count(rows.num_rows, missing, sum(infinite.values()), infinite)
