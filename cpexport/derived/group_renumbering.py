"""Numbers groups of image sets over the whole run: each job numbers only its own."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from cpexport.cellprofiler import group_numbers
from cpexport.cellprofiler.batch_file import BatchFile, digest
from cpexport.cellprofiler.features import IMAGE, IMAGE_NUMBER, INTEGER
from cpexport.cellprofiler.image_identity import Identities
from cpexport.imagesets import ImageSets
from cpexport.sinks.base import Sink
from cpexport.sinks.registry import open_sink

_GROUPS, _OF, _FEATURES = "groups", "groups of", "group features"
_AS_JOBS = "as the jobs numbered them"
_BY_PLAN = "batch file "
_COMPUTED = "groups"


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


def number_groups(sink: Sink, plan: BatchFile | None) -> str:
    """Numbers the groups over the whole run, by the batch file or else by the loaded image sets.

    Does nothing if no batch was written since the last time, no run has added a feature of groups,
    and the numbers already come from a batch file or none is given. If the features that group the
    run are unknown, the jobs' numbers stay.

    Returns a note if the groups no longer have the numbers of a batch file; else an empty text.
    """
    features = ",".join(_features(sink))
    stored = sink.ledger.metadata()
    if not features or (
        _GROUPS in stored
        and stored.get(_FEATURES) == features
        and (_is_by_plan(stored) or not _covers(plan, sink))
    ):
        return ""
    with sink.exclusive() as changes:
        groups = groups_of_run(sink, plan)
        if _GROUPS in stored and _is_by_plan(stored) and not matches_stored(sink, groups):
            # Only that batch file can number more features.
            return ""
        before = sink.ledger.stored_summary().computed.get(_COMPUTED, ["", ""])[1]
        changed: list[dict[str, pa.Array]] = []
        if groups.new:
            changed += _changed(sink, groups, _unnumbered(sink, groups, features))
        for columns in changed:
            changes.renumber(columns)
        changes.set_metadata({_GROUPS: groups.by, _OF: groups.of, _FEATURES: features})
    if changed and before.startswith(_BY_PLAN) and not groups.of.startswith(_BY_PLAN):
        return (
            "groups are now numbered by the image sets that are loaded, as there was no batch file "
            "for them; to number them as before, run this again with --batch"
        )
    return ""


def grouped(sink: Sink) -> dict[str, list[str]]:
    """How the groups of all rows are numbered, for `Summary.computed`."""
    stored = sink.ledger.metadata()
    if _GROUPS not in stored:
        return {}
    return {_COMPUTED: [stored[_GROUPS], stored[_OF], stored.get(_FEATURES, "")]}


def kept_after_removal(stored: Mapping[str, str]) -> frozenset[str]:
    """The names in `LedgerStore.metadata` that say how groups are numbered, if they are still right
    without some image sets: a batch file gives each its number, whatever else is loaded."""
    by_plan = stored.get(_OF, "").startswith(_BY_PLAN)
    return frozenset({_GROUPS, _OF, _FEATURES} if by_plan else ())


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
    summary = sink.ledger.summary()
    # All jobs of a run group alike, so those that do not say by what are grouped as the others.
    tags = summary.group_tags - {None} or summary.group_tags
    if plan is not None and _covers(plan, sink):
        identities, tags = plan.grouping, frozenset([plan.group_tags])
        of = f"{_BY_PLAN}{digest(plan.path)}"
    else:
        # Only metadata that group need what identifies images.
        identities = _numbers_of(summary.loaded)
        if len(tags) != 1 or any(tags):
            identities = sink.ledger.identities(summary.loaded)
        of = "the image sets that are there"
    (by,) = tags if len(tags) == 1 else (None,)
    keys = identities.keys(by) if by else None
    if by is None or (by and keys is None):
        return Groups(_AS_JOBS, of, identities.numbers, {})
    new = {
        f: v
        for f, v in group_numbers.numbered(identities.numbers, keys).items()
        if f in _features(sink)
    }
    return Groups(",".join(by) or "one group", of, identities.numbers, new)


def unlike_stored(sink: Sink, groups: Groups) -> str:
    """Why the destination's groups are not numbered like these: a sentence for the user; empty if
    they are."""
    if matches_stored(sink, groups):
        return ""
    stored = sink.ledger.metadata()
    if _GROUPS not in stored:
        return "the last load did not finish; run cpexport load"
    if not _is_by_plan(stored):
        return "groups were numbered without this batch file; run cpexport load with --batch"
    if groups.of.startswith(_BY_PLAN):
        return "groups were numbered with another batch file; name that one with --batch"
    return "groups were numbered with a batch file that was not found now; name it with --batch"


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


def _is_by_plan(stored: Mapping[str, str]) -> bool:
    return stored.get(_OF, "").startswith(_BY_PLAN)


def _covers(plan: BatchFile | None, sink: Sink) -> bool:
    """Whether there is a batch file, and it has all image sets of the destination."""
    return plan is not None and not plan.is_list and sink.ledger.summary().loaded <= plan.planned


def _features(sink: Sink) -> list[str]:
    return [f for f in group_numbers.FEATURES if (IMAGE, f) in sink.layout().by_feature]


def _numbers_of(image_sets: ImageSets) -> Identities:
    return Identities(np.fromiter(image_sets, np.int64, len(image_sets)))


def _unnumbered(sink: Sink, groups: Groups, features: str) -> ImageSets | None:
    """The image sets that were loaded since the last load numbered all, if the numbers of the
    others stay; else None.

    A batch file gives every image set its number, whatever else is loaded.
    """
    stored = sink.ledger.stored_summary().computed.get(_COMPUTED)
    by_plan = groups.of.startswith(_BY_PLAN)
    same = stored == [groups.by, groups.of, features]
    return sink.ledger.added() if by_plan and same else None


def _changed(
    sink: Sink, groups: Groups, image_sets: ImageSets | None
) -> Iterator[dict[str, pa.Array]]:
    """Yields the new values of those of the image sets (None: of all) that must change, with their
    `ImageNumber`; together the features that change in the same image sets."""
    rows = pa.Table.from_batches(sink.read(IMAGE, list(groups.new), image_sets))
    numbers = rows[IMAGE_NUMBER].combine_chunks()
    together: dict[bytes, dict[str, pa.Array]] = {}
    for feature in groups.new:
        values = groups.values(feature, numbers.to_numpy())
        same = pc.equal(values, rows[feature].combine_chunks().cast(INTEGER)).fill_null(False)
        differ = np.flatnonzero(~same.to_numpy(zero_copy_only=False))
        if len(differ):
            chosen = pa.array(differ)
            changes = together.setdefault(differ.tobytes(), {IMAGE_NUMBER: numbers.take(chosen)})
            changes[feature] = values.take(chosen)
    yield from together.values()
