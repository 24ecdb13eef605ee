"""What tables of wells must hold, computed from what all the other tables must hold."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from fuzz.comparing import holds
from fuzz.destinations import Destination, Found, Known
from fuzz.expected import OBJECT, Expected, Rows, Said, finite, reduced
from fuzz.job_tables import Key
from fuzz.model import IMAGE, NUMBER, PLATE, WELL, Kind

KINDS = {"mean": "avg", "median": "median", "std": "std"}
_REDUCE: Mapping[str, Callable[[Any], Any]] = {
    "mean": np.mean,
    "median": np.median,
    "std": np.std,
}
_AGGREGATE = re.compile("(Mean|Median|StDev)_")


def differences(
    found: Found,
    runs: Mapping[int, Expected],
    destination: Destination,
    prefix: str,
    kinds: Sequence[str],
) -> Iterator[str]:
    """How tables of wells are otherwise than they must be: rows, columns by place, values."""
    columns = _columns([column for column in found.columns if column.prefix == prefix])
    for kind in kinds:
        name = f"{prefix}Per_Well_{KINDS[kind]}"
        if name not in found.tables:
            yield f"table {name}: is not there"
            continue
        content = found.tables[name]
        numbered = 0 not in runs
        there = {}
        for row in content.rows:
            run, *values = row if numbered else (0, *row)
            there[run, values[-2], values[-1]] = values[:-2]
        names = list(content.columns[1:-2] if numbered else content.columns[:-2])
        if len(names) != len(columns):
            yield f"table {name}: {len(names)} columns, not {len(columns)}"
            continue
        for column, made in zip(columns, names, strict=True):
            usual = f"{KINDS[kind]}_{column.column}"
            if len(usual) <= 64 and made.lower() != usual.lower():
                yield f"column {name}.{made}: not {usual}"
        must = dict(_wells(runs, columns, kind))
        if there.keys() != must.keys() or len(there) != len(content.rows):
            yield f"table {name}: wells {sorted(map(str, there))}, not {sorted(map(str, must))}"
            continue
        for well, values in must.items():
            for made, value, other in zip(names, values, there[well], strict=True):
                if not holds(Kind.REAL, value, other, destination):
                    yield f"column {name}.{made}: of {well} must be {value!r} and is {other!r}"


def _columns(columns: Sequence[Known]) -> list[Known]:
    """The columns of numbers that wells have values of, in order: of objects, then of images."""
    names = sorted({column.object for column in columns} - {IMAGE})
    return [
        column
        for name in [*names, IMAGE]
        for column in columns
        if column.object == name
        and column.kind in (Kind.INTEGER, Kind.REAL)
        and column.feature != "ImageNumber"
        and (name, column.feature) != (OBJECT, NUMBER)
        and not (
            name == IMAGE
            and (column.feature.startswith("ExecutionTime_") or _AGGREGATE.match(column.feature))
        )
    ]


def _wells(
    runs: Mapping[int, Expected], columns: Sequence[Known], kind: str
) -> Iterator[tuple[tuple[int, Any, Any], list[Said]]]:
    """Each plate and well of a run, and what is computed of it."""
    objects = sorted({column.object for column in columns} - {IMAGE})
    for run, expected in runs.items():
        image = expected.tables.get(IMAGE, Rows.none())
        wells: dict[tuple[Any, Any], list[int]] = {}
        for key in image.keys:
            plate, well = (image.columns[name].get(key) for name in (PLATE, WELL))
            wells.setdefault((plate, well), []).append(key[0])
        for (plate, well), numbers in wells.items():
            mine = {
                name: [k for k in _rows(expected, name).keys if k[0] in numbers] for name in objects
            }
            # Values of images count once for each object, whatever types have one of its number.
            every = sorted({key for keys in mine.values() for key in keys})
            repeated = [(key[0], 0) for key in every] if objects else [(n, 0) for n in numbers]
            values: list[Said] = []
            for column in columns:
                keys = repeated if column.object == IMAGE else mine[column.object]
                values.append(_reduced(_rows(expected, column.object), column, keys, kind))
            yield (run, plate, well), values


def _rows(expected: Expected, name: str) -> Rows:
    return expected.tables.get(name, Rows.none())


def _reduced(rows: Rows, column: Known, keys: Sequence[Key], kind: str) -> Said:
    if column.feature == NUMBER:
        some = finite(key[1] for key in keys)
    else:
        known = rows.columns.get(column.feature, {})
        some = finite(_number(known.get(key)) for key in keys)
    return reduced(_REDUCE[kind], some)


def _number(said: Said) -> Said:
    """What a column of numbers holds: CSV files have texts of some."""
    return float(said) if isinstance(said, str) else said
