"""What `cpexport plan` says of a batch file before jobs run: programs, modules and paths."""

import shutil
import stat
from collections.abc import Callable
from pathlib import Path

import h5py
import pytest
from support.fixtures import Ran

Case = Callable[[str], Path]
Copy = Callable[..., Path]
Run = Callable[..., Ran]


@pytest.fixture
def nowhere(tmp_path: Path) -> dict[str, str]:
    """An environment with the shell's own programs, and no cellprofiler."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("sh", "bash", "env"):
        if found := shutil.which(name):
            (folder / name).symlink_to(found)
    return {"PATH": str(folder)}


@pytest.fixture
def somewhere(nowhere: dict[str, str], tmp_path: Path) -> dict[str, str]:
    """The same with a cellprofiler that says its version."""
    program = tmp_path / "bin" / "cellprofiler"
    program.write_text("#!/bin/sh\necho 4.2.8.1\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return nowhere


@pytest.fixture
def batch_file(case: Case) -> Path:
    return case("10_ranges") / "Batch_data.h5"


class TestWhereCellProfilerIs:
    def test_without_it_files_for_this_machine_are_refused(
        self, batch_file: Path, nowhere: dict[str, str], cpexport: Run, tmp_path: Path
    ) -> None:
        words = ("plan", batch_file, "--format", "shell", "--out", tmp_path / "run")
        ran = cpexport(*words, env=nowhere)

        assert ran.status == 1
        assert "cellprofiler is not on the PATH, and the jobs run on this machine" in ran.err
        assert not (tmp_path / "run").exists()

    @pytest.mark.parametrize("word", ["--module", "--container"])
    def test_unless_a_module_or_container_brings_it(
        self, word: str, batch_file: Path, nowhere: dict[str, str], cpexport: Run, tmp_path: Path
    ) -> None:
        words = ("plan", batch_file, "--format", "shell", "--out", tmp_path / "run", word, "cp")
        ran = cpexport(*words, env=nowhere)

        assert ran.status == 0, ran.err
        assert "on the PATH" not in ran.err

    def test_for_a_cluster_it_is_a_warning(
        self, batch_file: Path, nowhere: dict[str, str], cpexport: Run, tmp_path: Path
    ) -> None:
        ran = cpexport("plan", batch_file, "--out", tmp_path / "run", env=nowhere)

        assert ran.status == 0, ran.err
        assert "cellprofiler is not on the PATH here" in ran.err

    def test_where_it_is_nothing_is_said(
        self, batch_file: Path, somewhere: dict[str, str], cpexport: Run, tmp_path: Path
    ) -> None:
        words = ("plan", batch_file, "--format", "shell", "--out", tmp_path / "run")
        ran = cpexport(*words, env=somewhere)

        assert ran.status == 0, ran.err
        assert "on the PATH" not in ran.err


def with_plugin(path: Path, name: str) -> Path:
    """Makes a module of a batch file's pipeline one that CellProfiler does not include."""
    with h5py.File(path, "a") as file:
        (run,) = file["Measurements"].values()
        texts = run["Experiment/Pipeline_Pipeline/data"]
        for place, text in enumerate(texts.asstr()[:]):
            named = text.replace("MeasureTexture:[", f"{name}:[", 1)
            assert named != text
            texts[place] = named
    return path


class TestModules:
    def test_those_that_it_does_not_ship_are_named(self, copy: Copy, cpexport: Run) -> None:
        path = with_plugin(copy("10_ranges", "Batch_data.h5", "run/Batch_data.h5"), "RunCellpose")
        ran = cpexport("plan", path, "--format", "array")

        assert ran.status == 0
        assert f"{path}: CellProfiler does not include RunCellpose: " in ran.err

    @pytest.mark.parametrize(
        ("name", "file"),
        [
            ("10_ranges", "Batch_data.h5"),
            ("13_groups", "Batch_data.h5"),
            ("70_cp319", "batch/Batch_data.h5"),
            ("90_cp5", "groups_nat/Batch_data.h5"),
            ("90_cp5", "ranges/Batch_data.h5"),
            ("gui_batch_file", "Batch_data.h5"),
        ],
    )
    def test_of_those_that_it_ships_nothing_is_said(
        self, name: str, file: str, case: Case, cpexport: Run
    ) -> None:
        path = case(name) / file
        ran = cpexport("plan", path, "--format", "array")

        assert path.is_file()
        assert "does not include" not in ran.err


class TestPlugins:
    @pytest.fixture
    def batch_file(self, copy: Copy) -> Path:
        path = copy("10_ranges", "Batch_data.h5", "run/Batch_data.h5")
        return with_plugin(path, "ExportToCpexport")

    def test_a_folder_without_them_is_refused(
        self, batch_file: Path, nowhere: dict[str, str], cpexport: Run, tmp_path: Path
    ) -> None:
        out = ("--out", tmp_path / "run")
        plugins = ("--plugins-directory", tmp_path / "plugins")
        ran = cpexport("plan", batch_file, *out, *plugins, env=nowhere)
        install = f"run: cpexport module --install {tmp_path / 'plugins'}"

        assert (ran.status, (tmp_path / "run" / "task.sh").exists()) == (1, False)
        assert f"has no exporttocpexport.py, which the pipeline of {batch_file.name}" in ran.err
        assert install in ran.err
        assert cpexport("module", "--install", tmp_path / "plugins").status == 0
        assert "plugins" not in cpexport("plan", batch_file, *plugins, env=nowhere).err
        with (tmp_path / "plugins" / "exporttocpexport.py").open("a") as file:
            file.write("# Changed\n")
        assert "of another version of cpexport" in cpexport("plan", batch_file, *plugins).err

    def test_jobs_get_their_folder_and_keep_it_when_they_run_again(
        self, batch_file: Path, nowhere: dict[str, str], cpexport: Run, tmp_path: Path
    ) -> None:
        plugins = tmp_path / "my plugins"
        cpexport("module", "--install", plugins)
        words = ("--plugins-directory", plugins, "--keep-measurements", "--out", tmp_path / "jobs")
        planned = cpexport("plan", batch_file, *words, env=nowhere)
        again = cpexport("check", tmp_path / "jobs", "--format", "commands", env=nowhere)

        assert planned.status == 0, planned.err
        assert "keeps the measurements, so leave out --keep-measurements" in planned.err
        line = f"--plugins-directory '{plugins}'"
        assert line in (tmp_path / "jobs" / "task.sh").read_text("utf-8")
        assert again.out.count(line) == len(again.out.splitlines())

    def test_a_job_that_did_not_find_one_is_named(
        self, batch_file: Path, cpexport: Run, tmp_path: Path
    ) -> None:
        said, silent = tmp_path / "jobs" / "said", tmp_path / "jobs" / "silent"
        for job, status in ((said, "Failure"), (silent, "Complete")):
            job.mkdir(parents=True)
            (job / "done.txt").write_text(f"{status}\n")
        text = "Traceback:\nValueError: Could not find the RunCellpose module\n"
        (said / "job.log").write_text(text)
        ran = cpexport("check", tmp_path / "jobs", "--batch", batch_file)

        report = " ".join(ran.out.split())
        assert "CellProfiler did not find the module RunCellpose, so it skipped it" in report
        assert "CellProfiler did not find the module ExportToCpexport" in report


class TestMappings:
    def test_list_data_of_version_5_is_not_mapped_at_all(self, case: Case, cpexport: Run) -> None:
        ran = cpexport("plan", case("90_cp5") / "mapped" / "loaddata_Batch_data.h5")

        assert "URL_DNA still contains /lab/h2/img/P1" in ran.err
        assert "PathName_DNA still contains /lab/h2/img/P1" in ran.err

    def test_of_names_and_types_only_what_jobs_do_not_read(self, case: Case, cpexport: Run) -> None:
        ran = cpexport("plan", case("90_cp5") / "mapped" / "nat_Batch_data.h5")

        assert "URL_DNA still contains /lab/h2/img/P1" in ran.err
        assert "PathName_DNA still contains" not in ran.err
        assert "URL_DNA, which jobs read, is /lab/h2/img/P1, but PathName_DNA is" in ran.err

    def test_of_version_4_nothing_is_said(self, case: Case, cpexport: Run) -> None:
        batch_files = sorted(case("batch_files").rglob("*.h5"))
        said = [cpexport("plan", path, "--format", "array").err for path in batch_files]

        assert len(said) > 3
        assert "still contains" not in "".join(said)
        assert "which jobs read" not in "".join(said)


class TestWords:
    def test_the_batch_file_is_named_with_or_without_batch(
        self, batch_file: Path, cpexport: Run
    ) -> None:
        bare = cpexport("plan", batch_file, "--format", "list")
        named = cpexport("plan", "--batch", batch_file, "--format", "list")
        both = cpexport("plan", batch_file, "--batch", batch_file)
        neither = cpexport("plan")

        assert bare.out == named.out != ""
        assert (both.status, neither.status) == (2, 2)
        assert "cpexport plan Batch_data.h5" in neither.err

    def test_what_is_printed_takes_no_out(
        self, batch_file: Path, cpexport: Run, tmp_path: Path
    ) -> None:
        words = ("plan", batch_file, "--format", "list", "--out", tmp_path / "run")
        ran = cpexport(*words)

        assert ran.status == 2
        assert "leave out --out" in ran.err
        assert "slurm" in ran.err
        assert not (tmp_path / "run").exists()
