"""What jobs measured of all that they ran: whose it is, where it goes, and what is said of it."""

import csv
import shutil
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import duckdb
import h5py
import numpy as np
import pyarrow.parquet as pq
import pytest
from support.calls import load, script, verify
from support.fixtures import Ran, rows, unpacked
from support.servers import Database

from cpexport.sql_script.manifest import ScriptOptions

Run = Callable[..., Ran]
Z, THRESHOLD = "Zfactor_Cells_AreaShape_Area", "ImageQuality_ThresholdMeanOtsu_DNA_2W"
HELD = {Z: "0.1234567890123456", THRESHOLD: "-7.5", "EC50_Cells_Nothing": "nan"}


def job(folder: Path, name: str, measured: dict[str, str]) -> Path:
    """The CSV files of a real job of one image set, which says that of all that it ran."""
    made = folder / name
    shutil.copytree(unpacked("40_spreadsheet") / "outputs" / name, made)
    with (made / "Experiment.csv").open(newline="") as file:
        said = list(csv.reader(file))
    with (made / "Experiment.csv").open("w", newline="") as file:
        csv.writer(file).writerows([*said, *measured.items()])
    return made


def per_experiment(database: Path) -> dict[str, object]:
    """The one row of Per_Experiment, without the pipeline."""
    with closing(sqlite3.connect(database)) as db:
        db.row_factory = sqlite3.Row
        (row,) = db.execute("SELECT * FROM Per_Experiment").fetchall()
        return {name: row[name] for name in row.keys() if name != "Pipeline_Pipeline"}  # noqa: SIM118


def test_what_the_one_job_of_a_run_measured_is_in_per_experiment(tmp_path: Path) -> None:
    job(tmp_path / "out", "P1-A01-1", HELD)
    database = tmp_path / "x.sqlite"
    report = load([tmp_path / "out"], f"sqlite:///{database}")

    found = per_experiment(database)
    assert (found[Z], found[THRESHOLD]) == (0.1234567890123456, -7.5)
    assert found["EC50_Cells_Nothing"] is None
    assert not [note for note in report.notes if "measured" in note]
    kinds = rows(database, f"SELECT typeof({Z}), typeof({THRESHOLD}) FROM Per_Experiment")
    assert kinds == [("real", "real")]
    said = verify([tmp_path / "out"], f"sqlite:///{database}")
    assert (said.differences, said.is_complete) == ((), True)


def test_what_several_jobs_measured_is_said_once_and_kept_by_batch(tmp_path: Path) -> None:
    job(tmp_path / "out", "P1-A01-1", HELD)
    database = tmp_path / "x.sqlite"
    load([tmp_path / "out"], f"sqlite:///{database}")
    job(tmp_path / "out", "P1-A01-2", {Z: "0.5"})
    report = load([tmp_path / "out"], f"sqlite:///{database}")

    found = per_experiment(database)
    assert [found[Z], found[THRESHOLD]] == [None, None]
    (note,) = [note for note in report.notes if "measured" in note]
    assert "EC50_Cells_Nothing, ImageQuality_ThresholdMeanOtsu_DNA_2W, Zfactor_" in note
    kept = rows(database, "SELECT batch_id, value FROM _cpexport_measured WHERE feature LIKE 'Z%'")
    assert kept == [(1, 0.1234567890123456), (2, 0.5)]
    said = verify([tmp_path / "out"], f"sqlite:///{database}")
    assert (said.differences, said.is_complete) == ((), True)


def test_one_job_of_a_plan_of_several_is_not_the_run(tmp_path: Path) -> None:
    job(tmp_path / "out", "P1-A01-1", HELD)
    database = tmp_path / "x.sqlite"
    batch_file = unpacked("40_spreadsheet") / "Batch_data.h5"
    report = load([tmp_path / "out"], f"sqlite:///{database}", batch_file=batch_file)

    assert Z not in per_experiment(database)
    assert [note for note in report.notes if "each job measured only its own" in note]


@pytest.mark.skipif(shutil.which("sqlite3") is None, reason="there is no sqlite3 shell")
def test_verify_says_so_until_a_load_follows_the_script_that_brought_another_job(
    tmp_path: Path,
) -> None:
    job(tmp_path / "one", "P1-A01-1", HELD)
    job(tmp_path / "two", "P1-A01-2", {Z: "0.5"})
    both = [tmp_path / "one", tmp_path / "two"]
    database = tmp_path / "x.sqlite"
    load([tmp_path / "one"], f"sqlite:///{database}")
    script(
        [tmp_path / "two"],
        tmp_path / "script",
        ScriptOptions.parse("sqlite", old_names=False, analyst=False),
    )
    subprocess.run(
        ["sqlite3", "-bail", str(database), ".read import.sql"], cwd=tmp_path / "script", check=True
    )
    stale = verify(both, f"sqlite:///{database}")
    load(both, f"sqlite:///{database}")
    after = verify(both, f"sqlite:///{database}")

    assert {d.what for d in stale.differences} == {
        "is the value of one of 2 jobs and not of the run; the next load removes it"
    }
    assert per_experiment(database)[Z] is None
    assert after.differences == ()


def test_a_rerun_replaces_what_the_job_measured(tmp_path: Path) -> None:
    made = job(tmp_path / "out", "P1-A01-1", HELD)
    database = tmp_path / "x.sqlite"
    load([tmp_path / "out"], f"sqlite:///{database}")
    shutil.rmtree(made)
    job(tmp_path / "out", "P1-A01-1", {Z: "0.75"})
    text = (made / "Experiment.csv").read_text().replace("Run_Timestamp,2026", "Run_Timestamp,2027")
    (made / "Experiment.csv").write_text(text)
    load([tmp_path / "out"], f"sqlite:///{database}")

    found = per_experiment(database)
    assert (found[Z], found[THRESHOLD]) == (0.75, None)
    said = verify([tmp_path / "out"], f"sqlite:///{database}")
    assert said.differences == ()


@pytest.mark.parametrize(
    ("statement", "what"),
    [
        (f"UPDATE Per_Experiment SET {Z} = 1.5", "must be 0.1234567890123456 and is 1.5"),
        ("DELETE FROM _cpexport_measured WHERE feature LIKE 'Z%'", "must be 0.1234567890123456"),
    ],
)
def test_verify_finds_a_measurement_that_was_changed(
    tmp_path: Path, statement: str, what: str
) -> None:
    job(tmp_path / "out", "P1-A01-1", HELD)
    database = tmp_path / "x.sqlite"
    load([tmp_path / "out"], f"sqlite:///{database}")
    with closing(sqlite3.connect(database)) as db, db:
        db.execute(statement)

    said = verify([tmp_path / "out"], f"sqlite:///{database}")
    assert [d for d in said.differences if what in d.what]


def test_verify_finds_what_is_lost_of_one_of_several_jobs(tmp_path: Path) -> None:
    for name, value in (("P1-A01-1", "0.5"), ("P1-A01-2", "0.75")):
        job(tmp_path / "out", name, {Z: value})
    database = tmp_path / "x.sqlite"
    load([tmp_path / "out"], f"sqlite:///{database}")
    with closing(sqlite3.connect(database)) as db, db:
        db.execute("DELETE FROM _cpexport_measured WHERE value = 0.5")

    said = verify([tmp_path / "out"], f"sqlite:///{database}")
    assert [d.what for d in said.differences] == [f"{Z} must be 0.5 and is None"]


def test_of_batches_of_version_0_1_0_it_is_said_that_it_was_not_kept(tmp_path: Path) -> None:
    """That version had no such table; the next load makes it."""
    job(tmp_path / "out", "P1-A01-1", HELD)
    database = tmp_path / "x.sqlite"
    load([tmp_path / "out"], f"sqlite:///{database}")
    with closing(sqlite3.connect(database)) as db, db:
        db.execute("DROP VIEW _cpexport_current")
        for table in ("_cpexport_measured", "_cpexport_replaced"):
            db.execute(f"DROP TABLE {table}")
        db.execute("DELETE FROM _cpexport_settings WHERE name IN ('measured_of', 'measured')")
        db.execute(f"ALTER TABLE Per_Experiment DROP COLUMN {Z}")
        db.execute(f"ALTER TABLE Per_Experiment DROP COLUMN {THRESHOLD}")
        db.execute("ALTER TABLE Per_Experiment DROP COLUMN EC50_Cells_Nothing")
    before = verify([tmp_path / "out"], f"sqlite:///{database}")
    job(tmp_path / "out", "P1-A01-2", {Z: "0.5"})
    report = load([tmp_path / "out"], f"sqlite:///{database}")
    after = verify([tmp_path / "out"], f"sqlite:///{database}")

    for said in (before, after):
        (difference,) = said.differences
        assert f"{THRESHOLD}, {Z}: a measurement of the whole job" in difference.what
        assert "version 0.1.0 did not store" in difference.what
    (note,) = [note for note in report.notes if "each job measured only its own" in note]
    assert "except for 1 batch that version 0.1.0 loaded" in note
    assert Z not in per_experiment(database)


def test_of_runs_each_has_what_its_own_job_measured(tmp_path: Path, cpexport: Run) -> None:
    for run, value in (("a", "0.25"), ("b", "0.5")):
        job(tmp_path / run, "P1-A01-1", {Z: value})
    job(tmp_path / "c", "P1-A01-1", {Z: "1"})
    job(tmp_path / "c", "P1-A01-2", {Z: "2"})
    outputs = [f"{run}={tmp_path / run}" for run in "abc"]
    ran = cpexport("load", *outputs, "--table-number", "--to", "sqlite:///x.sqlite")
    verified = cpexport("verify", *outputs, "--to", "sqlite:///x.sqlite")

    assert ran.status == 0, ran.err
    found = rows(tmp_path / "x.sqlite", f"SELECT TableNumber, {Z} FROM Per_Experiment ORDER BY 1")
    assert found == [(1, 0.25), (2, 0.5), (3, None)]
    assert verified.status == 0, verified.out


def test_names_that_are_too_long_are_shortened(tmp_path: Path) -> None:
    long = "Zfactor_Cells_" + "VeryLongFeature" * 6
    job(tmp_path / "out", "P1-A01-1", {long: "0.5"})
    database = tmp_path / "x.sqlite"
    load([tmp_path / "out"], f"sqlite:///{database}")

    (name,) = per_experiment(database).keys() - {
        "CellProfiler_Version",
        "Run_Timestamp",
        "Modification_Timestamp",
    }
    assert len(name) <= 64
    assert per_experiment(database)[name] == 0.5


def test_it_is_read_of_measurement_files(tmp_path: Path) -> None:
    (source,) = (unpacked("22_exports") / "plain").glob("**/*.h5")
    file = Path(shutil.copy(source, tmp_path / "job.h5"))
    with h5py.File(file, "r+") as h5:
        (run,) = h5["Measurements"].values()
        for name, value in ((Z, 0.1234567890123456), ("TrackObjects_Tracks_50", 3)):
            run.create_dataset(f"Experiment/{name}/data", data=np.array([value]))
            run.create_dataset(f"Experiment/{name}/index", data=np.array([[0, 0, 1]]))
    database = tmp_path / "x.sqlite"
    load([file], f"sqlite:///{database}")

    found = per_experiment(database)
    assert (found[Z], found["TrackObjects_Tracks_50"]) == (0.1234567890123456, 3.0)
    assert {"ImageSet_Zip_Dictionary", "ChannelType_DNA", "Exit_Status"}.isdisjoint(found)


def test_it_is_read_of_cellprofilers_own_databases(tmp_path: Path) -> None:
    source = unpacked("20_sqlite") / "separate.db"
    file = Path(shutil.copy(source, tmp_path / "theirs.db"))
    with closing(sqlite3.connect(file)) as db, db:
        db.execute(f"ALTER TABLE MyExpt_Per_Experiment ADD COLUMN {Z} FLOAT")
        db.execute(f"UPDATE MyExpt_Per_Experiment SET {Z} = 0.1234567890123456")
    database = tmp_path / "x.sqlite"
    load([file], f"sqlite:///{database}")

    assert per_experiment(database)[Z] == 0.1234567890123456


@pytest.mark.parametrize("kind", ["duckdb", "parquet", "mariadb", "mysql"])
def test_every_destination_takes_it(
    tmp_path: Path, databases: Callable[[str], Database], kind: str
) -> None:
    job(tmp_path / "one", "P1-A01-1", HELD)
    job(tmp_path / "two", "P1-A01-2", {Z: "0.5"})
    query = f"SELECT {Z}, {THRESHOLD} FROM Per_Experiment"
    if kind == "duckdb":
        url = f"duckdb:///{tmp_path}/x.duckdb"
    elif kind == "parquet":
        url = f"parquet:{tmp_path}/x"
    else:
        database = databases(kind)
        url = database.url()

    def found() -> list[tuple[object, ...]]:
        if kind == "duckdb":
            with duckdb.connect(tmp_path / "x.duckdb", read_only=True) as db:
                return db.execute(query).fetchall()
        if kind == "parquet":
            (row,) = pq.read_table(tmp_path / "x" / "Per_Experiment").to_pylist()
            return [(row[Z], row[THRESHOLD])]
        return database.rows(query)

    load([tmp_path / "one"], url)
    first, verified = found(), verify([tmp_path / "one"], url)
    load([tmp_path / "one", tmp_path / "two"], url)
    second, again = found(), verify([tmp_path / "one", tmp_path / "two"], url)

    assert first == [(0.1234567890123456, -7.5)]
    assert second == [(None, None)]
    assert (verified.differences, verified.is_complete) == ((), True)
    assert (again.differences, again.is_complete) == ((), True)
