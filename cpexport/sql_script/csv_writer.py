"""Writes rows of Arrow columns as lines of a file, as each kind of script reads them."""

import io
import zlib

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from cpexport.sinks.mysql.load_data import lines, ordered
from cpexport.sql_script.manifest import ANALYST, MYSQL

END = "end"
"""The last column of a file for MySQL, the letter E in every row."""
NULL = "\\N"
"""NULL in a file for SQLite. There, a text that begins with a backslash gets another one."""

_BITS = 53


def columns(kind: str, schema: pa.Schema) -> tuple[str, ...]:
    """The names of the columns in the order in which `text` writes them."""
    if kind == MYSQL:
        empty = pa.RecordBatch.from_arrays([pa.nulls(0, t) for t in schema.types], schema=schema)
        return tuple(ordered(empty).schema.names)
    return tuple(schema.names)


def header(kind: str, names: tuple[str, ...]) -> bytes:
    """The header line with the columns' names."""
    listed = [*names, END] if kind == MYSQL else list(names)
    return (",".join('"' + name.replace('"', '""') + '"' for name in listed) + "\n").encode()


def text(kind: str, rows: pa.RecordBatch) -> bytes | memoryview:
    """The lines of rows, each ended by a line feed.

    For MySQL they have the format `load_data.FORMAT`, without line feeds within a line. For SQLite,
    they are as the shell's `.import --csv` reads them; doubles are written as `3p-1`, 3 times 2 to
    the power -1, as SQLite's conversion of decimals to doubles is not always exact. For
    CellProfiler Analyst, a missing value is empty.
    """
    if not rows.num_rows:
        return b""
    if kind == MYSQL:
        return b"".join(lines(ordered(rows), "E"))
    if kind == ANALYST:
        out = io.BytesIO()
        csv.write_csv(_finite(rows), out, csv.WriteOptions(include_header=False))
        return out.getvalue()
    fields = [_field(column) for column in rows.columns]
    joined = pc.binary_join_element_wise(*fields, ",")
    return ("\n".join(joined.to_pylist()) + "\n").encode()


def checksum(data: bytes | memoryview) -> tuple[int, int]:
    """The number of lines, and the sum of their CRC-32."""
    lines_of_data = bytes(data).split(b"\n")[:-1]
    return len(lines_of_data), sum(map(zlib.crc32, lines_of_data))


def _finite(rows: pa.RecordBatch) -> pa.RecordBatch:
    real = pa.types.is_floating
    arrays = [
        pc.if_else(pc.is_finite(column), column, None) if real(column.type) else column
        for column in rows.columns
    ]
    return pa.RecordBatch.from_arrays(arrays, names=rows.schema.names)


def _field(column: pa.Array) -> pa.Array:
    if pa.types.is_floating(column.type):
        column = _doubles(column)
    elif pa.types.is_string(column.type):
        column = pc.replace_substring_regex(column, r"^\\", r"\\\\")
        column = pc.replace_substring(column, '"', '""')
        column = pc.binary_join_element_wise('"', column, '"', "")
    else:
        column = column.cast(pa.string())
    return column.fill_null(NULL)


def _doubles(column: pa.Array) -> pa.Array:
    """Each double as an odd integer and a power of two, whose product is exactly that double."""
    values = column.to_numpy(zero_copy_only=False)
    finite = np.isfinite(values)
    fraction, power = np.frexp(np.where(finite, values, 0.0))
    whole: npt.NDArray[np.int64] = np.ldexp(fraction, _BITS).astype(np.int64)
    spare = np.where(whole == 0, 0, np.log2(np.maximum(whole & -whole, 1))).astype(np.int64)
    whole >>= spare
    power = np.where(whole == 0, 0, power.astype(np.int64) - _BITS + spare)
    texts = (pa.array(part).cast(pa.string()) for part in (whole, power))
    return pc.if_else(pa.array(finite), pc.binary_join_element_wise(*texts, "p"), None)
