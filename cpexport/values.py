"""Values made to fit their columns: integers, real numbers, text, each wider than the last."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cpexport.errors import WidthError
from cpexport.features import INTEGER, REAL, TEXT, promised_type


def align(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """`batch` with the types of the columns of `schema` of the same names, which must be wider.

    Numbers become text as their shortest exact form, whole numbers without a decimal point, so
    that the text does not depend on which types a column went through before.

    Raises:
        WidthError: an integer beyond 2**53 would lose digits as a real number.
    """
    for place, (name, type) in enumerate(zip(batch.schema.names, batch.schema.types, strict=True)):
        wanted = schema.field(name).type
        if type != wanted:
            batch = batch.set_column(place, name, widened(batch.column(place), wanted, name))
    return batch


def widened(array: pa.Array, type: pa.DataType, name: str) -> pa.Array:
    """The values of the column `name` as a wider type, as `align` makes them.

    Raises:
        WidthError: as `align`.
    """
    if type == TEXT and array.type == REAL:
        return as_text(array)
    try:
        return array.cast(type)
    except pa.ArrowInvalid as error:
        raise WidthError(name) from error


def numbers_as_promised(object_name: str, feature: str, column: pa.Array) -> pa.Array:
    """A column of real numbers as integers where the name promises them and all of them are whole.

    Missing numbers are null in columns of integers, NaN in columns of real numbers.
    """
    if column.type != REAL:
        return column
    whole = promised_type(object_name, feature) == INTEGER
    if not whole and not column.null_count:
        return column
    values = column.fill_null(float("nan")).to_numpy(zero_copy_only=False)
    if whole:
        missing = np.isnan(values)
        known = values[~missing]
        if (known == np.floor(known)).all() and (np.abs(known) < 2**53).all():
            integers = np.where(missing, 0, values).astype(np.int64)
            return pa.array(integers, INTEGER, mask=missing if missing.any() else None)
    return pa.array(values)


def as_text(numbers: pa.DoubleArray) -> pa.StringArray:
    """Real numbers as the shortest text that reads back exactly; NaN is null.

    Whole numbers read like integers as long as those are exact, up to 2**53.

    >>> as_text(pa.array([7.0, -0.0, 0.1, 1e300])).to_pylist()
    ['7', '0', '0.1', '1e+300']
    """
    values = numbers.fill_null(float("nan")).to_numpy(zero_copy_only=False)
    known = pa.array(values, REAL, mask=np.isnan(values))
    whole = (np.abs(values) <= 2**53) & (values == np.floor(values))
    integers = pa.array(np.where(whole, values, 0).astype(np.int64))
    return pc.if_else(pa.array(whole), integers.cast(TEXT), known.cast(TEXT))
