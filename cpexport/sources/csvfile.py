"""One CSV file that ExportToSpreadsheet wrote: its header, its rows, and whether it was cut off.

Dialect (CellProfiler 4.2.8, modules/exporttospreadsheet.py): UTF-8, comma or tab, CRLF, minimal
quoting, `nan` or nothing for a missing number. A file for several object types has two header
lines, object types over features. Every row ends with a line end, so a file that does not was cut.
"""

import csv
import io
import re
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyarrow import csv as arrow_csv

from cpexport.errors import SourceError
from cpexport.features import (
    EXPERIMENT,
    IMAGE,
    IMAGE_NUMBER,
    INTEGER,
    OBJECT_NUMBER,
    RELATIONSHIP,
)

SUFFIXES = frozenset({".csv", ".txt", ".tsv"})
OBJECTS = "Objects"
"""What `CsvFile.kind` says of a file with rows of objects; its own name says of which."""

RERUN = "run its image sets again"
_MISSING = ["", "nan", "NaN", "NAN", "-nan", "None", "NULL"]
_BAD_VALUE = re.compile(r"In CSV column #(\d+): (?:Row #(\d+): )?.*invalid value '(.*)'", re.S)
_BAD_ROW = re.compile(r"Row #(\d+): Expected (\d+) columns, got (\d+)")
_BIGGEST_BLOCK = 1 << 30
_LIMIT = threading.Lock()
# A header of 10^5 columns is shorter; a longer line is no header, and may never end.
_LONGEST = 1 << 23
_DIGITS = 18
# What is compared at once stays in the cache of a processor's core.
_PIECE = 1 << 18

Name = tuple[str | None, str]
"""A column: the object type over it, where the file has a line of them, and its feature."""


@dataclass(frozen=True)
class CsvFile:
    """The header of one CSV file. `kind` is Image, Experiment, Relationship or Objects.

    `names` can have a name twice in a row: two modules that measure the same write it twice, with
    equal values, which `read` makes sure of.
    """

    path: Path
    kind: str
    delimiter: str
    names: tuple[Name, ...]
    header_lines: int

    @property
    def objects(self) -> tuple[str, ...]:
        """The object types of a file that has a line of them over its features, without Image."""
        return tuple(dict.fromkeys(over for over, _ in self.names if over not in (None, IMAGE)))

    def name_of(self, feature: str) -> Name:
        """The first column of a feature, whatever object type stands over it."""
        return next(name for name in self.names if name[1] == feature)

    def read(self, types: Mapping[Name, pa.DataType]) -> tuple[pa.Table, bool]:
        """The columns named in `types`, one row a line, and whether the file's end is missing.

        The table's columns are in the order of `types` and named by position there. Missing numbers
        are null, missing texts empty. What follows the last line end is not returned.

        Raises:
            SourceError: a line of another length than the header, a value that is not of its type,
                text that is not UTF-8, NUL bytes, a file that cannot be read.
        """
        body, cut = self._lines()
        positions = [str(i) for i in range(len(self.names))]
        place = {name: i for i, name in reversed(list(enumerate(self.names)))}
        wanted = [str(place[name]) for name in types]
        twins = [i for i in range(1, len(self.names)) if self.names[i] == self.names[i - 1]]
        asked = dict(zip(wanted, types.values(), strict=True))
        for twin in twins:
            asked[str(twin)] = asked.setdefault(str(twin - 1), pa.string())
        if self._end_of_header(body) == len(body):
            empty = [pa.array([], type) for type in types.values()]
            return pa.table(empty, names=[str(i) for i in range(len(empty))]), cut
        try:
            table = arrow_csv.read_csv(
                pa.BufferReader(body),
                arrow_csv.ReadOptions(
                    use_threads=False,
                    block_size=min(len(body) + 1, _BIGGEST_BLOCK),
                    skip_rows=self.header_lines,
                    column_names=positions,
                ),
                arrow_csv.ParseOptions(delimiter=self.delimiter, newlines_in_values=True),
                arrow_csv.ConvertOptions(
                    include_columns=list(asked),
                    column_types=asked,
                    null_values=_MISSING,
                    strings_can_be_null=False,
                ),
            )
        except pa.ArrowInvalid as error:
            names = [feature for _, feature in self.names]
            raise conversion_error(self.path, str(error), names, "the header") from error
        for twin in twins:
            if not table[str(twin - 1)].equals(table[str(twin)]):
                raise self._error(self._twice(twin), RERUN)
        return table.select(wanted).rename_columns([str(i) for i in range(len(types))]), cut

    def image_sets(self) -> tuple[npt.NDArray[np.int64], bool]:
        """The image set of each row, and whether the file's end is missing.

        A file with as many fields as rows of its header make is taken to have them in all rows,
        which only `read` makes sure of; it takes several times as long.

        Raises:
            SourceError: as `read`, or a row has no image set.
        """
        body, cut = self._lines()
        name = self.name_of(IMAGE_NUMBER)
        numbers = self._begins(body) if self.names[0] == name else None
        if numbers is None:
            table, _ = self.read({name: INTEGER})
            if table[0].null_count:
                raise self._error("a row without ImageNumber", RERUN)
            numbers = table[0].to_numpy()
        return numbers, cut

    def _begins(self, body: bytes) -> npt.NDArray[np.int64] | None:
        """The numbers that lines begin with; None where it takes a parser to tell lines or fields
        apart, or those that are wrong."""
        at = self._end_of_header(body)
        if body.find(b'"', at) >= 0:
            return None
        content = np.frombuffer(body, np.uint8)
        pieces = (content[place : place + _PIECE] for place in range(at, len(body), _PIECE))
        delimiters = sum(int(np.count_nonzero(piece == ord(self.delimiter))) for piece in pieces)
        first, delimiter = [], self.delimiter.encode()
        while at < len(body):
            first.append(body[at : body.find(delimiter, at)])
            at = body.find(b"\n", at) + 1
        sound = delimiters == len(first) * (len(self.names) - 1) and b"".join(first).isdigit()
        if not (sound and min(map(len, first)) > 0 and max(map(len, first)) <= _DIGITS):
            return None
        return np.array(list(map(int, first)), np.int64)

    def _lines(self) -> tuple[bytes, bool]:
        """All lines that have an end, and whether one has none."""
        try:
            content = self.path.read_bytes()
        except OSError as error:
            raise SourceError(self.path, f"cannot be read: {error.strerror}", "check it") from error
        body = content[: content.rfind(b"\n") + 1]
        if 0 in body:
            line = body[: body.index(0)].count(b"\n") + 1
            raise self._error(f"line {line}: NUL bytes", RERUN)
        return body, len(body) < len(content)

    def _end_of_header(self, body: bytes) -> int:
        end = 0
        for _ in range(self.header_lines):
            end = body.find(b"\n", end) + 1
        return end or len(body)

    def _twice(self, position: int) -> str:
        return f"the column {self.names[position][1]} is there twice, with different values"

    def _error(self, problem: str, advice: str) -> SourceError:
        return SourceError(self.path, problem, advice)


def conversion_error(path: Path, text: str, names: Sequence[str], measure: str) -> SourceError:
    """What Arrow says of a file's rows, in our words. `measure` is what says how wide rows are."""
    if found := _BAD_VALUE.search(text):
        where = f"line {int(found[2])}: " if found[2] else ""
        name = names[int(found[1])]
        return SourceError(path, f"{where}{found[3]!r} in the number column {name}", RERUN)
    if found := _BAD_ROW.search(text):
        line, wanted, has = found.groups()
        return SourceError(path, f"line {line} has {has} fields, {measure} {wanted}", RERUN)
    if "UTF8" in text:
        return SourceError(path, "text that is not UTF-8", "save it as UTF-8, or run the job again")
    return SourceError(path, text, RERUN)


def open_csv(path: Path) -> CsvFile | None:
    """The header of a CSV file; None if it is not one of ExportToSpreadsheet's.

    A file of 0 bytes, or cut within its header, is None too: it cannot be told what it was.

    Raises:
        SourceError: the file cannot be read, or a column is there twice.
    """
    try:
        with path.open("rb") as stream:
            first, second = stream.readline(_LONGEST), stream.readline(_LONGEST)
    except OSError as error:
        raise SourceError(path, f"cannot be read: {error.strerror}", "check it") from error
    if not first.endswith(b"\n"):
        return None
    try:
        (first + second).decode("utf-8-sig")
        odd = False
    except UnicodeDecodeError:
        odd = True
    upper, lower = (line.decode("utf-8-sig", "replace") for line in (first, second))
    delimiter = "\t" if upper.count("\t") > upper.count(",") else ","
    top = _fields(upper, delimiter)
    kind = _kind(top)
    names: tuple[Name, ...] = tuple((None, field) for field in top)
    lines = 1
    if kind is None:
        below = _fields(lower, delimiter)
        if len(top) != len(below) or IMAGE not in top or _kind(below) != OBJECTS:
            return None
        kind, names, lines = OBJECTS, tuple(zip(top, below, strict=True)), 2
    if odd:
        raise SourceError(path, "text that is not UTF-8", RERUN)
    seen: dict[Name, int] = {}
    for place, name in enumerate(names if len(set(names)) < len(names) else ()):
        if seen.get(name, place - 1) != place - 1:
            raise SourceError(path, f"the column {name[1]} is there twice", RERUN)
        seen[name] = place
    return CsvFile(path, kind, delimiter, names, lines)


def unfinished_line(path: Path) -> bytes | None:
    """All of a file that ends within its first line; None if it has more, or cannot be read."""
    try:
        with path.open("rb") as stream:
            line = stream.readline(_LONGEST)
    except OSError:
        return None
    return None if line.endswith(b"\n") or len(line) == _LONGEST else line


def read_experiment(file: CsvFile) -> dict[str, str]:
    """The keys and values of an Experiment.csv; the last, if the file was cut, is left out.

    Raises:
        SourceError: the file cannot be read.
    """
    try:
        text = file.path.read_bytes().decode("utf-8-sig", "replace")
    except OSError as error:
        raise SourceError(file.path, f"cannot be read: {error.strerror}", "check it") from error
    # The limit is one for all threads.
    with _LIMIT:
        before = csv.field_size_limit(max(len(text), 1) + 1)
        try:
            rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=file.delimiter))
        except csv.Error as error:
            raise SourceError(file.path, f"not CSV: {error}", "run the job again") from error
        finally:
            csv.field_size_limit(before)
    if not text.endswith("\n"):
        rows = rows[:-1]
    return {row[0]: row[1].replace("\r\n", "\n") for row in rows[1:] if len(row) == 2}


def ends_cut(path: Path) -> bool:
    """Whether a file's last line has no end, which CellProfiler always writes."""
    with path.open("rb") as stream:
        size = stream.seek(0, 2)
        stream.seek(max(size - 1, 0))
        return stream.read(1) != b"\n"


def _fields(line: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader([line.rstrip("\r\n")], delimiter=delimiter), [])
    except csv.Error:
        # A second line that is not CSV is told when rows are read, a first one is no header.
        return []


def _kind(header: Sequence[str]) -> str | None:
    if list(header) == ["Key", "Value"]:
        return EXPERIMENT
    if list(header[:3]) == ["Module", "Module Number", "Relationship"]:
        return RELATIONSHIP
    if IMAGE_NUMBER in header:
        return OBJECTS if OBJECT_NUMBER in header else IMAGE
    return None
