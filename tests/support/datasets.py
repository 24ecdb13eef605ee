"""Reads folders of Parquet or of Delta tables with programs that do not know cpexport."""

from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
from deltalake import DeltaTable
from pyarrow import parquet

from support.fixtures import rows

LEDGERS = ("_cpexport.sqlite", "_cpexport_delta.sqlite")


def ledger(folder: Path) -> Path:
    """The SQLite file that is the folder's ledger."""
    parquet_ledger, delta_ledger = (folder / name for name in LEDGERS)
    return delta_ledger if delta_ledger.exists() else parquet_ledger


def table_in(table: Path) -> pa.Table | None:
    """The rows of a table, as its readers find them; None if they find no table."""
    if (table.parent / LEDGERS[1]).exists():
        if not DeltaTable.is_deltatable(str(table)):
            return None
        return pa.table(DeltaTable(table).to_pyarrow_dataset().to_table())
    return parquet.read_table(table) if list(table.glob("*.parquet")) else None


def asked(folder: Path, query: str) -> list[tuple[Any, ...]]:
    """Returns the rows of a DuckDB query, in which each folder is a table."""
    with duckdb.connect() as db:
        for table in folder.iterdir():
            if (folder / LEDGERS[1]).exists():
                if table.is_dir() and (rows := table_in(table)) is not None:
                    db.register(table.name, rows)
            elif table.is_dir() and list(table.glob("*.parquet")):
                db.execute(f"CREATE VIEW \"{table.name}\" AS FROM '{table}/*.parquet'")
        return db.execute(query).fetchall()


def content(folder: Path) -> dict[str, list[tuple[Any, ...]]]:
    """All rows of all tables in order, and the image sets in the ledger: like `fixtures.content`,
    which reads a SQLite file."""
    content_by_table = {}
    for table in sorted(folder.iterdir()):
        if table.is_dir() and not table.name.startswith(("_", "Experiment")):
            rows_read = table_in(table)
            assert rows_read is not None
            columns = rows_read.to_pydict().values()
            content_by_table[table.name] = sorted(
                zip(*columns, strict=True), key=lambda row: row[:5]
            )
    content_by_table["ledger"] = rows(
        ledger(folder),
        "SELECT number, path, identity FROM _cpexport_sets JOIN _cpexport_batches "
        "USING (batch_id) ORDER BY number",
    )
    return content_by_table


def leftovers(folder: Path) -> set[str]:
    """Files that are not in the ledger, and files in the ledger that do not exist.

    The journal of a transaction that never reached the disk is no leftover: SQLite removes it when
    it next writes. The ledger of Delta tables has replaced files as long as they are kept.
    """
    existing = {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}
    delta = ledger(folder).name == LEDGERS[1]
    here = "1" if delta else "NOT gone"
    recorded = rows(
        ledger(folder), f"SELECT table_name || '/' || name FROM _cpexport_files WHERE {here}"
    )
    existing = {name for name in existing if "/_delta_log/" not in name}
    existing.discard(f"{ledger(folder).name}-journal")
    return existing ^ {ledger(folder).name, *(str(name) for (name,) in recorded)}
