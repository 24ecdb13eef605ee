"""Group numbers over a whole run, as CellProfiler gives them when one job runs all of it.

Jobs started on a range of an ungrouped or LoadData batch number the groups of their own image sets
only, from 1 (CellProfiler 4.2.8, pipeline/_pipeline.py, prepare_run), so that a merge has to
number them again.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

NUMBER, INDEX, LENGTH = "Group_Number", "Group_Index", "Group_Length"
FEATURES = (NUMBER, INDEX, LENGTH)


def numbered(
    numbers: npt.NDArray[np.int64], keys: Sequence[tuple[str, ...]] | None
) -> Mapping[str, npt.NDArray[np.int64]]:
    """The group features of all image sets of a run, in the order given, which is ascending.

    `keys` are the values of the metadata by which the run is grouped; without, all is one group.
    Groups count from 1 in the order of their values as text, image sets within one in order of
    number (measurement/_measurements.py, get_groupings).

    >>> {k: v.tolist() for k, v in numbered(np.array([1, 2, 5]), [("B",), ("A",), ("B",)]).items()}
    {'Group_Number': [2, 1, 2], 'Group_Index': [1, 1, 2], 'Group_Length': [2, 1, 2]}
    """
    keys = [()] * len(numbers) if keys is None else keys
    rank = {key: place for place, key in enumerate(sorted(set(keys)), start=1)}
    group = np.array([rank[key] for key in keys], np.int64)
    lengths = np.bincount(group, minlength=len(rank) + 1) if len(group) else np.zeros(1, np.int64)
    seen = np.zeros(len(rank) + 1, np.int64)
    index = np.empty(len(numbers), np.int64)
    for place, number in enumerate(group.tolist()):
        seen[number] += 1
        index[place] = seen[number]
    return {NUMBER: group, INDEX: index, LENGTH: lengths[group]}
