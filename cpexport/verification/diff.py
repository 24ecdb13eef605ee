"""Compares the rows that a table must have with those that it has, value by value.

Real numbers are compared by value, so -0.0 equals 0.0, as destinations lose its sign. All other
values must be the same to the last bit. NaN must be NULL, and so must infinities in a destination
that does not store them.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from cpexport.cellprofiler.features import IMAGE_NUMBER, INTEGER, NULL, NUMBER, REAL, TEXT
from cpexport.errors import ChangedError
from cpexport.imagesets import ImageSets
from cpexport.sinks.sql.column_projection import missing_as_null, without_infinities
from cpexport.tables.casts import align
from cpexport.tables.layout import RELATIONSHIPS

_Rows = npt.NDArray[np.intp]
_KEY = (IMAGE_NUMBER, NUMBER)
_SHOWN = 40


@dataclass(frozen=True)
class Difference:
    """One difference: `what` says what was expected, and what the destination has.

    column: empty if whole rows differ.
    image_sets: the numbers of the image sets, ascending; with several runs, they need not begin
        with 1.
    batch: empty if it is not about one batch's output.
    run: the name of the run, if the destination numbers runs.
    """

    table: str
    column: str
    what: str
    image_sets: tuple[int, ...] = ()
    batch: str = ""
    run: str = ""


@dataclass
class Tally:
    """What was compared in a table: rows, values (including NULL), and how many were NULL."""

    rows: int = 0
    values: int = 0
    null: int = 0

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(self.rows + other.rows, self.values + other.values, self.null + other.null)


@dataclass(frozen=True)
class Mismatch:
    """How a column (empty: whole rows) differs in some image sets."""

    column: str
    what: str
    image_sets: tuple[int, ...] = field(default=())


def whole(parts: Sequence[pa.RecordBatch], schema: pa.Schema, *, infinite: bool) -> pa.Table:
    """Concatenates the parts to one table with these columns, as a destination has it: what is
    missing is null, as are infinities unless `infinite`.

    Raises:
        WidthError: a value does not fit its column.
    """
    known = set(schema.names)
    chosen = [part.select([n for n in part.schema.names if n in known]) for part in parts]
    if not infinite:
        chosen = [without_infinities(part) for part in chosen]
    tables = [pa.Table.from_batches([missing_as_null(align(part, schema))]) for part in chosen]
    return pa.concat_tables([schema.empty_table(), *tables], promote_options="default")


def mismatches(
    expected: pa.Table, read: Callable[[Sequence[str], ImageSets], pa.Table], sets: ImageSets
) -> Iterator[Mismatch]:
    """How the expected rows of some image sets differ from those that `read` returns for features
    and image sets. If some cannot be read, bisects to find which."""
    features = [name for name in expected.column_names if name not in _KEY]
    try:
        stored = read(features, sets).select(expected.column_names)
    except ChangedError as error:
        if len(features) > 1:
            half = len(features) // 2
            for some in (features[:half], features[half:]):
                yield from mismatches(expected.drop_columns(some), read, sets)
        elif len(sets) > 1:
            first = ImageSets.of(list(sets)[: len(sets) // 2])
            for part in (first, sets - first):
                here = pc.is_in(expected[IMAGE_NUMBER], pa.array(part, INTEGER))
                yield from mismatches(expected.filter(here), read, part)
        else:
            yield Mismatch("".join(features), error.problem, tuple(sets))
        return
    yield from row_mismatches(expected, stored)


def row_mismatches(expected: pa.Table, stored: pa.Table) -> Iterator[Mismatch]:
    """How two tables with the same columns, key first, differ: in rows, then in values."""
    key = [name for name in _KEY if name in expected.column_names]
    ours, theirs = _keys(expected, key), _keys(stored, key)
    if np.array_equal(ours, theirs):
        numbers = theirs
    else:
        mine, other, missing, more = _matched(ours, theirs)
        yield from _rows("missing", ours[missing])
        yield from _rows("too many", theirs[more])
        expected, stored, numbers = expected.take(mine), stored.take(other), theirs[other]
    for name in expected.column_names:
        if name not in key:
            yield from _column(name, expected[name], stored[name], numbers)


def pair_mismatches(expected: pa.Table, stored: pa.Table) -> Iterator[Mismatch]:
    """How two tables with the columns of `layout.RELATIONSHIPS` differ, in whatever order."""
    names = RELATIONSHIPS.names
    missing = expected.join(stored, keys=names, join_type="left anti")
    more = stored.join(expected, keys=names, join_type="left anti")
    doubled = (stored.num_rows - more.num_rows) - (expected.num_rows - missing.num_rows)
    for what, pairs in (("missing", missing), ("too many", more)):
        if pairs.num_rows:
            (first,) = pairs.sort_by([(n, "ascending") for n in names]).slice(0, 1).to_pylist()
            yield Mismatch(
                "", f"{_many(pairs.num_rows, 'pair')} {what}: {_pair(first)}", _of(pairs)
            )
    if doubled > 0:
        yield Mismatch("", f"{_many(doubled, 'pair')} too many, doubled")


def uncertain(parts: Sequence[pa.RecordBatch]) -> tuple[int, int]:
    """How many missing values fewer, and how many more, rows may have had when they were counted.

    Missing values are counted in columns of numbers. Since then a column can have become text; or
    it had no type then, as it had no value.
    """
    less = more = 0
    for rows in parts:
        for column in rows.columns:
            if column.type == TEXT:
                more += int(pc.sum(pc.fill_null(pc.equal(column, ""), True)).as_py() or 0)
            elif missing := _missing(column):
                less += missing if missing == len(column) else 0
    return less, more


def some(numbers: npt.NDArray[np.int64]) -> tuple[int, ...]:
    """The distinct numbers, ascending."""
    return tuple(np.unique(numbers).tolist())


def _keys(table: pa.Table, key: Sequence[str]) -> npt.NDArray[np.int64]:
    columns = [table[name].to_numpy() for name in key]
    return np.stack([np.asarray(c, np.int64) for c in columns], axis=1)


def _matched(
    ours: npt.NDArray[np.int64], theirs: npt.NDArray[np.int64]
) -> tuple[_Rows, _Rows, _Rows, _Rows]:
    """Indexes of rows with the same key in ours and in theirs, of the rows only in ours, and of
    the surplus rows in theirs."""
    _, codes = np.unique(np.concatenate([ours, theirs]), axis=0, return_inverse=True)
    codes = codes.reshape(-1)
    one, other = codes[: len(ours)], codes[len(ours) :]
    _, mine, matching = np.intersect1d(one, other, return_indices=True)
    missing = np.setdiff1d(np.arange(len(ours)), mine)
    return mine, matching, missing, np.setdiff1d(np.arange(len(theirs)), matching)


def _rows(what: str, keys: npt.NDArray[np.int64]) -> Iterator[Mismatch]:
    if len(keys):
        keys = keys[np.lexsort(keys.T[::-1])]
        yield Mismatch("", f"{_many(len(keys), 'row')} {what}: {_row(keys[0])}", some(keys[:, 0]))


def _column(
    name: str, expected: pa.ChunkedArray, stored: pa.ChunkedArray, keys: npt.NDArray[np.int64]
) -> Iterator[Mismatch]:
    # Arrow compares -0.0 and 0.0 as equal, as `_differ` does.
    if expected.equals(stored):
        return
    differ = _differ(expected, stored)
    if not differ.any():
        return
    places = np.flatnonzero(differ)
    first = places[np.lexsort(keys[places].T[::-1])[0]]
    what = (
        f"{_many(len(places), 'value')} not as expected: {_row(keys[first])} must be "
        f"{short(expected[first].as_py())} and is {short(stored[first].as_py())}"
    )
    yield Mismatch(name, what, some(keys[places, 0]))


def _differ(expected: pa.ChunkedArray, stored: pa.ChunkedArray) -> npt.NDArray[np.bool_]:
    """A mask of the values that differ. A stored NaN, rather than NULL, differs from everything."""
    if expected.type == NULL:
        return np.zeros(len(expected), np.bool_)
    must, present = expected.is_valid(), stored.is_valid()
    same = pc.fill_null(pc.equal(expected, stored), False)
    alike = pc.or_(pc.and_(must, same), pc.and_not(pc.invert(must), present))
    return ~np.asarray(alike.to_numpy(), np.bool_)


def _missing(column: pa.Array) -> int:
    """How many values of a batch's column are null or NaN."""
    if column.type == REAL:
        return int(pc.sum(pc.fill_null(pc.is_nan(column), True)).as_py() or 0)
    return int(column.null_count)


def _of(pairs: pa.Table) -> tuple[int, ...]:
    known = pairs["image_number1"].drop_null().to_numpy()
    return some(known)


def _row(key: npt.NDArray[np.int64]) -> str:
    return f"object {key[1]} of image set {key[0]}" if len(key) > 1 else f"image set {key[0]}"


def _pair(row: dict[str, Any]) -> str:
    one, two = (
        f"{row[f'object_name{side}']} {row[f'object_number{side}']} "
        f"of image set {row[f'image_number{side}']}"
        for side in (1, 2)
    )
    return f"{row['relationship']} {one} and {two} (module {row['module_number']})"


def _many(count: int, what: str) -> str:
    return f"{count} {what}" + ("" if count == 1 else "s")


def short(value: object) -> str:
    """A value as text for users, cut if it is long."""
    if value is None:
        return "NULL"
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}... ({len(text)} characters)"
