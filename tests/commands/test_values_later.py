"""Values do not depend on the order of loads, and verify agrees with every one of them."""

import os
import sqlite3
from collections.abc import Callable
from itertools import permutations
from pathlib import Path

import duckdb
import pytest
from support.calls import verify_runs
from support.fixtures import unpacked
from support.on_servers import load
from support.small_jobs import Values, csv_job, h5_job

from cpexport.errors import SinkError, UsageError
from cpexport.tables.path_map import PathMap

KINDS = ("sqlite", "duckdb")


def images(kind: str, file: Path, column: str) -> list[object]:
    """A column of images, in order of run and image set."""
    query = f"SELECT {column} FROM Per_Image ORDER BY 1"
    if kind == "duckdb":
        with duckdb.connect(file, read_only=True) as opened:
            return [value for (value,) in opened.execute(query).fetchall()]
    db = sqlite3.connect(file)
    try:
        return [value for (value,) in db.execute(query).fetchall()]
    finally:
        db.close()


def verified(to: str, *outputs: Path) -> bool:
    found = verify_runs(outputs, to)
    assert (found.differences, found.not_loaded, found.not_verified) == ((), (), ())
    return True


def differences(to: str, *outputs: Path) -> str:
    """What verify names as different."""
    return "\n".join(f"{d.table} {d.what}" for d in verify_runs(outputs, to).differences)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("feature", ["Metadata_Dose", "MyPlugin_X"])
@pytest.mark.parametrize("value", [float("inf"), float("-inf"), float("nan"), 0.1 + 0.2, None])
def test_a_number_that_becomes_text_later_reads_the_same_in_either_order(
    kind: str, feature: str, value: float | None, tmp_path: Path
) -> None:
    jobs: list[Values] = [{feature: value, "MyPlugin_Y": 1.5}, {feature: "abc", "MyPlugin_Y": 2.5}]
    paths = [
        h5_job(tmp_path / "outputs" / f"j{number}" / "out.h5", {number: values}).parent
        for number, values in enumerate(jobs, 1)
    ]
    found = []
    for order in permutations(paths):
        file = tmp_path / f"{order[0].name}.{kind}"
        to = f"{kind}:///{file}"
        for path in order:
            assert load(path, "--to", to) in (0, 3)
        assert verified(to, tmp_path / "outputs")
        found.append(images(kind, file, f"Image_{feature}, ImageNumber".partition(",")[0]))

    assert found[0] == found[1]
    assert "abc" in found[0]


def test_an_infinity_that_was_counted_before_its_column_became_text_is_no_difference(
    tmp_path: Path,
) -> None:
    one = h5_job(tmp_path / "o" / "j1" / "out.h5", {1: {"Metadata_Dose": float("inf")}})
    two = h5_job(tmp_path / "o" / "j2" / "out.h5", {2: {"Metadata_Dose": "abc"}})
    to = f"sqlite:///{tmp_path / 's.sqlite'}"
    for file in (one, two):
        load(file.parent, "--to", to)
    counted = "SELECT sum(infinite_count) FROM _cpexport_tables"
    db = sqlite3.connect(tmp_path / "s.sqlite")
    infinite = db.execute(counted).fetchall()
    assert infinite == [(1,)]
    assert verified(to, tmp_path / "o")

    db.execute("UPDATE _cpexport_tables SET infinite_count = 2 WHERE infinite_count = 1")
    db.commit()
    db.close()
    assert "infinite=2" in differences(to, tmp_path / "o")


@pytest.mark.parametrize("order", [("old", "new"), ("new", "old")])
def test_group_lengths_of_a_run_without_them_do_not_depend_on_the_order_of_runs(
    order: tuple[str, str], tmp_path: Path
) -> None:
    group = {"Group_Number": 1, "Group_Index": 1}
    csv_job(tmp_path / "old" / "job", {1: group, 2: group})
    csv_job(tmp_path / "new" / "job", {1: group | {"Group_Length": 1}})
    to = f"sqlite:///{tmp_path / 'runs.sqlite'}"
    runs = [tmp_path / name for name in order]
    ran = load("--table-number", *runs, "--to", to)
    db = sqlite3.connect(tmp_path / "runs.sqlite")
    found = db.execute(
        "SELECT r.name, ImageNumber, Image_Group_Index, Image_Group_Length FROM Per_Image "
        "JOIN _cpexport_runs r ON r.table_number = Per_Image.TableNumber ORDER BY r.name, 2"
    ).fetchall()
    db.close()

    assert ran == 0
    assert found == [("new", 1, 1, 1), ("old", 1, 1, 2), ("old", 2, 2, 2)]
    assert verified(to, *runs)
    assert verified(to, *reversed(runs))


def test_jobs_with_equal_rows_and_other_times_are_told_apart(
    tmp_path: Path, copy: Callable[..., Path]
) -> None:
    """The files of "MySQL / CSV" have the time in SQL_SETUP.SQL alone."""
    first = copy("70_sqlcsv", "csv_per_job", "outputs/a")
    second = copy("70_sqlcsv", "csv_per_job", "outputs/b")
    setups = [path for path in second.rglob("*") if path.name.upper().endswith("SETUP.SQL")]
    assert setups
    for setup in setups:
        text = setup.read_bytes()
        assert b"'2026-" in text
        setup.write_bytes(text.replace(b"'2026-", b"'2027-"))
    for path in second.rglob("*"):
        os.utime(path, ns=(0, path.stat().st_mtime_ns + 10**9))
    to = f"sqlite:///{tmp_path / 's.sqlite'}"
    load(first.parent, "--to", to)

    assert verified(to, first.parent)
    (tmp_path / "moved").mkdir()
    first.parent.rename(tmp_path / "moved" / "outputs")
    assert verified(to, tmp_path / "moved" / "outputs")


def test_wells_of_integers_with_many_digits_are_made(tmp_path: Path) -> None:
    barcode = 20240501123456789
    file = h5_job(
        tmp_path / "o" / "j" / "out.h5",
        {1: {"Metadata_Barcode": barcode}, 2: {"Metadata_Barcode": None}},
    )
    to = f"sqlite:///{tmp_path / 's.sqlite'}"
    ran = load(file.parent, "--to", to, "--wells", "mean,median,std")
    db = sqlite3.connect(tmp_path / "s.sqlite")
    found = db.execute(
        "SELECT avg_Image_Metadata_Barcode, median_Image_Metadata_Barcode, "
        "std_Image_Metadata_Barcode FROM Per_Well_avg JOIN Per_Well_median JOIN Per_Well_std"
    ).fetchall()
    stored = db.execute("SELECT Image_Metadata_Barcode FROM Per_Image ORDER BY 1").fetchall()
    db.close()

    assert ran == 0
    assert found == [(float(barcode), float(barcode), 0.0)]
    assert stored == [(None,), (barcode,)]
    assert verified(to, file.parent)


def test_wells_that_are_wanted_and_were_never_made_are_missed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As of a load that ended once it had written its last batch."""
    file = h5_job(tmp_path / "o" / "j" / "out.h5", {1: {}})
    to = f"sqlite:///{tmp_path / 's.sqlite'}"
    with monkeypatch.context() as ends:
        ends.setattr("cpexport.derived.wells.well_rows", _killed)
        assert load(file.parent, "--to", to, "--wells", "mean") == 1
    before = differences(to, file.parent)
    loaded = load(file.parent, "--to", to)

    assert "Per_Well_avg does not include all loaded batches" in before
    assert loaded == 0
    assert verified(to, file.parent)


def _killed(*_: object) -> None:
    raise SinkError("the disk", "is full", "make room")


@pytest.mark.parametrize(
    "table", ["Per_Well_avg", "Per_Relationships", "Per_Experiment", "Experiment_Properties"]
)
def test_a_table_that_is_wanted_and_gone_is_missed(table: str, tmp_path: Path) -> None:
    file = h5_job(tmp_path / "o" / "j" / "out.h5", {1: {}})
    to = f"sqlite:///{tmp_path / 's.sqlite'}"
    load(file.parent, "--to", to, "--wells", "mean")
    db = sqlite3.connect(tmp_path / "s.sqlite")
    db.execute(f"DROP TABLE {table}")
    db.commit()
    db.close()

    assert differences(to, file.parent)


@pytest.mark.parametrize(
    "deleted",
    [
        ("_cpexport_batches",),
        ("_cpexport_batches", "_cpexport_tables", "Per_Image"),
        ("_cpexport_batches", "_cpexport_tables", "_cpexport_sets"),
        ("Per_Image",),
    ],
)
def test_a_batch_that_was_deleted_by_hand_is_found(
    deleted: tuple[str, ...], tmp_path: Path
) -> None:
    file = h5_job(tmp_path / "o" / "j" / "out.h5", {1: {}, 2: {}})
    to = f"sqlite:///{tmp_path / 's.sqlite'}"
    load(file.parent, "--to", to)
    db = sqlite3.connect(tmp_path / "s.sqlite")
    for table in deleted:
        db.execute(f"DELETE FROM {table}")
    db.commit()
    db.close()

    found = verify_runs([file.parent], to)
    assert found.differences or found.not_loaded


def test_a_batch_that_was_deleted_from_the_ledger_is_loaded_anew(tmp_path: Path) -> None:
    file = h5_job(tmp_path / "o" / "j" / "out.h5", {1: {}, 2: {}})
    to = f"sqlite:///{tmp_path / 's.sqlite'}"
    load(file.parent, "--to", to)
    db = sqlite3.connect(tmp_path / "s.sqlite")
    db.execute("DELETE FROM _cpexport_batches")
    db.commit()
    db.close()

    assert load(file.parent, "--to", to) == 0
    assert verified(to, file.parent)


@pytest.mark.parametrize(
    ("local", "folder", "below"),
    [
        ("/mnt/", "/mnt", "/mnt/P1"),
        ("/mnt", "/mnt", "/mnt/P1"),
        ("/", "/", "/P1"),
        ("Z:\\screens\\", "Z:\\screens", "Z:\\screens\\P1"),
        ("Z:", "Z:\\", "Z:\\P1"),
        ("Z:\\", "Z:\\", "Z:\\P1"),
        ("https://lab.org/s/", "https://lab.org/s", "https://lab.org/s/P1"),
    ],
)
def test_a_slash_at_the_end_of_a_mapped_folder_makes_no_difference(
    local: str, folder: str, below: str
) -> None:
    for cluster in ("/data/screens", "/data/screens/"):
        paths = PathMap.parse([f"{cluster}={local}"])

        assert paths.path("/data/screens") == folder
        assert paths.path("/data/screens/P1") == below
        assert paths.path("/data/screens2") is None
    same = [f"/data={local}", f"/data/={folder}"]
    assert PathMap.parse(same) == PathMap.parse(same[:1])
    with pytest.raises(UsageError):
        PathMap.parse([f"/data={local}", "/data=/elsewhere"])


def test_a_destination_with_a_slash_at_the_end_of_a_folder_takes_the_option_again(
    tmp_path: Path,
) -> None:
    """Version 0.1.0 kept the slash."""
    file = h5_job(tmp_path / "o" / "j" / "out.h5", {1: {"PathName_DNA": "/data/P1"}})
    more = h5_job(tmp_path / "o" / "k" / "out.h5", {2: {"PathName_DNA": "/data/P2"}})
    to = ("--to", f"sqlite:///{tmp_path / 's.sqlite'}")
    load(file.parent, *to, "--path-map", "/data=/mnt")
    db = sqlite3.connect(tmp_path / "s.sqlite")
    db.execute("UPDATE _cpexport_settings SET value = replace(value, '/mnt', '/mnt/')")
    db.commit()
    db.close()
    ran = load(more.parent, *to, "--path-map", "/data/=/mnt/")

    assert ran in (0, 3)
    found = images("sqlite", tmp_path / "s.sqlite", "Image_PathName_DNA")
    assert found == ["/mnt/P1", "/mnt/P2"]


def test_groups_of_an_ungrouped_run_are_numbered_over_all_its_jobs_whatever_the_format(
    tmp_path: Path,
) -> None:
    """Files of "MySQL / CSV" name no metadata by which a run is grouped; their pipeline does."""
    file = tmp_path / "s.sqlite"
    load(unpacked("70_sqlcsv") / "csv_per_job", "--to", f"sqlite:///{file}")

    assert images("sqlite", file, "Image_Group_Index") == [*range(1, 17)]
    assert set(images("sqlite", file, "Image_Group_Number")) == {1}


@pytest.mark.parametrize("order", [("h5", "csv"), ("csv", "h5"), ()])
def test_a_job_that_does_not_say_how_it_was_grouped_is_grouped_as_the_others(
    order: tuple[str, ...], tmp_path: Path
) -> None:
    """CSV files without Experiment.csv do not say so."""
    group = {"Group_Number": 1, "Group_Index": 1, "Group_Length": 1}
    h5_job(tmp_path / "run" / "h5" / "out.h5", {1: group})
    (csv_job(tmp_path / "run" / "csv", {2: group}) / "Experiment.csv").unlink()
    to = f"sqlite:///{tmp_path / 's.sqlite'}"
    for name in order or ("",):
        assert load(tmp_path / "run" / name, "--to", to) == 0

    assert images("sqlite", tmp_path / "s.sqlite", "Image_Group_Index") == [1, 2]
    assert verified(to, tmp_path / "run")
