"""Refuses names of object types that clash with each other, or with other tables.

Names of tables must differ by more than case. CellProfiler accepts any letters, digits and
underscores as a name of objects (4.2.8, setting/text/alphanumeric), so objects can have the name of
a table that CellProfiler or cpexport makes.
"""

import re
from collections.abc import Collection, Mapping

from cpexport.cellprofiler.features import IMAGE, NOT_OBJECTS, OBJECT
from cpexport.errors import ChangedError, SinkError
from cpexport.tables.layout import Layout, table_of
from cpexport.tables.options import COMBINED, TableOptions

_ADVICE = "leave it out: name the others with --objects, for example --objects Nuclei,Cells"
# The tables that CellProfiler, a load and --wells make: after the prefix, in lower case.
_TAKEN = re.compile(
    r"per_(experiment|object|relationships(view)?|relationshiptypes|well"
    r"|well_(avg|median|std)(_part\d+)?"
    r"|(well|image)_treatment)"
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
                f"cannot have a table for objects named {object_name}: CellProfiler reserves "
                "this name"
            )
            raise SinkError(name, problem, _ADVICE)
        first, _ = tables.setdefault(table.lower(), (object_name, table))
        if first != object_name:
            problem = (
                f"cannot have tables for both {first} and {object_name}: their names are equal"
            )
            raise SinkError(name, f"{problem} apart from upper and lower case", _ADVICE)
        _check_encoding(name, object_name)
        _check_encoding(name, column.feature)
    for object_name, table in tables.values():
        side_by_side = object_name == OBJECT and shape.layout == COMBINED
        if _TAKEN.fullmatch(table.removeprefix(prefix).lower()) and not side_by_side:
            problem = (
                f"needs the name {table_of(object_name, prefix)} for another table, so not for "
                "objects"
            )
            raise SinkError(name, f"{problem} named {object_name}", _ADVICE)


def check_new_columns(
    name: str, old: Layout, new: Layout, existing: Mapping[str, Collection[str]]
) -> None:
    """Checks that no column that the layout adds has the name of a column that another program
    added to the table. `existing` has the columns of tables; names differ by more than case.

    Raises:
        ChangedError: one has; the error has the statement that renames the other one.
    """
    for table, before in old.tables.items():
        ours = {column.lower() for column in before.schema.names}
        theirs = {c.lower(): c for c in existing.get(table, ()) if c.lower() not in ours}
        for column in new.tables[table].columns:
            if column.name.lower() in theirs:
                taken = theirs[column.name.lower()]
                problem = f"has a column {table}.{taken} that cpexport did not create"
                rename = f"ALTER TABLE {table} RENAME COLUMN {taken} TO NEW_NAME"
                raise ChangedError(name, problem, f"run {rename}, and the command again")


def _check_encoding(name: str, text: str) -> None:
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            problem = f"cannot have the name {text!r}, which is not valid Unicode"
            raise SinkError(name, problem, _ADVICE) from error
