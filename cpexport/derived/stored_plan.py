"""Reads the planned image sets that a destination keeps (`derived.planned`)."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa

from cpexport.cellprofiler import pipeline
from cpexport.cellprofiler.batch_file import BatchFile
from cpexport.cellprofiler.image_identity import Identities
from cpexport.cellprofiler.pipeline import Skip
from cpexport.derived.planned import NOTE, PLACES, table_name
from cpexport.imagesets import ImageSets
from cpexport.sinks.base import Sink

# Parts of a well are stored as `part_of` writes them: site 1 time 2.
_PART: Final = re.compile(r"(?:^| )(site|field|time) ")
_FEATURES: Final = {"site": "Metadata_Site", "field": "Metadata_Field", "time": "Metadata_Time"}


@dataclass(frozen=True)
class StoredSkips:
    """The FlagImage modules of the pipeline, as far as a destination knows them."""

    skips: tuple[Skip, ...]


def stored_plan(sink: Sink, prefix: str) -> BatchFile | None:
    """The planned image sets of a destination, or of one run, with plate, well and part; None if it
    keeps none. The path is that of no file: it has the name of the table."""
    name, keys = table_name(prefix), sink.layout().image_key
    if not sink.has(name):
        return None
    rows = sink.read_derived_table(name, [*keys, *PLACES])
    if sink.shape.numbered:
        number = sink.ledger.runs().get(sink.run or "")
        rows = [row[1:] for row in rows if row[0] == number]
    rows.sort(key=lambda row: int(str(row[0])))
    if not rows:
        return None
    found, plates, wells, parts = zip(*rows, strict=True)
    numbers = np.array(found, np.int64)
    columns = {"Metadata_Plate": plates, "Metadata_Well": wells}
    split = [_parts(str(part or "")) for part in parts]
    for word, feature in _FEATURES.items():
        columns[feature] = tuple(values.get(word) for values in split)
    texts = {name: pa.array(values, pa.string()) for name, values in columns.items() if any(values)}
    planned = ImageSets.of_array(numbers)
    of_table = Path(name), planned, Identities(numbers, texts), Identities(), ()
    return BatchFile(*of_table, pipeline.parse(""), None, lists=(Path(name),))


def is_stored(path: Path) -> bool:
    """Whether the path of a plan stands for the table of a destination."""
    return not path.exists() and path.name.startswith(table_name("")[:10])


def stored_skips(sink: Sink) -> StoredSkips:
    """Which modules skip image sets."""
    note = json.loads(sink.ledger.lasting(NOTE) or "{}")
    skips = note.get("skips", ())
    return StoredSkips(tuple(Skip(one, tuple(flags), tuple(later)) for one, flags, later in skips))


def _parts(text: str) -> dict[str, str]:
    """The values of the parts of a well.

    >>> _parts("site 1 time 2 h"), _parts("")
    ({'site': '1', 'time': '2 h'}, {})
    """
    _, *pieces = _PART.split(text)
    return dict(zip(pieces[::2], pieces[1::2], strict=True))
