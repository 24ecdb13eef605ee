"""What a load has reported survives a power cut: real ones, of an ext4 file system in a file."""

import fcntl
import os
import shutil
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.datasets import content, leftovers
from support.fixtures import rows, unpacked

pytestmark = pytest.mark.slow

# EXT4_IOC_SHUTDOWN with EXT4_GOING_FLAGS_NOLOGFLUSH: nothing more gets to the disk, not even what
# the journal of the file system holds.
_SHUTDOWN, _NO_LOG_FLUSH = 0x8004587D, 2
# Not on the PATH of everybody who can run it.
_MKFS = shutil.which("mkfs.ext4", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
_LOAD = """
import sys
from pathlib import Path
from cpexport.commands.load import load
from cpexport.loading.request import LoadRequest
*outputs, batch_file, to = sys.argv[1:]
def tell(done):
    if done.what == "loaded":
        print(done.batches, flush=True)
load(LoadRequest(tuple(map(Path, outputs)), to, Path(batch_file)), progress=tell)
"""


class Disk:
    """A disk of its own, which can lose its power."""

    def __init__(self, home: Path) -> None:
        self.image, self.folder = home / "disk.img", home / "disk"
        self.folder.mkdir()
        with self.image.open("wb") as file:
            file.truncate(300 << 20)
        self._run(_MKFS, "-q", self.image)
        self.mount()

    def _run(self, *words: object) -> None:
        subprocess.run([str(word) for word in words], check=True, capture_output=True)

    def mount(self) -> None:
        self._run("mount", "-o", "loop", self.image, self.folder)

    def unmount(self) -> None:
        self._run("umount", self.folder)

    def cut_power(self) -> None:
        folder = os.open(self.folder, os.O_RDONLY)
        try:
            fcntl.ioctl(folder, _SHUTDOWN, struct.pack("I", _NO_LOG_FLUSH))
        finally:
            os.close(folder)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    if os.geteuid() != 0 or _MKFS is None:
        pytest.skip("a power cut needs root and mkfs.ext4")
    try:
        made = Disk(tmp_path)
    except (subprocess.CalledProcessError, OSError) as error:
        pytest.skip(f"a power cut needs a loop mount, which this machine refuses: {error}")
    yield made
    subprocess.run(["umount", "--lazy", made.folder], check=False, capture_output=True)


def cut(disk: Disk, to: str, batches: int) -> int:
    """How many batches a load had reported when the power went away, at least so many; the next
    command has been run on what it left."""
    screen = unpacked("40_spreadsheet")
    words = [str(screen / "outputs"), str(screen / "Batch_data.h5"), to]
    process = subprocess.Popen(
        [sys.executable, "-c", _LOAD, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    reported = next(int(line) for line in process.stdout if int(line) >= batches)
    disk.cut_power()
    process.kill()
    process.communicate()
    disk.unmount()
    disk.mount()
    # The next load reads what is left first, and rolls back what was under way.
    kept = subprocess.run(
        [sys.executable, "-m", "cpexport", "check", "--batch", words[-2], "--to", words[-1]],
        capture_output=True,
        text=True,
        check=False,
    )
    assert kept.returncode == 3
    return reported


@pytest.mark.parametrize("batches", [1, 2, 4, 7])
def test_a_batch_that_was_reported_survives_a_power_cut(disk: Disk, batches: int) -> None:
    database = disk.folder / "screen.sqlite"
    reported = cut(disk, f"sqlite:///{database}", batches)
    there = rows(database, "SELECT count(*) FROM _cpexport_batches")[0][0]
    images = rows(database, "SELECT ImageNumber FROM Per_Image ORDER BY 1")

    assert there >= reported
    assert rows(database, "PRAGMA integrity_check") == [("ok",)]
    assert images == rows(database, "SELECT number FROM _cpexport_sets ORDER BY 1")


@pytest.mark.parametrize("batches", [1, 2, 4, 7])
def test_files_of_a_batch_that_was_reported_survive_a_power_cut(disk: Disk, batches: int) -> None:
    folder = disk.folder / "screen.parquet"
    reported = cut(disk, f"parquet:{folder}", batches)
    ledger = folder / "_cpexport.sqlite"
    there = rows(ledger, "SELECT count(*) FROM _cpexport_batches")[0][0]
    said = rows(ledger, "SELECT table_name, sum(row_count) FROM _cpexport_tables GROUP BY 1")
    found = content(folder)

    assert there >= reported
    assert leftovers(folder) == set()
    assert {name: len(found[name]) for name, _ in said} == dict(said)
    assert [row[:1] for row in found["Per_Image"]] == rows(
        ledger, "SELECT number FROM _cpexport_sets ORDER BY 1"
    )
