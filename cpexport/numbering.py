"""Group numbers in a destination: made those of the whole run when its batches are loaded."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from cpexport import groups
from cpexport.batchfile import BatchFile, digest
from cpexport.features import IMAGE, IMAGE_NUMBER, INTEGER
from cpexport.sinks import Sink, open_sink

_GROUPS, _OF, _FEATURES = "groups", "groups of", "group features"
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

    Does nothing when no batch was written since the last time, and no run has brought more features
    of groups. Without knowing by what the run is grouped, the numbers stay as the jobs wrote them.
    """
    there = ",".join(_there(sink))
    noted = sink.settings()
    if not there or (_GROUPS in noted and noted.get(_FEATURES) == there):
        return
    with sink.alone():
        found = groups_of_run(sink, plan)
        if _GROUPS in noted and not agrees(sink, found):
            # They are those of a batch file, which alone can tell more of them.
            return
        if found.new:
            _renumber(sink, found)
        sink.note({_GROUPS: found.by, _OF: found.of, _FEATURES: there})


def number_other_runs(to: str, prefix: str) -> None:
    """Numbers the features of groups that one run has brought in the others, which have them too
    now."""
    with open_sink(to, prefix) as sink:
        there, noted = ",".join(_there(sink)), sink.noted(_FEATURES)
        # Of a run whose load was killed, only its own next load knows the batch file.
        behind = [name for name in sink.noted(_GROUPS) if noted.get(name) != there]
    for name in behind:
        with open_sink(to, prefix, run=name) as sink:
            number_groups(sink, None)


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


def as_noted(sink: Sink, found: Groups) -> Groups:
    """What of this was numbered when the destination was last loaded."""
    noted = sink.settings().get(_FEATURES)
    if noted is None:
        return found
    return replace(found, new={f: v for f, v in found.new.items() if f in noted.split(",")})


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
