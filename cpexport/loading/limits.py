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


def check_object_numbers(name: str, rows: pa.RecordBatch) -> None:
    """Checks the numbers in rows of objects.

    A table of several object types side by side has a row for each number up to the largest.

    Raises:
        LimitError: one is too large.
    """
    if name not in NOT_OBJECTS and rows.num_rows:
        last = pc.max(rows[NUMBER]).as_py()
        if last > LARGEST:
            raise LimitError(f"{name} has object {last}; the largest can be {LARGEST}")


def check_text(feature: str, values: pa.StringArray | pa.BinaryArray) -> None:
    """Checks the lengths of texts or bytes.

    Raises:
        LimitError: one is too long.
    """
    longest = pc.max(pc.binary_length(values)).as_py() or 0
    if longest > LONGEST_TEXT:
        size = f"{longest >> 20:,} MB; at most {LONGEST_TEXT >> 20} MB can be loaded"
        raise LimitError(f"{feature} has a text of {size}")
