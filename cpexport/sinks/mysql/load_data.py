"""Writes rows of Arrow columns as text that MySQL and MariaDB read.

Doubles have the shortest text that reads back exactly; NaN and infinities become NULL.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar, cast

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

_T = TypeVar("_T")

# The options with which LOAD DATA reads `lines`. With ENCLOSED BY, an unquoted NULL is NULL.
FORMAT = (
    "CHARACTER SET utf8mb4 FIELDS TERMINATED BY ',' OPTIONALLY ENCLOSED BY '\"' "
    "ESCAPED BY '\\\\' LINES STARTING BY '' TERMINATED BY '\\n'"
)

_CHUNK = 60_000
_ESCAPED = (("\\", "\\\\"), ("'", "\\'"), ('"', '\\"'), ("\n", "\\n"), ("\0", "\\0"))


def ordered(rows: pa.RecordBatch) -> pa.RecordBatch:
    """The same rows with doubles last, as `lines` needs them."""
    doubles = [pa.types.is_floating(type) for type in rows.schema.types]
    return rows.select(sorted(range(len(doubles)), key=lambda place: doubles[place]))


def lines(rows: pa.RecordBatch, end: str) -> Iterator[memoryview]:
    """The text of `ordered` rows as LOAD DATA reads it with `FORMAT`, in chunks of about a
    megabyte. Each row has one more field, `end`."""
    columns = rows.columns
    count = sum(not pa.types.is_floating(column.type) for column in columns)
    values = _matrix(columns[count:]) if count < len(columns) else None
    fields = [_quoted(column, '"') for column in columns[:count]]
    heads = [_joined(fields)] if fields else []
    step = max(_CHUNK // len(columns), 1)
    for start in range(0, rows.num_rows, step):
        parts = [head.slice(start, step) for head in heads]
        if values is not None:
            parts.append(_doubles(values[start : start + step]))
        yield _content(pc.binary_join_element_wise(*parts, f"{end}\n", ","))[0]


def made_ahead(chunks: Iterator[_T]) -> Iterator[_T]:
    """The same chunks; a thread makes each while the server reads the one before."""
    end = object()
    with ThreadPoolExecutor(1) as thread:
        ahead = thread.submit(next, chunks, end)
        while (chunk := ahead.result()) is not end:
            ahead = thread.submit(next, chunks, end)
            yield cast(_T, chunk)


def tuples(rows: pa.RecordBatch) -> tuple[memoryview, np.ndarray]:
    """All rows as INSERT reads them, `,(1,'0.5',NULL),('2',...`, and the offset at which each row
    ends."""
    fields = [_quoted(column, "'") for column in rows.columns]
    joined = _joined(fields)
    content, offsets = _content(pc.binary_join_element_wise(",(", joined, ")", ""))
    return content, offsets[1:]


def _matrix(columns: list[pa.Array]) -> np.ndarray:
    """Doubles by row and column, NaN for NULL."""
    return np.column_stack([column.to_numpy(zero_copy_only=False) for column in columns])


def _doubles(values: np.ndarray) -> pa.Array:
    """A text for each row. The JSON writer is five times as fast as Arrow's cast."""
    texts = [orjson.dumps(row, option=orjson.OPT_SERIALIZE_NUMPY)[1:-1] for row in values]
    if not np.isfinite(values).all():
        # The JSON writer writes null.
        texts = [text.upper() for text in texts]
    return pa.array(texts, pa.binary()).cast(pa.string())


def _joined(fields: list[pa.Array]) -> pa.Array:
    return pc.binary_join_element_wise(
        *fields, ",", null_handling="replace", null_replacement="NULL"
    )


def _quoted(column: pa.Array, quote: str) -> pa.Array:
    """Numbers and texts as literals. Doubles are quoted: without quotes they would be decimals."""
    if pa.types.is_integer(column.type):
        return column.cast(pa.string())
    if pa.types.is_floating(column.type):
        values = column.to_numpy(zero_copy_only=False)
        column = pa.array(values, mask=~np.isfinite(values)).cast(pa.string())
    else:
        # All columns of bytes are UTF-8.
        column = column.cast(pa.string())
        for plain, escaped in _ESCAPED:
            column = pc.replace_substring(column, plain, escaped)
    return pc.binary_join_element_wise(quote, column, quote, "")


def _content(texts: pa.Array) -> tuple[memoryview, np.ndarray]:
    """All texts as consecutive bytes, without a copy, and the offset at which each begins."""
    _, places, content = texts.buffers()
    offsets = np.frombuffer(places, np.int32, len(texts) + 1, texts.offset * 4)
    return memoryview(content)[offsets[0] : offsets[-1]], offsets - offsets[0]
