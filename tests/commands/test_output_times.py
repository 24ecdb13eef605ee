"""Of two outputs with the same images the newer one stays, whatever the clocks of their files."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from support.calls import load
from support.csv_outputs import image, nucleus, output
from support.fixtures import Ran, rows

from cpexport.sources.output_time import age, notes

HOUR = 3_600_000_000_000
AHEAD = int(time.time()) + 40 * 86_400


def job(folder: Path, area: float, when: str, modified: int) -> Path:
    """An output of image set 1 with one nucleus of this area. `when` is the job's own time, or
    empty; `modified` is that of its files."""
    same = image(1, "a.tif", "/images", "5f3e")
    output(folder, [same], Nuclei=[nucleus(1, 1, area)])
    if when:
        (folder / "Experiment.csv").write_text(f"Key,Value\nRun_Timestamp,{when}\n")
    for file in folder.iterdir():
        os.utime(file, (modified, modified))
    return folder


@pytest.mark.parametrize("when", ["", "2026-11-22T12:29:20.496165"])
def test_files_of_the_future_do_not_replace_those_of_the_job_that_ran_again(
    tmp_path: Path, cpexport: Callable[..., Ran], when: str
) -> None:
    job(tmp_path / "run/older", 10, when, AHEAD)
    job(tmp_path / "run/newer", 20, when, 1_750_000_000)

    ran = cpexport("load", "run", "--to", "screen.sqlite")

    assert ran.status == 0
    found = rows(tmp_path / "screen.sqlite", "SELECT Nuclei_AreaShape_Area FROM Per_Nuclei")
    assert found == [(20,)]
    assert "run/older: its files are of 20" in ran.err
    assert "which is in the future" in ran.err


def test_the_jobs_own_times_count_before_those_of_files(tmp_path: Path) -> None:
    job(tmp_path / "run/older", 10, "2026-11-22T12:00:00", 1_750_000_000)
    job(tmp_path / "run/newer", 20, "2026-11-23T12:00:00", 1_600_000_000)
    load([tmp_path / "run"], f"sqlite:///{tmp_path}/screen.sqlite")

    found = rows(tmp_path / "screen.sqlite", "SELECT Nuclei_AreaShape_Area FROM Per_Nuclei")
    assert found == [(20,)]


def test_where_all_files_are_of_the_future_their_order_counts() -> None:
    """As on a machine whose clock has lost the date."""
    now = time.time_ns()
    assert age("", now + 2 * HOUR) < age("", now + 3 * HOUR) < age("", 0)
    assert age("2026-11-22", now + 3 * HOUR) < age("2026-11-22", 0)


def test_a_time_in_the_future_is_named_with_its_date() -> None:
    now = time.time_ns()
    (of_files,) = notes("", now + 900 * 24 * HOUR)
    (of_job,) = notes("2093-01-02T03:04:05", now)

    assert "which is in the future; their time does not count" in of_files
    assert "its job says that it ran on 2093-01-02" in of_job
    assert notes("2026-11-22T12:29:20", now + HOUR // 2) == []
    assert notes("no time", 0) == []


@pytest.mark.parametrize("modified", [-(10**30), 10**30])
def test_a_time_that_no_date_can_be_is_one_all_the_same(modified: int) -> None:
    """As file systems can hold it."""
    assert age("", modified) < age("", 0)
    assert len(notes("", modified)) == (modified > 0)
