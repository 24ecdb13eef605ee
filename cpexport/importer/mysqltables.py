"""The tables of a script for MariaDB and MySQL: those that the sinks make there, by statements."""

from collections.abc import Iterator
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa

from cpexport.errors import SinkError
from cpexport.features import TEXT
from cpexport.importer.contents import Contents
from cpexport.importer.mysqlwords import RUN, literal
from cpexport.sinks import schema
from cpexport.sinks.mysqlserver import DIALECT
from cpexport.tables import Table

LONGEST_TEXT: Final = 65_535
"""Bytes in a TEXT column."""


def tables(contents: Contents) -> list[sa.Table]:
    """The data tables, those of relationships, and of what ran."""
    prefix, numbered = contents.prefix, contents.shape.numbered
    return [
        *map(schema.data_table, contents.layout.tables.values()),
        *schema.relationship_tables(prefix, numbered),
        schema.experiment_table(prefix, numbered),
    ]


def own_tables() -> list[sa.Table]:
    """The ledger's tables, and which batches came by a script."""
    return [*schema.own_tables(), schema.SCRIPTED]


def made(table: sa.Table) -> Iterator[str]:
    """Statements that make a table and its indexes where there are none of their names."""
    create, *more = schema.create(table, DIALECT)
    yield create.replace("CREATE TABLE", "CREATE TABLE IF NOT EXISTS", 1) + ";\n"
    indexes = sorted(table.indexes, key=lambda index: str(index.name))
    for index, statement in zip(indexes, more, strict=True):
        yield indexed(table.name, str(index.name), statement)


def indexed(table: str, index: str, statement: str) -> str:
    """Statements that make an index where the table has none of this name."""
    there = (
        "SELECT COUNT(*) FROM information_schema.statistics WHERE table_schema = DATABASE() "
        f"AND table_name = {literal(table)} AND index_name = {literal(index)}"
    )
    return f"SET @s = IF(({there}) = 0, {literal(statement)}, 'DO 0');\n{RUN}"


def types(table: sa.Table) -> dict[str, str]:
    """The types of a table's columns by their names."""
    return {c.name: str(c.type.compile(dialect=DIALECT)) for c in table.columns}


def refuse_long_texts(rows: pa.RecordBatch, table: Table, file: str) -> None:
    """Refuses texts that a column would not hold.

    Raises:
        SinkError: there is one.
    """
    bounded = {name for name, type in types(schema.data_table(table)).items() if type == "TEXT"}
    for column in table.columns:
        if column.name in bounded:
            longest = pc.max(pc.binary_length(rows[column.name].cast(TEXT))).as_py() or 0
            if longest > LONGEST_TEXT:
                raise SinkError(
                    file,
                    f"{column.name} has a text of {longest} bytes, and TEXT holds {LONGEST_TEXT}",
                    "load it into SQLite",
                )
