"""Converts stored rows of a table to the columns and wider types that a later load needs."""

from collections.abc import Callable, Iterable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cpexport.cellprofiler.features import IMAGE, IMAGE_NUMBER, NULL, REAL, TABLE_NUMBER, TEXT
from cpexport.cellprofiler.image_identity import identifies_images
from cpexport.imagesets import ImageSets
from cpexport.sinks.sql import ledger_tables
from cpexport.sinks.sql.database import Database
from cpexport.sinks.sql.scope import Scope
from cpexport.tables.casts import align
from cpexport.tables.layout import Column, Table

Change = Callable[[pa.RecordBatch], pa.RecordBatch]


def stored(table: Table) -> pa.Schema:
    """The columns of a table as they are stored; a column without any value is of real numbers."""
    return pa.schema([f.with_type(REAL) if f.type == NULL else f for f in table.schema])


def widened(db: Database, prefix: str, before: Table, after: Table) -> Change:
    """Returns a function that converts rows of a table to a wider one. The rows may have only some
    of the columns, with the key.

    Numbers become text as `tables.casts.align` writes them; metadata as the jobs wrote it, which
    the ledger knows. The function raises WidthError if an integer would lose digits.
    """
    had = {column.name: column.type for column in before.columns}
    known = stored(after)
    texts = [
        column
        for column in after.columns
        if (column.type, column.object) == (TEXT, IMAGE)
        and had.get(column.name, NULL) not in (NULL, TEXT)
        and identifies_images(column.feature)
    ]

    def change(rows: pa.RecordBatch) -> pa.RecordBatch:
        written = _as_written(db, prefix, rows, texts) if texts else {}
        rows = align(rows, known)
        for name, values in written.items():
            place = rows.schema.get_field_index(name)
            both = pc.coalesce(values, rows.column(place))
            rows = rows.set_column(place, rows.schema.field(place), both)
        return rows

    return change


def _as_written(
    db: Database, prefix: str, rows: pa.RecordBatch, columns: Iterable[Column]
) -> dict[str, pa.Array]:
    """Metadata of rows as the jobs wrote it, by column; null if the ledger does not know it."""
    numbered = TABLE_NUMBER in rows.schema.names
    own = rows[IMAGE_NUMBER].to_numpy()
    runs = rows[TABLE_NUMBER].to_numpy() if numbered else np.zeros_like(own)
    texts: dict[str, list[str | None]] = {column.name: [None] * len(own) for column in columns}
    for run in np.unique(runs):
        places = np.flatnonzero(runs == run)
        sets = ImageSets.of(own[places].tolist())
        identities = ledger_tables.identities(db, Scope(prefix, int(run)), sets)
        for column in columns:
            if column.feature in identities.columns:
                known = dict(
                    zip(
                        identities.numbers.tolist(),
                        identities.columns[column.feature].to_pylist(),
                        strict=True,
                    )
                )
                for place in places:
                    texts[column.name][place] = known.get(int(own[place]))
    return {name: pa.array(values, TEXT) for name, values in texts.items()}
