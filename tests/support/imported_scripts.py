"""Runs scripts with plain clients, and reads what they imported with plain drivers."""

import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from cpexport.commands.script import Script
from cpexport.sql_script.manifest import ScriptOptions
from cpexport.tables.options import TableOptions
from support.calls import script
from support.fixtures import unpacked
from support.servers import Database
from support.wide_tables import wide_job

Rows = dict[str, dict[str, list[Any]]]

# The ledger tables that a load and a script fill differently.
_OWN = {"_cpexport_columns", "_cpexport_script"}


def written(
    outputs: Path | Sequence[Path], out: Path, form: ScriptOptions | None = None, **words: Any
) -> Script:
    """Writes a script's folder, as the command does."""
    paths = [outputs] if isinstance(outputs, Path) else outputs
    return script(paths, out, form or ScriptOptions(), **words)


def imported(
    database: Database, folder: Path, *words: str, script: str = "import.sql"
) -> "subprocess.CompletedProcess[str]":
    """Runs a folder's script with the server's own client, as the script's first line says."""
    command = database.server.client("--local-infile=1", *words, database.name)
    with (folder / script).open() as stream:
        return subprocess.run(
            command, cwd=folder, stdin=stream, capture_output=True, text=True, check=False
        )


def shell(
    file: Path, folder: Path, script: str = "import.sql"
) -> "subprocess.CompletedProcess[str]":
    """Runs a folder's script with SQLite's own shell."""
    with (folder / script).open() as stream:
        return subprocess.run(
            ["sqlite3", str(file)],
            cwd=folder,
            stdin=stream,
            capture_output=True,
            text=True,
            check=False,
        )


def in_sqlite(file: Path) -> Rows:
    """All tables of a file by column; parts of a table are joined, rows are sorted by value."""
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as db:

        def query(words: str) -> list[tuple[Any, ...]]:
            return db.execute(words).fetchall()

        names = query(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'"
        )
        columns = {
            name: [row[1] for row in query(f"PRAGMA table_info('{name}')")] for (name,) in names
        }
        return _collected(columns, query, '"')


def in_server(database: Database) -> Rows:
    """The same for a database on a server, using PyMySQL."""
    columns: dict[str, list[str]] = {}
    for table, column in database.rows(
        "SELECT c.table_name, c.column_name FROM information_schema.columns c "
        "JOIN information_schema.tables t USING (table_schema, table_name) WHERE table_schema = "
        "DATABASE() AND table_type = 'BASE TABLE' AND extra NOT LIKE '%INVISIBLE%' "
        "ORDER BY table_name, ordinal_position"
    ):
        columns.setdefault(table, []).append(column)
    return _collected(columns, database.rows, "`")


def _collected(columns: dict[str, list[str]], query: Callable[[str], Any], quote: str) -> Rows:
    tables: Rows = {}
    # Batches are numbered in the order in which they were loaded, so they go by their signatures.
    batches = dict(query("SELECT batch_id, signature FROM _cpexport_batches"))
    for table, names in sorted(columns.items()):
        # What is computed from other tables, and from the batch file, comes with a load.
        if table in _OWN or table.endswith("planned"):
            continue
        # When a batch was imported.
        names = [name for name in names if name != "loaded_utc"]
        listed = ", ".join(f"{quote}{name}{quote}" for name in names)
        # A script writes the measurements of a run by job, and leaves those of the whole run to a
        # load. So it does with the summary of the ledger, and with planned image sets.
        condition = (
            " WHERE name NOT IN ('layout', 'measured_of', 'summary', 'planned', 'made', 'views')"
            if table == "_cpexport_settings"
            else ""
        )
        rows = query(f"SELECT {listed} FROM {quote}{table}{quote}{condition}")
        if "batch_id" in names:
            place_of_id = names.index("batch_id")
            rows = [
                (*row[:place_of_id], batches[row[place_of_id]], *row[place_of_id + 1 :])
                for row in rows
            ]
        rows = sorted(rows, key=_order)
        values_by_column = tables.setdefault(table.partition("_part")[0], {})
        for index, name in enumerate(names):
            values = [row[index] for row in rows]
            assert values_by_column.setdefault(name, values) == values, (
                f"parts of {table} differ in {name}"
            )
    return tables


def _order(row: Sequence[Any]) -> tuple[Any, ...]:
    return tuple((value is not None, str(type(value)), value) for value in row[:6])


def same(one: Rows, other: Rows) -> bool:
    """Asserts that all values are the same to the last bit; names the first column that differs.

    A double is no integer, even if they are equal; -0.0 is 0.0.
    """
    assert {t: sorted(c) for t, c in one.items()} == {t: sorted(c) for t, c in other.items()}
    for table, columns in one.items():
        for name, values in columns.items():
            theirs = other[table][name]
            assert values == theirs, (table, name)
            assert [*map(type, values)] == [*map(type, theirs)], (table, name)
    return True


# Cases, the folders of each that are loaded, and the options. "wide" is `wide_job`. Of the jobs
# with relationships, the third is incomplete, and left out.
CASES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "ranges": ("10_ranges", "outputs", {}),
    "h5": ("11_h5_and_csv", "outputs/batch_1_6", {}),
    "relationships": (
        "40_spreadsheet",
        "outputs/P1-A01-1 outputs/P1-A01-2 outputs/P1-B02-1 outputs/P2-A01-1",
        {"prefix": "My_"},
    ),
    "tracks": ("50_track", "lap_batch/outputs", {}),
    "wide": ("wide", "", {}),
    "parts": ("wide", "", {"shape": TableOptions("combined")}),
    "old": ("70_cp319", "batch/outputs", {}),
    "side by side": (
        "70_sqlcsv",
        "csv_per_job",
        {"shape": TableOptions("combined", aggregate=("mean",))},
    ),
    "view": ("10_ranges", "outputs/batch_1_6", {"shape": TableOptions("view")}),
}


def of_case(name: str, out: Path, form: ScriptOptions | None = None) -> Script:
    """Writes the script of one of `CASES`."""
    folder, parts, words = CASES[name]
    outputs = [outputs_of(folder, part) for part in parts.split() or [""]]
    return written(outputs, out, form, **words)


def three_batches() -> list[Path]:
    """The outputs of three jobs, of six image sets each."""
    return [unpacked("10_ranges") / "outputs" / f"batch_{n}" for n in ("1_6", "7_12", "13_18")]


def outputs_of(name: str, part: str) -> Path:
    """A part of the folder of a case, or `wide_job`."""
    return wide_job() if name == "wide" else unpacked(name) / part


def copied_folder(folder: Path, to: Path) -> Path:
    return Path(shutil.copytree(folder, to))
