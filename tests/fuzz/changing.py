"""Values of a destination that can be changed, as damage that has to be found."""

import math
import random
from collections.abc import Iterator
from typing import Any

from fuzz.cases import Case
from fuzz.destinations import Found
from fuzz.model import NUMBER, Kind

Change = tuple[str, str, Any, dict[str, int]]
"""A table, a column, another value, and the key of the row."""


def changes(found: Found, case: Case, rng: random.Random) -> Iterator[Change]:
    """Values picked at random, without end; none where there are no rows."""
    usable = [
        column
        for column in found.columns
        if column.prefix == case.prefix
        and column.kind is not None
        and column.feature not in (NUMBER, "ImageNumber")
        and found.tables[column.table].rows
    ]
    while usable:
        column = rng.choice(usable)
        content = found.tables[column.table]
        row = dict(zip(content.columns, rng.choice(content.rows), strict=True))
        numbers = [c for c in found.columns if c.table == column.table and c.feature == NUMBER]
        keys = ["TableNumber"] if case.numbered else []
        keys += ["ImageNumber", *(c.column for c in numbers)]
        other = _other(rng, column.kind, row[column.column])
        yield column.table, column.column, other, {key: row[key] for key in keys}


def _other(rng: random.Random, kind: Kind | None, value: Any) -> Any:
    """A value that a column of a kind can have in place of another one."""
    if value is not None and rng.random() < 0.3:
        return None
    if kind == Kind.TEXT:
        return f"{value or ''}?"
    if kind == Kind.INTEGER:
        return 1 if value is None else value + rng.choice((1, -1))
    if value is None or not math.isfinite(value):
        return 0.5
    # The next double, at times.
    near = float(value) * (1 + 2**-52) if rng.random() < 0.5 else float(value)
    return near if near != value and abs(near) < 1e300 else -float(value) or 1.0
