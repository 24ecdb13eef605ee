"""Reads destinations with plain drivers, also those that a fault has left half written."""

import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
from fuzz.destinations import LEDGER, Content
from support.servers import Database

Tables = dict[str, Content]
"""The tables of a destination by name, with those of the ledger, without views."""


def of_sqlite(file: Path) -> Tables:
    """The tables of a SQLite file; none if it does not exist.

    The file is opened to write: the journal of a load that was killed is rolled back first.
    """
    if not file.exists():
        return {}
    with closing(sqlite3.connect(file)) as db:
        names = db.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' "
            "ESCAPE '\\'"
        ).fetchall()
        return {name: _content(db.execute(f'SELECT * FROM "{name}"')) for (name,) in names}


def of_duckdb(file: Path) -> Tables:
    """The same for a DuckDB file; an empty file, which a killed process can leave, has none."""
    if not file.exists() or not file.stat().st_size:
        return {}
    with duckdb.connect(str(file), config={"threads": 1}) as db:
        names = db.execute(
            "SELECT table_name FROM information_schema.tables WHERE table_schema = 'main' "
            "AND table_type = 'BASE TABLE'"
        ).fetchall()
        return {name: _content(db.execute(f'SELECT * FROM "{name}"')) for (name,) in names}


def of_parquet(folder: Path) -> Tables:
    """The same for a folder of Parquet, without tables whose files are being replaced."""
    tables = of_sqlite(folder / LEDGER)
    for part in sorted(folder.glob("*/")):
        files = sorted(part.glob("*.parquet"))
        # A file that is no Parquet makes the table unreadable while its files are replaced.
        with suppress(pa.ArrowInvalid):
            if files:
                parts = [pq.read_table(file, partitioning=None) for file in files]
                table = pa.concat_tables(parts, promote_options="permissive")
                columns = [column.to_pylist() for column in table.columns]
                rows = tuple(zip(*columns, strict=True))
                tables[part.name] = Content(tuple(table.column_names), rows)
    return tables


def of_server(database: Database) -> Tables:
    """The same for a database on a server, without columns that a server hides."""
    tables = {}
    with database.connect(user="root", password="") as connection, connection.cursor() as cursor:
        cursor.execute("SHOW FULL TABLES WHERE Table_type = 'BASE TABLE'")
        for name, _ in cursor.fetchall():
            cursor.execute(f"SELECT * FROM `{name}`")
            tables[name] = _content(cursor)
    return tables


def _content(cursor: Any) -> Content:
    return Content(tuple(one[0] for one in cursor.description), tuple(cursor.fetchall()))


OF_FILES: dict[str, Callable[[Path], Tables]] = {
    "sqlite": of_sqlite,
    "duckdb": of_duckdb,
    "parquet": of_parquet,
}
