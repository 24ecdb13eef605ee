"""Progress is drawn on a terminal, and nowhere else."""

import re
from collections.abc import Callable
from pathlib import Path

from support.fixtures import Ran
from support.terminals import on_a_terminal


def test_a_terminal_shows_batches_image_sets_and_values_a_second(
    case: Callable[[str], Path], tmp_path: Path
) -> None:
    to = f"sqlite:///{tmp_path / 'screen.sqlite'}"
    status, out, drawn = on_a_terminal(["load", str(case("11_h5_and_csv") / "outputs"), "--to", to])

    assert (status, "inspected" in drawn, "loaded" in drawn) == (0, True, True)
    assert "4/4 batches, 24 image sets" in drawn
    assert "M values/s" in drawn
    assert "36/? files" in drawn
    assert "inspected" not in out


def test_quiet_draws_nothing_on_a_terminal(case: Callable[[str], Path], tmp_path: Path) -> None:
    to = f"sqlite:///{tmp_path / 'screen.sqlite'}"
    outputs = str(case("11_h5_and_csv") / "outputs")
    status, _, drawn = on_a_terminal(["load", outputs, "--to", to, "--quiet"])

    assert (status, drawn) == (0, "")


def test_a_pipe_gets_no_progress(
    case: Callable[[str], Path], cpexport: Callable[..., Ran], tmp_path: Path
) -> None:
    ran = cpexport("load", case("40_spreadsheet") / "outputs", "--to", "sqlite:///screen.sqlite")

    assert [line for line in ran.err.splitlines() if not line.startswith("note: ")] == []


def test_several_runs_are_named_and_counted(
    case: Callable[[str], Path], cpexport: Callable[..., Ran], tmp_path: Path
) -> None:
    outputs = case("40_spreadsheet") / "outputs"
    names = {"plate1": "P1-A01-1", "plate2": "P1-A01-2", "plate3": "P2-A01-1"}
    runs = [f"{name}={outputs / folder}" for name, folder in names.items()]
    to = ["--to", f"sqlite:///{tmp_path / 'plates.sqlite'}"]
    _, _, loaded = on_a_terminal(["load", *runs, "--table-number", *to])
    _, _, verified = on_a_terminal(["verify", *runs, *to])

    for place, name in enumerate(names, start=1):
        assert re.search(rf"{name}, {place} of 3: inspected .* 1/1 batches", loaded)
        assert re.search(rf"{name}, {place} of 3: loaded .* 1/1 batches", loaded)
        assert re.search(rf"{name}, {place} of 3: verified .* 1/1 batches", verified)


def test_the_bars_of_a_run_give_way_to_those_of_the_next(
    case: Callable[[str], Path], tmp_path: Path
) -> None:
    outputs = case("40_spreadsheet") / "outputs"
    runs = [f"plate{n}={outputs / f'P1-A01-{n}'}" for n in (1, 2)]
    to = f"sqlite:///{tmp_path / 'plates.sqlite'}"
    _, _, drawn = on_a_terminal(["load", *runs, "--table-number", "--to", to])

    assert "plate1, 1 of 2: loaded" in drawn
    assert "plate1" not in drawn[drawn.rindex("plate2, 2 of 2: inspected") :]
