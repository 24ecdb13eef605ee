"""CSV files of one job that ExportToDatabase wrote for MySQL, up to CellProfiler 3.1.9.

The means, medians and standard deviations in Per_Image are left out: they are not features, and are
`nan` for an image set without objects. Features with shortened column names keep those names.
"""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pyarrow as pa

from cpexport.cellprofiler import pipeline
from cpexport.cellprofiler.experiment import experiment_rows
from cpexport.cellprofiler.features import IMAGE, NULL, RELATIONSHIP, promised_type
from cpexport.cellprofiler.flagged_image_sets import skipped
from cpexport.cellprofiler.image_identity import Identities
from cpexport.cellprofiler.pipeline import Pipeline
from cpexport.errors import RERUN, SourceError
from cpexport.files.opening import read_text
from cpexport.files.unpacked import plain_name
from cpexport.imagesets import NONE, ImageSets
from cpexport.sources.base import Evidence
from cpexport.sources.companions import NOTHING, Companions
from cpexport.sources.mysql_csv.file_names import SqlJob
from cpexport.sources.mysql_csv.rows import ImageTable, ObjectTable, pair_rows
from cpexport.sources.mysql_csv.setup_sql import read_setup
from cpexport.sources.spreadsheet.csv_file import ends_cut
from cpexport.tables.layout import Features

_ROW = "row in Image.CSV"
# No job runs more image sets than this.
_MOST = 1_000_000
_PAIRS = "Relationships"


@dataclass(frozen=True)
class SqlCsvSource:
    """The CSV files of one job, in a folder that also has the SETUP.SQL with their columns.

    SETUP.SQL is not among the `files`: every job of the folder overwrites it, so the batch would
    seem to change. `done` is the job's done file, if the folder has one.
    """

    path: Path
    files: tuple[Path, ...]
    job: SqlJob
    done: Path | None = None
    companions: Companions = NOTHING
    format: str = "sqlcsv"

    @property
    def evidence_files(self) -> tuple[Path, ...]:
        done = () if self.done is None else (self.done,)
        return (*self.files, *done, *self.companions.files)

    def inspect(self) -> Evidence:
        try:
            return _Opened(self).evidence()
        except SourceError as error:
            raise self.companions.advised(error) from error

    def open(self) -> AbstractContextManager["_Opened"]:
        return nullcontext(_Opened(self))


class _Opened:
    """The files of a source with their columns."""

    def __init__(self, source: SqlCsvSource) -> None:
        self._source = source
        self._job = source.job
        self._files = {plain_name(path): path for path in source.files}
        self._setup = read_setup(source.files[0].parent / source.job.setup)
        self._tables = tuple(name for name in self._setup.tables if name != IMAGE)

    @cached_property
    def images(self) -> ImageTable:
        """The job's Image.CSV."""
        path = self._file(IMAGE)
        if path is None:
            problem = f"{self._job.file(IMAGE)} is missing"
            raise SourceError(self._source.path, problem, RERUN)
        return ImageTable(path, self._setup.tables[IMAGE])

    def evidence(self) -> Evidence:
        """See `Source.inspect`."""
        self._check_files_are_known()
        images, done, parsed = self.images, self._source.done, self._pipeline
        flags = [f for f in images.columns if parsed and f in parsed.flags]
        incomplete, lost = self._shortfalls()
        lost |= self._never_written()
        lost -= images.present
        if images.cut:
            incomplete |= dict.fromkeys(lost, f"{images.path.name} is cut off")
        experiment = self._setup.experiment
        own_setup = plain_name(images.path) in self._setup.loads
        object_types = [name for table in self._tables for name in self._setup.objects(table)]
        return Evidence(
            present=images.present | lost,
            measured=images.filled(flags) | (lost if images.cut else NONE),
            skipped=skipped(parsed, images.columns, lambda f: (images.numbers, images.columns[f])),
            completion_marker=", ".join(flags) or _ROW,
            exit_status=read_text(done).strip() if done else None,
            always_reports_exit=False,
            finished=experiment.get("Run_Timestamp", "") if own_setup else "",
            identities=images.identities,
            features=self._features(),
            incomplete=incomplete,
            missing_tables={
                n: sets for n, sets in images.counted.items() if sets and n not in object_types
            },
            tables=frozenset(object_types) | ({RELATIONSHIP} if self._file(_PAIRS) else set()),
            version=experiment.get("CellProfiler_Version") or None,
            pipeline=parsed,
            group_tags=() if parsed and parsed.ungrouped else None,
            notes=self._source.companions.note("a folder of CSV files is") + self._notes(flags),
            left_out=self._source.companions.left_out(images.present | lost, images.path.name),
        )

    @property
    def identities(self) -> Identities:
        return self.images.identities

    def read(self, wanted: ImageSets, types: Features) -> Iterator[tuple[str, pa.RecordBatch]]:
        yield IMAGE, self.images.rows(wanted)
        for table in self._objects:
            yield from table.rows(wanted)
        path = self._file(_PAIRS)
        if path:
            yield RELATIONSHIP, pair_rows(path, self._setup.relationships or {}, wanted)
        yield from experiment_rows(self._setup.experiment)

    def _file(self, table: str) -> Path | None:
        return self._files.get(self._job.file(table))

    @cached_property
    def _objects(self) -> tuple[ObjectTable, ...]:
        """The files of objects that exist."""
        paths = ((table, self._file(table)) for table in self._tables)
        return tuple(ObjectTable(path, self._setup.tables[table]) for table, path in paths if path)

    @property
    def _pipeline(self) -> Pipeline | None:
        text = self._setup.experiment.get("Pipeline_Pipeline")
        parsed = pipeline.parse(text) if text else None
        return parsed if parsed and parsed.modules else None

    def _check_files_are_known(self) -> None:
        known = {self._job.file(table) for table in self._setup.tables}
        if self._setup.relationships is not None:
            known.add(self._job.file(_PAIRS))
        for name, path in self._files.items():
            if name not in known:
                problem = f"{self._job.setup} has no table for it, or is cut off"
                raise SourceError(path, problem, "restore the SETUP.SQL of its run")

    def _never_written(self) -> ImageSets:
        """The image sets after the last row, up to the last one in the files' names.

        Rows are written in order of image set, but a grouped run does not process image sets in
        order: the last that ran can come before the last row.
        """
        begin = max(self.images.present.last + 1 if self.images.present else 1, self._job.first)
        if begin > self._job.last:
            return NONE
        never = ImageSets.span(begin, self._job.last)
        if len(never) > _MOST:
            problem = f"its files are named as if it ran image set {self._job.last}"
            raise SourceError(self._source.path, problem, "rename them as the job named them")
        return never

    def _shortfalls(self) -> tuple[dict[int, str], ImageSets]:
        """Why image sets lack rows in other files, by number, and all image sets in those files."""
        images = self.images
        incomplete: dict[int, str] = {}
        seen = NONE
        for table in self._tables:
            if not self._file(table):
                for name in self._setup.objects(table):
                    lost = images.counted.get(name, images.present)
                    incomplete |= dict.fromkeys(lost, f"{self._job.file(table)} is missing")
        for objects in self._objects:
            counts, sets, cut = objects.counted()
            seen |= sets
            for name, numbers in counts.items():
                incomplete = self._count(objects.path, name, numbers, cut) | incomplete
        # CellProfiler writes no file of pairs if it exports no objects (write_csv_data).
        if self._setup.relationships is not None and self._tables:
            path = self._file(_PAIRS)
            if path is None:
                incomplete = (
                    dict.fromkeys(images.present, f"{self._job.file(_PAIRS)} is missing")
                    | incomplete
                )
            elif ends_cut(path):
                incomplete = dict.fromkeys(images.present, f"{path.name} is cut off") | incomplete
        return incomplete, seen

    def _count(self, path: Path, name: str, has: Mapping[int, int], cut: bool) -> dict[int, str]:
        """Why image sets have another number of objects than Image.CSV counts, by image set."""
        counts = self.images.counts.get(name)
        if counts is None:
            if cut:
                raise SourceError(path, "cut off in the middle of a line", RERUN)
            return {}
        end = ", because it is cut off" if cut else ""
        return {
            number: f"{path.name} has {has.get(number, 0)} of {count} {name}{end}"
            for number, count in zip(self.images.numbers.tolist(), counts.tolist(), strict=True)
            if has.get(number, 0) != count
        }

    def _features(self) -> Features:
        by_type = {
            IMAGE: {
                feature: column.type if promised_type(IMAGE, feature) == NULL else NULL
                for feature, column in self.images.columns.items()
            }
        }
        for table in self._objects:
            for name, features in table.features.items():
                by_type[name] = dict.fromkeys(features, NULL)
        return by_type

    def _notes(self, flags: list[str]) -> tuple[str, ...]:
        notes = []
        if not flags:
            notes.append("no ModuleError or ExecutionTime columns: a row counts as measured")
        left_out = len(self._setup.tables[IMAGE]) - 1 - len(self.images.columns)
        if left_out:
            notes.append(f"{left_out} columns of means, medians or deviations are not loaded")
        return tuple(notes)
