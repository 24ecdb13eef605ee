"""The indexes for the usual queries: on SQLite and servers, kept, left out, and missed."""

import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import duckdb
import pytest
from bench.queries import QUERIES
from pymysql.cursors import DictCursor
from support.calls import load, script, verify
from support.fixtures import rows, unpacked
from support.imported_scripts import imported, shell
from support.servers import Database

from cpexport.derived.wells import Wells
from cpexport.sql_script.manifest import MYSQL, SQLITE, ScriptOptions
from cpexport.tables.options import COMBINED, TableOptions

IMAGE_SETS = {"PRIMARY", "sqlite_autoindex_Per_Cells_1", "Per_ICells_Parent_Nuclei"}
"""The indexes of cells that begin with the image set."""
USED = {
    "wells, with image sets": {"Per_IPlateWell"},
    "image sets of a well": {"Per_IPlateWell"},
    "mean of a feature by well": IMAGE_SETS,
    "nuclei with their cells": {"Per_ICells_Parent_Nuclei"},
    "a feature of all cells": {""},
    "all columns of 100 image sets": IMAGE_SETS,
}
"""For each of the usual queries, the indexes that may find the rows of its last table."""
NAMES = {"Per_ICells_Parent_Nuclei", "Per_ICytoplasm_Parent_Cells", "Per_IPlateWell"}

ESTIMATED = (
    "SELECT n_rows FROM mysql.innodb_table_stats "
    "WHERE database_name = DATABASE() AND table_name = 'Per_Cells'"
)
"""How many rows the optimizer takes a table to have."""
JOBS = ("P1-A01-1", "P1-A01-2", "P1-A02-1", "P1-A02-2", "P1-A03-1", "P1-A03-2", "P2-A01-1")
TABLES = {name: name for name in ("Per_Image", "Per_Cells", "Per_Nuclei")}

Ask = Callable[[str], list[tuple[object, ...]]]


class Place:
    """A destination, and its rows by a plain driver."""

    def __init__(self, kind: str, folder: Path, databases: Callable[[str], Database]) -> None:
        self.file, self.database = folder / "x.sqlite", None
        self.url, self.ask = f"sqlite:///{self.file}", self._of_file
        if kind != "sqlite":
            self.database = databases(kind)
            self.url, self.ask = self.database.url(), self.database.rows

    def _of_file(self, sql: str) -> list[tuple[object, ...]]:
        return rows(self.file, sql)

    def used(self, sql: str) -> list[str]:
        """The index by which the rows of each table of a query are found, or an empty name."""
        if self.database is None:
            steps = [str(step) for *_, step in self.ask(f"EXPLAIN QUERY PLAN {sql}")]
            found = [re.search(r"INDEX (\w+)", step) for step in steps if "Per_" in step]
            return [name[1] if name else "" for name in found]
        with self.database.connect(cursorclass=DictCursor) as db, db.cursor() as cursor:
            form = "FORMAT=TRADITIONAL" if self.database.server.kind == "mysql" else ""
            cursor.execute(f"EXPLAIN {form} {sql}")
            return [row["key"] or "" for row in cursor.fetchall()]

    def names(self) -> set[str]:
        """The names of the indexes."""
        sql = "SELECT name FROM sqlite_master WHERE type = 'index'"
        if self.database:
            sql = (
                "SELECT DISTINCT index_name FROM information_schema.statistics "
                "WHERE table_schema = DATABASE()"
            )
        return {str(name) for (name,) in self.ask(sql)}

    def drop(self, name: str, table: str) -> None:
        if self.database:
            self.ask(f"DROP INDEX {name} ON {table}")
        else:
            with closing(sqlite3.connect(self.file)) as db:
                db.execute(f"DROP INDEX {name}")


@pytest.fixture(params=["sqlite", "mariadb", "mysql"])
def place(
    request: pytest.FixtureRequest, tmp_path: Path, databases: Callable[[str], Database]
) -> Place:
    return Place(request.param, tmp_path, databases)


def job(name: str) -> Path:
    return unpacked("40_spreadsheet") / "outputs" / name


def test_they_serve_the_usual_queries_and_later_loads_keep_them(place: Place) -> None:
    outputs = [job(name) for name in JOBS]
    load(outputs[1:], place.url)
    load(outputs, place.url)

    assert place.names() >= NAMES
    for name, sql in QUERIES.items():
        assert place.used(sql.format_map(TABLES))[-1] in USED[name], name
    if place.database:
        ((type,),) = place.ask(
            "SELECT column_type FROM information_schema.columns "
            "WHERE table_schema = DATABASE() AND column_name = 'Image_Metadata_Well'"
        )
        assert type == "varchar(255)"
        assert place.ask(ESTIMATED) == place.ask("SELECT count(*) FROM Per_Cells")
        ((_, made),) = place.ask("SHOW CREATE TABLE Per_Cells")
        assert "STATS_SAMPLE_PAGES=2000" in str(made)


def test_duckdb_joins_without_any(tmp_path: Path) -> None:
    file = tmp_path / "x.duckdb"
    load([job("P1-A01-1")], f"duckdb:///{file}")
    with duckdb.connect(file, read_only=True) as db:
        for name in ("mean of a feature by well", "nuclei with their cells"):
            ((_, plan),) = db.execute(f"EXPLAIN {QUERIES[name].format_map(TABLES)}").fetchall()
            assert ("Hash Join" in plan, "Loop" in plan) == (True, False)


def test_objects_side_by_side_and_other_features_of_plate_and_well_have_them(place: Place) -> None:
    outputs, shape = [job("P1-A01-1")], TableOptions(COMBINED)
    wells = Wells((), "Metadata_Compound", "Metadata_Dose")
    load(outputs, place.url, shape=shape, wells=wells)
    place.drop("Per_IMetadata_Compound_Metadata_Dose", "Per_Image")
    noted = verify(outputs, place.url).notes
    load(outputs, place.url)

    assert len(noted) == 1
    assert place.names() >= {*NAMES, "Per_IMetadata_Compound_Metadata_Dose"}
    assert place.used(
        "SELECT n.ObjectNumber, c.ObjectNumber FROM Per_Object n LEFT JOIN Per_Object c "
        "ON c.ImageNumber = n.ImageNumber AND c.Cells_Parent_Nuclei = n.ObjectNumber"
    )[-1:] == ["Per_ICells_Parent_Nuclei"]
    assert verify(outputs, place.url).notes == ()


def test_one_that_is_missing_is_a_note_and_made_by_the_next_load(place: Place) -> None:
    outputs = [job("P1-A01-1")]
    load(outputs, place.url)
    place.drop("Per_ICells_Parent_Nuclei", "Per_Cells")
    found = verify(outputs, place.url)
    load(outputs, place.url)

    assert (found.exit_status, found.differences) == (0, ())
    assert [note for note in found.notes if "Per_ICells_Parent_Nuclei" in note] == [*found.notes]
    assert len(found.notes) == 1
    assert place.names() >= NAMES
    assert verify(outputs, place.url).notes == ()


def test_without_them_later_loads_make_none_until_they_are_wanted(place: Place) -> None:
    outputs = [job("P1-A01-1")]
    load(outputs, place.url, indexes=False)
    load(outputs, place.url)

    assert not place.names() & NAMES
    assert verify(outputs, place.url).notes == ()
    load(outputs, place.url, indexes=True)
    assert place.names() >= NAMES


def test_a_script_makes_the_same_and_reads_no_file_of_a_batch_that_is_loaded(
    place: Place, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    kind = MYSQL if place.database else SQLITE
    script([job("P1-A01-1")], out, ScriptOptions(kind))
    client = imported(place.database, out) if place.database else shell(place.file, out)

    assert (client.returncode, "ERROR" in client.stderr) == (0, False)
    assert place.names() >= NAMES
    for file in (out / "data").glob("*.csv"):
        file.unlink()
    if place.database:
        again = imported(place.database, out)
        assert ("analyze" in client.stdout, "analyze" in again.stdout) == (True, False)
    else:
        again = shell(place.file, out, "import-new.sql")
        assert place.ask("SELECT count(*) > 0 FROM sqlite_stat1 WHERE tbl = 'Per_Cells'") == [(1,)]
    assert (again.returncode, "0 of 1 batches imported" in again.stdout) == (0, True)
    load([job("P1-A01-1")], place.url)
    assert verify([job("P1-A01-1")], place.url).exit_status == 0
