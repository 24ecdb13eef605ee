"""Selects the columns of rows that a destination's table has, with its names and types."""

import math
from collections.abc import Iterator, Sequence
from itertools import tee

import numpy as np
import pyarrow as pa

from cpexport.cellprofiler.features import NULL, REAL
from cpexport.sinks.sql.scope import Scope
from cpexport.tables.casts import widened
from cpexport.tables.layout import Table


class ColumnProjection:
    """Maps the columns of rows to tables. The mapping is kept for each table, as most batches of a
    run are alike."""

    def __init__(self) -> None:
        self._known: dict[str, _Fit] = {}

    def parted(
        self, tables: Sequence[Table], scope: Scope, rows: pa.RecordBatchReader, finite: bool
    ) -> Iterator[tuple[str, Sequence[str], Iterator[pa.RecordBatch]]]:
        """Splits rows between the tables that each take some of their columns. Yields each table's
        name, the table's names of the columns, and blocks of them with the table's types.

        If `finite`, infinities become NaN, which destinations store as NULL. That includes columns
        that the table has as text, so that a column has the same values whether it becomes text
        before or after these rows.
        """
        schema, blocks = scope.named(rows.schema), map(scope.numbered, rows)
        if finite:
            blocks = map(without_infinities, blocks)
        for table, mine in zip(tables, tee(blocks, len(tables)), strict=True):
            fit = self._known.get(table.name)
            if fit is None or fit.table is not table or not fit.rows.equals(schema):
                fit = self._known[table.name] = _Fit(table, schema)
            yield table.name, fit.names, map(fit.of, mine)


class _Fit:
    """The columns that a table takes of rows with one schema; `names` are the table's names."""

    def __init__(self, table: Table, rows: pa.Schema) -> None:
        self.table, self.rows = table, rows
        known = {column.feature: column for column in table.columns}
        taken = [
            (place, known[field.name])
            for place, field in enumerate(rows)
            if field.name in known and field.type != NULL
        ]
        self.names = [*table.key, *(column.name for _, column in taken)]
        self._places = [*range(len(table.key)), *(place for place, _ in taken)]
        self._all = self._places == [*range(len(rows))]
        self._narrower = [
            (number, column)
            for number, (place, column) in enumerate(taken, len(table.key))
            if rows.field(place).type != column.type
        ]

    def of(self, block: pa.RecordBatch) -> pa.RecordBatch:
        """The columns that the table takes, in the order of `names`, with the table's types."""
        # Assembling a block of hundreds of columns takes as long as writing some rows.
        chosen = block if self._all else block.select(self._places)
        for place, column in self._narrower:
            array = widened(chosen.column(place), column.type, column.name)
            chosen = chosen.set_column(place, column.name, array)
        return chosen


def without_infinities(rows: pa.RecordBatch) -> pa.RecordBatch:
    """Replaces each infinity by NaN."""
    # A sum is finite only if all values are: most columns need no second look.
    with np.errstate(invalid="ignore", over="ignore"):
        finite = [_without_infinities(a) if a.type == REAL else a for a in rows.columns]
    return pa.RecordBatch.from_arrays(finite, schema=rows.schema)


def _without_infinities(array: pa.Array) -> pa.Array:
    if array.null_count:
        array = array.fill_null(float("nan"))
    values = array.to_numpy()
    if math.isfinite(np.add.reduce(values)):
        return array
    infinite = np.isinf(values)
    return pa.array(np.where(infinite, np.nan, values)) if infinite.any() else array


def missing_as_null(rows: pa.RecordBatch) -> pa.RecordBatch:
    """Replaces each NaN by null."""
    with np.errstate(invalid="ignore", over="ignore"):
        arrays = [_without_nan(a) if a.type == REAL else a for a in rows.columns]
    return pa.RecordBatch.from_arrays(arrays, schema=rows.schema)


def _without_nan(array: pa.Array) -> pa.Array:
    values = array.to_numpy(zero_copy_only=False)
    # A sum is finite only if all values are, and costs a fraction of a look at each value.
    finite = math.isfinite(np.add.reduce(values))
    return array if finite else pa.array(values, REAL, from_pandas=True)
