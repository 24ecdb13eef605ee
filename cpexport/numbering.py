"""Group numbers in a destination: made those of the whole run when its batches are loaded."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cpexport import groups
from cpexport.batchfile import BatchFile
from cpexport.features import IMAGE, IMAGE_NUMBER, INTEGER
from cpexport.sinks import Sink


def number_groups(sink: Sink, plan: BatchFile | None) -> None:
    """Numbers the groups over the whole run, by the batch file or by the image sets that are there.

    Does nothing when no batch was written since the last time. Without knowing by what the run is
    grouped, the numbers stay as the jobs wrote them.
    """
    there = [f for f in groups.FEATURES if (IMAGE, f) in sink.layout().by_feature]
    if not there or "groups" in sink.settings():
        return
    with sink.alone():
        _number(sink, plan, there)


def _number(sink: Sink, plan: BatchFile | None, there: list[str]) -> None:
    ledger = sink.ledger()
    tags = {entry.group_tags for entry in ledger.entries if entry.loaded}
    if plan is not None and ledger.loaded <= plan.planned:
        pictures, tags = plan.grouping, {plan.group_tags}
    else:
        pictures = sink.pictures(ledger.loaded)
    (by,) = tags if len(tags) == 1 else (None,)
    keys = pictures.keys(by) if by else None
    if by is None or (by and keys is None):
        sink.note({"groups": "as the jobs numbered them"})
        return
    read = pa.Table.from_batches(sink.read(IMAGE, there))
    columns = {name: read[name].combine_chunks() for name in read.column_names}
    rows = np.searchsorted(pictures.numbers, columns[IMAGE_NUMBER].to_numpy())
    new = {
        feature: pa.array(values[rows])
        for feature, values in groups.numbered(pictures.numbers, keys).items()
        if feature in there
    }
    differ = np.zeros(len(rows), bool)
    for feature, values in new.items():
        same = pc.equal(values, columns[feature].cast(INTEGER))
        differ |= ~same.fill_null(False).to_numpy(zero_copy_only=False)
    chosen = pa.array(np.flatnonzero(differ))
    changed = {f: v.take(chosen) for f, v in (new | {IMAGE_NUMBER: columns[IMAGE_NUMBER]}).items()}
    sink.renumber(changed)
    sink.note({"groups": ",".join(by) or "one group"})
