"""What a job says of the whole run: its pipeline, CellProfiler's version, and when it ran.

It becomes the one row of CellProfiler's Per_Experiment (4.2.8, exporttodatabase.py,
create_experiment_table).
"""

import re
from collections.abc import Iterator, Mapping
from typing import Final

import pyarrow as pa

from cpexport.features import EXPERIMENT, TEXT

PIPELINE: Final = "Pipeline_Pipeline"
MODIFIED: Final = "Modification_Timestamp"
EXPERIMENTS: Final = pa.schema(
    [
        (PIPELINE, pa.binary()),
        ("CellProfiler_Version", TEXT),
        ("Run_Timestamp", TEXT),
        (MODIFIED, TEXT),
    ]
)
"""What sources yield for the run: one row, or none. Times are local, as CellProfiler writes them;
the pipeline is UTF-8, as in CellProfiler's own column of bytes."""

# CellProfiler writes settings as they are, the password of its database among them (dump is called
# with sanitize=False). A setting is a line.
_PASSWORD = re.compile(r"^([ \t]+[^:\n]*(?:password|passwd)[^:\n]*:).*$", re.I | re.M)


def experiment_rows(said: Mapping[str, str]) -> Iterator[tuple[str, pa.RecordBatch]]:
    """What an output says of the run, as `Source.read` yields it; nothing if it says nothing."""
    row = {name: said.get(name) or None for name in EXPERIMENTS.names}
    if any(row.values()):
        text = row[PIPELINE]
        encoded = without_passwords(text).encode("utf-8", "replace") if text else None
        yield EXPERIMENT, pa.RecordBatch.from_pylist([row | {PIPELINE: encoded}], EXPERIMENTS)


def without_passwords(pipeline: str) -> str:
    r"""A pipeline's text with every password in it blanked.

    >>> without_passwords("ExportToDatabase:[module_num:9]\n    Database password:s3:cret\n    a:b")
    'ExportToDatabase:[module_num:9]\n    Database password:\n    a:b'
    """
    return _PASSWORD.sub(r"\1", pipeline)
