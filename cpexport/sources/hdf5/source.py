"""Measurement files (.h5) of single jobs, as all versions of CellProfiler since 2.1 write them."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from cpexport.cellprofiler import pipeline
from cpexport.cellprofiler.batch_file import (
    BatchFileFoundError,
    is_batch_file,
    read_group_tags,
    read_identities,
)
from cpexport.cellprofiler.experiment import EXPERIMENTS, experiment_rows, is_measured
from cpexport.cellprofiler.features import (
    EXPERIMENT,
    IMAGE,
    IMAGE_NUMBER,
    RELATIONSHIP,
    is_column,
    promised_type,
)
from cpexport.cellprofiler.flagged_image_sets import skipped
from cpexport.cellprofiler.hdf5.measurement_file import MeasurementFile
from cpexport.cellprofiler.image_identity import Identities
from cpexport.errors import SourceError
from cpexport.imagesets import NONE, ImageSets
from cpexport.sources.base import Evidence
from cpexport.sources.companions import NOTHING, Companions
from cpexport.sources.hdf5.rows import image_rows, object_rows, relationship_rows
from cpexport.tables.layout import Features

SUFFIXES = frozenset({".h5", ".hdf5"})


@dataclass(frozen=True, slots=True)
class Hdf5Source:
    """One job's measurement file.

    `done_status` is the content of the job's done file. It counts only if it is Failure, because a
    job that ended well has its Exit_Status in the measurement file.
    """

    path: Path
    file: Path
    companions: Companions = NOTHING
    done_status: str | None = None
    format: str = "hdf5"

    @property
    def files(self) -> tuple[Path, ...]:
        return (self.file,)

    @property
    def evidence_files(self) -> tuple[Path, ...]:
        return (*self.files, *self.companions.files)

    def inspect(self) -> Evidence:
        try:
            return self._inspect()
        except BatchFileFoundError:
            raise
        except SourceError as error:
            raise self.companions.advised(error) from error

    def _inspect(self) -> Evidence:
        with MeasurementFile(self.file) as file:
            if is_batch_file(file):
                raise BatchFileFoundError(self.file)
            text = file.experiment("Pipeline_Pipeline")
            parsed = pipeline.parse(text) if text else None
            image = file.features(IMAGE)
            present = _image_sets(file)
            recorder = (parsed.recorder if parsed else None) or _last_recorded(image)
            measured, marker = _measured(file, image, recorder)
            gui_status = _gui_done(file, image, present)
            skip = skipped(parsed, image, lambda feature: _values(file, feature))
            return Evidence(
                present=present,
                measured=measured & present,
                completion_marker=marker,
                exit_status=file.experiment("Exit_Status")
                or gui_status
                or ("Failure" if self.done_status == "Failure" else None),
                always_reports_exit=True,
                finished=file.experiment("Modification_Timestamp")
                or file.experiment("Run_Timestamp")
                or "",
                identities=read_identities(file, present),
                features=_features(file),
                tables=frozenset(file.groups),
                version=file.experiment("CellProfiler_Version"),
                pipeline=parsed,
                group_tags=read_group_tags(file.experiment("Metadata_GroupingTags")),
                notes=self.companions.note("the .h5 is"),
                skipped=skip,
                left_out=self.companions.left_out(present, self.file.name),
            )

    @contextmanager
    def open(self) -> Iterator["_Opened"]:
        with MeasurementFile(self.file) as file:
            yield _Opened(file)


class _Opened:
    """The open file of a source."""

    def __init__(self, file: MeasurementFile) -> None:
        self._file = file

    @property
    def identities(self) -> Identities:
        return read_identities(self._file, _image_sets(self._file))

    def read(self, wanted: ImageSets, types: Features) -> Iterator[tuple[str, pa.RecordBatch]]:
        file, numbers = self._file, np.fromiter(wanted, np.int64, len(wanted))
        yield IMAGE, image_rows(file, numbers)
        for name in file.objects:
            yield name, object_rows(file, name, numbers)
        yield RELATIONSHIP, relationship_rows(file, numbers)
        names = [*EXPERIMENTS.names, *filter(is_measured, file.features(EXPERIMENT))]
        yield from experiment_rows({name: file.experiment(name) or "" for name in names})


def _image_sets(file: MeasurementFile) -> ImageSets:
    if IMAGE_NUMBER not in file.features(IMAGE):
        return NONE
    return ImageSets.of(file.index(IMAGE, IMAGE_NUMBER)[:, 0])


def _last_recorded(image: tuple[str, ...]) -> str | None:
    tags = [f.partition("_")[2] for f in image if f.startswith(("ModuleError_", "ExecutionTime_"))]
    return max(tags, default=None)


def _measured(
    file: MeasurementFile, image: tuple[str, ...], recorder: str | None
) -> tuple[ImageSets, str]:
    """The image sets that the last recording module has marked, and the feature with the mark."""
    error, time = f"ModuleError_{recorder}", f"ExecutionTime_{recorder}"
    if error in image:
        numbers, values = file.one_each(IMAGE, error)
        # Only the GUI's workers write 1, for a module that raised an error.
        return ImageSets.of(numbers[values == 0]), error
    if time in image:
        return ImageSets.of(file.one_each(IMAGE, time)[0]), time
    return NONE, error


def _values(file: MeasurementFile, feature: str) -> tuple[np.ndarray, pa.Array]:
    """The image sets with a value of an image feature, and the values."""
    numbers, values = file.one_each(IMAGE, feature)
    return numbers, pa.array(values.tolist())


def _gui_done(file: MeasurementFile, image: tuple[str, ...], present: ImageSets) -> str | None:
    """`Complete` for a GUI's file whose workers have all finished; they never write Exit_Status."""
    if "ProcessingStatus" not in image:
        return None
    numbers, values = file.one_each(IMAGE, "ProcessingStatus")
    done = ImageSets.of(numbers[values == "Done"])
    return "Complete" if present <= done else None


def _features(file: MeasurementFile) -> Features:
    """All features by name, with a type only where the name does not promise one: those are few."""
    features_by_type = {}
    for name in (IMAGE, *file.objects):
        features_by_type[name] = {
            feature: file.type_of(name, feature)
            if promised_type(name, feature) == pa.null()
            else pa.null()
            for feature in file.features(name)
            if is_column(feature)
        }
    return features_by_type
