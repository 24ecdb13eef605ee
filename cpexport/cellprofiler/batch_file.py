"""Reads the batch file, `Batch_data.h5`: planned image sets, their images, groups and pipeline.

CreateBatchFiles writes it as a measurement file without measurements (CellProfiler 4.2.8,
modules/createbatchfiles.py). Reading it takes seconds for 10^5 image sets.
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from cpexport.cellprofiler import pipeline
from cpexport.cellprofiler.features import IMAGE, IMAGE_NUMBER
from cpexport.cellprofiler.hdf5.measurement_file import MeasurementFile
from cpexport.cellprofiler.image_identity import Identities, telling
from cpexport.cellprofiler.pipeline import Pipeline
from cpexport.errors import SourceError
from cpexport.files.explained import unreadable
from cpexport.files.opening import open_regular
from cpexport.imagesets import LARGEST, ImageSets

NAME = "Batch_data.h5"
_AT_ONCE = 100_000


@dataclass(frozen=True)
class BatchFile:
    """The content of a batch file.

    planned: the image sets to run.
    identities: what identifies their images.
    grouping: the values of the group tags, which need not be part of `identities`.
    group_tags: the features that group the image sets; empty without groups.
    path_mappings: folders as named on the computer that made the file, each with the cluster's
    name.
    measured: whether a job has written measurements into this very file.
    lists: LoadData's lists that it stands for (`image_set_list`); empty for a batch file.
    pipeline_file: the pipeline that runs these lists, if it is known.
    text: the lists as one, for the jobs of a plan; it will be written to `path`.
    own_lists: whether each of these jobs gets a list of its own image sets.
    """

    path: Path
    planned: ImageSets
    identities: Identities = field(repr=False)
    grouping: Identities = field(repr=False)
    group_tags: tuple[str, ...]
    pipeline: Pipeline = field(repr=False)
    version: str | None
    path_mappings: tuple[tuple[str, str], ...] = ()
    measured: bool = False
    lists: tuple[Path, ...] = ()
    pipeline_file: Path | None = None
    text: bytes | None = field(default=None, repr=False)
    own_lists: bool = False

    @property
    def is_list(self) -> bool:
        """Whether it stands for LoadData's lists."""
        return bool(self.lists)

    @cached_property
    def sha256(self) -> str:
        """Its digest, by which a plan and its jobs recognize it.

        Raises:
            SourceError: the file cannot be read.
        """
        return digest(self.path) if self.text is None else hashlib.sha256(self.text).hexdigest()

    @cached_property
    def groups(self) -> dict[int, tuple[str, ...]]:
        """Image set number to the values of the group tags; empty without groups."""
        keys = self.grouping.keys(self.group_tags)
        if keys is None:
            return {}
        return dict(zip(self.grouping.numbers.tolist(), keys, strict=True))

    @cached_property
    def members(self) -> dict[tuple[str, ...], ImageSets]:
        """The image sets of each group, by the values of the group tags."""
        numbers_by_key: dict[tuple[str, ...], list[int]] = {}
        for number, key in self.groups.items():
            numbers_by_key.setdefault(key, []).append(number)
        return {key: ImageSets.of(numbers) for key, numbers in numbers_by_key.items()}

    @property
    def renumbers(self) -> bool:
        """Whether jobs renumber image sets by the order of their groups.

        They do if LoadData made the image sets (CellProfiler 4.2.8, LEGACY_LOAD_MODULES). The
        Groups module, in contrast, sorts them before the batch file is written. Metadata identifies
        the image sets of a list, whose numbers mean nothing.
        """
        from_list = any(m.name == "LoadData" for m in self.pipeline.modules)
        return bool(self.members) and from_list and not self.is_list


class BatchFileFoundError(SourceError):
    """A file among the outputs is a batch file and therefore not a job's output."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, "is a batch file, not the output of a job", "name it with --batch")

    def __reduce__(self) -> tuple[type, tuple[str]]:
        return type(self), (self.path,)


def read_batch_file(path: Path) -> BatchFile:
    """Returns the content of a batch file, or of a measurement file that is used as one.

    Raises:
        SourceError: the file is damaged, or not a measurement file with image sets.
    """
    if path.is_dir():
        raise SourceError(path, "is a folder", f"name the {NAME} in the folder")
    advice = f"name the {NAME} that CreateBatchFiles wrote"
    try:
        opened = MeasurementFile(path)
    except SourceError as error:
        raise SourceError(path, f"not a batch file: {error.problem}", advice) from error
    with opened as file:
        if IMAGE_NUMBER not in file.features(IMAGE):
            raise SourceError(path, "not a batch file: it lists no image sets", advice)
        numbers = file.index(IMAGE, IMAGE_NUMBER)[:, 0]
        planned = ImageSets.of_array(numbers)
        if planned and planned.last > LARGEST:
            raise SourceError(path, f"lists image set {planned.last}", advice)
        tags = read_group_tags(file.experiment("Metadata_GroupingTags"))
        text = file.experiment("Pipeline_Pipeline") or ""
        return BatchFile(
            path,
            planned,
            read_identities(file, planned),
            _identities(file, planned, [tag for tag in tags if tag in file.features(IMAGE)]),
            tags,
            pipeline.parse(text),
            file.experiment("CellProfiler_Version"),
            _path_mappings(file.experiment("Path_Mappings")),
            is_measured(file),
        )


def is_batch_file(file: MeasurementFile) -> bool:
    """Whether a measurement file is a batch file and not a job's output.

    In a batch file, no module has left a mark. A job that measured nothing also leaves no mark, but
    its file has two pipelines in batch mode, first the batch file's and then its own, unless it has
    the batch file's name. The total number of pipelines shows nothing, because CellProfiler's
    windows store one for every edit (4.2.8, gui/pipelinecontroller.py, and workspace.py).
    """
    if IMAGE_NUMBER not in file.features(IMAGE) or is_measured(file):
        return False
    if file.path.name.lower() == NAME.lower():
        return True
    texts = file.experiment_values("Pipeline_Pipeline")
    return sum(pipeline.parse(text).in_batch_mode for text in texts) == 1


def is_measured(file: MeasurementFile) -> bool:
    """Whether modules have left marks in a measurement file that they ran."""
    marks = ("ModuleError_", "ExecutionTime_")
    return any(feature.startswith(marks) for feature in file.features(IMAGE))


def read_identities(file: MeasurementFile, image_sets: ImageSets) -> Identities:
    """What identifies the images of `image_sets`, according to a measurement file."""
    return _identities(file, image_sets, telling(file.features(IMAGE)))


def read_group_tags(text: str | None) -> tuple[str, ...]:
    """The features in the JSON list `Metadata_GroupingTags`; empty if it is missing."""
    if not text:
        return ()
    try:
        tags = json.loads(text)
    except (ValueError, RecursionError):
        return ()
    return tuple(str(tag) for tag in tags) if isinstance(tags, list) else ()


def digest(path: Path) -> str:
    """The SHA-256 of a batch file, by which a plan and its jobs recognize it.

    Raises:
        SourceError: the file cannot be read.
    """
    try:
        with open_regular(path) as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise unreadable(path, error, "make it readable") from error


def _path_mappings(text: str | None) -> tuple[tuple[str, str], ...]:
    """The pairs in the JSON of `Path_Mappings`; empty if there are none."""
    try:
        pairs = json.loads(text or "{}").get("PathMappings", [])
        # If the user maps no folders, CreateBatchFiles writes one that is mapped to itself.
        return tuple((str(local), str(cluster)) for local, cluster in pairs if local != cluster)
    except (ValueError, TypeError, AttributeError, RecursionError):
        return ()


def _identities(
    file: MeasurementFile, image_sets: ImageSets, features: Iterable[str]
) -> Identities:
    numbers = np.fromiter(image_sets, np.int64, len(image_sets))
    return Identities.of(numbers, {name: _texts(file, name, numbers) for name in features})


def _texts(file: MeasurementFile, feature: str, numbers: np.ndarray) -> pa.StringArray:
    present, values = file.one_each(IMAGE, feature)
    wanted = np.isin(present, numbers)
    present, values = present[wanted], values[wanted]
    if values.dtype.kind in "iu":
        # Planes are numerous, and a loop over them takes most of the time for a large batch file.
        texts = pa.array(values).cast(pa.string())
    else:
        starts = range(0, len(values), _AT_ONCE) or [0]
        texts = pa.concat_arrays([_strings(values[start:][:_AT_ONCE]) for start in starts])
    if np.array_equal(present, numbers):
        return texts
    rows = np.full(len(numbers), -1)
    rows[np.searchsorted(numbers, present)] = np.arange(len(present))
    return texts.take(pa.array(rows, mask=rows < 0))


def _strings(values: npt.NDArray[np.generic]) -> pa.StringArray:
    # NaN is the only value that differs from itself; it means no value.
    return pa.array([str(value) if value == value else None for value in values], pa.string())
