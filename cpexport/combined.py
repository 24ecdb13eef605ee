"""Objects of all types side by side in one table, by their numbers.

As CellProfiler's single object table (4.2.8, exporttodatabase.py): object i of every type is in row
i of its image set, though only their numbers relate them; types with fewer objects are padded.
"""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from cpexport.features import IMAGE_NUMBER, NUMBER

_Numbers = npt.NDArray[np.int64]


def side_by_side(objects: Mapping[str, pa.RecordBatch]) -> pa.RecordBatch:
    """The rows of all types as one, with as many rows an image set as its highest object number.

    Columns are `ImageNumber`, `Number_Object_Number` from 1, and each type's features with its
    name before them, `Nuclei_Number_Object_Number` among them.
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
        take = pa.array(place, mask=place < 0)
        for field, column in zip(objects[name].schema, objects[name].columns, strict=True):
            if field.name != IMAGE_NUMBER:
                columns[f"{name}_{field.name}"] = column.take(take)
    return pa.RecordBatch.from_pydict(columns)


def _ints(rows: pa.RecordBatch, name: str) -> _Numbers:
    return np.asarray(rows[name].to_numpy(), np.int64)
