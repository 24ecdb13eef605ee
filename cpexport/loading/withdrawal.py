"""Removes batches that outputs loaded later show to be truncated.

A folder of CSV files that counts nuclei but has no table of them may be all that a job was to
export. Once another output of the run has that table, the folder lacks it. Its batch is then
removed, just as it would have been left out if the other output had come first.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from cpexport.cellprofiler.features import IMAGE, IMAGE_NUMBER
from cpexport.imagesets import ImageSets
from cpexport.sinks.base import Sink
from cpexport.sinks.ledger import Entry
from cpexport.tables.layout import object_of, table_of


@dataclass(frozen=True)
class Withdrawn:
    """A batch that was removed, and why."""

    entry: Entry
    reason: str


def withdraw(sink: Sink, prefix: str) -> list[Withdrawn]:
    """Removes the truncated batches (`cut_off`) from the destination and returns them.

    Batches of earlier loads are examined only if their run has more tables since.
    """
    before, now = sink.ledger.stored_summary(), sink.ledger.summary()
    examined = before.csv_tables == now.csv_tables and before.last <= now.last
    entries = sink.ledger.entries(before.last if examined else 0)
    truncated = cut_off(sink, entries, now.csv_tables, prefix) if now.csv_tables else []
    if truncated:
        with sink.exclusive() as changes:
            for batch in truncated:
                changes.delete_batch(batch.entry)
    return truncated


def cut_off(
    sink: Sink,
    entries: Iterable[Entry],
    tables: Mapping[str | None, frozenset[str]],
    prefix: str,
) -> list[Withdrawn]:
    """Returns batches of CSV files that count objects but lack the table that other batches have.

    The other batches have the same pipeline; all count if the pipeline is unknown. `tables`
    are the tables of CSV outputs, by pipeline.
    """
    image = table_of(IMAGE, prefix)
    all_tables = frozenset().union(*tables.values())
    truncated = []
    for entry in entries:
        # An entry without a fingerprint was loaded for other object types and may lack this one.
        checkable = entry.format == "spreadsheet" and entry.fingerprint
        if checkable and entry.loaded and image in entry.counts:
            expected = all_tables if entry.pipeline is None else tables[entry.pipeline]
            lacking = sorted(object_of(table, prefix) for table in expected - entry.counts.keys())
            cut = _counted(sink, lacking, entry.loaded) if lacking else {}
            if cut:
                reasons = "; ".join(
                    f"{sets}: the table of {name} is missing" for name, sets in cut.items()
                )
                truncated.append(
                    Withdrawn(entry, f"{reasons}; removed, because other outputs have it")
                )
    return truncated


def _counted(sink: Sink, names: list[str], image_sets: ImageSets) -> dict[str, ImageSets]:
    """Returns the image sets that count objects of these types, by type."""
    counts = {f"Count_{name}": name for name in names}
    numbers_by_type: dict[str, list[int]] = {}
    for rows in sink.read(IMAGE, list(counts), image_sets):
        numbers = rows[IMAGE_NUMBER].to_numpy()
        for feature in counts.keys() & {*rows.schema.names}:
            objects = rows[feature].cast("float64").fill_null(0).to_numpy(zero_copy_only=False)
            numbers_by_type.setdefault(counts[feature], []).extend(
                numbers[np.nan_to_num(objects) > 0].tolist()
            )
    return {name: ImageSets.of(sets) for name, sets in sorted(numbers_by_type.items()) if sets}
