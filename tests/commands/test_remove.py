"""`cpexport remove` takes image sets out; loads do not bring them back unless they are asked to."""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from support.csv_outputs import NEW, OLD, image, nucleus, output
from support.fixtures import Ran, rows, unpacked
from support.servers import Database
from support.terminals import answered

import cpexport
from cpexport.errors import SinkError, UsageError
from cpexport.imagesets import ImageSets
from cpexport.sinks.registry import open_sink

Run = Callable[..., Ran]
FILES = ["sqlite:///{}/x.sqlite", "duckdb:///{}/x.duckdb", "parquet:{}/x"]
JOBS = ("P1-A01-1", "P1-A01-2", "P2-A01-1")


@pytest.fixture
def outputs(tmp_path: Path) -> Path:
    """Three jobs: image sets 1 and 2 in one well, and 13 on another plate."""
    for name in JOBS:
        shutil.copytree(unpacked("40_spreadsheet") / "outputs" / name, tmp_path / "run" / name)
    return tmp_path / "run"


@pytest.fixture(params=[*FILES, "mariadb"])
def to(request: pytest.FixtureRequest, tmp_path: Path, databases: Callable[[str], Database]) -> str:
    name = str(request.param)
    return databases(name).url() if name == "mariadb" else name.format(tmp_path)


def held(to: str) -> dict[str, list[dict[str, object]]]:
    """The rows of all tables, with those that are computed from them."""
    found = {}
    with open_sink(to, writing=False) as sink:
        for name in sorted(sink.layout().objects):
            found[name] = [row for block in sink.read(name) for row in block.to_pylist()]
        pairs = [row for block in sink.read("Relationship") for row in block.to_pylist()]
        found["pairs"] = sorted(pairs, key=lambda row: json.dumps(row))
        for name, columns in sink.derived_tables().items():
            values = sink.read_derived_table(name, columns)
            found[name] = [dict(zip(columns, row, strict=True)) for row in values]
            found[name].sort(key=lambda row: str(row["Image_Metadata_Plate"]))
        found["described"] = [
            {**fields, "db_sqlite_file": "", "object": name}
            for name, fields in sorted((sink.ledger.described() or {}).items())
        ]
    return found


def clean(outputs: Path, to: str) -> bool:
    found = cpexport.verify(outputs, to)
    return (found.differences, found.not_verified, found.different) == ((), (), 0)


def test_what_is_left_is_as_if_the_rest_had_never_been_loaded(
    outputs: Path, to: str, tmp_path: Path
) -> None:
    alone = f"sqlite:///{tmp_path}/alone.sqlite"
    cpexport.load([outputs / name for name in JOBS[::2]], alone, wells="mean")
    cpexport.load(outputs, to, wells="mean")
    whole = held(to)
    looked = cpexport.remove(to, batches=outputs / JOBS[1], dry_run=True)
    untouched = held(to) == whole
    done = cpexport.remove(to, batches=outputs / JOBS[1])
    rest, expected = held(to), held(alone)
    is_clean = clean(outputs, to)
    again = cpexport.load(outputs, to)
    out = held(to) == rest
    back = cpexport.load(outputs, to, again=True)

    assert (untouched, looked.rows, looked.count) == (True, done.rows, 1)
    assert (str(done.image_sets), done.left, list(done.batches)) == (
        "2",
        2,
        [f"{outputs}/P1-A01-2"],
    )
    assert done.rows["Per_Nuclei"] == len(whole["Nuclei"]) - len(rest["Nuclei"])
    assert done.rows["Per_Relationships"] == len(whole["pairs"]) - len(rest["pairs"]) > 0
    if "sqlite" in to:
        assert rest == expected
    else:
        del rest["described"], expected["described"]
        assert rest == expected
    assert is_clean
    assert (again.loaded, again.exit_status, out) == (0, 3, True)
    assert [left.reason for left in again.left_out] == [
        "image set 2 was removed with cpexport remove; load --again brings it back"
    ]
    assert (back.image_sets, back.replaced, back.left_out) == (1, 0, ())
    assert held(to) == whole
    assert clean(outputs, to)


@pytest.mark.parametrize("to", FILES[::2])
def test_all_of_it_can_be_removed_and_loaded_again(outputs: Path, to: str, tmp_path: Path) -> None:
    to = to.format(tmp_path)
    cpexport.load(outputs, to, wells="mean")
    whole = held(to)
    done = cpexport.remove(to, image_sets="1-99")
    empty = held(to)
    is_clean = clean(outputs, to)
    info = cpexport.info(to=to)
    cpexport.load(outputs, to, again=True)

    assert (str(done.image_sets), done.left) == ("1-2,13", 0)
    assert done.notes[0].endswith("image sets 3-12,14-99 are not in it")
    assert {name: len(found) for name, found in empty.items() if found} == {}
    assert is_clean
    assert isinstance(info, cpexport.InfoReport)
    assert (info.is_whole, info.history.current, info.history.removed) == (True, 0, 3)
    assert held(to) == whole


def test_a_copy_and_a_touched_output_stay_out_and_a_new_one_comes_in(
    outputs: Path, tmp_path: Path
) -> None:
    to = f"sqlite:///{tmp_path}/x.sqlite"
    cpexport.load(outputs, to)
    cpexport.remove(to, plate="P1")
    os.utime(outputs / JOBS[0] / "Image.csv")
    shutil.copytree(outputs / JOBS[1], tmp_path / "copy" / "b")
    stayed = cpexport.load([outputs, tmp_path / "copy"], to)
    once_more = cpexport.load([outputs, tmp_path / "copy"], to)
    new = tmp_path / "copy" / "b" / "Cells.csv"
    new.write_text(new.read_text().replace("0.", "1.", 1))
    came = cpexport.load([outputs, tmp_path / "copy"], to)

    assert [str(report.missing) for report in (stayed, once_more)] == ["1-12"] * 2
    assert [report.image_sets for report in (stayed, once_more)] == [0, 0]
    assert (came.image_sets, str(came.missing)) == (1, "1,3-12")


def test_what_a_failed_job_completed_stays_out(tmp_path: Path) -> None:
    outputs = unpacked("12_failed") / "outputs"
    to = f"sqlite:///{tmp_path}/x.sqlite"
    report = cpexport.load(outputs, to)
    ((first,),) = rows(tmp_path / "x.sqlite", "SELECT min(ImageNumber) FROM Per_Image")
    cpexport.remove(to, image_sets=[first])
    again = cpexport.load(outputs, to)

    assert again.image_sets == 0
    assert str(again.missing) == str(report.missing | ImageSets.of([first]))
    assert clean(outputs, to)


def test_of_several_runs_one_is_removed_or_a_plate_of_all(outputs: Path, tmp_path: Path) -> None:
    to = f"sqlite:///{tmp_path}/x.sqlite"
    runs = [f"a={outputs}", f"b={outputs / JOBS[2]}"]
    cpexport.load(runs, to, table_number=True, wells="mean")
    with pytest.raises(UsageError, match=r"--image-sets needs --run.*: a, b"):
        cpexport.remove(to, image_sets="1")
    plate = cpexport.remove(to, plate="P2", dry_run=True)
    one = cpexport.remove(to, run="a", image_sets="1")
    whole = cpexport.remove(to, run="b")
    keys = rows(tmp_path / "x.sqlite", "SELECT TableNumber, ImageNumber FROM Per_Image")
    wells = rows(tmp_path / "x.sqlite", "SELECT TableNumber, Image_Set_Count FROM Per_Well")
    verified = cpexport.verify(runs, to)

    assert {name: str(sets) for name, sets in plate.runs.items()} == {"a": "13", "b": "13"}
    assert (plate.count, plate.rows["Per_Image"]) == (2, 2)
    assert (one.count, str(whole.runs["b"]), whole.left) == (1, "13", 2)
    assert keys == [(1, 2), (1, 13)]
    assert wells == [(1, 1), (1, 1)]
    assert verified.differences == ()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({}, "name what to remove"),
        ({"batches": "elsewhere"}, "has no batch from there"),
        ({"image_sets": "77"}, "has no image set 77 to remove"),
        ({"image_sets": "x"}, "--image-sets takes numbers such as 1-10,12, not x"),
        ({"plate": "P9"}, "has the plates P1, P2"),
        ({"run": "a"}, "has no runs; leave out --run"),
        ({"plate": "P1", "image_sets": "13"}, "has no image sets for --image-sets 13 --plate P1"),
    ],
)
def test_what_is_not_there_is_named_and_nothing_is_removed(
    outputs: Path, tmp_path: Path, words: dict[str, str], message: str
) -> None:
    to = f"sqlite:///{tmp_path}/x.sqlite"
    cpexport.load(outputs, to)
    with pytest.raises(UsageError) as refused:
        cpexport.remove(to, **words)  # type: ignore[arg-type]

    assert message in str(refused.value)
    assert rows(tmp_path / "x.sqlite", "SELECT count(*) FROM Per_Image") == [(3,)]


def test_without_a_terminal_it_asks_for_yes(outputs: Path, tmp_path: Path, cpexport: Run) -> None:
    cpexport("load", outputs, "--to", "x.sqlite", "--quiet")
    words = ("remove", "--to", "x.sqlite", "--plate", "P1", "--format", "json")
    asked, looked = cpexport(*words), cpexport(*words, "--dry-run")
    there = rows(tmp_path / "x.sqlite", "SELECT count(*) FROM Per_Image")
    done = cpexport(*words, "--yes")
    noted = rows(tmp_path / "x.sqlite", "SELECT number, chosen_by, cpexport FROM _cpexport_removed")

    assert (asked.status, json.loads(looked.out)["dry_run"], there) == (2, True, [(3,)])
    assert "would remove image sets 1-2 from sqlite:///x.sqlite; add --yes" in asked.err
    assert (done.status, json.loads(done.out)["image_sets"]) == (0, [[1, 2]])
    assert [row[:2] for row in noted] == [(1, "--plate P1"), (2, "--plate P1")]


def test_the_folder_of_a_script_is_refused(outputs: Path, tmp_path: Path, cpexport: Run) -> None:
    cpexport("script", outputs, "--out", "import", "--dialect", "sqlite", "--quiet")
    with pytest.raises(SinkError, match="belongs to an import script, which cannot take out"):
        remove_p1(tmp_path / "import" / "cpexport.sqlite")
    script = (tmp_path / "import" / "import.sql").read_text()

    def imported() -> list[tuple[object, ...]]:
        words = ["sqlite3", str(tmp_path / "x.sqlite")]
        home = tmp_path / "import"
        subprocess.run(words, input=script, text=True, cwd=home, check=True, capture_output=True)
        return rows(tmp_path / "x.sqlite", "SELECT ImageNumber FROM Per_Image")

    first = imported()
    remove_p1(tmp_path / "x.sqlite")

    assert (first, imported()) == ([(1,), (2,), (13,)], [(13,)])


def remove_p1(to: Path) -> None:
    cpexport.remove(to, plate="P1")


def test_from_a_destination_of_version_0_1_0(tmp_path: Path) -> None:
    shutil.copytree(unpacked("40_spreadsheet") / "outputs" / JOBS[0], tmp_path / "run" / JOBS[0])
    to = tmp_path / "x.sqlite"
    cpexport.load(tmp_path / "run", to)
    with sqlite3.connect(to) as db:
        for table in ("measured", "replaced", "features", "feature_sets", "numbers"):
            db.execute(f"DROP TABLE _cpexport_{table}")
        db.execute("DROP VIEW _cpexport_current")
    db.close()
    done = cpexport.remove(to, image_sets="1")

    assert (done.left, rows(to, "SELECT count(*) FROM Per_Image")) == (0, [(0,)])
    assert cpexport.load(tmp_path / "run", to).image_sets == 0


@pytest.mark.parametrize(
    ("typed", "status", "left"),
    [(b"\x03", 1, 3), (b"\x04", 1, 3), (b"n\n", 1, 3), (b"\n", 1, 3), (b"y\n", 0, 1)],
    ids=["ctrl-c", "ctrl-d", "no", "enter", "yes"],
)
def test_on_a_terminal_it_asks(
    outputs: Path, tmp_path: Path, typed: bytes, status: int, left: int
) -> None:
    cpexport.load(outputs, tmp_path / "x.sqlite")
    words = ["remove", "--to", "x.sqlite", "--plate", "P1"]
    ended, shown = answered(words, b"[y/N]: ", typed, tmp_path)

    assert ended == status
    assert "2 to remove, 1 left" in shown
    assert "Remove image sets 1-2? [y/N]:" in shown
    assert ("nothing was removed" in shown) == (status == 1)
    assert "Traceback" not in shown
    assert rows(tmp_path / "x.sqlite", "SELECT count(*) FROM Per_Image") == [(left,)]


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
@pytest.mark.parametrize(
    ("to", "call", "number"),
    [
        ("sqlite:///{}/x.sqlite", "f(data)?sync", 2),
        ("sqlite:///{}/x.sqlite", "unlink", 1),
        ("parquet:{}/x", "rename", 12),
    ],
)
def test_killed_it_has_removed_all_or_nothing(
    outputs: Path, tmp_path: Path, to: str, call: str, number: int
) -> None:
    to = to.format(tmp_path)
    cpexport.load(outputs, to, wells="mean")
    whole = held(to)
    kill = f"inject=/^{call}:signal=SIGKILL:when={number}"
    trace = ["strace", "-f", "-qq", "-o", os.devnull, "-e", f"trace=/^{call}", "-e", kill]
    words = ["remove", "--to", to, "--plate", "P1", "--yes"]
    command = [*trace, sys.executable, "-m", "cpexport", *words]
    ended = subprocess.run(command, capture_output=True, check=False).returncode
    if images(to) == [1, 2, 13]:
        found = held(to)
        assert {name: found[name] for name in ("Nuclei", "Per_Well")} == {
            name: whole[name] for name in ("Nuclei", "Per_Well")
        }
        cpexport.remove(to, plate="P1")
    # As users would do; it loads nothing.
    again = cpexport.load(outputs, to)
    left = held(to)
    full = cpexport.load(outputs, to, again=True)

    assert ended in (-signal.SIGKILL, 128 + signal.SIGKILL)
    assert (images(to), again.image_sets) == ([1, 2, 13], 0)
    assert [row["ImageNumber"] for row in left["Image"]] == [13]
    assert {row["ImageNumber"] for row in left["Nuclei"]} == {13}
    assert [row["Image_Set_Count"] for row in left["Per_Well"]] == [1]
    assert (full.image_sets, held(to) == whole) == (2, True)


def images(to: str) -> list[int]:
    with open_sink(to, writing=False) as sink:
        return [n for block in sink.read("Image", []) for n in block["ImageNumber"].to_pylist()]


def test_again_brings_back_the_newest_that_is_asked_for(tmp_path: Path) -> None:
    to, areas = tmp_path / "a.sqlite", "SELECT ImageNumber, Cells_AreaShape_Area FROM Per_Cells"

    def there() -> list[tuple[object, ...]]:
        return sorted(rows(to, areas))

    for name, time, area in (("old", OLD, 5), ("new", NEW, 7)):
        images = [image(n, f"{n}.tif", digest=f"{n}" * 32, Count_Cells=1) for n in (1, 2)]
        cells = [nucleus(n, 1, area) for n in (1, 2)]
        output(tmp_path / "run" / name, images, time, Cells=cells)
    cpexport.load(tmp_path / "run", to)
    cpexport.remove(to, image_sets="2")
    cpexport.load(tmp_path / "run" / "old", to, again=True)
    older = there()
    cpexport.load(tmp_path / "run", to)
    same = there()
    cpexport.load(tmp_path / "run", to, again=True)
    newest = there()
    cpexport.remove(to, batches=tmp_path / "run" / "new")
    # Outputs that were moved are known by their content, also if a load has seen them meanwhile.
    (tmp_path / "run").rename(tmp_path / "moved")
    cpexport.load(tmp_path / "moved", to)
    gone = there()
    cpexport.load(tmp_path / "moved", to, again=True)

    assert older == same == [(1, 7.0), (2, 5.0)]
    assert newest == there() == [(1, 7.0), (2, 7.0)]
    assert gone == []
    assert clean(tmp_path / "moved", str(to))


def test_a_report_counts_what_sql_counts(tmp_path: Path) -> None:
    """Also the image sets that were planned, removed, or are loaded under other numbers."""
    wells = ["A01", "A02", "B01", "B02"]
    for well in wells[1:]:
        named = {"Metadata_Plate": "P1", "Metadata_Well": well, "Metadata_Site": 1}
        row = {**image(1, f"{well}.tif", digest=well.ljust(32, "0"), Count_Cells=1), **named}
        output(tmp_path / "run" / well, [row], OLD, Cells=[nucleus(1, 1, 5)])
    lines = ["FileName_DNA,Metadata_Plate,Metadata_Well,Metadata_Site"]
    lines += [f"{well}.tif,P1,{well},1" for well in wells]
    (tmp_path / "all.csv").write_text("\n".join(lines))
    to, out = tmp_path / "a.sqlite", tmp_path / "r.html"
    cpexport.load(tmp_path / "run", to, plan=tmp_path / "all.csv")
    cpexport.remove(to, image_sets="3")
    for outputs in ((), tmp_path / "run"):
        found = cpexport.report(outputs, to=to, out=out)
        assert (found.complete, found.planned, str(found.missing)) == (2, 4, "1,3")
        assert found.wells == 4
    assert any("image set 3 was removed" in note for note in found.notes)
