"""The numbers of objects in an ExportToDatabase file, where some have none.

An object type has as many rows as Count_<Object> says, numbered 1, 2, 3 ... (CellProfiler 4.2.8,
exporttodatabase.py, write_data_to_db). But MaskObjects that retains what it masks counts objects of
which nothing is left, and numbers only those up to the last of which something is: the numbers of
the others are NULL in databases, and in its .h5 and CSV of the same run they are the n-th. In a
table of several types, types with fewer objects than another are padded with NULL as well.
"""

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from cpexport.features import IMAGE_NUMBER, INTEGER, NUMBER
from cpexport.sources.databasetables import Table

Counts = Mapping[int, int]
"""Image set to how many rows a table has of it; image sets without any are not in it."""


def limit(table: Table, rows: Counts, counted: Counts, image_set: int) -> int:
    """How many objects of a type an image set has at most in a table: all rows, where those are of
    this type alone, else as many as `counted` says."""
    most = rows.get(image_set, 0)
    return most if len(table.numbers) == 1 else min(most, counted.get(image_set, 0))


def numbered(batch: pa.RecordBatch, limits: Counts) -> pa.RecordBatch:
    """The rows of one object type in order of image set and number, the padding taken out.

    Objects without a number come after those with one, as they are; up to `limits` they are
    objects, and get the numbers that follow. Nothing follows where numbers are not 1, 2, 3 ...
    """
    own = batch[NUMBER]
    known = own.is_valid().to_numpy(zero_copy_only=False)
    if known.any() and own.type != INTEGER:
        return batch.filter(own.is_valid())
    numbers = own.fill_null(0).cast(INTEGER).to_numpy(zero_copy_only=False)
    images, each = np.unique(batch[IMAGE_NUMBER].to_numpy(), return_inverse=True)
    have = np.bincount(each, known, len(images)).astype(np.int64)
    last = np.zeros(len(images), np.int64)
    np.maximum.at(last, each, numbers)
    # The how-many-eth of those without a number in its image set each row is.
    lacking = np.cumsum(~known)
    before = np.zeros(len(images), np.int64)
    first = np.unique(each, return_index=True)[1]
    before[:] = lacking[first] - ~known[first]
    follow = np.where(known, numbers, have[each] + lacking - before[each])
    most = np.array([limits.get(number, 0) for number in images.tolist()], np.int64)
    stay = known | ((follow <= most[each]) & (last == have)[each])
    place = np.flatnonzero(stay)
    place = place[np.lexsort((follow[place], each[place]))]
    column = batch.schema.get_field_index(NUMBER)
    rows = batch.set_column(column, NUMBER, pa.array(follow))
    return rows.take(pa.array(place))
