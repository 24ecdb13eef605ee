"""Reads SETUP.SQL, which describes the CSV files of "MySQL / CSV", as these have no header.

CellProfiler 2 and 3 wrote it (3.1.9, exporttodatabase.py, write_mysql_table_defs); version 4 has no
such output. Each job overwrites it, so in a folder of many jobs it is from the last job.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import pyarrow as pa

from cpexport.cellprofiler.features import (
    IMAGE,
    IMAGE_NUMBER,
    INTEGER,
    NUMBER,
    OBJECT_NUMBER,
    REAL,
    TEXT,
)
from cpexport.errors import SourceError
from cpexport.sources.spreadsheet.csv_bytes import content, no_text

SETUP = "SETUP.SQL"
WELLS = "SQL__PER_WELL_SETUP.SQL"
"""The file that creates tables of wells on a server, in capital letters."""
COMBINED = "Object"
"""The table with the objects of all types side by side, if the job has one."""

_CREATE_IMAGE = re.compile(r"^CREATE TABLE (\S*)Per_Image \(", re.MULTILINE)
_VALUE = re.compile(r"X'([0-9A-F]*)'|'((?:[^'\\]|\\.)*)'|(null|[-+.\w]+)")
_WHOLE = re.compile(r"[0-9]{1,18}")
_LOAD = re.compile(r"^LOAD DATA LOCAL INFILE '(.*)' REPLACE INTO TABLE", re.MULTILINE)
_COUNT = "Image_Count_"
_TYPES = {"integer": INTEGER, "float": REAL}


@dataclass(frozen=True)
class SqlColumn:
    """A column of a table: its name, its type, and its feature.

    `object` is the object type. It is None for keys and for columns that are not features, such as
    an image's means.
    """

    name: str
    type: pa.DataType
    object: str | None = None
    feature: str = ""


@dataclass(frozen=True)
class Setup:
    """The content of a SETUP.SQL.

    `tables` are the columns of Per_Image, and of Per_Object or one table per object type; the key
    is the name after `Per_`. `relationships` has the module number, relationship and two object
    types by id; it is None if the job writes no relationships. `experiment` is the only row of
    Per_Experiment, and `loads` are the CSV files of the job that wrote this SETUP.SQL.
    """

    tables: Mapping[str, tuple[SqlColumn, ...]]
    relationships: Mapping[int, tuple[int, str, str, str]] | None
    experiment: Mapping[str, str]
    loads: frozenset[str]

    def objects(self, table: str) -> tuple[str, ...]:
        """The object types of a table of objects, in the order of their columns."""
        types = (column.object for column in self.tables[table])
        return tuple(dict.fromkeys(name for name in types if name is not None))


def read_setup(path: Path) -> Setup:
    """Returns the SETUP.SQL at `path`.

    Raises:
        SourceError: the file is missing, or cut off before its first table ends.
    """
    if not path.exists():
        problem = f"{path.name}, which names the columns of the CSV files, is missing"
        raise SourceError(path.parent, problem, "restore it in this folder")
    # On Windows the file has CRLF, but the CSV files do not.
    setup = _parse(content(path).decode("utf-8", "replace").replace("\r\n", "\n"))
    if setup is None:
        if kind := no_text(path):
            raise kind
        raise SourceError(
            path, "has no table Per_Image, or is cut off", "restore the complete file"
        )
    return setup


@lru_cache(maxsize=8)
def _parse(text: str) -> Setup | None:
    """Parses SETUP.SQL once for all jobs of a folder, which share it. None without a Per_Image."""
    first = _CREATE_IMAGE.search(text)
    if first is None:
        return None
    prefix = re.escape(first[1])
    created = re.compile(
        rf"^CREATE TABLE {prefix}Per_(\w+) \(\n((?:(?!^CREATE TABLE)[^;])*?),\nPRIMARY KEY \(",
        re.MULTILINE,
    )
    bodies = {name: _columns(body) for name, body in created.findall(text)}
    if IMAGE not in bodies:
        return None
    tables = {IMAGE: _owned(bodies[IMAGE], [IMAGE])}
    for name, columns in bodies.items():
        if name != IMAGE:
            combined = name == COMBINED and columns[1:2] and columns[1].name == OBJECT_NUMBER
            objects = _objects(columns, bodies[IMAGE]) if combined else [name]
            tables[name] = _numbered(_owned(columns, objects))
    types = None
    if re.search(rf"^CREATE TABLE {prefix}Per_RelationshipTypes \(", text, re.MULTILINE):
        types = {int(id): (int(m), r, a, b) for id, m, r, a, b in _rows(text, prefix)}
    return Setup(tables, types, _experiment(text, prefix), frozenset(_LOAD.findall(text)))


def _columns(body: str) -> list[SqlColumn]:
    columns = []
    for line in re.split(r"\s*,\s*", body):
        name, _, declared = line.partition(" ")
        columns.append(SqlColumn(name, _TYPES.get(declared.lower(), TEXT)))
    return columns


def _objects(columns: Iterable[SqlColumn], image: Iterable[SqlColumn]) -> list[str]:
    """The object types of the combined table: those with a number column or a count.

    Either column can be too long and therefore shortened, so both are used.
    """
    numbered = [c.name.removesuffix(f"_{NUMBER}") for c in columns if c.name.endswith(f"_{NUMBER}")]
    counted = [c.name.removeprefix(_COUNT) for c in image if c.name.startswith(_COUNT)]
    return [*numbered, *counted]


def _owned(columns: Iterable[SqlColumn], objects: Iterable[str]) -> tuple[SqlColumn, ...]:
    """The columns, each with the object type that begins its name; the longest type counts."""
    longest_first = sorted(objects, key=len, reverse=True)
    owned = []
    for column in columns:
        key = column.name in (IMAGE_NUMBER, OBJECT_NUMBER)
        owner = next(
            (o for o in longest_first if not key and column.name.startswith(f"{o}_")), None
        )
        feature = column.name.removeprefix(f"{owner}_") if owner else ""
        owned.append(SqlColumn(column.name, column.type, owner, feature))
    return tuple(owned)


def _numbered(columns: tuple[SqlColumn, ...]) -> tuple[SqlColumn, ...]:
    """Makes the first column of an object type its number, if the number's name was shortened."""
    seen = {None, *(column.object for column in columns if column.feature == NUMBER)}
    numbered = []
    for column in columns:
        feature = column.feature if column.object in seen else NUMBER
        seen.add(column.object)
        numbered.append(SqlColumn(column.name, column.type, column.object, feature))
    return tuple(numbered)


def _rows(text: str, prefix: str) -> list[list[str]]:
    """The rows inserted into Per_RelationshipTypes; incomplete ones are left out."""
    inserted = re.findall(
        rf"^INSERT INTO {prefix}Per_RelationshipTypes \([^)]*\) VALUES\((.*)\);$",
        text,
        re.MULTILINE,
    )
    return [row for row in map(_values, inserted) if len(row) == 5 and _WHOLE.fullmatch(row[0])]


def _experiment(text: str, prefix: str) -> dict[str, str]:
    inserted = re.search(
        rf"^INSERT INTO {prefix}Per_Experiment \(([^)]*)\) VALUES \((.*)\);$", text, re.MULTILINE
    )
    if inserted is None:
        return {}
    return dict(zip(inserted[1].split(","), _values(inserted[2]), strict=False))


def _values(text: str) -> list[str]:
    """The values of an INSERT as text, with blobs decoded; null becomes an empty text."""
    values = []
    for blob, string, other in _VALUE.findall(text):
        if blob and len(blob) % 2 == 0:
            string = bytes.fromhex(blob).decode("utf-8", "replace")
        values.append(string or other.replace("null", ""))
    return values
