"""What a load costs does not grow with what the destination holds. Counted, not timed."""

import gc
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from bench.tiny import write_batches, write_plan
from support.calls import load
from support.csv_outputs import image, nucleus, output
from support.fixtures import unpacked
from support.small_jobs import h5_job

from cpexport._sqlite_adbc import Connection
from cpexport.cellprofiler.image_identity import Identities
from cpexport.cellprofiler.same_image import judged
from cpexport.errors import CollisionError
from cpexport.files import walk
from cpexport.loading import evidence_cache, judging, known_folders, own_keys
from cpexport.loading.inspection import Inspector
from cpexport.loading.progress import ProgressEvent
from cpexport.loading.survey import survey
from cpexport.sources import detect
from cpexport.sources.base import Batch
from cpexport.sources.folder_content import Place
from cpexport.sources.spreadsheet import file_groups
from cpexport.sources.spreadsheet.source import SpreadsheetSource

MARKS = ("ModuleError_01LoadData", "ExecutionTime_01LoadData")
"""What a job writes of an image set that it has measured."""
PAIRS = """\
Module,Module Number,Relationship,First Object Name,First Image Number,First Object Number,\
Second Object Name,Second Image Number,Second Object Number
MeasureObjectNeighbors,9,Neighbors,Nuclei,1,1,Nuclei,1,2
"""
Cost = Callable[[Callable[[], object]], dict[str, int]]


@pytest.fixture
def cost(monkeypatch: pytest.MonkeyPatch) -> Cost:
    """Counts SQL statements, the rows that they return, folders that are looked at in detail, and
    tables whose header is read, while a function runs."""
    counted: dict[str, int] = {}

    def counting(kind: Any, name: str, *words: str) -> None:
        real = getattr(kind, name)

        def call(*args: Any, **options: Any) -> Any:
            found = real(*args, **options)
            counted[words[0]] = counted.get(words[0], 0) + 1
            if len(words) > 1:
                counted[words[1]] = counted.get(words[1], 0) + len(found)
            return found

        monkeypatch.setattr(kind, name, call)

    counting(Connection, "rows", "statements", "rows")
    counting(detect, "sorted_by_kind", "folders")
    counting(file_groups, "open_csv", "headers")

    def measured(do: Callable[[], object]) -> dict[str, int]:
        counted.clear()
        do()
        return dict(counted)

    return measured


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A cache of its own, which takes files that were written just now for settled."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(walk, "SETTLED", -60.0)
    monkeypatch.setattr(evidence_cache, "SETTLED", -60.0)


@pytest.mark.parametrize("planned", [False, True])
@pytest.mark.parametrize("to", ["sqlite:///{}/a.sqlite", "parquet:{}/a"])
def test_adding_a_batch_asks_the_ledger_as_much_whatever_it_holds(
    cost: Cost, tmp_path: Path, to: str, planned: bool
) -> None:
    costs = []
    for count in (3, 6):
        home = tmp_path / str(count)
        write_batches(home / "outputs", 1, count)
        write_batches(home / "more", count + 1, count + 1)
        write_plan(home / "Batch_data.h5", 20)
        plan = home / "Batch_data.h5" if planned else None
        load([home / "outputs"], to.format(home), batch_file=plan)
        one = home / "more" / f"batch_{count + 1}"
        costs.append(cost(partial(load, [one], to.format(home), batch_file=plan)))

    assert costs[0] == costs[1]


def test_a_batch_is_found_in_the_ledger_by_whole_keys(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    to = f"sqlite:///{tmp_path}/a.sqlite"
    write_batches(tmp_path / "outputs", 1, 2)
    load([tmp_path / "outputs" / "batch_1"], to)
    asked: dict[str, tuple[object, ...]] = {}
    real = Connection.rows

    def rows(self: Connection, sql: str, *values: object) -> list[tuple[Any, ...]]:
        asked[sql] = values
        return real(self, sql, *values)

    monkeypatch.setattr(Connection, "rows", rows)
    load([tmp_path / "outputs" / "batch_2"], to)
    monkeypatch.undo()

    of_batches = [sql for sql in asked if sql.startswith("SELECT") and "_cpexport_" in sql]
    connection = Connection(str(tmp_path / "a.sqlite"))
    plans = [
        (sql, step)
        for sql in of_batches
        for *_, step in connection.rows(f"EXPLAIN QUERY PLAN {sql}", *asked[sql])
        if any(table in step for table in ("_batches", "_sets", "_tables", "_features"))
    ]
    connection.close()
    assert plans
    # Only the numbers of batches and image sets are counted.
    keys = ("table_number=?", "batch_id=?", "batch_id>?", "rowid", "digest=?")
    assert [
        (sql, step)
        for sql, step in plans
        if not any(key in step for key in keys) and "count(" not in sql
    ] == []


def test_a_load_keeps_only_some_batches_in_memory(tmp_path: Path) -> None:
    alive = []

    def count(done: ProgressEvent) -> None:
        kept = (Batch, SpreadsheetSource, Place)
        alive.append((done.what, sum(isinstance(one, kept) for one in gc.get_objects())))

    write_batches(tmp_path / "outputs", 1, 30)
    gc.collect()
    assert (
        load([tmp_path / "outputs"], f"sqlite:///{tmp_path}/a.sqlite", progress=count).loaded == 30
    )

    assert max(number for what, number in alive if what == "loaded") < 15


@pytest.mark.parametrize("few", [0, 1000])
def test_a_load_with_nothing_new_looks_at_no_folder_twice(
    cost: Cost, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, few: int
) -> None:
    monkeypatch.setattr(known_folders, "_FEW", few)
    outputs, to = tmp_path / "outputs", f"sqlite:///{tmp_path}/a.sqlite"
    write_batches(outputs, 1, 5)
    first = cost(lambda: load([outputs], to))

    again = cost(lambda: load([outputs], to))

    assert (first["folders"], again["folders"]) == (6, 1)
    assert "headers" in first
    assert "headers" not in again
    assert load([outputs], to).already == 5
    # Nothing is known to a check, nor to another destination.
    assert len(survey([outputs]).batches) == load([outputs], f"{to}2").loaded == 5


def changed(path: Path, old: str, new: str) -> None:
    """Changes a text within a file, in place."""
    with path.open("r+") as file:
        text = file.read()
        file.seek(0)
        file.write(text.replace(old, new))
        file.truncate()


def test_a_folder_whose_file_changed_in_place_is_looked_at_again(tmp_path: Path) -> None:
    outputs, to = tmp_path / "outputs", f"sqlite:///{tmp_path}/a.sqlite"
    write_batches(outputs, 1, 3)
    load([outputs], to)
    assert load([outputs], to).already == 3
    file = outputs / "batch_2" / "Nuclei.csv"
    before = file.stat()
    changed(file, "101", "999")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns + 1))

    report = load([outputs], to)

    assert (report.loaded, report.replaced, report.already) == (1, 1, 2)


def test_new_and_deleted_folders_are_found_among_known_ones(tmp_path: Path) -> None:
    outputs, to = tmp_path / "outputs", f"sqlite:///{tmp_path}/a.sqlite"
    write_batches(outputs, 1, 4)
    load([outputs], to)
    (outputs / "batch_3").rename(tmp_path / "away")
    write_batches(outputs, 5, 6)

    report = load([outputs], to)

    assert (report.loaded, report.already) == (2, 3)
    assert (tmp_path / "away").rename(outputs / "batch_3").is_dir()
    assert load([outputs], to).already == 6


def test_a_table_elsewhere_that_may_belong_to_a_known_job_is_reported(tmp_path: Path) -> None:
    outputs, to = tmp_path / "outputs", f"sqlite:///{tmp_path}/a.sqlite"
    write_batches(outputs, 1, 2)
    load([outputs], to)
    output(outputs / "more", [nucleus(1, 1, 5.0)]).joinpath("Image.csv").rename(
        outputs / "more" / "Cells.csv"
    )

    found = load([outputs], to)
    (tmp_path / "cache").rename(tmp_path / "no-cache")
    anew = load([outputs], to)

    assert found.left_out == anew.left_out != ()


def test_a_batch_that_was_left_out_is_named_again_although_its_neighbor_is_loaded(
    tmp_path: Path,
) -> None:
    outputs, to = tmp_path / "outputs", f"sqlite:///{tmp_path}/a.sqlite"
    h5_job(outputs / "job" / "whole.h5", {1: {}})
    h5_job(outputs / "job" / "cut.h5", {2: dict.fromkeys(MARKS)})

    first, again = (load([outputs], to) for _ in range(2))

    assert (first.loaded, again.already) == (1, 1)
    assert [Path(left.path).name for left in first.left_out] == ["cut.h5"]
    assert again.left_out == first.left_out


def test_a_table_elsewhere_goes_to_a_known_job_that_it_fits(tmp_path: Path) -> None:
    outputs, to = tmp_path / "outputs", f"sqlite:///{tmp_path}/a.sqlite"
    write_batches(outputs, 1, 1)
    load([outputs], to)
    (outputs / "more").mkdir()
    (outputs / "more" / "Object relationships.csv").write_text(PAIRS)

    report = load([outputs], to)

    assert (report.replaced, report.left_out) == (1, ())


def test_experiment_csv_above_known_folders_describes_their_run(tmp_path: Path) -> None:
    outputs, to = tmp_path / "outputs", f"sqlite:///{tmp_path}/a.sqlite"
    write_batches(outputs, 1, 2)
    load([outputs], to)
    shutil.copy(outputs / "batch_1" / "Experiment.csv", outputs)

    report = load([outputs], to)

    assert (report.already, report.left_out) == (2, ())


@pytest.mark.parametrize("name", ["10_ranges", "12_failed", "11_h5_and_csv"])
def test_a_report_is_the_same_with_and_without_known_folders(tmp_path: Path, name: str) -> None:
    outputs = [unpacked(name) / "outputs"]
    to = f"sqlite:///{tmp_path}/a.sqlite"
    load(outputs, to)

    remembered = load(outputs, to)
    (tmp_path / "cache").rename(tmp_path / "no-cache")
    anew = load(outputs, to)

    assert replace(remembered, seconds=0) == replace(anew, seconds=0)


@pytest.mark.parametrize("kept", [0, 1000])
def test_an_output_is_judged_by_tables_that_only_later_ones_have(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kept: int
) -> None:
    monkeypatch.setattr(judging, "_KEPT", kept)
    output(tmp_path / "a", [image(1, "a.tif", Count_Nuclei=1, ModuleError_01LoadData=0)])
    output(
        tmp_path / "b",
        [image(2, "b.tif", Count_Nuclei=1, ModuleError_01LoadData=0)],
        Nuclei=[nucleus(2, 1, 5.0)],
    )

    found = {b.source.path.name: (str(b.complete), b.reason) for b in survey([tmp_path]).batches}

    assert found["b"] == ("2", "")
    assert found["a"][0] == ""
    assert "the table of Nuclei is missing" in found["a"][1]


def test_different_images_under_one_number_are_refused_before_anything_changes(
    tmp_path: Path,
) -> None:
    outputs, to = tmp_path / "outputs", f"sqlite:///{tmp_path}/a.sqlite"
    write_batches(outputs, 1, 2)
    load([outputs], to)
    before = (tmp_path / "a.sqlite").read_bytes()
    write_batches(tmp_path / "other", 2, 2)
    changed(tmp_path / "other" / "batch_2" / "Image.csv", "P0001_A01_s2.tif", "Q0001_A01_s2.tif")

    with pytest.raises(CollisionError, match="image set 2 has different images"):
        load([tmp_path / "other"], to)

    assert (tmp_path / "a.sqlite").read_bytes() == before


@pytest.mark.parametrize("planned", [False, True])
def test_groups_and_plates_are_those_of_all_batches_after_each_load(
    tmp_path: Path, planned: bool
) -> None:
    plan = tmp_path / "Batch_data.h5" if planned else None
    write_plan(tmp_path / "Batch_data.h5", 2000)
    for first, last in ((1, 2), (1600, 1600), (3, 4)):
        write_batches(tmp_path / "outputs", first, last)
        load([tmp_path / "outputs"], f"sqlite:///{tmp_path}/a.sqlite", batch_file=plan)
    load([tmp_path / "outputs"], f"sqlite:///{tmp_path}/b.sqlite", batch_file=plan)

    one, other = (stored(tmp_path / name) for name in ("a.sqlite", "b.sqlite"))

    assert one == other
    assert [value for field, value in one["properties"] if "Plate_" in field] != []


def stored(file: Path) -> dict[str, list[tuple[Any, ...]]]:
    queries = {
        "groups": "SELECT ImageNumber, Image_Group_Number, Image_Group_Index, Image_Group_Length "
        "FROM Per_Image ORDER BY 1",
        "properties": "SELECT field, value FROM Experiment_Properties WHERE field <> "
        "'db_sqlite_file' ORDER BY 1, 2",
    }
    connection = Connection(str(file))
    found = {name: connection.rows(query) for name, query in queries.items()}
    connection.close()
    assert found["groups"]
    assert pa.array([row[0] for row in found["groups"]]).null_count == 0
    return found


def test_jobs_that_count_from_1_cost_little_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their evidence is not read again to number them, pairs are not compared one by one, and they
    share what all have."""
    compared: list[object] = []
    again: list[object] = []

    def note(ours: Identities, theirs: Identities) -> Any:
        compared.append(ours)
        return judged(ours, theirs)

    monkeypatch.setattr(own_keys, "judged", note)
    monkeypatch.setattr(Inspector, "again", lambda self, source: again.append(source))
    write_batches(tmp_path / "outputs", 1, 40, own=True)
    found = survey([tmp_path / "outputs"])

    assert found.count_from_1
    assert found.by_metadata
    assert sorted(n for batch in found.batches for n in batch.complete) == [*range(1, 41)]
    assert len(found.facts.features) == 1
    assert (len(compared), again) == (1, [])
