"""What a load has reported survives a power cut: real ones, of an ext4 file system in a file."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.datasets import content, leftovers
from support.fixtures import rows, unpacked
from support.power_cuts import Disk, NoDiskError

pytestmark = pytest.mark.slow

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


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    try:
        made = Disk(tmp_path)
    except NoDiskError as error:
        pytest.skip(str(error))
    yield made
    made.close()


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
