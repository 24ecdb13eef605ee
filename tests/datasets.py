"""Folders of Parquet, read by programs that know nothing of cpexport."""

from pathlib import Path

import duckdb
from conftest import rows
from pyarrow import parquet


def asked(folder: Path, query: str) -> list[tuple[object, ...]]:
    """The rows of a query by DuckDB, each folder in it a table."""
    with duckdb.connect() as db:
        for table in folder.iterdir():
            if table.is_dir() and list(table.glob("*.parquet")):
                db.execute(f"CREATE VIEW \"{table.name}\" AS FROM '{table}/*.parquet'")
        return db.execute(query).fetchall()


def content(folder: Path) -> dict[str, list[tuple[object, ...]]]:
    """All rows of all tables in order, and what the ledger says of image sets: what
    `conftest.content` is of a SQLite file."""
    found = {}
    for table in sorted(folder.iterdir()):
        if table.is_dir() and not table.name.startswith(("_", "Experiment")):
            columns = parquet.read_table(table).to_pydict().values()
            found[table.name] = sorted(zip(*columns, strict=True), key=lambda row: row[:5])
    found["ledger"] = rows(
        folder / "_cpexport.sqlite",
        "SELECT number, path, identity FROM _cpexport_sets JOIN _cpexport_batches "
        "USING (batch_id) ORDER BY number",
    )
    return found


def leftovers(folder: Path) -> set[str]:
    """Files that are not what the ledger says there is, and what it says and is not there.

    SQLite takes the journal of a transaction that never got to the disk away when it next writes.
    """
    there = {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}
    said = rows(
        folder / "_cpexport.sqlite",
        "SELECT table_name || '/' || name FROM _cpexport_files WHERE NOT gone",
    )
    there.discard("_cpexport.sqlite-journal")
    return there ^ {"_cpexport.sqlite", *(str(name) for (name,) in said)}
