"""Several analyses of the same pictures in one destination: their images joined, by picture.

Analyses lie beside each other under prefixes of their own, and may number their image sets each in
its own way. A view such as `QC_with_Per_Image` has the columns of `Per_Image`, and beside them
those of `QC_Per_Image`, which begin with `QC_`.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import sqlalchemy as sa

from cpexport.features import IMAGE, IMAGE_NUMBER, TABLE_NUMBER
from cpexport.naming import column_names
from cpexport.pictures import Pictures
from cpexport.samepictures import Keys
from cpexport.sinks import open_sink
from cpexport.sinks.recalled import pictures
from cpexport.sinks.sql import quoted
from cpexport.tables import Layout, Table, table_of

_NOTE = "joined"
_LONGEST = 64
# SQLite's, the fewest of all destinations.
_WIDTH = 2000
_COLUMNS = ("table_number1", "image_number1", "table_number2", "image_number2")


@dataclass(frozen=True)
class _Analysis:
    """What is loaded under a prefix: its pictures by run, 0 where runs are not numbered."""

    prefix: str
    layout: Layout
    runs: dict[int, Pictures]

    @property
    def pictures(self) -> Pictures:
        """Those of all runs, under no numbers that mean anything."""
        every = list(self.runs.values())
        numbers = np.arange(sum(map(len, every)))
        columns, folders = (
            {
                name: pa.concat_arrays(
                    [some.get(name, pa.nulls(len(one), pa.string())) for one, some in parts]
                )
                for name in dict.fromkeys(name for _, some in parts for name in some)
            }
            for parts in (
                [(one, one.columns) for one in every],
                [(one, one.folders) for one in every],
            )
        )
        return Pictures(numbers, columns, folders)

    def keys(self, by: Keys) -> Iterator[tuple[tuple[int, int], tuple[object, ...]]]:
        """Run and number of the image sets that have a key, and their keys."""
        for run, some in self.runs.items():
            for number, key in zip(some.numbers.tolist(), by.each(some), strict=True):
                if key is not None:
                    yield (run, number), key


def join_analyses(to: str, prefix: str) -> tuple[str, ...]:
    """Makes the views that join the analysis under this prefix with those under others, if anything
    was loaded since they were made. Returns what people should know of those that cannot be made.

    Raises:
        SinkError: the destination refuses.
    """
    with open_sink(to, prefix) as sink:
        others = sorted(sink.prefixes() - {prefix}) if sink.has_views else []
        runs: list[str | None] = [*sink.runs()] or [None]
    if not others or not _changed(to, prefix, runs):
        return ()
    ours = _analysis(to, prefix)
    notes: list[str] = []
    for other in others:
        first, second = sorted([ours, _analysis(to, other)], key=lambda one: one.prefix)
        notes += _join(to, first, second)
    for run in runs:
        with open_sink(to, prefix, run=run) as sink, sink.alone():
            sink.note({_NOTE: ",".join(others)})
    return tuple(notes)


def _changed(to: str, prefix: str, runs: list[str | None]) -> bool:
    for run in runs:
        with open_sink(to, prefix, run=run) as sink:
            if sink.ledger().loaded and _NOTE not in sink.settings():
                return True
    return False


def _analysis(to: str, prefix: str) -> _Analysis:
    with open_sink(to, prefix) as sink:
        layout, runs = sink.layout(), dict(sink.runs())
    found = {}
    numbered: list[tuple[str | None, int]] = [*runs.items()]
    for name, number in numbered or [(None, 0)]:
        with open_sink(to, prefix, run=name) as sink:
            found[number] = pictures(sink, sink.ledger().loaded)
    return _Analysis(prefix, layout, found)


def _join(to: str, first: _Analysis, second: _Analysis) -> Iterator[str]:
    view = f"{second.prefix}with_{table_of(IMAGE, first.prefix)}"
    rows, why = _pairs(first, second)
    width = sum(len(p.columns) for one in (first, second) for p in one.layout.parts(IMAGE))
    if width + 4 > _WIDTH:
        rows, why = None, f"it would have more than {_WIDTH} columns"
    with open_sink(to, second.prefix) as sink, sink.alone():
        if rows is not None:
            table = _table(f"_cpexport_{second.prefix}with_{first.prefix}", rows)
            sink.replace(table, rows)
            if not sink.show(view, _statement(view, table.name, first, second)):
                why = "something else has that name"
            why = why and f"{why}, and not joined"
        else:
            sink.show(view, None)
    if why:
        yield f"{view}: {why}"


def _pairs(first: _Analysis, second: _Analysis) -> tuple[pa.Table | None, str]:
    """Which image sets of two analyses are the same pictures; None if nothing tells. And what is
    to be said of those that are left out."""
    by = Keys.of(first.pictures, second.pictures)
    if by is None:
        return None, "they have no channel and no metadata in common"
    ours, theirs = _by_key(first.keys(by)), _by_key(second.keys(by))
    common = ours.keys() & theirs.keys()
    rows = [
        (*ours[key][0], *theirs[key][0])
        for key in common
        if len(ours[key]) == len(theirs[key]) == 1
    ]
    twice = len(common) - len(rows)
    said = f"{twice} pictures are there twice, as far as names and folders tell" if twice else ""
    if not rows:
        return None, said or "they have no picture in common"
    columns = map(pa.array, zip(*sorted(rows), strict=True))
    return pa.table(dict(zip(_COLUMNS, columns, strict=True))), said


def _by_key(
    keys: Iterator[tuple[tuple[int, int], tuple[object, ...]]],
) -> dict[tuple[object, ...], list[tuple[int, int]]]:
    found: dict[tuple[object, ...], list[tuple[int, int]]] = {}
    for where, key in keys:
        found.setdefault(key, []).append(where)
    return found


def _table(name: str, rows: pa.Table) -> sa.Table:
    columns = [
        sa.Column(column, sa.Integer, primary_key=place < 2, autoincrement=False)
        for place, column in enumerate(rows.column_names)
    ]
    return sa.Table(name, sa.MetaData(), *columns)


def _statement(view: str, pairs: str, first: _Analysis, second: _Analysis) -> str:
    one, two = first.layout.parts(IMAGE), second.layout.parts(IMAGE)
    mine = [*one[0].key, *(c.name for part in one for c in part.columns)]
    theirs = [*two[0].key, *(c.name for part in two for c in part.columns)]
    begin = second.prefix or f"not_{first.prefix}"
    shown = column_names([begin + name for name in theirs], _LONGEST, {name: name for name in mine})
    listed = [*_listed(one, {}), *_listed(two, {n: shown[begin + n] for n in theirs})]
    joins = _parts(one)
    joins += f" LEFT JOIN {quoted(pairs)} ON {_on(one[0], pairs, '1')}"
    joins += f" LEFT JOIN {quoted(two[0].name)} ON {_on(two[0], pairs, '2')}{_parts(two)}"
    return (
        f"CREATE VIEW {quoted(view)} AS SELECT {', '.join(listed)} "
        f"FROM {quoted(one[0].name)}{joins}"
    )


def _listed(parts: tuple[Table, ...], shown: dict[str, str]) -> Iterator[str]:
    for place, part in enumerate(parts):
        for name in (*(part.key if place == 0 else ()), *(c.name for c in part.columns)):
            yield f"{quoted(part.name)}.{quoted(name)} AS {quoted(shown.get(name, name))}"


def _parts(parts: tuple[Table, ...]) -> str:
    first = quoted(parts[0].name)
    return "".join(
        f" LEFT JOIN {quoted(part.name)} ON "
        + " AND ".join(f"{quoted(part.name)}.{quoted(k)} = {first}.{quoted(k)}" for k in part.key)
        for part in parts[1:]
    )


def _on(table: Table, pairs: str, side: str) -> str:
    of = {TABLE_NUMBER: f"table_number{side}", IMAGE_NUMBER: f"image_number{side}"}
    own, other = quoted(table.name), quoted(pairs)
    return " AND ".join(f"{own}.{quoted(k)} = {other}.{quoted(of[k])}" for k in table.key)
