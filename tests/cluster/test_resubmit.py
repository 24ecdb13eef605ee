"""What is missing is run again: that and nothing else, and each time with what was lacking."""

import json
import os
import platform
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from support.fixtures import rows
from support.site import Case, Site, program, ranges

CELLS = (
    "SELECT ImageNumber, Cells_Number_Object_Number, Cells_AreaShape_Area FROM Per_Cells "
    "ORDER BY 1, 2"
)


class TestWhatIsRunAgain:
    @pytest.mark.parametrize(
        ("name", "expected"),
        [("12_failed", [(12, 12), (17, 22)]), ("40_spreadsheet", [(9, 9), (24, 24)])],
    )
    def test_of_real_runs_exactly_what_is_missing(
        self, name: str, expected: list[tuple[int, int]], case: Case, site: Site
    ) -> None:
        outputs, batch = case(name) / "outputs", case(name) / "Batch_data.h5"
        again = site.resubmit("--batch", batch, "--scheduler", "slurm", outputs=outputs)
        jobs = again["jobs"]
        lines = (site.again / "jobs.tsv").read_text().splitlines()

        assert isinstance(jobs, list)
        assert [(job["first"], job["last"]) for job in jobs] == expected
        assert [tuple(map(int, line.split("\t")[1:3])) for line in lines] == expected
        assert (site.again / "submit.sh").exists()

    def test_until_all_is_there_and_loaded_once(
        self, site: Site, case: Case, loaded: Callable[..., Path]
    ) -> None:
        site.plan("--images-per-batch", 2)
        site.fail(
            {
                "3-4": ["exit 7"],
                "7-8": ["killed"],
                "9-10": ["Failure"],
                "11-12": ["truncated"],
                "13-14": ["crash"],
            }
        )
        site.submit()
        first = site.resubmit()
        submitted = site.submit(site.again)
        database = site.run / "screen.sqlite"
        numbers = rows(database, "SELECT ImageNumber FROM Per_Image ORDER BY 1")
        whole = loaded(case("10_ranges") / "outputs")

        # The file cut off in its last row is short of image set 11 or 12, whichever comes last.
        assert ranges(first)[:3] == ["3-4", "7-8", "9-10"]
        assert len(ranges(first)) == 5
        assert "missing          none" in submitted
        assert numbers == [(n,) for n in range(1, 25)]
        assert rows(database, CELLS) == rows(whole, CELLS)
        assert site.call("check", site.run).status == 0
        assert not list(site.run.glob("outputs/*.part"))

    def test_ranges_side_by_side_become_one_of_at_most_the_planned_size(self, site: Site) -> None:
        site.plan("--images-per-batch", 4)
        site.fail({r: ["exit 7"] for r in ("1-4", "5-8", "9-12")})
        site.submit()

        assert ranges(site.resubmit()) == ["1-4", "5-8", "9-12"]
        assert ranges(site.resubmit("--images-per-batch", 9)) == ["1-9", "10-12"]

    def test_a_plan_of_one_image_set_a_job_is_run_again_so(self, site: Site) -> None:
        """What it is without --images-per-batch; its time is that of one image set."""
        site.plan("--time", 5)
        again = site.resubmit("--scheduler", "slurm")
        lines = (site.again / "jobs.tsv").read_text().splitlines()

        assert ranges(again) == [str(number) for number in range(1, 25)]
        assert {line.split("\t")[6] for line in lines} == {"5"}

    def test_a_plan_of_one_group_a_job_is_run_again_so(self, site: Site) -> None:
        words = ("--images-per-batch", 8, "--by-group")
        site.plan(*words, name="02_loaddata_grouped")

        assert ranges(site.resubmit()) == [f"{first}-{first + 1}" for first in range(1, 24, 2)]

    def test_nothing_is_written_where_nothing_is_missing(self, site: Site) -> None:
        site.plan("--images-per-batch", 12)
        site.submit()

        assert ranges(site.resubmit()) == []
        assert not site.again.exists()

    def test_a_folder_that_looks_done_is_not_written_into(self, site: Site) -> None:
        """What said Complete and is cut off stays as it is, and its image sets get a new folder."""
        site.plan("--images-per-batch", 1)
        site.fail({"5-5": ["truncated"]})
        site.submit()
        (site.run / "outputs" / "batch_5_5" / "Image.csv").unlink()
        again = site.resubmit()
        site.submit(site.again)

        assert ranges(again) == ["5"]
        assert (site.run / "outputs" / "batch_5_5_2" / "Image.csv").exists()
        assert site.missing() == ""

    def test_the_second_plan_has_its_outputs_beside_those_of_the_first(self, site: Site) -> None:
        site.plan("--images-per-batch", 12)
        site.fail({"1-12": ["exit 7"]})
        site.submit()
        site.resubmit()
        site.submit(site.again)

        assert site.call("check", site.again).status == 0
        assert ranges(site.resubmit(outputs=site.again)) == []

    def test_outputs_of_somebody_else_are_left_alone(self, site: Site, case: Case) -> None:
        """What cannot be written gets its outputs beside the files that run the jobs."""
        folder = site.home / "theirs"
        folder.mkdir()
        words = ["mount", "-t", "tmpfs", "-o", "ro", "none", str(folder)]
        if os.getuid() != 0 or subprocess.run(words, capture_output=True, check=False).returncode:
            pytest.skip("a folder that root cannot write is mounted by root only")
        try:
            batch = case("10_ranges") / "Batch_data.h5"
            again = site.resubmit("--batch", batch, "--scheduler", "shell", outputs=folder)
            site.submit(site.again)
        finally:
            subprocess.run(["umount", str(folder)], check=True)

        assert again["outputs"] == str(site.again / "outputs")
        assert site.call("check", site.again).status == 0

    def test_groups_are_run_whole(self, case: Case, site: Site) -> None:
        batch = case("02_loaddata_grouped") / "Batch_data.h5"
        (site.home / "out").mkdir()
        again = site.resubmit("--batch", batch, outputs=site.home / "out")

        assert ranges(again) == [f"{first}-{first + 1}" for first in range(1, 24, 2)]


class TestAttempts:
    def test_a_range_that_fails_again_and_again_is_cut_to_find_the_bad_image(
        self, site: Site
    ) -> None:
        site.plan("--images-per-batch", 4)
        site.fail({"5-8": ["exit 7"] * 3, "7-7": ["exit 7"] * 3})
        site.submit()
        tried = []
        for _ in range(4):
            tried.append(site.resubmit("--max-attempts", 3))
            if site.again.exists():
                site.submit(site.again)
        (given_up,) = tried[-1]["given_up"]

        assert [ranges(again) for again in tried] == [["5-8"], ["5-8"], ["5", "6", "7", "8"], []]
        assert given_up["image_sets"] == "7"
        assert "tried 4 times" in given_up["reason"]
        assert "P1_B01_s1_DNA.tif" in given_up["reason"]
        assert site.missing() == "7"

    def test_a_group_that_fails_with_others_runs_alone_before_it_is_given_up(
        self, site: Site
    ) -> None:
        site.plan("--images-per-batch", 8, name="02_loaddata_grouped")
        site.environment = {**site.environment, "FAKE_BAD": "11"}
        site.submit()
        tried = []
        for _ in range(4):
            tried.append(site.resubmit())
            if site.again.exists():
                site.submit(site.again)
        (given_up,) = tried[-1]["given_up"]

        assert [ranges(again) for again in tried] == [
            ["9-16"],
            ["9-16"],
            ["9-10", "11-12", "13-14", "15-16"],
            [],
        ]
        assert given_up["image_sets"] == "11-12"
        assert site.missing() == "11-12"

    def test_more_attempts_take_up_what_was_given_up(self, site: Site) -> None:
        site.plan("--images-per-batch", 1)
        site.fail({"7-7": ["exit 7"] * 2})
        site.submit()

        again = site.resubmit("--max-attempts", 1)
        assert ranges(again) == []
        assert again["given_up"][0]["reason"].startswith("tried once, with exit status 7 (")
        assert ranges(site.resubmit("--max-attempts", 2)) == ["7"]

    def test_every_attempt_is_in_a_file_of_its_own_job(self, site: Site) -> None:
        site.plan("--images-per-batch", 12)
        site.fail({"1-12": ["exit 7"]})
        site.submit()
        site.resubmit()
        site.submit(site.again)
        status = site.run / "outputs" / "status"
        text = (status / "batch_1_12.status").read_text()
        lines = [line.split("\t") for line in text.splitlines()]

        assert sorted(path.name for path in status.iterdir()) == [
            "batch_13_24.status",
            "batch_1_12.status",
        ]
        assert [line[:3] for line in lines[1::2]] == [
            ["end", "failed", "7"],
            ["end", "complete", "0"],
        ]
        assert [line[:2] for line in lines[::2]] == [["start", "1-12"]] * 2

    def test_a_done_file_of_an_earlier_attempt_is_not_believed(self, site: Site) -> None:
        site.plan("--images-per-batch", 12)
        part = site.run / "outputs" / "batch_1_12.part"
        part.mkdir(parents=True)
        (part / "done.txt").write_text("Complete\n")
        site.fail({"1-12": ["exit 7"]})
        site.submit()

        assert site.missing() == "1-12"
        assert not (site.run / "outputs" / "batch_1_12").exists()
        assert not (part / "done.txt").exists()

    def test_a_shell_runs_only_jobs_again_that_were_cut_off(self, site: Site) -> None:
        """Not a job that has failed: a new plan runs it, in another way."""
        site.plan("--images-per-batch", 8)
        site.fail({"1-8": ["exit 7"], "9-16": ["exit 7"] * 2})
        site.submit()
        record = site.run / "outputs" / "status" / "batch_9_16.status"
        # As the record of a killed job.
        record.write_text(record.read_text().splitlines(keepends=True)[0])
        calls = site.jobs_called
        said = site.submit()

        assert "failed jobs of this plan, which are not run again: 1;" in said
        assert site.jobs_called == calls + 1
        assert len(record.read_text().splitlines()) == 3
        site.resubmit()
        site.submit(site.again)
        assert site.missing() == ""

    def test_a_job_that_is_complete_is_not_run_again(self, site: Site) -> None:
        site.plan("--images-per-batch", 12)
        site.submit()
        calls = site.jobs_called
        site.submit()

        assert site.jobs_called == calls == 2


class TestScheduler:
    """What Slurm says, played back: squeue and sacct as commands that print what they printed."""

    def tried(self, site: Site, states: Mapping[str, str], *words: object) -> None:
        """A run of three jobs which Slurm had under the id 7, and now has in these states."""
        site.plan("--images-per-batch", 8, *words)
        status = site.run / "outputs" / "status"
        status.mkdir()
        (status / "x.0.submitted").write_text("slurm\t7\n1-8\n9-16\n17-24\n")
        for index, sets in enumerate(("1-8", "9-16", "17-24"), start=1):
            if states.get(f"7_{index}") != "PENDING":
                name = f"batch_{sets.replace('-', '_')}.status"
                line = f"start\t{sets}\tslurm:7_{index}\t2026-01-01T00:00:00Z\t30\t1000\n"
                (status / name).write_text(line)
        said = "\n".join(f"{task}|{state}" for task, state in states.items())
        program(site, "squeue", f"cat <<'E'\n{said}\nE")
        program(site, "sacct", "echo Slurm accounting storage is disabled >&2; exit 1")

    def test_what_waits_or_runs_is_never_offered(self, site: Site) -> None:
        self.tried(site, {"7_1": "RUNNING", "7_2": "PENDING", "7_3": "FAILED"})
        again = site.resubmit()

        assert ranges(again) == ["17-24"]
        assert again["under_way"] == [[1, 16]]

    def test_what_slurm_has_forgotten_has_ended(self, site: Site) -> None:
        self.tried(site, {"7_1": "RUNNING"})

        assert ranges(site.resubmit()) == ["9-16", "17-24"]

    def test_more_time_or_memory_for_what_ran_out_of_it(self, site: Site) -> None:
        self.tried(
            site,
            {"7_1": "TIMEOUT", "7_2": "OUT_OF_MEMORY", "7_3": "FAILED"},
            *("--time", "30", "--memory", "1000M"),
        )
        site.resubmit("--time-factor", 4, "--mem-factor", 3, "--scheduler", "slurm")
        lines = [line.split("\t") for line in (site.again / "jobs.tsv").read_text().splitlines()]
        submit = (site.again / "submit.sh").read_text()

        assert [(line[5], line[6], line[7]) for line in lines] == [
            ("17-24", "30", "1000"),
            ("9-16", "30", "3000"),
            ("1-8", "120", "1000"),
        ]
        assert "array 2 1 --time=02:00:00 --mem=1000M" in submit

    def test_what_a_node_did_is_no_attempt(self, site: Site) -> None:
        self.tried(site, {"7_1": "NODE_FAIL", "7_2": "PREEMPTED", "7_3": "FAILED"})
        again = site.resubmit("--max-attempts", 1)

        assert ranges(again)[:2] == ["1-8", "9-16"]
        assert ranges(again)[2:] == [str(number) for number in range(17, 25)]

    def test_accounts_know_what_the_queue_has_forgotten(self, site: Site) -> None:
        self.tried(site, {}, "--time", "30")
        program(site, "sacct", "echo '7_1|TIMEOUT'; echo '7_2|CANCELLED by 0'; echo '7_3|FAILED'")
        site.resubmit()
        lines = [line.split("\t") for line in (site.again / "jobs.tsv").read_text().splitlines()]

        assert [(line[5], line[6]) for line in lines] == [
            ("9-16", "30"),
            ("17-24", "30"),
            ("1-8", "60"),
        ]

    @pytest.mark.parametrize(
        ("script", "words"),
        [
            ("echo slurm_load_jobs error >&2; exit 1", "squeue failed with 1: slurm_load_jobs"),
            ("head -c 99 /dev/urandom | base64", "squeue said"),
        ],
    )
    def test_a_scheduler_that_fails_or_prints_garbage(
        self, script: str, words: str, site: Site
    ) -> None:
        """What may be running is held back, and said so; what has ended is offered."""
        self.tried(site, {"7_2": "PENDING"})
        with (site.run / "outputs" / "status" / "batch_17_24.status").open("a") as status:
            status.write("end\tfailed\t1\t2026-01-01T01:00:00Z\n")
        program(site, "squeue", script)
        again = site.resubmit()

        assert ranges(again) == ["17-24"]
        assert again["under_way"] == [[1, 16]]
        assert "Slurm cannot be asked" in site.err
        assert words in site.err

    def test_a_record_of_a_submission_that_is_damaged(self, site: Site) -> None:
        self.tried(site, {"7_1": "RUNNING"})
        record = site.run / "outputs" / "status" / "x.0.submitted"
        record.write_text("slurm\t7\n1-8\n9-x\n")
        ran = site.call("check", site.run)

        # What it says of other jobs holds: Slurm knows that the one it cannot name has ended.
        assert ran.status == 3
        assert f"{record}: is not a list of submitted jobs: '9-x'" in ran.err
        assert ranges(site.resubmit()) == ["9-16", "17-24"]

    def test_jobs_that_ran_out_of_what_nobody_limited(self, site: Site) -> None:
        self.tried(site, {"7_1": "TIMEOUT"})
        status = site.run / "outputs" / "status" / "batch_1_8.status"
        status.write_text("start\t1-8\tslurm:7_1\t2026-01-01T00:00:00Z\t\t\n")
        site.resubmit("--scheduler", "slurm")

        assert "ran out of time, but the plan has no limit" in site.err

    def test_where_there_is_no_squeue_what_never_ended_is_held_back_and_said_so(
        self, site: Site
    ) -> None:
        """As on a desktop that has the same disk."""
        self.tried(site, {"7_2": "PENDING"})
        status = site.run / "outputs" / "status"
        with (status / "batch_17_24.status").open("a") as file:
            file.write("end\tfailed\t1\t2026-01-01T01:00:00Z\n")
        for name in ("squeue", "sacct"):
            (site.home / "bin" / name).unlink()
        site.environment = {
            **site.environment,
            "PATH": str(site.home / "bin") + ":/bin-of-no-slurm",
        }
        again = site.resubmit()
        said = site.err
        for name in ("x.0.submitted", "batch_1_8.status"):
            (status / name).unlink()

        assert (ranges(again), again["under_way"]) == (["17-24"], [[1, 16]])
        assert "this machine has no squeue" in said
        assert f"remove their files in {status}" in said
        assert ranges(site.resubmit()) == ["1-8", "9-16", "17-24"]


class TestAnotherBatchFile:
    def test_a_plan_of_another_batch_file_is_refused(self, site: Site, case: Case) -> None:
        site.plan()
        batch = case("12_failed") / "Batch_data.h5"
        for command in (["check", site.run], ["load", site.run, "--to", "sqlite:///x.sqlite"]):
            ran = site.call(*command, "--batch", batch)

            assert (ran.status, ran.out) == (1, "")
            assert len(ran.err.splitlines()) == 1
            assert f"{site.run}/plan.json: planned with another batch file than {batch}" in ran.err

    def test_outputs_of_another_batch_file_are_refused(self, site: Site, case: Case) -> None:
        site.plan("--images-per-batch", 24)
        site.submit()
        batch = case("12_failed") / "Batch_data.h5"
        ran = site.call("check", site.run / "outputs" / "batch_1_24", "--batch", batch)

        assert ran.status == 1
        assert "batch_1_24: run with another batch file than" in ran.err

    def test_a_batch_file_that_changed_since_stops_the_jobs(self, site: Site, case: Case) -> None:
        batch = site.home / "Batch_data.h5"
        batch.write_bytes((case("10_ranges") / "Batch_data.h5").read_bytes())
        words = ["--images-per-batch", 24, "--out", site.run, "--format", "shell"]
        site.call("plan", "--batch", batch, *words)
        batch.write_bytes((case("12_failed") / "Batch_data.h5").read_bytes())
        site.submit()

        assert site.jobs_called == 0
        assert "not the batch file of this plan" in (site.run / "logs" / "1.log").read_text()

    def test_a_plan_whose_ranges_overlap(self, site: Site) -> None:
        site.plan("--images-per-batch", 12)
        path = site.run / "plan.json"
        path.write_text(path.read_text().replace('"13-24"', '"12-24"'))
        ran = site.call("check", site.run)

        assert ran.status == 3
        assert f"{path}: plans image set 12 twice; plan again with cpexport plan" in ran.out

    @pytest.mark.parametrize("text", ['{"batch_file": "x", "sha256": "y", "jobs": 7}', "{"])
    def test_a_plan_that_is_damaged(self, text: str, site: Site) -> None:
        site.plan()
        (site.run / "plan.json").write_text(text)
        ran = site.call("check", site.run)

        assert ran.status == 3
        assert f"{site.run / 'plan.json'}: " in ran.out


def test_a_process_that_has_the_number_of_a_killed_job_is_not_taken_for_it(site: Site) -> None:
    site.plan("--images-per-batch", 24)
    status = site.run / "outputs" / "status"
    status.mkdir()
    began = f"start\t1-24\tshell:{platform.node()}:{os.getpid()}\t2026-01-01T00:00:00Z\t\t\n"
    (status / "batch_1_24.status").write_text(began)

    assert ranges(site.resubmit()) == ["1-24"]


def test_what_is_under_way_has_no_folder_that_looks_done(site: Site) -> None:
    """A job that hangs: its folder is `.part`, and check calls its image sets missing."""
    site.plan("--images-per-batch", 24)
    site.fail({"1-24": ["hang"]})
    words = ["sh", str(site.run / "task.sh"), "1"]
    environment = {**os.environ, **site.environment}
    with subprocess.Popen(words, env=environment, start_new_session=True) as job:
        try:
            while not list(site.run.glob("outputs/batch*/job.log")):
                assert job.poll() is None
            again = site.resubmit()

            (batch,) = json.loads(site.call("check", site.run, "--format", "json").out)["batches"]

            assert (ranges(again), again["under_way"]) == ([], [[1, 24]])
            assert (batch["state"], batch["image_sets"]) == ("running", "1-24")
            (folder,) = site.run.glob("outputs/batch*")
            assert folder.name.startswith("batch_1_24.part.shell_")
        finally:
            os.killpg(job.pid, 9)

    (failed,) = json.loads(site.call("check", site.run, "--format", "json").out)["batches"]

    assert (failed["state"], failed["image_sets"]) == ("failed", "1-24")
    assert "the job never finished" in failed["reason"]
    assert ranges(site.resubmit()) == ["1-24"]
