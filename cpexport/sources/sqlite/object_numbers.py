"""Numbers the objects of an ExportToDatabase file that have no number of their own.

An object type has as many rows as Count_<Object> says, numbered 1, 2, 3 ... (CellProfiler 4.2.8,
exporttodatabase.py, write_data_to_db). An exception is MaskObjects when it retains masked objects:
it counts objects that are completely masked, but numbers only those up to the last one with a
remaining part. The numbers of the others are NULL in databases; in the .h5 and CSV of the same run
they are their positions. In a table of several types, shorter types are padded with NULL as well.
"""

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from cpexport.cellprofiler.features import IMAGE_NUMBER, INTEGER, NUMBER
from cpexport.sources.sqlite.schema import ObjectTable

Counts = Mapping[int, int]
"""Image set to the number of its rows in a table; image sets without rows are left out."""


def limit(table: ObjectTable, rows: Counts, counted: Counts, image_set: int) -> int:
    """The largest number of objects of a type that an image set can have in a table.

    It is the number of rows if the table has this type alone, else at most the count in `counted`.
    """
    most = rows.get(image_set, 0)
    return most if len(table.numbers) == 1 else min(most, counted.get(image_set, 0))


def numbered(batch: pa.RecordBatch, limits: Counts) -> pa.RecordBatch:
    """The rows of one object type sorted by image set and number, without padding.

    Objects without a number come after those with one, in their present order. Up to `limits` they
    are real objects and get the next numbers. They get none if the existing numbers are not 1, 2, 3
    and so on.
    """
    own = batch[NUMBER]
    has_number = own.is_valid().to_numpy(zero_copy_only=False)
    if has_number.any() and own.type != INTEGER:
        return batch.filter(own.is_valid())
    numbers = own.fill_null(0).cast(INTEGER).to_numpy(zero_copy_only=False)
    images, each = np.unique(batch[IMAGE_NUMBER].to_numpy(), return_inverse=True)
    numbered_count = np.bincount(each, has_number, len(images)).astype(np.int64)
    last = np.zeros(len(images), np.int64)
    np.maximum.at(last, each, numbers)
    # For each row, count the rows without a number up to it, within its image set.
    unnumbered_so_far = np.cumsum(~has_number)
    before = np.zeros(len(images), np.int64)
    first = np.unique(each, return_index=True)[1]
    before[:] = unnumbered_so_far[first] - ~has_number[first]
    assigned = np.where(
        has_number, numbers, numbered_count[each] + unnumbered_so_far - before[each]
    )
    most = np.array([limits.get(number, 0) for number in images.tolist()], np.int64)
    keep = has_number | ((assigned <= most[each]) & (last == numbered_count)[each])
    place = np.flatnonzero(keep)
    place = place[np.lexsort((assigned[place], each[place]))]
    column = batch.schema.get_field_index(NUMBER)
    rows = batch.set_column(column, NUMBER, pa.array(assigned))
    return rows.take(pa.array(place))
