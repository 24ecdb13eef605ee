"""Makes Per_Well: the numbers of image sets and objects in each well.

CellProfiler's own Per_Well_avg uses an image's values once for each of its objects, so its
`avg_Image_Count_Cells` is a mean weighted by cells. Here each image set counts once.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final

import pyarrow as pa
import sqlalchemy as sa

from cpexport.cellprofiler.features import IMAGE, INTEGER, REAL
from cpexport.errors import SinkError
from cpexport.sinks.base import Sink
from cpexport.sinks.sql import schema
from cpexport.tables.layout import Column, Layout

SETS: Final = "Image_Set_Count"
_COUNT: Final = "Count_"

Key = tuple[Any, ...]


def table_name(prefix: str) -> str:
    """The table's name."""
    return f"{prefix}Per_Well"


def count_columns(layout: Layout) -> tuple[Column, ...]:
    """The columns of Per_Image that count objects."""
    return tuple(
        column
        for column in layout.columns
        if column.object == IMAGE
        and column.feature.startswith(_COUNT)
        and column.type in (INTEGER, REAL)
    )


def well_counts(sink: Sink, groups: Sequence[Column]) -> Iterator[tuple[Any, ...]]:
    """A row for each well of the sink's runs. It has the run's number if runs are numbered; plate
    and well; the number of image sets; and for each column of counts its sum and mean over the
    image sets with a value, None if there are none. Rows are sorted, NULL first as in SQL."""
    layout = sink.layout()
    keys = [*layout.image_key[:-1], *(column.feature for column in groups)]
    counts = [column.feature for column in count_columns(layout)]
    rows = pa.Table.from_batches(sink.read(IMAGE, [*keys, *counts])).combine_chunks()
    wanted = [(name, kind) for name in counts for kind in ("sum", "count")]
    wells = rows.group_by(keys).aggregate([([], "count_all"), *wanted]).to_pylist()
    for row in sorted(wells, key=lambda row: _order(tuple(row[key] for key in keys))):
        values = []
        for name in counts:
            total, counted = row[f"{name}_sum"], row[f"{name}_count"]
            values += [total, total / counted] if counted else [None, None]
        yield (*(row[key] for key in keys), row["count_all"], *values)


def counts_table(
    layout: Layout, groups: Sequence[Column], rows: Sequence[tuple[Any, ...]], prefix: str
) -> tuple[sa.Table, pa.Table]:
    """The declared table and its data, for these rows of `well_counts`."""
    fields = [(key, INTEGER) for key in layout.image_key[:-1]]
    fields += [(column.name, column.type) for column in groups]
    fields.append((SETS, INTEGER))
    for column in count_columns(layout):
        fields += [(f"sum_{column.name}", column.type), (f"mean_{column.name}", REAL)]
    values = list(zip(*rows, strict=True)) if rows else [()] * len(fields)
    data = pa.table(
        {name: pa.array(of, type) for (name, type), of in zip(fields, values, strict=True)}
    )
    columns = [sa.Column(name, schema.sql_type(type)) for name, type in fields]
    return sa.Table(table_name(prefix), sa.MetaData(), *columns), data


def wrong_counts(sink: Sink, prefix: str, groups: Sequence[Column]) -> str:
    """How the stored table differs from the values in Per_Image; empty if it does not."""
    table, rows = counts_table(sink.layout(), groups, list(well_counts(sink, groups)), prefix)
    try:
        stored = sink.read_derived_table(table.name, rows.column_names)
    except SinkError as error:
        return error.problem
    must = {tuple(row.values()) for row in rows.to_pylist()}
    wrong = len(must - set(stored)) or abs(len(stored) - len(must))
    return f"{wrong} of {len(must)} wells differ from Per_Image" if wrong else ""


def _order(key: Key) -> list[tuple[bool, Any]]:
    return [(value is not None, value) for value in key]
