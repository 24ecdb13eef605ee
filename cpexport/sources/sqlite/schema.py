"""Maps the tables and columns of an ExportToDatabase file to features.

The names (CellProfiler 4.2.8, exporttodatabase.py): `<prefix>Per_Image` has `Image_<feature>`. Each
object type has `<prefix>Per_<Object>`, or one `<prefix>Per_Object` has all types side by side; both
have `<Object>_<feature>`. Aggregates are `Mean_<Object>_<feature>` in the images' table.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa

from cpexport.cellprofiler.features import (
    IMAGE,
    IMAGE_NUMBER,
    INTEGER,
    NUMBER,
    OBJECT_NUMBER,
    REAL,
    TEXT,
    is_column,
)
from cpexport.cellprofiler.pipeline import Pipeline
from cpexport.sources.sqlite.stored_tables import IMAGE_TABLE

Columns = Mapping[str, str]
"""Column to declared type, in order."""

_NUMBER = f"_{NUMBER}"
# The setting for the length of column names, and its default.
_LONGEST = "Maximum # of characters in a column name"
_USUAL_LONGEST = 64


@dataclass(frozen=True)
class ObjectTable:
    """One table with rows of images or objects.

    `features` is object type to feature to column, without keys. `numbers` is object type to the
    column of its number, and empty for images. `left_out` are columns that are no feature of any
    type.
    """

    name: str
    columns: Columns
    features: Mapping[str, Mapping[str, str]]
    numbers: Mapping[str, str]
    left_out: tuple[str, ...]

    @property
    def width(self) -> int:
        """The approximate number of columns that are read."""
        return 1 + len(self.numbers) + sum(map(len, self.features.values()))

    @property
    def order(self) -> str:
        """The column that sorts the rows of one image set."""
        if not self.numbers:
            return IMAGE_NUMBER
        return OBJECT_NUMBER if OBJECT_NUMBER in self.columns else next(iter(self.numbers.values()))


def image_table(name: str, columns: Columns) -> ObjectTable:
    """The images' table."""
    mine = {c.removeprefix(f"{IMAGE}_"): c for c in columns if c.startswith(f"{IMAGE}_")}
    feature_columns = {IMAGE_NUMBER, *mine.values()}
    features = {IMAGE: {f: c for f, c in mine.items() if is_column(f)}}
    return ObjectTable(
        name, columns, features, {}, tuple(c for c in columns if c not in feature_columns)
    )


def object_tables(tables: Mapping[str, Columns], prefix: str) -> tuple[ObjectTable, ...]:
    """The tables of objects, each recognized by a column `<Object>_Number_Object_Number`.

    That column has integers. RelateObjects' means of children have similar names but real numbers:
    `Cells_Mean_Nuclei_Number_Object_Number` is a feature of Cells.
    """
    tables_found = []
    for name, columns in tables.items():
        mine = name.startswith(f"{prefix}Per_") and name != f"{prefix}{IMAGE_TABLE}"
        if mine and IMAGE_NUMBER in columns:
            numbers = [c for c, type in columns.items() if declared(type) == INTEGER]
            objects = [c.removesuffix(_NUMBER) for c in numbers if c.endswith(_NUMBER)]
            if objects:
                tables_found.append(_object_table(name, columns, objects))
    return tuple(tables_found)


def declared(type: str) -> pa.DataType:
    """The type of a column by its declaration, as SQLite reads it (sqlite.org/datatype3.html).

    >>> [str(declared(type)) for type in ("INTEGER", "float", "varchar(255)", "longblob")]
    ['int64', 'double', 'string', 'string']
    """
    word = type.upper()
    if "INT" in word:
        return INTEGER
    if any(part in word for part in ("CHAR", "CLOB", "TEXT", "BLOB")) or not word:
        return TEXT
    return REAL


def notes(
    image: ObjectTable,
    objects: tuple[ObjectTable, ...],
    pipeline: Pipeline | None,
    *,
    shortens: bool = True,
) -> tuple[str, ...]:
    """Notes about columns that are not loaded, or whose feature names may be shortened.

    `shortens` is whether the program that wrote them shortens names.
    """
    texts = []
    if image.left_out:
        texts.append(
            f"{len(image.left_out)} columns of {image.name} are not loaded, such as means "
            f"of objects: their names do not begin with {IMAGE}_"
        )
    for table in objects:
        if table.left_out:
            texts.append(
                f"{len(table.left_out)} columns of {table.name} are not loaded: their names "
                f"begin with no object type (for example {table.left_out[0]})"
            )
    longest = _longest(pipeline)
    shortened = sum(
        len(column) >= longest
        for table in (image, *objects)
        for features in table.features.values()
        for column in features.values()
    )
    if shortened and shortens:
        texts.append(
            f"{shortened} column names have {longest} characters, the job's limit, so CellProfiler "
            "may have cut them; they are kept as they are"
        )
    return tuple(texts)


def _object_table(name: str, columns: Columns, objects: list[str]) -> ObjectTable:
    numbers = {object_name: f"{object_name}{_NUMBER}" for object_name in objects}
    keys = {IMAGE_NUMBER, OBJECT_NUMBER, *numbers.values()}
    features: dict[str, dict[str, str]] = {object_name: {} for object_name in objects}
    left_out = []
    for column in columns:
        if column in keys:
            continue
        owners = [o for o in objects if column.startswith(f"{o}_")]
        if owners:
            owner = max(owners, key=len)
            feature = column.removeprefix(f"{owner}_")
            if is_column(feature):
                features[owner][feature] = column
        elif len(objects) == 1:
            # The name was shortened into the object's name, but the table still shows its object.
            features[objects[0]][column] = column
        else:
            left_out.append(column)
    return ObjectTable(name, columns, features, numbers, tuple(left_out))


def _longest(pipeline: Pipeline | None) -> int:
    for module in pipeline.modules if pipeline else ():
        if module.name == "ExportToDatabase":
            text = dict(module.settings).get(_LONGEST, "")
            return int(text) if re.fullmatch(r"[0-9]{1,9}", text) else _USUAL_LONGEST
    return _USUAL_LONGEST
