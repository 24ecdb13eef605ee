"""Says what files of jobs hold: outputs, and batch files."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cpexport.cellprofiler.batch_file import BatchFile, is_batch_file, read_batch_file
from cpexport.cellprofiler.hdf5.measurement_file import MeasurementFile
from cpexport.errors import LeftOut, SourceError
from cpexport.imagesets import NONE, ImageSets
from cpexport.loading.progress import Progress, silent
from cpexport.loading.recorded_endings import with_recorded_endings
from cpexport.loading.survey import survey
from cpexport.outcome import DONE, FAILED, INCOMPLETE, stamped
from cpexport.sources.base import Batch, State, size

UNREADABLE = str(State.UNREADABLE)
_HDF5 = (".h5", ".hdf5", ".cpproj")


@dataclass(frozen=True)
class OutputInfo:
    """One job's output.

    format: `hdf5`, `spreadsheet` (CSV), `database` (SQLite) or `sqlcsv`.
    state, reason: as `check` has them.
    cellprofiler, pipeline: the version, and the digest of the pipeline; None if no file says it.
    finished: when the job ended, in local time; empty if no file says it.
    image_sets, complete: what the job was to run, and what it completed.
    files, size: how many files it has, and their bytes.
    features: how many features it has, by object type; images are the type `Image`.
    """

    path: str
    format: str
    state: str
    reason: str
    cellprofiler: str | None
    pipeline: str | None
    finished: str
    image_sets: ImageSets
    complete: ImageSets
    files: int
    size: int
    features: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, batch: Batch) -> "OutputInfo":
        """What a batch says about itself."""
        source = batch.source
        return cls(
            str(source.path),
            source.format,
            str(batch.state),
            batch.reason,
            batch.version,
            batch.pipeline,
            batch.finished,
            batch.image_sets,
            batch.complete,
            len(source.files),
            size(source),
            {name: len(names) for name, names in sorted(batch.features.items())},
        )

    def to_dict(self) -> dict[str, Any]:
        """The output as JSON reports have it."""
        sets = {"image_sets": self.image_sets.to_list(), "complete": self.complete.to_list()}
        return {**vars(self), **sets, "features": dict(self.features)}


@dataclass(frozen=True)
class FilesInfo:
    """What files of jobs hold.

    batches: the output of each job.
    batch_file: the batch file that they are compared with; None without one.
    planned: the image sets that it lists.
    cellprofiler, pipeline: what made the batch file; None without one.
    groups: how many groups it has.
    left_out: files that may be data but belong to no batch.
    """

    batches: tuple[OutputInfo, ...]
    batch_file: Path | None = None
    planned: ImageSets = NONE
    cellprofiler: str | None = None
    pipeline: str | None = None
    groups: int = 0
    left_out: tuple[LeftOut, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def is_whole(self) -> bool:
        """Whether every job completed all its image sets."""
        whole = all(b.state == "complete" and b.complete == b.image_sets for b in self.batches)
        return whole and not self.left_out

    @property
    def exit_status(self) -> int:
        """0: all files could be read. 3: some could not. 1: none could."""
        damaged = sum(batch.state == UNREADABLE for batch in self.batches)
        if not damaged and not self.left_out:
            return DONE
        read = len(self.batches) - damaged + (self.batch_file is not None)
        return INCOMPLETE if read else FAILED

    def to_dict(self) -> dict[str, Any]:
        """The report as `cpexport info FILE --format json` prints it."""
        fields = {
            "is_whole": self.is_whole,
            "batches": [batch.to_dict() for batch in self.batches],
            "batch_file": None if self.batch_file is None else str(self.batch_file),
            "planned": self.planned.to_list(),
            "groups": self.groups,
            "cellprofiler": self.cellprofiler,
            "pipeline": self.pipeline,
            "left_out": [left.to_dict() for left in self.left_out],
            "notes": list(self.notes),
        }
        return stamped(self.exit_status, fields)


def info_files(paths: Sequence[Path], progress: Progress = silent) -> FilesInfo:
    """What some files or folders of jobs hold; changes nothing.

    Raises:
        UsageError: several batch files were found.
        SourceError: a path does not exist, a batch file cannot be read, or there is no output.
    """
    if len(paths) == 1 and _is_batch_file(paths[0]):
        return _with_plan((), read_batch_file(paths[0]))
    found = with_recorded_endings(survey(paths, progress=progress))
    if not found.batches and not found.left_out:
        raise SourceError(
            paths[0],
            "contains no output of a CellProfiler job, and is no destination of cpexport",
            "name a job's .h5, CSV or SQLite file, a folder of them, or a destination with --to",
        )
    batches = tuple(map(OutputInfo.of, found.batches))
    return _with_plan(batches, found.plan, found.left_out, found.notes)


def _is_batch_file(path: Path) -> bool:
    if not (path.is_file() and path.suffix.lower() in _HDF5):
        return False
    try:
        with MeasurementFile(path) as file:
            return is_batch_file(file)
    except SourceError:
        return False


def _with_plan(
    batches: tuple[OutputInfo, ...],
    plan: BatchFile | None,
    left_out: tuple[LeftOut, ...] = (),
    notes: tuple[str, ...] = (),
) -> FilesInfo:
    if plan is None:
        return FilesInfo(batches, left_out=left_out, notes=notes)
    digest = None if plan.is_list else plan.pipeline.digest
    of_plan = plan.path, plan.planned, plan.version, digest, len(plan.members)
    return FilesInfo(batches, *of_plan, left_out, notes)
