"""The queries in `sql/` find what the jobs' own files say, on each kind of database."""

import csv
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from support.calls import load
from support.fixtures import rows, unpacked
from support.servers import Database

SQL = Path(__file__).parents[2] / "sql"
EMPTY = "P2-A02-1"
"""A job whose image set has no cell."""
JOBS = ("P1-A01-1", "P1-A01-2", EMPTY)


def count_in(folder: Path, table: str) -> int:
    with (folder / table).open(newline="") as file:
        return sum(1 for _ in csv.DictReader(file))


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three jobs, one image set each; one without a cell, and one that was run again."""
    home = tmp_path_factory.mktemp("queries")
    outputs = unpacked("40_spreadsheet") / "outputs"
    for name in JOBS:
        shutil.copytree(outputs / name, home / "first" / name)
    again = Path(shutil.copytree(outputs / "P1-A01-2", home / "again" / "P1-A01-2"))
    said = (again / "Experiment.csv").read_text()
    (again / "Experiment.csv").write_text(
        said.replace("Run_Timestamp,2026", "Run_Timestamp,2027") + "Zfactor_Cells_Area,0.5\n"
    )
    return home


@pytest.mark.parametrize("kind", ["sqlite", "mariadb", "mysql"])
def test_each_query_finds_what_the_files_say(
    home: Path, tmp_path: Path, databases: Callable[[str], Database], kind: str
) -> None:
    if kind == "sqlite":
        url, file = f"sqlite:///{tmp_path}/x.sqlite", SQL / "queries.sqlite.sql"
    else:
        database = databases(kind)
        url, file = database.url(), SQL / "queries.mysql.sql"
    load([home / "first"], url)
    load([home / "again"], url)
    queries = [query for query in file.read_text().split(";") if "SELECT" in query]
    found = [
        rows(tmp_path / "x.sqlite", query) if kind == "sqlite" else database.rows(query)
        for query in queries
    ]

    assert len(queries) == 11
    wells, means, pairs, neighbours, where, less, sets, current, replaced, missing, measured = found
    n = {name: count_in(home / "first" / name, "Cells.csv") for name in JOBS}
    cells = n["P1-A01-1"] + n["P1-A01-2"]
    assert [(p, w, int(s), int(c)) for p, w, s, c, _ in wells] == [
        ("P1", "A01", 2, cells),
        ("P2", "A02", 1, 0),
    ]
    assert [float(mean) for *_, mean in wells] == [cells / 2, 0]
    assert [(w, int(c)) for _, w, c, _ in means] == [("A01", cells), ("A02", 0)]
    assert means[1][-1] is None
    assert len(pairs) == sum(n.values())
    assert Counter(i for i, *_ in neighbours)[1] == neighbour_pairs(home / "first" / "P1-A01-1")
    assert where == [("Per_Nuclei", "Nuclei_AreaShape_Area", "real")]
    assert less == []
    assert [number for number, *_ in sets] == sorted(number for number, *_ in sets)
    first, again = str(home / "first"), str(home / "again")
    assert [(path, int(owned)) for path, owned in current] == sorted(
        (path, 1) for path in (f"{again}/P1-A01-2", f"{first}/P1-A01-1", f"{first}/{EMPTY}")
    )
    assert replaced == [(f"{first}/P1-A01-2", f"{again}/P1-A01-2", 1)]
    assert {table: int(many) for table, many, *_ in missing}["Per_Cells"] == sum(n.values())
    assert measured == [(f"{again}/P1-A01-2", "Zfactor_Cells_Area", 0.5)]


def neighbour_pairs(folder: Path) -> int:
    with (folder / "Object relationships.csv").open(newline="") as file:
        return sum(row["Relationship"] == "Neighbors" for row in csv.DictReader(file))
