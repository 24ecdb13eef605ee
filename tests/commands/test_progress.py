"""Progress is drawn on a terminal, and nowhere else."""

import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from support.fixtures import Ran


def on_a_terminal(words: list[str]) -> tuple[int, str, str]:
    """Exit status, stdout, and the text that came to a terminal which is only stderr."""
    terminal, side = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "cpexport", *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=side,
        env={**os.environ, "COLUMNS": "160", "TERM": "xterm"},
        text=True,
    )
    os.close(side)
    drawn = b""
    while True:
        try:
            piece = os.read(terminal, 4096)
        except OSError:
            break
        drawn += piece
    os.close(terminal)
    out, _ = process.communicate()
    return process.returncode, out, re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", drawn.decode())


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
