"""Destinations whose first load was cut off, by a full disk or a kill: the next load goes on."""

import sqlite3
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest
from support.fixtures import Ran, unpacked

from cpexport.errors import SinkError
from cpexport.sinks.duckdb import connection as duckdbfile

Run = Callable[..., Ran]


def outputs() -> Path:
    return unpacked("40_spreadsheet") / "outputs" / "P1-A01-1"


@pytest.mark.parametrize("kibibytes", [8, 64, 96, 128, 256])
def test_a_folder_of_parquet_whose_disk_was_full_at_its_first_load_goes_on(
    cpexport: Run, small_disk: Callable[[int], Path], kibibytes: int
) -> None:
    disk = small_disk(kibibytes)
    url = f"parquet:{disk}/screen"
    first = cpexport("load", outputs(), "--to", url)
    subprocess.run(["mount", "-o", "remount,size=100m", disk], check=True)
    second = cpexport("load", outputs(), "--to", url)
    verified = cpexport("verify", outputs(), "--to", url)

    assert first.status == 1
    assert "No space left on device" in first.err or "the disk is full" in first.err
    assert second.status == 0, second.err
    assert verified.status == 0, verified.out


def test_a_folder_with_what_others_made_is_still_refused(cpexport: Run, tmp_path: Path) -> None:
    (tmp_path / "screen" / "Per_Cells").mkdir(parents=True)
    ran = cpexport("load", outputs(), "--to", f"parquet:{tmp_path}/screen")

    assert ran.status == 1
    assert "contains files that cpexport did not create" in ran.err


@pytest.mark.parametrize("kind", ["sqlite", "duckdb"])
def test_a_file_without_a_byte_is_begun_again(cpexport: Run, tmp_path: Path, kind: str) -> None:
    file = tmp_path / f"screen.{kind}"
    file.touch()
    ran = cpexport("load", outputs(), "--to", f"{kind}:///{file}")

    assert ran.status == 0, ran.err
    connect = sqlite3.connect if kind == "sqlite" else duckdb.connect
    db = connect(str(file))
    assert db.execute("SELECT count(*) FROM Per_Cells").fetchone() == (25,)
    db.close()


def test_a_new_file_that_another_process_has_locked_is_left_to_it(tmp_path: Path) -> None:
    file = tmp_path / "screen.duckdb"
    program = (
        "import fcntl, sys, time; f = open(sys.argv[1], 'w'); fcntl.lockf(f, fcntl.LOCK_EX); "
        "print('locked', flush=True); time.sleep(60)"
    )
    command = ["python3", "-c", program, str(file)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        inode = file.stat().st_ino
        time.sleep(1.1)
        connection = duckdbfile.Connection(file, "duckdb:///screen.duckdb")
        monkey = pytest.MonkeyPatch()
        monkey.setattr(duckdbfile, "_PATIENCE", 0.5)
        try:
            with pytest.raises(SinkError, match=r"locked by process \d+ \(.+\)"):
                connection.rows("SELECT 1")
        finally:
            monkey.undo()
            other.kill()

    assert file.stat().st_ino == inode
