"""Interprets the values of a CSV file: numbers, texts, missing values, and values to refuse.

CellProfiler writes `str()` of a measurement, and `nan` or nothing for a missing one. A text `nan`
looks the same and also counts as missing (4.2.8, exporttospreadsheet.py). Where decimals have
commas, Excel saves commas in numbers, and semicolons between fields.
"""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cpexport.cellprofiler.features import INTEGER, NULL, REAL, TEXT
from cpexport.errors import AS_WRITTEN, SourceError

MISSING = ("", "nan", "NaN", "NAN", "-nan", "None", "NULL", "NA")
"""Missing numbers, as CellProfiler, pandas and R write them."""
MISSING_TEXT = "nan"
_BAD_VALUE = re.compile(r"In CSV column #(\d+): (?:Row #(\d+): )?.*invalid value '(.*)'", re.S)
_BAD_ROW = re.compile(r"Row #(\d+): Expected (\d+) columns, got (\d+)")
# A field that can only be a number with a decimal comma: groups of thousands have three digits,
# after one to three that do not begin with 0.
_COMMA = re.compile(
    rb'(?:^|;)"?[-+]?(?:0\d*,\d+|\d{4,},\d+|\d{1,3},(?:\d{1,2}|\d{4,}))(?:[eE][-+]?\d+)?"?'
    rb"(?=[;\r\n])",
    re.MULTILINE,
)
_COMMA_NUMBER = r"^([-+]?[0-9]+(,[0-9]+)?([eE][-+]?[0-9]+)?)?$"
# Excel displays integers of 12 digits and more like this, and saves what it displays.
_SHORTENED = r"^[1-9],[0-9]+E\+[0-9]+$"
_WHOLE = re.compile(r"0|-?[1-9][0-9]{0,17}")
_NOT_FINITE = frozenset({"inf", "-inf"})
# A number that may exceed the range of real numbers, which ends at 1.8e308; `inf` has no digits.
_LARGE = r"^[-+]?([0-9]{300,}|[0-9]*[.,]?[0-9]*[eE]\+?[0-9]{2,}$)"
# Digits of a larger number; and what of a number is shown.
_DIGITS = 16
_SHOWN = 40
# Real numbers are exact for all integers up to here.
_EXACT = 2.0**53
# This many values are checked at once; they stay in the cache of a processor core.
_PIECE = 1 << 17


def has_decimal_commas(body: bytes | bytearray) -> bool:
    """Whether numbers between semicolons have decimal commas.

    `1,234` is no evidence, because its comma can separate thousands.
    """
    return _COMMA.search(body) is not None


def with_points(path: Path, name: str, texts: pa.ChunkedArray) -> pa.ChunkedArray:
    """Replaces decimal commas with points in a text column, if all its texts are numbers.

    Raises:
        SourceError: a spreadsheet program has dropped digits of a number.
    """
    present = texts.drop_null()
    if not pc.all(pc.match_substring_regex(present, _COMMA_NUMBER)).as_py():
        return texts
    short = present.filter(pc.match_substring_regex(present, _SHORTENED))
    if len(short):
        problem = f"a spreadsheet program has shortened {short[0]} in {name}"
        raise SourceError(path, problem, AS_WRITTEN)
    return pc.replace_substring(texts, ",", ".")


def without_missing(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    """The texts of a column, with null where CellProfiler had no value."""
    return pc.if_else(pc.equal(texts, MISSING_TEXT), pa.scalar(None, TEXT), texts)


def beyond_exact(table: pa.Table, places: Sequence[int]) -> list[int]:
    """The real columns at `places` with a value that is infinite or too large to be exact.

    Arrow reads numbers beyond the range of real numbers as infinite, so these need a second look.
    """
    rows = max(1, _PIECE // max(1, len(places)))
    is_inexact = np.zeros(len(places), bool)
    for piece in table.select(places).to_batches(rows) if places else ():
        values = piece.to_tensor(null_to_nan=True, row_major=False).to_numpy()
        with np.errstate(invalid="ignore"):
            is_inexact |= (np.abs(values) >= _EXACT).any(axis=0)
    return [place for place, inexact in zip(places, is_inexact.tolist(), strict=True) if inexact]


def check_exact(path: Path, name: str, texts: pa.ChunkedArray | pa.StringArray) -> None:
    """Checks that real numbers can represent all numbers in a text column.

    Raises:
        SourceError: an integer would be rounded, or a number is too large.
    """
    long = pc.match_substring_regex(texts, r"^[-+]?[0-9]{16,}$")
    for text in texts.filter(long).to_pylist():
        if len(text.lstrip("+-0")) > _DIGITS or abs(int(text)) > _EXACT:
            problem = f"{text[:_SHOWN]} has too many digits for {name}, a column of real numbers"
            raise SourceError(
                path, problem, "rename the feature to Metadata_..., which keeps all digits"
            )
    for text in texts.filter(pc.match_substring_regex(texts, _LARGE)).unique().to_pylist():
        if np.isinf(float(text.replace(",", "."))):
            problem = f"{text[:_SHOWN]} in {name} is too large for a real number"
            raise SourceError(path, problem, AS_WRITTEN)


def text_type(texts: pa.StringArray, blank: bool = False) -> pa.DataType:
    """The type of a column of text, judged by the whole column as LoadData does.

    Values are numbers only if the exact text can be restored: `007`, `-0` and `1.50` stay text. One
    empty field makes the whole column text (CellProfiler 4.2.8, modules/loaddata.py, prepare_run),
    unless `blank` says that empty fields are missing values. Nulls do not count.
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
    """A column of text, cast to its `text_type`."""
    type = text_type(texts, blank)
    if type == TEXT:
        return texts
    if type == NULL:
        return pa.nulls(len(texts))
    if blank:
        texts = pc.if_else(pc.equal(texts, ""), pa.scalar(None, TEXT), texts)
    return texts.cast(type)


def conversion_error(path: Path, text: str, names: Sequence[str], measure: str) -> SourceError:
    """Rewords Arrow's error about a file's rows; `measure` names what sets the number of fields."""
    if match := _BAD_VALUE.search(text):
        where = f"line {int(match[2])}: " if match[2] else ""
        name = names[int(match[1])]
        if match[3] == name:
            problem = f"{where}the header occurs again: several files were joined"
            return SourceError(path, problem, "load the separate files, or delete that line")
        value = match[3] if len(match[3]) <= _SHOWN else f"{match[3][:_SHOWN]}..."
        return SourceError(path, f"{where}{value!r} in the numeric column {name}", AS_WRITTEN)
    if match := _BAD_ROW.search(text):
        line, wanted, has = match.groups()
        return SourceError(
            path, f"line {line} has {has} fields, but {measure} has {wanted}", AS_WRITTEN
        )
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
