"""Random days of a cluster against an oracle: see `tests/days`. `make days` lives longer."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from days.outputs import area, begun, count, files, whole
from days.running import cases, lived
from days.truth import Fault, Kept, Run, judge_rows

from cpexport.imagesets import NONE
from cpexport.jobs.history import History

pytestmark = pytest.mark.slow

FACTS = next(iter(cases()[1].values()))


@pytest.mark.parametrize("seed", [8, 59, 201])
def test_a_day_is_as_the_oracle_says(seed: int) -> None:
    bad = lived(seed)

    assert bad is None, str(bad)


def test_the_oracle_sees_that_what_runs_is_offered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(History, "busy", NONE)
    bad = lived(59)

    assert bad is not None
    assert "offered while a job has them" in bad.what


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A run with one job on image sets 1 to 3, finished by attempt 7."""
    folder = tmp_path / "outputs" / "batch_1_3"
    folder.mkdir(parents=True)
    for name, text in files([1, 2, 3], 7, FACTS).items():
        (folder / name).write_bytes(text)
    (folder / "done.txt").write_text("Complete\n")
    (tmp_path / "outputs" / "status").mkdir()
    (tmp_path / "outputs" / "status" / "batch_1_3.status").write_text("start\nend\n")
    return Run(tmp_path, cases()[0][0])


@pytest.mark.parametrize("file", ["Image.csv", "Nuclei.csv"])
def test_the_oracle_sees_each_row_that_is_cut_off(file: str, run: Run) -> None:
    path = run.outputs / "batch_1_3" / file
    path.write_bytes(path.read_bytes()[:-2])

    assert run.complete() == {1, 2}


def test_the_oracle_takes_a_group_for_one(run: Run) -> None:
    path = run.outputs / "batch_1_3" / "Nuclei.csv"
    path.write_bytes(path.read_bytes()[:-2])

    assert set(whole(path.parent, [frozenset({1}), frozenset({2, 3})])) == {1}


def test_what_a_job_has_written_so_far_ends_anywhere() -> None:
    content = files([1, 2], 7, FACTS)

    assert begun(content, 1) == content
    assert list(begun(content, 0.5)) == ["Experiment.csv", "Image.csv"]
    assert begun(content, 0) == {}


@pytest.mark.parametrize("name", ["batch_1_3/Nuclei.csv", "status/batch_1_3.status"])
@pytest.mark.parametrize("gone", [True, False])
def test_the_oracle_sees_what_is_gone_or_changed(name: str, gone: bool, run: Run) -> None:
    kept = Kept.of(run)
    kept.judge(run, mended=False)
    path = run.outputs / name
    path.unlink()
    if not gone:
        path.write_text("other")

    with pytest.raises(Fault, match=r"batch_1_3"):
        kept.judge(run, mended=False)


@pytest.mark.parametrize(
    "change",
    [
        "DELETE FROM Per_Image WHERE ImageNumber = 2",
        "INSERT INTO Per_Image VALUES (2, 7)",
        "UPDATE Per_Image SET Image_Intensity_Attempt = 8 WHERE ImageNumber = 2",
        "UPDATE Per_Nuclei SET Nuclei_AreaShape_Area = 1 WHERE ImageNumber = 2",
        "DELETE FROM Per_Nuclei WHERE ImageNumber = 2",
    ],
)
def test_the_oracle_sees_rows_that_are_not_right(change: str, run: Run, tmp_path: Path) -> None:
    database = tmp_path / "x.sqlite"
    nuclei = "ImageNumber, Nuclei_Number_Object_Number, Nuclei_AreaShape_Area"
    rows = [(n, o, area(7, n, o)) for n in (1, 2, 3) for o in range(1, count(n) + 1)]
    with closing(sqlite3.connect(database)) as db, db:
        db.execute("CREATE TABLE Per_Image (ImageNumber, Image_Intensity_Attempt)")
        db.executemany("INSERT INTO Per_Image VALUES (?, 7)", [(1,), (2,), (3,)])
        db.execute(f"CREATE TABLE Per_Nuclei ({nuclei})")
        db.executemany("INSERT INTO Per_Nuclei VALUES (?, ?, ?)", rows)
    judge_rows(database, run, run.complete())
    with closing(sqlite3.connect(database)) as db, db:
        db.execute(change)

    with pytest.raises(Fault):
        judge_rows(database, run, run.complete())
