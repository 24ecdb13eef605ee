"""What is missing is run again: that and nothing else, and each time with what was lacking."""

import json
import os
import platform
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from support.fixtures import rows
from support.lab import Case, Lab, program, ranges

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
        self, name: str, expected: list[tuple[int, int]], case: Case, lab: Lab
    ) -> None:
        outputs, batch = case(name) / "outputs", case(name) / "Batch_data.h5"
        again = lab.resubmit("--batch", batch, "--scheduler", "slurm", outputs=outputs)
        jobs = again["jobs"]
        lines = (lab.again / "jobs.tsv").read_text().splitlines()

        assert isinstance(jobs, list)
        assert [(job["first"], job["last"]) for job in jobs] == expected
        assert [tuple(map(int, line.split("\t")[1:3])) for line in lines] == expected
        assert (lab.again / "submit.sh").exists()

    def test_until_all_is_there_and_loaded_once(
        self, lab: Lab, case: Case, loaded: Callable[..., Path]
    ) -> None:
        lab.plan("--images-per-batch", 2)
        lab.fail(
            {
                "3-4": ["exit 7"],
                "7-8": ["killed"],
                "9-10": ["Failure"],
                "11-12": ["truncated"],
                "13-14": ["crash"],
            }
        )
        lab.submit()
        first = lab.resubmit()
        submitted = lab.submit(lab.again)
        database = lab.run / "screen.sqlite"
        numbers = rows(database, "SELECT ImageNumber FROM Per_Image ORDER BY 1")
        whole = loaded(case("10_ranges") / "outputs")

        # The file cut off in its last row is short of image set 11 or 12, whichever comes last.
        assert ranges(first)[:3] == ["3-4", "7-8", "9-10"]
        assert len(ranges(first)) == 5
        assert "missing          none" in submitted
        assert numbers == [(n,) for n in range(1, 25)]
        assert rows(database, CELLS) == rows(whole, CELLS)
        assert lab.call("check", lab.run).status == 0
        assert not list(lab.run.glob("outputs/*.part"))

    def test_ranges_side_by_side_become_one_of_at_most_the_planned_size(self, lab: Lab) -> None:
        lab.plan("--images-per-batch", 4)
        lab.fail({r: ["exit 7"] for r in ("1-4", "5-8", "9-12")})
        lab.submit()

        assert ranges(lab.resubmit()) == ["1-4", "5-8", "9-12"]
        assert ranges(lab.resubmit("--images-per-batch", 9)) == ["1-9", "10-12"]

    def test_a_plan_of_one_image_set_a_job_is_run_again_so(self, lab: Lab) -> None:
        """What it is without --images-per-batch; its time is that of one image set."""
        lab.plan("--time", 5)
        again = lab.resubmit("--scheduler", "slurm")
        lines = (lab.again / "jobs.tsv").read_text().splitlines()

        assert ranges(again) == [str(number) for number in range(1, 25)]
        assert {line.split("\t")[6] for line in lines} == {"5"}

    def test_a_plan_of_one_group_a_job_is_run_again_so(self, lab: Lab) -> None:
        words = ("--images-per-batch", 8, "--by-group")
        lab.plan(*words, name="02_loaddata_grouped")

        assert ranges(lab.resubmit()) == [f"{first}-{first + 1}" for first in range(1, 24, 2)]

    def test_nothing_is_written_where_nothing_is_missing(self, lab: Lab) -> None:
        lab.plan("--images-per-batch", 12)
        lab.submit()

        assert ranges(lab.resubmit()) == []
        assert not lab.again.exists()

    def test_a_folder_that_looks_done_is_not_written_into(self, lab: Lab) -> None:
        """What said Complete and is cut off stays as it is, and its image sets get a new folder."""
        lab.plan("--images-per-batch", 1)
        lab.fail({"5-5": ["truncated"]})
        lab.submit()
        (lab.run / "outputs" / "batch_5_5" / "Image.csv").unlink()
        again = lab.resubmit()
        lab.submit(lab.again)

        assert ranges(again) == ["5"]
        assert (lab.run / "outputs" / "batch_5_5_2" / "Image.csv").exists()
        assert lab.missing() == ""

    def test_the_second_plan_has_its_outputs_beside_those_of_the_first(self, lab: Lab) -> None:
        lab.plan("--images-per-batch", 12)
        lab.fail({"1-12": ["exit 7"]})
        lab.submit()
        lab.resubmit()
        lab.submit(lab.again)

        assert lab.call("check", lab.again).status == 0
        assert ranges(lab.resubmit(outputs=lab.again)) == []

    def test_outputs_of_somebody_else_are_left_alone(self, lab: Lab, case: Case) -> None:
        """What cannot be written gets its outputs beside the files that run the jobs."""
        folder = lab.home / "theirs"
        folder.mkdir()
        words = ["mount", "-t", "tmpfs", "-o", "ro", "none", str(folder)]
        if os.getuid() != 0 or subprocess.run(words, capture_output=True, check=False).returncode:
            pytest.skip("a folder that root cannot write is mounted by root only")
        try:
            batch = case("10_ranges") / "Batch_data.h5"
            again = lab.resubmit("--batch", batch, "--scheduler", "shell", outputs=folder)
            lab.submit(lab.again)
        finally:
            subprocess.run(["umount", str(folder)], check=True)

        assert again["outputs"] == str(lab.again / "outputs")
        assert lab.call("check", lab.again).status == 0

    def test_groups_are_run_whole(self, case: Case, lab: Lab) -> None:
        batch = case("02_loaddata_grouped") / "Batch_data.h5"
        (lab.home / "out").mkdir()
        again = lab.resubmit("--batch", batch, outputs=lab.home / "out")

        assert ranges(again) == [f"{first}-{first + 1}" for first in range(1, 24, 2)]


class TestAttempts:
    def test_a_range_that_fails_again_and_again_is_cut_to_find_the_bad_image(
        self, lab: Lab
    ) -> None:
        lab.plan("--images-per-batch", 4)
        lab.fail({"5-8": ["exit 7"] * 3, "7-7": ["exit 7"] * 3})
        lab.submit()
        tried = []
        for _ in range(4):
            tried.append(lab.resubmit("--max-attempts", 3))
            if lab.again.exists():
                lab.submit(lab.again)
        (given_up,) = tried[-1]["given_up"]

        assert [ranges(again) for again in tried] == [["5-8"], ["5-8"], ["5", "6", "7", "8"], []]
        assert given_up["image_sets"] == "7"
        assert "tried 4 times" in given_up["reason"]
        assert "P1_B01_s1_DNA.tif" in given_up["reason"]
        assert lab.missing() == "7"

    def test_a_group_that_fails_with_others_runs_alone_before_it_is_given_up(
        self, lab: Lab
    ) -> None:
        lab.plan("--images-per-batch", 8, name="02_loaddata_grouped")
        lab.environment = {**lab.environment, "STAND_IN_BAD": "11"}
        lab.submit()
        tried = []
        for _ in range(4):
            tried.append(lab.resubmit())
            if lab.again.exists():
                lab.submit(lab.again)
        (given_up,) = tried[-1]["given_up"]

        assert [ranges(again) for again in tried] == [
            ["9-16"],
            ["9-16"],
            ["9-10", "11-12", "13-14", "15-16"],
            [],
        ]
        assert given_up["image_sets"] == "11-12"
        assert lab.missing() == "11-12"

    def test_more_attempts_take_up_what_was_given_up(self, lab: Lab) -> None:
        lab.plan("--images-per-batch", 1)
        lab.fail({"7-7": ["exit 7"] * 2})
        lab.submit()

        assert ranges(lab.resubmit("--max-attempts", 1)) == []
        assert ranges(lab.resubmit("--max-attempts", 2)) == ["7"]

    def test_every_attempt_is_in_a_file_of_its_own_job(self, lab: Lab) -> None:
        lab.plan("--images-per-batch", 12)
        lab.fail({"1-12": ["exit 7"]})
        lab.submit()
        lab.submit()
        status = lab.run / "outputs" / "status"
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

    def test_a_done_file_of_an_earlier_attempt_is_not_believed(self, lab: Lab) -> None:
        lab.plan("--images-per-batch", 12)
        part = lab.run / "outputs" / "batch_1_12.part"
        part.mkdir(parents=True)
        (part / "done.txt").write_text("Complete\n")
        lab.fail({"1-12": ["exit 7"]})
        lab.submit()

        assert lab.missing() == "1-12"
        assert not (lab.run / "outputs" / "batch_1_12").exists()
        assert not (part / "done.txt").exists()

    def test_a_job_that_is_complete_is_not_run_again(self, lab: Lab) -> None:
        lab.plan("--images-per-batch", 12)
        lab.submit()
        calls = lab.jobs_called
        lab.submit()

        assert lab.jobs_called == calls == 2


class TestScheduler:
    """What Slurm says, played back: squeue and sacct as commands that print what they printed."""

    def tried(self, lab: Lab, states: Mapping[str, str], *words: object) -> None:
        """A run of three jobs which Slurm had under the id 7, and now has in these states."""
        lab.plan("--images-per-batch", 8, *words)
        status = lab.run / "outputs" / "status"
        status.mkdir()
        (status / "x.0.submitted").write_text("slurm\t7\n1-8\n9-16\n17-24\n")
        for index, sets in enumerate(("1-8", "9-16", "17-24"), start=1):
            if states.get(f"7_{index}") != "PENDING":
                name = f"batch_{sets.replace('-', '_')}.status"
                line = f"start\t{sets}\tslurm:7_{index}\t2026-01-01T00:00:00Z\t30\t1000\n"
                (status / name).write_text(line)
        said = "\n".join(f"{task}|{state}" for task, state in states.items())
        program(lab, "squeue", f"cat <<'E'\n{said}\nE")
        program(lab, "sacct", "echo Slurm accounting storage is disabled >&2; exit 1")

    def test_what_waits_or_runs_is_never_offered(self, lab: Lab) -> None:
        self.tried(lab, {"7_1": "RUNNING", "7_2": "PENDING", "7_3": "FAILED"})
        again = lab.resubmit()

        assert ranges(again) == ["17-24"]
        assert again["under_way"] == [[1, 16]]

    def test_what_slurm_has_forgotten_has_ended(self, lab: Lab) -> None:
        self.tried(lab, {"7_1": "RUNNING"})

        assert ranges(lab.resubmit()) == ["9-16", "17-24"]

    def test_more_time_or_memory_for_what_ran_out_of_it(self, lab: Lab) -> None:
        self.tried(
            lab,
            {"7_1": "TIMEOUT", "7_2": "OUT_OF_MEMORY", "7_3": "FAILED"},
            *("--time", "30", "--memory", "1000M"),
        )
        lab.resubmit("--time-factor", 4, "--mem-factor", 3, "--scheduler", "slurm")
        lines = [line.split("\t") for line in (lab.again / "jobs.tsv").read_text().splitlines()]
        submit = (lab.again / "submit.sh").read_text()

        assert [(line[5], line[6], line[7]) for line in lines] == [
            ("17-24", "30", "1000"),
            ("9-16", "30", "3000"),
            ("1-8", "120", "1000"),
        ]
        assert "array 2 1 --time=02:00:00 --mem=1000M" in submit

    def test_what_a_node_did_is_no_attempt(self, lab: Lab) -> None:
        self.tried(lab, {"7_1": "NODE_FAIL", "7_2": "PREEMPTED", "7_3": "FAILED"})
        again = lab.resubmit("--max-attempts", 1)

        assert ranges(again)[:2] == ["1-8", "9-16"]
        assert ranges(again)[2:] == [str(number) for number in range(17, 25)]

    def test_accounts_know_what_the_queue_has_forgotten(self, lab: Lab) -> None:
        self.tried(lab, {}, "--time", "30")
        program(lab, "sacct", "echo '7_1|TIMEOUT'; echo '7_2|CANCELLED by 0'; echo '7_3|FAILED'")
        lab.resubmit()
        lines = [line.split("\t") for line in (lab.again / "jobs.tsv").read_text().splitlines()]

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
        self, script: str, words: str, lab: Lab
    ) -> None:
        """What may be running is held back, and said so; what has ended is offered."""
        self.tried(lab, {"7_2": "PENDING"})
        with (lab.run / "outputs" / "status" / "batch_17_24.status").open("a") as status:
            status.write("end\tfailed\t1\t2026-01-01T01:00:00Z\n")
        program(lab, "squeue", script)
        again = lab.resubmit()

        assert ranges(again) == ["17-24"]
        assert again["under_way"] == [[1, 16]]
        assert "Slurm cannot be asked" in lab.err
        assert words in lab.err

    def test_a_record_of_a_submission_that_is_damaged(self, lab: Lab) -> None:
        self.tried(lab, {"7_1": "RUNNING"})
        record = lab.run / "outputs" / "status" / "x.0.submitted"
        record.write_text("slurm\t7\n1-8\n9-x\n")
        ran = lab.call("check", lab.run)

        # What it says of other jobs holds: Slurm knows that the one it cannot name has ended.
        assert ran.status == 3
        assert f"{record}: is not a list of submitted jobs: '9-x'" in ran.err
        assert ranges(lab.resubmit()) == ["9-16", "17-24"]

    def test_jobs_that_ran_out_of_what_nobody_limited(self, lab: Lab) -> None:
        self.tried(lab, {"7_1": "TIMEOUT"})
        status = lab.run / "outputs" / "status" / "batch_1_8.status"
        status.write_text("start\t1-8\tslurm:7_1\t2026-01-01T00:00:00Z\t\t\n")
        lab.resubmit("--scheduler", "slurm")

        assert "ran out of time, but the plan has no limit" in lab.err

    def test_where_there_is_no_squeue_what_never_ended_is_held_back_and_said_so(
        self, lab: Lab
    ) -> None:
        """As on a desktop that has the same disk."""
        self.tried(lab, {"7_2": "PENDING"})
        status = lab.run / "outputs" / "status"
        with (status / "batch_17_24.status").open("a") as file:
            file.write("end\tfailed\t1\t2026-01-01T01:00:00Z\n")
        for name in ("squeue", "sacct"):
            (lab.home / "bin" / name).unlink()
        lab.environment = {**lab.environment, "PATH": str(lab.home / "bin") + ":/bin-of-no-slurm"}
        again = lab.resubmit()
        said = lab.err
        for name in ("x.0.submitted", "batch_1_8.status"):
            (status / name).unlink()

        assert (ranges(again), again["under_way"]) == (["17-24"], [[1, 16]])
        assert "this machine has no squeue" in said
        assert f"remove their files in {status}" in said
        assert ranges(lab.resubmit()) == ["1-8", "9-16", "17-24"]


class TestAnotherBatchFile:
    def test_a_plan_of_another_batch_file_is_refused(self, lab: Lab, case: Case) -> None:
        lab.plan()
        batch = case("12_failed") / "Batch_data.h5"
        for command in (["check", lab.run], ["load", lab.run, "--to", "sqlite:///x.sqlite"]):
            ran = lab.call(*command, "--batch", batch)

            assert (ran.status, ran.out) == (1, "")
            assert len(ran.err.splitlines()) == 1
            assert f"{lab.run}/plan.json: planned with another batch file than {batch}" in ran.err

    def test_outputs_of_another_batch_file_are_refused(self, lab: Lab, case: Case) -> None:
        lab.plan("--images-per-batch", 24)
        lab.submit()
        batch = case("12_failed") / "Batch_data.h5"
        ran = lab.call("check", lab.run / "outputs" / "batch_1_24", "--batch", batch)

        assert ran.status == 1
        assert "batch_1_24: run with another batch file than" in ran.err

    def test_a_batch_file_that_changed_since_stops_the_jobs(self, lab: Lab, case: Case) -> None:
        batch = lab.home / "Batch_data.h5"
        batch.write_bytes((case("10_ranges") / "Batch_data.h5").read_bytes())
        words = ["--images-per-batch", 24, "--out", lab.run, "--format", "shell"]
        lab.call("plan", "--batch", batch, *words)
        batch.write_bytes((case("12_failed") / "Batch_data.h5").read_bytes())
        lab.submit()

        assert lab.jobs_called == 0
        assert "not the batch file of this plan" in (lab.run / "logs" / "1.log").read_text()

    def test_a_plan_whose_ranges_overlap(self, lab: Lab) -> None:
        lab.plan("--images-per-batch", 12)
        path = lab.run / "plan.json"
        path.write_text(path.read_text().replace('"13-24"', '"12-24"'))
        ran = lab.call("check", lab.run)

        assert ran.status == 3
        assert f"{path}: plans image set 12 twice; plan again with cpexport plan" in ran.out

    @pytest.mark.parametrize("text", ['{"batch_file": "x", "sha256": "y", "jobs": 7}', "{"])
    def test_a_plan_that_is_damaged(self, text: str, lab: Lab) -> None:
        lab.plan()
        (lab.run / "plan.json").write_text(text)
        ran = lab.call("check", lab.run)

        assert ran.status == 3
        assert f"{lab.run / 'plan.json'}: " in ran.out


def test_a_process_that_has_the_number_of_a_killed_job_is_not_taken_for_it(lab: Lab) -> None:
    lab.plan("--images-per-batch", 24)
    status = lab.run / "outputs" / "status"
    status.mkdir()
    began = f"start\t1-24\tshell:{platform.node()}:{os.getpid()}\t2026-01-01T00:00:00Z\t\t\n"
    (status / "batch_1_24.status").write_text(began)

    assert ranges(lab.resubmit()) == ["1-24"]


def test_what_is_under_way_has_no_folder_that_looks_done(lab: Lab) -> None:
    """A job that hangs: its folder is `.part`, and check calls its image sets missing."""
    lab.plan("--images-per-batch", 24)
    lab.fail({"1-24": ["hang"]})
    words = ["sh", str(lab.run / "task.sh"), "1"]
    environment = {**os.environ, **lab.environment}
    with subprocess.Popen(words, env=environment, start_new_session=True) as job:
        try:
            while not list(lab.run.glob("outputs/batch*/job.log")):
                assert job.poll() is None
            again = lab.resubmit()

            (batch,) = json.loads(lab.call("check", lab.run, "--format", "json").out)["batches"]

            assert (ranges(again), again["under_way"]) == ([], [[1, 24]])
            assert (batch["state"], batch["image_sets"]) == ("running", "1-24")
            (folder,) = lab.run.glob("outputs/batch*")
            assert folder.name.startswith("batch_1_24.part.shell_")
        finally:
            os.killpg(job.pid, 9)

    (failed,) = json.loads(lab.call("check", lab.run, "--format", "json").out)["batches"]

    assert (failed["state"], failed["image_sets"]) == ("failed", "1-24")
    assert "the job never finished" in failed["reason"]
    assert ranges(lab.resubmit()) == ["1-24"]
