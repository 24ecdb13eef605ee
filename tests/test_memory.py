"""Memory is bounded by one batch, however many there are."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import h5py
import numpy as np
import pytest
from conftest import rows

OUTPUT = "outputs/batch_1_10/measurements.h5"
IMAGE_SETS, CELLS = 10, 946


class Renumbered:
    """Copies of a measurement file with other image numbers and other file names.

    Nearly all of its image numbers lie in the file as they are, so a copy is made by changing
    bytes, which is a hundred times as fast as changing thousands of datasets by HDF5.
    """

    def __init__(self, file: Path) -> None:
        self._content = file.read_bytes()
        self._places: list[tuple[int, int, type[np.integer], int]] = []
        self._packed: list[str] = []
        with h5py.File(file) as opened:
            opened.visititems(self._note)

    def _note(self, name: str, item: h5py.Group | h5py.Dataset) -> None:
        numbers = "/Relationship/" in name and "ImageNumber" in name
        index = name.endswith("/index") and "/Experiment/" not in name
        if not isinstance(item, h5py.Dataset) or not (
            numbers or index or name.endswith("/Image/ImageNumber/data")
        ):
            return
        if item.compression or item.shuffle:
            self._packed.append(name)
            return
        for chunk in range(item.id.get_num_chunks()):
            found = item.id.get_chunk_info(chunk)
            # Of an index, the first of three columns is the image number.
            step = 3 if index else 1
            self._places.append((found.byte_offset, found.size, item.dtype.type, step))

    def write(self, path: Path, number: int) -> None:
        """The copy whose first image set is `10 * number + 1`."""
        content = bytearray(self._content.replace(b"Q1_", f"{chr(65 + number)}1_".encode()))
        for start, size, dtype, step in self._places:
            values = np.frombuffer(content, dtype, size // np.dtype(dtype).itemsize, start)[::step]
            values[values > 0] += IMAGE_SETS * number
        path.parent.mkdir(parents=True)
        path.write_bytes(content)
        with h5py.File(path, "r+") as opened:
            for name in self._packed:
                first = (slice(None), 0) if name.endswith("/index") else slice(None)
                opened[name][first] += IMAGE_SETS * number


@pytest.fixture
def copies(case: Callable[[str], Path], tmp_path: Path) -> Iterator[Callable[[int], Path]]:
    """`copies(20)` is a folder of so many batches; files of 72 MB, deleted after the test."""
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
def test_twenty_batches_take_hardly_more_memory_than_two(
    copies: Callable[[int], Path], tmp_path: Path
) -> None:
    few = peak_of_load(copies(2), tmp_path / "few.sqlite")
    many = peak_of_load(copies(20), tmp_path / "many.sqlite")

    database = tmp_path / "many.sqlite"
    expected = [(20 * IMAGE_SETS, 20 * IMAGE_SETS)]
    assert rows(database, "SELECT count(*), max(ImageNumber) FROM Per_Image") == expected
    assert rows(database, "SELECT count(*) FROM Per_Cells") == [(20 * CELLS,)]
    assert rows(database, "SELECT count(DISTINCT Image_FileName_DNA) FROM Per_Image") == [(200,)]
    assert many <= 1.3 * few, f"{few} KiB for 2, {many} KiB for 20"
