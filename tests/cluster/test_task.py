"""task.sh runs one job: beside copies of itself, until it is stopped, and with its batch file."""

import json
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from support.clusters import Slurm
from support.grid_engine import GridEngine
from support.site import FAKE_CELLPROFILER, Site, program


def slow(site: Site, seconds: float) -> None:
    """Has CellProfiler take its time before it writes anything."""
    (site.home / "bin" / "cellprofiler").unlink()
    program(
        site, "cellprofiler", f'sleep {seconds}\nexec {sys.executable} {FAKE_CELLPROFILER} "$@"'
    )


def begin(site: Site, environment: Mapping[str, str] | None = None) -> "subprocess.Popen[str]":
    """A copy of the first job, running."""
    return subprocess.Popen(
        ["sh", site.run / "task.sh", "1"],
        env={**os.environ, **site.environment, **(environment or {})},
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def outputs(site: Site) -> list[str]:
    return sorted(path.name for path in (site.run / "outputs").iterdir() if path.name != "status")


def ends(site: Site) -> list[list[str]]:
    """What was noted when attempts ended: the result and the exit status."""
    (status,) = site.run.glob("outputs/status/*.status")
    lines = [line.split("\t") for line in status.read_text().splitlines()]
    return [line[1:3] for line in lines if line[0] == "end"]


class TestCopies:
    @pytest.mark.parametrize("has_t", [True, False])
    def test_that_run_at_once_share_no_folder_and_one_wins(self, site: Site, has_t: bool) -> None:
        if not has_t:
            real = shutil.which("mv")
            program(site, "mv", f'if [ "$1" = -T ]; then exit 64; fi\nexec {real} "$@"')
        slow(site, 1)
        site.plan("--images-per-batch", 24)
        copies = [begin(site), begin(site)]
        said = [copy.communicate(timeout=60)[0] for copy in copies]
        folder = site.run / "outputs" / "batch_1_24"

        assert [copy.returncode for copy in copies] == [0, 0]
        assert outputs(site) == ["batch_1_24"]
        assert not [path for path in folder.rglob("*") if path.is_dir()]
        assert sum("another copy of this job was complete first" in text for text in said) == 1
        assert site.call("check", site.run).status == 0

    def test_that_fail_leave_the_winner_alone(self, site: Site) -> None:
        site.plan("--images-per-batch", 24)
        site.fail({"1-24": ["hang"]})
        first = begin(site, {"CPEXPORT_JOB": "slurm:7_1"})
        until(lambda: list((site.home / "attempts").iterdir()))
        second = begin(site, {"CPEXPORT_JOB": "slurm:8_1"})
        second.communicate(timeout=60)
        won = {path: path.read_bytes() for path in (site.run / "outputs/batch_1_24").iterdir()}
        first.terminate()
        first.communicate(timeout=60)

        assert (first.returncode, second.returncode) == (143, 0)
        assert {path: path.read_bytes() for path in won} == won
        assert site.call("check", site.run).status == 0

    def test_that_were_killed_are_gone_when_their_job_is_complete_after_a_requeue(
        self, site: Site
    ) -> None:
        site.plan("--images-per-batch", 24)
        site.fail({"1-24": ["hang", "exit 7"]})
        # No process has such a number.
        same = {"CPEXPORT_JOB": f"shell:{platform.node()}:99999999"}
        killed = begin(site, same)
        until(lambda: list((site.home / "attempts").iterdir()))
        os.killpg(killed.pid, signal.SIGKILL)
        killed.communicate(timeout=60)
        left = outputs(site)
        state = json.loads(site.call("check", site.run, "--format", "json").out)["batches"]
        begin(site, same).communicate(timeout=60)
        failed = outputs(site)
        begin(site, same).communicate(timeout=60)

        (own,) = left
        assert own.startswith("batch_1_24.part.shell_")
        assert [(one["state"], one["image_sets"]) for one in state] == [("failed", "1-24")]
        assert failed == ["batch_1_24.part", own]
        assert outputs(site) == ["batch_1_24"]


class TestStopped:
    @pytest.mark.parametrize(
        ("seconds_left", "noted"), [(1, "timeout"), (3600, "terminated"), (None, "terminated")]
    )
    def test_notes_why_and_takes_its_temporary_files_away(
        self, site: Site, seconds_left: int | None, noted: str
    ) -> None:
        """As Slurm stops a job whose time is up, and one that makes room for another."""
        scratch = site.home / "scratch"
        scratch.mkdir()
        environment = {"CPEXPORT_TMPDIR": str(scratch)}
        if seconds_left is not None:
            environment["SLURM_JOB_END_TIME"] = str(int(time.time()) + seconds_left)
        site.plan("--images-per-batch", 24)
        site.fail({"1-24": ["hang"]})
        job = begin(site, environment)
        until(lambda: list((site.home / "attempts").iterdir()))
        held = list(scratch.iterdir())
        job.terminate()
        job.communicate(timeout=20)

        assert held
        assert not list(scratch.iterdir())
        assert job.returncode == 143
        assert ends(site) == [[noted, ""]]
        assert outputs(site) == ["batch_1_24.part"]
        assert subprocess.run(["pgrep", "-s", str(job.pid)], check=False).returncode == 1

    def test_by_the_signal_of_a_soft_limit_ran_out_of_time(self, site: Site) -> None:
        site.plan("--images-per-batch", 24)
        site.fail({"1-24": ["hang"]})
        job = begin(site)
        until(lambda: list((site.home / "attempts").iterdir()))
        job.send_signal(signal.SIGUSR1)
        job.communicate(timeout=20)

        assert ends(site) == [["timeout", ""]]

    def test_by_scancel_is_noted_on_slurm(self, slurm: Slurm, site: Site) -> None:
        scratch = site.home / "scratch"
        scratch.mkdir()
        site.environment = {**site.environment, **slurm.env, "CPEXPORT_TMPDIR": str(scratch)}
        site.plan("--images-per-batch", 24, "--time", 10, scheduler="slurm")
        site.fail({"1-24": ["hang"]})
        said = site.submit()
        array, merge = re.findall(r"(?:array job|^job) (\d+)", said, re.MULTILINE)
        slurm.until(lambda: bool(list(site.home.glob("attempts/*"))), "hanging")
        held = list(scratch.iterdir())
        slurm.must("scancel", array)
        slurm.wait([array, merge])

        assert held
        assert not list(scratch.iterdir())
        assert ends(site) == [["terminated", ""]]
        assert outputs(site) == ["batch_1_24.part"]

    def test_by_a_limit_of_time_is_noted_on_grid_engine(
        self, grid_engine: GridEngine, site: Site
    ) -> None:
        site.environment = {**site.environment, **grid_engine.env}
        limit = "--option=-l s_rt=3"
        site.plan("--images-per-batch", 24, limit, scheduler="sge")
        site.fail({"1-24": ["hang"]})
        said = site.submit()
        jobs = re.findall(r"(?:array job|^job) (\d+)", said, re.MULTILINE)
        grid_engine.wait(jobs)

        assert ends(site) == [["timeout", ""]]


class TestBatchFile:
    @pytest.fixture
    def batch(self, site: Site) -> Path:
        """A copy of the batch file that a plan of one job was made for; sha256sum is counted."""
        site.plan("--images-per-batch", 24)
        planned = next(
            line.partition("=")[2].strip("'")
            for line in (site.run / "task.sh").read_text().splitlines()
            if line.startswith("batch_file=")
        )
        batch = site.home / "Batch_data.h5"
        shutil.copy2(planned, batch)
        shutil.rmtree(site.run)
        ran = site.call(
            *("plan", "--batch", batch, "--out", site.run, "--format", "shell"),
            *("--images-per-batch", 24),
        )
        assert ran.status == 0, ran.err
        real = shutil.which("sha256sum")
        program(site, "sha256sum", f'echo >>{site.home}/sums\nexec {real} "$@"')
        return batch

    def test_that_nobody_touched_is_not_read_whole_by_each_job(
        self, site: Site, batch: Path
    ) -> None:
        job = begin(site)
        job.communicate(timeout=60)

        assert job.returncode == 0
        assert not (site.home / "sums").exists()

    def test_that_was_copied_is_the_same(self, site: Site, batch: Path) -> None:
        batch.touch()
        job = begin(site)
        job.communicate(timeout=60)

        assert job.returncode == 0
        assert (site.home / "sums").exists()

    def test_that_is_another_one_is_refused(self, site: Site, batch: Path) -> None:
        batch.write_bytes(batch.read_bytes() + b"\0")
        job = begin(site)
        said, _ = job.communicate(timeout=60)

        assert job.returncode == 1
        assert "not the batch file of this plan; plan again" in said
        assert site.jobs_called == 0
        assert ends(site) == [["failed", "1"]]

    def test_that_is_gone_is_not_called_another_one(self, site: Site, batch: Path) -> None:
        batch.rename(batch.with_name("moved.h5"))
        job = begin(site)
        said, _ = job.communicate(timeout=60)
        log = (site.run / "outputs" / "batch_1_24.part" / "job.log").read_text()

        assert job.returncode == 1
        assert "cannot be read" in said
        assert log in said


class TestMeasurementsThatCouldNotBeMoved:
    """ExportToCpexport leaves them in the temporary folder, as an .h5 file."""

    @pytest.mark.parametrize("scratch", ["", "scratch"])
    @pytest.mark.parametrize("said", ["stranded", "Failure, stranded"])
    def test_are_kept_whatever_the_job_says(self, site: Site, said: str, scratch: str) -> None:
        environment = {"CPEXPORT_TMPDIR": str(site.home / scratch)} if scratch else {}
        site.plan("--images-per-batch", 24)
        site.fail({"1-24": [said]})
        job = begin(site, environment)
        out, _ = job.communicate(timeout=60)
        (file,) = (site.home / (scratch or "run/outputs")).rglob("Cpmeasurements1.h5")
        left = outputs(site)
        begin(site, environment).communicate(timeout=60)

        assert job.returncode == 1
        assert f"{file.parent}: has the measurements of this job\n" in out
        assert left == ["batch_1_24.part"]
        assert [state for state, _ in ends(site)] == ["failed", "complete"]
        assert outputs(site) == ["batch_1_24"]
        assert file.exists() == bool(scratch)


class TestFullDisk:
    @pytest.fixture
    def said(self, site: Site) -> str:
        """What the first job says that may write no byte, which is as on a full disk."""
        site.plan("--images-per-batch", 12)
        trap = 'trap "" XFSZ; ulimit -f 0; exec sh "$0" 1'
        words: list[str | Path] = ["sh", "-c", trap, site.run / "task.sh"]
        done = subprocess.run(
            words,
            env={**os.environ, **site.environment},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 1
        return done.stderr

    def test_a_job_that_can_write_nothing_says_so_and_runs_nothing(
        self, said: str, site: Site
    ) -> None:
        assert (
            f"{site.run}/outputs: cannot be written on {platform.node()}; free some space" in said
        )
        assert site.jobs_called == 0

    def test_what_it_leaves_is_in_nobodys_way(self, said: str, site: Site) -> None:
        site.resubmit()
        site.submit(site.again)
        ran = site.call("load", site.run, "--to", f"sqlite:///{site.home}/all.sqlite")

        assert ran.status == 0, ran.out + ran.err
        assert "24 loaded" in ran.out
