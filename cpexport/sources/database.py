"""SQLite files that jobs wrote with CellProfiler's ExportToDatabase, in any of its layouts.

Jobs with one output folder write into one file, each image set in a transaction of its own
(CellProfiler 4.2.8, exporttodatabase.py), so a file is a batch whosever image sets it holds.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pyarrow as pa

from cpexport import pipeline
from cpexport.batch import Evidence, Nothing, Opened
from cpexport.batchfile import read_group_tags
from cpexport.errors import SourceError
from cpexport.experiment import experiment_rows
from cpexport.features import IMAGE, NULL, RELATIONSHIP
from cpexport.imagesets import NONE, ImageSets
from cpexport.pictures import Pictures
from cpexport.pipeline import Pipeline
from cpexport.sources.databasefile import (
    IMAGE_TABLE,
    Contents,
    DatabaseFile,
    contents,
    quoted,
    refuse_unfinished,
)
from cpexport.sources.databaseimages import MARK, ROW, ImageRows
from cpexport.sources.databaserows import (
    object_counts,
    relationship_rows,
    row_counts,
    table_rows,
    untracked,
)
from cpexport.sources.databasetables import image_table, notes, object_tables
from cpexport.sources.objectnumbers import Counts
from cpexport.tables import Features

_NO_TABLES = (
    "the job found no tables to write into, or could not make them (CreateBatchFiles makes them in "
    "its own output folder only)"
)


@dataclass(frozen=True)
class DatabaseSource:
    """One SQLite file of one job, or of several that wrote into it.

    `said` is what the job's done file says, where one lies beside it; `hint` the batch file's
    pipeline, for files without one.
    """

    path: Path
    file: Path
    said: str | None = None
    hint: Pipeline | None = None
    format: str = "database"

    @property
    def files(self) -> tuple[Path, ...]:
        return (self.file,)

    @property
    def evidence_files(self) -> None:
        return None

    def inspect(self) -> Evidence:
        refuse_unfinished(self.file)
        if self._is_empty():
            empty = "is empty" if not self.file.stat().st_size else "has no tables"
            return _nothing(self.said, f"{self.file.name} {empty}: {_NO_TABLES}")
        with DatabaseFile(self.file) as file:
            return _Opened(self, file).evidence()

    @contextmanager
    def open(self) -> Iterator[Opened]:
        if self._is_empty():
            yield Nothing()
            return
        with DatabaseFile(self.file) as file:
            yield _Opened(self, file)

    def _is_empty(self) -> bool:
        return contents(self.file) is Contents.NOTHING


class _Opened:
    """The file of a source with its tables, for as long as it is looked at."""

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
            job = "; the job failed at its first image set" if self._source.said else ""
            return _nothing(self._source.said, f"{self._source.file.name} has tables, no rows{job}")
        images = self.images
        short = self._shortfalls(images)
        held = images.held | ImageSets.of(short)
        names = {name for table in self._objects for name in table.features}
        row = (f"no {MARK} columns: a row counts as measured",) if images.sign == ROW else ()
        return Evidence(
            held=held,
            measured=images.measured | (held - images.held),
            sign=images.sign,
            exit_status=self._source.said,
            must_say=False,
            finished=self._experiment.get("Modification_Timestamp")
            or self._experiment.get("Run_Timestamp")
            or "",
            pictures=images.pictures,
            features=self._features(images),
            short=short,
            lacking={n: sets for n, sets in images.counted().items() if sets and n not in names},
            tables=frozenset(names) | ({RELATIONSHIP} if self._pairs else set()),
            version=self._experiment.get("CellProfiler_Version"),
            pipeline=self._pipeline,
            group_tags=self._group_tags,
            notes=row + notes(self._image, self._objects, self._pipeline),
            skipped=images.skipped,
        )

    @property
    def listed(self) -> ImageSets:
        """The image sets that have a row."""
        return ImageSets.of(row_counts(self._file, self._image.name))

    @property
    def _group_tags(self) -> tuple[str, ...] | None:
        """See `Evidence`. Only a grouped run has them in its database (CellProfiler 4.2.8,
        modules/groups.py and loaddata.py, get_measurement_columns), and not of every version."""
        if tags := self._experiment.get("Metadata_GroupingTags"):
            return read_group_tags(tags)
        return () if self._pipeline and self._pipeline.ungrouped else None

    @property
    def pictures(self) -> Pictures:
        return self.images.pictures

    def read(self, wanted: ImageSets, types: Features) -> Iterator[tuple[str, pa.RecordBatch]]:
        for table in (self._image, *self._objects):
            counted = self.images.counted_each
            yield from table_rows(self._file, table, wanted, self._rows[table.name], counted)
        if self._pairs:
            for rows in relationship_rows(self._file, *self._pairs, wanted):
                yield RELATIONSHIP, rows
        yield from experiment_rows(self._experiment)

    @cached_property
    def images(self) -> ImageRows:
        """What the images' table says."""
        return ImageRows(self._file, self._image, self._rows[self._image.name], self._pipeline)

    @cached_property
    def _rows(self) -> Mapping[str, Counts]:
        """Table to how many rows it has of each image set."""
        tables = (self._image, *self._objects)
        return {table.name: row_counts(self._file, table.name) for table in tables}

    @cached_property
    def _experiment(self) -> Mapping[str, str]:
        """The last row of Per_Experiment, which has one; the pipeline's text is bytes there."""
        name = f"{self._prefix}Per_Experiment"
        columns = tuple(self._tables.get(name, ()))
        if not columns:
            return {}
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
        """The tables of relationships and of their kinds, which not every job has."""
        names = f"{self._prefix}Per_Relationships", f"{self._prefix}Per_RelationshipTypes"
        return names if all(name in self._tables for name in names) else None

    def _find_prefix(self) -> str:
        """What stands before the tables' names. Of several only one can have rows.

        Raises:
            SourceError: there are no such tables, or several with rows.
        """
        found = [m[1] for name in self._tables if (m := re.fullmatch(f"(.*){IMAGE_TABLE}", name))]
        if not found:
            problem = f"has no table {IMAGE_TABLE}"
            raise SourceError(self._source.file, problem, "take it away, or run the job again")
        used = [
            p for p in found if self._file.rows(f"SELECT 1 FROM {quoted(p + IMAGE_TABLE)} LIMIT 1")
        ]
        if len(used) > 1:
            names = ", ".join(f"{prefix}{IMAGE_TABLE}" for prefix in used)
            problem = f"has several runs in one file ({names})"
            raise SourceError(self._source.file, problem, "copy each into a file of its own")
        return (used or found)[0]

    def _shortfalls(self, images: ImageRows) -> dict[int, str]:
        """Image set to what its object tables lack, by Count_<Object>."""
        short: dict[int, str] = {}
        for table in self._objects:
            rows = self._rows[table.name]
            for number in sorted(rows.keys() - set(images.numbers.tolist())):
                short[number] = f"{table.name} has rows of it, {self._image.name} has none"
            for name, has in object_counts(self._file, table, rows, images.counted_each).items():
                if name in images.counts:
                    pairs = zip(images.numbers.tolist(), images.counts[name], strict=True)
                    for number, count in pairs:
                        if has.get(number, 0) != count:
                            lacks = f"{table.name} has {has.get(number, 0)} of {count:g} {name}"
                            short.setdefault(number, lacks)
            for number in untracked(self._file, table, rows):
                short.setdefault(number, f"TrackObjects has not written into {table.name}")
        return short

    def _features(self, images: ImageRows) -> Features:
        image = {f: images.types.get(f, NULL) for f in self._image.features[IMAGE]}
        objects = {
            name: dict.fromkeys(features, NULL)
            for table in self._objects
            for name, features in table.features.items()
        }
        return {IMAGE: image, **objects}


def listed(path: Path) -> ImageSets:
    """The image sets of which a job's SQLite file has rows; none if it has no tables.

    Raises:
        SourceError: it cannot be read, or a job is writing it.
    """
    if contents(path) is Contents.NOTHING:
        return NONE
    refuse_unfinished(path)
    with DatabaseFile(path) as file:
        return _Opened(DatabaseSource(path, path), file).listed


def _nothing(said: str | None, nothing: str) -> Evidence:
    return Evidence(
        held=NONE,
        measured=NONE,
        sign="",
        exit_status=said,
        must_say=False,
        finished="",
        pictures=Pictures(),
        features={},
        nothing=nothing,
    )
