"""Records of jobs that are empty, cut off or closed are named, and all the others count."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from support.fixtures import Ran, unpacked
from support.site import Site, program, ranges

from cpexport.files.opening import read_text
from cpexport.jobs.record_reader import Reader

# Root reads whatever it likes; not so without these two.
_AS_ANYBODY = ("setpriv", "--bounding-set=-dac_override,-dac_read_search")


@pytest.fixture
def status(site: Site) -> Path:
    """The folder of a run of three jobs, of which the second has failed."""
    site.plan("--images-per-batch", 8)
    folder = site.run / "outputs" / "status"
    folder.mkdir()
    began = "start\t9-16\tshell:elsewhere:7\t2026-01-01T00:00:00Z\t\t\n"
    ended = "end\tfailed\t1\t2026-01-01T01:00:00Z\n"
    (folder / "batch_9_16.status").write_text(began + ended)
    return folder


def call(site: Site, *words: object) -> Ran:
    """A command by a user from whom files can be closed."""
    if os.getuid() == 0 and not shutil.which("setpriv"):
        pytest.skip("root can read everything")
    before = _AS_ANYBODY if os.getuid() == 0 else ()
    return Ran(
        subprocess.run(
            [*before, sys.executable, "-m", "cpexport", *map(str, words)],
            env={**os.environ, **site.environment},
            capture_output=True,
            text=True,
            check=False,
        )
    )


class TestStatus:
    @pytest.mark.parametrize(
        "text", ["", "\0\0\0", "start\t1-8\tsl", "start\t1-", "start", "sta", "\n"]
    )
    def test_an_attempt_that_was_not_noted_whole_is_named(
        self, text: str, status: Path, site: Site
    ) -> None:
        """As a full disk or a dying node leaves it. No job of this machine runs, so it is over."""
        path = status / "batch_1_8.status"
        path.write_text(text)
        ran = site.call("check", site.run)

        assert ran.status == 3
        assert f"{path}: is " in ran.err or f"{path}: lists no job" in ran.err
        assert ranges(site.resubmit()) == ["1-8", "9-16", "17-24"]

    def test_a_job_whose_record_says_nothing_is_not_said_never_to_have_finished(
        self, status: Path, site: Site
    ) -> None:
        site.fail({"1-8": ["exit 7"]})
        site.submit()
        record = status / "batch_1_8.status"
        record.write_text("")
        said = json.loads(site.call("check", site.run, "--format", "json").out)
        (reason,) = (b["reason"] for b in said["batches"] if "batch_1_8" in b["path"])

        assert reason.startswith(f"the job's record {record} is empty, so cpexport cannot tell")
        assert "never finished" not in reason

    def test_it_is_held_back_while_a_process_works_in_its_folder(
        self, status: Path, site: Site
    ) -> None:
        (status / "batch_1_8.status").touch()
        words = ["sh", "-c", "sleep 60; :", "-o", str(status.parent / "batch_1_8.part")]
        with subprocess.Popen(words, start_new_session=True) as job:
            again = site.resubmit()
            os.killpg(job.pid, 9)

        assert (ranges(again), again["under_way"]) == (["9-16", "17-24"], [[1, 8]])

    def test_what_was_appended_to_a_half_line_counts(self, status: Path, site: Site) -> None:
        whole = "start\t1-8\tslurm:9_1\t2026-01-01T00:00:00Z\t\t\n"
        (status / "batch_1_8.status").write_text("start\t1-8\tsl" + whole)
        program(site, "squeue", "echo '9_1|RUNNING|None'")
        program(site, "sacct", "exit 1")
        again = site.resubmit()

        assert (ranges(again), again["under_way"]) == (["9-16", "17-24"], [[1, 8]])

    def test_what_began_on_another_machine_is_held_back(self, status: Path, site: Site) -> None:
        (status / "batch_1_8.status").write_text(
            "start\t1-8\tshell:elsewhere:7\t2026-01-01T00:00:00Z\t\t\n"
        )
        again = site.resubmit()

        assert (ranges(again), again["under_way"]) == (["9-16", "17-24"], [[1, 8]])
        assert "jobs that started on elsewhere never recorded how they ended" in site.err

    def test_lines_of_other_kinds_are_for_others(self, status: Path, site: Site) -> None:
        with (status / "batch_9_16.status").open("a") as file:
            file.write("node\tn7\nwhat\n")

        assert "batch_9_16.status" not in site.call("check", site.run).err

    def test_of_two_copies_that_ran_side_by_side_each_has_its_own_end(
        self, status: Path, site: Site
    ) -> None:
        """The first ended while the second runs."""
        (status / "batch_1_8.status").write_text(
            "start\t1-8\tslurm:7_1\t2026-01-01T00:00:00Z\t\t\tp\n"
            "start\t1-8\tslurm:8_1\t2026-01-01T00:01:00Z\t\t\tp\n"
            "end\tfailed\t1\t2026-01-01T00:02:00Z\tslurm:7_1\n"
        )
        program(site, "squeue", "echo '8_1|RUNNING|None'")
        program(site, "sacct", "exit 1")

        assert ranges(site.resubmit()) == ["9-16", "17-24"]

    def test_a_time_out_that_a_job_noted_itself_gets_more_time(
        self, status: Path, site: Site
    ) -> None:
        """Where no scheduler keeps accounts."""
        (status / "batch_1_8.status").write_text(
            "start\t1-8\tsge:7_1\t2026-01-01T00:00:00Z\t30\t\tp\n"
            "end\ttimeout\t\t2026-01-01T00:30:00Z\tsge:7_1\n"
        )
        program(site, "qstat", "echo '<job_info></job_info>'")
        site.resubmit("--scheduler", "sge")
        lines = [line.split("\t") for line in (site.again / "jobs.tsv").read_text().splitlines()]

        assert [(line[5], line[6]) for line in lines if line[6]] == [("1-8", "60")]

    def test_what_was_stopped_before_its_time_is_no_attempt(self, status: Path, site: Site) -> None:
        for number in range(4):
            with (status / "batch_1_8.status").open("a") as file:
                file.write(
                    f"start\t1-8\tlsf:{number}_1\t2026-01-01T00:00:00Z\t30\t\tp\n"
                    f"end\tterminated\t\t2026-01-01T00:10:00Z\tlsf:{number}_1\n"
                )

        assert "1-8" in ranges(site.resubmit())


class TestTimes:
    @pytest.mark.parametrize("minute", [20, 40], ids=["clock behind", "clock right"])
    def test_times_double_with_each_time_out_whatever_the_clocks_say(
        self, minute: int, status: Path, site: Site
    ) -> None:
        (status / "batch_1_8.status").write_text(
            "start\t1-8\tslurm:900_1\t2026-11-29T20:30:00Z\t2\t\n"
            "end\tfailed\t1\t2026-11-29T20:31:00Z\n"
            f"start\t1-8\tslurm:901_1\t2026-11-29T20:{minute}:00Z\t4\t\n"
        )
        program(site, "squeue", "true")
        program(site, "sacct", "printf '900_1|FAILED\\n901_1|TIMEOUT\\n'")
        site.resubmit()
        lines = (site.again / "jobs.tsv").read_text().splitlines()

        assert [line.split("\t")[6] for line in lines if line.split("\t")[5] == "1-8"] == ["8"]


class TestClosed:
    @pytest.mark.parametrize("name", ["batch_1_8.status", "x.0.submitted"])
    def test_a_record_that_only_its_owner_can_read_holds_back_what_may_run(
        self, name: str, status: Path, site: Site
    ) -> None:
        path = status / name
        path.write_text("slurm\t7\n1-8\n")
        path.chmod(0)
        ran = call(site, "check", site.run, "--resubmit", site.home / "a", "--format", "json")
        said = json.loads(ran.out)["resubmit"]

        assert ran.status == 3
        assert f"{path}: cannot be read (Permission denied)" in ran.err
        if name.endswith("submitted"):
            assert said["under_way"] == [[1, 24]]

    def test_a_folder_of_records_that_is_closed_holds_back_everything(
        self, status: Path, site: Site
    ) -> None:
        status.chmod(0)
        ran = call(site, "check", site.run, "--resubmit", site.home / "a", "--format", "json")
        status.chmod(0o755)
        said = json.loads(ran.out)

        assert ran.status == 3
        assert (said["resubmit"]["jobs"], said["resubmit"]["under_way"]) == ([], [[1, 24]])
        assert f"{status}: cannot be listed (Permission denied)" in ran.err

    @pytest.mark.parametrize("spoil", [lambda p: p.chmod(0), lambda p: p.write_text("")])
    def test_a_stamp_or_plan_that_says_nothing_is_left_out_and_the_rest_loaded(
        self, spoil: Callable[[Path], object], site: Site
    ) -> None:
        site.plan("--images-per-batch", 12)
        site.submit()
        stamp = site.run / "outputs" / "batch_1_12" / "batch_file.sha256"
        spoil(stamp)
        spoil(site.run / "plan.json")
        database = site.home / "all.sqlite"
        words = ("--batch", unpacked("10_ranges") / "Batch_data.h5")
        ran = call(site, "load", site.run, *words, "--to", f"sqlite:///{database}")

        assert ran.status == 3
        assert "image sets       24 loaded" in ran.out
        assert f"{stamp}: " in ran.out
        assert f"{site.run / 'plan.json'}: " in ran.out


class TestSubmissions:
    @pytest.mark.parametrize("first", ["slurm\tabc", "shell\t7", "slurm\t7_1"])
    def test_one_whose_id_is_none_is_named_and_holds_back_its_jobs(
        self, first: str, status: Path, site: Site
    ) -> None:
        path = status / "x.0.submitted"
        path.write_text(f"{first}\n1-8\n")
        (status / "y.0.submitted").write_text("slurm\t5\n17-24\n")
        program(site, "squeue", "exit 0")
        program(site, "sacct", "exit 1")
        again = site.resubmit()

        assert (ranges(again), again["under_way"]) == (["9-16", "17-24"], [[1, 8]])
        assert f"{path}: a submission that never recorded its number is left out" in site.err
        assert f"{path}: is not a list of submitted jobs: {first!r}" in site.err

    @pytest.mark.parametrize("text", ["", "slurm", "\0\0\0\0"])
    def test_one_that_names_no_jobs_holds_back_all(
        self, text: str, status: Path, site: Site
    ) -> None:
        path = status / "x.0.submitted"
        path.write_text(text)
        again = site.resubmit()

        assert (ranges(again), again["under_way"]) == ([], [[1, 24]])
        assert f"{path}: is " in site.err
        path.unlink()
        assert ranges(site.resubmit()) == ["1-8", "9-16", "17-24"]

    def test_one_without_a_number_yet_holds_back_its_jobs(self, status: Path, site: Site) -> None:
        (status / "x.0.submitted").write_text("slurm\t\n1-8\n")
        again = site.resubmit()

        assert (ranges(again), again["under_way"]) == (["9-16", "17-24"], [[1, 8]])
        assert "x.0.submitted: a submission that never recorded its number" in site.err

    @pytest.mark.parametrize("queue", ["echo '7_3|RUNNING|None'", "echo down >&2; exit 1"])
    def test_a_list_that_was_cut_off_after_a_whole_line_holds_back_the_rest(
        self, queue: str, status: Path, site: Site
    ) -> None:
        (status / "x.0.submitted").write_text("slurm\t7\t3\n1-8\n9-16\n")
        program(site, "squeue", queue)
        program(site, "sacct", "exit 1")
        again = site.resubmit()

        assert (ranges(again), again["under_way"]) == ([], [[1, 24]])
        assert "x.0.submitted: is not a list of submitted jobs" in site.err

    def test_jobs_that_a_cut_off_list_does_not_name_are_held_back_as_they_run(
        self, status: Path, site: Site
    ) -> None:
        (status / "x.0.submitted").write_text("slurm\t7\n1-8\n9-1")
        program(site, "squeue", "printf '7_1|FAILED|\\n7_2|PENDING|Priority\\n'")
        program(site, "sacct", "exit 1")
        again = site.resubmit()
        program(site, "squeue", "printf '7_1|FAILED|\\n7_2|FAILED|\\n'")

        assert (ranges(again), again["under_way"]) == ([], [[1, 24]])
        assert ranges(site.resubmit()) == ["1-8", "9-16", "17-24"]


def test_a_record_is_read_again_only_when_it_has_changed(
    status: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []

    def counted(path: Path) -> str:
        read.append(path.name)
        return read_text(path)

    monkeypatch.setattr("cpexport.jobs.record_file.read_text", counted)
    for number in range(100, 150):
        (status / f"batch_{number}_{number}.status").write_text("start\t1\tx:1\tt\t\t\n")
    reader = Reader()
    first = reader.read([status])
    with (status / "batch_120_120.status").open("a") as file:
        file.write("end\tcomplete\t0\tt\n")
    again = reader.read([status])

    assert len(first.attempts) == len(again.attempts) == 51
    assert read[51:] == ["batch_120_120.status"]
    assert [a.folder for a in again.attempts if a.result == "complete"] == ["batch_120_120"]


def test_who_cannot_write_to_the_outputs_is_told_where_the_records_go(
    status: Path, site: Site
) -> None:
    outputs = site.run / "outputs"
    outputs.chmod(0o555)
    ran = call(site, "check", site.run, "--resubmit", site.home / "mine", "--format", "json")
    outputs.chmod(0o755)

    assert json.loads(ran.out)["resubmit"]["outputs"] == str(site.home / "mine" / "outputs")
    assert f"{outputs}: you cannot write here" in ran.err
