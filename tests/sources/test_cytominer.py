"""SQLite files of cytominer-database are read like the CSV files that they were made of."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from support.cytominer import TABLES, ingested
from support.fixtures import Ran, rows
from support.layouts import SITES, nfcore

import cpexport as package
from cpexport.errors import SourceError
from cpexport.sources.sqlite import rows as reading

Run = Callable[..., Ran]


@pytest.fixture
def jobs(tmp_path: Path) -> list[Path]:
    return sorted((nfcore(tmp_path / "tree") / "cellprofiler" / "analysis").iterdir())


def table(database: Path, name: str, columns: list[str]) -> list[tuple[object, ...]]:
    listed = ", ".join(f'"{column}"' for column in columns)
    return rows(database, f"SELECT {listed} FROM Per_{name} ORDER BY 1, 2")


def columns_of(database: Path, name: str) -> list[str]:
    return [name for (name,) in rows(database, f"SELECT name FROM pragma_table_info('Per_{name}')")]


@pytest.mark.parametrize("portion", [2_000_000, 500])
def test_plates_are_one_run_with_the_rows_of_their_csv_files(
    portion: int, jobs: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "_VALUES", portion)
    plates = [
        ingested(jobs[2:], tmp_path / "P2.sqlite"),
        ingested(jobs[:2], tmp_path / "P1.sqlite"),
    ]
    if portion == 500:
        with closing(sqlite3.connect(plates[0])) as database:
            database.execute("CREATE INDEX i ON Cells (TableNumber, ImageNumber, ObjectNumber)")
    package.load(jobs, tmp_path / "csv.sqlite")
    report = package.load(plates, tmp_path / "plates.sqlite")

    assert (report.image_sets, report.left_out) == (len(SITES), ())
    for name in TABLES:
        # Groups and the job's own numbers count the image sets of a file, not of a job.
        wanted = [
            column
            for column in columns_of(tmp_path / "csv.sqlite", name)
            if "Group_" not in column and "SourceImageNumber" not in column
        ]
        assert columns_of(tmp_path / "plates.sqlite", name) == columns_of(
            tmp_path / "csv.sqlite", name
        )
        found = table(tmp_path / "plates.sqlite", name, wanted)
        assert [list(map(str, row)) for row in found] == [
            list(map(str, row)) for row in table(tmp_path / "csv.sqlite", name, wanted)
        ]
    assert package.verify(plates, tmp_path / "plates.sqlite").exit_status == 0


def test_a_file_is_read_only_if_it_is_named(
    jobs: list[Path], tmp_path: Path, cpexport: Run
) -> None:
    ingested(jobs, tmp_path / "tree" / "backend.sqlite")
    alone = cpexport("check", "tree/backend.sqlite")

    assert "1 of 1 batch is complete" in alone.out
    assert "a file of cytominer-database, with the output of 4 jobs" in alone.err
    assert "4 of 4 batches are complete" in cpexport("check", "tree").out


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ("UPDATE Image SET TableNumber = 1", "two rows of Image have one TableNumber"),
        ("DELETE FROM Image WHERE rowid = 2", "objects have no row in Image"),
        ("UPDATE Cells SET ObjectNumber = 1", "two objects have the same numbers"),
        ("UPDATE Cells SET ObjectNumber = NULL WHERE rowid = 3", "or no number"),
    ],
)
def test_files_whose_keys_are_wrong_are_refused(
    change: str, problem: str, jobs: list[Path], tmp_path: Path
) -> None:
    file = ingested(jobs, tmp_path / "plate.sqlite")
    with closing(sqlite3.connect(file)) as database:
        database.execute(change)
        database.commit()
    before = file.read_bytes()
    with pytest.raises(SourceError, match=problem):
        package.load(file, tmp_path / "all.sqlite")
    assert file.read_bytes() == before


def test_image_sets_that_lack_objects_are_left_out(jobs: list[Path], tmp_path: Path) -> None:
    file = ingested(jobs, tmp_path / "plate.sqlite")
    with closing(sqlite3.connect(file)) as database:
        database.execute("DELETE FROM Cells WHERE rowid = 1")
        database.commit()
    report = package.load(file, tmp_path / "all.sqlite")

    assert (report.image_sets, report.exit_status) == (len(SITES) - 1, 3)
    wells = rows(tmp_path / "all.sqlite", "SELECT Image_Metadata_Well FROM Per_Image ORDER BY 1")
    assert wells == [(well,) for _, well, _ in sorted(SITES[1:], key=lambda site: site[1])]
