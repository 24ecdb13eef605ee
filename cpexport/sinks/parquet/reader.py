"""Reads rows of a table's files as a stream of Arrow batches, in order of key."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from cpexport.cellprofiler.features import (
    IMAGE_NUMBER,
    INTEGER,
    NULL,
    NUMBER,
    REAL,
    TABLE_NUMBER,
)
from cpexport.errors import ChangedError
from cpexport.imagesets import ImageSets
from cpexport.sinks.parquet.data_file import File
from cpexport.sinks.parquet.dataset import Folder
from cpexport.sinks.parquet.writer import FULL
from cpexport.sinks.sql.scope import Scope
from cpexport.tables.layout import Layout

_Numbers = npt.NDArray[np.int64]
# Values in a batch. It bounds a batch to some megabytes for narrow and wide tables alike.
_VALUES = 1 << 20


@dataclass(frozen=True)
class TableScan:
    """What to read of a table.

    columns: the columns, with their types in `types`.
    key: the columns by which rows are sorted.
    number: the column of image set numbers.
    run: the `TableNumber` of the run to read; 0 for all rows.
    """

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
        """The columns that name a row's image set."""
        return [*(name for name in self.key if name == TABLE_NUMBER), self.number]


def rows_of(
    folder: Folder,
    layout: Layout,
    scope: Scope,
    object_name: str,
    features: Sequence[str] | None,
    image_sets: ImageSets | None,
) -> Iterator[pa.RecordBatch]:
    """The rows of an object type: its keys, and then the named `features` (default: all)."""
    (table,) = layout.parts(object_name)
    keys = dict(zip(table.key, (*layout.image_key, NUMBER), strict=False))
    wanted = None if features is None else set(features)
    columns = [c for c in table.columns if wanted is None or c.feature in wanted]
    names = [*keys.values(), *(column.feature for column in columns)]
    query = TableScan(
        table.name,
        (*keys, *(column.name for column in columns)),
        (*(INTEGER for _ in keys), *(column.type for column in columns)),
        table.key,
        IMAGE_NUMBER,
        scope.number,
    )
    chosen = (*keys.values(), *(names[len(keys) :] if features is None else features))
    present = [name for name in dict.fromkeys(chosen) if name in names]
    for rows in stream(folder, query, image_sets):
        yield rows.rename_columns(names).select(present)


def stream(
    folder: Folder, query: TableScan, image_sets: ImageSets | None = None
) -> Iterator[pa.RecordBatch]:
    """The rows of these image sets (default: of all), in order of key; at least one batch.

    Whole image sets are read together, about as many values at a time as a row group has.

    Raises:
        ChangedError: a file is missing, or has other contents than were written.
    """
    places_by_file = [
        (file, places)
        for file in folder.files(query.table)
        if file.rows and (image_sets is None or file.may_have(image_sets))
        if len(places := _places(folder, file, query, image_sets))
    ]
    size = max(1, _VALUES // len(query.columns))
    any_rows = False
    for first, last in _windows(
        [places for _, places in places_by_file], FULL // len(query.columns)
    ):
        parts = [
            _rows(folder, file, query, first, last, image_sets)
            for file, places in places_by_file
            if _between(places[:, :-1], first, last).any()
        ]
        rows = pa.concat_tables(parts)
        if not _sorted(rows, query.key):
            rows = rows.sort_by([(name, "ascending") for name in query.key])
        for batch in _typed(folder, query, rows).combine_chunks().to_batches(size):
            any_rows = True
            yield batch
    if not any_rows:
        yield pa.RecordBatch.from_pylist([], query.schema)


def chosen(
    rows: pa.Table | pa.RecordBatch, number: str, run: int, image_sets: ImageSets | None
) -> npt.NDArray[np.bool_]:
    """A mask of the rows that are of these image sets (None: any) and this run (0: any)."""
    here = np.ones(rows.num_rows, np.bool_)
    if run:
        here &= rows[TABLE_NUMBER].to_numpy() == run
    if image_sets is not None:
        numbers = rows[number].fill_null(0).to_numpy()
        here &= np.isin(numbers, np.fromiter(image_sets, np.int64, len(image_sets)))
    return here


def _places(
    folder: Folder, file: File, query: TableScan, image_sets: ImageSets | None
) -> npt.NDArray[np.int64]:
    """The wanted image sets that a file has, ascending: one row each, with its run if runs are
    numbered, its number, and how many rows it has in the file."""
    with folder.open(file) as opened, folder.unchanged(file):
        rows = opened.read(query.place)
        rows = rows.filter(pa.array(chosen(rows, query.number, query.run, image_sets)))
        columns = [rows[name].fill_null(0).to_numpy() for name in query.place]
    distinct, counts = np.unique(np.stack(columns, axis=1), axis=0, return_counts=True)
    return np.concatenate([distinct, counts[:, None]], axis=1)


def _windows(places: Sequence[_Numbers], most: int) -> Iterator[tuple[_Numbers, _Numbers]]:
    """The first and last image set of successive windows. A window has at most `most` rows, unless
    a single image set has more."""
    if not places:
        return
    all_places = np.concatenate(places)
    names, codes = np.unique(all_places[:, :-1], axis=0, return_inverse=True)
    counts = np.bincount(codes.reshape(-1), all_places[:, -1]).astype(np.int64)
    start = rows = 0
    for place, count in enumerate(counts):
        if rows and rows + count > most:
            yield names[start], names[place - 1]
            start, rows = place, 0
        rows += count
    yield names[start], names[-1]


def _between(places: _Numbers, first: _Numbers, last: _Numbers) -> npt.NDArray[np.bool_]:
    """A mask of the places (one a row) from `first` to `last`, both included."""
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
    query: TableScan,
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


def _typed(folder: Folder, query: TableScan, rows: pa.Table) -> pa.Table:
    for name, type in zip(query.columns, query.types, strict=True):
        column = rows[name]
        empty = type == NULL and column.type == REAL and column.null_count == len(column)
        if column.type != type and not empty:
            problem = f"{query.table} was changed by another program: {name} is of {column.type}"
            raise ChangedError(folder.name, problem, "load its outputs into a new destination")
    return pa.table(
        [
            pa.nulls(rows.num_rows) if type == NULL else rows[name]
            for name, type in zip(query.columns, query.types, strict=True)
        ],
        schema=query.schema,
    )
