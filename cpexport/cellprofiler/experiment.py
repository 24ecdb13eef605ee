"""A job's metadata about the whole run: its pipeline, CellProfiler's version, and when it ran.

It becomes the only row of CellProfiler's Per_Experiment (4.2.8, exporttodatabase.py,
create_experiment_table).
"""

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Final

import pyarrow as pa

from cpexport.cellprofiler.column_names import column_names
from cpexport.cellprofiler.features import EXPERIMENT, TABLE_NUMBER, TEXT

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
"""The columns that sources yield for the run, in one row or none.

A numeric column follows for each feature that was measured of the run. Times are local, as
CellProfiler writes them. The pipeline is UTF-8, as in CellProfiler's own column of bytes.
"""

# Other features of a run (4.2.8): the places of its files, its grouping, the content of channels.
_NOT_MEASURED = (
    "ChannelType_",
    "Default_",
    "Exit_Status",
    "ImageSet_",
    "Metadata_",
    "Path_Mappings",
    "Pipeline_",
)
# CellProfiler writes settings unchanged, including its database password (it calls dump with
# sanitize=False). Each setting is one line.
_SETTING = re.compile(r"^([ \t][^:\n]*:).*$", re.MULTILINE)
_PASSWORD = re.compile("password|passwd", re.IGNORECASE)


def experiment_rows(metadata: Mapping[str, str]) -> Iterator[tuple[str, pa.RecordBatch]]:
    """Yields an output's metadata about the run, as `Source.read` does; nothing if it has none."""
    row = {name: metadata.get(name) or None for name in EXPERIMENTS.names}
    numbers = _measured(metadata)
    if any(row.values()) or numbers:
        text = row[PIPELINE]
        encoded = without_passwords(text).encode("utf-8", "replace") if text else None
        rows = pa.RecordBatch.from_pylist([row | {PIPELINE: encoded}], EXPERIMENTS)
        for name, value in numbers.items():
            rows = rows.append_column(name, pa.array([value]))
        yield EXPERIMENT, rows


def is_measured(feature: str) -> bool:
    """Whether a feature of a run can be a measurement, judged by its name."""
    return feature not in EXPERIMENTS.names and not feature.startswith(_NOT_MEASURED)


def _measured(metadata: Mapping[str, str]) -> dict[str, float]:
    values = {}
    for name in sorted(filter(is_measured, metadata)):
        with suppress(ValueError):
            value = float(metadata[name])
            # No destination has another number for values that are not finite.
            values[name] = value if math.isfinite(value) else math.nan
    return values


def measured_columns(features: Iterable[str]) -> dict[str, str]:
    """The columns of Per_Experiment for the run's measurements, by feature.

    Columns have CellProfiler's own names: the feature's name, unless that is too long or taken.
    """
    taken = {name: name for name in (*EXPERIMENTS.names, TABLE_NUMBER)}
    return column_names(sorted(features), taken=taken)


def without_passwords(pipeline: str) -> str:
    r"""Returns a pipeline's text with every password blanked.

    >>> without_passwords("ExportToDatabase:[module_num:9]\n    Database password:s3:cret\n    a:b")
    'ExportToDatabase:[module_num:9]\n    Database password:\n    a:b'
    """
    return _SETTING.sub(lambda line: line[1] if _PASSWORD.search(line[1]) else line[0], pipeline)
