"""`cpexport plan` on real batch files: every image set once, no group cut, all that is wrong."""

import ast
import json
import os
import shlex
import subprocess
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from urllib.parse import quote

import pytest
from support.cellprofiler_jobs import run_by_cellprofiler
from support.fixtures import Ran, measurements, replaced, rewritten, unpacked

from cpexport.cellprofiler.batch_file import read_batch_file
from cpexport.cli.report_jobs import plan_text
from cpexport.imagesets import ImageSets
from cpexport.jobs.plan import plan as plan_of
from cpexport.jobs.split import Job

Case = Callable[[str], Path]
Copy = Callable[..., Path]
Run = Callable[..., Ran]

BATCH_FILES = [
    ("02_loaddata_grouped", "."),
    ("08_unsorted_groups", "."),
    ("10_ranges", "."),
    ("11_h5_and_csv", "."),
    ("12_failed", "."),
    ("13_groups", "."),
    ("40_spreadsheet", "."),
    ("40_variants", "named"),
    ("50_track", "lap_batch"),
    ("50_track", "overlap_batch"),
    ("60_perf", "."),
    ("70_cp319", "batch"),
    *(
        ("batch_files", name)
        for name in (
            "01_batch_loaddata",
            "03_batch_nat",
            "04_batch_nat_grouped",
            "05_batch_mapped_loaddata",
            "05_batch_mapped_nat",
            "05_batch_mapped_windows",
            "06_batch_distributed",
            "21_sqlite_batch",
            "31_mysql_batch",
        )
    ),
]
# Jobs of these would run in vain, which `plan` says.
IN_VAIN = {"08_unsorted_groups", "06_batch_distributed", "21_sqlite_batch"}


@pytest.mark.parametrize(("case_name", "part"), BATCH_FILES, ids="/".join)
@pytest.mark.parametrize("words", [(), ("--images-per-batch", "5")], ids=["one", "five"])
def test_every_image_set_once_no_group_cut_every_command_understood(
    case_name: str, part: str, words: tuple[str, ...], cpexport: Run
) -> None:
    path = unpacked(case_name) / part / "Batch_data.h5"
    ran = cpexport("plan", "--batch", path, *words, "--format", "json", "--quiet")
    if {case_name, part} & IN_VAIN:
        assert (ran.status, ran.err.count("\n")) == (1, 1)
        assert json.loads(ran.out)["error"] == "PreflightError"
        return
    said = json.loads(ran.out)
    plan = read_batch_file(path)
    covered: list[int] = []
    for job in said["jobs"]:
        command = job["command"]
        options = dict(zip(command[3::2], command[4::2], strict=True))
        which = "-g" if "-g" in options else "-f"
        asked = Job(ImageSets.parse(job["image_sets"]), "", job["group"], which == "-f")
        numbers = run_by_cellprofiler(asked, plan)

        assert command[:3] == ["cellprofiler", "-c", "-r"]
        assert options["-p"] == str(path)
        assert options.get("-f") == (str(job["first"]) if which == "-f" else None)
        assert options.get("-l") == (str(job["last"]) if which == "-f" else None)
        assert options["-d"] == options["-o"] + "/done.txt"
        assert ImageSets.of(numbers) == asked.image_sets
        covered += numbers
        whole = {plan.groups[number] for number in numbers} if plan.groups else set()
        assert sum(len(plan.members[key]) for key in whole) in (0, len(numbers))
    folders = [job["command"][job["command"].index("-o") + 1] for job in said["jobs"]]

    assert sorted(covered) == list(plan.planned)
    assert len(set(folders)) == len(folders)
    assert [job["task"] for job in said["jobs"]] == list(range(1, len(folders) + 1))
    assert said["sha256"] == sha256(path.read_bytes()).hexdigest()
    assert (said["batch_file"], said["image_sets"]) == (str(path), len(plan.planned))
    assert ran.status == 0


class TestFormats:
    def test_list_and_array(self, case: Case, cpexport: Run) -> None:
        batch = case("batch_files") / "01_batch_loaddata" / "Batch_data.h5"
        words = ["plan", "--batch", batch, "--images-per-batch", "10", "--quiet"]

        assert cpexport(*words, "--format", "list").out == "1\t1\t10\n2\t11\t20\n3\t21\t24\n"
        assert cpexport(*words, "--format", "array").out == "1-24\n"

    def test_a_group_is_named_in_json_and_its_range_where_there_is_one(
        self, case: Case, tmp_path: Path
    ) -> None:
        first = []
        for name in ("02_loaddata_grouped", "08_unsorted_groups"):
            planned = plan_of(read_batch_file(case(name) / "Batch_data.h5"), tmp_path)
            first.append(json.loads(plan_text(planned, "json"))["jobs"][0])
        group = {"Metadata_Plate": "P1", "Metadata_Well": "A01"}

        assert [(job["group"], job["first"], job["last"]) for job in first] == [
            (group, 1, 2),
            (group, None, None),
        ]
        assert first[1]["command"][5:7] == ["-g", "Metadata_Plate=P1,Metadata_Well=A01"]

    def test_commands_are_quoted_for_a_shell(self, copy: Copy, cpexport: Run) -> None:
        batch = copy("10_ranges", "Batch_data.h5", 'the lab\'s "screen" $1 & more/Batch_data.h5')
        (line,) = cpexport("plan", "--batch", batch, "--images-per-batch", "24").out.splitlines()
        folder = batch.parent / "outputs" / "batch_1_24"

        assert shlex.split(line) == [
            *("cellprofiler", "-c", "-r", "-p", str(batch), "-f", "1", "-l", "24"),
            *("-o", str(folder), "-t", str(folder / "tmp"), "-d", str(folder / "done.txt")),
        ]

    def test_by_group_gives_each_group_a_job(self, case: Case, cpexport: Run) -> None:
        batch = case("13_groups") / "Batch_data.h5"
        words = ["--batch", batch, "--images-per-batch", "24", "--format", "list"]
        together = cpexport("plan", *words).out.splitlines()
        apart = cpexport("plan", *words, "--by-group").out.splitlines()

        assert (len(together), len(apart)) == (1, 12)


class TestFiles:
    @pytest.fixture
    def batch(self, copy: Copy) -> Path:
        return copy("10_ranges", "Batch_data.h5")

    @pytest.mark.parametrize("scheduler", ["slurm", "sge", "lsf", "pbs", "shell"])
    def test_every_script_is_one_for_every_shell(
        self, scheduler: str, batch: Path, cpexport: Run, tmp_path: Path
    ) -> None:
        out = tmp_path / 'it\'s a "run" $HOME %j'
        ran = cpexport(
            *("plan", "--batch", batch, "--out", out, "--format", scheduler, "--time", "1:30:00"),
            *("--memory", "2G", "--partition", "my queue", "--at-once", "7", "--module", "cp/4.2"),
            *("--container", "cell profiler.sif", "--option=--account=lab", "--keep-measurements"),
        )
        scripts = sorted(out.glob("*.sh"))

        assert ran.status == 0, ran.err
        assert len(scripts) >= 4
        for shell in ("dash", "bash"):
            for script in scripts:
                done = subprocess.run([shell, "-n", script], capture_output=True, text=True)
                assert (done.returncode, done.stderr) == (0, "")
        assert not [s for s in scripts if "@" in s.read_text().replace('"$@"', "")]

    def test_the_list_has_a_line_for_each_job(
        self, batch: Path, cpexport: Run, tmp_path: Path
    ) -> None:
        words = ["--images-per-batch", "12", "--time", "90", "--memory", "4G"]
        ran = cpexport("plan", "--batch", batch, "--out", tmp_path / "run", *words)
        lines = (tmp_path / "run" / "jobs.tsv").read_text().splitlines()

        assert lines == [
            "1\t1\t12\t\tbatch_1_12\t1-12\t90\t4096",
            "2\t13\t24\t\tbatch_13_24\t13-24\t90\t4096",
        ]
        assert ran.out == f"2 jobs on 24 image sets; run them with: sh {tmp_path}/run/submit.sh\n"

    @pytest.mark.parametrize("name", [b"run\ntouch it #", b"run\r", b"run\xff"])
    def test_a_folder_whose_name_no_script_can_hold_is_refused_before_it_is_made(
        self, name: bytes, batch: Path, cpexport: Run, tmp_path: Path
    ) -> None:
        before = sorted(tmp_path.iterdir())
        out = tmp_path / os.fsdecode(name)
        ran = cpexport(
            "plan", "--batch", batch, "--out", out, "--format", "shell", "--quiet", "--module", "cp"
        )

        assert (ran.status, ran.out, len(ran.err.splitlines())) == (2, "", 1)
        assert repr(os.fsdecode(name))[1:-1] in ran.err
        assert "rename it" in ran.err
        assert sorted(tmp_path.iterdir()) == before

    def test_a_folder_with_something_in_it_is_left_alone(
        self, batch: Path, cpexport: Run, tmp_path: Path
    ) -> None:
        (tmp_path / "run").mkdir()
        (tmp_path / "run" / "mine").write_text("mine")
        ran = cpexport("plan", "--batch", batch, "--out", tmp_path / "run", "--quiet")

        assert ran.status == 2
        assert "is not empty; name a new folder" in ran.err
        assert [path.name for path in (tmp_path / "run").iterdir()] == ["mine"]


class TestTold:
    """What would make jobs fail is told before anything is written."""

    @pytest.fixture
    def plan(self, cpexport: Run, tmp_path: Path) -> Callable[..., Ran]:
        def run(batch: Path, *words: str, env: dict[str, str] | None = None) -> Ran:
            out = tmp_path / "run"
            return cpexport("plan", "--batch", batch, "--out", out, *words, env=env)

        return run

    def in_vain(self, ran: Ran, home: Path, *words: str) -> bool:
        lines = [line for line in ran.err.splitlines() if line.startswith("problem: ")]
        assert [word for word in words if word not in lines[0]] == []
        assert (ran.status, ran.out, len(lines), ran.err.count("\n")) == (1, "", 1, 1)
        return not (home / "run").exists()

    def warned(self, ran: Ran, *words: str) -> bool:
        warnings = [line for line in ran.err.splitlines() if line.startswith("warning: ")]
        assert ran.status == 0, ran.err
        return any(all(word in line for word in words) for line in warnings)

    @pytest.mark.parametrize(
        ("name", "words"),
        [
            ("06_batch_distributed", ("distributed mode", "create it again")),
            ("21_sqlite_batch", ("ExportToDatabase writes SQLite", "--keep-measurements")),
        ],
    )
    def test_settings_with_which_every_job_fails(
        self, name: str, words: tuple[str, ...], case: Case, plan: Run, tmp_path: Path
    ) -> None:
        ran = plan(case("batch_files") / name / "Batch_data.h5")

        assert self.in_vain(ran, tmp_path, *words)

    def test_groups_out_of_order(self, case: Case, plan: Run, tmp_path: Path) -> None:
        ran = plan(case("08_unsorted_groups") / "Batch_data.h5")

        assert self.in_vain(ran, tmp_path, "sort the list by Metadata_Plate, Metadata_Well")

    def test_a_folder_that_cannot_be_written(
        self, case: Case, cpexport: Run, tmp_path: Path
    ) -> None:
        (tmp_path / "file").write_text("")
        batch = case("10_ranges") / "Batch_data.h5"
        ran = cpexport("plan", "--batch", batch, "--out", tmp_path / "file" / "run")

        assert (ran.status, ran.out) == (1, "")
        assert "cannot be written" in ran.err

    def test_a_disk_without_room(
        self, case: Case, cpexport: Run, small_disk: Callable[[int], Path]
    ) -> None:
        disk = small_disk(500)
        ran = cpexport("plan", "--batch", case("10_ranges") / "Batch_data.h5", "--out", disk / "r")

        assert (ran.status, ran.out, list(disk.iterdir())) == (1, "", [])
        assert "only 0 MiB are free; free some space" in ran.err

    def test_a_batch_file_that_others_cannot_read(self, copy: Copy, plan: Run) -> None:
        batch = copy("10_ranges", "Batch_data.h5")
        batch.chmod(0o600)

        assert self.warned(plan(batch), str(batch), "not readable for all users")

    def test_a_list_that_is_not_there(self, case: Case, plan: Run) -> None:
        ran = plan(case("batch_files") / "01_batch_loaddata" / "Batch_data.h5")

        assert self.warned(
            ran, "/cluster/corpus/images/load_data.csv does not exist on this machine"
        )

    def test_a_pipeline_that_exports_nothing(self, case: Case, plan: Run) -> None:
        ran = plan(case("60_perf") / "Batch_data.h5")

        assert self.warned(ran, "exports nothing", "--keep-measurements")

    @pytest.mark.parametrize(
        ("script", "words"),
        [
            ("echo 4.2.5", ("created by CellProfiler 4.2.8.1", "here is 4.2.5")),
            ("exit 7", ("ended with 7", "make sure that jobs can run it")),
            ("echo Segmentation fault", ("printed 'Segmentation fault'",)),
        ],
    )
    def test_another_cellprofiler_than_made_the_batch_file(
        self, script: str, words: tuple[str, ...], case: Case, plan: Run, tmp_path: Path
    ) -> None:
        program = tmp_path / "bin" / "cellprofiler"
        program.parent.mkdir()
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        env = {"PATH": f"{program.parent}:{os.environ['PATH']}"}

        assert self.warned(plan(case("10_ranges") / "Batch_data.h5", env=env), *words)

    def test_images_are_looked_for_only_where_asked(
        self, copy: Copy, cpexport: Run, tmp_path: Path
    ) -> None:
        batch = copy("batch_files", "03_batch_nat/Batch_data.h5")
        folder = tmp_path / "a b"
        folder.mkdir()
        for channel in ("DNA", "ER"):
            files = [folder / f"{number}_{channel}.tif" for number in range(24)]
            for file in files:
                file.write_text("pixels")
            urls = [f"file:{quote(str(file))}" for file in files]
            replaced(batch, "Image", f"URL_{channel}", urls)
        there = cpexport("plan", "--batch", batch, "--check-images", "--quiet")
        (folder / "6_ER.tif").unlink()
        (folder / "9_DNA.tif").write_text("")
        asked = cpexport("plan", "--batch", batch, "--check-images", "--quiet")
        unasked = cpexport("plan", "--batch", batch, "--quiet")

        assert (there.status, there.err) == (0, "")
        assert (asked.status, asked.out) == (1, "")
        assert (unasked.status, unasked.err) == (0, "")
        assert "2 of 48 images are missing or empty" in asked.err
        assert str(folder / "6_ER.tif") in asked.err
        assert "(image sets 7,10)" in asked.err


class TestBadInput:
    def refused(self, ran: Ran, *words: str, status: int = 1) -> bool:
        lines = ran.err.splitlines()
        assert (ran.status, ran.out) == (status, ""), ran.err
        assert [word for word in words if word not in lines[-1]] == [], ran.err
        return "Traceback" not in ran.err

    def test_no_image_set(self, copy: Copy, cpexport: Run) -> None:
        batch = copy("10_ranges", "Batch_data.h5")
        with measurements(batch) as run:
            index = run["Image/ImageNumber/index"]
            rows = index[()]
            rows[:, 0] = -1
            index[...] = rows

        assert self.refused(
            cpexport("plan", "--batch", batch),
            str(batch),
            "lists no image sets",
            "create the batch",
        )

    def test_no_pipeline(self, copy: Copy, cpexport: Run) -> None:
        batch = copy("10_ranges", "Batch_data.h5")
        rewritten(batch, "Experiment", "Pipeline_Pipeline", lambda old: [""] * len(old))

        assert self.refused(cpexport("plan", "--batch", batch), str(batch), "contains no pipeline")

    def test_cut_off(self, copy: Copy, cpexport: Run) -> None:
        batch = copy("10_ranges", "Batch_data.h5")
        os.truncate(batch, 20_000)

        assert self.refused(cpexport("plan", "--batch", batch), str(batch), "cut off")

    def test_not_there(self, cpexport: Run, tmp_path: Path) -> None:
        batch = tmp_path / "Batch_data.h5"

        assert self.refused(cpexport("plan", "--batch", batch), str(batch), "does not exist")

    def test_a_group_that_no_command_can_say(self, copy: Copy, cpexport: Run) -> None:
        batch = copy("08_unsorted_groups", "Batch_data.h5")
        rewritten(
            batch,
            "Image",
            "Metadata_Well",
            lambda old: [b"A,01" if well == b"A01" else well for well in old],
        )

        assert self.refused(
            cpexport("plan", "--batch", batch), str(batch), "'A,01'", "-g cannot express", "rename"
        )

    def test_a_group_tag_that_no_command_can_say(self, copy: Copy, cpexport: Run) -> None:
        """A line break in it would begin another line of the list of jobs."""
        batch = copy("08_unsorted_groups", "Batch_data.h5")
        tag = "Metadata_Well\n9\t\t\tx\t../../evil"
        rewritten(batch, "Experiment", "Metadata_GroupingTags", lambda _: [json.dumps([tag])])
        with measurements(batch) as run:
            run["Image"].move("Metadata_Well", tag.replace("/", ""))

        plan = cpexport("plan", "--batch", batch, "--format", "list")

        assert "evil" not in plan.out

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            (("--images-per-batch", "0"), "--images-per-batch"),
            (("--images-per-batch", "ten"), "--images-per-batch"),
            (("--time", "1:30"), "'1:30' is not a time"),
            (("--memory", "lots"), "'lots' is not an amount of memory"),
            (("--format", "slurm"), "--out"),
            (("--keep-measurements",), "--out"),
        ],
    )
    def test_words_that_make_no_sense(
        self, words: tuple[str, ...], said: str, case: Case, cpexport: Run
    ) -> None:
        ran = cpexport("plan", "--batch", case("10_ranges") / "Batch_data.h5", *words)

        assert self.refused(ran, said, status=2)

    def test_groups_where_there_are_none(self, case: Case, cpexport: Run) -> None:
        ran = cpexport("plan", "--batch", case("10_ranges") / "Batch_data.h5", "--by-group")

        assert self.refused(ran, "is not grouped")

    def test_a_password_is_not_written_into_files(
        self, case: Case, cpexport: Run, tmp_path: Path
    ) -> None:
        batch = case("10_ranges") / "Batch_data.h5"
        to = "mysql+pymysql://me:canary@host/db"
        ran = cpexport("plan", "--batch", batch, "--out", tmp_path / "run", "--to", to, "--quiet")

        assert self.refused(ran, "password", "~/.my.cnf", status=2)
        assert "canary" not in ran.err
        assert not (tmp_path / "run").exists()


def test_the_runner_is_one_file_that_python_3_8_reads(cpexport: Run) -> None:
    script = cpexport("runner").out

    assert "measurements_filename" in script
    assert ast.parse(script, feature_version=(3, 8))
