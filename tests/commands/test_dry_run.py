"""`load --dry-run` says what a load would do, and changes nothing."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from support.fixtures import Ran, declared, rows, tables, traces

Run = Callable[..., Ran]
Case = Callable[[str], Path]


def said(ran: Ran) -> list[dict[str, object]]:
    assert ran.status == 0, ran.err
    found = json.loads(ran.out)
    assert isinstance(found, list)
    return found


def test_it_says_what_a_load_then_does(cpexport: Run, case: Case, tmp_path: Path) -> None:
    outputs = case("11_h5_and_csv") / "outputs"
    words = ["load", outputs, "--to", "sqlite:///out.sqlite", "--objects", "combined"]

    (found,) = said(cpexport(*words, "--dry-run", "--format", "json"))

    assert list(tmp_path.iterdir()) == []
    done = json.loads(cpexport(*words, "--format", "json").out)
    database = tmp_path / "out.sqlite"
    assert found["to_load"] == done["batches"]["loaded"] == 4
    assert found["image_sets"] == "1-24"
    names = [name for name in tables(database) if name in ("Per_Image", "Per_Object")]
    assert found["tables"] == {name: [len(declared(database, name))] for name in names}
    assert len(names) == 2


def test_what_is_there_is_not_loaded_again_and_stays_untouched(
    cpexport: Run, case: Case, tmp_path: Path
) -> None:
    batches = case("10_ranges") / "outputs"
    cpexport("load", batches / "batch_1_6", "--to", "sqlite:///out.sqlite")
    before = traces(tmp_path)

    ran = cpexport("load", batches, "--to", "sqlite:///out.sqlite", "--dry-run")

    assert ran.status == 0
    assert "3 to load, 1 already loaded" in ran.out
    assert "7-24" in ran.out
    assert traces(tmp_path) == before
    assert rows(tmp_path / "out.sqlite", "SELECT count(*) FROM Per_Image") == [(6,)]


def test_each_run_is_told_by_itself(cpexport: Run, case: Case) -> None:
    batches = case("10_ranges") / "outputs"
    words = [f"one={batches / 'batch_1_6'}", f"two={batches}"]

    found = said(cpexport("load", "--table-number", *words, "--dry-run", "--format", "json"))

    assert [(one["run"], one["to_load"]) for one in found] == [("one", 1), ("two", 4)]


def test_batches_of_which_nothing_can_be_loaded_are_named(cpexport: Run, case: Case) -> None:
    ran = cpexport("load", case("40_spreadsheet") / "outputs", "--dry-run")

    assert ran.status == 3
    assert "P1-B02-1: no file shows that the job ended; 9: Cells.csv is empty (0 bytes)" in ran.out
    assert "9 (P1 B02 site 1), 24 (P2 B03 site 2)" in ran.out


@pytest.mark.parametrize("words", [["nowhere"], []])
def test_what_a_load_refuses_it_refuses(cpexport: Run, words: list[str]) -> None:
    loaded, tried = cpexport("load", *words), cpexport("load", *words, "--dry-run")

    assert loaded.status == tried.status != 0
    assert tried.err == loaded.err
