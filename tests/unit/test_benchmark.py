"""What `make bench` measures on, and what it makes of measurements."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from bench import runner
from bench.inputs import build
from bench.measurements import read_job
from bench.report import Results
from bench.spreadsheets import Spreadsheets
from support.fixtures import Ran, closeness, rows, values_of

# Single precision in the .h5, where doubles of them are loaded; the text in CSV is shorter.
SINGLE = ("RadialDistribution_FracAtD", "Image_Intensity_", "Image_Threshold_OrigThreshold")

PAIRS = "Object relationships.csv"


@pytest.mark.parametrize("batch", ["outputs/batch_1_6", "extra_15_15_nocells"])
def test_the_csv_files_of_an_h5_are_to_the_byte_what_cellprofiler_wrote_beside_it(
    case: Callable[[str], Path], tmp_path: Path, batch: str
) -> None:
    folder = case("11_h5_and_csv") / batch
    (measurements,) = folder.glob("*.h5")
    Spreadsheets(read_job(measurements)).write(tmp_path / "written")

    real = sorted(folder.glob("*.csv"))
    assert len(real) == 7
    for path in real:
        assert (tmp_path / "written" / path.name).read_bytes() == path.read_bytes(), path.name


def test_the_inputs_hold_the_same_as_h5_and_as_csv(
    case: Callable[[str], Path], cpexport: Callable[..., Ran], tmp_path: Path
) -> None:
    inputs = build(tmp_path / "inputs", case("60_perf"), unit=2, sizes=(1,), planned=20)
    for kind, folder in (("h5", inputs.h5(1)), ("csv", inputs.csv(1))):
        # Nothing is missing of the plan, and no picture is another one.
        assert cpexport("load", folder, "--to", f"sqlite:///{kind}.sqlite").status == 0
    h5, csv = (values_of(tmp_path / f"{kind}.sqlite") for kind in ("h5", "csv"))

    assert h5["Per_Image"]["ImageNumber"] == list(range(1, 21))
    assert len(set(h5["Per_Image"]["Image_FileName_DNA"])) == 20
    assert h5.pop("relationships") == csv.pop("relationships")
    assert {name: list(columns) for name, columns in h5.items()} == {
        name: list(columns) for name, columns in csv.items()
    }
    how = {
        column: closeness(values, csv[name][column])
        for name, columns in h5.items()
        for column, values in columns.items()
    }
    shorter = {column for column, word in how.items() if word == "float32"}
    assert set(how.values()) == {"equal", "float32"}
    assert [column for column in shorter if not any(name in column for name in SINGLE)] == []
    assert len([column for column in shorter if SINGLE[0] in column]) == 3 * 8
    real = (case("40_spreadsheet") / "outputs/P1-A01-1" / PAIRS).read_text().splitlines()
    written = (inputs.csv(1) / "batch_11_20" / PAIRS).read_text().splitlines()
    assert written[0] == real[0]
    assert real[1] == "IdentifySecondaryObjects,3,Parent,Nuclei,1,1,Cells,1,1"
    assert written[1] == "IdentifySecondaryObjects,3,Parent,Nuclei,11,1,Cells,11,1"
    values = sum(len(of) for columns in h5.values() for of in columns.values())
    image = 20 * len(h5["Per_Image"])
    assert inputs.values * inputs.batches(1) == values - image - 3 * 2 * 946
    assert rows(tmp_path / "h5.sqlite", "SELECT count(*) FROM Per_Nuclei") == [(2 * 946,)]
    shutil.rmtree(inputs.home)


def test_inputs_are_made_once(case: Callable[[str], Path], tmp_path: Path) -> None:
    home = tmp_path / "unit-3"
    home.mkdir()
    (home / "values").write_text("17")

    assert build(tmp_path, case("60_perf"), unit=3).values == 17
    assert [path.name for path in home.iterdir()] == ["values"]


def test_a_run_is_measured_with_all_of_its_processes(tmp_path: Path) -> None:
    """Those too that live on when the one that started them is gone."""
    busy = "import time; held = bytearray(150_000_000); began = time.process_time()\n"
    busy += "while time.process_time() < began + 0.4: pass"
    code = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {busy!r}])\n"
    code += "import time; time.sleep(1.5); sys.exit(3)"
    report = tmp_path / "report.json"
    words = [sys.executable, runner.__file__, str(report), sys.executable, "-c", code]
    subprocess.run(words, check=True)

    measured = json.loads(report.read_text())
    assert measured["status"] == 3
    assert measured["wall"] > 1.5
    assert measured["cpu"] > 0.4
    assert 150 < measured["memory"] < 250


def canned(*found: dict[str, object]) -> Results:
    return Results.of(json.loads(json.dumps({"unit": 5, "rows": found})))


def row(kind: str, name: str, size: int, wall: float, **others: object) -> dict[str, object]:
    return {"kind": kind, "name": name, "size": size, "wall": wall, **others}


def test_measurements_become_a_table_and_bars() -> None:
    results = canned(
        row(
            *("cpexport", ".h5 to SQLite", 16, 10.0),
            values=150.0,
            memory=330.0,
            floors=["read .h5 (h5py, low level)", "write SQLite (ADBC)"],
        ),
        row("cpexport", ".h5 to SQLite", 4, 3.0, memory=290.0),
        row("cpexport", ".h5 to SQLite", 1, 0.5),
        row("cpexport", "CSV to SQLite", 1, 2.0, peers=["pandas", "cytominer-database"]),
        row("cpexport", "check, one core", 1, 0.5, cpu=0.5),
        row("cpexport", "check, one core", 16, 0.75, cpu=0.8),
        row("cpexport", "the help text", 1, 0.3, cpu=0.2),
        row("floor", "read .h5 (h5py, low level)", 16, 20.0),
        row("floor", "write SQLite (ADBC)", 16, 12.0),
        row("peer", "pandas", 1, 33.0),
        row("peer", "cytominer-database", 1, 0.0, missing="it needs Python 3.8, which is not here"),
    )
    table = [line.split("|") for line in results.table().splitlines() if line.startswith("|")]
    lines = results.bars()

    cells = [[cell.strip() for cell in line[1:-1]] for line in table]
    largest = ["cpexport: .h5 to SQLite", "16x", "10.00", "0.00", "330", "15.0", "0.31", ""]
    assert [cell[1] for cell in cells[2:5]] == ["1x", "4x", "16x"]
    assert cells[4] == largest
    assert cells[5][-1] == "16.5 pandas"
    assert "\nNot measured:\n\n* cytominer-database 1x: it needs Python 3.8" in results.table()
    for line in (
        "bar 1: .h5 to SQLite 16x, wall by that of its floors: measured 0.312, "
        "bound at most 0.4: met",
        "bar 2: CSV to SQLite, times as fast as cytominer-database: not measured, bound 12",
        "bar 2: CSV to SQLite 1x, times as fast as pandas: measured 16.5, bound at least 8: met",
        "bar 4: .h5 to SQLite, wall of 16x by that of 1x: measured 20, bound at most 16.5: not met",
        "bar 4: .h5 to SQLite, memory of 16x by that of 4x: measured 1.14, "
        "bound at most 1.1: not met",
        "bar 5: check, one core, batches a second between 1x and 16x: measured 250, "
        "bound at least 150: met",
        "bar 6: the help text, s of CPU: measured 0.2, bound at most 0.15: not met",
    ):
        assert line in lines
    # 800 image sets in 10 s.
    assert [line for line in lines if "ExportToDatabase" in line and "measured 146," in line]
    assert {line[:5] for line in lines} == {f"bar {number}" for number in range(1, 7)}
