"""Casts values to the types of their columns: integers, real numbers, text, each wider in turn."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cpexport.cellprofiler.features import INTEGER, REAL, TEXT, promised_type
from cpexport.errors import WidthError
from cpexport.tables.layout import joined


def align(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """Returns `batch` with each column cast to the type of the same column in `schema`.

    The types in `schema` must be wider or equal. Numbers become text in their shortest exact form,
    whole numbers without a decimal point, so that the text does not depend on the types in between.

    Raises:
        WidthError: an integer beyond 2**53 would lose digits as a real number.
    """
    for place, (name, type) in enumerate(zip(batch.schema.names, batch.schema.types, strict=True)):
        wanted = schema.field(name).type
        if type != wanted:
            batch = batch.set_column(place, name, widened(batch.column(place), wanted, name))
    return batch


def together(parts: Sequence[pa.RecordBatch]) -> pa.RecordBatch:
    """Joins all parts of a table; each column gets the widest type of its parts."""
    if len(parts) == 1:
        return parts[0]
    types = joined({"": {f.name: f.type for f in part.schema}} for part in parts)[""]
    schema = pa.schema([pa.field(name, type) for name, type in types.items()])
    table = pa.Table.from_batches([align(part, schema) for part in parts])
    return pa.RecordBatch.from_arrays([c.combine_chunks() for c in table.columns], schema=schema)


def widened(array: pa.Array, type: pa.DataType, name: str) -> pa.Array:
    """The values of the column `name` as a wider type, like `align`.

    Raises:
        WidthError: as in `align`.
    """
    if type == TEXT and array.type == REAL:
        return as_text(array)
    try:
        return array.cast(type)
    except pa.ArrowInvalid as error:
        raise WidthError(name) from error


def numbers_as_promised(object_name: str, feature: str, column: pa.Array) -> pa.Array:
    """Converts real numbers to integers if the feature's name promises them and all are whole.

    Missing values are null in integer columns and NaN in real columns.
    """
    if column.type != REAL:
        return column
    whole = promised_type(object_name, feature) == INTEGER
    if not whole and not column.null_count:
        return column
    values = column.fill_null(float("nan")).to_numpy(zero_copy_only=False)
    if whole:
        missing = np.isnan(values)
        present = values[~missing]
        if (present == np.floor(present)).all() and (np.abs(present) < 2**53).all():
            integers = np.where(missing, 0, values).astype(np.int64)
            return pa.array(integers, INTEGER, mask=missing if missing.any() else None)
    return pa.array(values)


def as_text(numbers: pa.DoubleArray) -> pa.StringArray:
    """Converts real numbers to the shortest text that reads back exactly; NaN becomes null.

    Whole numbers up to 2**53, which are exact, look like integers.

    >>> as_text(pa.array([7.0, -0.0, 0.1, 1e300])).to_pylist()
    ['7', '0', '0.1', '1e+300']
    """
    values = numbers.fill_null(float("nan")).to_numpy(zero_copy_only=False)
    non_nan = pa.array(values, REAL, mask=np.isnan(values))
    whole = (np.abs(values) <= 2**53) & (values == np.floor(values))
    integers = pa.array(np.where(whole, values, 0).astype(np.int64))
    return pc.if_else(pa.array(whole), integers.cast(TEXT), non_nan.cast(TEXT))
