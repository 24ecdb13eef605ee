"""Folders of CSV files from CellProfiler's ExportToSpreadsheet: one batch per prefix."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pyarrow as pa

from cpexport.cellprofiler import pipeline
from cpexport.cellprofiler.batch_file import read_group_tags
from cpexport.cellprofiler.experiment import experiment_rows
from cpexport.cellprofiler.features import EXPERIMENT, IMAGE, NULL, RELATIONSHIP, is_column
from cpexport.cellprofiler.flagged_image_sets import MARKS
from cpexport.cellprofiler.image_identity import Identities
from cpexport.cellprofiler.pipeline import Pipeline
from cpexport.errors import RERUN, SourceError
from cpexport.files.kinds import is_pointer
from cpexport.files.opening import read_text
from cpexport.files.unpacked import plain_name, plain_stem
from cpexport.imagesets import ImageSets
from cpexport.sources.base import Evidence
from cpexport.sources.companions import NOTHING, Companions
from cpexport.sources.spreadsheet.csv_bytes import no_table
from cpexport.sources.spreadsheet.csv_file import CsvFile, ends_cut, open_csv
from cpexport.sources.spreadsheet.experiment_csv import read_experiment
from cpexport.sources.spreadsheet.file_choice import Tables, chosen, experiment_of, images_of
from cpexport.sources.spreadsheet.file_groups import header_of
from cpexport.sources.spreadsheet.image_csv import ImageCsvRows, image_rows
from cpexport.sources.spreadsheet.object_csv import object_columns, object_rows, relationship_rows
from cpexport.sources.spreadsheet.object_type_names import called_like
from cpexport.sources.spreadsheet.shortfalls import counted_type_of, shortfalls, unwritten
from cpexport.tables.layout import Features


@dataclass(frozen=True, slots=True)
class SpreadsheetSource:
    """The CSV files of one job: those in a folder that begin with `prefix`, and `adopted` ones.

    `done` is the job's done file, if the folder has one. `experiment` is an Experiment.csv of the
    whole run, and `hint` the batch file's pipeline, for jobs without an Experiment.csv of their
    own. `unread` are tables in the folder in unsupported formats.
    """

    path: Path
    files: tuple[Path, ...]
    prefix: str = ""
    done: Path | None = None
    hint: Pipeline | None = None
    companions: Companions = NOTHING
    adopted: tuple[Path, ...] = ()
    experiment: Path | None = None
    unread: tuple[Path, ...] = ()
    format: str = "spreadsheet"

    def __reduce__(self) -> tuple[type["SpreadsheetSource"], tuple[object, ...]]:
        # Faster than the way of dataclasses with slots: see `files.spool`.
        return type(self), tuple(getattr(self, name) for name in self.__slots__)

    @property
    def evidence_files(self) -> tuple[Path, ...]:
        return (
            *self.files,
            *(path for path in (self.done, self.experiment) if path),
            *self.companions.files,
        )

    def inspect(self) -> Evidence:
        try:
            return _Opened(self).evidence()
        except SourceError as error:
            raise self.companions.advised(error) from error

    def open(self) -> AbstractContextManager["_Opened"]:
        return nullcontext(_Opened(self))


class _Opened:
    """The files of a source with their headers."""

    def __init__(self, source: SpreadsheetSource) -> None:
        self._source = source
        self._prefix = source.prefix
        headers = {path: header_of(path) for path in source.files}
        self._headers = tuple(h for h in headers.values() if isinstance(h, CsvFile))
        self._damaged = {p: h for p, h in headers.items() if isinstance(h, SourceError)}

    @cached_property
    def _rows(self) -> ImageCsvRows:
        """The facts from the job's Image.csv."""
        return ImageCsvRows(self._images, self._pipeline)

    @cached_property
    def _images(self) -> tuple[CsvFile, ...]:
        images = images_of(self._headers, self._prefix)
        damaged = [p for p in self._damaged if plain_stem(p) == f"{self._prefix}{IMAGE}"]
        if damaged:
            raise self._damaged[damaged[0]]
        if not images:
            raise self._without_images()
        return images

    @cached_property
    def _tables(self) -> Tables:
        """The tables to read. A damaged file belongs to this job if Image.csv counts its rows."""
        rows, left_out, adopted = self._rows, {}, self._source.adopted
        tables = chosen(self._headers, self._prefix, adopted, rows, self._pipeline)
        for path, error in self._damaged.items():
            if not rows.counts or counted_type_of(path, self._prefix, tables.objects, rows):
                raise error
            left_out[path] = f"{error.problem}; {error.advice}"
        for path in self._headless:
            if is_pointer(path) and rows.counts and not self._is_named_as_ours(path, tables):
                why = no_table(path)
                left_out[path] = f"{why.problem}; {why.advice}"
        return tables.without(left_out)

    def _is_named_as_ours(self, path: Path, tables: Tables) -> bool:
        """Whether a file without a header has the name of a table that this job would write."""
        name = plain_stem(path).removeprefix(self._prefix)
        named = counted_type_of(path, self._prefix, tables.objects, self._rows)
        return bool(named) or name == EXPERIMENT or "relation" in name.lower()

    @property
    def _objects(self) -> Mapping[str, Sequence[CsvFile]]:
        return self._tables.objects

    def _without_images(self) -> SourceError:
        """Why the table of image sets is missing."""
        name, files = f"{self._prefix}{IMAGE}", self._source.files
        known = [header.path for header in self._headers]
        for file in sorted(files, key=lambda file: plain_stem(file) != name):
            if plain_stem(file) == name or not known:
                return no_table(file)
        others = ", ".join(file.name for file in known[:3])
        problem = f"{name}.csv is missing next to {others}"
        return SourceError(self._source.path, problem, f"restore it, or {RERUN}")

    def evidence(self) -> Evidence:
        """See `Source.inspect`."""
        experiment, done = self._experiment, self._source.done
        rows = self._rows
        incomplete = shortfalls(self._tables, rows, self._headless, self._prefix)
        present = rows.present | ImageSets.of(incomplete)
        return Evidence(
            present=present,
            measured=rows.measured | (present - rows.present),
            completion_marker=rows.marker,
            exit_status=read_text(done).strip() if done else None,
            always_reports_exit=False,
            finished=experiment.get("Run_Timestamp", ""),
            identities=rows.identities,
            features=self._features(rows),
            incomplete=incomplete,
            missing_tables={
                n: s for n, s in rows.counted().items() if s and n not in self._objects
            },
            tables=frozenset(self._objects)
            | ({RELATIONSHIP} if self._tables.relationships else set()),
            version=experiment.get("CellProfiler_Version"),
            pipeline=self._pipeline,
            group_tags=read_group_tags(experiment.get("Metadata_GroupingTags"))
            if experiment
            else None,
            notes=self._notes(rows),
            skipped=rows.skipped,
            left_out={str(path): why for path, why in self._tables.left_out.items()}
            | self._unread()
            | self._source.companions.left_out(present, self._images[0].path.name),
            unnumbered=self._cut_images(),
        )

    def _unread(self) -> dict[str, str]:
        """Unsupported files named like tables that Image.csv counts and that are missing as CSV."""
        missing = [n for n, sets in self._rows.counted().items() if sets and n not in self._objects]
        named = {
            path: called_like(path.name.split(".")[0], missing) for path in self._source.unread
        }
        return {
            str(
                path
            ): f"Image.csv counts {name}, but cpexport reads only CSV; save it as {name}.csv, or "
            "move it out of OUTPUTS"
            for path, name in named.items()
            if name
        }

    def _cut_images(self) -> str:
        """The report about tables of image sets that end within a line; empty if none does.

        The cut line is not read, so an image set without objects may be missing, and no other file
        would show it.
        """
        cut = [file.path.name for file in self._images if ends_cut(file.path)]
        if not cut:
            return ""
        return f"{', '.join(cut)} ends within a line, so an image set may be missing; {RERUN}"

    def _notes(self, rows: ImageCsvRows) -> tuple[str, ...]:
        notes = self._source.companions.note("a folder of CSV files is")
        notes += tuple(
            f"{header.path.name}: a column without a name, which only numbers the rows, is "
            "not loaded"
            for header in self._headers
            if header.numbers_rows and header.path not in self._tables.left_out
        )
        dotted = [h for h in self._headers if h.dotted and h.path not in self._tables.left_out]
        if dotted:
            names = ", ".join(header.path.name for header in dotted)
            what = "are read as the underscores or spaces that CellProfiler writes"
            notes += (f"{names}: points in column names {what}",)
        if uncounted := [name for name in self._objects if name not in rows.counts]:
            tables = ", ".join(self._objects[name][0].path.name for name in uncounted)
            names = ", ".join(uncounted)
            notes += (
                f"{tables}: Image.csv counts no {names}, so cpexport cannot tell whether rows "
                "are missing",
            )
        notes += tuple(unwritten(self._tables, rows))
        if not rows.marker.startswith(MARKS):
            notes += ("no ModuleError or ExecutionTime columns: a row counts as measured",)
        return notes

    @property
    def identities(self) -> Identities:
        return self._rows.identities

    def read(self, wanted: ImageSets, types: Features) -> Iterator[tuple[str, pa.RecordBatch]]:
        yield IMAGE, image_rows(self._images, wanted, self._rows.skipped)
        for name, files in self._objects.items():
            yield name, object_rows(files, name, wanted, self._rows)
        for file in self._tables.relationships:
            yield RELATIONSHIP, relationship_rows(file, wanted)
        yield from experiment_rows(self._experiment)

    @cached_property
    def _headless(self) -> list[Path]:
        """Files named like Image.csv in its folder, without a header of CellProfiler's."""
        known = {header.path for header in self._headers} | self._damaged.keys()
        suffixes = {Path(plain_name(header.path)).suffix for header in self._images}
        rest = [path for path in self._source.files if path not in known]
        return [path for path in rest if Path(plain_name(path)).suffix in suffixes]

    @cached_property
    def _experiment(self) -> Mapping[str, str]:
        file = experiment_of(self._headers, self._prefix)
        if file is None and self._source.experiment:
            file = open_csv(self._source.experiment)
        return read_experiment(file) if file else {}

    @cached_property
    def _pipeline(self) -> Pipeline | None:
        text = self._experiment.get("Pipeline_Pipeline")
        parsed = pipeline.parse(text) if text else None
        return parsed if parsed and parsed.modules else self._source.hint

    def _features(self, rows: ImageCsvRows) -> Features:
        image = {f: rows.types.get(f, NULL) for f in rows.features if is_column(f)}
        by_type: dict[str, dict[str, pa.DataType]] = {IMAGE: image}
        for name, files in self._objects.items():
            by_type[name] = dict.fromkeys(
                (f for file in files for _, f in object_columns(file, name, frozenset(image))), NULL
            )
        return by_type
