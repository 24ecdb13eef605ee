"""A screen on real schedulers: submitted, checked, run again until all is there, loaded once."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.clusters import Cluster, Slurm
from support.fixtures import content, rows, unpacked
from support.grid_engine import GridEngine
from support.site import Case, Site, program, ranges

NUMBERS = "SELECT ImageNumber FROM Per_Image ORDER BY 1"
EACH = [(number,) for number in range(1, 25)]


def on(cluster: Cluster, site: Site) -> Site:
    site.environment = {**site.environment, **cluster.env}
    return site


def jobs(said: str) -> list[str]:
    """The jobs that `submit.sh` says it has submitted, arrays first, the merge job last."""
    return re.findall(r"(?:array job|^job) (\d+)", said, re.MULTILINE)


def run(cluster: Cluster, site: Site, folder: Path | None = None) -> str:
    """Submits, and waits for all of it; returns what the merge job said."""
    said = site.submit(folder)
    assert jobs(said), said
    cluster.wait(jobs(said))
    logs = (folder or site.run) / "logs"
    (log,) = [p for p in logs.iterdir() if "merge" in p.name and jobs(said)[-1] in p.name]
    return log.read_text()


@contextmanager
def opened(*folders: Path) -> Iterator[None]:
    """Lets everybody into folders of a test for a while, which are those of its user alone."""
    closed = {
        folder: mode
        for top in folders
        for folder in (top, *top.parents)
        if not (mode := folder.stat().st_mode) & 0o001
    }
    for folder, mode in closed.items():
        folder.chmod(mode | 0o055)
    try:
        yield
    finally:
        for folder, mode in closed.items():
            folder.chmod(mode & 0o777)


class TestSlurm:
    def test_twelve_jobs_of_which_five_fail_until_all_is_there(
        self, slurm: Slurm, site: Site, case: Case, loaded: Callable[..., Path]
    ) -> None:
        on(slurm, site).plan("--images-per-batch", 2, "--time", 10, scheduler="slurm")
        site.fail(
            {
                "3-4": ["exit 7"],
                "7-8": ["killed"],
                "11-12": ["hang"],
                "15-16": ["Failure"],
                "19-20": ["truncated"],
            }
        )
        said = site.submit()
        array, merge = jobs(said)
        busy = site.resubmit()
        slurm.time_out(f"{array}_6")
        slurm.wait([array, merge])
        first = site.resubmit()
        lines = [line.split("\t") for line in (site.again / "jobs.tsv").read_text().splitlines()]
        merged = run(slurm, site, site.again)
        database = site.run / "screen.sqlite"

        # While one of them hangs, its image sets are not offered.
        assert "11-12" not in ranges(busy)
        assert {tuple(line[5:7]) for line in lines} >= {("11-12", "20"), ("3-4", "10")}
        assert len(lines) == len(ranges(first)) == 5
        assert "missing          none" in merged
        assert rows(database, NUMBERS) == EACH
        assert site.call("check", site.run).status == 0
        theirs = loaded(case("10_ranges") / "outputs")
        tables = {name for name in content(theirs) if name.startswith("Per_")}
        assert {name: len(content(database)[name]) for name in tables} == {
            name: len(content(theirs)[name]) for name in tables
        }

    def test_what_waits_in_the_queue_is_never_offered(self, slurm: Slurm, site: Site) -> None:
        on(slurm, site).plan(
            *("--images-per-batch", 8, "--option=--begin=now+1hour", "--at-once", 1),
            scheduler="slurm",
        )
        said = site.submit()
        again = site.resubmit()
        slurm.must("scancel", *jobs(said))

        assert (ranges(again), again["under_way"]) == ([], [[1, 24]])
        assert ranges(site.resubmit()) == ["1-8", "9-16", "17-24"]

    def test_whoever_asks_and_with_any_settings_of_their_own(
        self, slurm: Slurm, site: Site
    ) -> None:
        """What people set for squeue and sacct in their profiles."""
        on(slurm, site).plan(
            *("--images-per-batch", 8, "--option=--begin=now+1hour"), scheduler="slurm"
        )
        said = site.submit()
        slurm.until_waiting(jobs(said)[0], "BeginTime")
        odd = {
            **{f"SQUEUE_{name}": "other" for name in ("PARTITION", "ACCOUNT", "NAMES", "QOS")},
            **{"SQUEUE_STATES": "R", "SQUEUE_FORMAT": "%i", "SACCT_FORMAT": "User"},
            **{"LOGNAME": "nobody", "USER": "nobody", "SQUEUE_USERS": "nobody"},
        }
        before = site.environment
        site.environment = {**before, **odd}
        again = site.resubmit()
        table = site.call("check", site.run)
        site.environment = before
        slurm.must("scancel", *jobs(said))

        assert (ranges(again), again["under_way"]) == ([], [[1, 24]])
        assert re.search(r"waiting +1-24 +- +slurm:\d+_1 and 2 more", table.out)
        assert "the job waits in the queue (reason: BeginTime)" in table.out

    def test_a_user_without_a_name_and_home_is_told_the_same(
        self, slurm: Slurm, site: Site
    ) -> None:
        batch = site.home / "Batch_data.h5"
        batch.write_bytes((unpacked("10_ranges") / "Batch_data.h5").read_bytes())
        words = ["--images-per-batch", 8, "--option=--begin=now+1hour", "--out", site.run]
        on(slurm, site).call("plan", "--batch", batch, *words)
        said = site.submit()
        if os.getuid() != 0 or not shutil.which("setpriv"):
            pytest.skip("only root can be somebody without a name")
        command = ["setpriv", "--reuid=54321", "--regid=54321", "--clear-groups"]
        command += [sys.executable, "-m", "cpexport", "check", str(site.run), "--format", "json"]
        with opened(site.home, slurm.home):
            done = subprocess.run(
                command,
                cwd="/",
                env={"PATH": site.environment["PATH"], **slurm.env},
                capture_output=True,
                text=True,
                check=False,
            )
        slurm.must("scancel", *jobs(said))

        assert done.returncode == 3, done.stderr
        assert [job["state"] for job in json.loads(done.stdout)["queue"]] == ["waiting"] * 3

    def test_a_job_that_died_before_it_began_has_a_row_and_a_log(
        self, slurm: Slurm, site: Site
    ) -> None:
        on(slurm, site).plan("--images-per-batch", 24, scheduler="slurm")
        (site.run / "task.sh").unlink()
        said = site.submit()
        slurm.wait(jobs(said))
        (job,) = json.loads(site.call("check", site.run, "--format", "json").out)["queue"]

        assert (job["state"], job["image_sets"]) == ("failed", "1-24")
        assert "before it started (the scheduler reports FAILED)" in job["reason"]
        assert job["log_file"] == f"{site.run}/logs/{jobs(said)[0]}_1.log"
        assert "task.sh" in job["log"][-1]

    def test_watching_ends_when_all_jobs_have_ended(self, slurm: Slurm, site: Site) -> None:
        on(slurm, site).plan("--images-per-batch", 12, scheduler="slurm")
        site.fail({"1-12": ["exit 7"]})
        said = site.submit()
        ran = site.call("check", site.run, "--watch", "0.5")
        slurm.wait(jobs(said))

        assert ran.status == 3
        assert "no job waits or runs, and 12 image sets are missing" in ran.err

    def test_submitting_twice_submits_once(self, slurm: Slurm, site: Site) -> None:
        on(slurm, site).plan("--images-per-batch", 12, scheduler="slurm")
        first, second = site.submit(), site.submit()
        slurm.wait(jobs(first) + jobs(second))

        assert "were already submitted" in second
        assert site.jobs_called == 2

    def test_a_folder_that_is_gone_or_used_again_does_not_matter(
        self, slurm: Slurm, site: Site
    ) -> None:
        """Its jobs have ended, and what is missing is planned into a folder of the same name."""
        on(slurm, site).plan("--images-per-batch", 12, scheduler="slurm")
        site.fail({"1-12": ["exit 7", "exit 7"]})
        run(slurm, site)
        site.resubmit()
        run(slurm, site, site.again)
        shutil.rmtree(site.again)
        without = site.call("check", site.run, "--format", "array")
        site.count -= 1
        again = site.resubmit()
        said = site.submit(site.again)
        slurm.wait(jobs(said))

        assert without.out == "1-12\n"
        assert ranges(again) == ["1-12"]
        assert "were already submitted" not in said
        assert site.call("check", site.run).status == 0

    def test_lists_longer_than_an_array_may_be_go_by_offset(self, slurm: Slurm, site: Site) -> None:
        """A site that allows arrays of five: its own scontrol, with that one line changed."""
        on(slurm, site).plan("--images-per-batch", 2, scheduler="slurm")
        real = shutil.which("scontrol")
        program(site, "scontrol", f"{real} \"$@\" | sed 's/^MaxArraySize .*/MaxArraySize = 6/'")
        said = site.submit()
        slurm.wait(jobs(said))

        assert len(jobs(said)) == 4
        assert "jobs 11 to 12 are array job" in said
        assert site.call("check", site.run).status == 0

    def test_a_requeued_job_leaves_one_folder_that_is_whole(self, slurm: Slurm, site: Site) -> None:
        on(slurm, site).plan("--images-per-batch", 24, "--option=--requeue", scheduler="slurm")
        site.fail({"1-24": ["hang"]})
        said = site.submit()
        task = f"{jobs(said)[0]}_1"
        slurm.until(lambda: bool(list(site.home.glob("attempts/*"))), "hanging")
        slurm.must("scontrol", "requeue", task)
        # It would wait for two minutes.
        slurm.until_waiting(task, "BeginTime")
        slurm.must("scontrol", "update", f"JobId={task}", "StartTime=now")
        slurm.wait(jobs(said))

        assert [path.name for path in site.run.glob("outputs/batch*")] == ["batch_1_24"]
        assert site.call("check", site.run).status == 0


class TestGridEngine:
    def test_twelve_jobs_of_which_four_fail_until_all_is_there(
        self, grid_engine: GridEngine, site: Site
    ) -> None:
        on(grid_engine, site).plan("--images-per-batch", 2, "--time", 10, scheduler="sge")
        faults = {"3-4": ["exit 7"], "7-8": ["killed"], "15-16": ["Failure"], "23-24": ["crash"]}
        site.fail(faults)
        run(grid_engine, site)
        first = site.resubmit()
        merged = run(grid_engine, site, site.again)

        assert ranges(first) == list(faults)
        assert "missing          none" in merged
        assert rows(site.run / "screen.sqlite", NUMBERS) == EACH

    def test_what_waits_or_runs_is_never_offered(self, grid_engine: GridEngine, site: Site) -> None:
        on(grid_engine, site).plan("--images-per-batch", 8, "--at-once", 1, scheduler="sge")
        site.fail({f"{n}-{n + 7}": ["hang"] for n in (1, 9, 17)})
        said = site.submit()
        array = jobs(said)[0]
        grid_engine.until(lambda: bool(list(site.home.glob("attempts/*"))), "hanging")
        again = site.resubmit()
        table = site.call("check", site.run).out
        grid_engine.must("qdel", array)
        grid_engine.wait(jobs(said))

        assert (ranges(again), again["under_way"]) == ([], [[1, 24]])
        assert re.search(rf"waiting +9-24 +- +sge:{array}_2 and 1 more", table)
        assert ranges(site.resubmit()) == ["1-8", "9-16", "17-24"]


class TestOthers:
    """LSF and PBS are not to be had: only what they would be told is looked at."""

    @pytest.fixture
    def received(self, site: Site) -> Callable[..., list[list[str]]]:
        """What the scheduler's command is called with, when a plan is submitted."""

        def submit(scheduler: str, command: str, answer: str, *words: object) -> list[list[str]]:
            received = site.home / "received"
            script = f"printf '%s\\n' \"$@\" END >>{received}\n{answer}"
            program(site, command, script)
            site.plan("--images-per-batch", 2, *words, scheduler=scheduler)
            site.submit()
            calls = received.read_text().split("END\n")
            return [call.splitlines() for call in calls if call]

        return submit

    OPTIONS = ("--time", 90, "--memory", "2G", "--partition", "long", "--at-once", 3)

    def test_lsf(self, received: Callable[..., list[list[str]]], site: Site) -> None:
        answer = "echo 'Job <17> is submitted to queue <long>.'"
        array, merge = received("lsf", "bsub", answer, *self.OPTIONS, "--option=-P lab")

        assert array[:2] == ["-J", "cpexport[1-12]%3"]
        assert array[4:10] == ["-q", "long", "-P", "lab", "-W", "01:30"]
        assert array[10:14] == ["-M", "2048MB", "-R", "rusage[mem=2048MB]"]
        assert array[-4:-1] == ["sh", f"{site.run}/array.sh", "0"]
        assert merge[merge.index("-w") + 1] == "ended(17)"

    def test_pbs(self, received: Callable[..., list[list[str]]], site: Site) -> None:
        array, merge = received("pbs", "qsub", "echo '17[].server'", *self.OPTIONS)

        assert array[array.index("-J") + 1] == "1-12%3"
        assert "CPEXPORT_OFFSET=0" in array
        assert array[-5:-1] == ["-l", "walltime=01:30:00", "-l", "mem=2048mb"]
        assert merge[merge.index("-W") + 1] == "depend=afterany:17[].server"

    def test_pbs_knows_no_array_of_one(
        self, received: Callable[..., list[list[str]]], site: Site
    ) -> None:
        array, _ = received("pbs", "qsub", "echo '17.server'", "--images-per-batch", 24)

        assert "-J" not in array

    @pytest.mark.parametrize(
        ("scheduler", "environment"),
        [
            ("lsf", {"LSB_JOBINDEX": "2", "LSB_JOBID": "17"}),
            ("pbs", {"PBS_ARRAY_INDEX": "2", "PBS_JOBID": "17[2].server"}),
        ],
    )
    def test_a_job_finds_its_line(
        self, scheduler: str, environment: Mapping[str, str], site: Site
    ) -> None:
        site.plan("--images-per-batch", 2, scheduler=scheduler)
        words = ["sh", str(site.run / "array.sh"), "10"]
        subprocess.run(words, env={**site.environment, **environment}, check=True)
        status = (site.run / "outputs" / "status" / "batch_23_24.status").read_text()

        assert status.startswith(f"start\t23-24\t{scheduler}:17_2\t")
