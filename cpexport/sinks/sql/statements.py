"""Runs SQLAlchemy statements over the ledger's tables on any `Database`.

Compiling a statement takes longer than executing it. So statements are built once, with names in
place of values, by functions under `functools.cache`, and each is compiled once.
"""

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

import pyarrow as pa
import sqlalchemy as sa
from sqlalchemy.dialects import sqlite
from sqlalchemy.sql.compiler import SQLCompiler

from cpexport.imagesets import ImageSets
from cpexport.sinks.sql.database import Database, spans
from cpexport.sinks.sql.scope import Scope

# Writes what all databases here read: `?` for values, and double quotes around names.
_DIALECT = sqlite.dialect(paramstyle="qmark")


def view_for(dialect: sa.Dialect, create: str) -> str:
    """The statement that makes a view.

    On a server the view replaces an older one, and reads with the rights of its reader: the account
    that made it may be removed one day.
    """
    if dialect.name != "mysql":
        return create
    return create.replace("CREATE VIEW", "CREATE OR REPLACE SQL SECURITY INVOKER VIEW", 1)


def fetch(db: Database, statement: sa.Select[Any], **values: object) -> list[tuple[Any, ...]]:
    """The rows of a query. `values` are those of its parameters, by name; others are ignored.

    Raises:
        sqlalchemy.exc.InvalidRequestError: a parameter has no value.
    """
    compiled = _compiled(statement)
    return db.rows(str(compiled), *_by_position(compiled, values))


def execute(db: Database, statement: sa.Executable, **values: object) -> None:
    """Executes one statement; `values` and errors as for `fetch`."""
    compiled = _compiled(statement)
    db.run(str(compiled), *_by_position(compiled, values))


def execute_many(db: Database, statement: sa.Executable, rows: pa.RecordBatch) -> None:
    """Executes one statement for each row; the columns are its parameters, by name."""
    compiled = _compiled(statement)
    db.run_many(str(compiled), rows.select(list(compiled.positiontup or ())))


@cache
def inserted(table: sa.Table, *left_out: str) -> sa.Insert:
    """The statement that inserts a row, with a parameter for each column but those `left_out`."""
    names = [column.name for column in table.columns if column.name not in left_out]
    return sa.insert(table).values({name: sa.bindparam(name) for name in names})


@cache
def deleted(table: sa.Table, *columns: str) -> sa.Delete:
    """The statement that deletes the rows with given values of these columns, parameters of the
    same names."""
    return sa.delete(table).where(*(table.c[name] == sa.bindparam(name) for name in columns))


def in_scope(table: sa.Table, one_run: bool) -> sa.ColumnElement[bool]:
    """The condition that selects rows of a scope; `values_of` has the values of its parameters."""
    prefix = table.c.prefix == sa.bindparam("of_prefix")
    return sa.and_(prefix, table.c.table_number == sa.bindparam("of_run")) if one_run else prefix


def values_of(scope: Scope) -> dict[str, object]:
    return {"of_prefix": scope.prefix, "of_run": scope.number}


def in_ranges(column: sa.ColumnElement[int], count: int) -> sa.ColumnElement[bool]:
    """The condition that selects `count` ranges of image sets; see `ranges_of`."""
    numbers = range(count)
    return sa.or_(
        *(column.between(sa.bindparam(f"first_{n}"), sa.bindparam(f"last_{n}")) for n in numbers)
    )


def ranges_of(image_sets: ImageSets) -> Iterable[tuple[int, Mapping[str, object]]]:
    """The values of `in_ranges`, a bounded number of ranges at a time, with their number."""
    for ranges in spans(image_sets):
        values: dict[str, object] = {}
        for place, (first, last) in enumerate(ranges):
            values |= {f"first_{place}": first, f"last_{place}": last}
        yield len(ranges), values


@cache
def _compiled(statement: sa.Executable) -> SQLCompiler:
    compiled = statement.compile(dialect=_DIALECT)  # type: ignore[attr-defined]
    assert isinstance(compiled, SQLCompiler)
    return compiled


def _by_position(compiled: SQLCompiler, values: Mapping[str, object]) -> list[object]:
    parameters = compiled.construct_params(values, _check=True)
    return [parameters[name] for name in compiled.positiontup or ()]
