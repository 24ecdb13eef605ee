"""What a load leaves out, `check`, `load --dry-run` and `verify` name too, with the same status."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import small_outputs
from conftest import Ran
from plates import NEW, image, nucleus, output

Run = Callable[..., Ran]
Made = Callable[[Path], None]

ONE, OTHER = "0" * 32, "1" * 32


def plate(folder: Path, counts: dict[int, int], digest: str, time: int = NEW) -> Path:
    """A job's CSV files, with one nucleus in each image set, whatever their `counts` say."""
    images = [image(n, f"{n}.tif", digest=digest, Count_Nuclei=c) for n, c in counts.items()]
    return output(folder, images, time, Nuclei=[nucleus(n, 1, 7) for n in counts])


def another_plate_that_failed(home: Path) -> None:
    plate(home / "P1", {1: 1}, ONE)
    plate(home / "P2", {1: 2}, OTHER)


def two_plates_that_each_lack_what_the_other_has(home: Path) -> None:
    plate(home / "P1", {1: 1, 2: 2}, ONE)
    plate(home / "P2", {1: 2, 2: 1}, OTHER)


def object_types_of_a_job_that_failed(home: Path) -> None:
    plate(home / "P1", {1: 1}, ONE)
    images = [image(1, "1.tif", digest=ONE, Count_Nuclei=1, Count_Spots=2)]
    output(home / "P2", images, NEW, Spots=[nucleus(1, 1, 1)])


def a_damaged_file(home: Path) -> None:
    plate(home / "P1", {1: 1}, ONE)
    (home / "P2.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))


def a_stray_copy(home: Path) -> None:
    plate(home / "P1", {1: 1}, ONE)
    small_outputs.objects(home / "P1" / "Nuclei (1).csv", {1: 1})


def a_gap(home: Path) -> None:
    plate(home / "P1", {1: 1, 2: 2, 3: 1}, ONE)


CASES: list[Made] = [
    another_plate_that_failed,
    two_plates_that_each_lack_what_the_other_has,
    object_types_of_a_job_that_failed,
    a_damaged_file,
    a_stray_copy,
    a_gap,
]


def lines(ran: Ran, *where: str) -> set[tuple[str, str]]:
    said = json.loads(ran.out)
    for name in where:
        said = said[name]
    return {(one["path"], one["reason"]) for one in said}


@pytest.mark.parametrize("made", CASES)
def test_every_command_says_what_a_load_leaves_out(
    made: Made, tmp_path: Path, cpexport: Run
) -> None:
    made(tmp_path / "outputs")
    words = ("outputs", "--to", "screen.sqlite", "--format", "json")
    tried = cpexport("load", *words, "--dry-run")
    (said,) = json.loads(tried.out)
    loaded = cpexport("load", *words)
    again = cpexport("load", *words)
    verified = cpexport("verify", *words)
    looked = cpexport("check", "outputs")

    left_out = lines(loaded, "batches", "left_out")
    ran = (loaded, again, tried, verified, looked)
    assert left_out
    assert {(one["path"], one["reason"]) for one in said["left_out"]} == left_out
    assert lines(again, "batches", "left_out") == left_out
    assert lines(verified, "batches", "not_loaded") == left_out
    assert [path for path, _ in left_out if path not in looked.out] == []
    assert [one.status for one in ran] == [3] * len(ran)
    assert said["missing"] == json.loads(loaded.out)["missing"]
    assert json.loads(verified.out)["differences"] == []


def test_two_plates_under_the_same_numbers_are_no_whole_run(tmp_path: Path, cpexport: Run) -> None:
    plate(tmp_path / "outputs" / "P1", {1: 1}, ONE)
    plate(tmp_path / "outputs" / "P2", {1: 1}, OTHER)
    ran = cpexport("check", "outputs")
    same = cpexport("check", "outputs", "--same-pictures")

    assert "image set 1 is another picture" in ran.out
    assert (ran.status, same.status) == (3, 0)


def test_a_run_of_which_nothing_can_be_loaded_is_named_by_a_dry_run_too(
    tmp_path: Path, cpexport: Run
) -> None:
    plate(tmp_path / "P1", {1: 1}, ONE)
    plate(tmp_path / "P2", {1: 2}, OTHER)
    words = ("P1", "P2", "--table-number", "--to", "screen.sqlite", "--format", "json")
    tried = cpexport("load", *words, "--dry-run")
    loaded = cpexport("load", *words)

    said = {
        (one["path"], one["reason"]) for run in json.loads(tried.out) for one in run["left_out"]
    }
    assert said == lines(loaded, "batches", "left_out") != set()
    assert (tried.status, loaded.status) == (3, 3)


def test_where_nothing_can_be_loaded_a_dry_run_refuses_as_the_load(
    tmp_path: Path, cpexport: Run
) -> None:
    plate(tmp_path / "P1", {1: 2}, ONE)
    tried, loaded = cpexport("load", "P1", "--dry-run"), cpexport("load", "P1")

    assert (tried.status, tried.err) == (loaded.status, loaded.err)
    assert loaded.status == 1
    assert not (tmp_path / "P1.sqlite").exists()


def test_where_nothing_is_complete_no_gaps_are_told_of(tmp_path: Path, cpexport: Run) -> None:
    (tmp_path / "outputs").mkdir()
    (tmp_path / "outputs" / "P1.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
    ran = cpexport("check", "outputs")

    assert "not known without a batch file\n" in ran.out
    assert "gaps" not in ran.out
