"""Some faults of the matrix on destinations that are files: see `tests/faults`, `make faults`."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from faults.matrix import Cell, chosen, reasons, run, table, write
from faults.places import Files
from faults.setup import CannotRunError, Setup, setup, spread
from faults.system_calls import KINDS, calls, struck
from faults.trials import Attempt

pytestmark = pytest.mark.slow

# Calls at which each fault happens, as shares of all; others are tried by make faults.
SHARES = {"sqlite": (0.2, 0.7), "parquet": (0.6,), "duckdb": (0.8,), "script-sqlite": (0.5,)}
FAULTS = ("enospc-for-good", "eio", "emfile", "kill", "term")


@pytest.fixture(scope="module")
def made() -> Iterator[Setup]:
    with setup() as one:
        yield one


@pytest.mark.parametrize("place", SHARES)
def test_no_system_call_that_fails_breaks_a_promise(made: Setup, place: str) -> None:
    try:
        trials = made.trials(place)
        library = made.preloaded
    except CannotRunError as error:
        pytest.skip(str(error))
    for kind in (kind for kind in KINDS if kind.name in FAULTS):
        count = calls(made, trials, kind)
        for share in SHARES[place]:
            attempt = struck(trials, library, kind, max(1, int(count * share)))

            assert attempt is not None
            assert attempt.violations == ()
            assert attempt.status != 0 or kind.name in ("eio", "emfile")


@pytest.mark.parametrize("cell", ["sqlite:full-disk", "parquet:limit-nofile", "sqlite:clock"])
def test_no_disk_limit_or_clock_breaks_one(made: Setup, cell: str) -> None:
    ((row, place),) = chosen([cell])
    found = run(made, row, place, seconds=60, tries=2)

    assert found.wrong == ()
    assert found.tried or found.skipped


def test_what_a_fault_breaks_is_seen(made: Setup) -> None:
    """A row that is lost, a row that is there twice, and a second run that does not mend it."""
    trials = made.trials("sqlite")

    @contextmanager
    def broken(sql: str) -> Iterator[None]:
        yield
        assert isinstance(trials.place, Files)
        with closing(sqlite3.connect(trials.place.folder / "screen")) as db, db:
            db.execute(sql)

    for sql, said in (
        ("DELETE FROM Per_Cells WHERE ImageNumber = 5 AND rowid % 2", "Per_Cells: image set 5"),
        ("UPDATE Per_Image SET Image_Metadata_Well = 'B02' WHERE ImageNumber = 3", "Per_Image"),
        ("DELETE FROM _cpexport_sets WHERE number = 4", "image set 4 was committed, and is gone"),
    ):
        attempt = trials.attempt("none", broken(sql))

        assert attempt.status == 0
        assert any(f"after the fault: {said}" in line for line in attempt.violations), attempt
        assert any(line.startswith(("run again", "status 0")) for line in attempt.violations)


def test_a_table_and_a_file_say_what_was_tried(tmp_path: Path) -> None:
    wrong = Attempt("kill at call 3", -9, "", ("the third run writes",))
    cells = [Cell("kill", "sqlite", 12, True), Cell("kill", "mysql", 3, wrong=(wrong,))]
    cells.append(Cell("clock", "mysql", skipped="MySQL is not here"))
    write(tmp_path / "faults.json", cells, 61.2)
    report = json.loads((tmp_path / "faults.json").read_text())

    assert table(cells).splitlines() == [
        "fault  sqlite  mysql",
        "kill   12      3, 1 wrong",
        "clock          -",
    ]
    assert reasons(cells) == ["mysql:clock: MySQL is not here"]
    assert (report["tried"], report["violations"], report["seconds"]) == (15, 1, 61)
    assert report["cells"][1]["wrong"][0]["violations"] == ["the third run writes"]


def test_cells_are_named_by_destination_fault_or_both() -> None:
    assert {place for _, place in chosen(["kill"])} >= {"sqlite", "script-mysql", "mariadb"}
    assert len(chosen(["sqlite:kill", "mysql:clock"])) == 2
    assert len(chosen(["mariadb"])) > 20
    with pytest.raises(ValueError, match="no fault, destination, or destination:fault"):
        chosen(["postgres:kill"])
    assert sorted(spread(37)) == list(range(1, 38))
