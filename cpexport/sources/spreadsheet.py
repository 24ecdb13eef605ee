"""Folders of CSV files, as CellProfiler's ExportToSpreadsheet leaves them: one batch a prefix."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa

from cpexport import pipeline
from cpexport.batch import Evidence
from cpexport.batchfile import read_group_tags
from cpexport.errors import SourceError
from cpexport.features import (
    EXPERIMENT,
    IMAGE,
    IMAGE_NUMBER,
    INTEGER,
    NULL,
    NUMBER,
    OBJECT_NUMBER,
    REAL,
    RELATIONSHIP,
    TEXT,
    is_column,
    is_repeated,
)
from cpexport.imagesets import ImageSets
from cpexport.pipeline import Pipeline
from cpexport.sources.csvfile import (
    OBJECTS,
    RERUN,
    CsvFile,
    Name,
    ends_cut,
    open_csv,
    read_experiment,
)
from cpexport.sources.imagecsv import ROW, ImageRows, image_rows, text_type
from cpexport.tables import RELATIONSHIPS, Features


@dataclass(frozen=True)
class SpreadsheetSource:
    """The CSV files of one job: those of a folder that begin with `prefix`.

    `done` is the job's done file, where one lies beside them; `hint` the batch file's pipeline, for
    jobs that left no Experiment.csv.
    """

    path: Path
    files: tuple[Path, ...]
    prefix: str = ""
    done: Path | None = None
    hint: Pipeline | None = None
    format: str = "spreadsheet"

    def inspect(self) -> Evidence:
        images = self._of_kind(IMAGE)
        if not images:
            raise SourceError(self.path, "Image.csv is missing, empty or cut in its header", RERUN)
        experiment = self._experiment
        rows = ImageRows(images, self._pipeline)
        short = self._shortfalls(rows)
        held = rows.held | ImageSets.of(short)
        return Evidence(
            held=held,
            measured=rows.measured | (held - rows.held),
            sign=rows.sign,
            exit_status=self.done.read_text().strip() if self.done else None,
            must_say=False,
            finished=experiment.get("Run_Timestamp", ""),
            pictures=rows.pictures,
            features=self._features(rows),
            short=short,
            lacking={n: s for n, s in rows.counted().items() if s and n not in self._objects},
            tables=frozenset(self._objects)
            | ({RELATIONSHIP} if self._of_kind(RELATIONSHIP) else set()),
            version=experiment.get("CellProfiler_Version"),
            pipeline=self._pipeline,
            group_tags=read_group_tags(experiment.get("Metadata_GroupingTags"))
            if experiment
            else None,
            notes=("no ModuleError or ExecutionTime columns: a row counts as measured",)
            if rows.sign == ROW
            else (),
        )

    def read(self, wanted: ImageSets, types: Features) -> Iterator[tuple[str, pa.RecordBatch]]:
        images = self._of_kind(IMAGE)
        if not images:
            raise SourceError(self.path, "Image.csv is gone", "run cpexport again")
        yield IMAGE, image_rows(images, wanted, dict(types.get(IMAGE, {})))
        rows = ImageRows(images, self._pipeline)
        for name, files in self._objects.items():
            yield name, _stack([_object_rows(f, name, wanted, rows) for f in files], name, files)
        for file in self._of_kind(RELATIONSHIP):
            yield RELATIONSHIP, _relationship_rows(file, wanted)

    @cached_property
    def _headers(self) -> tuple[CsvFile, ...]:
        return tuple(header for path in self.files if (header := open_csv(path)))

    @cached_property
    def _headerless(self) -> list[Path]:
        """Files that a job had only begun: empty, or without one whole line."""
        known = {header.path for header in self._headers}
        return [path for path in self.files if path not in known and b"\n" not in _head(path)]

    def _of_kind(self, kind: str) -> list[CsvFile]:
        found = [header for header in self._headers if header.kind == kind]
        named = [h for h in found if kind == IMAGE and h.path.stem == f"{self.prefix}{IMAGE}"]
        return named or found

    @cached_property
    def _experiment(self) -> Mapping[str, str]:
        files = self._of_kind(EXPERIMENT)
        return read_experiment(files[0]) if files else {}

    @cached_property
    def _pipeline(self) -> Pipeline | None:
        text = self._experiment.get("Pipeline_Pipeline")
        parsed = pipeline.parse(text) if text else None
        return parsed if parsed and parsed.modules else self.hint

    @cached_property
    def _objects(self) -> Mapping[str, list[CsvFile]]:
        """Object type to the files with its rows: nearly always one, which can hold several."""
        exports = self._pipeline.exports if self._pipeline else ()
        found: dict[str, list[CsvFile]] = {}
        for header in self._headers:
            if header.kind == OBJECTS:
                stem = header.path.stem
                given = [name for name, pattern in exports if re.fullmatch(pattern, stem)]
                own = given[0] if given else stem.removeprefix(self.prefix)
                for name in dict.fromkeys(over or own for over, _ in header.names if over != IMAGE):
                    found.setdefault(name, []).append(header)
        return found

    def _shortfalls(self, rows: ImageRows) -> dict[int, str]:
        """Image set to what its object tables lack; the same counts as CellProfiler's own."""
        short: dict[int, str] = {}
        for file in self._of_kind(RELATIONSHIP):
            if ends_cut(file.path):
                short |= dict.fromkeys(rows.held, f"{file.path.name} is cut off")
        for file in self._of_kind(IMAGE):
            if ends_cut(file.path) and not self._objects:
                raise SourceError(file.path, "cut off in the middle of a line", RERUN)
        for path in self._headerless:
            name = path.stem.removeprefix(self.prefix)
            counted = rows.counted().get(name, ImageSets()) if name in rows.counts else rows.held
            short |= dict.fromkeys(counted, f"{path.name} is empty or cut in its header")
        groups: dict[tuple[Path, ...], list[str]] = {}
        for name, files in self._objects.items():
            groups.setdefault(tuple(file.path for file in files), []).append(name)
        for names in groups.values():
            self._count(names, rows, short)
        return short

    def _count(self, names: list[str], rows: ImageRows, short: dict[int, str]) -> None:
        """Compares the rows of a file with Count_<Object>: with several, the largest of them."""
        files = self._objects[names[0]]
        has: dict[int, int] = {}
        cut = False
        for file in files:
            table, end_is_cut = file.read({file.name_of(IMAGE_NUMBER): INTEGER})
            cut |= end_is_cut
            if table[0].null_count:
                raise SourceError(file.path, "a row without ImageNumber", RERUN)
            numbers, found = np.unique(table[0].to_numpy(), return_counts=True)
            for number, count in zip(numbers.tolist(), found.tolist(), strict=True):
                has[number] = has.get(number, 0) + count
        where = files[0].path.name
        for number in sorted(has.keys() - set(rows.numbers.tolist())):
            if number < 1:
                raise SourceError(files[0].path, f"image set {number}: they start at 1", RERUN)
            short.setdefault(number, f"{where} has rows of it, Image.csv has none")
        counts = [rows.counts[name] for name in names if name in rows.counts]
        if not counts:
            if cut:
                raise SourceError(files[0].path, "cut off in the middle of a line", RERUN)
            return
        wanted = np.nan_to_num(np.fmax.reduce(counts)).astype(np.int64)
        for number, count in zip(rows.numbers.tolist(), wanted.tolist(), strict=True):
            if has.get(number, 0) != count:
                end = ", it is cut off" if cut else ""
                short.setdefault(number, f"{where} has {has.get(number, 0)} of {count} rows{end}")

    def _features(self, rows: ImageRows) -> Features:
        image = {f: rows.types.get(f, NULL) for f in rows.features if is_column(f)}
        found: dict[str, dict[str, pa.DataType]] = {IMAGE: image}
        for name, files in self._objects.items():
            found[name] = dict.fromkeys(
                (f for file in files for _, f in _columns(file, name, frozenset(image))), NULL
            )
        return found


def _head(path: Path) -> bytes:
    with path.open("rb") as stream:
        return stream.readline()


def _columns(file: CsvFile, name: str, image: frozenset[str]) -> list[Name]:
    """The columns of one object type. Image columns repeated in its rows are Image.csv's."""
    return [
        (over, feature)
        for over, feature in dict.fromkeys(file.names)
        if over in (None, name, IMAGE)
        and is_column(feature)
        and not (over == IMAGE and not is_repeated(feature))
        and not (is_repeated(feature) and feature in image)
    ]


def _object_rows(
    file: CsvFile, name: str, wanted: ImageSets, rows: ImageRows
) -> dict[str, pa.Array]:
    names = _columns(file, name, frozenset(rows.features))
    number, position = file.name_of(IMAGE_NUMBER), file.name_of(OBJECT_NUMBER)
    types = {number: INTEGER, position: INTEGER}
    types |= {n: TEXT if is_repeated(n[1]) else REAL for n in names}
    table, _ = file.read(types)
    columns = [column.combine_chunks() for column in table.columns]
    images, places = columns[0].to_numpy(), columns[1].to_numpy(zero_copy_only=False)
    keep = np.isin(images, np.fromiter(wanted, np.int64, len(wanted)))
    if len(file.objects) > 1:
        keep &= _own_rows(file, name, rows, images, places, dict(zip(types, columns, strict=True)))
    chosen = np.flatnonzero(keep)
    chosen = pa.array(chosen[np.lexsort((places[chosen], images[chosen]))])
    found = {IMAGE_NUMBER: columns[0].take(chosen), NUMBER: columns[1].take(chosen)}
    for (_, feature), column in zip(names, columns[2:], strict=True):
        array = column.take(chosen)
        if feature == NUMBER:
            # ObjectNumber stands for it: the same 1..n, and there for every object.
            continue
        if array.type == TEXT:
            type = text_type(array)
            array = array if type in (TEXT, NULL) else array.cast(type)
        found[feature] = array
    return found


def _own_rows(
    file: CsvFile,
    name: str,
    rows: ImageRows,
    images: np.ndarray,
    places: np.ndarray,
    columns: Mapping[Name, pa.Array],
) -> np.ndarray:
    """Which rows of a file of several object types are `name`'s own: the rest is padding.

    Types stand side by side by number, the shorter padded with missing values at the end of each
    image set (exporttospreadsheet.py, make_object_file).
    """
    if name in rows.counts:
        counts = dict(zip(rows.numbers.tolist(), np.nan_to_num(rows.counts[name]), strict=True))
        most = np.array([counts.get(number, 0) for number in images.tolist()])
        return np.asarray(places <= most)
    own = columns.get((name, NUMBER))
    if own is None:
        raise SourceError(
            file.path,
            f"cannot tell {name} from padding without Count_{name} or {NUMBER}",
            "export one of them",
        )
    return np.asarray(own.is_valid().to_numpy(zero_copy_only=False))


def _stack(parts: list[dict[str, pa.Array]], name: str, files: list[CsvFile]) -> pa.RecordBatch:
    table = pa.concat_tables([pa.table(part) for part in parts], promote_options="permissive")
    table = (
        table.sort_by([(IMAGE_NUMBER, "ascending"), (NUMBER, "ascending")])
        if len(parts) > 1
        else table
    )
    batches = table.combine_chunks().to_batches()
    batch = batches[0] if batches else pa.RecordBatch.from_pylist([], table.schema)
    keys = np.stack([batch[IMAGE_NUMBER].to_numpy(), batch[NUMBER].to_numpy()])
    if (same := (keys[:, 1:] == keys[:, :-1]).all(axis=0)).any():
        image, number = keys[:, int(np.flatnonzero(same)[0])].tolist()
        raise SourceError(
            files[0].path, f"object {number} of image set {image} has two rows", RERUN
        )
    return batch


def _relationship_rows(file: CsvFile, wanted: ImageSets) -> pa.RecordBatch:
    names = {
        "Module Number": INTEGER,
        "Relationship": TEXT,
        "First Object Name": TEXT,
        "Second Object Name": TEXT,
        "First Image Number": INTEGER,
        "First Object Number": INTEGER,
        "Second Image Number": INTEGER,
        "Second Object Number": INTEGER,
    }
    missing = [name for name in names if (None, name) not in file.names]
    if missing:
        raise SourceError(file.path, f"the column {missing[0]} is missing", RERUN)
    table, _ = file.read({(None, name): type for name, type in names.items()})
    table = table.rename_columns(RELATIONSHIPS.names)
    numbers = np.fromiter(wanted, np.int64, len(wanted))
    inside = np.isin(table["image_number1"].to_numpy(), numbers)
    inside &= np.isin(table["image_number2"].to_numpy(), numbers)
    table = table.filter(pa.array(inside)).group_by(RELATIONSHIPS.names).aggregate([])
    table = table.sort_by([(name, "ascending") for name in RELATIONSHIPS.names])
    batches = table.select(RELATIONSHIPS.names).combine_chunks().to_batches()
    return batches[0] if batches else pa.RecordBatch.from_pylist([], RELATIONSHIPS)
