"""Which object types can be tables side by side: names of tables differ by more than case.

CellProfiler takes any letters, digits and underscores for the name of objects (4.2.8,
setting/text/alphanumeric), and so names that tables of its own, or of ours, have already.
"""

import re

from cpexport.errors import SinkError
from cpexport.features import IMAGE, NOT_OBJECTS, OBJECT
from cpexport.shape import COMBINED, Shape
from cpexport.tables import Layout, table_of

_ADVICE = "name the others with --objects, as in --objects Nuclei,Cells"
# After the prefix, in small letters: tables that CellProfiler, loads and --wells make.
_TAKEN = re.compile(
    r"per_(experiment|object|relationships(view)?|relationshiptypes|well"
    r"|well_(avg|median|std)(_part\d+)?)"
)


def refuse_names(name: str, layout: Layout, prefix: str, shape: Shape) -> None:
    """Refuses object types whose tables have the name of another table of the destination `name`.

    Raises:
        SinkError: says which, and what to do.
    """
    known: dict[str, tuple[str, str]] = {}
    for column in layout.columns:
        object_name, table = column.object, column.table
        if object_name in NOT_OBJECTS - {IMAGE}:
            said = f"has no table for objects called {object_name}, which CellProfiler keeps itself"
            raise SinkError(name, said, _ADVICE)
        before, _ = known.setdefault(table.lower(), (object_name, table))
        if before != object_name:
            said = f"cannot have tables for both {before} and {object_name}: they have one name"
            raise SinkError(name, f"{said}, whatever the case of letters", _ADVICE)
        _refuse_unwritable(name, object_name)
        _refuse_unwritable(name, column.feature)
    for object_name, table in known.values():
        side_by_side = object_name == OBJECT and shape.layout == COMBINED
        if _TAKEN.fullmatch(table.removeprefix(prefix).lower()) and not side_by_side:
            said = f"has a table {table_of(object_name, prefix)} of its own, so none for objects"
            raise SinkError(name, f"{said} called {object_name}", _ADVICE)


def _refuse_unwritable(name: str, said: str) -> None:
    if not said.isascii():
        try:
            said.encode()
        except UnicodeEncodeError as error:
            what = f"cannot have the name {said!r}, which is no Unicode text"
            raise SinkError(name, what, _ADVICE) from error
