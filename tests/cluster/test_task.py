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
from support.lab import STAND_IN, Lab, program


def slow(lab: Lab, seconds: float) -> None:
    """Has CellProfiler take its time before it writes anything."""
    (lab.home / "bin" / "cellprofiler").unlink()
    program(lab, "cellprofiler", f'sleep {seconds}\nexec {sys.executable} {STAND_IN} "$@"')


def begin(lab: Lab, environment: Mapping[str, str] | None = None) -> "subprocess.Popen[str]":
    """A copy of the first job, running."""
    return subprocess.Popen(
        ["sh", lab.run / "task.sh", "1"],
        env={**os.environ, **lab.environment, **(environment or {})},
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


def outputs(lab: Lab) -> list[str]:
    return sorted(path.name for path in (lab.run / "outputs").iterdir() if path.name != "status")


def ends(lab: Lab) -> list[list[str]]:
    """What was noted when attempts ended: the result and the exit status."""
    (status,) = lab.run.glob("outputs/status/*.status")
    lines = [line.split("\t") for line in status.read_text().splitlines()]
    return [line[1:3] for line in lines if line[0] == "end"]


class TestCopies:
    @pytest.mark.parametrize("has_t", [True, False])
    def test_that_run_at_once_share_no_folder_and_one_wins(self, lab: Lab, has_t: bool) -> None:
        if not has_t:
            real = shutil.which("mv")
            program(lab, "mv", f'if [ "$1" = -T ]; then exit 64; fi\nexec {real} "$@"')
        slow(lab, 1)
        lab.plan("--images-per-batch", 24)
        copies = [begin(lab), begin(lab)]
        said = [copy.communicate(timeout=60)[0] for copy in copies]
        folder = lab.run / "outputs" / "batch_1_24"

        assert [copy.returncode for copy in copies] == [0, 0]
        assert outputs(lab) == ["batch_1_24"]
        assert not [path for path in folder.rglob("*") if path.is_dir()]
        assert sum("another copy of this job was complete first" in text for text in said) == 1
        assert lab.call("check", lab.run).status == 0

    def test_that_fail_leave_the_winner_alone(self, lab: Lab) -> None:
        lab.plan("--images-per-batch", 24)
        lab.fail({"1-24": ["hang"]})
        first = begin(lab, {"CPEXPORT_JOB": "slurm:7_1"})
        until(lambda: list((lab.home / "attempts").iterdir()))
        second = begin(lab, {"CPEXPORT_JOB": "slurm:8_1"})
        second.communicate(timeout=60)
        won = {path: path.read_bytes() for path in (lab.run / "outputs/batch_1_24").iterdir()}
        first.terminate()
        first.communicate(timeout=60)

        assert (first.returncode, second.returncode) == (143, 0)
        assert {path: path.read_bytes() for path in won} == won
        assert lab.call("check", lab.run).status == 0

    def test_that_were_killed_are_gone_when_their_job_is_complete_after_a_requeue(
        self, lab: Lab
    ) -> None:
        lab.plan("--images-per-batch", 24)
        lab.fail({"1-24": ["hang", "exit 7"]})
        # No process has such a number.
        same = {"CPEXPORT_JOB": f"shell:{platform.node()}:99999999"}
        killed = begin(lab, same)
        until(lambda: list((lab.home / "attempts").iterdir()))
        os.killpg(killed.pid, signal.SIGKILL)
        killed.communicate(timeout=60)
        left = outputs(lab)
        state = json.loads(lab.call("check", lab.run, "--format", "json").out)["batches"]
        begin(lab, same).communicate(timeout=60)
        failed = outputs(lab)
        begin(lab, same).communicate(timeout=60)

        (own,) = left
        assert own.startswith("batch_1_24.part.shell_")
        assert [(one["state"], one["image_sets"]) for one in state] == [("failed", "1-24")]
        assert failed == ["batch_1_24.part", own]
        assert outputs(lab) == ["batch_1_24"]


class TestStopped:
    @pytest.mark.parametrize(
        ("seconds_left", "noted"), [(1, "timeout"), (3600, "terminated"), (None, "terminated")]
    )
    def test_notes_why_and_takes_its_temporary_files_away(
        self, lab: Lab, seconds_left: int | None, noted: str
    ) -> None:
        """As Slurm stops a job whose time is up, and one that makes room for another."""
        scratch = lab.home / "scratch"
        scratch.mkdir()
        environment = {"CPEXPORT_TMPDIR": str(scratch)}
        if seconds_left is not None:
            environment["SLURM_JOB_END_TIME"] = str(int(time.time()) + seconds_left)
        lab.plan("--images-per-batch", 24)
        lab.fail({"1-24": ["hang"]})
        job = begin(lab, environment)
        until(lambda: list((lab.home / "attempts").iterdir()))
        held = list(scratch.iterdir())
        job.terminate()
        job.communicate(timeout=20)

        assert held
        assert not list(scratch.iterdir())
        assert job.returncode == 143
        assert ends(lab) == [[noted, ""]]
        assert outputs(lab) == ["batch_1_24.part"]
        assert subprocess.run(["pgrep", "-s", str(job.pid)], check=False).returncode == 1

    def test_by_the_signal_of_a_soft_limit_ran_out_of_time(self, lab: Lab) -> None:
        lab.plan("--images-per-batch", 24)
        lab.fail({"1-24": ["hang"]})
        job = begin(lab)
        until(lambda: list((lab.home / "attempts").iterdir()))
        job.send_signal(signal.SIGUSR1)
        job.communicate(timeout=20)

        assert ends(lab) == [["timeout", ""]]

    def test_by_scancel_is_noted_on_slurm(self, slurm: Slurm, lab: Lab) -> None:
        scratch = lab.home / "scratch"
        scratch.mkdir()
        lab.environment = {**lab.environment, **slurm.env, "CPEXPORT_TMPDIR": str(scratch)}
        lab.plan("--images-per-batch", 24, "--time", 10, scheduler="slurm")
        lab.fail({"1-24": ["hang"]})
        said = lab.submit()
        array, merge = re.findall(r"(?:array job|^job) (\d+)", said, re.MULTILINE)
        slurm.until(lambda: bool(list(lab.home.glob("attempts/*"))), "hanging")
        held = list(scratch.iterdir())
        slurm.must("scancel", array)
        slurm.wait([array, merge])

        assert held
        assert not list(scratch.iterdir())
        assert ends(lab) == [["terminated", ""]]
        assert outputs(lab) == ["batch_1_24.part"]

    def test_by_a_limit_of_time_is_noted_on_grid_engine(
        self, grid_engine: GridEngine, lab: Lab
    ) -> None:
        lab.environment = {**lab.environment, **grid_engine.env}
        limit = "--option=-l s_rt=3"
        lab.plan("--images-per-batch", 24, limit, scheduler="sge")
        lab.fail({"1-24": ["hang"]})
        said = lab.submit()
        jobs = re.findall(r"(?:array job|^job) (\d+)", said, re.MULTILINE)
        grid_engine.wait(jobs)

        assert ends(lab) == [["timeout", ""]]


class TestBatchFile:
    @pytest.fixture
    def batch(self, lab: Lab) -> Path:
        """A copy of the batch file that a plan of one job was made for; sha256sum is counted."""
        lab.plan("--images-per-batch", 24)
        planned = next(
            line.partition("=")[2].strip("'")
            for line in (lab.run / "task.sh").read_text().splitlines()
            if line.startswith("batch_file=")
        )
        batch = lab.home / "Batch_data.h5"
        shutil.copy2(planned, batch)
        shutil.rmtree(lab.run)
        ran = lab.call(
            *("plan", "--batch", batch, "--out", lab.run, "--format", "shell"),
            *("--images-per-batch", 24),
        )
        assert ran.status == 0, ran.err
        real = shutil.which("sha256sum")
        program(lab, "sha256sum", f'echo >>{lab.home}/sums\nexec {real} "$@"')
        return batch

    def test_that_nobody_touched_is_not_read_whole_by_each_job(self, lab: Lab, batch: Path) -> None:
        job = begin(lab)
        job.communicate(timeout=60)

        assert job.returncode == 0
        assert not (lab.home / "sums").exists()

    def test_that_was_copied_is_the_same(self, lab: Lab, batch: Path) -> None:
        batch.touch()
        job = begin(lab)
        job.communicate(timeout=60)

        assert job.returncode == 0
        assert (lab.home / "sums").exists()

    def test_that_is_another_one_is_refused(self, lab: Lab, batch: Path) -> None:
        batch.write_bytes(batch.read_bytes() + b"\0")
        job = begin(lab)
        said, _ = job.communicate(timeout=60)

        assert job.returncode == 1
        assert "not the batch file of this plan; make the plan again" in said
        assert lab.jobs_called == 0
        assert ends(lab) == [["failed", "1"]]

    def test_that_is_gone_is_not_called_another_one(self, lab: Lab, batch: Path) -> None:
        batch.rename(batch.with_name("moved.h5"))
        job = begin(lab)
        said, _ = job.communicate(timeout=60)
        log = (lab.run / "outputs" / "batch_1_24.part" / "job.log").read_text()

        assert job.returncode == 1
        assert "cannot be read" in said
        assert log in said


class TestFullDisk:
    @pytest.fixture
    def said(self, lab: Lab) -> str:
        """What the first job says that may write no byte, which is as on a full disk."""
        lab.plan("--images-per-batch", 12)
        trap = 'trap "" XFSZ; ulimit -f 0; exec sh "$0" 1'
        words: list[str | Path] = ["sh", "-c", trap, lab.run / "task.sh"]
        done = subprocess.run(
            words,
            env={**os.environ, **lab.environment},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 1
        return done.stderr

    def test_a_job_that_can_write_nothing_says_so_and_runs_nothing(
        self, said: str, lab: Lab
    ) -> None:
        assert f"{lab.run}/outputs: cannot be written on {platform.node()}; make room" in said
        assert lab.jobs_called == 0

    def test_what_it_leaves_is_in_nobodys_way(self, said: str, lab: Lab) -> None:
        lab.resubmit()
        lab.submit(lab.again)
        ran = lab.call("load", lab.run, "--to", f"sqlite:///{lab.home}/all.sqlite")

        assert ran.status == 0, ran.out + ran.err
        assert "24 loaded" in ran.out
