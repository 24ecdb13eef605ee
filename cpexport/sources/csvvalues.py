"""What the values of a CSV file mean: numbers, texts, missing ones, and what is refused of them.

CellProfiler writes `str()` of what it measured, and `nan` or nothing for what is missing; a text
`nan` looks the same, and counts as missing too (4.2.8, exporttospreadsheet.py). Excel, where
decimals have commas, saves them with commas, and semicolons between fields.
"""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cpexport.errors import AS_WRITTEN, SourceError
from cpexport.features import INTEGER, NULL, REAL, TEXT

MISSING = ("", "nan", "NaN", "NAN", "-nan", "None", "NULL", "NA")
"""Missing numbers, as CellProfiler, pandas and R write them."""
MISSING_TEXT = "nan"
_BAD_VALUE = re.compile(r"In CSV column #(\d+): (?:Row #(\d+): )?.*invalid value '(.*)'", re.S)
_BAD_ROW = re.compile(r"Row #(\d+): Expected (\d+) columns, got (\d+)")
# A field that can only be a number with a decimal comma: thousands come in threes, after 1 to 9.
_COMMA = re.compile(
    rb'(?:^|;)"?[-+]?(?:0\d*,\d+|\d{4,},\d+|\d{1,3},(?:\d{1,2}|\d{4,}))(?:[eE][-+]?\d+)?"?'
    rb"(?=[;\r\n])",
    re.MULTILINE,
)
_COMMA_NUMBER = r"^([-+]?[0-9]+(,[0-9]+)?([eE][-+]?[0-9]+)?)?$"
# Excel shows integers of 12 digits and more so, and saves what it shows.
_SHORTENED = r"^[1-9],[0-9]+E\+[0-9]+$"
_WHOLE = re.compile(r"0|-?[1-9][0-9]{0,17}")
_NOT_FINITE = frozenset({"inf", "-inf"})
# Digits of a number that may be beyond real numbers, which end at 1.8e308; `inf` has none.
_LARGE = r"^[-+]?([0-9]{300,}|[0-9]*[.,]?[0-9]*[eE]\+?[0-9]{2,}$)"
# Real numbers keep all integers up to here.
_EXACT = 2.0**53
# So many values are looked at at once, which stay in the cache of a processor's core.
_PIECE = 1 << 17


def has_decimal_commas(body: bytes | bytearray) -> bool:
    """Whether numbers between semicolons have decimal commas.

    `1,234` does not tell, as it can have a comma before thousands.
    """
    return _COMMA.search(body) is not None


def with_points(path: Path, name: str, texts: pa.ChunkedArray) -> pa.ChunkedArray:
    """The texts of a column of a file with decimal commas: with points, where all are numbers.

    Raises:
        SourceError: one of them is a number of which a spreadsheet program dropped digits.
    """
    known = texts.drop_null()
    if not pc.all(pc.match_substring_regex(known, _COMMA_NUMBER)).as_py():
        return texts
    short = known.filter(pc.match_substring_regex(known, _SHORTENED))
    if len(short):
        problem = f"{short[0]} in {name} has lost digits to a spreadsheet program"
        raise SourceError(path, problem, AS_WRITTEN)
    return pc.replace_substring(texts, ",", ".")


def without_missing(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    """The texts of a column, null where CellProfiler had no value."""
    return pc.if_else(pc.equal(texts, MISSING_TEXT), pa.scalar(None, TEXT), texts)


def beyond_exact(table: pa.Table, places: Sequence[int]) -> list[int]:
    """Those of the columns of real numbers at `places` that have ones too large to keep all
    integers, or infinite ones: Arrow makes these of what is too large for a real number."""
    rows = max(1, _PIECE // max(1, len(places)))
    far = np.zeros(len(places), bool)
    for piece in table.select(places).to_batches(rows) if places else ():
        values = piece.to_tensor(null_to_nan=True, row_major=False).to_numpy()
        with np.errstate(invalid="ignore"):
            far |= (np.abs(values) >= _EXACT).any(axis=0)
    return [place for place, is_far in zip(places, far.tolist(), strict=True) if is_far]


def refuse_rounded(path: Path, name: str, texts: pa.ChunkedArray | pa.StringArray) -> None:
    """Refuses numbers among the texts of a column that a real number cannot keep: integers that
    it would round, and what is too large for it.

    Raises:
        SourceError: there is one.
    """
    long = pc.match_substring_regex(texts, r"^[-+]?[0-9]{16,}$")
    for text in texts.filter(long).to_pylist():
        if abs(int(text)) > _EXACT:
            problem = f"{text} has too many digits for {name}, a column of real numbers"
            raise SourceError(path, problem, "name the feature Metadata_..., which keeps them all")
    for text in texts.filter(pc.match_substring_regex(texts, _LARGE)).unique().to_pylist():
        if np.isinf(float(text.replace(",", "."))):
            problem = f"{text} in {name} is too large for a real number"
            raise SourceError(path, problem, AS_WRITTEN)


def text_type(texts: pa.StringArray, blank: bool = False) -> pa.DataType:
    """The type of a column of text, by the whole column, as LoadData decides it.

    A number only if the text can be had back from it exactly: `007`, `-0` and `1.50` stay text, and
    one empty field makes all of it text (CellProfiler 4.2.8, modules/loaddata.py, prepare_run)
    unless `blank`, where it is a missing value. Nulls say nothing.
    """
    values = texts.unique().drop_null().to_pylist()
    if blank:
        values = [value for value in values if value]
    if not values:
        return NULL
    if all(_WHOLE.fullmatch(value) for value in values):
        return INTEGER
    return REAL if all(_is_real(value) for value in values) else TEXT


def typed(texts: pa.StringArray, blank: bool = False) -> pa.Array:
    """A column of text as values of its `text_type`."""
    type = text_type(texts, blank)
    if type == TEXT:
        return texts
    if type == NULL:
        return pa.nulls(len(texts))
    if blank:
        texts = pc.if_else(pc.equal(texts, ""), pa.scalar(None, TEXT), texts)
    return texts.cast(type)


def conversion_error(path: Path, text: str, names: Sequence[str], measure: str) -> SourceError:
    """What Arrow says of a file's rows, in our words. `measure` is what says how wide rows are."""
    if found := _BAD_VALUE.search(text):
        where = f"line {int(found[2])}: " if found[2] else ""
        name = names[int(found[1])]
        if found[3] == name:
            problem = f"{where}the header comes again: several files were put together"
            return SourceError(path, problem, "load those files, or take that line out")
        return SourceError(path, f"{where}{found[3]!r} in the number column {name}", AS_WRITTEN)
    if found := _BAD_ROW.search(text):
        line, wanted, has = found.groups()
        return SourceError(path, f"line {line} has {has} fields, {measure} {wanted}", AS_WRITTEN)
    if "UTF8" in text:
        return SourceError(path, "text that is not UTF-8", "save it as UTF-8")
    return SourceError(path, f"not CSV: {text}", AS_WRITTEN)


def _is_real(value: str) -> bool:
    if _WHOLE.fullmatch(value):
        return abs(int(value)) <= _EXACT
    try:
        number = float(value)
    except ValueError:
        return False
    return repr(number) == value and (value in _NOT_FINITE or bool(np.isfinite(number)))
