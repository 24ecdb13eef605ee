"""How jobs ended is told by their exit status, by the scheduler and by their own last words."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from support.site import Site, ranges


def checked(site: Site) -> dict[str, Any]:
    return dict(json.loads(site.call("check", site.run, "--format", "json").out))


def given_up(again: Mapping[str, Any]) -> list[str]:
    return [f"{one['image_sets']}: {one['reason']}" for one in again["given_up"]]


class TestWithoutCellProfiler:
    @pytest.fixture
    def without(self, site: Site) -> Site:
        """A plan whose jobs find no CellProfiler."""
        site.plan("--images-per-batch", 12)
        (site.home / "bin" / "cellprofiler").rename(site.home / "cellprofiler")
        site.environment = {**site.environment, "PATH": f"{site.home}/bin:/usr/bin:/bin"}
        site.submit()
        return site

    def test_it_is_said_first_and_of_each_job(self, without: Site) -> None:
        said = checked(without)
        table = without.call("check", without.run).out

        assert table.startswith("all 2 ended jobs of the last plan failed within a minute")
        assert "CellProfiler cannot be started" in said["trouble"]
        assert "never finished" not in table
        for batch in said["batches"]:
            assert batch["exit_status"] == 127
            assert "the job failed within a minute with exit status 127" in batch["reason"]
            assert "cellprofiler: not found" in batch["log"][-1]

    def test_such_attempts_are_not_counted(self, without: Site) -> None:
        there, away = without.home / "bin" / "cellprofiler", without.home / "cellprofiler"
        for _ in range(4):
            # Without it on the PATH no jobs are planned for this machine.
            away.rename(there)
            again = without.resubmit("--max-attempts", 1)
            there.rename(away)
            without.submit(without.again)
            assert (ranges(again), given_up(again)) == (["1-12", "13-24"], [])
        away.rename(there)
        without.resubmit()
        without.submit(without.again)

        assert without.missing() == ""
        assert checked(without)["trouble"] == ""


class TestAllAlike:
    def test_jobs_that_all_fail_at_once_say_nothing_about_their_images(self, site: Site) -> None:
        site.plan("--images-per-batch", 12)
        site.fail({"1-12": ["exit 7"] * 3, "13-24": ["exit 7"] * 3})
        site.submit()
        for _ in range(2):
            site.resubmit("--max-attempts", 1)
            site.submit(site.again)
        again = site.resubmit("--max-attempts", 1)

        assert (ranges(again), given_up(again)) == (["1-12", "13-24"], [])
        assert "exit status 7" in checked(site)["trouble"]

    def test_what_failed_before_while_others_did_not_is_counted(self, site: Site) -> None:
        """Two bad image sets that are alone in the second plan fail alike, too."""
        site.plan("--images-per-batch", 8)
        site.environment = {**site.environment, "FAKE_BAD": "1,24"}
        site.submit()
        for _ in range(3):
            again = site.resubmit("--max-attempts", 2)
            if site.again.exists():
                site.submit(site.again)

        assert site.missing() == "1,24"
        assert [one.split(" ")[:3] for one in given_up(again)] == [
            ["1:", "tried", "3"],
            ["24:", "tried", "3"],
        ]
        assert "the last time with exit status 7" in given_up(again)[0]
        assert "to try again, add --max-attempts 4" in given_up(again)[0]


def test_the_scheduler_tells_how_a_job_ended_that_could_not_say_so(site: Site) -> None:
    site.plan("--images-per-batch", 24)
    site.submit()
    outputs = site.run / "outputs"
    (outputs / "batch_1_24" / "done.txt").unlink()
    (outputs / "batch_1_24" / "Image.csv").unlink()
    (outputs / "batch_1_24").rename(outputs / "batch_1_24.part")
    began = "start\t1-24\tslurm:7_1\t2026-01-01T00:00:00Z\t30\t1000\n"
    (outputs / "status" / "batch_1_24.status").write_text(began)
    for name, said in (("squeue", ""), ("sacct", "7_1|TIMEOUT")):
        program = site.home / "bin" / name
        program.write_text(f"#!/bin/sh\necho '{said}'\n")
        program.chmod(0o755)
    (batch,) = checked(site)["batches"]

    assert (batch["image_sets"], batch["exit_status"]) == ("1-24", None)
    assert batch["reason"].startswith("the job ran out of time; ")


class TestSentences:
    """Three jobs: each says how it ended, which attempt that was, and where its log is."""

    @pytest.fixture
    def ended(self, site: Site) -> Site:
        site.plan("--images-per-batch", 8, "--time", 30)
        outputs = site.run / "outputs"
        (outputs / "status").mkdir()
        sha256 = json.loads((site.run / "plan.json").read_text())["sha256"]
        ends = {
            "1-8": "failed\t1\t2026-01-01T00:12:00Z",
            "9-16": "failed\t137\t2026-01-01T00:12:00Z",
            "17-24": "timeout\t\t2026-01-01T00:30:00Z",
        }
        for sets, end in ends.items():
            name = f"batch_{sets.replace('-', '_')}"
            (outputs / f"{name}.part").mkdir()
            (outputs / f"{name}.part" / "batch_file.sha256").write_text(f"{sha256}  x\n")
            (outputs / f"{name}.part" / "job.log").write_text(f"the last word of {sets}\n")
            begin = f"start\t{sets}\tlsf:7_1\t2026-01-01T00:00:00Z\t30\t\tp\n"
            before = f"{begin}end\tfailed\t7\t2026-01-01T00:05:00Z\n"
            (outputs / "status" / f"{name}.status").write_text(f"{before}{begin}end\t{end}\n")
        return site

    def test_failing_and_being_killed_and_running_out_of_time_differ(self, ended: Site) -> None:
        reasons = [batch["reason"].partition(";")[0] for batch in checked(ended)["batches"]]

        assert sorted(reasons) == [
            "the job failed after 12 minutes with exit status 1",
            "the job ran out of time",
            "the job was killed after 12 minutes by signal 9 (exit status 137)",
        ]

    def test_each_says_its_attempt_its_time_and_its_log(self, ended: Site) -> None:
        table = ended.call("check", ended.run).out
        log = ended.run / "outputs" / "batch_1_8.part" / "job.log"
        (first,) = (b for b in checked(ended)["batches"] if b["image_sets"] == "1-8")

        assert f"attempt 2, 12 of 30 minutes, log {log}" in table
        assert "| the last word of 1-8" in table
        known = [first[key] for key in ("attempt", "seconds", "limit", "exit_status", "log_file")]
        assert known == [2, 720, 1800, 1, str(log)]
