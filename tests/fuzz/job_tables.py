"""What a job's files say: its values after what each format makes of them, and no other loss.

Writers write it as it is and the oracle reads it, so that what CellProfiler itself loses on the
way stands here only.
"""

import math
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from fuzz.model import CSV, H5, IMAGE, SQLITE, Feature, Job, Kind, Run, Value

Key = tuple[int, int]
"""An image set, and the number of an object of it, 0 for the image set itself."""


@dataclass(frozen=True)
class Column:
    """The values of a feature by row, and the kind that they are stored as: None where there is no
    value to tell. In CSV files all are texts."""

    feature: Feature
    kind: Kind | None
    values: tuple[Value, ...]


@dataclass(frozen=True)
class Table:
    """The rows of an object type or of `Image`, in order of their keys."""

    keys: tuple[Key, ...]
    columns: Mapping[str, Column]


def job_tables(job: Job, run: Run) -> dict[str, Table]:
    """The tables of a job, by object type, as if nothing had happened to its files."""
    sets = [one for one in job.sets if job.format in (H5, CSV) or one.number not in job.failed]
    found = {}
    for name in (IMAGE, *run.objects):
        rows: list[tuple[Key, Mapping[str, Value]]] = []
        for one in sets:
            if name == IMAGE:
                rows.append(((one.number, 0), one.image))
            else:
                some = one.objects.get(name, ())
                rows += [((one.number, place), row) for place, row in enumerate(some, start=1)]
        columns = {}
        for feature in job.features:
            if feature.object == name:
                values = [row.get(feature.name) for _, row in rows]
                columns[feature.name] = _column(job, run, feature, _stored(feature, values))
        found[name] = Table(tuple(key for key, _ in rows), columns)
    return found


def planned(run: Run) -> Table:
    """The image sets of the batch file."""
    keys = tuple((one.number, 0) for one in run.planned)
    columns = {
        feature.name: _stored(feature, [one.image.get(feature.name) for one in run.planned])
        for feature in run.planned_features
    }
    return Table(keys, columns)


def _stored(feature: Feature, values: Iterable[Value]) -> Column:
    """Values as a job keeps them while it runs: all of one kind, the widest that one of them needs
    (CellProfiler 4.2.8, utilities/hdf5_dict.py)."""
    values = list(values)
    kind = widest(values)
    if kind == Kind.TEXT:
        values = [None if value is None else str(value) for value in values]
    elif kind == Kind.REAL:
        values = [None if value is None else float(value) for value in values]
    return Column(feature, kind, tuple(values))


def widest(values: Iterable[Value]) -> Kind | None:
    """The kind that holds all of the values; None without any."""
    kinds = {
        Kind.TEXT if isinstance(v, str) else Kind.REAL if isinstance(v, float) else Kind.INTEGER
        for v in values
        if v is not None
    }
    return max(kinds, default=None)


def _column(job: Job, run: Run, feature: Feature, stored: Column) -> Column:
    if job.format == H5:
        return stored
    if job.format == CSV:
        texts = tuple(written(value, feature.single, run.style.nan) for value in stored.values)
        return Column(feature, Kind.TEXT, texts)
    declared = declared_kind(run, feature)
    return Column(
        feature, declared, tuple(_in_table(declared, v, job.format) for v in stored.values)
    )


def written(value: Value, single: bool, nan: str) -> str:
    """A value as ExportToSpreadsheet writes it: Python's text of it."""
    if value is None:
        return ""
    if isinstance(value, float):
        if math.isnan(value):
            return nan
        return shortest_single(value) if single else repr(value)
    return str(value)


def shortest_single(value: float) -> str:
    """The shortest text that gives a number of single precision back, as NumPy writes it."""
    if not math.isfinite(value) or value == 0:
        return repr(value)
    bits = struct.pack("<f", value)
    for digits in range(1, 10):
        text = f"{value:.{digits - 1}e}"
        if struct.pack("<f", float(text)) == bits:
            break
    mantissa, _, exponent = text.partition("e")
    if -4 <= int(exponent) < 16:
        return repr(float(text))
    return f"{mantissa}e{exponent}"


def declared_kind(run: Run, feature: Feature) -> Kind:
    """The kind of a column in a job's database: by declaration, or by all that the run read."""
    if feature.promise is not None:
        return feature.promise
    every = [one.image.get(feature.name) for one in run.planned]
    every += [one.image.get(feature.name) for job in run.jobs for one in job.sets]
    return widest(every) or Kind.TEXT


def _in_table(declared: Kind, value: Value, format: str) -> Value:
    """A value in a job's database: no NaN, no infinity (ExportToDatabase makes them NULL)."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return None
    if declared == Kind.TEXT:
        return str(value)
    if declared == Kind.REAL:
        # SQLite stores whole numbers as integers, which have no -0.
        return float(value) + (0.0 if format == SQLITE else -0.0)
    return int(value)
