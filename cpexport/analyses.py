"""Several analyses of the same pictures in one destination: their images joined, by picture.

Analyses lie beside each other under prefixes of their own, and may number their image sets each in
its own way. A view such as `QC_with_Per_Image` has the columns of `Per_Image`, and beside them
those of `QC_Per_Image`, which begin with `QC_`.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import sqlalchemy as sa

from cpexport.features import IMAGE, IMAGE_NUMBER, TABLE_NUMBER
from cpexport.naming import column_names
from cpexport.partners import Partners, partners
from cpexport.pictures import Pictures
from cpexport.sinks import open_sink
from cpexport.sinks.recalled import pictures
from cpexport.sinks.sql import quoted
from cpexport.tables import Layout, Table, table_of

_NOTE = "joined"
_LONGEST = 64
# SQLite's, the fewest of all destinations.
_WIDTH = 2000
_NOTHING = "they have no picture in common"
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

    @property
    def places(self) -> npt.NDArray[np.int64]:
        """Run and number of each of `pictures`, an image set a row."""
        parts = [
            np.stack([np.full(len(some), run), some.numbers], axis=1)
            for run, some in self.runs.items()
        ]
        return np.concatenate(parts) if parts else np.empty((0, 2), np.int64)


def join_analyses(to: str, prefix: str, *, same_pictures: bool = False) -> tuple[str, ...]:
    """Makes the views that join the analysis under this prefix with those under others, if anything
    was loaded since they were made, or a person says that files of one name are the
    `same_pictures`. Returns what people should know of image sets that are not joined.

    Raises:
        SinkError: the destination refuses.
    """
    with open_sink(to, prefix) as sink:
        others = sorted(sink.prefixes() - {prefix}) if sink.has_views else []
        runs: list[str | None] = [*sink.runs()] or [None]
    if not others or not (same_pictures or _changed(to, prefix, runs)):
        return ()
    ours = _analysis(to, prefix)
    notes: list[str] = []
    for other in others:
        first, second = sorted([ours, _analysis(to, other)], key=lambda one: one.prefix)
        notes += _join(to, first, second, same_pictures)
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


def _join(to: str, first: _Analysis, second: _Analysis, same_pictures: bool) -> Iterator[str]:
    table, other = (table_of(IMAGE, one.prefix) for one in (first, second))
    view = f"{second.prefix}with_{table}"
    found = partners(first.pictures, second.pictures, same_pictures=same_pictures)
    width = sum(len(p.columns) for one in (first, second) for p in one.layout.parts(IMAGE))
    left_out = list(_left_out(found, table, other))
    why = found.why or ("" if len(found.ours) else "; ".join(left_out) or _NOTHING)
    if width + 4 > _WIDTH:
        why = f"it would have more than {_WIDTH} columns"
    with open_sink(to, second.prefix) as sink, sink.alone():
        if why:
            sink.show(view, None)
        else:
            rows = _rows(first.places[found.ours], second.places[found.theirs])
            pairs = _table(f"_cpexport_{second.prefix}with_{first.prefix}", rows)
            sink.replace(pairs, rows)
            if not sink.show(view, _statement(view, pairs.name, first, second)):
                why = "something else has that name"
    if why:
        yield f"the view {view}, which joins {table} and {other}, was not made: {why}"
    else:
        yield from (f"{view}: {sentence}" for sentence in left_out)


def _left_out(found: Partners, table: str, other: str) -> Iterator[str]:
    """What is to be said of image sets that have no partner, though they may have one."""
    if found.ambiguous:
        yield (
            f"{found.ambiguous} image sets of {table} are joined with none of {other}, as several "
            "are of the same files"
        )
    if found.untold:
        yield (
            f"{found.untold} image sets of {table} are joined with none of {other}, as only the "
            "names of their files agree: MD5Digest_ or PathName_ would tell whether those are the "
            "same, and Series_ and Frame_ where a file holds several pictures; say --same-pictures "
            "if they are"
        )


def _rows(ours: npt.NDArray[np.int64], theirs: npt.NDArray[np.int64]) -> pa.Table:
    """The table of pairs, in order."""
    pairs = np.concatenate([ours, theirs], axis=1)
    pairs = pairs[np.lexsort(pairs.T[::-1])]
    return pa.table(dict(zip(_COLUMNS, map(pa.array, pairs.T), strict=True)))


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
