"""The view of `--objects view` has every object of every type once, whatever their parents are."""

import random
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
import pytest
from support.fixtures import Ran
from support.on_servers import load
from support.servers import Database
from support.small_jobs import Objects, csv_job

from cpexport import read

Run = Callable[..., Ran]
View = Callable[[Path], list[dict[str, Any]]]
KINDS = ("sqlite", "duckdb", "mariadb", "script")


def child(image: int, number: int, **parents: int) -> dict[str, object]:
    of = {f"Parent_{name}": parent for name, parent in parents.items()}
    return {"ImageNumber": image, "ObjectNumber": number, "AreaShape_Area": number + 0.5, **of}


def grandchildren(seed: int) -> Objects:
    """Nuclei, their cells, and spots of cells, any of which may have no parent."""
    given = random.Random(seed)
    found: dict[str, list[dict[str, object]]] = {"Nuclei": [], "Cells": [], "Spots": []}
    for image in (1, 2, 3):
        nuclei, cells, spots = (given.randint(0, 4) for _ in range(3))
        found["Nuclei"] += [child(image, n + 1) for n in range(nuclei)]
        found["Cells"] += [
            child(image, n + 1, Nuclei=given.randint(0, nuclei)) for n in range(cells)
        ]
        found["Spots"] += [child(image, n + 1, Cells=given.randint(0, cells)) for n in range(spots)]
    return found


# What is in image sets 1 and 2, by what is odd about it.
OBJECTS: dict[str, Objects] = {
    "a parent 0": {
        "Nuclei": [child(1, 1), child(1, 2)],
        "Speckles": [child(1, 1, Nuclei=1), child(1, 2, Nuclei=0)],
    },
    "several children": {
        "Nuclei": [child(1, 1), child(1, 2), child(2, 1)],
        "Speckles": [child(1, n, Nuclei=2) for n in (1, 2, 3)] + [child(2, 1, Nuclei=1)],
    },
    "no object of the first type": {
        "Nuclei": [child(1, 1)],
        "Speckles": [child(1, 1, Nuclei=1), child(2, 1, Nuclei=0), child(2, 2, Nuclei=0)],
    },
    "a parent that is not there": {
        "Nuclei": [child(1, 1)],
        "Speckles": [child(1, 1, Nuclei=7), child(1, 2, Nuclei=1)],
    },
    "two parents": {
        "Nuclei": [child(1, 1), child(1, 2)],
        "Cells": [child(1, 1, Nuclei=1), child(1, 2, Nuclei=1)],
        "Cytoplasm": [child(1, n, Nuclei=3 - n, Cells=n) for n in (1, 2)],
    },
    "a parent above the first type": {
        "Blobs": [child(1, 1), child(1, 2), child(1, 3)],
        "Nuclei": [child(1, 1)],
        "Rims": [
            child(1, 1, Nuclei=1, Blobs=3),
            child(1, 2, Nuclei=1, Blobs=3),
            child(2, 1, Blobs=1),
        ],
        "Spots": [child(1, 1, Nuclei=1)],
    },
    "no parents known": {
        "Golgi": [child(1, n) for n in (1, 2, 3)] + [child(2, 1)],
        "Nuclei": [child(1, n) for n in (1, 2)],
        "Pieces": [child(1, n, Golgi=n) for n in (2, 3)],
    },
    **{f"grandchildren {seed}": grandchildren(seed) for seed in range(6)},
}


@pytest.fixture(params=KINDS)
def viewed(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    databases: Callable[[str], Database],
    cpexport: Run,
) -> View:
    """Loads a folder with `--objects view`, and gives the rows of the view."""
    kind = request.param

    def view(outputs: Path) -> list[dict[str, Any]]:
        if kind == "mariadb":
            database = databases("mariadb")
            assert load(outputs, "--to", database.url(), "--objects", "view") == 0
            return of_server(database)
        if kind == "script":
            words = ("--objects", "view", "--dialect", "sqlite", "--out", tmp_path / "import")
            assert cpexport("script", outputs, *words).status == 0
            imported = tmp_path / "imported.sqlite"
            command = ["sqlite3", str(imported), ".read import.sql"]
            subprocess.run(command, cwd=tmp_path / "import", check=True, capture_output=True)
            assert cpexport("verify", outputs, "--to", f"sqlite:///{imported}").status == 0
            return of_file(imported)
        to = tmp_path / f"screen.{kind}"
        assert load(outputs, "--to", f"{kind}:///{to}", "--objects", "view") == 0
        return of_duckdb(to) if kind == "duckdb" else of_file(to)

    return view


def of_file(file: Path) -> list[dict[str, Any]]:
    db = sqlite3.connect(f"file:{file}?mode=ro", uri=True)
    try:
        found = db.execute("SELECT * FROM Per_Object")
        return named([column[0] for column in found.description], found.fetchall())
    finally:
        db.close()


def of_duckdb(file: Path) -> list[dict[str, Any]]:
    with duckdb.connect(file, read_only=True) as db:
        found = db.execute("SELECT * FROM Per_Object")
        return named([column[0] for column in found.description or ()], found.fetchall())


def of_server(database: Database) -> list[dict[str, Any]]:
    with database.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT * FROM Per_Object")
        return named([column[0] for column in cursor.description], cursor.fetchall())


def named(columns: list[str], rows: Any) -> list[dict[str, Any]]:
    return [dict(zip(columns, row, strict=True)) for row in rows]


def numbers(rows: list[dict[str, Any]], name: str) -> list[tuple[int, int, float]]:
    """The objects of a type in the view, with their areas."""
    found = [
        (row["ImageNumber"], row[f"{name}_Number_Object_Number"], row[f"{name}_AreaShape_Area"])
        for row in rows
    ]
    return sorted(one for one in found if one[1] is not None)


def written(objects: Objects, name: str) -> list[tuple[int, int, float]]:
    """The objects of a type as the job's file has them."""
    return sorted(
        (int(str(o["ImageNumber"])), int(str(o["ObjectNumber"])), float(str(o["AreaShape_Area"])))
        for o in objects[name]
    )


@pytest.mark.parametrize("odd", OBJECTS)
def test_every_object_is_there_once(odd: str, tmp_path: Path, viewed: View) -> None:
    objects = OBJECTS[odd]
    rows = viewed(csv_job(tmp_path / "outputs" / "job", {1: {}, 2: {}, 3: {}}, objects).parent)
    keys = [(row["ImageNumber"], row["ObjectNumber"]) for row in rows]

    assert {name: numbers(rows, name) for name in objects} == {
        name: written(objects, name) for name in objects
    }
    assert len(set(keys)) == len(keys)
    assert all(number >= 1 for _, number in keys)


def test_the_first_child_stands_beside_its_parent(tmp_path: Path, viewed: View) -> None:
    grains = [child(1, 1, Speckles=2), child(1, 2, Speckles=2), child(2, 1, Speckles=1)]
    objects = {**OBJECTS["several children"], "Grains": grains}
    rows = viewed(csv_job(tmp_path / "outputs" / "job", {1: {}, 2: {}}, objects).parent)
    types = [f"{name}_Number_Object_Number" for name in ("Nuclei", "Speckles", "Grains")]

    assert sorted((row["ImageNumber"], *(str(row[name]) for name in types)) for row in rows) == [
        (1, "1", "None", "None"),
        (1, "2", "1", "None"),
        (1, "None", "2", "1"),
        (1, "None", "3", "None"),
        (1, "None", "None", "2"),
        (2, "1", "1", "1"),
    ]
    numbered = {row[types[0]]: row["ObjectNumber"] for row in rows if row["ImageNumber"] == 1}
    assert (numbered[1], numbered[2]) == (1, 2)


def test_runs_do_not_meet_in_it(tmp_path: Path, cpexport: Run) -> None:
    objects = OBJECTS["several children"]
    one = csv_job(tmp_path / "one" / "job", {1: {}, 2: {}}, objects).parent
    two = csv_job(tmp_path / "two" / "job", {1: {}, 2: {}}, OBJECTS["a parent 0"]).parent
    to = f"sqlite:///{tmp_path / 'runs.sqlite'}"
    ran = cpexport("load", "--table-number", one, two, "--objects", "view", "--to", to)
    rows = of_file(tmp_path / "runs.sqlite")
    keys = [(row["TableNumber"], row["ImageNumber"], row["ObjectNumber"]) for row in rows]

    assert ran.status == 0
    for number, of in ((1, objects), (2, OBJECTS["a parent 0"])):
        mine = [row for row in rows if row["TableNumber"] == number]
        assert numbers(mine, "Speckles") == written(of, "Speckles")
    assert len(set(keys)) == len(keys)


def test_the_children_of_an_object_are_found_by_an_index(tmp_path: Path) -> None:
    objects = OBJECTS["grandchildren 0"]
    outputs = csv_job(tmp_path / "outputs" / "job", {1: {}, 2: {}, 3: {}}, objects).parent
    load(outputs, "--to", f"sqlite:///{tmp_path / 's.sqlite'}", "--objects", "view")
    with closing(sqlite3.connect(tmp_path / "s.sqlite")) as db, db:
        # Tables of three rows are read whole where their size is known.
        db.execute("DELETE FROM sqlite_stat1")
    db = sqlite3.connect(tmp_path / "s.sqlite")
    plan = db.execute(
        "EXPLAIN QUERY PLAN SELECT * FROM Per_Object WHERE ImageNumber = 2"
    ).fetchall()
    db.close()

    steps = [step for *_, step in plan]
    assert any(" INDEX Per_I" in step for step in steps)
    scans = [s for s in steps if s.startswith("SCAN Per_") and s != "SCAN Per_Object"]
    assert not scans + [step for step in steps if "AUTOMATIC" in step]


# As version 0.1.0 made it.
OLD = (
    "CREATE VIEW Per_Object AS SELECT Per_Nuclei.ImageNumber AS ImageNumber, "
    "Nuclei_Number_Object_Number AS ObjectNumber, Nuclei_Number_Object_Number, "
    "Nuclei_AreaShape_Area, Speckles_Number_Object_Number, Speckles_AreaShape_Area, "
    "Speckles_Parent_Nuclei FROM Per_Nuclei LEFT JOIN Per_Speckles "
    "ON Per_Speckles.ImageNumber = Per_Nuclei.ImageNumber "
    "AND Speckles_Parent_Nuclei = Nuclei_Number_Object_Number"
)


def test_a_view_that_version_0_1_0_made_is_found_and_made_anew(
    tmp_path: Path, cpexport: Run
) -> None:
    objects = OBJECTS["no object of the first type"]
    outputs = csv_job(tmp_path / "outputs" / "job", {1: {}, 2: {}}, objects).parent
    to = ("--to", f"sqlite:///{tmp_path / 's.sqlite'}")
    cpexport("load", outputs, *to, "--objects", "view")
    db = sqlite3.connect(tmp_path / "s.sqlite")
    for statement in (
        "DROP VIEW Per_Object",
        OLD,
        "DELETE FROM _cpexport_settings WHERE name = 'view'",
    ):
        db.execute(statement)
    db.commit()
    db.close()
    before = cpexport("verify", outputs, *to)
    loaded = cpexport("load", outputs, *to)
    after = cpexport("verify", outputs, *to)
    rows = of_file(tmp_path / "s.sqlite")

    assert (before.status, loaded.status, after.status) == (1, 0, 0)
    assert "has 1 Speckles instead of 3" in before.out
    assert numbers(rows, "Speckles") == written(objects, "Speckles")


def test_a_view_with_one_object_twice_and_one_lost_is_found(tmp_path: Path, cpexport: Run) -> None:
    objects = {"Nuclei": [child(1, 1), child(1, 2)]}
    outputs = csv_job(tmp_path / "outputs" / "job", {1: {}}, objects).parent
    to = ("--to", f"sqlite:///{tmp_path / 's.sqlite'}")
    cpexport("load", outputs, *to, "--objects", "view")
    db = sqlite3.connect(tmp_path / "s.sqlite")
    once = "SELECT *, Nuclei_Number_Object_Number AS ObjectNumber FROM Per_Nuclei WHERE "
    twice = f"{once} Nuclei_Number_Object_Number = 1"
    db.execute("DROP VIEW Per_Object")
    db.execute(f"CREATE VIEW Per_Object AS {twice} UNION ALL {twice}")
    db.commit()
    db.close()
    ran = cpexport("verify", outputs, *to)

    assert ran.status == 1
    assert "has some Nuclei more than once and lacks others" in ran.out


def test_pandas_reads_it(tmp_path: Path) -> None:
    objects = OBJECTS["no object of the first type"]
    outputs = csv_job(tmp_path / "outputs" / "job", {1: {}, 2: {}}, objects).parent
    for to in (f"sqlite:///{tmp_path / 's.sqlite'}", f"duckdb:///{tmp_path / 's.duckdb'}"):
        load(outputs, "--to", to, "--objects", "view")
        frame = read(to, "Per_Object", image_sets="2")
        named = read(to, "Per_Object", columns=["ObjectNumber", "Speckles_AreaShape_Area"])

        assert frame["Speckles_Number_Object_Number"].tolist() == [1, 2]
        assert frame["ImageNumber"].tolist() == [2, 2]
        assert named["Speckles_AreaShape_Area"].tolist() == [1.5, 1.5, 2.5]
        assert named["ObjectNumber"].tolist() == [1, 1, 2]
