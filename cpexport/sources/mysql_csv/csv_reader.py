"""Reads one CSV file of "MySQL / CSV": rows without a header, in the form that LOAD DATA reads.

The dialect (CellProfiler 3.1.9, exporttodatabase.py, write_csv_data): commas, LF, and `NULL` for a
missing value; text in quotes, with a backslash before what MySQL escapes, so a newline in a text is
`\\n`.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa
from pyarrow import csv as arrow_csv

from cpexport.cellprofiler.features import REAL, TEXT
from cpexport.errors import AS_WRITTEN, SourceError
from cpexport.sources.mysql_csv.setup_sql import SqlColumn
from cpexport.sources.spreadsheet.csv_bytes import no_text, too_big, whole_lines
from cpexport.sources.spreadsheet.csv_values import beyond_exact, check_exact, conversion_error

_BIGGEST_BLOCK = 1 << 30
_ESCAPED = re.compile(rb"\\(.)", re.DOTALL)
# The character that MySQL reads after a backslash. Any other stands for itself. Arrow needs a quote
# doubled.
_MEANT = {
    b"0": b"\0",
    b"b": b"\b",
    b"n": b"\n",
    b"r": b"\r",
    b"t": b"\t",
    b"Z": b"\x1a",
    b'"': b'""',
}


def read_table(
    path: Path, columns: Sequence[SqlColumn], types: Mapping[int, pa.DataType]
) -> tuple[list[pa.Array], bool]:
    """Returns the columns at the positions in `types`, and whether the file's end is missing.

    Columns are in the order of `types`.

    A missing value is null in every type; `NULL` in quotes is a text. Text after the last line end
    is not returned.

    Raises:
        SourceError: a line has another number of fields than `columns`; a value is not of its type
            or has too many digits for it; text is not UTF-8; the file has NUL bytes, cannot be
            read, or does not fit in memory.
    """
    body, cut = whole_lines(path)
    if b"\\" in body:
        body = _ESCAPED.sub(lambda match: _MEANT.get(match[1], match[1]), body)
    if not body:
        return [pa.array([], type) for type in types.values()], cut
    if b'"' in body and body.count(b'"') % 2:
        raise SourceError(path, "a quotation mark is never closed", AS_WRITTEN)
    table = _read(path, body, columns, types)
    places, kinds = list(types), list(types.values())
    if inexact := beyond_exact(table, [i for i, type in enumerate(kinds) if type == REAL]):
        texts = _read(path, body, columns, {places[i]: TEXT for i in inexact})
        for i, text in zip(inexact, texts.columns, strict=True):
            check_exact(path, columns[places[i]].name, text)
    return [column.combine_chunks() for column in table.columns], cut


def _read(
    path: Path,
    body: bytes | bytearray,
    columns: Sequence[SqlColumn],
    types: Mapping[int, pa.DataType],
) -> pa.Table:
    """The columns at some positions as Arrow reads them; each is named by its position."""
    names = [str(position) for position in types]
    try:
        return arrow_csv.read_csv(
            pa.BufferReader(body),
            arrow_csv.ReadOptions(
                use_threads=False,
                block_size=min(len(body) + 1, _BIGGEST_BLOCK),
                column_names=[str(i) for i in range(len(columns))],
            ),
            arrow_csv.ParseOptions(newlines_in_values=True),
            arrow_csv.ConvertOptions(
                include_columns=names,
                column_types=dict(zip(names, types.values(), strict=True)),
                null_values=["NULL"],
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
            ),
        )
    except pa.ArrowInvalid as error:
        if kind := no_text(path):
            raise kind from error
        titles = [column.name for column in columns]
        raise conversion_error(path, str(error), titles, "SETUP.SQL") from error
    except MemoryError as error:
        raise too_big(path) from error
