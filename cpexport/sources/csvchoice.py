"""Which of a job's CSV files are read, as what, and why the others are not.

A table that CellProfiler wrote for this job has the job's image sets, as many rows as Image.csv
counts, and the name of an object type: letters, digits and underscores, no digit first
(CellProfiler 4.2.8, cellprofiler_core/setting/text/alphanumeric). What people made of it, or left
from an earlier run, often lies beside it.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from cpexport.errors import SourceError
from cpexport.features import EXPERIMENT, IMAGE, RELATIONSHIP
from cpexport.pipeline import Pipeline
from cpexport.sources.csvfile import OBJECTS, CsvFile, ends_cut
from cpexport.sources.imagecsv import ImageRows

_TYPE = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_AWAY = "take it away"


@dataclass(frozen=True)
class Tables:
    """A job's CSV files by what they hold. `left_out` says of the others why they are not read."""

    images: tuple[CsvFile, ...] = ()
    experiment: CsvFile | None = None
    relationships: tuple[CsvFile, ...] = ()
    objects: Mapping[str, tuple[CsvFile, ...]] = field(default_factory=dict)
    left_out: Mapping[Path, str] = field(default_factory=dict)

    def without(self, left_out: Mapping[Path, str]) -> "Tables":
        """The same but for more files that are not read."""
        kept = {
            name: tuple(file for file in files if file.path not in left_out)
            for name, files in self.objects.items()
        }
        return Tables(
            self.images,
            self.experiment,
            self.relationships,
            {name: files for name, files in kept.items() if files},
            {**self.left_out, **left_out},
        )


def images_of(headers: Sequence[CsvFile], prefix: str) -> tuple[CsvFile, ...]:
    """The job's tables of image sets: those of the name that CellProfiler gives, if there is one.

    There can be several, in folders named for metadata, or under names of the user's.
    """
    return _named(headers, IMAGE, prefix)


def experiment_of(headers: Sequence[CsvFile], prefix: str) -> CsvFile | None:
    """The job's Experiment.csv."""
    return next(iter(_named(headers, EXPERIMENT, prefix)), None)


def chosen(
    headers: Sequence[CsvFile],
    prefix: str,
    adopted: Collection[Path],
    rows: ImageRows,
    pipeline: Pipeline | None,
) -> Tables:
    """What to read of the files with these headers.

    `adopted` are files that are called otherwise than `prefix` says, or lie elsewhere: they must
    fit what Image.csv says. `rows` are those of `images_of`.

    """
    images, experiment = images_of(headers, prefix), experiment_of(headers, prefix)
    left_out: dict[Path, str] = {}
    objects: dict[str, list[CsvFile]] = {}
    for header in headers:
        if header.kind == OBJECTS:
            names = object_types(header, prefix, rows, pipeline, header.path in adopted)
            if not names:
                left_out[header.path] = f"{header.path.stem} is no name of an object type; {_AWAY}"
            for name in names:
                objects.setdefault(name, []).append(header)
        elif header.kind == IMAGE and header not in images:
            left_out[header.path] = f"rows of image sets beside {images[0].path.name}; {_AWAY}"
        elif header.kind == EXPERIMENT and header is not experiment:
            left_out[header.path] = f"a second {EXPERIMENT}.csv; {_AWAY}"
    tables = Tables(
        images,
        experiment,
        tuple(h for h in headers if h.kind == RELATIONSHIP and h.path not in left_out),
        {name: tuple(files) for name, files in objects.items()},
        left_out,
    )
    return tables.without(_misfits(tables, prefix, adopted, rows, pipeline))


def object_types(
    header: CsvFile, prefix: str, rows: ImageRows, pipeline: Pipeline | None, adopted: bool = False
) -> tuple[str, ...]:
    """The object types whose rows a file has: nearly always one; none if it has no name of one.

    The pipeline knows what files of the user's own names hold; a line of object types over the
    features says it itself. An adopted file begins with another prefix: the object type is the
    end of its name that Image.csv counts.
    """
    stem = header.path.stem
    given = [
        name
        for name, pattern in (pipeline.exports if pipeline else ())
        if re.fullmatch(pattern, stem)
    ]
    own = given[0] if given else stem.removeprefix(prefix)
    if adopted and not given:
        ends = [name for name in rows.counts if stem.endswith(name)]
        if not ends and not stem.startswith(prefix):
            return ()
        own = max(ends, key=len, default=own)
    named = dict.fromkeys(over or own for over, _ in header.names if over != IMAGE)
    return tuple(named) if all(_TYPE.fullmatch(name) for name in named) else ()


def misfit(header: CsvFile, rows: ImageRows, prefix: str) -> str:
    """Why a table cannot be that of a job with these image sets; empty if it can."""
    names = object_types(header, prefix, rows, None, adopted=True)
    return _misfit(header, names, rows)


def _named(headers: Sequence[CsvFile], kind: str, prefix: str) -> tuple[CsvFile, ...]:
    found = tuple(h for h in headers if h.kind == kind)
    return tuple(h for h in found if h.path.stem == f"{prefix}{kind}") or found


def _misfits(
    tables: Tables,
    prefix: str,
    adopted: Collection[Path],
    rows: ImageRows,
    pipeline: Pipeline | None,
) -> dict[Path, str]:
    """Files of objects that are not of this job, by their names and by what they hold."""
    found: dict[Path, str] = {}
    cut = any(ends_cut(file.path) for file in tables.images)
    types: dict[Path, list[str]] = {}
    for name, files in tables.objects.items():
        for file in files:
            types.setdefault(file.path, []).append(name)
    by_name = {
        name: file
        for name, files in tables.objects.items()
        for file in files
        if file.path.stem == f"{prefix}{name}" and file.path not in adopted
    }
    for file in {file.path: file for files in tables.objects.values() for file in files}.values():
        names = types[file.path]
        twins = [by_name[name] for name in names if name in by_name]
        others = [f for f in tables.objects[names[0]] if f.path in adopted and f is not file]
        if len(twins) == len(names) and file.path.stem != twins[0].path.stem:
            reason = f"{twins[0].path.name} has the rows of {names[0]} already"
        elif file.path in adopted and others and others[0].path.stem != file.path.stem:
            reason = f"{others[0].path.name} seems to have the rows of {names[0]} as well"
        elif file.path in adopted:
            reason = _misfit(file, names, rows)
        elif cut or any(name in rows.counts for name in names):
            reason = ""
        else:
            reason = _derived(file, names, tables.images, rows, pipeline) or _unknown(file, rows)
        if reason:
            found[file.path] = f"{reason}; {_AWAY}"
    return found


def _derived(
    header: CsvFile,
    names: Sequence[str],
    images: Sequence[CsvFile],
    rows: ImageRows,
    pipeline: Pipeline | None,
) -> str:
    """Why a table that Image.csv does not count is somebody's own; empty if it need not be.

    CellProfiler counts all objects that it makes, but people can choose which columns it writes.
    """
    if pipeline and rows.counts and not pipeline.exports_chosen_columns:
        return f"Image.csv counts no {' or '.join(names)}"
    if header.numbers_rows and not any(image.numbers_rows for image in images):
        return "its first column only numbers the rows, so another program wrote it"
    merged = tuple(f"{name}_" for name in (*rows.counts, IMAGE))
    for _, feature in header.names:
        if feature.startswith(merged):
            return f"the column {feature} is called as in a table merged of others"
    return ""


def _misfit(header: CsvFile, names: Sequence[str], rows: ImageRows) -> str:
    """How a table differs from what Image.csv says of these object types."""
    counted = [rows.counts[name] for name in names if name in rows.counts]
    if rows.counts and not counted:
        return f"Image.csv counts no {' or '.join(names) or 'such objects'}"
    try:
        sets, cut = header.image_sets()
    except SourceError as error:
        return error.problem
    if strange := _first_unknown(sets, rows):
        return strange
    numbers, found = np.unique(sets, return_counts=True)
    has = dict(zip(numbers.tolist(), found.tolist(), strict=True))
    most = np.nan_to_num(np.fmax.reduce(counted)) if counted else ()
    for number, count in zip(rows.numbers.tolist(), most, strict=bool(counted)):
        if (there := has.get(number, 0)) != count:
            end = "; it is cut off" if cut else ""
            return f"{there} rows of image set {number}, where Image.csv counts {count:.0f}{end}"
    return ""


def _unknown(header: CsvFile, rows: ImageRows) -> str:
    """Which image sets a table has that Image.csv does not have; a damaged one is told later."""
    try:
        sets, _ = header.image_sets()
    except SourceError:
        return ""
    return _first_unknown(sets, rows)


def _first_unknown(sets: npt.NDArray[np.int64], rows: ImageRows) -> str:
    strange = np.setdiff1d(sets, rows.numbers)
    return f"rows of image set {strange[0]}, which is not in Image.csv" if len(strange) else ""
