"""Progress is drawn on a terminal, and nowhere else."""

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
