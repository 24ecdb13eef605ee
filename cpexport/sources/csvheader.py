"""The header of a CSV file of ExportToSpreadsheet's: which table it begins, and its columns.

A file for several object types has two header lines, object types over features.
"""

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass

from cpexport.features import (
    EXPERIMENT,
    IMAGE,
    IMAGE_NUMBER,
    NO_FEATURE,
    OBJECT_NUMBER,
    RELATIONSHIP,
)

OBJECTS = "Objects"
"""What `Header.kind` says of a file with rows of objects; its own name says of which."""

Name = tuple[str | None, str]
"""A column: the object type over it, where the file has a line of them, and its feature."""

EXPERIMENT_HEADER = ["Key", "Value"]
# What other programs call the column by which they number rows: R, pandas, KNIME.
_ROW_NAMES = re.compile(r"|Unnamed: \d+|row ID", re.IGNORECASE)
# A feature's name is a category and more, with underscores between: `Count_Nuclei`.
_DOTTED = re.compile(r"[A-Za-z]\w*(\.\w+)+", re.ASCII)


@dataclass(frozen=True)
class Header:
    """A header of `lines` lines; see `CsvFile` for the rest."""

    kind: str
    names: tuple[Name, ...]
    lines: int
    dotted: bool


def header_in(upper: str, lower: str, delimiter: str) -> Header | None:
    """What a file's first two lines are as a header with this delimiter; None if they are none."""
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
        # A second line that is not CSV is told when rows are read, a first one is no header.
        return []
    named = [NO_FEATURE if _ROW_NAMES.fullmatch(field) else field for field in fields[:1]]
    return named + fields[1:]


def _undotted(fields: list[str]) -> tuple[list[str], bool]:
    """Names with their underscores back where another program made points of all of them, and
    whether it did. The columns of relationships have spaces.

    CellProfiler writes no table of features without an underscore. Names with other characters, or
    points side by side, tell of more changes than that, and stay as they are.
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
