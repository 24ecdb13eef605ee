"""Columns of numbers that become text, as SQL expressions for MySQL and MariaDB."""

import json

import pyarrow as pa
import sqlalchemy as sa

from cpexport.cellprofiler.features import (
    IMAGE,
    IMAGE_NUMBER,
    REAL,
    TABLE_NUMBER,
)
from cpexport.cellprofiler.image_identity import identifies_images
from cpexport.sinks.mysql.database import MysqlDatabase
from cpexport.sinks.sql import schema
from cpexport.sinks.sql.database import literal, quoted
from cpexport.tables.casts import as_text
from cpexport.tables.layout import Column, Table

TEXTS = "_cpexport_texts"


def texts_table() -> sa.Table:
    columns = (sa.Column("name", sa.String(64)), sa.Column("value", sa.DOUBLE))
    table = sa.Table(TEXTS, sa.MetaData(), *columns, sa.Column("text", sa.Text), **schema.MYSQL)
    sa.Index("by_value", *columns)
    return table


def written_as_text(db: MysqlDatabase, table: Table, column: Column, type: str, prefix: str) -> str:
    """A SQL expression for a column of numbers as text. Metadata is as the jobs wrote it, which the
    ledger knows; other numbers get the shortest text that reads back exactly."""
    name = quoted(column.name)
    number = f"CAST(o.{name} AS CHAR)"
    if type != "bigint":
        number = _texts(db, table, column.name)
    if column.object != IMAGE or not identifies_images(column.feature):
        return number
    run = f"o.{TABLE_NUMBER}" if TABLE_NUMBER in table.key else "0"
    path = _literal(f"$.{json.dumps(column.feature, ensure_ascii=False)}")
    written = (
        f"SELECT JSON_UNQUOTE(JSON_EXTRACT(s.identity, {path})) FROM _cpexport_sets s "
        f"WHERE s.prefix = {_literal(prefix)} AND s.table_number = {run} "
        f"AND s.number = o.{quoted(IMAGE_NUMBER)}"
    )
    return f"coalesce(({written}), {number})"


def _texts(db: MysqlDatabase, table: Table, column: str) -> str:
    """A SQL expression for a column of real numbers as text; it looks up each value in a table."""
    name = quoted(column)
    rows = db.rows(f"SELECT DISTINCT {name} FROM {quoted(table.name)} WHERE {name} IS NOT NULL")
    numbers = pa.array([value for (value,) in rows], REAL)
    names = pa.repeat(pa.scalar(column), len(numbers))
    texts = pa.record_batch([names, numbers, as_text(numbers)], names=["name", "value", "text"])
    db.ingest(TEXTS, texts)
    of_column = f"t.name = {_literal(column)} AND t.value = o.{name}"
    return f"(SELECT t.text FROM {TEXTS} t WHERE {of_column})"


def _literal(text: str) -> str:
    """A text as a literal for these servers, where a backslash escapes."""
    return literal(text.replace("\\", "\\\\"))
