"""Reads tables of a destination; implements `cpexport.read`."""

from collections.abc import Iterable, Sequence

import pandas as pd
import pyarrow as pa

from cpexport.api.arguments import FilePath
from cpexport.api.rows import read_batches
from cpexport.cellprofiler.features import INTEGER, NULL, REAL


def read(
    url: FilePath,
    table: str,
    image_sets: str | Iterable[int] | None = None,
    columns: Sequence[str] | None = None,
    prefix: str = "",
    run: str | None = None,
) -> pd.DataFrame:
    """Returns a table of a destination: one row per image set or object, sorted by key.

    >>> import cpexport
    >>> report = cpexport.load("screen/outputs", "screen.sqlite")
    >>> cells = cpexport.read("screen.sqlite", "Per_Cells", image_sets="1-10")
    >>> cells.shape, list(cells.columns[:2])
    ((197, 81), ['ImageNumber', 'Cells_Number_Object_Number'])

    `url` is the destination as in `cpexport load --to`, a URL or a file name, and `prefix` its
    `--prefix`. `table` can be given with or without the prefix. A table in parts
    (`Per_Image_part2`) is read as one table. `Per_RelationshipsView` has pairs of objects; the
    image set of the first object selects them. `Per_Experiment` has one row for each run. Tables of
    wells (`Per_Well`, `Per_Well_avg`, `Per_Well_Treatment`) and views (`Per_Image_Treatment`,
    `_cpexport_missing`) are read whole, in no particular order; none of them takes `image_sets`.

    `image_sets` is a text such as `1-10,12` with both ends included, an `ImageSets`, or numbers
    from 1. Numbers that the destination lacks have no rows. `columns` selects columns and sets
    their order; by default, all columns come in the order of the table. A table without rows for
    these image sets gives an empty frame. If the destination numbers its runs, `run` is the name of
    one; without it, the rows of all runs are returned, run by run.

    Integers are `int64`, or pandas' nullable `Int64` in a column with a NULL. Real numbers are
    `float64` with NaN. Text is `str` or None, in a column of dtype object.

    Raises:
        UsageError: the table, column or run does not exist, or none of the image sets does; the
            message lists what exists.
        SinkError: the destination does not exist, cannot be read, or is empty.
    """
    rows = pa.Table.from_batches(read_batches(url, table, image_sets, columns, prefix, run))
    series = {column: _series(rows[column]) for column in rows.column_names}
    return pd.DataFrame(series, columns=pd.Index(rows.column_names), copy=False)


def _series(column: pa.ChunkedArray) -> "pd.Series[object]":
    if column.type in (REAL, NULL):
        return column.cast(REAL).to_pandas()
    if column.type == INTEGER:
        dtype = pd.Int64Dtype() if column.null_count else None
        return column.to_pandas(types_mapper=lambda _: dtype)
    return pd.Series(column.to_numpy(), dtype=object)
