"""Group numbers in a destination: made those of the whole run when its batches are loaded."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from cpexport import groups
from cpexport.batchfile import BatchFile, digest
from cpexport.features import IMAGE, IMAGE_NUMBER, INTEGER
from cpexport.sinks import Sink

_GROUPS, _OF = "groups", "groups of"
_AS_JOBS = "as the jobs numbered them"


@dataclass(frozen=True)
class Groups:
    """How the groups of a whole run are numbered: `by` these words, `of` these image sets.

    `new` are the features of groups that the destination has, by image set in `numbers`, which is
    ascending; empty where the numbers are those of the jobs.
    """

    by: str
    of: str
    numbers: npt.NDArray[np.int64]
    new: Mapping[str, npt.NDArray[np.int64]]

    def values(self, feature: str, numbers: npt.NDArray[np.int64]) -> pa.Array:
        """A feature for some of the image sets."""
        return pa.array(self.new[feature][np.searchsorted(self.numbers, numbers)])


def number_groups(sink: Sink, plan: BatchFile | None) -> None:
    """Numbers the groups over the whole run, by the batch file or by the image sets that are there.

    Does nothing when no batch was written since the last time. Without knowing by what the run is
    grouped, the numbers stay as the jobs wrote them.
    """
    if not _there(sink) or _GROUPS in sink.settings():
        return
    with sink.alone():
        found = groups_of_run(sink, plan)
        if found.new:
            _renumber(sink, found)
        sink.note({_GROUPS: found.by, _OF: found.of})


def groups_of_run(sink: Sink, plan: BatchFile | None) -> Groups:
    """How groups are numbered in a destination with this batch file, or none."""
    ledger = sink.ledger()
    tags = {entry.group_tags for entry in ledger.entries if entry.loaded}
    if plan is not None and ledger.loaded <= plan.planned:
        pictures, tags, of = plan.grouping, {plan.group_tags}, f"batch file {digest(plan.path)}"
    else:
        pictures, of = sink.pictures(ledger.loaded), "the image sets that are there"
    (by,) = tags if len(tags) == 1 else (None,)
    keys = pictures.keys(by) if by else None
    if by is None or (by and keys is None):
        return Groups(_AS_JOBS, of, pictures.numbers, {})
    new = {f: v for f, v in groups.numbered(pictures.numbers, keys).items() if f in _there(sink)}
    return Groups(",".join(by) or "one group", of, pictures.numbers, new)


def agrees(sink: Sink, found: Groups) -> bool:
    """Whether the destination's groups were numbered in this way when it was last loaded."""
    noted = sink.settings()
    return not _there(sink) or (noted.get(_GROUPS), noted.get(_OF)) == (found.by, found.of)


def _there(sink: Sink) -> list[str]:
    return [f for f in groups.FEATURES if (IMAGE, f) in sink.layout().by_feature]


def _renumber(sink: Sink, found: Groups) -> None:
    read = pa.Table.from_batches(sink.read(IMAGE, list(found.new)))
    columns = {name: read[name].combine_chunks() for name in read.column_names}
    numbers = columns[IMAGE_NUMBER].to_numpy()
    new = {feature: found.values(feature, numbers) for feature in found.new}
    differ = np.zeros(len(numbers), bool)
    for feature, values in new.items():
        same = pc.equal(values, columns[feature].cast(INTEGER))
        differ |= ~same.fill_null(False).to_numpy(zero_copy_only=False)
    chosen = pa.array(np.flatnonzero(differ))
    changed = {f: v.take(chosen) for f, v in (new | {IMAGE_NUMBER: columns[IMAGE_NUMBER]}).items()}
    sink.renumber(changed)
