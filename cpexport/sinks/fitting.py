"""Rows as one table of a destination takes them: its columns, by its names, of its types."""

import numpy as np
import pyarrow as pa

from cpexport.features import NULL, REAL
from cpexport.tables import Table
from cpexport.values import align


def fitted(table: Table, rows: pa.RecordBatch, *, infinite: bool = False) -> pa.RecordBatch:
    """The columns of one table (part), named and typed as there; infinities become NaN, unless
    they can stay, or there are none: then they are `infinite`.

    Destinations take NaN for NULL.
    """
    types = rows.schema.types
    place = {name: i for i, name in enumerate(rows.schema.names) if types[i] != NULL}
    columns = [(c.name, place[c.feature]) for c in table.columns if c.feature in place]
    names = [*table.key, *(name for name, _ in columns)]
    chosen = rows.select([*range(len(table.key)), *(i for _, i in columns)])
    aligned = align(chosen.rename_columns(names), table.schema)
    return aligned if infinite else without_infinities(aligned)


def without_infinities(rows: pa.RecordBatch) -> pa.RecordBatch:
    """Rows with NaN for each infinity."""
    # A sum is finite only if all values are, and NaN if one is: most columns need no second look.
    with np.errstate(invalid="ignore", over="ignore"):
        finite = [_without_infinities(a) if a.type == REAL else a for a in rows.columns]
    return pa.RecordBatch.from_arrays(finite, schema=rows.schema)


def _without_infinities(array: pa.Array) -> pa.Array:
    if array.null_count:
        array = array.fill_null(float("nan"))
    values = array.to_numpy()
    if np.isfinite(np.add.reduce(values)):
        return array
    infinite = np.isinf(values)
    return pa.array(np.where(infinite, np.nan, values)) if infinite.any() else array


def missing_as_null(rows: pa.RecordBatch) -> pa.RecordBatch:
    """Rows with null for each NaN."""
    arrays = [_without_nan(a) if a.type == REAL else a for a in rows.columns]
    return pa.RecordBatch.from_arrays(arrays, schema=rows.schema)


def _without_nan(array: pa.Array) -> pa.Array:
    values = array.to_numpy(zero_copy_only=False)
    # A sum is finite only if all values are, and costs a fraction of looking at each.
    with np.errstate(invalid="ignore", over="ignore"):
        finite = np.isfinite(values.sum())
    return array if finite else pa.array(values, REAL, from_pandas=True)
