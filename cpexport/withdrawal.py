"""Takes out batches that other outputs, loaded since, show to be cut off.

A folder of CSV files that counts nuclei and has no table of them may be all that a job was to
export. Once other outputs of the run have that table, it lacks it: then it is left out, as it would
have been if those had come first.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from cpexport.features import IMAGE, IMAGE_NUMBER
from cpexport.imagesets import ImageSets
from cpexport.ledger import Entry, Ledger
from cpexport.sinks import Sink
from cpexport.tables import object_of, table_of


@dataclass(frozen=True)
class Withdrawn:
    """A batch that was taken out, and why."""

    entry: Entry
    reason: str


def withdraw(sink: Sink, ledger: Ledger, prefix: str) -> list[Withdrawn]:
    """Takes out the batches that are `cut_off`."""
    found = cut_off(sink, ledger.entries, ledger.csv_tables, prefix)
    if found:
        with sink.alone():
            for one in found:
                sink.withdraw(one.entry)
    return found


def cut_off(
    sink: Sink,
    entries: Iterable[Entry],
    tables: Mapping[str | None, frozenset[str]],
    prefix: str,
) -> list[Withdrawn]:
    """The batches of CSV files that lack a table which others of their pipeline have, or any others
    where the pipeline is not known, though they count such objects.

    `tables` are those of CSV outputs by pipeline.
    """
    image = table_of(IMAGE, prefix)
    every = frozenset().union(*tables.values())
    found = []
    for entry in entries:
        # Without a fingerprint it was loaded for other object types, and need not have this one.
        mine = entry.format == "spreadsheet" and entry.fingerprint
        if mine and entry.loaded and image in entry.counts:
            known = every if entry.pipeline is None else tables[entry.pipeline]
            lacking = sorted(object_of(table, prefix) for table in known - entry.counts.keys())
            cut = _counted(sink, lacking, entry.loaded) if lacking else {}
            if cut:
                said = "; ".join(
                    f"{sets}: the table of {name} is missing" for name, sets in cut.items()
                )
                found.append(Withdrawn(entry, f"{said}; taken out, as other outputs have it"))
    return found


def _counted(sink: Sink, names: list[str], image_sets: ImageSets) -> dict[str, ImageSets]:
    """The image sets that count objects of these types, by type."""
    counts = {f"Count_{name}": name for name in names}
    found: dict[str, list[int]] = {}
    for rows in sink.read(IMAGE, list(counts), image_sets):
        numbers = rows[IMAGE_NUMBER].to_numpy()
        for feature in counts.keys() & {*rows.schema.names}:
            many = rows[feature].cast("float64").fill_null(0).to_numpy(zero_copy_only=False)
            found.setdefault(counts[feature], []).extend(numbers[np.nan_to_num(many) > 0].tolist())
    return {name: ImageSets.of(sets) for name, sets in sorted(found.items()) if sets}
