"""What takes files of a table written anew: other columns, other values, rows that go, few rows."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cpexport.features import IMAGE_NUMBER
from cpexport.imagesets import ImageSets
from cpexport.sinks.parquetfile import FULL
from cpexport.sinks.parquetfolder import File, Folder
from cpexport.sinks.parquetread import chosen
from cpexport.sinks.scope import Scope
from cpexport.sinks.sql import Database
from cpexport.sinks.widening import Change, stored, widened
from cpexport.tables import Table

# The most files that do not fill a row group.
_FEW = 64


def gather(folder: Folder, table: str, schema: pa.Schema, numbers: list[str], *, all: bool) -> None:
    """Makes one of the files that do not fill a row group, once together they do or are many.

    `all` is whether to do it in any case, and leave no `light` one.
    """
    small = [file for file in folder.files(table) if file.values < FULL]
    many = len(small) >= _FEW or sum(file.values for file in small) >= FULL
    if many or (all and (len(small) > 1 or any(file.light for file in small))):
        _anew(folder, small, schema, numbers, lambda rows: rows)


def remove(
    folder: Folder,
    table: str,
    schema: pa.Schema,
    numbers: list[str],
    scope: Scope,
    image_sets: ImageSets,
) -> None:
    """Removes the rows of which any of `numbers` is one of these image sets."""

    def kept(rows: pa.RecordBatch) -> pa.RecordBatch:
        gone = [chosen(rows, number, scope.number, image_sets) for number in numbers]
        return rows.filter(pa.array(~np.logical_or.reduce(gone)))

    there = [file for file in folder.files(table) if file.may_have(image_sets)]
    _each_anew(folder, there, schema, numbers, kept)


def renumber(
    folder: Folder, table: Table, scope: Scope, columns: dict[str, pa.Array], numbers: pa.Array
) -> None:
    """Replaces values of a table's columns, by name, in the rows of these image sets."""
    order = np.argsort(numbers.to_numpy())
    known = numbers.to_numpy()[order]

    def replaced(rows: pa.RecordBatch) -> pa.RecordBatch:
        own = rows[IMAGE_NUMBER].to_numpy()
        here = chosen(rows, IMAGE_NUMBER, scope.number, sets)
        taken = pa.array(order[np.searchsorted(known, own[here])])
        for name, values in columns.items():
            place = rows.schema.get_field_index(name)
            of = rows.schema.field(place)
            new = pc.replace_with_mask(
                rows.column(place), pa.array(here), values.take(taken).cast(of.type)
            )
            rows = rows.set_column(place, of, new)
        return rows

    sets = ImageSets.of(known.tolist())
    there = [file for file in folder.files(table.name) if file.may_have(sets)]
    _each_anew(folder, there, stored(table), [IMAGE_NUMBER], replaced)


def grow(folder: Folder, db: Database, prefix: str, before: Table, after: Table) -> None:
    """Gives all files of a table the columns and types that it is to have, so that they are alike:
    most readers take them from one file.

    Raises:
        WidthError: an integer would lose digits as a real number.
    """
    change = widened(db, prefix, before, after)
    _each_anew(folder, folder.files(after.name), stored(after), [IMAGE_NUMBER], change)


def _each_anew(
    folder: Folder, files: list[File], schema: pa.Schema, numbers: list[str], change: Change
) -> None:
    """Makes each file anew, rows changed; of those that do not fill a row group one."""
    small = [file for file in files if file.values < FULL]
    full = [[file] for file in files if file.values >= FULL]
    for some in [small, *full] if small else full:
        _anew(folder, some, schema, numbers, change)


def _anew(
    folder: Folder, files: list[File], schema: pa.Schema, numbers: list[str], change: Change
) -> None:
    """Makes one file of some, rows changed; none if no row is left."""
    writer = folder.stage(files[0].table, schema, numbers)
    for file in files:
        with folder.open(file) as opened:
            for rows in _batches(folder, file, opened):
                with folder.errors():
                    writer.write(change(rows))
    if writer.rows:
        folder.enter(files[0].table, writer)
    for file in files:
        folder.drop(file)


def _batches(folder: Folder, file: File, opened: Any) -> Iterable[pa.RecordBatch]:
    size = max(1, FULL // max(1, file.columns))
    with folder.unchanged(file):
        # Threads cost more than they bring: most files are small, with many columns.
        yield from opened.iter_batches(size, use_threads=False)
