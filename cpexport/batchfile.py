"""The batch file, `Batch_data.h5`: the image sets wanted, their pictures, groups and pipeline.

CreateBatchFiles writes it as a measurement file without measurements (CellProfiler 4.2.8,
modules/createbatchfiles.py); reading it takes seconds for 10^5 image sets.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa

from cpexport import pipeline
from cpexport.errors import SourceError, UsageError
from cpexport.features import IMAGE, IMAGE_NUMBER
from cpexport.imagesets import ImageSets
from cpexport.measurements import MeasurementFile
from cpexport.paths import BATCH, PathMap
from cpexport.pictures import Pictures, telling
from cpexport.pipeline import Pipeline

NAME = "Batch_data.h5"


@dataclass(frozen=True)
class BatchFile:
    """What a batch file plans. `group_tags` are the features by which it is grouped, or none;
    `grouping` holds their values, which need not be part of what identifies a picture.
    `path_mappings` are folders as whoever made it called them, each with the cluster's name.
    `measured` is whether a job has measured something in this very file."""

    path: Path
    planned: ImageSets
    pictures: Pictures
    grouping: Pictures
    group_tags: tuple[str, ...]
    pipeline: Pipeline
    version: str | None
    path_mappings: tuple[tuple[str, str], ...] = ()
    measured: bool = False

    @cached_property
    def groups(self) -> dict[int, tuple[str, ...]]:
        """Image set number to the values of the group tags; empty when not grouped."""
        keys = self.grouping.keys(self.group_tags)
        if keys is None:
            return {}
        return dict(zip(self.grouping.numbers.tolist(), keys, strict=True))

    @cached_property
    def members(self) -> dict[tuple[str, ...], ImageSets]:
        """The image sets of each group, by the values of the group tags."""
        found: dict[tuple[str, ...], list[int]] = {}
        for number, key in self.groups.items():
            found.setdefault(key, []).append(number)
        return {key: ImageSets.of(numbers) for key, numbers in found.items()}

    @property
    def renumbers(self) -> bool:
        """Whether jobs number image sets by the order of their groups, whatever is written here.

        LoadData makes them (CellProfiler 4.2.8, LEGACY_LOAD_MODULES); the Groups module has put
        them in order before the batch file was written.
        """
        return bool(self.members) and any(m.name == "LoadData" for m in self.pipeline.modules)


class BatchFileFoundError(SourceError):
    """A file among the outputs is a batch file, and so no output of a job."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, "a batch file, not a job's output", "give it as --batch")

    def __reduce__(self) -> tuple[type, tuple[str]]:
        return type(self), (self.path,)


def read_batch_file(path: Path) -> BatchFile:
    """The plan in a batch file, or in whatever measurement file a person calls one.

    Raises:
        SourceError: not a measurement file with image sets, or damaged.
    """
    if path.is_dir():
        raise SourceError(path, "a folder", f"name the {NAME} in it")
    advice = f"give the {NAME} that CreateBatchFiles wrote"
    try:
        opened = MeasurementFile(path)
    except SourceError as error:
        raise SourceError(path, f"not a batch file: {error.problem}", advice) from error
    with opened as file:
        if IMAGE_NUMBER not in file.features(IMAGE):
            raise SourceError(path, "not a batch file: it lists no image sets", advice)
        numbers = file.index(IMAGE, IMAGE_NUMBER)[:, 0]
        held = ImageSets.of(numbers)
        tags = read_group_tags(file.experiment("Metadata_GroupingTags"))
        text = file.experiment("Pipeline_Pipeline") or ""
        return BatchFile(
            path,
            held,
            read_pictures(file, held),
            _pictures(file, held, [tag for tag in tags if tag in file.features(IMAGE)]),
            tags,
            pipeline.parse(text),
            file.experiment("CellProfiler_Version"),
            _path_mappings(file.experiment("Path_Mappings")),
            is_measured(file),
        )


def is_batch_file(file: MeasurementFile) -> bool:
    """Whether a measurement file is a batch file rather than what a job left.

    In a batch file no module has left a mark. In the file of a job that measured nothing neither;
    but that has two pipelines in batch mode, the batch file's and then its own, unless it was named
    after the batch file too. How many pipelines there are tells nothing else: CellProfiler's
    windows keep one for every edit (4.2.8, gui/pipelinecontroller.py, and workspace.py).
    """
    if IMAGE_NUMBER not in file.features(IMAGE) or is_measured(file):
        return False
    if file.path.name.lower() == NAME.lower():
        return True
    texts = file.experiment_values("Pipeline_Pipeline")
    return sum(pipeline.parse(text).in_batch_mode for text in texts) == 1


def is_measured(file: MeasurementFile) -> bool:
    """Whether modules have left marks of having run in a measurement file."""
    marks = ("ModuleError_", "ExecutionTime_")
    return any(feature.startswith(marks) for feature in file.features(IMAGE))


def read_pictures(file: MeasurementFile, held: ImageSets) -> Pictures:
    """The pictures of the image sets `held`, by what a measurement file says of them."""
    return _pictures(file, held, telling(file.features(IMAGE)))


def read_group_tags(text: str | None) -> tuple[str, ...]:
    """The features that `Metadata_GroupingTags` lists as JSON; none when there is nothing."""
    if not text:
        return ()
    try:
        tags = json.loads(text)
    except ValueError:
        return ()
    return tuple(str(tag) for tag in tags) if isinstance(tags, list) else ()


def read_path_map(words: Sequence[str], batch_file: Path | None) -> PathMap:
    """The mapping that `--path-map` asks for: pairs, and `batch` for those of the batch file, which
    lead from the cluster back to where it was made.

    Raises:
        UsageError: not a pair, or no batch file, or it has none.
        SourceError: the batch file cannot be read.
    """
    pairs: list[tuple[str, str]] = []
    if BATCH in words:
        if batch_file is None:
            raise UsageError("--path-map batch needs --batch, whose mappings it takes")
        mappings = read_batch_file(batch_file).path_mappings
        if not mappings:
            raise UsageError(f"{batch_file} maps no paths; write --path-map CLUSTER=LOCAL")
        pairs = [(cluster, local) for local, cluster in mappings]
    return PathMap.parse([word for word in words if word != BATCH], pairs)


def digest(path: Path) -> str:
    """SHA-256 of a batch file, by which a plan and its jobs know which one they were made with.

    Raises:
        SourceError: it cannot be read.
    """
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise SourceError(path, f"cannot be read: {error.strerror}", "check it") from error


def _path_mappings(text: str | None) -> tuple[tuple[str, str], ...]:
    """The pairs in the JSON of `Path_Mappings`; none when there is nothing."""
    try:
        pairs = json.loads(text or "{}").get("PathMappings", [])
        # Without any, CreateBatchFiles has one of a folder that is called the same.
        return tuple((str(local), str(cluster)) for local, cluster in pairs if local != cluster)
    except (ValueError, TypeError, AttributeError):
        return ()


def _pictures(file: MeasurementFile, held: ImageSets, features: Iterable[str]) -> Pictures:
    numbers = np.fromiter(held, np.int64, len(held))
    return Pictures.of(numbers, {name: _texts(file, name, numbers) for name in features})


def _texts(file: MeasurementFile, feature: str, numbers: np.ndarray) -> pa.StringArray:
    known, values = file.one_each(IMAGE, feature)
    wanted = np.isin(known, numbers)
    known, values = known[wanted], values[wanted]
    if values.dtype.kind in "iu":
        # Planes are many, and a loop over them takes most of the time of a large batch file.
        texts = pa.array(values).cast(pa.string())
    else:
        # NaN, which alone differs from itself, is no value.
        said = [str(value) if value == value else None for value in values]
        texts = pa.array(said, pa.string())
    rows = np.full(len(numbers), -1)
    rows[np.searchsorted(numbers, known)] = np.arange(len(known))
    return texts.take(pa.array(rows, mask=rows < 0))
