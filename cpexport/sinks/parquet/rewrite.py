"""Rewrites files of a table to change columns or values, delete rows, or merge small files."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cpexport.cellprofiler.features import IMAGE_NUMBER
from cpexport.errors import ChangedError
from cpexport.imagesets import ImageSets
from cpexport.sinks.parquet.data_file import File
from cpexport.sinks.parquet.dataset import Folder
from cpexport.sinks.parquet.reader import chosen
from cpexport.sinks.parquet.writer import FULL, is_small
from cpexport.sinks.sql.database import Database
from cpexport.sinks.sql.scope import Scope
from cpexport.sinks.sql.type_widening import Change, stored, widened
from cpexport.tables.layout import Table

# With this many files that do not fill a row group, they are merged.
_FEW = 64


def compact(
    folder: Folder, table: str, schema: pa.Schema, numbers: list[str], *, all: bool
) -> None:
    """Merges the small files, once they fill a row group together or are many.

    `all` merges them in any case, and leaves no `light` file.
    """
    small = _small(folder, table)
    enough = len(small) >= _FEW or sum(file.values for file in small) >= FULL
    if enough or (all and scattered(folder, table)):
        _rewrite(folder, small, schema, numbers, lambda rows: rows)


def scattered(folder: Folder, table: str) -> bool:
    """Whether `compact` of `all` files would change the table."""
    small = _small(folder, table)
    return len(small) > 1 or any(file.light for file in small)


def _small(folder: Folder, table: str) -> list[File]:
    return [file for file in folder.files(table) if file.light or is_small(file.values)]


def remove(
    folder: Folder,
    table: str,
    schema: pa.Schema,
    numbers: list[str],
    scope: Scope,
    image_sets: ImageSets,
) -> None:
    """Removes the rows that have one of these image sets in any of the columns `numbers`."""

    def kept(rows: pa.RecordBatch) -> pa.RecordBatch:
        gone = [chosen(rows, number, scope.number, image_sets) for number in numbers]
        return rows.filter(pa.array(~np.logical_or.reduce(gone)))

    files = [file for file in folder.files(table) if file.may_have(image_sets)]
    _rewrite_each(folder, files, schema, numbers, kept)


def renumber(
    folder: Folder, table: Table, scope: Scope, columns: dict[str, pa.Array], numbers: pa.Array
) -> None:
    """Replaces values of a table's columns. `columns` has arrays by column name, of the length of
    `numbers`, which says which image set each value is for."""
    order = np.argsort(numbers.to_numpy())
    sorted_numbers = numbers.to_numpy()[order]

    def replaced(rows: pa.RecordBatch) -> pa.RecordBatch:
        row_numbers = rows[IMAGE_NUMBER].to_numpy()
        here = chosen(rows, IMAGE_NUMBER, scope.number, sets)
        taken = pa.array(order[np.searchsorted(sorted_numbers, row_numbers[here])])
        for name, values in columns.items():
            place = rows.schema.get_field_index(name)
            field = rows.schema.field(place)
            new = pc.replace_with_mask(
                rows.column(place), pa.array(here), values.take(taken).cast(field.type)
            )
            rows = rows.set_column(place, field, new)
        return rows

    sets = ImageSets.of(sorted_numbers.tolist())
    files = [file for file in folder.files(table.name) if file.may_have(sets)]
    _rewrite_each(folder, files, stored(table), [IMAGE_NUMBER], replaced)


def add_columns(folder: Folder, db: Database, prefix: str, before: Table, after: Table) -> None:
    """Gives all files of a table its new columns and types. They must be alike, as most readers
    take the columns from one file.

    Raises:
        WidthError: an integer would lose digits as a real number.
    """
    change = widened(db, prefix, before, after)
    _rewrite_each(folder, folder.files(after.name), stored(after), [IMAGE_NUMBER], change)


def _rewrite_each(
    folder: Folder, files: list[File], schema: pa.Schema, numbers: list[str], change: Change
) -> None:
    """Rewrites each file with changed rows; merges those that do not fill a row group."""
    small = [file for file in files if file.values < FULL]
    full = [[file] for file in files if file.values >= FULL]
    for some in [small, *full] if small else full:
        _rewrite(folder, some, schema, numbers, change)


def _rewrite(
    folder: Folder, files: list[File], schema: pa.Schema, numbers: list[str], change: Change
) -> None:
    """Replaces some files by one with changed rows, or by none if no rows are left."""
    writer = folder.stage(files[0].table, schema, numbers)
    for file in files:
        rows_read = 0
        with folder.open(file) as opened:
            for rows in _batches(folder, file, opened):
                rows_read += rows.num_rows
                with folder.errors():
                    writer.write(change(rows))
        if rows_read != file.rows:
            problem = f"{file.table}/{file.name} has {rows_read} rows, not {file.rows}"
            raise ChangedError(folder.name, problem, "load its outputs into a new destination")
    if writer.rows:
        folder.enter(files[0].table, writer)
    for file in files:
        folder.drop(file)


def _batches(folder: Folder, file: File, opened: Any) -> Iterable[pa.RecordBatch]:
    size = max(1, FULL // max(1, file.columns))
    with folder.unchanged(file):
        # Threads cost more than they save: most files are small, with many columns.
        yield from opened.iter_batches(size, use_threads=False)
