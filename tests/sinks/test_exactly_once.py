"""Loading again: nothing twice, nothing old over new, and nothing changed that need not be."""

import json
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from support.calls import load, verify
from support.fixtures import Ran, content, rewritten, rows, tables, traces, values_of
from support.reruns import EARLIER, FIRST, LATER, Copy, rerun

from cpexport.commands.load_report import LoadReport
from cpexport.errors import CollisionError
from cpexport.loading.succession import Consent


@pytest.fixture
def loaded(tmp_path: Path) -> Callable[..., LoadReport]:
    """Loads into `screen.sqlite` or another file of the test's folder."""

    def run(
        *outputs: Path,
        to: str = "screen.sqlite",
        batch: Path | None = None,
        replace: bool = False,
    ) -> LoadReport:
        consent = Consent(replace=replace)
        return load(list(outputs), f"sqlite:///{tmp_path / to}", batch_file=batch, consent=consent)

    return run


def test_a_second_load_finds_nothing_new_and_leaves_every_byte(
    cpexport: Callable[..., Ran], case: Callable[[str], Path], tmp_path: Path
) -> None:
    words = ("load", case("13_groups") / "outputs", "--to", "sqlite:///a.sqlite", "--format=json")
    first = json.loads(cpexport(*words).out)
    before = traces(tmp_path)

    second = json.loads(cpexport(*words).out)

    assert first["batches"] == {"loaded": 6, "replaced": 0, "already": 0, "left_out": []}
    assert second["batches"] == {"loaded": 0, "replaced": 0, "already": 6, "left_out": []}
    assert (second["image_sets"], second["rows"]) == (0, {})
    assert second["missing"] == first["missing"] == [[13, 24]]
    assert traces(tmp_path) == before


def test_a_second_load_opens_no_batch_that_it_knows(
    loaded: Callable[..., LoadReport], copy: Copy, tmp_path: Path
) -> None:
    outputs = copy("13_groups", "outputs")
    loaded(outputs)
    before = content(tmp_path / "screen.sqlite")
    for file in outputs.rglob("*.h5"):
        stat = file.stat()
        file.write_bytes(bytes(stat.st_size))
        os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))

    report = loaded(outputs)

    assert (report.loaded, report.already, report.left_out) == (0, 6, ())
    assert content(tmp_path / "screen.sqlite") == before


def test_batches_of_a_later_load_join_those_of_the_first(
    loaded: Callable[..., LoadReport], copy: Copy, case: Callable[[str], Path], tmp_path: Path
) -> None:
    outputs = copy("11_h5_and_csv", "outputs/batch_7_12", "outputs/batch_7_12").parent
    loaded(outputs)
    for name in ("batch_1_6", "batch_13_18", "batch_19_24"):
        copy("11_h5_and_csv", f"outputs/{name}", f"outputs/{name}")

    report = loaded(outputs)

    loaded(case("11_h5_and_csv") / "outputs", to="at_once.sqlite")
    assert (report.loaded, report.already, report.image_sets) == (3, 1, 18)
    assert values_of(tmp_path / "screen.sqlite") == values_of(tmp_path / "at_once.sqlite")


@pytest.mark.parametrize("how", [shutil.move, shutil.copytree])
def test_a_moved_or_copied_folder_is_not_loaded_again(
    loaded: Callable[..., LoadReport],
    copy: Copy,
    tmp_path: Path,
    how: Callable[[Path, Path], object],
) -> None:
    outputs = copy("11_h5_and_csv", "outputs/batch_1_6", "outputs/batch_1_6").parent
    loaded(outputs)
    before = content(tmp_path / "screen.sqlite")
    how(outputs, tmp_path / "elsewhere")

    reports = [loaded(tmp_path / "elsewhere"), loaded(tmp_path / "elsewhere")]

    assert [(r.loaded, r.already, r.image_sets) for r in reports] == [(0, 1, 0)] * 2
    assert content(tmp_path / "screen.sqlite") == before


def test_a_touched_file_is_not_loaded_again(
    loaded: Callable[..., LoadReport], copy: Copy, tmp_path: Path
) -> None:
    file = copy("11_h5_and_csv", FIRST, "outputs/batch.h5")
    loaded(file.parent)
    before = content(tmp_path / "screen.sqlite")
    file.touch()

    report = loaded(file.parent)

    assert (report.loaded, report.already, report.left_out) == (0, 1, ())
    assert content(tmp_path / "screen.sqlite") == before


def test_a_single_file_is_loaded_like_the_folder_that_holds_it(
    loaded: Callable[..., LoadReport], copy: Copy, tmp_path: Path
) -> None:
    file = copy("11_h5_and_csv", FIRST, "outputs/batch.h5")

    loaded(file)

    report = loaded(file.parent, to="folder.sqlite")
    assert report.image_sets == 6
    assert values_of(tmp_path / "screen.sqlite") == values_of(tmp_path / "folder.sqlite")


def test_a_folder_and_its_copy_in_one_load_are_loaded_once(
    loaded: Callable[..., LoadReport], copy: Copy, tmp_path: Path
) -> None:
    copy("11_h5_and_csv", FIRST, "outputs/one/batch.h5")
    copy("11_h5_and_csv", FIRST, "outputs/two/batch.h5")

    report = loaded(tmp_path / "outputs")

    assert (report.loaded, report.image_sets, report.rows["Per_Image"]) == (1, 6, 6)
    assert report.left_out == ()
    assert len(rows(tmp_path / "screen.sqlite", "SELECT * FROM Per_Image")) == 6


def first_area(tmp_path: Path) -> tuple[object, ...]:
    query = (
        "SELECT Nuclei_AreaShape_Area FROM Per_Nuclei WHERE ImageNumber = 1 "
        "AND Nuclei_Number_Object_Number = 1"
    )
    (row,) = rows(tmp_path / "screen.sqlite", query)
    return row


@pytest.mark.parametrize("at_once", [True, False], ids=["found together", "found later"])
@pytest.mark.parametrize(("finished", "area"), [(LATER, -7.0), (EARLIER, 136.0)])
def test_of_two_outputs_of_one_picture_the_newest_stays(
    loaded: Callable[..., LoadReport],
    copy: Copy,
    tmp_path: Path,
    at_once: bool,
    finished: str,
    area: float,
) -> None:
    copy("11_h5_and_csv", FIRST, "outputs/batch_1_6.h5")
    if not at_once:
        loaded(tmp_path / "outputs")
    rerun(copy, "outputs/again.h5", finished)

    report = loaded(tmp_path / "outputs")
    then = loaded(tmp_path / "outputs")

    assert first_area(tmp_path) == (area,)
    for table, count in (("Per_Image", 6), ("Per_Nuclei", 125), ("Per_Cells", 125)):
        assert rows(tmp_path / "screen.sqlite", f"SELECT count(*) FROM {table}") == [(count,)]
    assert (report.left_out, report.is_complete) == ((), True)
    assert (then.loaded, then.already) == (0, 2)


def test_a_replacement_has_the_content_of_the_newest_alone(
    loaded: Callable[..., LoadReport], copy: Copy, tmp_path: Path
) -> None:
    loaded(copy("11_h5_and_csv", FIRST, "old/batch.h5").parent)
    again = rerun(copy, "again/batch.h5", LATER).parent

    loaded(again)

    loaded(again, to="alone.sqlite")
    assert values_of(tmp_path / "screen.sqlite") == values_of(tmp_path / "alone.sqlite")


def test_a_batch_partly_replaced_keeps_the_rest_of_its_rows(
    loaded: Callable[..., LoadReport], copy: Copy, case: Callable[[str], Path], tmp_path: Path
) -> None:
    loaded(copy("11_h5_and_csv", FIRST, "old/batch.h5").parent)

    # Of another pipeline, which measures less.
    loaded(case("12_failed") / "outputs/batch_1_4", replace=True)

    owners = rows(
        tmp_path / "screen.sqlite",
        "SELECT number, path FROM _cpexport_sets JOIN _cpexport_batches USING (batch_id)",
    )
    assert {number for number, path in owners if str(path).endswith("old")} == {5, 6}
    assert {number for number, path in owners if str(path).endswith("batch_1_4")} == {1, 2, 3, 4}
    counts = rows(
        tmp_path / "screen.sqlite",
        "SELECT count(*), count(DISTINCT ImageNumber), (SELECT sum(Image_Count_Nuclei) "
        "FROM Per_Image) FROM Per_Nuclei",
    )
    assert counts == [(125, 6, 125)]


def test_a_newer_output_that_is_damaged_inside_is_named_and_the_older_one_is_taken(
    loaded: Callable[..., LoadReport], copy: Copy, tmp_path: Path
) -> None:
    copy("11_h5_and_csv", FIRST, "outputs/batch_1_6.h5")
    damaged = rerun(copy, "outputs/again.h5", LATER)
    rewritten(damaged, "Cells", "AreaShape_Area", lambda values: values[:10])

    report = loaded(tmp_path / "outputs")

    assert first_area(tmp_path) == (136.0,)
    assert len(rows(tmp_path / "screen.sqlite", "SELECT * FROM Per_Image")) == 6
    assert [Path(left.path).name for left in report.left_out] == ["again.h5"]
    assert "AreaShape_Area" in report.left_out[0].reason
    assert not report.is_complete


def test_a_newer_output_that_is_damaged_leaves_the_rows_that_are_there(
    loaded: Callable[..., LoadReport], copy: Copy, tmp_path: Path
) -> None:
    loaded(copy("11_h5_and_csv", FIRST, "outputs/batch_1_6.h5").parent)
    before = content(tmp_path / "screen.sqlite")
    damaged = rerun(copy, "outputs/again.h5", LATER)
    rewritten(damaged, "Cells", "AreaShape_Area", lambda values: values[:10])

    report = loaded(tmp_path / "outputs")

    assert content(tmp_path / "screen.sqlite") == before
    assert [Path(left.path).name for left in report.left_out] == ["again.h5"]
    assert not report.is_complete


def test_incomplete_image_sets_are_named_and_a_later_run_brings_them(
    cpexport: Callable[..., Ran], copy: Copy, tmp_path: Path
) -> None:
    # The two are of pipelines one of which measures less.
    words = ("load", "outputs", "--to", "sqlite:///screen.sqlite", "--format=json", "--replace")
    copy("12_failed", "outputs/batch_9_12_not_a_tiff", "outputs/first")
    first = cpexport(*words)
    copy("11_h5_and_csv", "outputs/batch_7_12", "outputs/second")

    second = cpexport(*words)

    report = json.loads(first.out)
    assert (first.status, report["image_sets"], report["missing"]) == (3, 3, [[12, 12]])
    (left_out,) = report["batches"]["left_out"]
    assert left_out["path"].endswith("first")
    assert "12: not measured" in left_out["reason"]
    # Of several batches without a batch file the numbers from 1 on count as wanted.
    assert json.loads(second.out)["missing"] == [[1, 6]]
    numbers = rows(tmp_path / "screen.sqlite", "SELECT ImageNumber FROM Per_Image ORDER BY 1")
    assert numbers == [(n,) for n in range(7, 13)]


@pytest.mark.parametrize("at_once", [True, False], ids=["found together", "found later"])
def test_different_pictures_under_one_number_stop_the_load_and_change_nothing(
    loaded: Callable[..., LoadReport], copy: Copy, tmp_path: Path, at_once: bool
) -> None:
    # Without its batch file: numbers of run_g mean other pictures (see tests/data).
    folders = [copy("08_unsorted_groups", run, f"outputs/{run}") for run in ("run_f1_l4", "run_g")]
    good = copy("11_h5_and_csv", "outputs/batch_19_24", "outputs/good")
    if not at_once:
        loaded(folders[0], good)
    before = traces(tmp_path)

    with pytest.raises(CollisionError, match="image set 3 has different images") as stop:
        loaded(tmp_path / "outputs")

    assert "run_g" in str(stop.value)
    assert "run_f1_l4" in str(stop.value)
    assert "FileName_DNA" in str(stop.value)
    assert traces(tmp_path) == before


def test_with_their_batch_file_different_pictures_are_left_out_and_named(
    loaded: Callable[..., LoadReport], case: Callable[[str], Path], tmp_path: Path
) -> None:
    home = case("08_unsorted_groups")

    report = loaded(home / "run_f1_l4", home / "run_g", batch=home / "Batch_data.h5")

    assert [Path(left.path).name for left in report.left_out] == ["run_g"]
    assert "3-4: other images than in Batch_data.h5" in report.left_out[0].reason
    names = rows(
        tmp_path / "screen.sqlite",
        "SELECT ImageNumber, Image_FileName_DNA FROM Per_Image ORDER BY 1",
    )
    assert names[2:4] == [(3, "P1_A03_s1_DNA.tif"), (4, "P1_B01_s1_DNA.tif")]


def test_outputs_of_several_formats_of_one_screen_are_one_screen(
    loaded: Callable[..., LoadReport], case: Callable[[str], Path], tmp_path: Path
) -> None:
    homes = [case(name) / "outputs" for name in ("10_ranges", "11_h5_and_csv", "13_groups")]

    report = loaded(*homes, batch=case("11_h5_and_csv") / "Batch_data.h5", replace=True)

    database = tmp_path / "screen.sqlite"
    assert report.is_complete
    assert rows(database, "SELECT count(*), max(ImageNumber) FROM Per_Image") == [(24, 24)]
    for name in ("Nuclei", "Cells", "Cytoplasm", "BigNuclei", "SmallNuclei"):
        assert f"Per_{name}" in tables(database)
        counted = rows(database, f"SELECT sum(Image_Count_{name}) FROM Per_Image")
        assert rows(database, f"SELECT count(*) FROM Per_{name}") == counted


def test_groups_lose_the_numbers_of_a_batch_file_with_a_note_and_get_them_back(
    copy: Copy, loaded: Callable[..., LoadReport], case: Callable[[str], Path], tmp_path: Path
) -> None:
    outputs, again = copy("40_spreadsheet", "outputs", "first"), tmp_path / "again"
    batch, database = case("40_spreadsheet") / "Batch_data.h5", tmp_path / "screen.sqlite"
    numbers = "SELECT ImageNumber, Image_Group_Number FROM Per_Image ORDER BY 1"
    # Without the first group, the others have other numbers by what is loaded.
    shutil.rmtree(outputs / "P1-A01-1")
    first = loaded(outputs, batch=batch)
    before = rows(database, numbers)
    shutil.copytree(outputs / "P1-A01-2", again / "P1-A01-2")
    later = time.time() + 60
    for file in (again / "P1-A01-2").iterdir():
        os.utime(file, (later, later))
    image = again / "P1-A01-2" / "Image.csv"
    image.write_text(image.read_text("utf-8").replace("0.", "0.0", 1), "utf-8")
    without = loaded(again)
    changed = rows(database, numbers)
    found = verify([again], f"sqlite:///{database}", batch_file=batch)
    repaired = loaded(again, batch=batch)

    assert not [note for note in (*first.notes, *repaired.notes) if "groups" in note]
    assert [note for note in without.notes if "run this again with --batch" in note]
    assert changed != before
    assert "run cpexport load with --batch" in str(found.not_verified)
    assert rows(database, numbers) == before
