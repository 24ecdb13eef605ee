"""Destinations as OUTPUTS: their batches are carried over into another one, each once."""

import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
import pytest
from support.csv_outputs import NEW, OLD, image, nucleus, output
from support.fixtures import Ran, rows, tables, unpacked
from support.layouts import SITES, nfcore

import cpexport as package
from cpexport.errors import CollisionError, SourceError, UsageError

Run = Callable[..., Ran]

CASES = {
    "11_h5_and_csv": ["batch_13_18", "batch_19_24"],
    "12_failed": ["batch_1_4", "batch_9_12_not_a_tiff"],
}


def content(database: Path) -> dict[str, list[tuple[object, ...]]]:
    """All tables of data, without those of the ledger."""
    names = [name for name in tables(database) if not name.startswith(("_", "Experiment"))]
    return {name: sorted(rows(database, f'SELECT * FROM "{name}"'), key=repr) for name in names}


def entries(database: Path) -> list[tuple[object, ...]]:
    columns = "path, format, signature, fingerprint, image_sets, complete, state, finished"
    query = f"SELECT {columns}, modified_ns, cellprofiler, pipeline_sha256 FROM _cpexport_batches"
    return sorted(rows(database, query))


@pytest.mark.parametrize("name", CASES)
def test_what_is_merged_is_what_one_load_of_all_makes(name: str, tmp_path: Path) -> None:
    outputs = unpacked(name) / "outputs"
    jobs = [shutil.copytree(outputs / job, tmp_path / "outputs" / job) for job in CASES[name]]
    parts = [tmp_path / "a.sqlite", tmp_path / "b.sqlite"]
    for some, to in zip((jobs[::2], jobs[1::2]), parts, strict=True):
        package.load(some, to)
    whole, merged = tmp_path / "whole.sqlite", tmp_path / "merged.sqlite"
    package.load(jobs, whole)
    first = package.load(parts, merged)
    again = package.load(reversed(parts), merged)
    from_outputs = package.load(jobs, merged)

    assert content(merged) == content(whole)
    assert [e for e in entries(merged) if e[5]] == [e for e in entries(whole) if e[5]]
    assert (again.loaded, from_outputs.loaded, from_outputs.replacements) == (0, 0, ())
    assert first.image_sets == len(rows(whole, "SELECT 1 FROM Per_Image"))
    assert package.verify(jobs, merged).different == 0
    assert package.verify(parts, merged).different == 0


def test_own_numbers_are_given_anew(tmp_path: Path, cpexport: Run) -> None:
    tree = nfcore(tmp_path / "tree")
    jobs = sorted((tree / "cellprofiler" / "analysis").iterdir())
    # Both have an image set 1, and the batch of one site is in both.
    package.load(jobs[2:], tmp_path / "a.sqlite")
    package.load(jobs[:3], tmp_path / "b.sqlite")
    ran = cpexport("load", "a.sqlite", "b.sqlite", "--to", "all.sqlite")
    found = "SELECT Image_Metadata_Plate, Image_Metadata_Well FROM Per_Image ORDER BY ImageNumber"

    assert ran.status == 0
    assert "a.sqlite (and 1 more): a destination of cpexport" in ran.err
    assert rows(tmp_path / "all.sqlite", found) == [site[:2] for site in SITES]
    assert rows(
        tmp_path / "all.sqlite", "SELECT DISTINCT Image_SourceImageNumber FROM Per_Image"
    ) == [(1,)]
    again = json.loads(cpexport("load", "tree", "--to", "all.sqlite", "--format", "json").out)
    assert (again["batches"]["loaded"], again["batches"]["already"]) == (0, len(SITES))
    assert cpexport("verify", "tree", "--to", "all.sqlite").status == 0


def test_a_check_says_what_a_destination_is(tmp_path: Path, cpexport: Run) -> None:
    job(tmp_path / "one", 1, "a.tif")
    package.load(tmp_path / "one", tmp_path / "a.sqlite")
    ran = cpexport("check", "a.sqlite")

    assert (ran.status, "1 of 1 batch is complete" in ran.out) == (0, True)
    assert "a.sqlite: a destination of cpexport; its batches are read" in ran.err
    # In a folder of outputs, it is none of them.
    assert "1 of 1 batch is complete" in cpexport("check", ".").out


def job(folder: Path, number: int, file: str, time: int = OLD, area: int = 5) -> Path:
    row = {**image(number, file, digest=file.ljust(32, "0")), "Count_Cells": 1}
    return output(folder, [row], time, Cells=[nucleus(number, 1, area)])


def test_of_what_two_destinations_have_the_newest_stays(tmp_path: Path) -> None:
    job(tmp_path / "old" / "job", 1, "a.tif", area=5)
    job(tmp_path / "old" / "more", 2, "b.tif")
    job(tmp_path / "new" / "job", 1, "a.tif", NEW, area=7)
    areas = "SELECT ImageNumber, Cells_AreaShape_Area FROM Per_Cells ORDER BY 1"
    package.load(tmp_path / "old", tmp_path / "a.sqlite")
    package.load(tmp_path / "new", tmp_path / "b.sqlite")
    for place, order in enumerate((["a", "b"], ["b", "a"])):
        merged = tmp_path / f"{place}.sqlite"
        for name in order:
            package.load(tmp_path / f"{name}.sqlite", merged)
        assert rows(merged, areas) == [(1, 7), (2, 5)]


def test_different_images_under_one_number_stop_it(tmp_path: Path) -> None:
    for name in ("a", "b"):
        job(tmp_path / name, 1, f"{name}.tif")
        package.load(tmp_path / name, tmp_path / f"{name}.sqlite")
    with pytest.raises(CollisionError, match="different images"):
        package.load([tmp_path / "a.sqlite", tmp_path / "b.sqlite"], tmp_path / "all.sqlite")
    package.load(
        [tmp_path / "a.sqlite", tmp_path / "b.sqlite"], tmp_path / "runs.sqlite", table_number=True
    )
    names = rows(tmp_path / "runs.sqlite", "SELECT name FROM _cpexport_runs ORDER BY 1")
    assert names == [("a.sqlite",), ("b.sqlite",)]


def test_destinations_of_all_kinds_are_merged(tmp_path: Path, cpexport: Run) -> None:
    jobs = [job(tmp_path / str(n), n, f"{n}.tif", area=n) for n in (1, 2, 3)]
    parts = ["a.duckdb", "b.parquet", "c.delta"]
    for one, part in zip(jobs, parts, strict=True):
        package.load(one, tmp_path / part)
    merged = tmp_path / "all.sqlite"
    ran = cpexport("load", *parts, "--to", merged)
    again = package.load(jobs, merged)

    assert (ran.status, again.loaded, again.already) == (0, 0, 3)
    assert "a destination of cpexport; its batches are read" in ran.err
    assert sorted(package.read(merged, "Per_Cells")["Cells_AreaShape_Area"]) == [1, 2, 3]
    assert package.verify([tmp_path / part for part in parts], merged).different == 0
    itself = cpexport("load", parts[0], "--to", parts[0])
    url = cpexport("load", f"duckdb:{parts[0]}", "--to", merged)
    assert "--to is one of OUTPUTS" in itself.err
    assert "one of OUTPUTS is the URL of a destination" in url.err


def test_another_duckdb_file_is_named(tmp_path: Path, cpexport: Run) -> None:
    with duckdb.connect(str(tmp_path / "other.duckdb")) as db:
        db.execute("CREATE TABLE Per_Image AS SELECT 1 AS ImageNumber")
    ran = cpexport("load", "other.duckdb", "--to", "a.sqlite")
    assert (ran.status, ran.err.count("\n")) == (1, 1)
    assert "other.duckdb: not read as a destination of cpexport: has a table Per_Image" in ran.err


def test_what_cannot_be_merged_is_named(tmp_path: Path) -> None:
    job(tmp_path / "a", 1, "a.tif")
    cases: dict[str, tuple[dict[str, Any], str]] = {
        "runs": ({"table_number": True}, "numbers its runs"),
        "combined": ({"objects": "combined"}, "combines object types"),
    }
    for name, (options, problem) in cases.items():
        to = tmp_path / f"{name}.sqlite"
        package.load(tmp_path / "a", to, **options)
        with pytest.raises(SourceError, match=problem):
            package.load(to, tmp_path / "all.sqlite")
    with pytest.raises(UsageError, match="--to is one of OUTPUTS"):
        package.load(to, to)
    for prefix in ("x_", "y_"):
        package.load(tmp_path / "a", tmp_path / "two.sqlite", prefix=prefix)
    with pytest.raises(SourceError, match="several prefixes: x_, y_"):
        package.load(tmp_path / "two.sqlite", tmp_path / "all.sqlite")
    assert not (tmp_path / "all.sqlite").exists()


def test_rows_that_are_gone_from_a_destination_are_not_passed_over(tmp_path: Path) -> None:
    job(tmp_path / "a", 1, "a.tif")
    package.load(tmp_path / "a", tmp_path / "a.sqlite")
    with closing(sqlite3.connect(tmp_path / "a.sqlite")) as database:
        database.execute("DELETE FROM Per_Cells")
        database.commit()
    with pytest.raises(SourceError, match=r"Per_Cells has 0 rows of .*, not 1"):
        package.load(tmp_path / "a.sqlite", tmp_path / "all.sqlite")


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("--features", "AreaShape_Area"), "has only some features"),
        (("--leave-out", "Cells_Intensity_*"), "has only some features"),
        (("--objects", "Nuclei"), "has only some object types"),
        (("--path-map", "/work=/mnt"), "has changed the paths of images"),
    ],
)
def test_a_destination_with_less_than_jobs_wrote_is_refused(
    cpexport: Callable[..., Ran], tmp_path: Path, words: tuple[str, ...], why: str
) -> None:
    outputs = unpacked("40_spreadsheet") / "outputs" / "P1-A01-1"
    assert cpexport("load", outputs, "--to", tmp_path / "some.sqlite", *words).status == 0

    ran = cpexport("load", tmp_path / "some.sqlite", "--to", tmp_path / "all.sqlite")

    assert ran.status == 1
    assert f"a destination of cpexport that {why}; load the outputs of its jobs instead" in ran.err
    assert not (tmp_path / "all.sqlite").exists()
