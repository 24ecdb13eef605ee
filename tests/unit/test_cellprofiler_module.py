"""The module ExportToCpexport on stand-ins for CellProfiler's classes; the real ones are in
`tests/conformance`."""

import ast
import errno
import fcntl
import os
import re
import shlex
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.fixtures import Ran, columns, measurements, rows
from support.small_jobs import h5_job
from support.stand_in_cellprofiler import (
    CreateBatchFiles,
    Directory,
    Measurements,
    Pipeline,
    ValidationError,
    Workspace,
    loaded_module,
)

from cpexport.jobs import module as modules

Run = Callable[..., Ran]


class Job:
    """A run of a pipeline with the module, from `prepare_run` until its file is closed."""

    def __init__(self, plugin: Any, home: Path, run: Run) -> None:
        self.plugin, self.home, self.out = plugin, home, home / "out"
        self.module = plugin.ExportToCpexport()
        self.module.command.value = str(Path(sys.executable).with_name("cpexport"))
        self.temporary = home / "tmp"
        self.temporary.mkdir()
        self.commands: list[list[str]] = []

        def called(words: list[str]) -> Any:
            """Runs cpexport in a fork, which is faster than a new process."""
            self.commands.append(words)
            ran = run(*words[1:])
            return subprocess.CompletedProcess(words, ran.status, ran.out, ran.err)

        plugin.run = called
        plugin.PAUSES = (0.01, 0.01)

    def prepared(
        self, *numbers: int, batch_mode: bool = True, images: str = "/images"
    ) -> tuple[Pipeline, Measurements]:
        """A run of these image sets that the module has prepared; `errors` are the pipeline's."""
        file = h5_job(
            self.home / f"{numbers[0]}.h5",
            {number: {"PathName_DNA": images} for number in numbers},
        )
        with measurements(file) as run:
            del run["Experiment/Exit_Status"]
        made = Measurements(file, self.temporary)
        pipeline = Pipeline([self.module], batch_mode)
        self.is_prepared = self.module.prepare_run(Workspace(pipeline, made))
        return pipeline, made

    def ended(
        self, *numbers: int, status: str | None = "Complete", images: str = "/images"
    ) -> None:
        """Runs a job to its end; `status` is None if a module raised an error."""
        pipeline, made = self.prepared(*numbers, images=images)
        assert self.is_prepared, pipeline.errors
        self.module.run(Workspace(pipeline, made))
        if status:
            self.module.post_run(Workspace(pipeline, made))
            made.add_experiment_measurement("Exit_Status", status)
        made.close()

    @property
    def files(self) -> list[str]:
        """The names in the output folder."""
        return sorted(path.name for path in self.out.iterdir()) if self.out.exists() else []


@pytest.fixture
def job(tmp_path: Path, cpexport: Run) -> Iterator[Job]:
    with loaded_module(tmp_path / "out") as plugin:
        yield Job(plugin, tmp_path, cpexport)


def test_it_is_one_file_for_old_pythons_with_nothing_but_cellprofilers_own_packages() -> None:
    tree = ast.parse(modules.text(), feature_version=(3, 8))

    imported = {
        name.partition(".")[0]
        for node in ast.walk(tree)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert imported - sys.stdlib_module_names == {"h5py", "cellprofiler_core"}


def test_the_first_line_that_python_2_cannot_read_says_which_cellprofiler_it_needs() -> None:
    statements = ast.parse(modules.text()).body
    first = next(s for s in statements[1:] if not isinstance(s, ast.Import | ast.ImportFrom))

    # Python 2 has no annotations.
    assert isinstance(first, ast.AnnAssign)
    assert "CellProfiler 4.2" in ast.unparse(first)


def reserves(descriptor: int, offset: int, size: int) -> None:
    """The C library's way where a file system reserves no room: it writes into each block."""
    flags = fcntl.fcntl(descriptor, fcntl.F_GETFL)
    if flags & os.O_APPEND or flags & os.O_ACCMODE != os.O_RDWR:
        raise OSError(errno.ENOSPC, "the room cannot be reserved in this mode")
    os.ftruncate(descriptor, size)


def reserves_nothing(descriptor: int, offset: int, size: int) -> None:
    raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))


class TestFile:
    def test_a_complete_job_leaves_its_file_with_the_usual_permissions(self, job: Job) -> None:
        job.ended(3, 4)

        assert job.files == ["measurements.h5"]
        assert list(job.temporary.iterdir()) == []
        mask = os.umask(0)
        os.umask(mask)
        mode = stat.S_IMODE((job.out / "measurements.h5").stat().st_mode)
        assert mode == 0o666 & ~mask
        with measurements(job.out / "measurements.h5") as run:
            assert run["Experiment/Exit_Status/data"][0] == b"Complete"

    @pytest.mark.parametrize("reserve", [None, reserves, reserves_nothing])
    def test_it_comes_from_another_file_system_too(
        self, job: Job, monkeypatch: pytest.MonkeyPatch, reserve: Callable[..., None] | None
    ) -> None:
        if reserve:
            monkeypatch.setattr(os, "posix_fallocate", reserve, raising=False)
        shm = Path("/dev/shm")
        if not shm.is_dir() or shm.stat().st_dev == job.home.stat().st_dev:
            pytest.skip("needs /dev/shm")
        job.temporary = shm / f"cpexport-{os.getpid()}"
        job.temporary.mkdir()
        try:
            job.ended(3, 4)
            assert list(job.temporary.iterdir()) == []
        finally:
            shutil.rmtree(job.temporary)

        assert job.files == ["measurements.h5"]
        size = (job.home / "3.h5").stat().st_size
        assert (job.out / "measurements.h5").stat().st_size >= size

    @pytest.mark.parametrize("status", [None, "Failure"])
    def test_a_failed_job_leaves_a_part(self, job: Job, status: str | None) -> None:
        job.ended(3, 4, status=status)

        assert job.files == ["measurements_3_4.h5.part"]

    def test_a_run_that_measured_nothing_leaves_nothing(self, job: Job) -> None:
        _, made = job.prepared(3)
        made.close()

        assert (job.files, list(job.temporary.iterdir())) == ([], [])

    def test_a_file_of_another_job_is_never_replaced(self, job: Job) -> None:
        for numbers in ((1, 2), (3, 4), (1, 2), (3, 4)):
            job.ended(*numbers)

        assert job.files == ["measurements.h5", "measurements_3_4.h5"]
        assert sorted(job.plugin.images_in(job.out / "measurements.h5")) == [1, 2]

    def test_jobs_of_other_image_sets_between_the_same_two_keep_a_file_each(self, job: Job) -> None:
        for numbers in ((1,), (4, 5, 6), (4, 6)):
            job.ended(*numbers)
        for numbers in ((4, 5, 6), (4, 6)):
            job.ended(*numbers, status="Failure")

        names = ["measurements_4_6.h5", "measurements_4_6-2.h5"]
        files = [*names, *(f"{name}.part" for name in names)]
        assert job.files == sorted(["measurements.h5", *files])
        found = [sorted(job.plugin.images_in(job.out / name)) for name in files]
        assert found == [[4, 5, 6], [4, 6]] * 2

    def test_a_file_of_other_images_with_these_numbers_is_never_replaced(self, job: Job) -> None:
        job.ended(1, 2)
        job.ended(1, 2, images="/plate2")
        job.ended(1, 2)

        (job.out / "measurements.h5").write_text("a file that cannot be read, as without locks")
        job.ended(1, 2)

        assert job.files == ["measurements.h5", "measurements_1_2-2.h5", "measurements_1_2.h5"]
        images = job.plugin.images_in(job.out / "measurements_1_2.h5")
        assert [files["PathName_DNA"] for files in images.values()] == [b"/plate2"] * 2

    def test_the_run_that_makes_the_batch_file_leaves_nothing(self, job: Job) -> None:
        file = h5_job(job.home / "1.h5", {1: {}})
        made = Measurements(file, job.temporary)
        pipeline = Pipeline([job.module, CreateBatchFiles()])

        assert job.module.prepare_run(Workspace(pipeline, made))
        made.close()
        assert (job.files, list(job.temporary.iterdir())) == ([], [])

    def test_a_file_that_its_caller_keeps_stays_there(self, job: Job) -> None:
        _, made = job.prepared(3)
        made.hdf5_dict.is_temporary = False
        made.close()

        assert (job.files, len(list(job.temporary.iterdir()))) == ([], 1)

    def test_no_room_fails_the_job_and_loses_nothing(
        self, job: Job, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        pipeline, made = job.prepared(3)
        job.module.run(Workspace(pipeline, made))
        # A file where the folder was, as a full disk needs root.
        job.out.write_text("")
        with pytest.raises(RuntimeError, match=r"cannot be kept in .*/out: File exists"):
            job.module.post_run(Workspace(pipeline, made))
        made.add_experiment_measurement("Exit_Status", "Failure")
        with pytest.raises(RuntimeError, match=r"they are in .*: copy that file") as refused:
            made.close()

        (left,) = job.temporary.iterdir()
        assert f"they are in {left}:" in str(refused.value)
        # task.sh keeps it by this ending.
        assert left.suffix == ".h5"
        assert [*job.plugin.images_in(left)] == [3]


class TestLoad:
    def test_each_job_is_loaded_with_what_the_settings_say(self, job: Job, tmp_path: Path) -> None:
        job.module.action.value = job.plugin.LOAD
        job.module.shared.value = f"Elsewhere...|{tmp_path / '50% of #1?'}"
        job.module.means.value = job.module.properties.value = True
        job.module.layout.value = "Single object view"
        job.module.all_objects.value = False
        job.module.objects.value = "Nuclei, Cells"
        job.module.leaves_out.value = True
        job.module.left_out.value = "Nuclei|Texture_A,Image|ExecutionTime_01LoadData"
        words = job.module.words(Path("/x/measurements.h5"))
        job.module.layout.value = "No object tables"
        job.ended(1, 2)
        job.ended(3, 4, status=None)

        assert words[words.index("--objects") + 1] == "view,Nuclei,Cells"
        assert words[words.index("--leave-out") + 1].startswith("Nuclei_Texture_A,Image_Exec")
        assert words[words.index("--aggregate") + 1] == "mean"
        shared = tmp_path / "50% of #1?"
        assert {path.name for path in shared.iterdir()} == {
            "DefaultDB.db",
            "DefaultDB_MyExpt.properties",
        }
        copy = Path(shutil.copy(shared / "DefaultDB.db", tmp_path / "copy.db"))
        images = columns(copy, "MyExpt_Per_Image")
        assert images["ImageNumber"] == [1, 2, 3, 4]
        assert "Image_ExecutionTime_01LoadData" not in images

    def test_very_many_measurements_to_leave_out_go_into_a_file(self, job: Job) -> None:
        job.module.left_out.value = ",".join(f"Nuclei|Texture_{n}" for n in range(9000))
        word = job.module.features_left_out(job.home / "measurements.h5")

        lines = Path(word.removeprefix("@")).read_text("utf-8").splitlines()
        assert (len(lines), lines[0]) == (9000, "Nuclei_Texture_0")
        job.module.action.value, job.module.leaves_out.value = job.plugin.LOAD, True
        gone = job.home / "gone" / "measurements.h5"
        assert f"The measurements are safe in {gone}" in job.module.deliver(gone)

    def test_a_script_grows_with_each_job(self, job: Job) -> None:
        job.module.action.value = job.plugin.SCRIPT
        job.module.dialect.value = "SQLite"
        job.module.prefix.value = ""
        for numbers in ((1, 2), (3, 4)):
            job.ended(*numbers)

        assert [words[1] for words in job.commands] == ["script", "script"]
        assert len(list((job.out / "import").rglob("*_Image.csv"))) == 2

    def test_a_load_that_fails_says_how_to_repeat_it(
        self, job: Job, caplog: pytest.LogCaptureFixture, cpexport: Run
    ) -> None:
        job.module.action.value = job.plugin.LOAD
        (job.home / "out").mkdir()
        (job.out / "DefaultDB.db").write_text("not a database")
        job.ended(1)

        assert len(job.commands) == 3
        assert job.files == ["DefaultDB.db", "measurements.h5"]
        (said,) = [r.getMessage() for r in caplog.records if r.levelname == "ERROR"]
        assert "not a SQLite database" in said
        (job.out / "DefaultDB.db").unlink()
        assert cpexport(*shlex.split(said.partition("later, run: ")[2])[1:]).status == 0
        assert rows(job.out / "DefaultDB.db", "SELECT ImageNumber FROM MyExpt_Per_Image") == [(1,)]

    def test_without_the_command_a_job_goes_on(
        self, job: Job, caplog: pytest.LogCaptureFixture
    ) -> None:
        job.module.action.value = job.plugin.LOAD
        job.module.command.value = "/nowhere/cpexport"
        job.ended(1)

        assert (job.files, job.commands) == (["measurements.h5"], [])
        assert [r.levelname for r in caplog.records] == ["WARNING", "ERROR"]
        assert caplog.text.count("no command /nowhere/cpexport on") == 2

    def test_without_a_home_its_path_is_as_it_is(
        self, job: Job, caplog: pytest.LogCaptureFixture
    ) -> None:
        job.module.action.value = job.plugin.LOAD
        job.module.command.value = "~nobody_has_this_name/bin/cpexport"
        job.ended(1)

        assert job.files == ["measurements.h5"]
        assert "no command ~nobody_has_this_name/bin/cpexport on" in caplog.text

    def test_the_command_runs_outside_of_cellprofilers_python(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in ("PYTHONHOME", "PYTHONPATH"):
            monkeypatch.setenv(name, "/nowhere")
        with loaded_module(tmp_path) as plugin:
            ran = plugin.run([sys.executable, "-c", "import sys; print(sys.path)"])

        assert (ran.returncode, "/nowhere" in ran.stdout) == (0, False), ran.stderr


class TestWindows:
    def test_the_merged_measurements_are_copied(self, tmp_path: Path, cpexport: Run) -> None:
        with loaded_module(tmp_path / "out", headless=False) as plugin:
            job = Job(plugin, tmp_path, cpexport)
            job.module.action.value = plugin.LOAD
            pipeline, made = job.prepared(1, 2)
            # CellProfiler's runner ends the run with copies of the pipeline and the measurements.
            made.add_experiment_measurement("Exit_Status", "Complete")
            job.module.post_run(Workspace(pipeline, made))
            still_open = hasattr(made.hdf5_dict, "hdf5_file")
            job.module.command.value = "/nowhere/cpexport"
            with pytest.raises(RuntimeError, match="To load them later, run: "):
                job.module.post_run(Workspace(pipeline, made))
            made.close()

        assert still_open
        assert job.files == ["DefaultDB.db", "measurements.h5"]
        assert columns(job.out / "DefaultDB.db", "MyExpt_Per_Image")["ImageNumber"] == [1, 2]


class TestSettings:
    @pytest.mark.parametrize(
        ("changes", "said"),
        [
            ({"file_name": "a/b.h5"}, "name a file that ends in .h5, without a folder"),
            ({"url": "mysql+pymysql://me:secret@server/x"}, "the URL has a password"),
            ({"url": "mysql+pymysql://me:a/secret@server/x"}, "the URL has a password"),
            ({"url": "mysql+pymysql://server/x?passwd=secret"}, "the URL has a password"),
            ({"url": "server"}, "write mysql+pymysql://HOST/DATABASE"),
            ({"database": "SQLite", "sqlite_file": "../x.db"}, "name a file without a folder"),
            ({"command": " "}, "name the cpexport command, or its full path"),
            ({"command": "bin/cpexport"}, "name the cpexport command, or its full path"),
            ({"option_file": "my.cnf"}, "name the full path of the option file"),
            ({"all_objects": False}, "select objects, or no object tables"),
        ],
    )
    def test_what_is_wrong_is_marked_and_stops_a_run(
        self, job: Job, changes: dict[str, Any], said: str
    ) -> None:
        job.module.action.value = job.plugin.LOAD
        job.module.database.value = job.plugin.SERVER
        job.module.url.value = "mysql+pymysql://server:3307/x?ssl_disabled=true"
        job.module.validate_module(Pipeline([job.module]))
        for name, value in changes.items():
            getattr(job.module, name).value = value

        with pytest.raises(ValidationError, match=re.escape(said)):
            job.module.validate_module(Pipeline([job.module]))
        pipeline, made = job.prepared(1)
        made.close()
        assert not job.is_prepared
        assert said in pipeline.errors[0]
        assert "secret" not in pipeline.errors[0]

    @pytest.mark.parametrize(
        ("changes", "said"),
        [
            ({"command": "/nowhere/cpexport"}, "no command /nowhere/cpexport on"),
            ({"shared": "Elsewhere...|/dev/null/x"}, "/dev/null/x cannot be written"),
            ({"directory": "Elsewhere...|/dev/null/x"}, "/dev/null/x cannot be written"),
            ({"sqlite_file": "text.db"}, "not a SQLite database"),
        ],
    )
    def test_what_would_fail_later_stops_a_run_that_is_started_here(
        self, job: Job, changes: dict[str, str], said: str
    ) -> None:
        job.module.action.value = job.plugin.LOAD
        job.out.mkdir()
        (job.out / "text.db").write_text("no database at all")
        job.prepared(1, batch_mode=False)[1].close()
        assert job.is_prepared
        for name, value in changes.items():
            getattr(job.module, name).value = value

        pipeline, made = job.prepared(2, batch_mode=False)
        made.close()
        assert not job.is_prepared
        assert said in pipeline.errors[0]
        assert job.files == ["text.db"]

    def test_a_batch_file_for_other_computers_is_made_without_the_command(
        self, job: Job, caplog: pytest.LogCaptureFixture
    ) -> None:
        job.module.action.value = job.plugin.LOAD
        job.module.command.value = "/cluster/bin/cpexport"
        create = CreateBatchFiles()
        workspace = Workspace(Pipeline([job.module, create]), Measurements())
        here = job.module.prepare_run(workspace)
        create.mappings[0].remote_directory.value = "/cluster"
        elsewhere = job.module.prepare_run(workspace)
        workspace.measurements.close()

        assert (here, elsewhere) == (False, True)
        assert "on this computer: no command /cluster/bin/cpexport" in caplog.text

    def test_a_batch_file_has_the_full_path_of_the_shared_folder(
        self, job: Job, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(job.home)
        monkeypatch.setattr(Directory, "output", "screen")
        job.module.prepare_to_create_batch(None, lambda path, **options: path)

        assert job.module.shared.value == f"Elsewhere...|{job.home / 'screen'}"

    def test_a_pipeline_takes_one(self, job: Job) -> None:
        pipeline = Pipeline([job.module, job.plugin.ExportToCpexport()])
        with pytest.raises(ValidationError, match="a pipeline takes one ExportToCpexport"):
            job.module.validate_module(pipeline)

    def test_only_settings_that_count_are_shown(self, job: Job) -> None:
        shown = {}
        for action in (job.plugin.KEEP, job.plugin.LOAD, job.plugin.SCRIPT):
            job.module.action.value = action
            shown[action] = [setting.text for setting in job.module.visible_settings()]
            assert {*shown[action]} <= {setting.text for setting in job.module.settings()}

        assert len(shown[job.plugin.KEEP]) == 3
        assert "Database URL" not in shown[job.plugin.LOAD]
        assert "Name of the import script's folder" in shown[job.plugin.SCRIPT]

    def test_its_place_is_after_all_modules_that_measure(self, job: Job) -> None:
        last = [job.module, CreateBatchFiles()]
        job.module.validate_module_warnings(Pipeline(last))
        with pytest.raises(ValidationError, match="after all modules that measure"):
            job.module.validate_module_warnings(Pipeline([*last, job.plugin.ExportToCpexport()]))


class TestCommand:
    def test_it_is_installed_printed_and_brought_up_to_date(
        self, cpexport: Run, tmp_path: Path
    ) -> None:
        file = tmp_path / "plugins" / modules.FILE
        for _ in range(2):
            ran = cpexport("module", "--install", file.parent)
            assert (ran.status, file.read_text("utf-8")) == (0, modules.text())
            file.write_text(f"{modules.text()}# An older version\n", "utf-8")
        assert cpexport("module").out == modules.text()
        file.write_text("class Another: pass\n")
        ran = cpexport("module", "--install", file.parent)
        assert (ran.status, file.read_text()) == (2, "class Another: pass\n")
        assert f"{file} is another module" in ran.err
        assert [path.name for path in file.parent.iterdir()] == [modules.FILE]

    def test_a_destination_is_checked_and_not_made(self, cpexport: Run, tmp_path: Path) -> None:
        assert cpexport("module", "--to", tmp_path / "x.sqlite").status == 0
        ran = cpexport("module", "--to", tmp_path / "no" / "x.sqlite")
        assert (ran.status, list(tmp_path.iterdir())) == (1, [])
        assert "does not exist; create it" in ran.err

    def test_check_names_what_is_wrong(self, cpexport: Run, tmp_path: Path) -> None:
        words = ("module", "--check", "--plugins-directory", tmp_path)
        none = cpexport(*words, env={"PATH": str(tmp_path)})
        program = tmp_path / "cellprofiler"
        program.write_text(f"#!{sys.executable}\n")
        program.chmod(0o755)
        other = cpexport(*words, env={"PATH": str(tmp_path)})

        assert (none.status, other.status) == (1, 1)
        assert "problem: cellprofiler is not on the PATH" in none.err
        assert "cannot be asked: ModuleNotFoundError" in other.err
        assert "; the module needs CellProfiler 4.2 or 5" in other.err
