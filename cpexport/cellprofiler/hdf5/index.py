"""The index of a feature: which of its values belong to which image set."""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from cpexport.errors import RERUN, SourceError

Index = npt.NDArray[np.int64]
"""Rows [image number, start, stop]."""


def check_index(path: Path, object_name: str, feature: str, index: Index, length: int) -> None:
    """Checks that an index points only to the `length` values of its feature.

    Raises:
        SourceError: it points outside them, or more than once to one of them.
    """
    starts, stops = index[:, 1], index[:, 2]
    if not len(index):
        return
    where = f"the index of {object_name}/{feature}"
    if starts.min() < 0 or (stops < starts).any() or stops.max() > length:
        raise SourceError(path, f"damaged: {where} points outside its values", RERUN)
    if (stops - starts).sum() > length:
        # The same values again and again would fill any memory.
        problem = f"damaged: {where} gives the same values to several image sets"
        raise SourceError(path, problem, RERUN)


def valid(rows: Index) -> Index:
    """The valid rows of an index, sorted by image number.

    Raises:
        ValueError: a row has an impossible image number or slice.
    """
    if (rows[:, 0] == 0).any() or (rows[:, 0] < -1).any():
        raise ValueError("an index has impossible image numbers")
    rows = rows[rows[:, 0] > 0]
    if (rows[:, 1] < 0).any() or (rows[:, 2] < rows[:, 1]).any():
        raise ValueError("an index has slices that end before they start")
    numbers = rows[:, 0]
    if len(numbers) > 1 and not (numbers[1:] > numbers[:-1]).all():
        rows = rows[np.argsort(numbers, kind="stable")]
        last = np.append(rows[1:, 0] != rows[:-1, 0], True)
        rows = rows[last]
    return rows
