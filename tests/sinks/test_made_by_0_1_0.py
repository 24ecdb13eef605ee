"""Destinations that version 0.1.0 made open, and take new batches and re-runs of old ones."""

import csv
import lzma
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest
from support.fixtures import DATA, Ran, extract, unpacked
from support.servers import Database

import cpexport as package

MADE = DATA / "made_by_0_1_0"
CASE = "40_spreadsheet"
KINDS = ("plain.sqlite", "runs.sqlite", "wells.sqlite", "plain.duckdb", "parquet", "staged")

INDEXES = {
    "sqlite": "SELECT name FROM sqlite_master WHERE type = 'index'",
    "mysql+pymysql": "SELECT DISTINCT index_name FROM information_schema.statistics "
    "WHERE table_schema = DATABASE()",
}
"""How the names of indexes are found, where destinations have some."""

Run = Callable[..., Ran]
Cells = dict[tuple[int, int], float]


@dataclass
class Made:
    """A destination that version 0.1.0 made, to change as one likes."""

    url: str
    rows: Callable[[str], list[tuple[object, ...]]]
    """The rows of a query of the form SELECT ... FROM one table, by a plain driver."""
    prefix: str = ""
    runs: bool = False

    @property
    def to(self) -> tuple[str, ...]:
        return ("--to", self.url, *(("--prefix", self.prefix) if self.prefix else ()))

    def outputs(self, folder: Path) -> list[str]:
        return [f"plate1={folder}", "--table-number"] if self.runs else [str(folder)]

    def cells(self) -> Cells:
        """The areas of cells by image set and number; of the first run, where there are runs."""
        run = " WHERE TableNumber = 1" if self.runs else ""
        found = self.rows(
            "SELECT ImageNumber, Cells_Number_Object_Number, Cells_AreaShape_Area "
            f"FROM {self.prefix}Per_Cells{run}"
        )
        return {(int(str(i)), int(str(n))): float(str(area)) for i, n, area in found}

    def indexes_for_queries(self) -> list[bool]:
        """Whether the indexes on parents and on plate and well are there, where there can be."""
        sql = INDEXES.get(self.url.partition(":")[0])
        names = {name for (name,) in self.rows(sql)} if sql else set()
        ours = ("Per_ICells_Parent_Nuclei", "Per_IPlateWell")
        return [f"{self.prefix}{name}" in names for name in ours] if sql else []


@pytest.fixture(params=[*KINDS, "mariadb"])
def made(
    request: pytest.FixtureRequest, tmp_path: Path, databases: Callable[[str], Database]
) -> Iterator[Made]:
    kind = request.param
    if kind == "mariadb":
        database = databases("mariadb")
        dump = lzma.decompress((MADE / "mariadb.sql.xz").read_bytes())
        subprocess.run(database.server.client(database.name), input=dump, check=True)
        yield Made(database.url(), database.rows)
        return
    extract(MADE / f"{kind}.tar.xz", tmp_path)
    place = tmp_path / kind
    if kind.endswith(".sqlite"):
        runs = kind.startswith("runs")
        yield Made(f"sqlite:///{place}", lambda sql: of_sqlite(place, sql), "My_" * runs, runs)
    elif kind.endswith(".duckdb"):
        yield Made(f"duckdb:///{place}", lambda sql: of_duckdb(place, sql))
    else:
        yield Made(f"parquet:{place}", lambda sql: of_parquet(place, sql))


def of_sqlite(place: Path, sql: str) -> list[tuple[object, ...]]:
    db = sqlite3.connect(f"file:{place}?mode=ro", uri=True)
    try:
        return db.execute(sql).fetchall()
    finally:
        db.close()


def of_duckdb(place: Path, sql: str) -> list[tuple[object, ...]]:
    with duckdb.connect(place, read_only=True) as db:
        return db.execute(sql).fetchall()


def of_parquet(folder: Path, sql: str) -> list[tuple[object, ...]]:
    listed, _, table = sql.removeprefix("SELECT ").partition(" FROM ")
    if table.startswith("_cpexport"):
        return of_sqlite(folder / "_cpexport.sqlite", sql)
    columns = [name.strip() for name in listed.split(",")]
    rows = pq.read_table(folder / table, columns=columns).to_pylist()
    return [tuple(row[name] for name in columns) for row in rows]


@pytest.fixture
def first(tmp_path: Path) -> Path:
    """The outputs that it was made from."""
    return copied(tmp_path / "first", "P1-A01-1", "P1-A01-2")


@pytest.fixture
def later(tmp_path: Path) -> Path:
    """The outputs of a re-run of image set 2, in which the first cell is larger; a new batch."""
    folder = copied(tmp_path / "later", "P1-A01-2", "P1-A02-1")
    again = folder / "P1-A01-2"
    experiment = (again / "Experiment.csv").read_text()
    (again / "Experiment.csv").write_text(
        "\n".join(
            "Run_Timestamp,2027-01-01T00:00:00.000000" if line.startswith("Run_T") else line
            for line in experiment.splitlines()
        )
    )
    with (again / "Cells.csv").open(newline="") as file:
        header, *cells = csv.reader(file)
    cells[0][header.index("AreaShape_Area")] = "4242"
    with (again / "Cells.csv").open("w", newline="") as file:
        csv.writer(file).writerows([header, *cells])
    return folder


def copied(folder: Path, *names: str) -> Path:
    for name in names:
        shutil.copytree(unpacked(CASE) / "outputs" / name, folder / name)
    return folder


def areas(*batches: Path) -> Cells:
    """What the jobs' own files say."""
    found = {}
    for batch in batches:
        with (batch / "Cells.csv").open(newline="") as file:
            for row in csv.DictReader(file):
                key = int(row["ImageNumber"]), int(row["ObjectNumber"])
                found[key] = float(row["AreaShape_Area"])
    return found


def test_it_opens_and_holds_what_its_outputs_say(made: Made, first: Path, cpexport: Run) -> None:
    batch_file = unpacked(CASE) / "Batch_data.h5"
    run = ("--run", "plate1") if made.runs else ()
    checked = cpexport("check", "--batch", batch_file, *made.to, *run, "--format", "array")
    outputs = [f"plate1={first}"] if made.runs else [first]
    verified = cpexport("verify", *outputs, *made.to)
    cells = package.read(
        made.url, "Per_Cells", prefix=made.prefix, run="plate1" if made.runs else None
    )

    assert (checked.status, checked.out.strip()) == (3, "3-24")
    # Of the other run nothing is among these outputs, and where a load was killed, the next one
    # has to come to its end.
    whole = not made.runs and "staged" not in made.url
    assert verified.status == (0 if whole else 3), verified.out + verified.err
    must = areas(first / "P1-A01-1", first / "P1-A01-2")
    assert len(cells) == len(must)
    # What is staged takes its place by the next load, as nothing that reads changes anything.
    assert made.cells() == (areas(first / "P1-A01-1") if "staged" in made.url else must)


def test_it_takes_a_new_batch_and_a_rerun(made: Made, later: Path, cpexport: Run) -> None:
    without = made.indexes_for_queries()
    ran = cpexport("load", *made.outputs(later), *made.to)
    again = cpexport("load", *made.outputs(later), *made.to)
    verified = cpexport("verify", *[w for w in made.outputs(later) if w[0] != "-"], *made.to)

    assert ran.status == 0, ran.err
    assert again.status == 0, again.err
    before = areas(unpacked(CASE) / "outputs" / "P1-A01-1")
    assert made.cells() == before | areas(later / "P1-A01-2", later / "P1-A02-1")
    assert made.cells()[2, 1] == 4242
    assert not any(without)
    assert all(made.indexes_for_queries())
    # What was loaded by 0.1.0 is not among these outputs; what is, is the same.
    assert verified.status == 3, verified.out + verified.err


def test_tables_of_wells_are_kept_up_to_date(tmp_path: Path, later: Path, cpexport: Run) -> None:
    extract(MADE / "wells.sqlite.tar.xz", tmp_path)
    file = tmp_path / "wells.sqlite"
    before = of_sqlite(file, "SELECT Image_Metadata_Well FROM Per_Well_avg")
    cpexport("load", later, "--to", f"sqlite:///{file}")
    after = of_sqlite(file, "SELECT Image_Metadata_Well FROM Per_Well_avg")

    assert (before, after) == ([("A01",)], [("A01",), ("A02",)])


def test_files_that_a_killed_load_had_staged_take_their_places(
    tmp_path: Path, first: Path, cpexport: Run
) -> None:
    extract(MADE / "staged.tar.xz", tmp_path)
    folder = tmp_path / "staged"
    staged = list((folder / "_cpexport_new").iterdir())
    ran = cpexport("load", first, "--to", f"parquet:{folder}")

    assert len(staged) == 6
    assert ran.status == 0, ran.err
    assert not (folder / "_cpexport_new").exists()
    numbers = pq.read_table(folder / "Per_Image", columns=["ImageNumber"])["ImageNumber"]
    assert sorted(numbers.to_pylist()) == [1, 2]


def test_a_folder_of_a_script_goes_on(tmp_path: Path, later: Path, cpexport: Run) -> None:
    extract(MADE / "script.tar.xz", tmp_path)
    folder = tmp_path / "script"
    first = (folder / "data" / "1_1_Cells.csv").read_bytes()
    ran = cpexport("script", later, "--out", folder)

    assert ran.status == 0, ran.err
    assert (folder / "data" / "1_1_Cells.csv").read_bytes() == first
    names = {path.name for path in (folder / "data").glob("*_Cells.csv")}
    assert names == {"1_1_Cells.csv", "2_2_Cells.csv", "3_3_Cells.csv"}
    script = (folder / "import.sql").read_text()
    assert all(name in script for name in names)
    areas_of_2 = (folder / "data" / "2_2_Cells.csv").read_text()
    assert "4242" in areas_of_2
    assert "with 3 image sets" in (folder / "README.txt").read_text()
    assert (folder / "grants.sql").exists()
