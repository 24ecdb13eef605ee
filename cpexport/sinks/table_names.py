"""Refuses names of object types that clash with each other, or with other tables.

Names of tables must differ by more than case. CellProfiler accepts any letters, digits and
underscores as a name of objects (4.2.8, setting/text/alphanumeric), so objects can have the name of
a table that CellProfiler or cpexport makes.
"""

import re

from cpexport.cellprofiler.features import IMAGE, NOT_OBJECTS, OBJECT
from cpexport.errors import SinkError
from cpexport.tables.layout import Layout, table_of
from cpexport.tables.options import COMBINED, TableOptions

_ADVICE = "name the others with --objects, as in --objects Nuclei,Cells"
# The tables that CellProfiler, a load and --wells make: after the prefix, in lower case.
_TAKEN = re.compile(
    r"per_(experiment|object|relationships(view)?|relationshiptypes|well"
    r"|well_(avg|median|std)(_part\d+)?)"
)


def check_names(name: str, layout: Layout, prefix: str, shape: TableOptions) -> None:
    """Checks that no object type needs the name of another table of the destination `name`.

    Raises:
        SinkError: one does; the error says which, and what to do.
    """
    tables: dict[str, tuple[str, str]] = {}
    for column in layout.columns:
        object_name, table = column.object, column.table
        if object_name in NOT_OBJECTS - {IMAGE}:
            problem = (
                f"has no table for objects called {object_name}, which CellProfiler keeps itself"
            )
            raise SinkError(name, problem, _ADVICE)
        first, _ = tables.setdefault(table.lower(), (object_name, table))
        if first != object_name:
            problem = f"cannot have tables for both {first} and {object_name}: they have one name"
            raise SinkError(name, f"{problem}, whatever the case of letters", _ADVICE)
        _check_encoding(name, object_name)
        _check_encoding(name, column.feature)
    for object_name, table in tables.values():
        side_by_side = object_name == OBJECT and shape.layout == COMBINED
        if _TAKEN.fullmatch(table.removeprefix(prefix).lower()) and not side_by_side:
            problem = f"has a table {table_of(object_name, prefix)} of its own, so none for objects"
            raise SinkError(name, f"{problem} called {object_name}", _ADVICE)


def _check_encoding(name: str, text: str) -> None:
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            problem = f"cannot have the name {text!r}, which is no Unicode text"
            raise SinkError(name, problem, _ADVICE) from error
