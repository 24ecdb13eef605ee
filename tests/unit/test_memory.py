"""Memory is bounded by one batch, however many there are."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.fixtures import rows
from support.renumbered import IMAGE_SETS, Renumbered

OUTPUT = "outputs/batch_1_10/measurements.h5"
CELLS = 946


@pytest.fixture
def copies(case: Callable[[str], Path], tmp_path: Path) -> Iterator[Callable[[int], Path]]:
    """`copies(12)` is a folder of so many batches; files of 72 MB, deleted after the test."""
    renumbered = Renumbered(case("60_perf") / OUTPUT)
    made: list[Path] = []

    def make(count: int) -> Path:
        for number in range(len(made), count):
            made.append(tmp_path / f"outputs/batch_{number}/measurements.h5")
            renumbered.write(made[-1], number)
        return tmp_path / "outputs"

    yield make
    for path in made:
        path.unlink()
    for path in tmp_path.glob("*.sqlite"):
        path.unlink()


def peak_of_load(outputs: Path, to: Path) -> int:
    """The largest memory of a load as a process of its own, in KiB."""
    words = [sys.executable, "-m", "cpexport", "load", str(outputs), "--to", f"sqlite:///{to}"]
    process = subprocess.Popen([*words, "--quiet"], stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return used.ru_maxrss


@pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="ru_maxrss is in KiB on Linux only"
)
def test_twelve_batches_take_hardly_more_memory_than_two(
    copies: Callable[[int], Path], tmp_path: Path
) -> None:
    few = peak_of_load(copies(2), tmp_path / "few.sqlite")
    many = peak_of_load(copies(12), tmp_path / "many.sqlite")

    database = tmp_path / "many.sqlite"
    expected = [(12 * IMAGE_SETS, 12 * IMAGE_SETS)]
    assert rows(database, "SELECT count(*), max(ImageNumber) FROM Per_Image") == expected
    assert rows(database, "SELECT count(*) FROM Per_Cells") == [(12 * CELLS,)]
    assert rows(database, "SELECT count(DISTINCT Image_FileName_DNA) FROM Per_Image") == [(120,)]
    assert many <= 1.17 * few, f"{few} KiB for 2, {many} KiB for 12"
