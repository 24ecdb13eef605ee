"""Reads the rows of a query with the types of its schema, whatever the first rows have.

The driver takes types from the first rows, where columns can be all NULL. So a sample row comes
first, and is dropped.
"""

from collections.abc import Iterable, Iterator

import pyarrow as pa

from cpexport.cellprofiler.features import INTEGER, NULL, TEXT
from cpexport.errors import ChangedError
from cpexport.sinks.sql.database import Query


def sampled(query: Query, where: str) -> str:
    """The SQL of a query for the rows `where` applies to, after a sample row."""
    samples = ("''" if t == TEXT else "0" if t == INTEGER else "0.0" for t in query.schema.types)
    return (
        f"SELECT {', '.join(samples)} UNION ALL SELECT {', '.join(query.columns)} "
        f"FROM {query.source} WHERE {where} ORDER BY {query.order}"
    )


def typed(batches: Iterable[pa.RecordBatch], query: Query, name: str) -> Iterator[pa.RecordBatch]:
    """Yields the rows that `sampled` gives, without the sample, in the types of the query's schema.

    Raises:
        ChangedError: a value is of another type; `name` is that of the destination.
    """
    try:
        for place, batch in enumerate(batches):
            columns = batch.slice(0 if place else 1).columns
            arrays = [
                _null_column(array) if field.type == NULL else array.cast(field.type)
                for array, field in zip(columns, query.schema, strict=True)
            ]
            yield pa.RecordBatch.from_arrays(arrays, schema=query.schema)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError) as error:
        # In mid-stream, the driver reports a value of another type as an OSError.
        raise ChangedError(
            name,
            f"{query.source} was changed by another program: {error}",
            "load its outputs into a new destination",
        ) from error


def _null_column(array: pa.Array) -> pa.Array:
    if array.null_count < len(array):
        raise pa.ArrowInvalid("a value in a column that no batch has filled")
    return pa.nulls(len(array))
