"""Joins the image tables of several analyses of the same images in one destination.

Each analysis has its own prefix, and may number its image sets in its own way. A view such as
`QC_with_Per_Image` has the columns of `Per_Image`, followed by those of `QC_Per_Image`, which begin
with `QC_`.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import sqlalchemy as sa

from cpexport.cellprofiler.column_names import LONGEST, column_names
from cpexport.cellprofiler.features import IMAGE, IMAGE_NUMBER, TABLE_NUMBER
from cpexport.cellprofiler.image_identity import Identities
from cpexport.cellprofiler.matching_analyses import Partners, partners
from cpexport.sinks.registry import open_sink
from cpexport.sinks.sql.database import quoted
from cpexport.sinks.sql.loaded_images import identities
from cpexport.spelling import counted
from cpexport.tables.layout import Layout, Table, table_of

_NOTE = "joined"
# The limit of SQLite, the lowest of all destinations with views.
_WIDTH = 2000
_NOTHING = "they have no images in common"
_COLUMNS = ("table_number1", "image_number1", "table_number2", "image_number2")


@dataclass(frozen=True)
class _Analysis:
    """What is loaded under a prefix. `runs` has what identifies the images of each run by its
    number, 0 if runs are not numbered."""

    prefix: str
    layout: Layout
    runs: dict[int, Identities]

    @property
    def identities(self) -> Identities:
        """The images of all runs, numbered from 0 in the order of `places`."""
        runs = list(self.runs.values())
        numbers = np.arange(sum(map(len, runs)))
        columns, folders = (
            {
                name: pa.concat_arrays(
                    [present.get(name, pa.nulls(len(run), pa.string())) for run, present in parts]
                )
                for name in dict.fromkeys(name for _, present in parts for name in present)
            }
            for parts in (
                [(run, run.columns) for run in runs],
                [(run, run.folders) for run in runs],
            )
        )
        return Identities(numbers, columns, folders)

    @property
    def places(self) -> npt.NDArray[np.int64]:
        """The run and image set number of each of `identities`, one a row."""
        parts = [
            np.stack([np.full(len(images), run), images.numbers], axis=1)
            for run, images in self.runs.items()
        ]
        return np.concatenate(parts) if parts else np.empty((0, 2), np.int64)


def join_analyses(to: str, prefix: str, *, same_pictures: bool = False) -> tuple[str, ...]:
    """Makes the views that join the analysis under this prefix with those under other prefixes.
    Returns what users should know about image sets that are not joined.

    Does nothing if nothing was loaded since the views were made, unless `same_pictures`: the user
    says that files with the same name are the same images.

    Raises:
        SinkError: the destination refuses.
    """
    with open_sink(to, prefix) as sink:
        others = sorted(sink.ledger.prefixes() - {prefix}) if sink.capabilities.views else []
        runs: list[str | None] = [*sink.ledger.runs()] or [None]
    if not others or not (same_pictures or _changed(to, prefix, runs)):
        return ()
    ours = _analysis(to, prefix)
    notes: list[str] = []
    for other in others:
        first, second = sorted([ours, _analysis(to, other)], key=lambda one: one.prefix)
        notes += _join(to, first, second, same_pictures)
    for run in runs:
        with open_sink(to, prefix, run=run) as sink, sink.exclusive() as changes:
            changes.set_metadata({_NOTE: ",".join(others)})
    return tuple(notes)


def _changed(to: str, prefix: str, runs: list[str | None]) -> bool:
    for run in runs:
        with open_sink(to, prefix, run=run) as sink:
            if sink.ledger.summary().loaded and _NOTE not in sink.ledger.metadata():
                return True
    return False


def _analysis(to: str, prefix: str) -> _Analysis:
    with open_sink(to, prefix) as sink:
        layout, runs = sink.layout(), dict(sink.ledger.runs())
    runs_by_number = {}
    numbered: list[tuple[str | None, int]] = [*runs.items()]
    for name, number in numbered or [(None, 0)]:
        with open_sink(to, prefix, run=name) as sink:
            runs_by_number[number] = identities(sink, sink.ledger.summary().loaded)
    return _Analysis(prefix, layout, runs_by_number)


def _join(to: str, first: _Analysis, second: _Analysis, same_pictures: bool) -> Iterator[str]:
    table, other = (table_of(IMAGE, one.prefix) for one in (first, second))
    view = f"{second.prefix}with_{table}"
    matched = partners(first.identities, second.identities, same_pictures=same_pictures)
    width = sum(len(p.columns) for one in (first, second) for p in one.layout.parts(IMAGE))
    left_out = list(_left_out(matched, table, other))
    reason = matched.why or ("" if len(matched.ours) else "; ".join(left_out) or _NOTHING)
    if width + 4 > _WIDTH:
        reason = f"it would have more than {_WIDTH} columns"
    with open_sink(to, second.prefix) as sink, sink.exclusive() as changes:
        if reason:
            changes.write_view(view, None)
        else:
            rows = _rows(first.places[matched.ours], second.places[matched.theirs])
            pairs = _table(f"_cpexport_{second.prefix}with_{first.prefix}", rows)
            changes.write_derived_table(pairs, rows)
            if not changes.write_view(view, _statement(view, pairs.name, first, second)):
                reason = "another table or view has that name"
    if reason:
        yield f"the view {view}, which joins {table} and {other}, was not created: {reason}"
    else:
        yield from (f"{view}: {sentence}" for sentence in left_out)


def _left_out(matched: Partners, table: str, other: str) -> Iterator[str]:
    """Notes about image sets that are not joined, although they may have a partner."""
    if matched.ambiguous:
        yield (
            f"{_joined(matched.ambiguous, table)} with none of {other}, "
            "because several have the same files"
        )
    if matched.undecided:
        yield (
            f"{_joined(matched.undecided, table)} with none of {other}, because "
            "only their file names agree; MD5Digest_ or PathName_ would show whether they "
            "have the same images, and Series_ and Frame_ for files with several images; if "
            "they have, add --same-pictures"
        )


def _joined(number: int, table: str) -> str:
    return f"{counted(number, 'image set')} of {table} {'is' if number == 1 else 'are'} joined"


def _rows(ours: npt.NDArray[np.int64], theirs: npt.NDArray[np.int64]) -> pa.Table:
    """The table of pairs of image sets, sorted."""
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
    shown = column_names([begin + name for name in theirs], LONGEST, {name: name for name in mine})
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
