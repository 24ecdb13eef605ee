"""The tables of a script for MariaDB and MySQL, and statements that make them: the same tables as
the sinks make."""

from collections.abc import Iterator
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa

from cpexport.cellprofiler.features import TEXT
from cpexport.errors import SinkError
from cpexport.sinks.mysql.dialect import DIALECT, with_key
from cpexport.sinks.sql import ledger_schema, schema
from cpexport.sinks.sql.schema import PLACE_LENGTH
from cpexport.sql_script.manifest import Manifest
from cpexport.sql_script.mysql.statements import RUN, literal
from cpexport.tables.layout import Table

REQUIRES_KEYS: Final = "SET @keys = 0 /*!80013 + @@SESSION.sql_require_primary_key */;\n"
"""Sets `@keys` to whether the server makes no table without a primary key. MariaDB, which has no
such variable, leaves out what only newer versions of MySQL understand."""

LONGEST_TEXT: Final = 65_535
"""The most bytes that a TEXT column holds."""


def tables(contents: Manifest) -> list[sa.Table]:
    """The data tables, the tables of relationships, and Per_Experiment."""
    prefix, numbered = contents.prefix, contents.shape.numbered
    return [
        *map(schema.data_table, contents.layout.tables.values()),
        *schema.relationship_tables(prefix, numbered),
        schema.experiment_table(prefix, numbered),
    ]


def own_tables() -> list[sa.Table]:
    """The ledger's tables, and the table of batches that a script loaded."""
    return [*ledger_schema.own_tables(), ledger_schema.SCRIPTED]


def made(table: sa.Table) -> Iterator[str]:
    """Statements that make a table and its indexes, if they do not exist."""
    create, *more = schema.create(table, DIALECT)
    create = create.replace("CREATE TABLE", "CREATE TABLE IF NOT EXISTS", 1)
    if table.primary_key.columns:
        yield f"{create};\n"
    else:
        keyed = literal(with_key(create))
        yield f"SET @s = IF(@keys, {keyed},\n  {literal(create)});\n{RUN}"
    indexes = sorted(table.indexes, key=lambda index: str(index.name))
    for index, statement in zip(indexes, more, strict=True):
        yield indexed(table.name, str(index.name), statement)


def indexed(table: str, index: str, statement: str) -> str:
    """Statements that make an index, if the table has none of this name."""
    existing = (
        "SELECT COUNT(*) FROM information_schema.statistics WHERE table_schema = DATABASE() "
        f"AND table_name = {literal(table)} AND index_name = {literal(index)}"
    )
    return f"SET @s = IF(({existing}) = 0, {literal(statement)}, 'DO 0');\n{RUN}"


def types(table: sa.Table) -> dict[str, str]:
    """The SQL types of a table's columns by name."""
    return {c.name: str(c.type.compile(dialect=DIALECT)) for c in table.columns}


def check_text_lengths(rows: pa.RecordBatch, table: Table, file: str) -> None:
    """Checks that all texts fit into their columns.

    Raises:
        SinkError: one does not.
    """
    kinds = types(schema.data_table(table))
    for column in table.columns:
        values, kind = rows[column.name], kinds.get(column.name, "")
        if kind == "TEXT":
            longest = pc.max(pc.binary_length(values.cast(TEXT))).as_py() or 0
            limit, unit = LONGEST_TEXT, "bytes"
        elif schema.is_place(column):
            longest = pc.max(pc.utf8_length(values.cast(TEXT))).as_py() or 0
            limit, unit = PLACE_LENGTH, "characters"
        else:
            continue
        if longest > limit:
            raise SinkError(
                file,
                f"{column.name} has a text of {longest} {unit}, but {kind} allows {limit}",
                "load into SQLite instead",
            )
