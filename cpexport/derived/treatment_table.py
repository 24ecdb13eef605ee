"""The table `Per_Well_Treatment`: its columns with their types, and its rows. See `treatments`."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import pyarrow as pa
import sqlalchemy as sa
from sqlalchemy.dialects import mysql

from cpexport.cellprofiler.features import INTEGER, REAL, TEXT
from cpexport.derived.plate_layouts import Place
from cpexport.sinks.sql import schema
from cpexport.tables.layout import Column

PLATE: Final = "Plate"
WELL: Final = "Well"
_WHOLE: Final = re.compile(r"-?(0|[1-9][0-9]{0,14})")
# What every double holds (IEEE 754).
_MOST_DIGITS: Final = 15
_NUMBER: Final = re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]{1,3})?")


def table_name(prefix: str) -> str:
    """The table's name."""
    return f"{prefix}Per_Well_Treatment"


def treatment_table(
    prefix: str,
    keys: Sequence[Column],
    names: Sequence[str],
    rows: Iterable[tuple[Place, tuple[Any, ...], Mapping[str, str]]],
) -> tuple[sa.Table, pa.Table]:
    """The declared table, and its rows.

    keys: the columns of `Per_Image` that name wells.
    rows: for each well its place in the layout, the values of `keys` (None if it has no image
        sets), and what is in it by column of the layout.
    """
    rows = list(rows)
    arrays = {
        PLATE: pa.array([plate or None for (plate, _), _, _ in rows], TEXT),
        WELL: pa.array([well for (_, well), _, _ in rows], TEXT),
    }
    for place, column in enumerate(keys):
        arrays[column.name] = pa.array([values[place] for _, values, _ in rows], column.type)
    for name in names:
        arrays[name] = _typed([values.get(name) for _, _, values in rows])
    data = pa.table(arrays)
    named = {column.name for column in keys}
    columns = [
        sa.Column(
            field.name,
            _key_type(data[field.name]) if field.name in named else schema.sql_type(field.type),
        )
        for field in data.schema
    ]
    table = sa.Table(table_name(prefix), sa.MetaData(), *columns)
    if not any(isinstance(table.c[name].type, sa.UnicodeText) for name in named):
        # Without it, MariaDB compares each image set with each well.
        sa.Index(f"{table_name(prefix)}_wells", *(table.c[column.name] for column in keys))
    return table, data


def _key_type(values: pa.ChunkedArray) -> sa.types.TypeEngine[Any]:
    """The type of a column that names wells: on servers one that an index can hold, if it can."""
    if values.type != TEXT:
        return schema.sql_type(values.type)
    longest = max((len(text) for text in values.to_pylist() if text is not None), default=0)
    if longest > schema.PLACE_LENGTH:
        return sa.UnicodeText()
    return sa.Text().with_variant(mysql.VARCHAR(schema.PLACE_LENGTH), "mysql")


def _typed(texts: Sequence[str | None]) -> pa.Array:
    """Texts as whole numbers or numbers if all of them are, and are written in the usual way."""
    given = [text for text in texts if text is not None]
    if given and all(map(_WHOLE.fullmatch, given)):
        return pa.array([None if text is None else int(text) for text in texts], INTEGER)
    if given and all(map(_is_number, given)):
        return pa.array([None if text is None else float(text) for text in texts], REAL)
    return pa.array(texts, TEXT)


def _is_number(text: str) -> bool:
    """Whether a text is a number that a real number holds to its last digit, and no code: those
    begin with zeros, or have many digits."""
    digits = sum(character.isdigit() for character in re.split("[eE]", text)[0])
    is_code = digits > _MOST_DIGITS or re.match(r"[-+]?0[0-9]", text)
    return _NUMBER.fullmatch(text) is not None and not is_code
