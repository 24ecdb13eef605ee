"""SQLite files that no job writes cost their batch, and SQLite runs nothing that is in them."""

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from support.fixtures import rows
from support.small_jobs import h5_job

from cpexport import load
from cpexport.cellprofiler.features import LONGEST_TEXT

Change = Callable[[sqlite3.Connection], object]
_TABLES = """
CREATE TABLE Per_Image (ImageNumber INTEGER PRIMARY KEY, Image_FileName_DNA VARCHAR(99),
    Image_Count_Nuclei INTEGER, Image_ModuleError_01LoadData INTEGER);
CREATE TABLE Per_Nuclei (ImageNumber INTEGER, Nuclei_Number_Object_Number INTEGER,
    Nuclei_AreaShape_Area FLOAT, PRIMARY KEY (ImageNumber, Nuclei_Number_Object_Number));
CREATE TABLE Per_Experiment (Run_Timestamp TEXT);
INSERT INTO Per_Image VALUES ({0}, 'a.tif', 1, 0);
INSERT INTO Per_Nuclei VALUES ({0}, 1, 2.5);
INSERT INTO Per_Experiment VALUES ('2026-11-22T12:00:00');
"""
_FOREVER = "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t)"


def script(text: str) -> Change:
    return lambda database: database.executescript(text)


CASES: dict[str, tuple[Change, str]] = {
    "view": (
        script(
            "ALTER TABLE Per_Image RENAME TO x; "
            f"CREATE VIEW Per_Image AS {_FOREVER} SELECT n AS ImageNumber FROM t"
        ),
        "Per_Image is a view; CellProfiler never writes this",
    ),
    "virtual table": (
        script("DROP TABLE Per_Nuclei; CREATE VIRTUAL TABLE Per_Nuclei USING fts4(ImageNumber)"),
        "Per_Nuclei is a virtual table",
    ),
    "unknown module": (
        script(
            "DROP TABLE Per_Nuclei; PRAGMA writable_schema = ON; INSERT INTO sqlite_master "
            "VALUES ('table', 'Per_Nuclei', 'Per_Nuclei', 0, "
            "'CREATE VIRTUAL TABLE Per_Nuclei USING evil(a)')"
        ),
        "Per_Nuclei is a virtual table",
    ),
    "generated": (
        script("ALTER TABLE Per_Image ADD COLUMN Image_Test REAL AS (ImageNumber * 2)"),
        "Image_Test of Per_Image is a generated column",
    ),
    "long text": (
        lambda database: database.execute(
            "UPDATE Per_Image SET Image_FileName_DNA = ?", ("x" * (LONGEST_TEXT + 1),)
        ),
        "Image_FileName_DNA of Per_Image has a text of 16 MB",
    ),
    "long experiment": (
        lambda database: database.execute(
            "UPDATE Per_Experiment SET Run_Timestamp = zeroblob(?)", (LONGEST_TEXT + 1,)
        ),
        "Run_Timestamp of Per_Experiment has a text of 16 MB",
    ),
    "count": (
        script("UPDATE Per_Image SET Image_Count_Nuclei = 9223372036854775807"),
        "column Count_Nuclei: an integer has too many digits",
    ),
    "number": (
        script("UPDATE Per_Image SET ImageNumber = 10000000000"),
        "lists image set 10000000000; the largest can be 999999999",
    ),
    "trigger": (
        script("CREATE TRIGGER t AFTER INSERT ON Per_Image BEGIN DELETE FROM Per_Image; END"),
        "",
    ),
    "index": (script("CREATE INDEX i ON Per_Image (abs(ImageNumber))"), ""),
}
BESIDE: dict[str, tuple[Callable[[Path], object], str]] = {
    "wal link": (lambda path: Path(f"{path}-wal").symlink_to("/etc/passwd"), "it is a link"),
    "journal pipe": (lambda path: os.mkfifo(f"{path}-journal"), "it is not a regular file"),
    "journal": (
        lambda path: Path(f"{path}-journal").write_bytes(b"\1" * 600),
        "was killed while writing (a -journal file exists)",
    ),
}


def written(path: Path, number: int, change: Change = lambda database: None) -> Path:
    path.parent.mkdir(parents=True)
    with closing(sqlite3.connect(path)) as database, database:
        database.executescript(_TABLES.format(number))
        change(database)
    return path


@pytest.fixture(scope="module")
def left_out(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Why each of the files was left out of one load, by case; none of them stops the load."""
    run = tmp_path_factory.mktemp("hostile")
    for number, (name, (change, _)) in enumerate(CASES.items(), start=1):
        written(run / "run" / name / "job.db", number, change)
    for number, (name, (place, _)) in enumerate(BESIDE.items(), start=len(CASES) + 1):
        place(written(run / "run" / name / "job.db", number))
    h5_job(run / "run" / "good" / "m.h5", {999: {}})

    report = load(run / "run", f"sqlite:///{run}/a.sqlite", jobs=1)

    assert report.exit_status == 3
    numbers = rows(run / "a.sqlite", "SELECT ImageNumber FROM Per_Image ORDER BY 1")
    harmless = [n for n, (_, says) in enumerate(CASES.values(), start=1) if not says]
    assert numbers == [(number,) for number in [*harmless, 999]]
    return {Path(left.path).name: left.reason for left in report.left_out}


@pytest.mark.parametrize("name", [*CASES, *BESIDE])
def test_a_file_that_no_job_writes_is_left_out_by_name(name: str, left_out: dict[str, str]) -> None:
    _, says = {**CASES, **BESIDE}[name]

    assert says in left_out.get(name, "")
    assert bool(says) == (name in left_out)
