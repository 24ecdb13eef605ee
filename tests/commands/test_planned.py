"""`_cpexport_missing` is a view of the planned image sets that a destination lacks."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.fixtures import rows, unpacked
from support.servers import Database

import cpexport
from cpexport.derived.planned import table_name, view_name

JOBS = ("P1-A01-1", "P1-A01-2", "P2-A01-1")
MISSING = "SELECT ImageNumber, Plate, Well, Part, State FROM _cpexport_missing ORDER BY 1"


@pytest.fixture
def screen(tmp_path: Path) -> Path:
    home = unpacked("40_spreadsheet")
    for name in JOBS:
        shutil.copytree(home / "outputs" / name, tmp_path / "run" / "outputs" / name)
    shutil.copy(home / "Batch_data.h5", tmp_path / "run")
    return tmp_path / "run" / "outputs"


@pytest.mark.parametrize("kind", ["sqlite:///{}/x.sqlite", "mariadb"])
def test_it_has_what_is_planned_and_not_there(
    screen: Path, tmp_path: Path, kind: str, databases: Callable[[str], Database]
) -> None:
    database = databases(kind) if kind == "mariadb" else None
    to = database.url() if database else kind.format(tmp_path)

    def asked(query: str) -> list[tuple[Any, ...]]:
        return database.rows(query) if database else rows(tmp_path / "x.sqlite", query)

    report = cpexport.load(screen, to)
    first = asked(MISSING)
    with_wells = asked(
        "SELECT m.Well, count(i.ImageNumber) FROM _cpexport_missing m LEFT JOIN Per_Image i "
        "ON i.Image_Metadata_Well = m.Well WHERE m.Plate = 'P1' GROUP BY m.Well ORDER BY 1"
    )
    cpexport.remove(to, image_sets="1")
    then = asked(MISSING)
    cpexport.load(screen, to, again=True)

    assert [row[0] for row in first] == list(report.missing)
    assert first[0] == (3, "P1", "A02", "site 1", "missing")
    assert dict(with_wells)["A02"] == 0
    assert [row for row in then if row[4] != "missing"] == [(1, "P1", "A01", "site 1", "removed")]
    assert asked(MISSING) == first


def test_each_run_has_its_own_plan(screen: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(screen.parent, other)
    shutil.rmtree(other / "outputs" / JOBS[0])
    to = tmp_path / "x.sqlite"
    cpexport.load([f"a={screen}", f"b={other / 'outputs'}"], to, table_number=True, prefix="My_")
    cpexport.load(f"a={screen}", to, prefix="My_")
    counted = rows(
        to, "SELECT TableNumber, count(*), min(ImageNumber) FROM _cpexport_My_missing GROUP BY 1"
    )

    assert counted == [(1, 21, 3), (2, 22, 1)]
    assert (table_name("My_"), view_name("My_")) == ("_cpexport_My_planned", "_cpexport_My_missing")


def test_a_load_with_nothing_new_leaves_the_view_of_all_runs(screen: Path, tmp_path: Path) -> None:
    bare, to = tmp_path / "bare", tmp_path / "x.sqlite"
    shutil.copytree(screen, bare)
    runs = [f"a={bare}", f"b={screen}"]
    cpexport.load(runs, to, table_number=True)
    before = to.read_bytes()
    cpexport.load(runs, to, table_number=True)

    assert rows(to, "SELECT count(*) FROM _cpexport_missing WHERE TableNumber = 2") == [(21,)]
    assert to.read_bytes() == before


def test_without_a_batch_file_there_is_none_and_another_one_replaces_it(
    screen: Path, tmp_path: Path
) -> None:
    to, batch_file = tmp_path / "x.sqlite", screen.parent / "Batch_data.h5"
    batch_file.rename(tmp_path / "b.h5")
    cpexport.load(screen, to)
    none = rows(to, "SELECT name FROM sqlite_master WHERE name LIKE '%missing'")
    cpexport.load(screen, to, batch=tmp_path / "b.h5")
    all_of_it = len(rows(to, MISSING))
    cpexport.load(screen, to)
    kept = len(rows(to, MISSING))

    assert (none, all_of_it, kept) == ([], 21, 21)
