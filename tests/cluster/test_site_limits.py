"""submit.sh keeps within what a site allows, and says how far it got."""

import re
import shutil

import h5py
import numpy as np
import pytest
from support.clusters import Slurm
from support.fixtures import rows, unpacked
from support.grid_engine import GridEngine
from support.site import Site, program
from support.submitting import COUNT, arrays, last, most_at_once, on, played, records, sizes, timed

from cpexport.jobs.schedulers.slurm import Most, most_minutes


class TestLimits:
    @pytest.mark.parametrize(
        ("config", "account", "expected"),
        [
            ("MaxArraySize = 1001", "", ["1-24"]),
            ("MaxArraySize = 11", "", ["1-10", "1-10", "1-4"]),
            ("MaxArraySize = 1001\nMaxJobCount = 21", "", ["1-20", "1-4"]),
            ("SchedulerParameters = bf_x,max_array_tasks=9,y", "", ["1-9", "1-9", "1-6"]),
            ("MaxArraySize = 1001", "\n20\n", ["1-20", "1-4"]),
        ],
    )
    def test_of_a_site_are_read(
        self, site: Site, config: str, account: str, expected: list[str]
    ) -> None:
        played(site, scontrol=f"echo '{config}'", sacctmgr=f"echo '{account}'")
        site.plan(scheduler="slurm")
        site.submit()

        assert sizes(site) == expected

    def test_that_nobody_told_end_a_submission_that_can_go_on_later(self, site: Site) -> None:
        """A Slurm that lets somebody have 15 jobs in the queue, as its manager says no."""
        count = site.home / "count"
        refusal = (
            "sbatch: error: QOSMaxSubmitJobPerUserLimit\nsbatch: error: Batch job submission failed"
        )
        played(
            site,
            "for w; do case $w in --array=1-*) n=${w#--array=1-};; esac; done\n"
            f"had=$(cat {count} 2>/dev/null || echo 0)\n"
            f"if [ $((had + ${{n:-1}})) -gt 15 ]; then echo '{refusal}' >&2; exit 1; fi\n"
            f"echo $((had + ${{n:-1}})) >{count}; echo $((had + 100))",
        )
        site.plan(scheduler="slurm")
        first = site.submit()
        count.unlink()
        second = site.submit()
        jobs = [sets for record in records(site).values() for sets in record[2:]]

        assert "15 of 24 jobs are submitted" in first
        assert "QOSMaxSubmitJobPerUserLimit" in first
        assert "runs after them" not in first
        assert "runs after them" in second
        assert sorted(map(int, jobs)) == list(range(1, 25))

    @pytest.mark.parametrize(
        ("scheduler", "command", "refusal"),
        [
            ("slurm", "sbatch", "sbatch: error: AssocMaxSubmitJobLimit"),
            ("slurm", "sbatch", "sbatch: error: QOSMaxSubmitJobPerUserLimit"),
            (
                "slurm",
                "sbatch",
                "sbatch: error: Job violates accounting/QOS policy (job submit limit",
            ),
            ("sge", "qsub", "Unable to run job: job rejected: only 5 jobs are allowed per user"),
            ("pbs", "qsub", "qsub: would exceed queue generic's per-user limit"),
            ("pbs", "qsub", "qsub: Maximum number of jobs already in queue"),
        ],
    )
    def test_that_other_jobs_have_reached_are_said_before_the_first_array_too(
        self, site: Site, scheduler: str, command: str, refusal: str
    ) -> None:
        program(site, command, f'echo "{refusal}" >&2; exit 1')
        for asked in ("scontrol", "sacctmgr"):
            program(site, asked, "exit 1")
        site.plan("--images-per-batch", 6, scheduler=scheduler)
        said = site.submit()

        assert refusal in said
        assert "0 of 4 jobs are submitted, but the scheduler accepts no more now; run" in said
        assert records(site) == {}

    def test_are_not_called_reached_where_jobs_are_refused_for_what_they_ask(
        self, site: Site
    ) -> None:
        refusal = (
            "sbatch: error: Batch job submission failed: Requested time limit is invalid "
            "(missing or exceeds some limit)"
        )
        played(site, f"echo '{refusal}' >&2; exit 1")
        site.plan("--images-per-batch", 6, scheduler="slurm")
        said = site.submit()

        assert refusal in said
        assert "nothing was submitted" in said
        assert "accepts no more now" not in said

    def test_of_grid_engine_are_read(self, site: Site) -> None:
        program(site, "qsub", f"printf '%s\\n' \"$@\" >>{site.home}/received\necho 7")
        program(site, "qconf", "echo 'max_aj_tasks                 10'")
        site.plan(scheduler="sge")
        site.submit()

        assert re.findall("^1-.*", (site.home / "received").read_text(), re.MULTILINE) == [
            "1-10", "1-10", "1-4",
        ]  # fmt: skip

    def test_at_once_holds_over_all_arrays(self, slurm: Slurm, site: Site) -> None:
        """At a site that allows arrays of two: its own scontrol, with that one line changed."""
        on(slurm, site).plan("--images-per-batch", 4, "--at-once", 1, scheduler="slurm")
        timed(site, 0.5)
        real = shutil.which("scontrol")
        program(site, "scontrol", f"{real} \"$@\" | sed 's/^MaxArraySize .*/MaxArraySize = 3/'")
        said = site.submit()
        slurm.wait([*arrays(said), last(said)])

        assert len(arrays(said)) == 3
        assert most_at_once(site) == 1
        assert rows(site.run / "screen.sqlite", COUNT) == [(24,)]

    def test_at_once_holds_over_arrays_on_grid_engine(
        self, grid_engine: GridEngine, site: Site
    ) -> None:
        on(grid_engine, site).plan("--images-per-batch", 8, "--at-once", 1, scheduler="sge")
        timed(site, 0.5)
        program(site, "qconf", "echo 'max_aj_tasks 2'")
        said = site.submit()
        grid_engine.wait([*arrays(said), last(said)])

        assert len(arrays(said)) == 2
        assert most_at_once(site) == 1
        assert rows(site.run / "screen.sqlite", COUNT) == [(24,)]


class TestPartitions:
    LIMITS = "printf 'short*|1:00:00\nlong|7-00:00:00\nany|infinite\n'"

    @pytest.mark.parametrize(
        ("words", "warned"),
        [
            (("--time", 90), "jobs request 01:30:00, but partition short allows 01:00:00"),
            (("--time", 60), ""),
            (("--time", 90, "--partition", "long"), ""),
            (("--time", "8-00:00:00", "--option=-p short,long"), "partition long allows 168:00:00"),
            (("--time", "8-00:00:00", "--option=--partition=any"), ""),
            ((), ""),
        ],
    )
    def test_a_plan_for_more_time_than_they_allow_is_warned_of(
        self, site: Site, words: tuple[object, ...], warned: str
    ) -> None:
        program(site, "sinfo", self.LIMITS)
        batch = unpacked("10_ranges") / "Batch_data.h5"
        ran = site.call("plan", batch, "--out", site.run, "--format", "slurm", *words)

        assert ran.status == 0
        assert warned in ran.err
        assert ("would wait forever" in ran.err) == bool(warned)

    def test_a_doubled_time_is_no_more_than_they_allow_and_that_is_said(self, site: Site) -> None:
        program(site, "sinfo", self.LIMITS)
        site.plan("--images-per-batch", 12, "--time", 40, scheduler="slurm")
        status = site.run / "outputs" / "status"
        status.mkdir()
        (status / "batch_1_12.status").write_text(
            "start\t1-12\tslurm:7_1\t2026-01-01T00:00:00Z\t40\t\tp\n"
            "end\ttimeout\t\t2026-01-01T00:40:00Z\n"
        )
        program(site, "squeue", "exit 0")
        program(site, "sacct", "exit 1")
        site.resubmit()
        lines = [line.split("\t") for line in (site.again / "jobs.tsv").read_text().splitlines()]

        assert [(line[5], line[6]) for line in lines] == [("13-24", "40"), ("1-12", "60")]
        assert (
            "image sets 1-12: jobs get 01:00:00, not 01:20:00, because partition short" in site.err
        )

    def test_the_limit_of_a_real_one_is_read(
        self, slurm: Slurm, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("SLURM_CONF", slurm.env["SLURM_CONF"])

        assert most_minutes(None) == most_minutes("short") == Most("short", 60)
        assert most_minutes("nowhere") is None


def test_a_long_array_is_printed_with_a_word_about_lists(site: Site) -> None:
    """sbatch accepts 4096 characters; image sets 1, 3, 5 and so on have more."""
    batch = site.home / "Batch_data.h5"
    shutil.copy(unpacked("10_ranges") / "Batch_data.h5", batch)
    with h5py.File(batch, "r+") as file:
        (run,) = file["Measurements"].values()
        for group in run["Image"].values():
            index = np.concatenate([group["index"][:]] * 100)
            data = group["data"][:][index[:, 1].astype(int)]
            index[:, 0] = np.arange(1, 2 * len(index), 2)
            index[:, 1] = np.arange(len(index))
            index[:, 2] = index[:, 1] + 1
            del group["index"], group["data"]
            group["index"] = index
            group["data"] = index[:, 0] if group.name.endswith("/ImageNumber") else data
    ran = site.call("plan", batch, "--format", "array")

    assert ran.out.startswith("1,3,5,7,")
    assert "sbatch accepts 4096" in ran.err
    assert "--format list" in ran.err
