"""Puts objects of all types side by side in one table, by object number.

This is CellProfiler's single object table (4.2.8, exporttodatabase.py). Row i of an image set has
object i of every type, although only the number relates them. Types with fewer objects are padded.
"""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from cpexport.cellprofiler.features import IMAGE_NUMBER, NUMBER

_Numbers = npt.NDArray[np.int64]


def side_by_side(objects: Mapping[str, pa.RecordBatch]) -> pa.RecordBatch:
    """Returns the rows of all types as one batch.

    An image set has as many rows as its highest object number. Columns are `ImageNumber`,
    `Number_Object_Number` from 1, and each type's features after its name, including
    `Nuclei_Number_Object_Number`.
    """
    keys = {
        name: (_ints(rows, IMAGE_NUMBER), _ints(rows, NUMBER)) for name, rows in objects.items()
    }
    every = np.unique(np.concatenate([images for images, _ in keys.values()]))
    highest = np.zeros(len(every), np.int64)
    for images, numbers in keys.values():
        np.maximum.at(highest, np.searchsorted(every, images), numbers)
    ends = np.cumsum(highest)
    begins = ends - highest
    total = int(ends[-1]) if len(ends) else 0
    columns = {
        IMAGE_NUMBER: pa.array(np.repeat(every, highest)),
        NUMBER: pa.array(np.arange(total, dtype=np.int64) - np.repeat(begins, highest) + 1),
    }
    for name in sorted(objects):
        images, numbers = keys[name]
        place = np.full(total, -1, np.int64)
        place[begins[np.searchsorted(every, images)] + numbers - 1] = np.arange(len(images))
        indices = pa.array(place, mask=place < 0)
        for field, column in zip(objects[name].schema, objects[name].columns, strict=True):
            if field.name != IMAGE_NUMBER:
                columns[f"{name}_{field.name}"] = column.take(indices)
    return pa.RecordBatch.from_pydict(columns)


def _ints(rows: pa.RecordBatch, name: str) -> _Numbers:
    return np.asarray(rows[name].to_numpy(), np.int64)
