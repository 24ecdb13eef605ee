"""`cpexport info` says what a destination holds, and where columns are."""

import json
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from support.fixtures import Ran, rows, unpacked
from support.servers import Database
from support.wide_tables import widen

from cpexport import FilesInfo, ImageSets, InfoReport, check, info
from cpexport.errors import UsageError

Run = Callable[..., Ran]


@pytest.fixture
def job(tmp_path: Path) -> Path:
    return Path(
        shutil.copytree(unpacked("40_spreadsheet") / "outputs" / "P1-A01-1", tmp_path / "job")
    )


def test_tables_rows_and_batches_are_listed(cpexport: Run, job: Path, tmp_path: Path) -> None:
    to = tmp_path / "x.sqlite"
    cpexport("load", job, "--to", to)
    ran = cpexport("info", "--to", to)
    report = json.loads(cpexport("info", "--to", to, "--format", "json").out)

    assert (ran.status, ran.err) == (0, "")
    assert [line.split()[:2] for line in ran.out.splitlines() if line.startswith("Per_Cells")] == [
        ["Per_Cells", "25"]
    ]
    assert (report["batches"], report["image_sets"]) == (1, [[1, 1]])
    assert (report["is_whole"], report["size"]) == (True, to.stat().st_size)
    assert report["plates"] == [{"name": "P1", "wells": 1, "image_sets": 1}]
    assert [use["cellprofiler"] for use in report["pipelines"]] == ["4.2.8.1"]
    counted = {table["name"]: table["rows"] for table in report["tables"]}
    assert counted["Per_Nuclei"] == rows(to, "SELECT count(*) FROM Per_Nuclei")[0][0]


def test_columns_are_found_in_parts_and_the_query_reads_them(
    cpexport: Run, job: Path, databases: Callable[[str], Database]
) -> None:
    database = databases("mariadb")
    values = widen(job, "Cells.csv", 1200)
    wide = list(values)[-1]
    cpexport("load", job, "--to", database.url())
    words = ("--column", f"cells_{wide.lower()}", "--column", "Cells_Parent_Nuclei")
    ran = cpexport("info", "--to", database.url(), *words, "--format", "json")
    found = json.loads(ran.out)

    assert (ran.status, ran.err) == (0, "")
    assert [column["table"] for column in found["columns"]] == ["Per_Cells_part2", "Per_Cells"]
    read = database.rows(found["query"])
    assert len(read) == 25
    assert {row[2] for row in read} == {values[wide]}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("Cells_AreaShape_Are",), "Did you mean Cells_AreaShape_Area?"),
        (("Cells_AreaShape_Area", "Nuclei_AreaShape_Area"), "name columns of one object type"),
    ],
)
def test_what_does_not_exist_is_named(
    cpexport: Run, job: Path, tmp_path: Path, words: tuple[str, ...], message: str
) -> None:
    to = tmp_path / "x.sqlite"
    cpexport("load", job, "--to", to)
    ran = cpexport("info", "--to", to, *(word for name in words for word in ("--column", name)))

    assert (ran.status, ran.out) == (2, "")
    assert message in ran.err


def test_what_is_lacking_is_named(cpexport: Run, job: Path, tmp_path: Path) -> None:
    to = tmp_path / "x.sqlite"
    cpexport("load", job, "--to", to)
    with sqlite3.connect(to) as db:
        db.execute("DROP VIEW Per_RelationshipsView")
        db.execute("DELETE FROM Per_Image")
        db.execute("ALTER TABLE Per_Nuclei RENAME COLUMN Nuclei_AreaShape_Area TO area")
        db.execute("DELETE FROM _cpexport_settings WHERE name = 'properties'")
    db.close()
    found = info(to)

    assert isinstance(found, InfoReport)
    assert found.problems == (
        "Per_RelationshipsView is missing",
        "Per_Nuclei lacks 1 column, such as Nuclei_AreaShape_Area",
        "Per_Image has 0 rows, and the ledger has 1 image set",
        "a load runs now, or was stopped before its end; run the same load again",
    )


@pytest.mark.parametrize(
    ("name", "part"), [("40_spreadsheet", "outputs"), ("10_ranges", "outputs"), ("20_sqlite", ".")]
)
def test_outputs_say_what_they_hold(name: str, part: str) -> None:
    outputs = unpacked(name) / part
    found, checked = info(outputs), check(outputs)

    assert isinstance(found, FilesInfo)
    assert {batch.path: batch.complete for batch in found.batches} == {
        batch.path: batch.complete for batch in checked.batches
    }
    assert found.planned == (checked.plan.planned if checked.plan else ImageSets())
    for batch in found.batches:
        if batch.complete:
            assert batch.size > 1000
            assert batch.cellprofiler == "4.2.8.1"
            assert batch.features["Image"] > 10


def test_a_batch_file_says_what_it_plans() -> None:
    found = info(unpacked("13_groups") / "Batch_data.h5")

    assert isinstance(found, FilesInfo)
    assert (found.batches, str(found.planned), found.groups) == ((), "1-24", 12)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "name a destination with --to, or files: cpexport info FILE"),
        (("nowhere",), "does not exist"),
        (("empty",), "contains no output of a CellProfiler job, and is no destination"),
        (("empty", "--column", "x"), "not a destination of cpexport, so leave out --column"),
    ],
)
def test_what_it_cannot_tell_is_refused_in_one_line(
    cpexport: Run, tmp_path: Path, words: tuple[str, ...], message: str
) -> None:
    (tmp_path / "empty").mkdir()
    ran = cpexport("info", *words)

    assert (ran.out, ran.err.count("\n")) == ("", 1)
    assert message in ran.err


def test_damaged_files_end_with_another_status_and_several_are_described(
    cpexport: Run, job: Path, tmp_path: Path
) -> None:
    for to in ("a.sqlite", "b.duckdb", "parquet:p"):
        assert cpexport("load", job, "--to", to).status == 0
    (tmp_path / "bad.duckdb").write_bytes((tmp_path / "b.duckdb").read_bytes()[:5000])
    (tmp_path / "bad.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + b"0" * 99)
    damaged, file = cpexport("info", "bad.duckdb"), cpexport("info", "bad.h5", "--format", "json")
    several = json.loads(cpexport("info", "a.sqlite", "parquet:p", job, "--format", "json").out)

    assert (damaged.status, damaged.err) == (
        1,
        "cpexport: duckdb:///bad.duckdb: damaged: not a whole DuckDB database; restore it, or load "
        "its outputs into a new file\n",
    )
    assert (file.status, json.loads(file.out)["exit_status"]) == (1, 1)
    assert cpexport("info", "bad.h5", job).status == 3
    assert [one.get("destination") for one in several] == ["sqlite:///a.sqlite", "parquet:p", None]
    with pytest.raises(UsageError, match="name it alone"):
        info([tmp_path / "a.sqlite", job])


def test_a_file_that_is_no_output_ends_with_status_1(cpexport: Run, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("Plate 2 again on Monday.")

    ran = cpexport("info", "notes.txt")

    assert ran.status == 1
    assert ran.out.startswith("Not read:\nnotes.txt: is a text file")
