"""Logs tell what no scheduler does any more: that memory ran out, where, and where to read on."""

import json
from pathlib import Path
from typing import Any

import pytest
from support.site import Site, program

from cpexport.cli.report_jobs import _unfinished
from cpexport.commands.seen import Seen
from cpexport.imagesets import NONE, ImageSets
from cpexport.jobs.logs import Logs
from cpexport.jobs.records import Attempt

SLURM = "slurmstepd: error: Detected 1 oom_kill event in StepId=7.batch. Some of the step tasks"
SLURM_18 = "slurmstepd: error: Detected 1 oom-kill event(s) in step 7.batch cgroup."
SLURM_GATHER = "slurmstepd: error: StepId=7.batch exceeded memory limit (900 > 500), being killed"
SLURM_OLD = "slurmstepd: error: Exceeded job memory limit"
LSF = "TERM_MEMLIMIT: job killed after reaching LSF memory usage limit."
PBS = "=>> PBS: job killed: mem 2097280kb exceeded limit 2097152kb"
PYTHON = "numpy.core._exceptions._ArrayMemoryError: Unable to allocate 9.5 GiB for an array"


def ran(site: Site, id: str, end: str = "", sets: str = "1-8") -> Path:
    """A job that left a folder and no more, and maybe how it ended; returns that folder."""
    name = f"batch_{sets.replace('-', '_')}"
    status = site.run / "outputs" / "status"
    status.mkdir(exist_ok=True)
    begin = f"start\t{sets}\t{id}\t2026-01-01T00:00:00Z\t30\t1000\tp\tn2\n"
    (status / f"{name}.status").write_text(begin + end)
    left = site.run / "outputs" / f"{name}.part"
    left.mkdir()
    sha256 = json.loads((site.run / "plan.json").read_text())["sha256"]
    (left / "batch_file.sha256").write_text(f"{sha256}  x\n")
    return left


def batches(site: Site) -> list[dict[str, Any]]:
    return list(json.loads(site.call("check", site.run, "--format", "json").out)["batches"])


@pytest.fixture
def planned(site: Site) -> Site:
    """A plan at a site without accounts, whose queue is empty."""
    site.plan("--images-per-batch", 8, "--memory", "1000M", scheduler="slurm")
    (site.run / "logs").mkdir()
    program(site, "squeue", "exit 0")
    program(site, "sacct", "echo Slurm accounting storage is disabled >&2; exit 1")
    return site


class TestMemory:
    @pytest.mark.parametrize("end", ["", "end\tfailed\t137\t2026-01-01T00:12:00Z\n"])
    def test_that_ran_out_is_told_by_the_log_of_the_scheduler(
        self, end: str, planned: Site
    ) -> None:
        ran(planned, "slurm:7_1", end)
        log = planned.run / "logs" / "7_1.log"
        log.write_text(f"the messages of CellProfiler\n{SLURM}\n")
        (batch,) = batches(planned)
        planned.resubmit()
        lines = (planned.again / "jobs.tsv").read_text().splitlines()

        assert batch["reason"].startswith("the job ran out of memory; ")
        assert batch["log_file"] == str(log)
        assert [line.split("\t")[7] for line in lines if line.split("\t")[5] == "1-8"] == ["2000"]

    @pytest.mark.parametrize(
        ("id", "name", "said"),
        [
            ("slurm:7_1", "7_1.log", SLURM_18),
            ("slurm:7_1", "7_1.log", SLURM_GATHER),
            ("slurm:7_1", "7_1.log", SLURM_OLD),
            ("lsf:7_1", "7_1.log", LSF),
            ("sge:7_1", "cpexport.o7.1", PYTHON),
            ("pbs:7_1", "cpexport.o7.1", PBS),
            ("pbs:7_1", "7[1].server.OU", PBS),
        ],
    )
    def test_that_ran_out_is_told_by_the_words_of_each_scheduler(
        self, id: str, name: str, said: str, tmp_path: Path
    ) -> None:
        (tmp_path / name).write_text(f"the messages of CellProfiler\n{said}\n")
        attempt = Attempt("batch_1_8", ImageSets.span(1, 8), id, "", "failed")

        assert Logs([tmp_path]).ran_out_of_memory(attempt, last=True)

    @pytest.mark.parametrize(
        "said", ["memory is fine", "Killed", "the MemoryError of yesterday", "no log"]
    )
    def test_did_not_run_out_where_no_log_says_so(self, said: str, tmp_path: Path) -> None:
        """Nor where another job's log, or that of a later attempt, says it."""
        (tmp_path / "7_2.log").write_text(SLURM)
        (tmp_path / "batch_1_8.part").mkdir()
        (tmp_path / "batch_1_8.part" / "job.log").write_text(PYTHON)
        if said != "no log":
            (tmp_path / "7_1.log").write_text(f"{said}\n")
        home = str(tmp_path)
        attempt = Attempt("batch_1_8", ImageSets.span(1, 8), "slurm:7_1", "", "failed", home=home)

        assert not Logs([tmp_path]).ran_out_of_memory(attempt, last=False)

    def test_did_not_run_out_where_the_scheduler_says_something_else(self, planned: Site) -> None:
        ran(planned, "slurm:7_1")
        (planned.run / "logs" / "7_1.log").write_text(f"{SLURM}\n")
        program(planned, "squeue", "echo '7_1|TIMEOUT|None'")
        (batch,) = batches(planned)

        assert batch["reason"].startswith("the job ran out of time; ")


def test_a_job_that_died_before_it_began_has_its_log_named(planned: Site) -> None:
    status = planned.run / "outputs" / "status"
    status.mkdir()
    (status / "x.0.submitted").write_text("slurm\t7\n1-8\n9-16\n17-24\n")
    log = planned.run / "logs" / "7_2.log"
    log.write_text("array.sh: cannot be read\n")
    table = planned.call("check", planned.run).out

    assert f"log {log}" in table
    assert "see its log" not in table


class TestNodes:
    def test_where_cellprofiler_cannot_be_started_are_named(self, planned: Site) -> None:
        """One node has no module; the jobs on the other one ran and failed of their images."""
        ran(planned, "slurm:7_1", "end\tfailed\t127\t2026-01-01T00:00:01Z\n")
        ran(planned, "slurm:7_2", "end\tfailed\t127\t2026-01-01T00:00:01Z\n", "9-16")
        ran(planned, "slurm:7_3", "end\tfailed\t1\t2026-01-01T00:12:00Z\n", "17-24")
        fine = planned.run / "outputs" / "status" / "batch_17_24.status"
        fine.write_text(fine.read_text().replace("n2", "n1"))
        said = json.loads(planned.call("check", planned.run, "--format", "json").out)

        assert said["trouble"].startswith("2 jobs failed with exit status 127 on n2, where ")
        assert "--option=--exclude=n2" in said["trouble"]
        reasons = [batch["reason"].partition(";")[0] for batch in said["batches"]]
        assert sorted(reasons) == [
            "the job failed after 12 minutes with exit status 1",
            "the job failed within a minute with exit status 127 on n2",
            "the job failed within a minute with exit status 127 on n2",
        ]

    def test_are_named_where_all_jobs_failed_so(self, planned: Site) -> None:
        ran(planned, "slurm:7_1", "end\tfailed\t127\t2026-01-01T00:00:01Z\n")
        table = planned.call("check", planned.run).out

        assert "failed within a minute with exit status 127 on n2." in table.replace("\n", " ")

    def test_are_noted_by_jobs_and_a_module_that_is_not_there_is_no_failure_of_images(
        self, site: Site
    ) -> None:
        site.plan("--images-per-batch", 24, "--module", "CellProfiler/4")
        site.environment = {**site.environment, "MODULESHOME": "/none", "LMOD_PKG": "/none"}
        site.submit()
        (batch,) = batches(site)

        assert batch["exit_status"] == 127
        assert batch["node"]
        assert batch["reason"].partition(";")[0].endswith(f"exit status 127 on {batch['node']}")


class TestGroups:
    def seen(self, sets: str, **facts: Any) -> Seen:
        return Seen(f"batch_{sets}", ImageSets.parse(sets), NONE, "failed", "it failed", **facts)

    def test_show_no_fact_of_one_job_as_if_it_were_of_all(self) -> None:
        table = _unfinished(
            [
                self.seen("1", attempt=2, seconds=600, limit=30, node="n1", log_file="/a.log"),
                self.seen("2", attempt=2, seconds=60, limit=30, node="n2", log_file="/b.log"),
            ]
        )

        assert table.splitlines()[1:] == [
            "failed  1-2         -         batch_1 and 1 more",
            "    it failed",
            "    attempt 2, 30 minutes at most, logs such as /a.log",
        ]

    def test_of_jobs_without_a_log_name_none(self) -> None:
        table = _unfinished([self.seen("1", log_file="/a.log"), self.seen("2"), self.seen("3")])

        assert [line.strip() for line in table.splitlines()[1:]] == [
            "failed  1           -         batch_1",
            "it failed",
            "log /a.log",
            "failed  2-3         -         batch_2 and 1 more",
            "it failed",
        ]
