"""Reads one CSV file of ExportToSpreadsheet: its header, its rows, and whether it was cut off.

The dialect (CellProfiler 4.2.8, modules/exporttospreadsheet.py): UTF-8, a delimiter of the user's
choice, CRLF, minimal quoting, `nan` or nothing for a missing number. Every row ends with a line
end, so a file without one at its end was cut off. If another program has saved the file, it can
have semicolons and decimal commas, a column without a feature name that numbers the rows, and a
first line `sep=;`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv as arrow_csv

from cpexport.cellprofiler.features import IMAGE, IMAGE_NUMBER, INTEGER, NO_FEATURE, REAL, TEXT
from cpexport.errors import AS_WRITTEN, SourceError
from cpexport.sources.spreadsheet.csv_bytes import (
    beginning,
    last_byte,
    too_big,
    whole_lines,
    without_empty_rows,
)
from cpexport.sources.spreadsheet.csv_header import Name, header_in
from cpexport.sources.spreadsheet.csv_values import (
    MISSING,
    MISSING_TEXT,
    beyond_exact,
    check_exact,
    conversion_error,
    has_decimal_commas,
    with_points,
    without_missing,
)

SUFFIXES = frozenset({".csv", ".txt", ".tsv"})
MOST_COLUMNS = 100_000
"""The most columns of a table; a run with many channels has 10,000 features of an object type."""
_DELIMITERS = ",\t;|"
_ROW_NAME = r"^(Row)?[0-9]*$"
_BIGGEST_BLOCK = 1 << 30
_DIGITS = 18
_MARK = "\ufeff"
# The bytes compared at once stay in the cache of a processor core.
_PIECE = 1 << 18


@dataclass(frozen=True)
class CsvFile:
    """The header of one CSV file. `kind` is Image, Experiment, Relationship or Objects.

    `names` can have the same name twice in a row: if two modules measure the same feature,
    CellProfiler writes two columns with equal values, and `read` checks that. A column that only
    numbers the rows, as R and pandas write it, has the feature `NO_FEATURE`. `dotted` is whether
    another program has replaced the underscores of all names with points.
    """

    path: Path
    kind: str
    delimiter: str
    names: tuple[Name, ...]
    header_lines: int
    dotted: bool = False

    @property
    def objects(self) -> tuple[str, ...]:
        """The object types in the header line above the features, if it exists, without Image."""
        return tuple(dict.fromkeys(over for over, _ in self.names if over not in (None, IMAGE)))

    @property
    def numbers_rows(self) -> bool:
        """Whether a column only numbers the rows; CellProfiler never writes one."""
        return any(feature == NO_FEATURE for _, feature in self.names)

    def name_of(self, feature: str) -> Name:
        """The first column of a feature, under any object type."""
        return next(name for name in self.names if name[1] == feature)

    def read(self, types: Mapping[Name, pa.DataType]) -> tuple[pa.Table, bool]:
        """Returns the columns in `types`, one row per line, and whether the file's end is missing.

        The table's columns are in the order of `types` and named by their position there. Missing
        numbers are null. So is the text `nan`, which is CellProfiler's missing value in text
        columns; other missing texts are empty. Text after the last line end is not returned.

        Raises:
            SourceError: a line and the header differ in length; a value is not of its type or has
                too many digits for it; a column without a name has values; text is not UTF-8; the
                file has NUL bytes, cannot be read, or does not fit in memory.
        """
        body, cut = self._lines()
        if self._end_of_header(body) == len(body):
            empty = [pa.array([], type) for type in types.values()]
            return pa.table(empty, names=[str(i) for i in range(len(empty))]), cut
        if b'"' in body and body.count(b'"') % 2:
            raise self._error("a quotation mark is never closed", AS_WRITTEN)
        has_commas = self.delimiter == ";" and has_decimal_commas(body)
        place = {name: i for i, name in reversed(list(enumerate(self.names)))}
        wanted = {str(place[name]): type for name, type in types.items()}
        nameless = [i for i, (_, feature) in enumerate(self.names) if feature == NO_FEATURE]
        twins = [i for i in range(1, len(self.names)) if self.names[i] == self.names[i - 1]]
        twins = [i for i in twins if i not in nameless]
        requested = wanted | {str(i): TEXT for i in nameless}
        for twin in twins:
            requested[str(twin)] = requested.setdefault(str(twin - 1), TEXT)
        table = self._columns(body, requested, has_commas)
        for twin in twins:
            self._check_equal(twin, table[str(twin - 1)], table[str(twin)])
        for i in nameless:
            self._check_has_no_values(i, table[str(i)])
        if len(requested) > len(wanted):
            table = table.select(list(range(len(wanted))))
        columns, kinds = list(wanted), list(wanted.values())
        if inexact := beyond_exact(table, [i for i, type in enumerate(kinds) if type == REAL]):
            written = self._columns(body, {columns[i]: TEXT for i in inexact}, has_commas)
            for i, text in zip(inexact, written.columns, strict=True):
                check_exact(self.path, self.names[int(columns[i])][1], text)
        texts = [i for i, type in enumerate(kinds) if type == TEXT]
        if texts and (has_commas or MISSING_TEXT.encode() in body):
            table = self._with_texts(table, texts, has_commas)
        return table.rename_columns([str(i) for i in range(len(columns))]), cut

    def _with_texts(self, table: pa.Table, texts: Sequence[int], comma: bool) -> pa.Table:
        """The table with null for the text `nan`, and with points for decimal commas."""
        for i in texts:
            column, name = table[i], table.column_names[i]
            if comma:
                column = with_points(self.path, self.names[int(name)][1], column)
            table = table.set_column(i, name, without_missing(column))
        return table

    def image_sets(self) -> tuple[npt.NDArray[np.int64], bool]:
        """Returns the image set of each row, and whether the file's end is missing.

        If the file has as many fields as its rows and header suggest, every row is assumed to be
        complete. Only `read` checks each row, which takes several times as long.

        Raises:
            SourceError: as in `read`, or a row has no image set.
        """
        body, cut = self._lines()
        name = self.name_of(IMAGE_NUMBER)
        numbers = self._begins(body) if self.names[0] == name else None
        if numbers is None:
            table, _ = self.read({name: INTEGER})
            if table[0].null_count:
                raise self._error("a row has no ImageNumber", AS_WRITTEN)
            numbers = table[0].to_numpy()
        return numbers, cut

    def _lines(self) -> tuple[bytes | bytearray, bool]:
        """All lines that are not empty, header included, and whether the file's end is missing."""
        body, cut = whole_lines(self.path)
        return without_empty_rows(body, self.delimiter), cut

    def _begins(self, body: bytes | bytearray) -> npt.NDArray[np.int64] | None:
        """The numbers that begin the lines.

        None if a parser is needed to separate lines or fields, or to report wrong ones.
        """
        position = self._end_of_header(body)
        if body.find(b'"', position) >= 0:
            return None
        content = np.frombuffer(body, np.uint8)
        pieces = (content[place : place + _PIECE] for place in range(position, len(body), _PIECE))
        delimiters = sum(int(np.count_nonzero(piece == ord(self.delimiter))) for piece in pieces)
        first, delimiter = [], self.delimiter.encode()
        while position < len(body):
            # A line without a delimiter, as an empty one, would bring all that follows it.
            end = body.find(delimiter, position, position + _DIGITS + 1)
            if end < 0:
                return None
            first.append(body[position:end])
            position = body.find(b"\n", position) + 1
        is_plain = delimiters == len(first) * (len(self.names) - 1) and b"".join(first).isdigit()
        if not (is_plain and min(map(len, first)) > 0):
            return None
        return np.array(list(map(int, first)), np.int64)

    def _columns(
        self, body: bytes | bytearray, types: Mapping[str, pa.DataType], comma: bool
    ) -> pa.Table:
        """The columns at some positions, by which they are named, as Arrow reads them."""
        try:
            return arrow_csv.read_csv(
                pa.BufferReader(body),
                arrow_csv.ReadOptions(
                    use_threads=False,
                    block_size=min(len(body) + 1, _BIGGEST_BLOCK),
                    skip_rows=self.header_lines,
                    column_names=[str(i) for i in range(len(self.names))],
                ),
                arrow_csv.ParseOptions(delimiter=self.delimiter, newlines_in_values=True),
                arrow_csv.ConvertOptions(
                    include_columns=list(types),
                    column_types=types,
                    null_values=MISSING,
                    strings_can_be_null=False,
                    decimal_point="," if comma else ".",
                ),
            )
        except pa.ArrowInvalid as error:
            if INTEGER in types.values():
                reals = {i: REAL if type == INTEGER else type for i, type in types.items()}
                return self._as_integers(self._columns(body, reals, comma), types)
            names = [feature for _, feature in self.names]
            raise conversion_error(self.path, str(error), names, "the header") from error
        except MemoryError as error:
            raise too_big(self.path) from error

    def _as_integers(self, table: pa.Table, types: Mapping[str, pa.DataType]) -> pa.Table:
        """Casts whole real numbers to integers: pandas writes `1.0` if another value is missing."""
        try:
            return table.cast(pa.schema(types.items()))
        except pa.ArrowInvalid as error:
            whole = [self.names[int(i)][1] for i, type in types.items() if type == INTEGER]
            problem = f"a number that is not whole in {' or '.join(whole)}"
            raise self._error(problem, AS_WRITTEN) from error

    def _check_equal(self, twin: int, one: pa.ChunkedArray, two: pa.ChunkedArray) -> None:
        if one.equals(two):
            return
        pairs = zip(one.to_pylist(), two.to_pylist(), strict=True)
        first, second = next(pair for pair in pairs if pair[0] != pair[1])
        name = self.names[twin][1]
        problem = f"the column {name} occurs twice, with different values ({first}, {second})"
        raise self._error(problem, "delete one of the two columns")

    def _check_has_no_values(self, place: int, column: pa.ChunkedArray) -> None:
        """Raises SourceError unless a column without a name is empty or numbers the rows."""
        fine = pc.match_substring_regex(column, _ROW_NAME)
        if not pc.all(fine).as_py():
            problem = f"column {place + 1} has values but no feature name"
            raise self._error(problem, "name the column, or delete it")

    def _end_of_header(self, body: bytes | bytearray) -> int:
        end = 0
        for _ in range(self.header_lines):
            end = body.find(b"\n", end) + 1
        return end or len(body)

    def _error(self, problem: str, advice: str) -> SourceError:
        return SourceError(self.path, problem, advice)


def open_csv(path: Path) -> CsvFile | None:
    """Returns the header of a CSV file; None if the file is not from ExportToSpreadsheet.

    An empty file, or one that was cut within its header, also gives None, because nothing shows
    what it was. `csv_bytes.no_table` explains the files that give None.

    Raises:
        SourceError: the file cannot be read, has too many columns, or a column occurs twice.
    """
    before, first, second = beginning(path)
    if not first.endswith(b"\n"):
        return None
    upper, lower = (line.decode("utf-8-sig", "replace") for line in (first, second))
    headers = ((delimiter, header_in(upper, lower, delimiter)) for delimiter in _DELIMITERS)
    delimiter, parsed = next(((d, header) for d, header in headers if header), ("", None))
    if parsed is None:
        return None
    if len(parsed.names) > MOST_COLUMNS:
        problem = f"has {len(parsed.names):,} columns; at most {MOST_COLUMNS:,} can be loaded"
        raise SourceError(path, problem, "export fewer features, or move it out of OUTPUTS")
    header = CsvFile(path, parsed.kind, delimiter, parsed.names, parsed.lines, parsed.dotted)
    try:
        text = b"".join((first, second)[: header.header_lines]).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SourceError(path, "text that is not UTF-8", "save it as UTF-8") from error
    if text.startswith(_MARK):
        raise SourceError(path, "begins with two byte order marks", "save it as UTF-8 once more")
    seen: dict[Name, int] = {}
    names = header.names
    for place, name in enumerate(names if len(set(names)) < len(names) else ()):
        if name[1] != NO_FEATURE and seen.get(name, place - 1) != place - 1:
            problem = f"the column {name[1]} occurs twice"
            raise SourceError(path, problem, "delete one of the two columns")
        seen[name] = place
    return replace(header, header_lines=header.header_lines + before)


def ends_cut(path: Path) -> bool:
    """Whether a file's last line has no line end, which CellProfiler always writes.

    Raises:
        SourceError: the file cannot be read.
    """
    return last_byte(path) not in (b"", b"\n")


def relative_name(path: Path, other: Path) -> str:
    """The name of a file in a sentence about another: with its folder, if the folders differ."""
    return path.name if path.parent == other.parent else f"{path.parent.name}/{path.name}"
