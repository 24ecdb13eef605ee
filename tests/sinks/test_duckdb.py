"""DuckDB files: they hold what SQLite's do, whatever is killed, and refuse in one line."""

import json
import math
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest
from support.background_loads import SCREEN_IMAGE_SETS, SCREEN_STATUS, Load, screen
from support.calls import load, verify
from support.fixtures import Ran, copied, measurements, rewritten, rows, traces, unpacked
from support.small_jobs import csv_job

import cpexport
from cpexport.derived.wells import Wells
from cpexport.tables.options import TableOptions

Copy = Callable[..., Path]
KIND = "duckdb:///"


def asked(file: Path, query: str) -> list[tuple[object, ...]]:
    with duckdb.connect(file, read_only=True) as db:
        return db.execute(query).fetchall()


def content(file: Path) -> dict[str, list[tuple[object, ...]]]:
    """All rows of all tables in order, and what the ledger says of image sets."""
    names = asked(file, "SELECT table_name FROM duckdb_tables() ORDER BY 1")
    return {
        str(name): asked(file, f'SELECT * FROM "{name}" ORDER BY ALL')
        for (name,) in names
        if not str(name).startswith(("_", "Experiment"))
    } | {
        "ledger": asked(
            file,
            "SELECT number, path, identity FROM _cpexport_sets JOIN _cpexport_batches "
            "USING (batch_id) ORDER BY number",
        )
    }


def test_an_output_that_runs_again_replaces_the_older_one_in_the_load_that_adds_a_feature(
    tmp_path: Path,
) -> None:
    """To see whether it lacks features, the load reads columns that it has only just added."""
    file = tmp_path / "screen.duckdb"
    images = {1: {"MD5Digest_DNA": "1" * 32}}
    areas = {"Cells": [{"ImageNumber": 1, "ObjectNumber": 1, "AreaShape_Area": 5.5}]}
    first = csv_job(tmp_path / "a_first", images, areas)
    load([first], f"duckdb:///{file}")
    csv_job(tmp_path / "b_again", images, areas, "2026-11-23T12:00:00.000000")
    wide = {"Cells": [{**areas["Cells"][0], "ImageNumber": 2, "Intensity_New": 7}]}
    csv_job(tmp_path / "c_other", {2: {"MD5Digest_DNA": "2" * 32}}, wide)

    load([tmp_path / "b_again", tmp_path / "c_other"], f"duckdb:///{file}")

    assert asked(file, "SELECT count(*), count(Cells_Intensity_New) FROM Per_Cells") == [(2, 1)]
    assert asked(file, "SELECT set_count FROM _cpexport_replaced") == [(1,)]


@pytest.mark.parametrize("objects", ["separate", "view", "combined"])
def test_it_holds_what_sqlite_does_when_later_loads_bring_more(
    tmp_path: Path, objects: str
) -> None:
    """The second load has more columns, and metadata that is no number any more."""
    home = unpacked("11_h5_and_csv") / "outputs"
    other = copied(home / "batch_7_12", tmp_path)
    (file,) = other.glob("*.h5")
    rewritten(file, "Image", "Metadata_Site", lambda values: ["A", "007", "1.50", "", "1e3", "b"])
    with measurements(file) as run:
        run.copy("Nuclei/AreaShape_Area", "Nuclei/AreaShape_Later")
    ours, theirs = tmp_path / "screen.duckdb", tmp_path / "screen.sqlite"
    shape, wells = TableOptions.parse(objects, "mean", None), Wells.parse("mean,std")
    for outputs in (home / "batch_1_6", other):
        for to in (f"duckdb:///{ours}", f"sqlite:///{theirs}"):
            load([outputs], to, shape=shape, wells=wells)

    query = "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') AND name LIKE 'Per_%'"
    names = [str(name) for (name,) in rows(theirs, query)]
    assert {"Per_Image", "Per_Object" if objects != "separate" else "Per_Cells"} <= {*names}
    for name in names:
        columns = [n for (n,) in rows(theirs, f"SELECT name FROM pragma_table_info('{name}')")]
        assert [n for n, *_ in asked(ours, f'DESCRIBE "{name}"')] == columns, name
        order = ", ".join(str(place + 1) for place in range(len(columns)))
        order = order if len(columns) < 20 else "1, 2"
        if name.startswith("Per_Well"):
            order = "Image_Metadata_Well"
        found, must = (
            read(file, f'SELECT * FROM "{name}" ORDER BY {order}')
            for read, file in ((asked, ours), (rows, theirs))
        )
        assert found == must, name
    assert verify([home / "batch_1_6", other], f"duckdb:///{ours}").differences == ()


def test_infinities_stay_and_missing_numbers_are_null(copy: Copy, tmp_path: Path) -> None:
    file = copy("11_h5_and_csv", "outputs/batch_1_6/batch_1_6.h5", "batch/batch.h5")
    odd = [math.inf, -math.inf, math.nan, 5e-324, 0.1 + 0.2]
    rewritten(file, "Nuclei", "AreaShape_Area", lambda values: [*odd, *values[5:]])
    to = f"duckdb:///{tmp_path}/screen.duckdb"

    load([file.parent], to)

    found = asked(tmp_path / "screen.duckdb", "SELECT Nuclei_AreaShape_Area FROM Per_Nuclei")
    values = [value for (value,) in found]
    assert values.count(None) == 1
    assert {math.inf, -math.inf, 5e-324, 0.1 + 0.2} <= set(values)
    assert verify([file.parent], to).differences == ()


def test_a_changed_value_is_found_by_verify(tmp_path: Path) -> None:
    outputs, to = unpacked("11_h5_and_csv") / "outputs", f"duckdb:///{tmp_path}/screen.duckdb"
    load([outputs], to)
    with duckdb.connect(tmp_path / "screen.duckdb") as db:
        db.execute("UPDATE Per_Cells SET Cells_AreaShape_Area = -1 WHERE ImageNumber = 3")

    (difference,) = verify([outputs], to).differences

    assert (difference.table, difference.column) == ("Per_Cells", "Cells_AreaShape_Area")
    assert difference.image_sets == (3,)


def test_python_gets_frames_of_it(tmp_path: Path) -> None:
    urls = (f"duckdb:///{tmp_path}/screen.duckdb", f"sqlite:///{tmp_path}/screen.sqlite")
    for url in urls:
        load([unpacked("11_h5_and_csv") / "outputs"], url)

    for table in ("Per_Image", "Per_Cells"):
        for sets in (None, "3-4,20"):
            ours, theirs = (cpexport.read(url, table, sets) for url in urls)
            assert ours.equals(theirs), table


def test_each_run_is_verified_by_itself(cpexport: Callable[..., Ran], tmp_path: Path) -> None:
    home = unpacked("11_h5_and_csv") / "outputs"
    runs = (f"a={home}/batch_1_6", f"b={home}/batch_1_6", f"c={home}/batch_7_12")
    to = ("--to", "duckdb:///screen.duckdb")

    ran = cpexport("load", "--table-number", *runs, *to, "--wells", "mean")
    checked = cpexport("verify", *runs, *to, "--format", "json")

    assert (ran.status, checked.status) == (0, 0), ran.err + checked.err
    assert json.loads(checked.out)["differences"] == []
    query = "SELECT TableNumber, count(*) FROM Per_Image GROUP BY 1 ORDER BY 1"
    assert asked(tmp_path / "screen.duckdb", query) == [(1, 6), (2, 6), (3, 6)]


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, object], float]:
    """The content that an undisturbed load leaves, and how many seconds it takes."""
    to = tmp_path_factory.mktemp("quiet") / "screen.duckdb"
    began = time.monotonic()
    status, _, err = Load(to, screen(), kind=KIND).end()
    assert (status, err) == (SCREEN_STATUS, "")
    return dict(content(to)), time.monotonic() - began


@pytest.mark.parametrize("moment", range(6))
def test_killed_at_any_moment_and_run_again_the_content_is_the_same(
    tmp_path: Path, quiet: tuple[dict[str, object], float], moment: int
) -> None:
    expected, seconds = quiet
    to = tmp_path / "screen.duckdb"
    first = Load(to, screen(), kind=KIND)

    time.sleep(random.Random(moment).uniform(0, seconds))
    first.send(signal.SIGKILL)
    status, _, err = Load(to, screen(), kind=KIND).end()

    assert (status, err) == (SCREEN_STATUS, "")
    assert content(to) == expected
    assert sorted(path.name for path in tmp_path.iterdir()) == [to.name, "tmp"]


def test_a_second_load_waits_for_the_first_and_loads_nothing_twice(
    tmp_path: Path, quiet: tuple[dict[str, object], float]
) -> None:
    to = tmp_path / "screen.duckdb"

    started = [Load(to, screen(), kind=KIND) for _ in range(2)]
    ends = [load.end() for load in started]

    assert [(status, err) for status, _, err in ends] == [(SCREEN_STATUS, "")] * 2
    assert sum(json.loads(out)["image_sets"] for _, out, _ in ends) == SCREEN_IMAGE_SETS
    assert content(to) == quiet[0]


def test_a_file_that_another_program_has_open_is_named_in_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from cpexport.cli.main import main
    from cpexport.sinks.duckdb import connection as duckdbfile

    file = tmp_path / "screen.duckdb"
    code = "import duckdb, sys; db = duckdb.connect(sys.argv[1]); print(flush=True); input()"
    other = subprocess.Popen(
        [sys.executable, "-c", code, file], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert other.stdout is not None
    other.stdout.readline()
    monkeypatch.setattr(duckdbfile, "_PATIENCE", 0.5)
    outputs = str(unpacked("40_spreadsheet") / "outputs/P1-A01-1")
    monkeypatch.setattr(sys, "argv", ["cpexport", "load", outputs, "--to", f"duckdb:///{file}"])

    with pytest.raises(SystemExit) as ended:
        main()
    other.communicate(b"\n")

    assert ended.value.code == 1
    assert f"locked by process {other.pid} (" in (said := capsys.readouterr().err)
    assert "wait until" in said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ("--to", "duckdb:///no/such.duckdb"),
            "create it: mkdir -p no",
        ),
        (("--to", "duckdb:///text.duckdb"), "not a DuckDB database; choose another"),
        (("--to", "duckdb://screen.duckdb"), "write duckdb:///screen.duckdb, with three slashes"),
        (("--to", "duckdb:///a.duckdb", "--properties", "a.properties"), "--properties needs"),
    ],
)
def test_what_cannot_be_is_refused_in_a_line_and_nothing_is_made(
    cpexport: Callable[..., Ran], tmp_path: Path, words: tuple[str, ...], said: str
) -> None:
    (tmp_path / "text.duckdb").write_text("mine\n" * 2000)
    before = traces(tmp_path)

    ran = cpexport("load", unpacked("40_spreadsheet") / "outputs/P1-A01-1", *words)

    assert ran.status in (1, 2)
    assert said in ran.err
    assert len(ran.err.splitlines()) == 1
    assert traces(tmp_path) == before


def test_a_full_disk_is_said_in_a_line_and_leaves_no_file(
    small_disk: Callable[[int], Path], cpexport: Callable[..., Ran]
) -> None:
    folder = small_disk(2000)

    ran = cpexport(
        "load", unpacked("60_perf") / "outputs", "--to", f"duckdb:///{folder}/screen.duckdb"
    )

    assert ran.status == 1
    assert len(ran.err.splitlines()) == 1
    assert "No space left" in ran.err
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("written", [0, 4_000_000_000])
def test_an_empty_file_that_a_kill_left_is_begun_again_whatever_its_time(
    tmp_path: Path, written: int
) -> None:
    file, outputs = tmp_path / "screen.duckdb", unpacked("40_spreadsheet") / "outputs" / "P1-A01-1"
    file.touch()
    os.utime(file, (written, written))

    report = load([outputs], f"{KIND}{file}")

    assert report.image_sets == 1
    assert asked(file, "SELECT count(*) FROM Per_Cells") == [(25,)]
