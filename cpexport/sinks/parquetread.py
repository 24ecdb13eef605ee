"""Rows of a table's files as a stream of Arrow batches, in order of key."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from cpexport.errors import ChangedError
from cpexport.features import NULL, REAL, TABLE_NUMBER
from cpexport.imagesets import ImageSets
from cpexport.sinks.parquetfile import FULL
from cpexport.sinks.parquetfolder import File, Folder

_Numbers = npt.NDArray[np.int64]
# Values in a batch, so that it takes some megabytes whatever the width of a table.
_VALUES = 1 << 20


@dataclass(frozen=True)
class Query:
    """Columns of a table, in their types; by `key` rows are sorted, and `number` is that of image
    sets. Of one `run` only, unless that is 0."""

    table: str
    columns: tuple[str, ...]
    types: tuple[pa.DataType, ...]
    key: tuple[str, ...]
    number: str
    run: int = field(default=0)

    @property
    def schema(self) -> pa.Schema:
        return pa.schema(list(zip(self.columns, self.types, strict=True)))

    @property
    def place(self) -> list[str]:
        """The columns that say which image set a row is of."""
        return [*(name for name in self.key if name == TABLE_NUMBER), self.number]


def stream(
    folder: Folder, query: Query, image_sets: ImageSets | None = None
) -> Iterator[pa.RecordBatch]:
    """The rows of these image sets, or all, in order of key; at least one batch.

    Whole image sets are read together, about as much at a time as a row group holds.

    Raises:
        ChangedError: a file is gone, or holds something else than was written.
    """
    found = [
        (file, places)
        for file in folder.files(query.table)
        if file.rows and (image_sets is None or file.may_have(image_sets))
        if len(places := _places(folder, file, query, image_sets))
    ]
    size = max(1, _VALUES // len(query.columns))
    some = False
    for first, last in _windows([places for _, places in found], FULL // len(query.columns)):
        parts = [
            _rows(folder, file, query, first, last, image_sets)
            for file, places in found
            if _between(places[:, :-1], first, last).any()
        ]
        rows = pa.concat_tables(parts)
        if not _sorted(rows, query.key):
            rows = rows.sort_by([(name, "ascending") for name in query.key])
        for batch in _typed(folder, query, rows).combine_chunks().to_batches(size):
            some = True
            yield batch
    if not some:
        yield pa.RecordBatch.from_pylist([], query.schema)


def chosen(
    rows: pa.Table | pa.RecordBatch, number: str, run: int, image_sets: ImageSets | None
) -> npt.NDArray[np.bool_]:
    """Which rows are of these image sets, and this run unless that is 0."""
    here = np.ones(rows.num_rows, np.bool_)
    if run:
        here &= rows[TABLE_NUMBER].to_numpy() == run
    if image_sets is not None:
        numbers = rows[number].fill_null(0).to_numpy()
        here &= np.isin(numbers, np.fromiter(image_sets, np.int64, len(image_sets)))
    return here


def _places(
    folder: Folder, file: File, query: Query, image_sets: ImageSets | None
) -> npt.NDArray[np.int64]:
    """The image sets wanted that a file has, by run where there are some: a row each, ascending,
    how many rows it has last."""
    with folder.open(file) as opened, folder.unchanged(file):
        rows = opened.read(query.place)
        rows = rows.filter(pa.array(chosen(rows, query.number, query.run, image_sets)))
        columns = [rows[name].fill_null(0).to_numpy() for name in query.place]
    found, counts = np.unique(np.stack(columns, axis=1), axis=0, return_counts=True)
    return np.concatenate([found, counts[:, None]], axis=1)


def _windows(places: Sequence[_Numbers], most: int) -> Iterator[tuple[_Numbers, _Numbers]]:
    """First and last image sets of stretches of rows, no more than so many if that can be."""
    if not places:
        return
    together = np.concatenate(places)
    names, codes = np.unique(together[:, :-1], axis=0, return_inverse=True)
    counts = np.bincount(codes.reshape(-1), together[:, -1]).astype(np.int64)
    start = held = 0
    for place, count in enumerate(counts):
        if held and held + count > most:
            yield names[start], names[place - 1]
            start, held = place, 0
        held += count
    yield names[start], names[-1]


def _between(places: _Numbers, first: _Numbers, last: _Numbers) -> npt.NDArray[np.bool_]:
    """Which places, a row each, are from the first to the last, both ends counted."""
    if places.shape[1] == 1:
        number = places[:, 0]
        return np.asarray((number >= first[0]) & (number <= last[0]), np.bool_)
    run, number = places[:, 0], places[:, 1]
    after = (run > first[0]) | ((run == first[0]) & (number >= first[1]))
    before = (run < last[0]) | ((run == last[0]) & (number <= last[1]))
    return np.asarray(after & before, np.bool_)


def _rows(
    folder: Folder,
    file: File,
    query: Query,
    first: _Numbers,
    last: _Numbers,
    image_sets: ImageSets | None,
) -> pa.Table:
    wanted = list(dict.fromkeys([*query.place, *query.key, *query.columns]))
    parts = []
    with folder.open(file) as opened, folder.unchanged(file):
        for group in range(opened.num_row_groups):
            places = opened.read_row_group(group, query.place)
            here = chosen(places, query.number, query.run, image_sets)
            columns = [places[name].fill_null(0).to_numpy() for name in query.place]
            here &= _between(np.stack(columns, axis=1), first, last)
            if here.any():
                rows = opened.read_row_group(group, wanted).select(wanted)
                parts.append(rows if here.all() else rows.filter(pa.array(here)))
    return pa.concat_tables(parts)


def _sorted(rows: pa.Table, key: Sequence[str]) -> bool:
    columns = [rows[name].to_numpy() for name in key]
    less = np.zeros(max(rows.num_rows - 1, 0), np.bool_)
    same = ~less
    for column in columns:
        less |= same & (column[:-1] < column[1:])
        same &= column[:-1] == column[1:]
    return bool((less | same).all())


def _typed(folder: Folder, query: Query, rows: pa.Table) -> pa.Table:
    for name, type in zip(query.columns, query.types, strict=True):
        column = rows[name]
        empty = type == NULL and column.type == REAL and column.null_count == len(column)
        if column.type != type and not empty:
            said = f"{query.table} was changed by something else: {name} is of {column.type}"
            raise ChangedError(folder.name, said, "load it anew")
    return pa.table(
        [
            pa.nulls(rows.num_rows) if type == NULL else rows[name]
            for name, type in zip(query.columns, query.types, strict=True)
        ],
        schema=query.schema,
    )
