"""Whether a destination holds what it must: names, kinds, keys, every value, pairs."""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from fuzz.destinations import Content, Destination, Found, Known
from fuzz.expected import OBJECT, Blank, Expected, Rows, Said
from fuzz.job_tables import Key
from fuzz.model import IMAGE, NUMBER, Kind

_PLAIN = re.compile(r"[0-9a-zA-Z_$]+")
_PAIRS = (
    "module_number",
    "relationship",
    "object_name1",
    "object_name2",
    "image_number1",
    "object_number1",
    "image_number2",
    "object_number2",
)


def differences(
    found: Found,
    runs: Mapping[int, Expected],
    destination: Destination,
    prefix: str,
    longest: int = 64,
) -> Iterator[str]:
    """What is otherwise than it must be. `runs` are those under a prefix by `TableNumber`, 0 the
    one that has none."""
    columns = [column for column in found.columns if column.prefix == prefix]
    yield from _names(columns, runs, prefix, longest)
    objects = list(dict.fromkeys(name for run in runs.values() for name in run.tables))
    for name in objects:
        yield from _table(found, columns, name, runs, destination, prefix)
    for column in {column.table for column in columns if column.object not in objects}:
        yield f"table {column}: of objects that no job has"
    yield from _pairs(found, runs, prefix)


def _names(
    columns: Sequence[Known], runs: Mapping[int, Expected], prefix: str, longest: int
) -> Iterator[str]:
    """Names that are CellProfiler's beyond doubt: plain, short, and nobody else's."""
    full = {column: _full_name(column) for column in columns if column.feature != "ImageNumber"}
    taken = [name.lower() for name in full.values()]
    for column, name in full.items():
        if column.table != f"{prefix}Per_{column.object}":
            yield f"table {column.table}: not Per_{column.object}"
        usual = _PLAIN.fullmatch(name) and len(name) <= longest and taken.count(name.lower()) == 1
        if usual and column.column != name:
            yield f"column {column.table}.{column.column}: not {name}"
        if not _PLAIN.fullmatch(column.column):
            yield f"column {column.table}.{column.column}: not a plain name"
    used = [(column.table, column.column.lower()) for column in columns]
    for one in {one for one in used if used.count(one) > 1}:
        yield f"column {one}: there twice"


def _full_name(column: Known) -> str:
    if column.object == OBJECT:
        return "ObjectNumber" if column.feature == NUMBER else column.feature
    if column.object == IMAGE and column.feature.startswith(("Mean_", "Median_", "StDev_")):
        return column.feature
    return f"{column.object}_{column.feature}"


def _table(
    found: Found,
    columns: Sequence[Known],
    name: str,
    runs: Mapping[int, Expected],
    destination: Destination,
    prefix: str,
) -> Iterator[str]:
    mine = {column.feature: column for column in columns if column.object == name}
    table = f"{prefix}Per_{name}"
    must = {n: run.tables.get(name, Rows.none()) for n, run in runs.items()}
    needed = {feature for rows in must.values() for feature in rows.columns}
    if table not in found.tables:
        if needed or any(rows.keys for rows in must.values()):
            yield f"table {table}: is not there"
        return
    content = found.tables[table]
    keys = [*(["TableNumber"] if 0 not in runs else []), "ImageNumber"]
    keys += [mine[NUMBER].column] if name != IMAGE else []
    there = _by_key(content, keys, name == IMAGE, 0 not in runs)
    wanted = {(n, key) for n, rows in must.items() for key in rows.keys}
    if len(there) != len(content.rows):
        yield f"table {table}: a key is there twice"
    for row in sorted(wanted - there.keys())[:3]:
        yield f"table {table}: row {row} is missing"
    for row in sorted(there.keys() - wanted)[:3]:
        yield f"table {table}: row {row} must not be there"
    known = {feature for rows in must.values() for feature in rows.high}
    for feature in sorted(needed - mine.keys()):
        yield f"column {table}: nothing for {feature}"
    for feature in sorted(mine.keys() - known - {NUMBER, "ImageNumber"}):
        yield f"column {table}.{mine[feature].column}: {feature} is nobody's feature"
    declared = {*keys, *(column.column for column in mine.values())}
    if set(content.columns) != declared:
        yield f"column {table}: {sorted(set(content.columns) ^ declared)} not as said"
    for feature in sorted(needed & mine.keys()):
        yield from _column(content, there, mine[feature], feature, must, destination)


def _by_key(
    content: Content, keys: Sequence[str], images: bool, numbered: bool
) -> dict[tuple[int, Key], tuple[Any, ...]]:
    places = [content.columns.index(key) for key in keys]
    found = {}
    for row in content.rows:
        key = [row[place] for place in places]
        run = key.pop(0) if numbered else 0
        found[run, (key[0], 0 if images else key[1])] = row
    return found


def _column(
    content: Content,
    there: Mapping[tuple[int, Key], tuple[Any, ...]],
    column: Known,
    feature: str,
    must: Mapping[int, Rows],
    destination: Destination,
) -> Iterator[str]:
    low = max((rows.low.get(feature) or 0 for rows in must.values()), default=0)
    high = max((rows.high.get(feature) or 0 for rows in must.values()), default=0)
    where = f"column {column.table}.{column.column}"
    if column.kind is None:
        if low:
            yield f"{where}: no kind yet, though there are values"
    elif not low <= column.kind <= high:
        yield f"{where}: is {column.kind.name}, not {Kind(low or 1).name} to {Kind(high or 1).name}"
    place = content.columns.index(column.column)
    wrong = 0
    for run, rows in must.items():
        values = rows.columns.get(feature, {})
        for key in rows.keys:
            row = there.get((run, key))
            said = values.get(key)
            if row is None or holds(column.kind, said, row[place], destination):
                continue
            if _respelled(feature, column.kind, said, row[place]):
                continue
            wrong += 1
            if wrong <= 2:
                yield f"{where}: of {key} must be {said!r} and is {row[place]!r}"


def holds(kind: Kind | None, said: Said, there: Any, destination: Destination) -> bool:
    """Whether a column of this kind says it as it must."""
    if isinstance(said, str) and kind == Kind.REAL:
        said = float(said)
    if isinstance(said, float) and (
        math.isnan(said) or (math.isinf(said) and not destination.infinite and kind == Kind.REAL)
    ):
        said = None
    if said is None:
        return there is None
    if isinstance(said, Blank):
        return there is None or there == ""
    if kind == Kind.TEXT:
        # It may have come when the column was of numbers, of which none is infinite there.
        gone = there is None and not destination.infinite and str(said) in ("inf", "-inf")
        return gone or (isinstance(there, str) and _spelled(said, there))
    if kind == Kind.INTEGER:
        return type(there) is int and (
            int(said) == there if isinstance(said, str) else said == there
        )
    if kind == Kind.REAL:
        number = float(said)
        same = type(there) is float and number == there
        return same and (not destination.signed or _sign(number) == _sign(there))
    return False


def _sign(number: float) -> float:
    return math.copysign(1, number)


def _spelled(said: str | int | float, there: str) -> bool:
    """Whether a text is that text, or a number that text: all of its digits and no more."""
    if isinstance(said, str):
        return said == there
    if isinstance(said, int):
        return there in (str(said), str(float(said)))
    try:
        return float(there) == said and _digits(there) == _digits(repr(said))
    except ValueError:
        return False


def _digits(number: str) -> str:
    """The digits of a number that count, wherever its point is."""
    mantissa = number.lower().partition("e")[0]
    return mantissa.lstrip("+-").replace(".", "").strip("0")


def _respelled(feature: str, kind: Kind | None, said: Said, there: Any) -> bool:
    """Whether a number that a CSV file has as text is spelled otherwise: only metadata and names
    of files are kept as they were written."""
    if kind != Kind.TEXT or not isinstance(said, str) or feature.startswith(("Meta", "File")):
        return False
    try:
        return isinstance(there, str) and repr(float(said)) == said and _spelled(float(said), there)
    except ValueError:
        return False


def _pairs(found: Found, runs: Mapping[int, Expected], prefix: str) -> Iterator[str]:
    kinds = found.tables.get(f"{prefix}Per_RelationshipTypes")
    pairs = found.tables.get(f"{prefix}Per_Relationships")
    must = {(n, *pair) for n, run in runs.items() for pair in run.pairs}
    if kinds is None or pairs is None:
        if must:
            yield "table Per_Relationships: is not there"
        return
    spelled = {row["relationship_type_id"]: row for row in _dicts(kinds)}
    there = [
        (
            row.get("TableNumber", 0),
            *((spelled[row["relationship_type_id"]] | row)[name] for name in _PAIRS),
        )
        for row in _dicts(pairs)
    ]
    if len(set(there)) != len(there):
        yield "table Per_Relationships: a pair is there twice"
    for pair in sorted(must - set(there))[:2]:
        yield f"table Per_Relationships: {pair} is missing"
    for pair in sorted(set(there) - must)[:2]:
        yield f"table Per_Relationships: {pair} must not be there"


def _dicts(content: Content) -> list[dict[str, Any]]:
    return [dict(zip(content.columns, row, strict=True)) for row in content.rows]
