"""Refuses values that are larger than any that CellProfiler writes and destinations take."""

import pyarrow as pa
import pyarrow.compute as pc

from cpexport.cellprofiler.features import LONGEST_TEXT, NOT_OBJECTS, NUMBER
from cpexport.errors import LimitError
from cpexport.imagesets import LARGEST, ImageSets


def check_image_sets(image_sets: ImageSets) -> None:
    """Checks the numbers of image sets.

    Raises:
        LimitError: one is too large.
    """
    if image_sets and image_sets.last > LARGEST:
        raise LimitError(f"lists image set {image_sets.last}; the largest can be {LARGEST}")


def check_limits(name: str, rows: pa.RecordBatch) -> None:
    """Checks rows of an object type: the numbers of objects, and the lengths of texts and bytes.

    A table of several object types side by side has a row for each number up to the largest.

    Raises:
        LimitError: one is too large.
    """
    if name not in NOT_OBJECTS and rows.num_rows:
        last = pc.max(rows[NUMBER]).as_py()
        if last > LARGEST:
            raise LimitError(f"{name} has object {last}; the largest can be {LARGEST}")
    for field, column in zip(rows.schema, rows.columns, strict=True):
        if pa.types.is_string(field.type) or pa.types.is_binary(field.type):
            longest = pc.max(pc.binary_length(column)).as_py() or 0
            if longest > LONGEST_TEXT:
                size = f"{longest >> 20:,} MB; at most {LONGEST_TEXT >> 20} MB can be loaded"
                raise LimitError(f"{field.name} of {name} has a text of {size}")
