"""Folders of CSV files, as CellProfiler's ExportToSpreadsheet leaves them: one batch a prefix."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa

from cpexport import pipeline
from cpexport.batch import Evidence
from cpexport.batchfile import read_group_tags
from cpexport.errors import AS_WRITTEN, RERUN, SourceError
from cpexport.experiment import experiment_rows
from cpexport.features import (
    EXPERIMENT,
    IMAGE,
    NULL,
    RELATIONSHIP,
    is_column,
)
from cpexport.filekinds import is_pointer
from cpexport.imagesets import NONE, ImageSets
from cpexport.pictures import Pictures
from cpexport.pipeline import Pipeline
from cpexport.skipped import MARKS
from cpexport.sources.beside import advised, note
from cpexport.sources.csvbytes import first_lines, no_table, no_text
from cpexport.sources.csvchoice import Tables, chosen, experiment_of, images_of
from cpexport.sources.csvfile import (
    CsvFile,
    ends_cut,
    open_csv,
    read_experiment,
)
from cpexport.sources.csvgroups import header_of
from cpexport.sources.imagecsv import ImageRows, image_rows
from cpexport.sources.objectcsv import object_columns, object_rows, relationship_rows
from cpexport.tables import Features


@dataclass(frozen=True)
class SpreadsheetSource:
    """The CSV files of one job: those of a folder that begin with `prefix`, and `adopted` ones.

    `done` is the job's done file, where one lies beside them; `experiment` an Experiment.csv of the
    whole run, and `hint` the batch file's pipeline, for jobs that left no Experiment.csv of their
    own; `beside` names SQLite files of the same job, which are not used.
    """

    path: Path
    files: tuple[Path, ...]
    prefix: str = ""
    done: Path | None = None
    hint: Pipeline | None = None
    beside: tuple[str, ...] = ()
    adopted: tuple[Path, ...] = ()
    experiment: Path | None = None
    format: str = "spreadsheet"

    @property
    def evidence_files(self) -> tuple[Path, ...]:
        return (*self.files, *(path for path in (self.done, self.experiment) if path))

    def inspect(self) -> Evidence:
        try:
            return _Opened(self).evidence()
        except SourceError as error:
            raise advised(error, self.beside) from error

    def open(self) -> AbstractContextManager["_Opened"]:
        return nullcontext(_Opened(self))


class _Opened:
    """The files of a source with their headers, for as long as they are looked at."""

    def __init__(self, source: SpreadsheetSource) -> None:
        self._source = source
        self._prefix = source.prefix
        headers = {path: header_of(path) for path in source.files}
        self._headers = tuple(h for h in headers.values() if isinstance(h, CsvFile))
        self._damaged = {p: h for p, h in headers.items() if isinstance(h, SourceError)}

    @cached_property
    def _rows(self) -> ImageRows:
        """What the job's Image.csv says."""
        return ImageRows(self._images, self._pipeline)

    @cached_property
    def _images(self) -> tuple[CsvFile, ...]:
        images = images_of(self._headers, self._prefix)
        damaged = [p for p in self._damaged if p.stem == f"{self._prefix}{IMAGE}"]
        if damaged:
            raise self._damaged[damaged[0]]
        if not images:
            raise self._without_images()
        return images

    @cached_property
    def _tables(self) -> Tables:
        """What is read of the files. A damaged one is this job's if Image.csv counts its rows."""
        rows, left_out = self._rows, {}
        for path, error in self._damaged.items():
            if not rows.counts or path.stem.removeprefix(self._prefix) in rows.counts:
                raise error
            left_out[path] = f"{error.problem}; {error.advice}"
        for path in self._strange:
            if is_pointer(path) and rows.counts and not self._is_named_as_ours(path):
                why = no_table(path)
                left_out[path] = f"{why.problem}; {why.advice}"
        adopted = self._source.adopted
        found = chosen(self._headers, self._prefix, adopted, rows, self._pipeline)
        return found.without(left_out)

    def _is_named_as_ours(self, path: Path) -> bool:
        """Whether a file without a header is called as a table that this job would write."""
        name = path.stem.removeprefix(self._prefix)
        return name in self._rows.counts or name == EXPERIMENT or "relation" in name.lower()

    @property
    def _objects(self) -> Mapping[str, Sequence[CsvFile]]:
        return self._tables.objects

    def _without_images(self) -> SourceError:
        """Why there is no table of image sets."""
        name, files = f"{self._prefix}{IMAGE}", self._source.files
        known = [header.path for header in self._headers]
        for file in sorted(files, key=lambda file: file.stem != name):
            if file.stem == name or not known:
                return no_table(file)
        others = ", ".join(file.name for file in known[:3])
        problem = f"{name}.csv is missing beside {others}"
        return SourceError(self._source.path, problem, f"put it there, or {RERUN}")

    def evidence(self) -> Evidence:
        """See `Source.inspect`."""
        experiment, done = self._experiment, self._source.done
        rows = self._rows
        short = self._shortfalls(rows)
        held = rows.held | ImageSets.of(short)
        return Evidence(
            held=held,
            measured=rows.measured | (held - rows.held),
            sign=rows.sign,
            exit_status=done.read_text().strip() if done else None,
            must_say=False,
            finished=experiment.get("Run_Timestamp", ""),
            pictures=rows.pictures,
            features=self._features(rows),
            short=short,
            lacking={n: s for n, s in rows.counted().items() if s and n not in self._objects},
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
            | ({} if short else self._cut_images()),
        )

    def _cut_images(self) -> dict[str, str]:
        """Tables of image sets without the end of their last line, which is not read: an image set
        without objects may be missing, and nothing else tells."""
        return {
            str(file.path): f"its last line is cut off, so an image set may be missing; {RERUN}"
            for file in self._images
            if ends_cut(file.path)
        }

    def _notes(self, rows: ImageRows) -> tuple[str, ...]:
        found = note("a folder of CSV files is", self._source.beside)
        found += tuple(
            f"{header.path.name}: a column without a name is left out, which only numbers the rows"
            for header in self._headers
            if header.numbers_rows and header.path not in self._tables.left_out
        )
        for names in self._files_of_types().values():
            if lost := rows.unwritten(names) & rows.with_objects(names):
                found += (
                    f"{self._objects[names[0]][0].path.name}: no rows of the image sets {lost}, "
                    "which FlagImage skipped: CellProfiler writes none where not all of "
                    f"{', '.join(names)} were made",
                )
        if not rows.sign.startswith(MARKS):
            found += ("no ModuleError or ExecutionTime columns: a row counts as measured",)
        return found

    @property
    def pictures(self) -> Pictures:
        return self._rows.pictures

    def read(self, wanted: ImageSets, types: Features) -> Iterator[tuple[str, pa.RecordBatch]]:
        yield IMAGE, image_rows(self._images, wanted, self._rows.skipped)
        for name, files in self._objects.items():
            yield name, object_rows(files, name, wanted, self._rows)
        for file in self._tables.relationships:
            yield RELATIONSHIP, relationship_rows(file, wanted)
        yield from experiment_rows(self._experiment)

    @cached_property
    def _strange(self) -> list[Path]:
        """Files beside Image.csv, named alike, that have no header of CellProfiler's."""
        known = {header.path for header in self._headers} | self._damaged.keys()
        suffixes = {header.path.suffix for header in self._images}
        return [p for p in self._source.files if p not in known and p.suffix in suffixes]

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

    def _shortfalls(self, rows: ImageRows) -> dict[int, str]:
        """Image set to what its object tables lack; the same counts as CellProfiler's own."""
        short: dict[int, str] = {}
        for file in self._tables.relationships:
            if ends_cut(file.path):
                short |= dict.fromkeys(rows.held, f"{file.path.name} is cut off")
        for file in self._images:
            if ends_cut(file.path) and not self._objects:
                raise SourceError(file.path, "cut off in the middle of a line", RERUN)
        for path in [path for path in self._strange if path not in self._tables.left_out]:
            name, why = path.stem.removeprefix(self._prefix), no_table(path)
            if is_pointer(path):
                lost = rows.held
            elif name in rows.counts:
                lost = rows.counted()[name]
            elif "relation" in name.lower() or (not rows.counts and name != EXPERIMENT):
                lost = rows.held if _only_begun(path) or no_text(path) else NONE
            else:
                lost = NONE
            if lost and why.advice != RERUN:
                # No job left it so, and none that runs again mends it.
                raise why
            short |= dict.fromkeys(lost, f"{path.name} {why.problem}")
        for names in self._files_of_types().values():
            self._count(names, rows, short)
        return short

    def _files_of_types(self) -> dict[tuple[Path, ...], list[str]]:
        """Files to the object types in them, of which several can be side by side."""
        groups: dict[tuple[Path, ...], list[str]] = {}
        for name, files in self._objects.items():
            groups.setdefault(tuple(file.path for file in files), []).append(name)
        return groups

    def _count(self, names: list[str], rows: ImageRows, short: dict[int, str]) -> None:
        """Compares the rows of a file with Count_<Object>: with several, the largest of them."""
        files = self._objects[names[0]]
        has: dict[int, int] = {}
        cut = False
        for file in files:
            image_sets, end_is_cut = file.image_sets()
            cut |= end_is_cut
            numbers, found = np.unique(image_sets, return_counts=True)
            for number, count in zip(numbers.tolist(), found.tolist(), strict=True):
                has[number] = has.get(number, 0) + count
        where = files[0].path.name
        for number in sorted(has.keys() - set(rows.numbers.tolist())):
            if number < 1:
                raise SourceError(files[0].path, f"image set {number}: they start at 1", AS_WRITTEN)
            end = ", it is cut off" if any(ends_cut(f.path) for f in self._images) else ""
            short.setdefault(number, f"{where} has rows of it, Image.csv has none{end}")
        counts = [rows.counts[name] for name in names if name in rows.counts]
        if not counts:
            if cut:
                raise SourceError(files[0].path, "cut off in the middle of a line", RERUN)
            return
        wanted = np.nan_to_num(np.fmax.reduce(counts)).astype(np.int64)
        unwritten = rows.unwritten(names)
        for number, count in zip(rows.numbers.tolist(), wanted.tolist(), strict=True):
            if has.get(number, 0) != count and (number in has or number not in unwritten):
                end = ", it is cut off" if cut else ""
                short.setdefault(number, f"{where} has {has.get(number, 0)} of {count} rows{end}")

    def _features(self, rows: ImageRows) -> Features:
        image = {f: rows.types.get(f, NULL) for f in rows.features if is_column(f)}
        found: dict[str, dict[str, pa.DataType]] = {IMAGE: image}
        for name, files in self._objects.items():
            found[name] = dict.fromkeys(
                (f for file in files for _, f in object_columns(file, name, frozenset(image))), NULL
            )
        return found


def _only_begun(path: Path) -> bool:
    line, _ = first_lines(path)
    return not line or (line.startswith((b"Image", b"Module")) and not line.endswith(b"\n"))
