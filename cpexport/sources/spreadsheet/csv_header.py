"""Recognizes the header of a CSV file of ExportToSpreadsheet: the table's kind and its columns.

A file for several object types has two header lines: object types above features.
"""

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass

from cpexport.cellprofiler.features import (
    EXPERIMENT,
    IMAGE,
    IMAGE_NUMBER,
    NO_FEATURE,
    OBJECT_NUMBER,
    RELATIONSHIP,
)

OBJECTS = "Objects"
"""The `Header.kind` of a file with rows of objects; the file's name shows which objects."""

Name = tuple[str | None, str]
"""A column: the object type above it, if the file has a line of object types, and its feature."""

EXPERIMENT_HEADER = ["Key", "Value"]
# Names that R, pandas and KNIME give to a column that numbers the rows.
_ROW_NAMES = re.compile(r"|Unnamed: \d+|row ID", re.IGNORECASE)
# A feature's name is a category and more parts, joined with underscores: `Count_Nuclei`.
_DOTTED = re.compile(r"[A-Za-z]\w*(\.\w+)+", re.ASCII)


@dataclass(frozen=True)
class Header:
    """A header of `lines` lines; see `CsvFile` for the other fields."""

    kind: str
    names: tuple[Name, ...]
    lines: int
    dotted: bool


def header_in(upper: str, lower: str, delimiter: str) -> Header | None:
    """Parses a file's first two lines as a header with this delimiter; None if they are not one."""
    top, top_dotted = _undotted(_fields(upper, delimiter))
    if kind := _kind(top):
        return Header(kind, tuple((None, name) for name in top), 1, top_dotted)
    below, dotted = _undotted(_fields(lower, delimiter))
    if len(top) != len(below) or IMAGE not in top or _kind(below) != OBJECTS:
        return None
    return Header(OBJECTS, tuple(zip(top, below, strict=True)), 2, dotted)


def _fields(line: str, delimiter: str) -> list[str]:
    try:
        fields = next(csv.reader([line.rstrip("\r\n")], delimiter=delimiter), [])
    except csv.Error:
        # If the second line is not CSV, reading the rows reports it. A first line like that is no
        # header.
        return []
    named = [NO_FEATURE if _ROW_NAMES.fullmatch(field) else field for field in fields[:1]]
    return named + fields[1:]


def _undotted(fields: list[str]) -> tuple[list[str], bool]:
    """Restores underscores in names if another program replaced all of them with points.

    Also returns whether it did. In the columns of relationships, spaces are restored instead.
    CellProfiler writes no table of features without an underscore. Names with other characters, or
    with points side by side, show further changes, and stay as they are.
    """
    dotted = [field for field in fields if "." in field]
    if len(dotted) < 2 or any("_" in field for field in fields):
        return fields, False
    if not all(map(_DOTTED.fullmatch, dotted)):
        return fields, False
    between = " " if "Module.Number" in fields else "_"
    return [field.replace(".", between) for field in fields], True


def _kind(header: Sequence[str]) -> str | None:
    named = [field for field in header if field != NO_FEATURE]
    if named == EXPERIMENT_HEADER:
        return EXPERIMENT
    if named[:3] == ["Module", "Module Number", "Relationship"]:
        return RELATIONSHIP
    if IMAGE_NUMBER in header:
        return OBJECTS if OBJECT_NUMBER in header else IMAGE
    return None
