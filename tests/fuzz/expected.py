"""What the tables of a destination must hold, by feature: the oracle's second half."""

import math
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote

import numpy as np

from fuzz.complete import groups, owners
from fuzz.job_tables import Column, Key, job_tables
from fuzz.model import CSV, H5, IMAGE, NUMBER, SQLITE, Feature, Job, Kind, Pair, Run, Value

OBJECT = "Object"
_GROUPS = ("Group_Number", "Group_Index", "Group_Length")
_REDUCE: Mapping[str, tuple[str, Callable[[Any], Any]]] = {
    "mean": ("Mean", np.mean),
    "median": ("Median", np.median),
    "std": ("StDev", np.std),
}


class Blank:
    """An empty field of a CSV file, which is no text or an empty one."""

    def __repr__(self) -> str:
        return "(empty field)"


BLANK = Blank()
Said = Value | Blank


@dataclass(frozen=True)
class Shape:
    """What was asked of a destination's tables; the words of the command line."""

    layout: str = "separate"
    only: tuple[str, ...] = ()
    aggregate: tuple[str, ...] = ()
    path_map: tuple[tuple[str, str], ...] = ()

    def keeps(self, name: str) -> bool:
        return self.layout != "none" and (not self.only or name in self.only)


@dataclass
class Rows:
    """The rows of an object type: keys in order, and for each feature what it must be there.

    `low` and `high` are the narrowest and the widest kind that each column may have: the one for
    the values that are there, the other for all that the jobs had. A feature in these alone is one
    of jobs that newer ones have replaced: there can be a column of it.
    """

    keys: list[Key]
    columns: dict[str, dict[Key, Said]]
    low: dict[str, Kind | None]
    high: dict[str, Kind | None]

    @classmethod
    def none(cls) -> "Rows":
        return cls([], {}, {}, {})


@dataclass(frozen=True)
class Expected:
    """All that one run brings into a destination."""

    tables: Mapping[str, Rows]
    pairs: frozenset[Pair]
    owned: Mapping[int, Job]


def expected(run: Run, jobs: Sequence[Job], brought: Container[str], shape: Shape) -> Expected:
    """What the outputs of some jobs of a run make of an empty destination. Those that are `brought`
    were loaded from once: the others only gave way to newer ones, and leave no columns."""
    owned = owners(jobs, run)
    tables: dict[str, Rows] = {}
    pairs: set[Pair] = set()
    loaded = [job for job in jobs if job.name in brought]
    for job in loaded:
        mine = frozenset(number for number, owner in owned.items() if owner is job)
        _add(tables, job, run, mine, shape)
        if _keeps_pairs(job, run):
            pairs |= {pair for pair in job.pairs if {pair[4], pair[6]} <= mine}
    for rows in tables.values():
        rows.keys.sort()
    image = tables.get(IMAGE)
    numbered = groups(run, owned)
    if image is not None and numbered is not None:
        for place, feature in enumerate(_GROUPS):
            if feature in image.columns:
                for number in owned:
                    image.columns[feature][number, 0] = numbered[number][place]
    if image is not None and shape.path_map:
        _map_paths(image, shape.path_map)
    if shape.layout == "combined":
        tables = _combined(tables)
    return Expected(tables, frozenset(pairs), owned)


def _keeps_pairs(job: Job, run: Run) -> bool:
    if job.format == CSV:
        return run.style.relationships_csv
    return job.format in (H5, SQLITE) or bool(run.objects)


def _add(tables: dict[str, Rows], job: Job, run: Run, mine: frozenset[int], shape: Shape) -> None:
    """Adds what a job says of the image sets that are loaded from it."""
    found = job_tables(job, run)
    for name, table in found.items():
        if name != IMAGE and (_gone(job, run, name) or not shape.keeps(name)):
            continue
        rows = tables.setdefault(name, Rows.none())
        rows.keys += [key for key in table.keys if key[0] in mine]
        for feature, column in table.columns.items():
            if _is_column(feature):
                every = _meant(job, column, column.values)
                pairs = zip(table.keys, column.values, strict=True)
                owned = _meant(job, column, [value for key, value in pairs if key[0] in mine])
                widen(rows, feature, owned[0] if mine else None, every[1])
                if not mine:
                    continue
                values = zip(table.keys, every[2], strict=True)
                there = rows.columns.setdefault(feature, {})
                there |= {key: value for key, value in values if key[0] in mine}
    for kind in shape.aggregate:
        begin, reduce = _REDUCE[kind]
        for name in run.objects if mine else ():
            if _gone(job, run, name) or not shape.keeps(name):
                continue
            for feature, column in found[name].columns.items():
                if column.feature.promise == Kind.TEXT:
                    widen(tables[IMAGE], f"{begin}_{name}_{feature}", None, Kind.REAL)
                    continue
                meant = _meant(job, column, column.values)[2]
                known = list(zip(found[name].keys, meant, strict=True))
                made = tables[IMAGE].columns.setdefault(f"{begin}_{name}_{feature}", {})
                widen(tables[IMAGE], f"{begin}_{name}_{feature}", Kind.REAL, Kind.REAL)
                for number in mine:
                    some = finite(value for key, value in known if key[0] == number)
                    made[number, 0] = reduced(reduce, some)


def _gone(job: Job, run: Run, name: str) -> bool:
    """Whether the job's table of an object type is gone; side by side they share one."""
    if job.damage is None or job.damage.kind != "gone" or job.damage.table == IMAGE:
        return False
    together = run.style.side_by_side and job.format != CSV
    return together or job.damage.table == name


def widen(rows: Rows, feature: str, low: Kind | None, high: Kind | None) -> None:
    """Notes which kinds a column may have, wider than what was noted before."""
    rows.low[feature] = _wider(rows.low.get(feature), low)
    rows.high[feature] = _wider(rows.high.get(feature), high)


def reduced(reduce: Callable[[Any], Any], some: np.ndarray) -> float | None:
    """A mean, median or deviation; None of nothing."""
    # Sums of the largest numbers are infinite.
    with np.errstate(over="ignore", invalid="ignore"):
        return float(reduce(some)) if len(some) else None


def finite(values: Iterable[Said]) -> np.ndarray:
    """The finite numbers among values."""
    some = [v for v in values if isinstance(v, int | float) and math.isfinite(v)]
    return np.array(some, np.float64)


def _wider(one: Kind | None, other: Kind | None) -> Kind | None:
    return max((kind for kind in (one, other) if kind is not None), default=None)


def _is_column(feature: str) -> bool:
    return not feature.startswith("ModuleError_")


def _meant(
    job: Job, column: Column, values: Sequence[Value]
) -> tuple[Kind | None, Kind | None, list[Said]]:
    """What values of a job mean to a reader: the narrowest and widest kind they need, and them."""
    feature = column.feature
    if job.format == CSV:
        return _in_csv(feature, values)
    kind = column.kind
    if feature.promise == Kind.INTEGER and kind == Kind.REAL and _whole(values):
        kind = Kind.INTEGER
    kind = _wider(kind, feature.promise)
    low = kind if any(value is not None for value in values) else feature.promise
    return low, kind, list(values)


def _whole(values: Iterable[Value]) -> bool:
    """Whether all numbers are integers that real numbers can count."""
    return all(
        not isinstance(v, float) or math.isnan(v) or (v.is_integer() and abs(v) < 2**53)
        for v in values
    )


def _in_csv(
    feature: Feature, values: Sequence[Value]
) -> tuple[Kind | None, Kind | None, list[Said]]:
    texts = [str(value) for value in values]
    if feature.promise == Kind.TEXT:
        return Kind.TEXT, Kind.TEXT, [text if text else BLANK for text in texts]
    if feature.object != IMAGE or feature.promise in (Kind.INTEGER, Kind.REAL):
        numbers: list[Said] = [None if t in ("", "nan") else float(t) for t in texts]
        whole = feature.promise == Kind.INTEGER and _whole([float(t) for t in texts if t])
        kind = Kind.INTEGER if whole else Kind.REAL
        return kind, kind, numbers
    # CellProfiler writes a missing value among texts like the text `nan`.
    said: list[Said] = [None if t == "nan" else t if t else BLANK for t in texts]
    low = max((kind for kind in map(_text_kind, texts) if kind is not None), default=None)
    # An empty field can make a text of a whole column, as in LoadData.
    return low, Kind.TEXT if "" in texts else low, said


def _text_kind(text: str) -> Kind | None:
    """The kind of a text by itself: a number only if it is Python's own text of that number."""
    if text in ("", "nan"):
        return None
    for kind, read in ((Kind.INTEGER, int), (Kind.REAL, float)):
        try:
            number = read(text)
        except ValueError:
            continue
        if str(number) == text:
            return kind
    return Kind.TEXT


def _map_paths(image: Rows, pairs: Sequence[tuple[str, str]]) -> None:
    for feature, values in image.columns.items():
        begin = feature.partition("_")[0]
        for key, value in values.items():
            if isinstance(value, str) and begin == "PathName":
                values[key] = _mapped(value, pairs)
            elif isinstance(value, str) and begin == "URL":
                path = unquote(value.removeprefix("file:"))
                new = _mapped(path, pairs)
                values[key] = value if new == path else "file:" + quote(new)


def _mapped(path: str, pairs: Sequence[tuple[str, str]]) -> str:
    fitting = [p for p in pairs if path == p[0] or path.startswith(p[0] + "/")]
    if not fitting:
        return path
    cluster, local = max(fitting, key=lambda pair: len(pair[0]))
    return local + path[len(cluster) :]


def _combined(tables: Mapping[str, Rows]) -> dict[str, Rows]:
    """Objects of all types side by side, by number."""
    objects = {name: rows for name, rows in tables.items() if name != IMAGE}
    found = {IMAGE: tables[IMAGE]} if IMAGE in tables else {}
    if not objects:
        return found
    keys = sorted({key for rows in objects.values() for key in rows.keys})
    together = Rows(keys, {}, {}, {})
    for name, rows in objects.items():
        number = f"{name}_{NUMBER}"
        together.columns[number] = {key: key[1] for key in rows.keys}
        together.low[number] = together.high[number] = Kind.INTEGER
        for feature in rows.high:
            if feature in rows.columns:
                together.columns[f"{name}_{feature}"] = rows.columns[feature]
            widen(together, f"{name}_{feature}", rows.low[feature], rows.high[feature])
    return found | {OBJECT: together}
