"""Folders of Delta Lake tables: what readers of Delta find, and what other programs may do."""

import errno
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from deltalake import DeltaTable, write_deltalake
from support.background_loads import Load
from support.buckets import s3
from support.calls import load, verify
from support.csv_outputs import NEW, OLD, image, nucleus, output
from support.datasets import content, leftovers, table_in
from support.fixtures import Ran, rows, unpacked

from cpexport import read
from cpexport.errors import SinkError
from cpexport.sinks.delta.log import TableLog

Run = Callable[..., Ran]
TESTS = Path(__file__).parents[1]


def polars(table: Path) -> pa.Table:
    """The reader, where `make clients` runs: wherever it is, the driver of SQLite imports it."""
    library = pytest.importorskip("polars", reason="polars is not installed; see make clients")
    return library.read_delta(str(table)).to_arrow()


READERS: dict[str, Callable[[Path], pa.Table]] = {
    "deltalake": lambda table: pa.table(DeltaTable(table).to_pyarrow_table()),
    "pandas": lambda table: pa.Table.from_pandas(DeltaTable(table).to_pandas()),
    "polars": polars,
    "duckdb": lambda table: (
        duckdb.connect()
        .from_arrow(DeltaTable(table).to_pyarrow_dataset())
        .filter("ImageNumber > 0")
        .to_arrow_table()
    ),
}


def job(home: Path, number: int, area: float, time: int = OLD, **more: object) -> Path:
    """A batch of one image set with one nucleus."""
    return output(
        home / f"job{number}-{area}",
        [image(number, f"{number}.tif", "", f"{number:032}")],
        time,
        Nuclei=[nucleus(number, 1, area, **more)],
    )


def log(table: Path) -> list[dict[str, Any]]:
    """All actions of a table's log, in order."""
    commits = sorted((table / "_delta_log").glob("*.json"))
    return [json.loads(line) for commit in commits for line in commit.read_text().splitlines()]


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Loads into `screen`, and into `screen.sqlite` next to it: later ones bring a column, a wider
    type, and a batch that replaces another."""
    home = tmp_path_factory.mktemp("grown")
    first = [job(home, number, 10 * number) for number in (1, 2, 3)]
    for outputs in (
        first,
        [*first, job(home, 4, 2.75, AreaShape_Later=1.5)],
        [*first, job(home, 2, 7.25, NEW)],
    ):
        for to in (f"delta:{home}/screen", f"sqlite:///{home}/screen.sqlite"):
            load(outputs, to)
    return home


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("table", ["Per_Image", "Per_Nuclei"])
def test_readers_of_delta_find_the_table_that_sqlite_has(
    grown: Path, reader: str, table: str
) -> None:
    found = READERS[reader](grown / "screen" / table).sort_by("ImageNumber")

    must = rows(grown / "screen.sqlite", f"SELECT * FROM {table} ORDER BY 1")
    columns = found.to_pydict().values()
    assert [[None if v != v else v for v in row] for row in zip(*columns, strict=True)] == [
        list(row) for row in must
    ]
    assert len(must) == 4


def test_a_new_column_and_a_wider_type_are_one_commit_with_the_files(grown: Path) -> None:
    commits = sorted((grown / "screen/Per_Nuclei/_delta_log").glob("*.json"))
    kinds = [
        [next(iter(json.loads(line))) for line in commit.read_text().splitlines()]
        for commit in commits
    ]
    assert kinds == [
        ["commitInfo", "txn", "protocol", "metaData", "add"],
        ["commitInfo", "txn", "metaData", "remove", "add"],
        ["commitInfo", "txn", "remove", "add"],
    ]
    table = DeltaTable(grown / "screen/Per_Nuclei")
    assert (table.protocol().min_reader_version, table.protocol().min_writer_version) == (1, 2)
    before = DeltaTable(grown / "screen/Per_Nuclei", version=0).to_pyarrow_table()
    assert before["Nuclei_AreaShape_Area"].to_pylist() == [10, 20, 30]


def test_statistics_are_of_image_numbers_only(grown: Path) -> None:
    (stats,) = [
        json.loads(action["add"]["stats"])
        for action in log(grown / "screen/Per_Nuclei")[-1:]
        if "add" in action
    ]
    assert stats == {
        "numRecords": 4,
        "minValues": {"ImageNumber": 1},
        "maxValues": {"ImageNumber": 4},
        "nullCount": {"ImageNumber": 0},
    }


def test_the_commands_read_it(grown: Path, cpexport: Run) -> None:
    to = f"delta:{grown}/screen"

    frame = read(to, "Per_Nuclei")
    assert sorted(frame["Nuclei_AreaShape_Area"]) == [2.75, 7.25, 10, 30]
    assert cpexport("info", grown / "screen").status == 0
    assert "Per_Nuclei             4 " in cpexport("info", "--to", to).out
    refused = cpexport("properties", "--to", to)
    assert (refused.status, refused.err.count("\n")) == (1, 1)
    assert "CellProfiler Analyst cannot read Delta Lake" in refused.err
    exported = cpexport("export", "Per_Nuclei", "--to", to, "--out", grown / "nuclei.csv")
    assert exported.status == 0, exported.err
    assert (grown / "nuclei.csv").read_text().count("\n") == 5
    assert leftovers(grown / "screen") == set()


def test_the_same_load_once_more_writes_nothing(tmp_path: Path) -> None:
    first = [job(tmp_path, 1, 10), job(tmp_path, 2, 20)]
    load(first, f"delta:{tmp_path}/screen")
    before = log(tmp_path / "screen/Per_Image")

    assert load(first, f"delta:{tmp_path}/screen").already == 2
    assert log(tmp_path / "screen/Per_Image") == before


def test_removed_image_sets_are_gone_for_readers(tmp_path: Path, cpexport: Run) -> None:
    load([job(tmp_path, 1, 10), job(tmp_path, 2, 20)], f"delta:{tmp_path}/screen")

    to = f"delta:{tmp_path}/screen"
    ran = cpexport("remove", "--image-sets", "1", "--to", to, "--yes")

    assert ran.status == 0, ran.err
    for name in ("Per_Image", "Per_Nuclei"):
        table = table_in(tmp_path / "screen" / name)
        assert table is not None
        assert table["ImageNumber"].to_pylist() == [2]


def test_a_replaced_file_is_kept_for_readers_for_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    to = f"delta:{tmp_path}/screen"
    load([job(tmp_path, 1, 10)], to)
    old = DeltaTable(tmp_path / "screen/Per_Nuclei")
    load([job(tmp_path, 2, 20)], to)
    assert old.to_pyarrow_table().num_rows == 1

    monkeypatch.setattr("cpexport.sinks.delta.folder._KEPT", -1)
    load([job(tmp_path, 3, 30)], to)

    with pytest.raises(FileNotFoundError):
        old.to_pyarrow_table()
    assert leftovers(tmp_path / "screen") == set()


def test_many_commits_get_a_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cpexport.sinks.delta.log._CHECKPOINT", 2)
    monkeypatch.setattr("cpexport.sinks.delta.folder._SECONDS", 0)

    outputs = [job(tmp_path, number, number) for number in range(1, 6)]
    load(outputs, f"delta:{tmp_path}/screen")

    assert list((tmp_path / "screen/Per_Nuclei/_delta_log").glob("*4.checkpoint.parquet"))
    for commit in (tmp_path / "screen/Per_Nuclei/_delta_log").glob("*[0-3].json"):
        commit.unlink()
    found = DeltaTable(tmp_path / "screen/Per_Nuclei").to_pyarrow_table()
    assert pc.sum(found["Nuclei_AreaShape_Area"]).as_py() == 15
    assert verify(outputs, f"delta:{tmp_path}/screen").differences == ()


@pytest.mark.parametrize("what", ["append", "delete", "optimize", "another table"])
def test_a_table_that_another_program_changed_is_refused_before_anything_is_written(
    tmp_path: Path, what: str
) -> None:
    to, table = f"delta:{tmp_path}/screen", tmp_path / "screen/Per_Nuclei"
    load([job(tmp_path, 1, 10), job(tmp_path, 2, 20)], to)
    if what == "append":
        write_deltalake(table, pa.table(DeltaTable(table).to_pyarrow_table()), mode="append")
    elif what == "delete":
        DeltaTable(table).delete("ImageNumber = 1")
    elif what == "optimize":
        DeltaTable(table).optimize.z_order(["ImageNumber"])
    else:
        for commit in (table / "_delta_log").iterdir():
            commit.unlink()
        write_deltalake(table, pa.table({"x": [1]}))
    before = content(tmp_path / "screen")

    with pytest.raises(SinkError, match=r"Per_Nuclei (was changed|has a log)"):
        load([job(tmp_path, 3, 30)], to)

    assert content(tmp_path / "screen") == before


def test_what_deletes_nothing_that_counts_is_allowed(tmp_path: Path) -> None:
    to, table = f"delta:{tmp_path}/screen", tmp_path / "screen/Per_Nuclei"
    load([job(tmp_path, 1, 10)], to)
    load([job(tmp_path, 2, 20)], to)
    DeltaTable(table).vacuum(retention_hours=0, dry_run=False, enforce_retention_duration=False)
    DeltaTable(table).create_checkpoint()

    load([job(tmp_path, 3, 30)], to)

    assert DeltaTable(table).to_pyarrow_table().num_rows == 3


def test_a_log_that_was_deleted_is_noticed_and_written_again(tmp_path: Path) -> None:
    to, table = f"delta:{tmp_path}/screen", tmp_path / "screen/Per_Nuclei"
    outputs = [job(tmp_path, 1, 10)]
    load(outputs, to)
    for commit in (table / "_delta_log").iterdir():
        commit.unlink()
    assert "Per_Nuclei" in str(verify(outputs, to).differences)

    load([*outputs, job(tmp_path, 2, 20)], to)

    assert DeltaTable(table).to_pyarrow_table().num_rows == 2


@pytest.mark.parametrize(("first", "then"), [("parquet", "delta"), ("delta", "parquet")])
def test_a_folder_of_the_other_kind_is_refused_in_a_line(
    tmp_path: Path, cpexport: Run, first: str, then: str
) -> None:
    outputs = job(tmp_path, 1, 10)
    load([outputs], f"{first}:{tmp_path}/screen")

    ran = cpexport("load", outputs, "--to", f"{then}:screen")

    assert (ran.status, ran.err) == (
        1,
        f"cpexport: {then}:screen: the folder holds tables of {first}; write {first}:screen\n",
    )


@pytest.mark.parametrize("to", ["delta:s3://lab/screen", "parquet:gs://lab/screen"])
def test_a_bucket_is_refused_in_a_line(tmp_path: Path, cpexport: Run, to: str) -> None:
    ran = cpexport("load", job(tmp_path, 1, 10), "--to", to)

    bucket = to.partition(":")[2]
    assert (ran.status, ran.err) == (
        2,
        f"cpexport: --to {to}: no load can write to a bucket; load into delta:FOLDER, and copy "
        f"the folder to {bucket}, where readers of Delta Lake read it\n",
    )


def test_a_copy_in_a_bucket_is_read_there(grown: Path) -> None:
    """As the refusal says."""
    with s3() as store:
        url = store.upload(grown / "screen", "delta")
        options = {**store.environment, "AWS_ALLOW_HTTP": "true"}
        table = DeltaTable(f"{url}/Per_Nuclei", storage_options=options)
        found = pa.table(table.to_pyarrow_table())

    assert sorted(found["Nuclei_AreaShape_Area"].to_pylist()) == [2.75, 7.25, 10, 30]


@pytest.mark.parametrize("links", [True, False])
def test_a_commit_of_another_program_is_never_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    """On a disk without links, too."""

    def refuse(*_: object) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    def race(log: TableLog, version: int, text: str) -> None:
        table = log._table
        if table.name == "Per_Nuclei" and version == 1:
            write_deltalake(table, pa.table(DeltaTable(table).to_pyarrow_table()), mode="append")
        write(log, version, text)

    write = TableLog._write
    if not links:
        monkeypatch.setattr("os.link", refuse)
    to, table = f"delta:{tmp_path}/screen", tmp_path / "screen/Per_Nuclei"
    load([job(tmp_path, 1, 10)], to)
    monkeypatch.setattr(TableLog, "_write", race)

    with pytest.raises(SinkError, match=r"Per_Nuclei was changed by another program \(version 1\)"):
        load([job(tmp_path, 2, 20)], to)

    assert DeltaTable(table).history(1)[0]["operation"] == "WRITE"
    assert DeltaTable(table).to_pyarrow_table().num_rows == 2
    assert [action["add"]["stats"] for action in log(table) if "add" in action][1:]
    # The batch is stored, but no reader of this table finds it.
    assert len(read(to, "Per_Nuclei")) == 2


@pytest.mark.slow
def test_killed_at_any_step_the_next_load_completes_it(tmp_path: Path) -> None:
    """At some of the 400 steps; `python -m support.delta_kills FOLDER 1` in `tests` tries all."""
    ran = subprocess.run(
        [sys.executable, "-m", "support.delta_kills", str(tmp_path), "53"],
        cwd=TESTS,
        capture_output=True,
        text=True,
        check=False,
    )

    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout)["kills"] > 4


@pytest.mark.slow
def test_loads_at_once_into_one_folder_load_each_batch_once(tmp_path: Path) -> None:
    outputs = unpacked("11_h5_and_csv") / "outputs"
    started = [Load(tmp_path / "screen", [str(outputs)], kind="delta:") for _ in range(3)]
    ends = [load.end() for load in started]

    assert [status for status, _, _ in ends] == [0] * 3, ends
    assert sum(json.loads(out)["image_sets"] for _, out, _ in ends) == 24
    images = table_in(tmp_path / "screen/Per_Image")
    assert images is not None
    assert sorted(images["ImageNumber"].to_pylist()) == list(range(1, 25))
    assert leftovers(tmp_path / "screen") == set()
