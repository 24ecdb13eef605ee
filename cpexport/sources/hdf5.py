"""Measurement files (.h5) of single jobs, as CellProfiler writes them: all versions since 2.1."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from cpexport import pipeline
from cpexport.batch import Evidence
from cpexport.batchfile import (
    BatchFileFoundError,
    is_batch_file,
    read_group_tags,
    read_pictures,
)
from cpexport.errors import SourceError
from cpexport.experiment import EXPERIMENTS, experiment_rows, is_measured
from cpexport.features import (
    EXPERIMENT,
    IMAGE,
    IMAGE_NUMBER,
    RELATIONSHIP,
    is_column,
    promised_type,
)
from cpexport.imagesets import NONE, ImageSets
from cpexport.measurements import MeasurementFile
from cpexport.pictures import Pictures
from cpexport.skipped import skipped
from cpexport.sources.beside import NOTHING, Beside
from cpexport.sources.hdf5rows import image_rows, object_rows, relationship_rows
from cpexport.tables import Features

SUFFIXES = frozenset({".h5", ".hdf5"})


@dataclass(frozen=True)
class Hdf5Source:
    """One job's measurement file.

    `said` is what its done file says, which counts only when it is Failure: a job that ended well
    has its Exit_Status in the file.
    """

    path: Path
    file: Path
    beside: Beside = NOTHING
    said: str | None = None
    format: str = "hdf5"

    @property
    def files(self) -> tuple[Path, ...]:
        return (self.file,)

    @property
    def evidence_files(self) -> tuple[Path, ...]:
        return (*self.files, *self.beside.files)

    def inspect(self) -> Evidence:
        try:
            return self._inspect()
        except BatchFileFoundError:
            raise
        except SourceError as error:
            raise self.beside.advised(error) from error

    def _inspect(self) -> Evidence:
        with MeasurementFile(self.file) as file:
            if is_batch_file(file):
                raise BatchFileFoundError(self.file)
            text = file.experiment("Pipeline_Pipeline")
            parsed = pipeline.parse(text) if text else None
            image = file.features(IMAGE)
            held = _held(file)
            recorder = (parsed.recorder if parsed else None) or _last_recorded(image)
            measured, sign = _measured(file, image, recorder)
            done = _gui_done(file, image, held)
            skip = skipped(parsed, image, lambda feature: _values(file, feature))
            return Evidence(
                held=held,
                measured=measured & held,
                sign=sign,
                exit_status=file.experiment("Exit_Status")
                or done
                or ("Failure" if self.said == "Failure" else None),
                must_say=True,
                finished=file.experiment("Modification_Timestamp")
                or file.experiment("Run_Timestamp")
                or "",
                pictures=read_pictures(file, held),
                features=_features(file),
                tables=frozenset(file.groups),
                version=file.experiment("CellProfiler_Version"),
                pipeline=parsed,
                group_tags=read_group_tags(file.experiment("Metadata_GroupingTags")),
                notes=self.beside.note("the .h5 is"),
                skipped=skip,
                left_out=self.beside.left_out(held, self.file.name),
            )

    @contextmanager
    def open(self) -> Iterator["_Opened"]:
        with MeasurementFile(self.file) as file:
            yield _Opened(file)


class _Opened:
    """The file of a source, for as long as it is looked at."""

    def __init__(self, file: MeasurementFile) -> None:
        self._file = file

    @property
    def pictures(self) -> Pictures:
        return read_pictures(self._file, _held(self._file))

    def read(self, wanted: ImageSets, types: Features) -> Iterator[tuple[str, pa.RecordBatch]]:
        file, numbers = self._file, np.fromiter(wanted, np.int64, len(wanted))
        yield IMAGE, image_rows(file, numbers)
        for name in file.objects:
            yield name, object_rows(file, name, numbers)
        yield RELATIONSHIP, relationship_rows(file, numbers)
        names = [*EXPERIMENTS.names, *filter(is_measured, file.features(EXPERIMENT))]
        yield from experiment_rows({name: file.experiment(name) or "" for name in names})


def _held(file: MeasurementFile) -> ImageSets:
    if IMAGE_NUMBER not in file.features(IMAGE):
        return NONE
    return ImageSets.of(file.index(IMAGE, IMAGE_NUMBER)[:, 0])


def _last_recorded(image: tuple[str, ...]) -> str | None:
    tags = [f.partition("_")[2] for f in image if f.startswith(("ModuleError_", "ExecutionTime_"))]
    return max(tags, default=None)


def _measured(
    file: MeasurementFile, image: tuple[str, ...], recorder: str | None
) -> tuple[ImageSets, str]:
    """The image sets that the last recording module has marked, and the feature that says so."""
    error, time = f"ModuleError_{recorder}", f"ExecutionTime_{recorder}"
    if error in image:
        numbers, values = file.one_each(IMAGE, error)
        # 1 is written by the GUI's workers only, for a module that raised.
        return ImageSets.of(numbers[values == 0]), error
    if time in image:
        return ImageSets.of(file.one_each(IMAGE, time)[0]), time
    return NONE, error


def _values(file: MeasurementFile, feature: str) -> tuple[np.ndarray, pa.Array]:
    """The image sets that have a value of an image feature, and the values."""
    numbers, values = file.one_each(IMAGE, feature)
    return numbers, pa.array(values.tolist())


def _gui_done(file: MeasurementFile, image: tuple[str, ...], held: ImageSets) -> str | None:
    """`Complete` for a GUI's file whose workers are all through: those never write Exit_Status."""
    if "ProcessingStatus" not in image:
        return None
    numbers, values = file.one_each(IMAGE, "ProcessingStatus")
    done = ImageSets.of(numbers[values == "Done"])
    return "Complete" if held <= done else None


def _features(file: MeasurementFile) -> Features:
    """All features by name; types only where the name promises none, as those alone are few."""
    found = {}
    for name in (IMAGE, *file.objects):
        found[name] = {
            feature: file.type_of(name, feature)
            if promised_type(name, feature) == pa.null()
            else pa.null()
            for feature in file.features(name)
            if is_column(feature)
        }
    return found
