"""Numbers groups of image sets over the whole run: each job numbers only its own."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from cpexport.cellprofiler import group_numbers
from cpexport.cellprofiler.batch_file import BatchFile, digest
from cpexport.cellprofiler.features import IMAGE, IMAGE_NUMBER, INTEGER
from cpexport.sinks.base import Sink
from cpexport.sinks.registry import open_sink

_GROUPS, _OF, _FEATURES = "groups", "groups of", "group features"
_AS_JOBS = "as the jobs numbered them"


@dataclass(frozen=True)
class Groups:
    """How the groups of a whole run are numbered.

    by: the features that group them, or a phrase, as the destination stores it.
    of: which image sets were grouped, as a phrase.
    numbers: the image sets, ascending.
    new: arrays by feature of groups, for the features that the destination has, in the order of
        `numbers`. Empty if the jobs' numbers stay.
    """

    by: str
    of: str
    numbers: npt.NDArray[np.int64]
    new: Mapping[str, npt.NDArray[np.int64]]

    def values(self, feature: str, numbers: npt.NDArray[np.int64]) -> pa.Array:
        """The values of a feature for some of the image sets."""
        return pa.array(self.new[feature][np.searchsorted(self.numbers, numbers)])


def number_groups(sink: Sink, plan: BatchFile | None) -> None:
    """Numbers the groups over the whole run, by the batch file or else by the loaded image sets.

    Does nothing if no batch was written since the last time, and no run has added a feature of
    groups. If the features that group the run are unknown, the jobs' numbers stay.
    """
    features = ",".join(_features(sink))
    stored = sink.ledger.metadata()
    if not features or (_GROUPS in stored and stored.get(_FEATURES) == features):
        return
    with sink.exclusive() as changes:
        groups = groups_of_run(sink, plan)
        if _GROUPS in stored and not matches_stored(sink, groups):
            # The stored numbers come from a batch file, and only that can number more features.
            return
        if groups.new:
            changes.renumber(_changed(sink, groups))
        changes.set_metadata({_GROUPS: groups.by, _OF: groups.of, _FEATURES: features})


def number_other_runs(to: str, prefix: str) -> None:
    """Numbers groups in the other runs again, after one run has added a feature of groups: all
    runs have its column."""
    with open_sink(to, prefix) as sink:
        features, stored = ",".join(_features(sink)), sink.ledger.metadata_of_runs(_FEATURES)
        # A run without the setting is skipped: its load was killed, and only its own next load
        # knows the batch file.
        behind = [
            name for name in sink.ledger.metadata_of_runs(_GROUPS) if stored.get(name) != features
        ]
    for name in behind:
        with open_sink(to, prefix, run=name) as sink:
            number_groups(sink, None)


def groups_of_run(sink: Sink, plan: BatchFile | None) -> Groups:
    """How the groups of a destination are numbered with this batch file, or with none."""
    ledger = sink.ledger.read()
    # All jobs of a run group alike, so those that do not say by what are grouped as the others.
    known = {entry.group_tags for entry in ledger.entries if entry.loaded}
    tags = known - {None} or known
    if plan is not None and ledger.loaded <= plan.planned:
        pictures, tags, of = plan.grouping, {plan.group_tags}, f"batch file {digest(plan.path)}"
    else:
        pictures, of = sink.ledger.pictures(ledger.loaded), "the image sets that are there"
    (by,) = tags if len(tags) == 1 else (None,)
    keys = pictures.keys(by) if by else None
    if by is None or (by and keys is None):
        return Groups(_AS_JOBS, of, pictures.numbers, {})
    new = {
        f: v
        for f, v in group_numbers.numbered(pictures.numbers, keys).items()
        if f in _features(sink)
    }
    return Groups(",".join(by) or "one group", of, pictures.numbers, new)


def with_stored_features(sink: Sink, groups: Groups) -> Groups:
    """Only the features that were numbered when the destination was last loaded."""
    stored = sink.ledger.metadata().get(_FEATURES)
    if stored is None:
        return groups
    return replace(groups, new={f: v for f, v in groups.new.items() if f in stored.split(",")})


def matches_stored(sink: Sink, groups: Groups) -> bool:
    """Whether the destination's groups were numbered in this way when it was last loaded; True if
    it has no features of groups."""
    stored = sink.ledger.metadata()
    return not _features(sink) or (stored.get(_GROUPS), stored.get(_OF)) == (groups.by, groups.of)


def _features(sink: Sink) -> list[str]:
    return [f for f in group_numbers.FEATURES if (IMAGE, f) in sink.layout().by_feature]


def _changed(sink: Sink, groups: Groups) -> dict[str, pa.Array]:
    """The new values of the image sets that must change, with their `ImageNumber`."""
    rows = pa.Table.from_batches(sink.read(IMAGE, list(groups.new)))
    columns = {name: rows[name].combine_chunks() for name in rows.column_names}
    numbers = columns[IMAGE_NUMBER].to_numpy()
    new = {feature: groups.values(feature, numbers) for feature in groups.new}
    differ = np.zeros(len(numbers), bool)
    for feature, values in new.items():
        same = pc.equal(values, columns[feature].cast(INTEGER))
        differ |= ~same.fill_null(False).to_numpy(zero_copy_only=False)
    chosen = pa.array(np.flatnonzero(differ))
    return {f: v.take(chosen) for f, v in (new | {IMAGE_NUMBER: columns[IMAGE_NUMBER]}).items()}
