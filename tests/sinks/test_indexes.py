"""The indexes for the usual queries: on SQLite and servers, kept, left out, and missed."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from support.calls import load, script, verify
from support.fixtures import rows, unpacked
from support.imported_scripts import imported, shell
from support.servers import Database

from cpexport.sql_script.manifest import MYSQL, SQLITE, ScriptOptions

CHILDREN = (
    "SELECT count(c.ImageNumber) FROM Per_Nuclei n LEFT JOIN Per_Cells c "
    "ON c.ImageNumber = n.ImageNumber AND c.Cells_Parent_Nuclei = n.Nuclei_Number_Object_Number"
)
WELLS = "SELECT DISTINCT Image_Metadata_Plate, Image_Metadata_Well FROM Per_Image"
NAMES = {"Per_ICells_Parent_Nuclei", "Per_ICytoplasm_Parent_Cells", "Per_IPlateWell"}

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

    def plan(self, sql: str) -> str:
        word = "EXPLAIN" if self.database else "EXPLAIN QUERY PLAN"
        return str(self.ask(f"{word} {sql}"))

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
    load([job("P1-A01-1")], place.url)
    load([job("P1-A01-1"), job("P1-A01-2")], place.url)

    assert place.names() >= NAMES
    assert "Per_ICells_Parent_Nuclei" in place.plan(CHILDREN)
    assert "Per_IPlateWell" in place.plan(WELLS)
    assert place.ask(CHILDREN) == [(43,)]
    if place.database:
        ((type,),) = place.ask(
            "SELECT column_type FROM information_schema.columns "
            "WHERE table_schema = DATABASE() AND column_name = 'Image_Metadata_Well'"
        )
        assert type == "varchar(255)"


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
    else:
        again = shell(place.file, out, "import-new.sql")
    assert (again.returncode, "0 of 1 batches loaded" in again.stdout) == (0, True)
    load([job("P1-A01-1")], place.url)
    assert verify([job("P1-A01-1")], place.url).exit_status == 0
