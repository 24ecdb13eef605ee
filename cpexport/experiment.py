"""What a job says of the whole run: its pipeline, CellProfiler's version, and when it ran.

It becomes the one row of CellProfiler's Per_Experiment (4.2.8, exporttodatabase.py,
create_experiment_table).
"""

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Final

import pyarrow as pa

from cpexport.features import EXPERIMENT, TABLE_NUMBER, TEXT
from cpexport.naming import column_names

PIPELINE: Final = "Pipeline_Pipeline"
BEGAN: Final = "Run_Timestamp"
MODIFIED: Final = "Modification_Timestamp"
EXPERIMENTS: Final = pa.schema(
    [
        (PIPELINE, pa.binary()),
        ("CellProfiler_Version", TEXT),
        (BEGAN, TEXT),
        (MODIFIED, TEXT),
    ]
)
"""What sources yield for the run: one row, or none; after these, what was measured of it, a column
of numbers for each feature. Times are local, as CellProfiler writes them;
the pipeline is UTF-8, as in CellProfiler's own column of bytes."""

# What else a run has (4.2.8): where its files are, how it was grouped, what is in its channels.
_NOT_MEASURED = (
    "ChannelType_",
    "Default_",
    "Exit_Status",
    "ImageSet_",
    "Metadata_",
    "Path_Mappings",
    "Pipeline_",
)
# CellProfiler writes settings as they are, the password of its database among them (dump is called
# with sanitize=False). A setting is a line.
_PASSWORD = re.compile(r"^([ \t]+[^:\n]*(?:password|passwd)[^:\n]*:).*$", re.I | re.M)


def experiment_rows(said: Mapping[str, str]) -> Iterator[tuple[str, pa.RecordBatch]]:
    """What an output says of the run, as `Source.read` yields it; nothing if it says nothing."""
    row = {name: said.get(name) or None for name in EXPERIMENTS.names}
    numbers = _measured(said)
    if any(row.values()) or numbers:
        text = row[PIPELINE]
        encoded = without_passwords(text).encode("utf-8", "replace") if text else None
        rows = pa.RecordBatch.from_pylist([row | {PIPELINE: encoded}], EXPERIMENTS)
        for name, value in numbers.items():
            rows = rows.append_column(name, pa.array([value]))
        yield EXPERIMENT, rows


def is_measured(feature: str) -> bool:
    """Whether a feature of a run can be a measurement, by its name."""
    return feature not in EXPERIMENTS.names and not feature.startswith(_NOT_MEASURED)


def _measured(said: Mapping[str, str]) -> dict[str, float]:
    found = {}
    for name in sorted(filter(is_measured, said)):
        with suppress(ValueError):
            value = float(said[name])
            # No destination has another number for what is none.
            found[name] = value if math.isfinite(value) else math.nan
    return found


def measured_columns(features: Iterable[str]) -> dict[str, str]:
    """The columns of Per_Experiment for what was measured of a run, by feature: CellProfiler's own
    names, which are those of the features, but those that are too long or taken."""
    taken = {name: name for name in (*EXPERIMENTS.names, TABLE_NUMBER)}
    return column_names(sorted(features), taken=taken)


def without_passwords(pipeline: str) -> str:
    r"""A pipeline's text with every password in it blanked.

    >>> without_passwords("ExportToDatabase:[module_num:9]\n    Database password:s3:cret\n    a:b")
    'ExportToDatabase:[module_num:9]\n    Database password:\n    a:b'
    """
    return _PASSWORD.sub(r"\1", pipeline)
