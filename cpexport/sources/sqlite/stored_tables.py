"""Refuses SQLite files with tables or texts that no job writes.

Queries read tables by name. Under the name of a job's table, a file can have a view or a virtual
table, whose rows a query or a module computes for as long as it likes.
"""

from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, Final

from cpexport.cellprofiler.features import LONGEST_TEXT
from cpexport.errors import SourceError

IMAGE_TABLE: Final = "Per_Image"
STORED: Final = "m.type = 'table' AND m.rootpage > 0"
"""The condition for a table `m` of sqlite_master that is in the file: a virtual one has no page."""
MOST_TABLES: Final = 10_000
"""The most tables and indexes of one file; each object type of a run has one table."""

Rows = Callable[[str], list[tuple[Any, ...]]]
"""Returns the rows of a query on a file."""


def check_tables(path: Path, rows: Rows) -> None:
    """Checks that the values of a file's tables are stored in it.

    Raises:
        SourceError: they are not, or there are too many tables.
    """
    ((count,),) = rows("SELECT count(*) FROM sqlite_master")
    if count > MOST_TABLES:
        raise _never_written(path, f"has {count:,} tables and indexes")
    named = "instr(m.name, 'Per_') > 0"
    for (name,) in rows(
        f"SELECT name FROM sqlite_master m WHERE type = 'table' AND {named} "
        f"AND NOT ({STORED}) LIMIT 1"
    ):
        raise _never_written(path, f"{name} is a virtual table")
    for table, column in rows(
        "SELECT m.name, c.name FROM sqlite_master m, pragma_table_xinfo(m.name) c "
        f"WHERE {STORED} AND {named} AND c.hidden > 1 LIMIT 1"
    ):
        raise _never_written(path, f"{column} of {table} is a generated column")
    # A view of objects is CellProfiler's own, and not read.
    kinds: dict[str, str] = dict(
        rows(
            "SELECT type, name FROM sqlite_master "
            f"WHERE type IN ('table', 'view') AND name GLOB '*{IMAGE_TABLE}'"
        )
    )
    if kinds.keys() == {"view"}:
        raise _never_written(path, f"{kinds['view']} is a view")


def check_texts(
    path: Path, size: int, rows: Rows, table: str, columns: Collection[str], where: str = "1"
) -> None:
    """Checks the lengths of the texts and bytes in some columns before they are read.

    `size` are the bytes of the file: no text of a small file can be too long.

    Raises:
        SourceError: one of them is too long.
    """
    if not columns or size <= LONGEST_TEXT:
        return
    longest = ", ".join(f"max(length(CAST({quoted(column)} AS BLOB)))" for column in columns)
    ((*lengths,),) = rows(f"SELECT {longest} FROM {quoted(table)} WHERE {where}")
    for column, length in zip(columns, lengths, strict=True):
        if (length or 0) > LONGEST_TEXT:
            problem = f"{column} of {table} has a text of {length >> 20:,} MB"
            advice = f"shorten it to {LONGEST_TEXT >> 20} MB, or move the file out of OUTPUTS"
            raise SourceError(path, problem, advice)


def quoted(name: str) -> str:
    """A name as a quoted SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def _never_written(path: Path, problem: str) -> SourceError:
    problem = f"{problem}; CellProfiler never writes this, so cpexport reads nothing from the file"
    return SourceError(path, problem, "move it out of OUTPUTS")
