"""A shell's run says that it goes on: its later jobs are busy, and a copy of it does not begin."""

import json
import os
import platform
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.fixtures import rows
from support.site import Site, ranges


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def record(site: Site) -> Path | None:
    return next((site.run / "outputs" / "status").glob("*.submitted"), None)


@pytest.fixture
def going(site: Site) -> Iterator[Site]:
    """A run of three jobs, one at a time: the first has failed, the second hangs."""
    site.plan("--images-per-batch", 8, "--at-once", 1)
    site.fail({"1-8": ["exit 7"], "9-16": ["hang"]})
    run = subprocess.Popen(
        ["sh", site.run / "submit.sh"],
        env={**os.environ, **site.environment},
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    until(lambda: (site.home / "attempts" / "9-16.0").exists())
    yield site
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()


def test_what_it_has_not_begun_yet_is_not_offered(going: Site) -> None:
    again = going.resubmit()
    said = json.loads(going.call("check", going.run, "--format", "json").out)

    assert (ranges(again), again["under_way"]) == (["1-8"], [[9, 24]])
    assert [(job["image_sets"], job["state"]) for job in said["queue"]] == [("17-24", "waiting")]


def test_a_second_one_does_not_begin_meanwhile(going: Site) -> None:
    calls = going.jobs_called
    said = going.submit()

    assert "these jobs are already running" in said
    assert str(record(going)) in said
    assert going.jobs_called == calls


def test_its_jobs_come_also_when_the_script_alone_was_killed(going: Site) -> None:
    (script,) = (
        process
        for process in subprocess.check_output(
            ["pgrep", "-f", str(going.run / "submit.sh")]
        ).split()
    )
    os.kill(int(script), signal.SIGKILL)

    assert going.resubmit()["under_way"] == [[9, 24]]


def test_one_that_was_killed_has_ended(site: Site) -> None:
    site.plan("--images-per-batch", 8)
    path = site.run / "outputs" / "status" / "x.0.submitted"
    path.parent.mkdir()
    # No process has such a number.
    path.write_text(f"shell\t{platform.node()}:99999999:1\n1-8\n9-16\n17-24\n")

    assert ranges(site.resubmit()) == ["1-8", "9-16", "17-24"]


def test_one_on_another_machine_is_busy_with_a_warning(site: Site) -> None:
    site.plan("--images-per-batch", 8)
    path = site.run / "outputs" / "status" / "x.0.submitted"
    path.parent.mkdir()
    path.write_text("shell\telsewhere:7:1\n9-16\n17-24\n")
    again = site.resubmit()

    assert (ranges(again), again["under_way"]) == (["1-8"], [[9, 24]])
    assert (
        f"{path}: jobs that were submitted on elsewhere never recorded how they ended" in site.err
    )
    assert "run this on elsewhere" in site.err


def test_one_that_was_begun_elsewhere_is_not_begun_here(site: Site) -> None:
    site.plan("--images-per-batch", 8)
    id = json.loads((site.run / "plan.json").read_text())["id"]
    path = site.run / "outputs" / "status" / f"{id}.0.submitted"
    path.parent.mkdir()
    path.write_text("shell\telsewhere:7:1\n1-8\n9-16\n17-24\n")
    said = site.submit()
    path.unlink()
    site.submit()

    assert f"{path}: these jobs were started on elsewhere and may still run there" in said
    assert site.missing() == ""


def test_it_does_not_begin_what_was_submitted_since_it_was_planned(site: Site) -> None:
    site.plan("--images-per-batch", 8)
    path = site.run / "outputs" / "status" / "0123456789ab.0.submitted"
    path.parent.mkdir()
    path.write_text("slurm\t3\n17-20\n")
    said = site.submit()

    assert "image set 17 is in jobs that were submitted after this plan was made" in said
    assert site.jobs_called == 0


def test_its_record_is_gone_when_it_has_ended(site: Site) -> None:
    site.plan("--images-per-batch", 8)
    site.fail({"1-8": ["exit 7"]})
    site.submit()

    assert record(site) is None
    assert ranges(site.resubmit()) == ["1-8"]


def test_a_cellprofiler_that_outlives_its_job_is_busy_and_shares_no_folder(site: Site) -> None:
    """task.sh alone is killed, as by somebody who means well; another attempt runs beside it."""
    site.plan("--images-per-batch", 24)
    site.fail({"1-24": ["late"]})
    environment = {**os.environ, **site.environment}
    first = subprocess.Popen(
        ["sh", site.run / "task.sh", "1"], env=environment, start_new_session=True
    )
    until(lambda: list((site.home / "attempts").iterdir()))
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    held = site.resubmit()
    second = subprocess.run(["sh", site.run / "task.sh", "1"], env=environment, check=False)
    won = {path: path.read_bytes() for path in (site.run / "outputs" / "batch_1_24").iterdir()}
    (orphan,) = (site.run / "outputs").glob("batch_1_24.part.*")
    (site.home / "attempts" / "go_on").touch()
    until(lambda: (orphan / "done.txt").exists())
    database = site.home / "all.sqlite"
    ran = site.call("load", site.run, "--to", f"sqlite:///{database}")

    assert (ranges(held), held["under_way"]) == ([], [[1, 24]])
    assert second.returncode == 0
    assert {path: path.read_bytes() for path in won} == won
    assert ran.status == 0, ran.err + ran.out
    assert rows(database, "SELECT count(*), count(DISTINCT ImageNumber) FROM Per_Image") == [
        (24, 24)
    ]


def test_its_last_job_writes_a_report_also_if_the_load_fails(site: Site) -> None:
    site.plan("--images-per-batch", 12)
    site.fail({"13-24": ["exit 7"]})
    site.submit()
    with_counts = (site.run / "report.html").read_text()
    (site.run / "screen.sqlite").write_bytes(b"no database, but something of mine" * 40)
    merged = subprocess.run(
        ["sh", site.run / "merge.sh"], env={**os.environ, **site.environment}, capture_output=True
    )
    without = (site.run / "report.html").read_text()
    checked = site.call("check", site.run)

    assert "12 image sets read" in with_counts
    assert (merged.returncode, "image sets read" in without) == (1, False)
    assert without.startswith("<!doctype html>")
    assert "the job never finished" in without or "exit" in without
    assert "report.html" not in checked.out + checked.err
