"""Reads folders of Parquet with programs that do not know cpexport."""

from pathlib import Path
from typing import Any

import duckdb
from pyarrow import parquet

from support.fixtures import rows


def asked(folder: Path, query: str) -> list[tuple[Any, ...]]:
    """Returns the rows of a DuckDB query, in which each folder is a table."""
    with duckdb.connect() as db:
        for table in folder.iterdir():
            if table.is_dir() and list(table.glob("*.parquet")):
                db.execute(f"CREATE VIEW \"{table.name}\" AS FROM '{table}/*.parquet'")
        return db.execute(query).fetchall()


def content(folder: Path) -> dict[str, list[tuple[Any, ...]]]:
    """All rows of all tables in order, and the image sets in the ledger: like `fixtures.content`,
    which reads a SQLite file."""
    content_by_table = {}
    for table in sorted(folder.iterdir()):
        if table.is_dir() and not table.name.startswith(("_", "Experiment")):
            columns = parquet.read_table(table).to_pydict().values()
            content_by_table[table.name] = sorted(
                zip(*columns, strict=True), key=lambda row: row[:5]
            )
    content_by_table["ledger"] = rows(
        folder / "_cpexport.sqlite",
        "SELECT number, path, identity FROM _cpexport_sets JOIN _cpexport_batches "
        "USING (batch_id) ORDER BY number",
    )
    return content_by_table


def leftovers(folder: Path) -> set[str]:
    """Files that are not in the ledger, and files in the ledger that do not exist.

    The journal of a transaction that never reached the disk is no leftover: SQLite removes it when
    it next writes.
    """
    existing = {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}
    recorded = rows(
        folder / "_cpexport.sqlite",
        "SELECT table_name || '/' || name FROM _cpexport_files WHERE NOT gone",
    )
    existing.discard("_cpexport.sqlite-journal")
    return existing ^ {"_cpexport.sqlite", *(str(name) for (name,) in recorded)}
