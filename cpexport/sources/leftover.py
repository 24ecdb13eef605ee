"""Folders of jobs that left no measurements: only a done file, or CellProfiler's temporary file."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from cpexport.batch import Evidence
from cpexport.imagesets import ImageSets
from cpexport.pictures import Pictures
from cpexport.tables import Features


@dataclass(frozen=True)
class LeftoverSource:
    """A job's folder without a measurement file or CSV; `said` is what its done file says."""

    path: Path
    said: str | None
    format: str = "none"
    files: tuple[Path, ...] = ()

    def inspect(self) -> Evidence:
        return Evidence(
            held=ImageSets(),
            measured=ImageSets(),
            sign="",
            exit_status=self.said,
            must_say=True,
            finished="",
            pictures=Pictures(),
            features={},
        )

    def pictures(self) -> Pictures:
        return Pictures()

    def read(self, wanted: ImageSets, types: Features) -> Iterator[tuple[str, pa.RecordBatch]]:
        yield from ()
