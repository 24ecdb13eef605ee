"""SQLite files of CellProfiler's ExportToDatabase, in any of its layouts.

Jobs with the same output folder write into one file, each image set in its own transaction
(CellProfiler 4.2.8, exporttodatabase.py). A file is therefore one batch, whichever jobs wrote it.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pyarrow as pa

from cpexport.cellprofiler import pipeline
from cpexport.cellprofiler.batch_file import read_group_tags
from cpexport.cellprofiler.experiment import experiment_rows
from cpexport.cellprofiler.features import IMAGE, NULL, RELATIONSHIP
from cpexport.cellprofiler.image_identity import Identities
from cpexport.cellprofiler.pipeline import Pipeline
from cpexport.errors import SourceError
from cpexport.imagesets import NONE, ImageSets
from cpexport.sources.base import Evidence, Nothing, Opened
from cpexport.sources.sqlite.cytominer import CytominerFile
from cpexport.sources.sqlite.file import (
    DatabaseFile,
    FileKind,
    check_finished,
    contents,
)
from cpexport.sources.sqlite.image_table import MARK, ROW, ImageTableRows
from cpexport.sources.sqlite.object_numbers import Counts
from cpexport.sources.sqlite.rows import (
    object_counts,
    relationship_rows,
    row_counts,
    table_rows,
    untracked,
)
from cpexport.sources.sqlite.schema import image_table, notes, object_tables
from cpexport.sources.sqlite.stored_tables import IMAGE_TABLE, check_texts, quoted
from cpexport.tables.layout import Features

_NO_TABLES = (
    "the job found no tables to write to, or could not create them (CreateBatchFiles creates "
    "them only in its own output folder)"
)


@dataclass(frozen=True)
class DatabaseSource:
    """One SQLite file of one job, or of several jobs.

    `done_status` is the content of the job's done file, if the folder has one. `hint` is the batch
    file's pipeline, for files without a pipeline. `by_cytominer` is whether the file is one of
    cytominer-database.
    """

    path: Path
    file: Path
    done_status: str | None = None
    hint: Pipeline | None = None
    by_cytominer: bool = False
    format: str = "database"

    @property
    def files(self) -> tuple[Path, ...]:
        return (self.file,)

    @property
    def evidence_files(self) -> None:
        return None

    def inspect(self) -> Evidence:
        check_finished(self.file)
        if self._is_empty():
            empty = "is empty" if not self.file.stat().st_size else "has no tables"
            return _nothing(self.done_status, f"{self.file.name} {empty}: {_NO_TABLES}")
        with self._file() as file:
            return _Opened(self, file).evidence()

    @contextmanager
    def open(self) -> Iterator[Opened]:
        if self._is_empty():
            yield Nothing()
            return
        with self._file() as file:
            yield _Opened(self, file)

    def _file(self) -> DatabaseFile:
        return CytominerFile(self.file) if self.by_cytominer else DatabaseFile(self.file)

    def _is_empty(self) -> bool:
        return contents(self.file) is FileKind.NOTHING


class _Opened:
    """The open file of a source with its tables."""

    def __init__(self, source: DatabaseSource, file: DatabaseFile) -> None:
        self._source, self._file = source, file
        self._tables = file.tables()
        self._prefix = self._find_prefix()
        name = f"{self._prefix}{IMAGE_TABLE}"
        self._image = image_table(name, self._tables[name])
        self._objects = object_tables(self._tables, self._prefix)

    def evidence(self) -> Evidence:
        """See `Source.inspect`."""
        if not self._rows[self._image.name]:
            job = "; the job failed at its first image set" if self._source.done_status else ""
            return _nothing(
                self._source.done_status, f"{self._source.file.name} has tables but no rows{job}"
            )
        images = self.images
        incomplete = self._shortfalls(images)
        present = images.present | ImageSets.of(incomplete)
        names = {name for table in self._objects for name in table.features}
        row = (f"no {MARK} columns: a row counts as measured",) if images.marker == ROW else ()
        return Evidence(
            present=present,
            measured=images.measured | (present - images.present),
            completion_marker=images.marker,
            exit_status=self._source.done_status,
            always_reports_exit=False,
            finished=self._experiment.get("Modification_Timestamp")
            or self._experiment.get("Run_Timestamp")
            or "",
            identities=images.identities,
            features=self._features(images),
            incomplete=incomplete,
            missing_tables={
                n: sets for n, sets in images.counted().items() if sets and n not in names
            },
            tables=frozenset(names) | ({RELATIONSHIP} if self._pairs else set()),
            version=self._experiment.get("CellProfiler_Version"),
            pipeline=self._pipeline,
            group_tags=self._group_tags,
            notes=row
            + self._file.notes
            + notes(
                self._image,
                self._objects,
                self._pipeline,
                shortens=not self._source.by_cytominer,
            ),
            skipped=images.skipped,
        )

    @property
    def listed(self) -> ImageSets:
        """The image sets that have a row."""
        return ImageSets.of(row_counts(self._file, self._image.name))

    @property
    def _group_tags(self) -> tuple[str, ...] | None:
        """The group tags as in `Evidence`.

        Only a grouped run has them in its database (CellProfiler 4.2.8, modules/groups.py and
        loaddata.py, get_measurement_columns), and only in some versions.
        """
        if tags := self._experiment.get("Metadata_GroupingTags"):
            return read_group_tags(tags)
        return () if self._pipeline and self._pipeline.ungrouped else None

    @property
    def identities(self) -> Identities:
        return self.images.identities

    def read(self, wanted: ImageSets, types: Features) -> Iterator[tuple[str, pa.RecordBatch]]:
        for table in (self._image, *self._objects):
            counted = self.images.counted_each
            yield from table_rows(self._file, table, wanted, self._rows[table.name], counted)
        if self._pairs:
            for rows in relationship_rows(self._file, *self._pairs, wanted):
                yield RELATIONSHIP, rows
        yield from experiment_rows(self._experiment)

    @cached_property
    def images(self) -> ImageTableRows:
        """The facts from the images' table."""
        return ImageTableRows(self._file, self._image, self._rows[self._image.name], self._pipeline)

    @cached_property
    def _rows(self) -> Mapping[str, Counts]:
        """Table to the number of its rows of each image set."""
        tables = (self._image, *self._objects)
        return {table.name: row_counts(self._file, table.name) for table in tables}

    @cached_property
    def _experiment(self) -> Mapping[str, str]:
        """The last row of Per_Experiment, which normally has only one.

        The pipeline is stored as bytes there.
        """
        name = f"{self._prefix}Per_Experiment"
        columns = tuple(self._tables.get(name, ()))
        if not columns:
            return {}
        check_texts(self._file.path, self._file.size, self._file.rows, name, columns)
        listed = ", ".join(map(quoted, columns))
        rows = self._file.rows(f"SELECT {listed} FROM {quoted(name)} ORDER BY rowid DESC LIMIT 1")
        return {
            column: value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
            for row in rows
            for column, value in zip(columns, row, strict=True)
            if value is not None
        }

    @cached_property
    def _pipeline(self) -> Pipeline | None:
        text = self._experiment.get("Pipeline_Pipeline")
        parsed = pipeline.parse(text) if text else None
        return parsed if parsed and parsed.modules else self._source.hint

    @property
    def _pairs(self) -> tuple[str, str] | None:
        """The tables of relationships and of their kinds; None if the job has none."""
        names = f"{self._prefix}Per_Relationships", f"{self._prefix}Per_RelationshipTypes"
        return names if all(name in self._tables for name in names) else None

    def _find_prefix(self) -> str:
        """The text before the tables' names. If there are several, only one may have rows.

        Raises:
            SourceError: no such table exists, or several have rows.
        """
        prefixes = [
            m[1] for name in self._tables if (m := re.fullmatch(f"(.*){IMAGE_TABLE}", name))
        ]
        if not prefixes:
            problem = f"has no table {IMAGE_TABLE}"
            raise SourceError(
                self._source.file, problem, "run the job again, or move the file out of OUTPUTS"
            )
        used = [
            p
            for p in prefixes
            if self._file.rows(f"SELECT 1 FROM {quoted(p + IMAGE_TABLE)} LIMIT 1")
        ]
        if len(used) > 1:
            names = ", ".join(f"{prefix}{IMAGE_TABLE}" for prefix in used)
            problem = f"contains several runs in one file ({names})"
            raise SourceError(self._source.file, problem, "copy each run into a file of its own")
        return (used or prefixes)[0]

    def _shortfalls(self, images: ImageTableRows) -> dict[int, str]:
        """Image set to what its object tables lack, by Count_<Object>."""
        incomplete: dict[int, str] = {}
        for table in self._objects:
            rows = self._rows[table.name]
            for number in sorted(rows.keys() - set(images.numbers.tolist())):
                incomplete[number] = f"{table.name} has rows of it, but {self._image.name} has none"
            for name, has in object_counts(self._file, table, rows, images.counted_each).items():
                if name in images.counts:
                    pairs = zip(images.numbers.tolist(), images.counts[name], strict=True)
                    for number, count in pairs:
                        if has.get(number, 0) != count:
                            lacks = f"{table.name} has {has.get(number, 0)} of {count:g} {name}"
                            incomplete.setdefault(number, lacks)
            for number in untracked(self._file, table, rows):
                incomplete.setdefault(number, f"TrackObjects has not written to {table.name}")
        return incomplete

    def _features(self, images: ImageTableRows) -> Features:
        image = {f: images.types.get(f, NULL) for f in self._image.features[IMAGE]}
        objects = {
            name: dict.fromkeys(features, NULL)
            for table in self._objects
            for name, features in table.features.items()
        }
        return {IMAGE: image, **objects}


def listed(path: Path) -> ImageSets:
    """The image sets with rows in a job's SQLite file; none if it has no tables.

    Raises:
        SourceError: the file cannot be read, or a job is writing it.
    """
    if contents(path) is FileKind.NOTHING:
        return NONE
    check_finished(path)
    with DatabaseFile(path) as file:
        return _Opened(DatabaseSource(path, path), file).listed


def _nothing(done_status: str | None, reason: str) -> Evidence:
    return Evidence(
        present=NONE,
        measured=NONE,
        completion_marker="",
        exit_status=done_status,
        always_reports_exit=False,
        finished="",
        identities=Identities(),
        features={},
        empty_reason=reason,
    )
