"""Numbers the groups of a whole run, as CellProfiler does when one job runs all of it.

A job on a range of an ungrouped or LoadData batch numbers only the groups of its own image sets,
from 1 (CellProfiler 4.2.8, pipeline/_pipeline.py, prepare_run). A merge must therefore number the
groups of the run once more.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

NUMBER, INDEX, LENGTH = "Group_Number", "Group_Index", "Group_Length"
FEATURES = (NUMBER, INDEX, LENGTH)


def numbered(
    numbers: npt.NDArray[np.int64], keys: Sequence[tuple[str, ...]] | None
) -> Mapping[str, npt.NDArray[np.int64]]:
    """Returns the group features of all image sets of a run; `numbers` are ascending.

    `keys` are the values of the metadata that group the run, one tuple per image set; None makes
    one group of all. Groups count from 1, sorted by their values as text; the image sets in a group
    are sorted by number (measurement/_measurements.py, get_groupings).

    >>> {k: v.tolist() for k, v in numbered(np.array([1, 2, 5]), [("B",), ("A",), ("B",)]).items()}
    {'Group_Number': [2, 1, 2], 'Group_Index': [1, 1, 2], 'Group_Length': [2, 1, 2]}
    """
    if keys is None:
        ones = np.ones(len(numbers), np.int64)
        return {NUMBER: ones, INDEX: np.cumsum(ones), LENGTH: ones * len(numbers)}
    rank = {key: place for place, key in enumerate(sorted(set(keys)), start=1)}
    group = np.array([rank[key] for key in keys], np.int64)
    lengths = np.bincount(group, minlength=len(rank) + 1) if len(group) else np.zeros(1, np.int64)
    seen = np.zeros(len(rank) + 1, np.int64)
    index = np.empty(len(numbers), np.int64)
    for place, number in enumerate(group.tolist()):
        seen[number] += 1
        index[place] = seen[number]
    return {NUMBER: group, INDEX: index, LENGTH: lengths[group]}
