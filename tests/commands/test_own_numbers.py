"""Jobs that count their own image sets from 1: metadata tells the image sets of a run apart."""

import csv
import gzip
import json
import random
import shutil
import subprocess
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fuzz.cases import Options, random_case
from fuzz.model import Run as FuzzRun
from fuzz.outputs import Outputs
from support.background_loads import Load
from support.calls import load, verify
from support.csv_outputs import NEW, OLD, image, nucleus, output
from support.fixtures import Ran, rows, traces
from support.own_numbers import KEY, counted_from_1, write_list

import cpexport as package
from cpexport.errors import CollisionError, SourceError, UsageError
from cpexport.loading.writer import LoadWriter
from cpexport.sources.base import Batch

Run = Callable[..., Ran]
NOTE = "identified by Metadata_Plate, Metadata_Well, Metadata_Site"


def site(
    home: Path, plate: str, well: str, number: int, *, time: int = OLD, cells: int = 1, **more: Any
) -> Path:
    """The output of a job with one image set, number 1; `cells` is how many it counts."""
    name = f"{plate}_{well}_{number}"
    folder = home / f"{name}{more.pop('copy', '')}"
    row = {
        **image(1, f"{name}.tif", digest=name.ljust(32, "0"), Count_Cells=cells),
        **{"Metadata_Plate": plate, "Metadata_Well": well, "Metadata_Site": number},
        **more,
    }
    return output(folder, [row], time, Cells=[nucleus(1, 1, len(name) + number)])


def screen(home: Path, plates: Iterable[str] = ("P1", "P2")) -> Path:
    for plate in plates:
        for well in ("A01", "A02"):
            for number in (1, 2):
                site(home, plate, well, number)
    return home


def numbered(database: Path) -> dict[int, tuple[str, ...]]:
    """Plate, well and site of each image set, by its number."""
    columns = ", ".join(f"Image_{name}" for name in KEY)
    found = rows(database, f"SELECT ImageNumber, {columns} FROM Per_Image ORDER BY 1")
    return {number: tuple(map(str, key)) for number, *key in found}


IN_ORDER = dict(
    enumerate(
        ((p, w, s) for p in ("P1", "P2") for w in ("A01", "A02") for s in ("1", "2")), start=1
    )
)


def load_data(path: Path, keys: Iterable[tuple[str, ...]]) -> Path:
    with path.open("w", newline="") as stream:
        out = csv.writer(stream)
        out.writerow(["Image_FileName_DNA", *KEY])
        out.writerows([f"{'_'.join(key)}.tif", *key] for key in keys)
    return path


def test_each_image_set_has_a_number_by_plate_well_and_site(tmp_path: Path, cpexport: Run) -> None:
    screen(tmp_path / "tree")
    ran = cpexport("load", "tree", "--to", "a.sqlite")
    again = cpexport("load", "tree", "--to", "a.sqlite", "--format", "json")
    database = tmp_path / "a.sqlite"

    assert (ran.status, ran.err.count(NOTE)) == (0, 1)
    assert numbered(database) == IN_ORDER
    assert rows(database, "SELECT DISTINCT Image_SourceImageNumber FROM Per_Image") == [(1,)]
    assert rows(database, "SELECT count(DISTINCT ImageNumber), count(*) FROM Per_Cells") == [(8, 8)]
    assert json.loads(again.out)["batches"]["already"] == 8
    assert cpexport("verify", "tree", "--to", "a.sqlite").status == 0


@pytest.mark.parametrize("to", ["duckdb:///a.duckdb", "parquet:a.parquet"])
def test_other_destinations_number_alike(to: str, tmp_path: Path, cpexport: Run) -> None:
    screen(tmp_path / "tree")
    assert cpexport("load", "tree", "--to", to).status == 0
    found = package.read(to.replace("a.", f"{tmp_path}/a."), "Per_Image")

    assert dict(zip(found["ImageNumber"], found["Image_Metadata_Well"], strict=True)) == {
        number: well for number, (_, well, _) in IN_ORDER.items()
    }
    assert cpexport("verify", "tree", "--to", to).status == 0


def test_later_image_sets_come_after_those_that_are_there(tmp_path: Path) -> None:
    tree, to = tmp_path / "tree", f"sqlite:///{tmp_path / 'a.sqlite'}"
    screen(tree, ["P2"])
    load([tree], to)
    first = numbered(tmp_path / "a.sqlite")
    screen(tree, ["P1"])
    load([tree], to)
    now = numbered(tmp_path / "a.sqlite")

    assert [key[0] for key in first.values()] == ["P2"] * 4
    assert {number: now[number] for number in first} == first
    assert [now[number] for number in range(5, 9)] == list(IN_ORDER.values())[:4]
    assert verify([tree], to).differences == ()


def test_a_single_job_that_came_first_keeps_its_number(tmp_path: Path) -> None:
    tree, to = tmp_path / "tree", f"sqlite:///{tmp_path / 'a.sqlite'}"
    site(tree, "P2", "A02", 2)
    load([tree], to)
    screen(tree)
    report = load([tree], to)

    assert (report.loaded, report.already) == (7, 1)
    assert numbered(tmp_path / "a.sqlite")[1] == ("P2", "A02", "2")
    assert sorted(numbered(tmp_path / "a.sqlite").values()) == list(IN_ORDER.values())
    assert verify([tree], to).differences == ()


def test_loads_at_once_give_each_image_set_one_number(tmp_path: Path) -> None:
    screen(tmp_path / "one", ["P1"])
    screen(tmp_path / "both")
    screen(tmp_path / "other", ["P2"])
    to = tmp_path / "a.sqlite"
    loads = [Load(to, [str(tmp_path / name)]) for name in ("other", "both", "one")]
    ends = [one.end()[0] for one in loads]

    assert ends == [0, 0, 0]
    assert sorted(numbered(to).values()) == list(IN_ORDER.values())
    assert sorted(numbered(to)) == list(range(1, 9))


def test_a_number_that_another_load_gives_meanwhile_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other load stores site 2 of A02 under the number that site 1 would have had."""
    tree, to = screen(tmp_path / "tree", ["P1"]), f"sqlite:///{tmp_path / 'a.sqlite'}"
    shutil.rmtree(tree / "P1_A02_1")
    site(tree, "P1", "A02", 1, cells=9)
    site(tmp_path / "copy", "P1", "A02", 2)
    real, others = LoadWriter._put, [tmp_path / "copy"]

    def put(self: LoadWriter, batch: Batch, *rest: Any) -> bool:
        if batch.source.path.name == "P1_A02_2" and others:
            load([others.pop()], to)
        return real(self, batch, *rest)

    monkeypatch.setattr(LoadWriter, "_put", put)
    load([tree], to)

    assert numbered(tmp_path / "a.sqlite") == {
        1: ("P1", "A01", "1"),
        2: ("P1", "A01", "2"),
        3: ("P1", "A02", "2"),
    }
    assert rows(tmp_path / "a.sqlite", "SELECT count(*) FROM Per_Cells") == [(3,)]


def test_rows_tracks_and_pairs_follow_where_the_list_has_another_order(
    tmp_path: Path, cpexport: Run
) -> None:
    wells = ["A01", "A02", "A03"]
    images = [
        {**image(n, f"P1_{well}_1.tif"), "Count_Cells": 1, "Metadata_Plate": "P1"}
        | {"Metadata_Well": well, "Metadata_Site": "1"}
        for n, well in enumerate(wells, 1)
    ]
    parent = "TrackObjects_ParentImageNumber_5"
    cells = [nucleus(n, 1, 10 * n, **{parent: n - 1}) for n in (1, 2, 3)]
    folder = output(tmp_path / "tree" / "job", images, Cells=cells)
    header = "Module,Module Number,Relationship,First Object Name,First Image Number,"
    header += "First Object Number,Second Object Name,Second Image Number,Second Object Number"
    pair = "TrackObjects,5,Parent,Cells,1,1,Cells,2,1"
    (folder / "Object relationships.csv").write_text(f"{header}\n{pair}\n")
    load_data(tmp_path / "load_data.csv", [("P1", well, "1") for well in reversed(wells)])
    words = ("tree", "--to", "a.sqlite", "--plan", "load_data.csv")
    assert cpexport("load", *words).status == 0

    query = f"SELECT ImageNumber, Cells_AreaShape_Area, Cells_{parent} FROM Per_Cells ORDER BY 1"
    assert rows(tmp_path / "a.sqlite", query) == [(1, 30, 2), (2, 20, 3), (3, 10, 0)]
    query = "SELECT image_number1, image_number2 FROM Per_Relationships"
    assert rows(tmp_path / "a.sqlite", query) == [(3, 2)]
    query = "SELECT ImageNumber, Image_SourceImageNumber FROM Per_Image ORDER BY rowid"
    assert rows(tmp_path / "a.sqlite", query) == [(1, 3), (2, 2), (3, 1)]
    assert cpexport("verify", *words).status == 0


def test_the_list_of_load_data_plans_the_run(tmp_path: Path, cpexport: Run) -> None:
    tree = screen(tmp_path / "tree")
    order = [("P3", "B01", "1"), *reversed(list(IN_ORDER.values()))]
    load_data(tmp_path / "load_data.csv", order)
    shutil.rmtree(tree / "P1_A01_2")
    words = ("--plan", "load_data.csv", "--format", "json")
    checked = cpexport("check", "tree", *words)
    loaded = cpexport("load", "tree", "--to", "a.sqlite", *words)
    stored = cpexport("check", "--to", "a.sqlite", *words)

    want = {number: key for number, key in enumerate(order, 1) if number not in (1, 8)}
    assert numbered(tmp_path / "a.sqlite") == want
    for ran in (checked, loaded, stored):
        said = json.loads(ran.out)
        assert (said["planned"], said["missing"], ran.status) == (9, [[1, 1], [8, 8]], 3)
        assert said["missing_names"] == {"1": "P3 B01 site 1", "8": "P1 A01 site 2"}
    assert cpexport("verify", "tree", "--to", "a.sqlite", *words[:2]).status == 3


def test_a_list_that_comes_later_finds_the_numbers_that_were_given(
    tmp_path: Path, cpexport: Run
) -> None:
    screen(tmp_path / "tree")
    assert cpexport("load", "tree", "--to", "a.sqlite").status == 0
    given = numbered(tmp_path / "a.sqlite")
    planned = [*reversed(list(IN_ORDER.values())), ("P3", "B01", "1")]
    listed = load_data(tmp_path / "load_data.csv", planned)
    # Other programs write a1 for A01.
    listed.write_text(listed.read_text().replace(",A0", ",a").replace(",B0", ",b"))
    words = ("--to", "a.sqlite", "--plan", "load_data.csv")
    site(tmp_path / "tree", "P3", "B01", 1)

    assert "9 (P3 b1 site 1)" in cpexport("check", *words).out
    assert cpexport("load", "tree", *words).status == 0
    assert numbered(tmp_path / "a.sqlite") == given | {9: ("P3", "B01", "1")}
    assert cpexport("check", *words).status == 0


def test_of_two_outputs_of_one_site_the_newer_one_is_there_once(tmp_path: Path) -> None:
    tree, to = screen(tmp_path / "tree"), f"sqlite:///{tmp_path / 'a.sqlite'}"
    site(tree, "P2", "A01", 1, time=NEW, copy="_again", Intensity_Sum=7.5)
    site(tree, "P2", "A02", 1, time=NEW, copy="_failed", cells=3)
    report = load([tree], to)

    assert (report.image_sets, report.left_out) == (8, ())
    assert numbered(tmp_path / "a.sqlite") == IN_ORDER
    assert rows(
        tmp_path / "a.sqlite", "SELECT ImageNumber FROM Per_Image WHERE Image_Intensity_Sum = 7.5"
    ) == [(5,)]


def test_a_site_that_is_not_complete_is_missing_by_its_name(tmp_path: Path, cpexport: Run) -> None:
    tree = screen(tmp_path / "tree")
    shutil.rmtree(tree / "P1_A02_1")
    site(tree, "P1", "A02", 1, cells=4)
    ran = cpexport("load", "tree", "--to", "a.sqlite", "--format", "json")
    said = json.loads(ran.out)

    assert (said["missing"], said["missing_names"]) == ([[3, 3]], {"3": "P1 A02 site 1"})
    assert ("3 (P1 A02 site 1)" in cpexport("check", "tree").out, ran.status) == (True, 3)
    shutil.rmtree(tree / "P1_A02_1")
    site(tree, "P1", "A02", 1, time=NEW)
    assert cpexport("load", "tree", "--to", "a.sqlite").status == 0
    assert numbered(tmp_path / "a.sqlite") == IN_ORDER


def test_other_images_under_one_key_stop_the_load(tmp_path: Path) -> None:
    tree, to = screen(tmp_path / "tree"), f"sqlite:///{tmp_path / 'a.sqlite'}"
    site(tree, "P1", "A01", 1, time=NEW, copy="_other", MD5Digest_DNA="f" * 32)

    key = "image set Metadata_Plate P1, Metadata_Well A01, Metadata_Site 1 has different images"
    with pytest.raises(CollisionError, match=f"{key} in .*P1_A01_1_other") as said:
        load([tree], to)
    assert "if more metadata tells them apart, name all of it with --key" in str(said.value)
    assert not (tmp_path / "a.sqlite").exists()


def test_a_job_without_the_metadata_is_left_out(tmp_path: Path, cpexport: Run) -> None:
    tree = screen(tmp_path / "tree")
    site(tree, "P3", "A01", 1, Metadata_Site="")
    ran = cpexport("load", "tree", "--to", "a.sqlite", "--key", "Plate,Well,Site")

    assert ran.status == 3
    assert "its image set 1 has no Metadata_Site, by which image sets are identified" in ran.out
    assert numbered(tmp_path / "a.sqlite") == IN_ORDER


def test_two_image_sets_of_a_job_with_one_key_are_named(tmp_path: Path, cpexport: Run) -> None:
    screen(tmp_path / "tree")
    ran = cpexport("load", "tree", "--to", "a.sqlite", "--key", "Metadata_Plate,Well")

    assert ran.status == 1
    assert "P1_A01_2" in ran.err
    wells = [image(n, f"{n}.tif", digest=str(n) * 32, Metadata_Well="B01") for n in (1, 2)]
    output(tmp_path / "more" / "a", [{**one, "Metadata_Plate": "P9"} for one in wells])
    site(tmp_path / "more", "P8", "A01", 1)
    ran = cpexport("load", "more", "--to", "b.sqlite", "--key", "Plate,Well")
    assert "its image sets 1 and 2 have the same Metadata_Plate Metadata_Well (P9 B01)" in ran.out
    assert ran.status == 3


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("--key", "Plate,,Well"), "--key needs names of metadata"),
        (("--key", "Well,Metadata_Well"), "--key names Metadata_Well twice"),
        (("--plan", "load_data.csv", "--batch", "Batch_data.h5"), "exclude each other"),
        (("--batch", "same.csv"), "same.csv: not a batch file; name a list with --plan"),
        (("--plan", "gone.csv"), "gone.csv: cannot be read"),
        (("--plan", "text.csv"), "text.csv: not a list of image sets"),
        (("--plan", "same.csv"), "two rows have the same Metadata_Plate, Metadata_Well"),
    ],
)
def test_what_makes_no_sense_changes_nothing(
    words: tuple[str, ...], problem: str, tmp_path: Path, cpexport: Run
) -> None:
    screen(tmp_path / "tree", ["P1"])
    (tmp_path / "text.csv").write_text("remember,the\nmilk,please\n")
    load_data(tmp_path / "same.csv", [("P1", "A01", "1"), ("P1", "A01", "1")])
    before = traces(tmp_path)
    ran = cpexport("load", "tree", "--to", "a.sqlite", *words)

    assert ran.status in (1, 2)
    assert problem in ran.err
    assert traces(tmp_path) == before


ROWS = b"Image_FileName_DNA,Metadata_Plate,Metadata_Well\n" + b"a.tif,P1,A01\n" * 99


def packed(content: bytes) -> bytes:
    """The same bytes each time: the processes of pytest must name the tests alike."""
    return gzip.compress(content, mtime=0)


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("cut.csv.gz", packed(ROWS)[:40], "is cut off in the middle"),
        ("plain.csv.gz", ROWS, "not compressed with gzip, as its name says"),
        ("semicolons.csv", ROWS.replace(b",", b";"), "has semicolons between its columns"),
        ("tabs.csv", ROWS.replace(b",", b"\t"), "has tabs between its columns"),
        ("header.csv", ROWS.split(b"a.tif")[0], "lists no image sets"),
        ("utf16.csv", ROWS.decode().encode("utf-16"), "is UTF-16; save it as UTF-8"),
        ("packed.csv", packed(ROWS), "is compressed with gzip; decompress it"),
        ("twice.csv.gz", packed(packed(ROWS)), "is compressed with gzip"),
        ("binary.csv", b"\0\x8b\xff" * 99, "not a list of image sets: it is binary"),
        ("header.csv", b"\xe4" + ROWS, "its header is not UTF-8"),
        (
            "more.csv",
            ROWS + b"a\x1f\x8b.tif,P1,A01,B\n",
            "a row has 4 columns, and the first one 3",
        ),
        ("latin.csv", ROWS.replace(b"A01", b"\xe4"), "invalid UTF8"),
    ],
)
def test_a_list_of_another_kind_is_refused_by_its_reason(
    name: str, content: bytes, problem: str, tmp_path: Path, cpexport: Run
) -> None:
    site(tmp_path / "tree", "P1", "A01", 1)
    (tmp_path / name).write_bytes(content)
    before = traces(tmp_path)
    ran = cpexport("load", "tree", "--to", "a.sqlite", "--plan", name)

    assert (ran.status, ran.err.count("\n"), ran.err.startswith(f"cpexport: {name}: ")) == (
        1,
        1,
        True,
    )
    assert problem in ran.err
    assert traces(tmp_path) == before


def test_another_key_than_that_of_the_destination_is_refused(tmp_path: Path) -> None:
    tree, to = screen(tmp_path / "tree", ["P1"]), f"sqlite:///{tmp_path / 'a.sqlite'}"
    load([tree], to)
    screen(tree, ["P2"])

    with pytest.raises(UsageError, match="identified by Metadata_Plate, Metadata_Well"):
        package.load(tree, to, key="Plate,Well")


def test_plates_without_metadata_stop_as_before(tmp_path: Path) -> None:
    for plate in ("P1", "P2"):
        images = [image(1, "a.tif", digest=plate.ljust(32, "0"), Count_Cells=1)]
        output(tmp_path / "tree" / plate, images, Cells=[nucleus(1, 1, 5)])

    with pytest.raises(CollisionError, match="different images"):
        load([tmp_path / "tree"], f"sqlite:///{tmp_path / 'a.sqlite'}")


def test_the_same_images_with_other_metadata_are_no_other_image_sets(tmp_path: Path) -> None:
    tree, to = tmp_path / "tree", f"sqlite:///{tmp_path / 'a.sqlite'}"
    site(tree, "P1", "A01", 1)
    site(tree, "P1", "A01", 1, time=NEW, copy="_again", Metadata_Well="H12")
    report = load([tree], to)

    assert (report.loaded, report.image_sets) == (1, 1)
    assert numbered(tmp_path / "a.sqlite") == {1: ("P1", "H12", "1")}
    site(tree, "P1", "A01", 1, time=NEW + 9, copy="_later", Metadata_Well="G12")
    assert (load([tree], to).image_sets, len(numbered(tmp_path / "a.sqlite"))) == (1, 1)


@pytest.mark.parametrize("lacking", ["Metadata_Site", "Metadata_Well"])
def test_one_job_without_the_metadata_does_not_stop_the_others(
    lacking: str, tmp_path: Path, cpexport: Run
) -> None:
    tree = screen(tmp_path / "tree")
    more: dict[str, Any] = {lacking: ""}
    site(tree, "O1", "A01", 1, **more)
    ran = cpexport("load", "tree", "--to", "a.sqlite")

    assert (ran.status, numbered(tmp_path / "a.sqlite")) == (3, IN_ORDER)
    assert f"tree/O1_A01_1: its image set 1 has no {lacking}" in ran.out


@pytest.mark.parametrize(
    "files",
    [
        {},
        {"FileName_DNA": "dna.tif"},
        {"FileName_DNA": "dna.tif", "PathName_DNA": "/tmp/images"},
        {"FileName_DNA": ""},
    ],
)
def test_plate_well_and_site_do_without_digests(
    files: dict[str, Any], tmp_path: Path, cpexport: Run
) -> None:
    """Also where all jobs have the same names for their files, or no files."""
    for plate, well, number in IN_ORDER.values():
        site(tmp_path / "tree", plate, well, int(number), **{"MD5Digest_DNA": "", **files})
    assert cpexport("load", "tree", "--to", "a.sqlite").status == 0
    assert numbered(tmp_path / "a.sqlite") == IN_ORDER


FILES = {"Image_FileName_DNA": "{0}_{1}_{2}.tif"}


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"Metadata_Plate": "{0}", "Metadata_Well": "{1}"},
        {"Metadata_Barcode": "X{0}"},
        {"Metadata_Plate": "{0}", "Metadata_Well": "{1}", "Metadata_Position": "{2}"},
    ],
)
def test_a_list_with_other_metadata_plans_by_file_names(
    more: dict[str, str], tmp_path: Path, cpexport: Run
) -> None:
    screen(tmp_path / "tree")
    row = FILES | more
    with (tmp_path / "load_data.csv").open("w", newline="") as stream:
        out = csv.writer(stream)
        out.writerow(row)
        out.writerows([text.format(*key) for text in row.values()] for key in IN_ORDER.values())
    words = ("tree", "--plan", "load_data.csv", "--to", "a.sqlite")
    ran = cpexport("check", *words[:3])

    assert (ran.status, "complete  8  1-8" in ran.out) == (0, True)
    assert "identified by FileName_DNA" in ran.err
    if not more:
        assert cpexport("load", *words).status == cpexport("verify", *words).status == 0
        assert numbered(tmp_path / "a.sqlite") == IN_ORDER


def test_a_list_that_fits_nowhere_says_what_does_not_fit(tmp_path: Path, cpexport: Run) -> None:
    screen(tmp_path / "tree", ["P1"])
    load_data(tmp_path / "load_data.csv", [("X1", w, s) for _, w, s in IN_ORDER.values()][:4])
    words = ("check", "tree", "--plan", "load_data.csv")
    ran, by_name = cpexport(*words), cpexport(*words, "--key", "FileName_DNA")

    assert (ran.status, ran.err.count("\n")) == (1, 1)
    assert "they have P1 A01 1, and the list has X1 A01 1" in ran.err
    assert "they have P1_A01_1.tif, and the list has X1_A01_1.tif" in by_name.err


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "not a list of image sets"),
        (b"P1,A01,1\nP1,A02,1\n", "not a list of image sets"),
        (b"\x89PNG\0\xff", "not a list of image sets"),
        (b"Metadata_Plate,Metadata_Well\nX9,A01\n", "lists no image set of these outputs"),
    ],
)
def test_a_list_next_to_outputs_that_is_not_used_is_named(
    content: bytes, problem: str, tmp_path: Path, cpexport: Run
) -> None:
    screen(tmp_path / "tree", ["P1"])
    (tmp_path / "load_data.csv").write_bytes(content)
    ran = cpexport("load", "tree", "--to", "a.sqlite")

    assert (ran.status, "so it is not used" in ran.err) == (0, True)
    assert "load_data.csv: " + problem in ran.err


def test_one_list_has_the_plates_of_several_runs(tmp_path: Path, cpexport: Run) -> None:
    keys = list(IN_ORDER.values())
    for plate, well, number in [*keys[:5], *keys[6:]]:
        site(tmp_path / "tree" / plate, plate, well, int(number))
    load_data(tmp_path / "all.csv", [*keys, ("P3", "A01", "1")])
    words = ("--plan", "all.csv", "--to", "a.sqlite")
    for _ in range(2):
        would = cpexport("load", "tree", "--run-from", "{plate}", *words, "--dry-run")
        assert "all.csv: 1 of its 9 image sets is on a plate that no run has" in would.out
        assert would.status == 3
        ran = cpexport("load", "tree", "--run-from", "{plate}", *words)
        assert "run 1        P1, missing none" in ran.out
        assert "run 2        P2, missing 6 (P2 A01 site 2)" in ran.out
        assert "all.csv: 1 of its 9 image sets is on a plate that no run has" in ran.out
        assert ran.status == 3
    missing = "SELECT TableNumber, ImageNumber FROM _cpexport_missing"
    assert rows(tmp_path / "a.sqlite", missing) == [(2, 6)]
    assert "missing   1  6 (P2 A01 site 2)" in cpexport("check", *words, "--run", "P2").out


def test_runs_number_their_image_sets_independently(tmp_path: Path, cpexport: Run) -> None:
    screen(tmp_path / "one", ["P1"])
    site(tmp_path / "two", "P9", "A01", 1)
    words = ("one", "two", "--table-number", "--to", "a.sqlite")
    assert cpexport("load", *words).status == 0
    screen(tmp_path / "two", ["P2"])
    assert cpexport("load", *words).status == 0
    columns = "TableNumber, ImageNumber, Image_SourceImageNumber, Image_Metadata_Plate"
    found = rows(tmp_path / "a.sqlite", f"SELECT {columns} FROM Per_Image ORDER BY 1, 2")

    assert found == [
        *((1, number, 1, "P1") for number in range(1, 5)),
        (2, 1, 1, "P9"),
        *((2, number, 1, "P2") for number in range(2, 6)),
    ]
    assert cpexport("verify", *words[:2], "--to", "a.sqlite").status == 0


def test_what_an_import_script_brought_goes_on_with_its_numbers(
    tmp_path: Path, cpexport: Run
) -> None:
    screen(tmp_path / "tree", ["P2"])
    assert cpexport("script", "tree", "--out", "import", "--dialect", "sqlite").status == 0
    subprocess.run(
        ["sqlite3", "../a.sqlite", ".read import.sql"], cwd=tmp_path / "import", check=True
    )
    before = numbered(tmp_path / "a.sqlite")
    screen(tmp_path / "tree", ["P1"])
    assert cpexport("load", "tree", "--to", "a.sqlite").status == 0

    assert len(before) == 4
    assert before.items() <= numbered(tmp_path / "a.sqlite").items()
    assert sorted(numbered(tmp_path / "a.sqlite").values()) == list(IN_ORDER.values())
    assert cpexport("verify", "tree", "--to", "a.sqlite").status == 0


def runs(seeds: Iterable[int]) -> Iterator[FuzzRun]:
    """Random runs whose image sets plate, well and site tell apart."""
    for seed in seeds:
        for run in random_case(seed, Options(kills=False)).runs:
            keys = {tuple(str(one.image.get(name, "")) for name in KEY) for one in run.planned}
            if len(keys) == len(run.planned) and all(all(key) for key in keys):
                style = replace(run.style, flat=False)
                yield replace(run, batch_file="none", style=style)


@pytest.mark.parametrize("seed", [1, 2, 7, 9])
def test_own_numbers_change_nothing_else(seed: int, tmp_path: Path) -> None:
    """The same random run, with numbers of the whole run and with own numbers of each job."""
    run = next(runs(random.Random(seed).sample(range(10_000), 50)))
    plan = write_list(run, tmp_path / "load_data.csv")
    reports, contents = [], []
    for name, changed in (("plain", lambda job: job), ("own", counted_from_1)):
        outputs = Outputs(replace(run, jobs=tuple(map(changed, run.jobs))), tmp_path / name)
        for job in outputs.run.jobs:
            outputs.write(job)
        to = tmp_path / name / "screen.sqlite"
        try:
            report = package.load(outputs.folder, to, plan=plan)
        except SourceError:
            continue
        assert package.verify(outputs.folder, to, plan=plan).different == 0
        reports.append((report.missing, report.image_sets, report.rows))
        contents.append(measurements(to))

    assert reports[0] == reports[-1]
    assert contents[0] == contents[-1]


def measurements(database: Path) -> dict[str, list[tuple[Any, ...]]]:
    """The rows of all tables that are not the ledger's, without the numbers that jobs gave."""
    found = {}
    names = (
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '\\_%' ESCAPE '\\'"
    )
    for (table,) in rows(database, names):
        columns = [
            name for (name,) in rows(database, f"SELECT name FROM pragma_table_info('{table}')")
        ]
        kept = ", ".join(f'"{name}"' for name in columns if not name.endswith("SourceImageNumber"))
        found[table] = sorted(rows(database, f'SELECT {kept} FROM "{table}"'), key=repr)
    return found


def test_equal_blank_images_of_two_plates_do_not_replace_each_other(
    tmp_path: Path, cpexport: Run
) -> None:
    """They have the same name and digest, and other plates and folders."""
    blank: dict[str, Any] = {"FileName_DNA": "blank.tif", "MD5Digest_DNA": "0" * 32}
    first = site(tmp_path / "tree", "P1", "A01", 1, PathName_DNA="/data/P1", **blank)
    second = site(tmp_path / "tree", "P2", "A01", 1, PathName_DNA="/data/P2", **blank)
    together = cpexport("load", "tree", "--to", "a.sqlite")
    one, other = (cpexport("load", folder, "--to", "b.sqlite") for folder in (first, second))

    assert (together.status, one.status) == (0, 0)
    assert rows(tmp_path / "a.sqlite", "SELECT count(*) FROM Per_Image") == [(2,)]
    assert "replaced" not in other.out
    if other.status == 0:
        assert rows(tmp_path / "b.sqlite", "SELECT count(*) FROM Per_Image") == [(2,)]
    else:
        assert "different images" in other.err
