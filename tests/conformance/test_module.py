"""The module ExportToCpexport in the jobs of the real CellProfiler 4 or 5 that is on the PATH."""

import json
import os
import shlex
import shutil
import sqlite3
import stat
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path

import h5py
import pytest
from jobs_at_once import Job, run_jobs
from real import Ran, cpexport, own_python, program, run
from screen import MEASURE, Field, pipeline_text, write_list
from screens import WHOLE, Screen, drawn, home, needs_cellprofiler, own, prepared
from support import module_answers
from support.fixtures import closeness, columns
from support.servers import PASSWORD, USER, Database, another
from support.stand_in_cellprofiler import CreateBatchFiles, Measurements, loaded_module

from cpexport import read
from cpexport.api.arguments import url

__all__ = ["drawn", "home", "own"]

needs_cellprofiler()

_WINDOWS_WAY = Path(__file__).with_name("windows_way.py")
_ACTION = "What to do with the measurement file"
_LOAD = "Load it into a database"
_COMMAND = Path(sys.executable).with_name("cpexport")
_TABLES = ("Per_Image", "Per_Cells", "Per_Nuclei")

Drawn = tuple[Path, list[Field]]

# Another module is the last one, how long it takes differs, and so do groups. Jobs of CellProfiler
# 5 write ///images where a run without a batch file writes /images.
OF_THE_RUN = (
    "Image_ExecutionTime_",
    "Image_Group_",
    *(["Image_PathName_"] if len(program()) > 1 else []),
)


@pytest.fixture(scope="session")
def plugins(home: Path) -> Path:
    """The plugins folder, as users make it."""
    ran = cpexport("module", "--install", home / "plugins", cwd=home)
    assert ran.status == WHOLE, ran.err
    return home / "plugins"


def with_module(folder: Path, drawn: Drawn, plugins: Path, settings: Mapping[str, str]) -> Screen:
    """A batch file whose pipeline has the module, with these settings."""
    values = {"Path of the cpexport command": str(_COMMAND), "Table prefix": "", **settings}
    return prepared(
        folder,
        *drawn,
        ["ExportToCpexport", "CreateBatchFiles"],
        {("ExportToCpexport", name): value for name, value in values.items()},
        "--plugins-directory",
        plugins,
    )


@pytest.fixture(scope="session")
def kept(home: Path, drawn: Drawn, plugins: Path) -> Screen:
    """Jobs only keep their measurement files."""
    return with_module(home / "kept", drawn, plugins, {})


def said_by(screen: Screen) -> str:
    return (screen.home / "cellprofiler.log").read_text("utf-8")


def image_sets(file: Path) -> tuple[str | None, int]:
    """The Exit_Status in a measurement file, and how many image sets it has."""
    with h5py.File(file) as opened:
        (measurements,) = opened["Measurements"].values()
        numbers = [n for n in measurements["Image/ImageNumber/index"][:, 0] if n >= 0]
        if "Exit_Status" not in measurements["Experiment"]:
            return None, len(numbers)
        return measurements["Experiment/Exit_Status/data"][-1].decode(), len(numbers)


def test_cellprofiler_finds_the_installed_module(plugins: Path) -> None:
    ran = cpexport("module", "--check", "--plugins-directory", plugins, cwd=plugins)

    assert ran.status == WHOLE, ran.err
    assert str(plugins / "exporttocpexport.py") in ran.out


def test_the_stand_in_of_the_usual_tests_behaves_as_cellprofiler(tmp_path: Path) -> None:
    with as_file(files("cpexport.jobs") / "exporttocpexport.py") as plugin:
        ran = run([*own_python(), module_answers.__file__, plugin, tmp_path], tmp_path)
    assert ran.status == 0, ran.err
    real = json.loads(ran.out.splitlines()[-1])
    with loaded_module(tmp_path) as plugin_module:
        ours = module_answers.answers(plugin_module, CreateBatchFiles, Measurements)

    assert real.pop("run") == [False, False, [], ["module", "message"], True]
    assert json.loads(json.dumps(ours)) == real


@contextmanager
def mounted(folder: Path, *words: str) -> Iterator[Path]:
    """A disk at a new folder: `words` are those of mount."""
    folder.mkdir()
    if os.geteuid() or run(["mount", *words, folder], folder).status:
        pytest.skip("mounts a disk, so needs root")
    try:
        yield folder
    finally:
        run(["umount", folder], folder.parent)


class TestFile:
    """The measurement file of a job."""

    @pytest.mark.parametrize("temporary", [None, Path("/dev/shm")])
    def test_it_is_whole_wherever_temporary_files_are(
        self, kept: Screen, plugins: Path, tmp_path: Path, temporary: Path | None
    ) -> None:
        if temporary:
            temporary = Path(temporary, f"cpexport-{os.getpid()}")
            temporary.mkdir()
            assert temporary.stat().st_dev != tmp_path.stat().st_dev
        jobs = run_jobs(kept, tmp_path, [(3, 4)], plugins, temporary=temporary)

        job = jobs[3]
        assert (job.status, job.done) == (0, "Complete"), job.log
        assert job.files == ["done.txt", "measurements.h5"]
        assert image_sets(job.folder / "measurements.h5") == ("Complete", 2)
        mask = os.umask(0)
        os.umask(mask)
        mode = stat.S_IMODE((job.folder / "measurements.h5").stat().st_mode)
        assert mode == 0o666 & ~mask
        left = temporary or job.folder / "tmp"
        assert list(left.iterdir()) == []
        left.rmdir()
        check = cpexport("check", tmp_path, "--batch", kept.batch_file, cwd=tmp_path)
        assert "complete  2   3-4\n" in check.out

    def test_a_killed_job_leaves_none_and_a_failed_one_a_part(
        self, kept: Screen, plugins: Path, tmp_path: Path
    ) -> None:
        picture = kept.images / kept.fields[5].file("ER")
        hidden = picture.rename(tmp_path / picture.name)
        try:
            jobs = run_jobs(kept, tmp_path / "jobs", [(1, 3), (4, 6)], plugins, killed=[1])
        finally:
            hidden.rename(picture)

        assert (jobs[1].status, jobs[1].files) == (-9, [])
        assert (jobs[4].status, jobs[4].done) == (255, "Failure")
        assert jobs[4].files == ["done.txt", "measurements_4_6.h5.part"]
        check = cpexport("check", tmp_path / "jobs", "--batch", kept.batch_file, cwd=tmp_path)
        assert "complete  2   4-5\n" in check.out

    def test_jobs_with_one_output_folder_keep_a_file_each(
        self, kept: Screen, plugins: Path, tmp_path: Path
    ) -> None:
        shared = {1: tmp_path / "shared", 2: tmp_path / "shared"}
        jobs = run_jobs(kept, tmp_path, [(1, 1), (2, 3)], plugins, folders=shared)

        assert {job.status for job in jobs.values()} == {0}
        (name,) = {*jobs[1].files} & {"measurements_1.h5", "measurements_2_3.h5"}
        assert jobs[1].files == ["done.txt", "measurements.h5", name]
        found = {image_sets(tmp_path / "shared" / file)[1] for file in ("measurements.h5", name)}
        assert found == {1, 2}
        assert "is of another job, so this job's file is" in jobs[1].log + jobs[2].log

    def test_it_is_whole_on_a_disk_that_reserves_no_room(
        self, kept: Screen, plugins: Path, tmp_path: Path
    ) -> None:
        with mounted(tmp_path / "disk", "-t", "ramfs", "ramfs") as disk:
            folders = {1: disk / "job"}
            jobs = run_jobs(
                kept, tmp_path, [(1, 1)], plugins, folders=folders, temporary=tmp_path / "tmp"
            )
            assert (jobs[1].status, jobs[1].files) == (0, ["done.txt", "measurements.h5"])
            assert image_sets(disk / "job" / "measurements.h5") == ("Complete", 1)

    def test_a_job_whose_disk_is_full_fails_and_loses_nothing(
        self, kept: Screen, plugins: Path, tmp_path: Path
    ) -> None:
        with mounted(tmp_path / "full", "-t", "tmpfs", "-o", "size=3m", "tmpfs") as full:
            folders = {1: full / "job"}
            temporary = tmp_path / "tmp"
            jobs = run_jobs(
                kept, tmp_path / "jobs", [(1, 1)], plugins, folders=folders, temporary=temporary
            )
            job, files = jobs[1], jobs[1].files
            done = job.done

        assert job.status != 0
        assert (done, files) == ("Failure", ["done.txt"])
        assert "No space left on device; free some space there" in job.log
        (left,) = temporary.iterdir()
        assert f"they are in {left}: copy that file" in job.log
        assert image_sets(left) == ("Failure", 1)

    def test_a_job_without_the_plugin_is_named(self, kept: Screen, tmp_path: Path) -> None:
        nothing = tmp_path / "nothing"
        nothing.mkdir()
        job = run_jobs(kept, tmp_path / "jobs", [(1, 12)], nothing)[1]
        shutil.copy(tmp_path / "jobs" / "1.log", job.folder / "job.log")

        check = cpexport("check", job.folder, "--batch", kept.batch_file, cwd=tmp_path)
        assert "complete  0\n" in check.out
        assert "did not find the module ExportToCpexport" in " ".join(check.out.split())
        words = ["--format", "shell", "--out", "run", "--plugins-directory", nothing]
        plan = cpexport("plan", kept.batch_file, *words, cwd=tmp_path)
        assert plan.status == 1
        assert f"run: cpexport module --install {nothing}" in plan.err


class TestPlan:
    def test_planned_jobs_keep_their_files_and_are_loaded(
        self, kept: Screen, plugins: Path, tmp_path: Path
    ) -> None:
        if len(program()) > 1:
            pytest.skip("a plan does not name the readers that CellProfiler 5 needs without Java")
        words = ["--images-per-batch", "6", "--format", "shell", "--out", "run"]
        words += ["--plugins-directory", str(plugins)]
        plan = cpexport("plan", kept.batch_file, *words, cwd=tmp_path)
        assert (plan.status, plan.err) == (WHOLE, "")

        ran = run(["sh", "run/submit.sh"], tmp_path)

        assert ran.status == WHOLE, ran.out + ran.err
        assert len(list((tmp_path / "run" / "outputs").glob("*/measurements.h5"))) == 2
        numbers = columns(tmp_path / "run" / "screen.sqlite", "Per_Image")["ImageNumber"]
        assert numbers == list(range(1, 13))


@dataclass(frozen=True)
class Race:
    """Twelve jobs at once that load into one destination: two killed, one failed; then these three
    again."""

    to: list[object]
    first: Mapping[int, Job]
    after_first: Path
    again: Mapping[int, Job]
    after_again: Path
    folder: Path


@pytest.fixture(scope="module")
def mariadb() -> Iterator[Database]:
    with another("mariadb") as database:
        yield database


@pytest.fixture(scope="module", params=["sqlite", "mariadb"])
def race(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    drawn: Drawn,
    plugins: Path,
) -> Race:
    folder = tmp_path_factory.mktemp("race")
    settings = {_ACTION: _LOAD}
    if request.param == "mariadb":
        settings |= of_server(request.getfixturevalue("mariadb"), folder)
    screen = with_module(folder / "screen", drawn, plugins, settings)
    to: list[object] = ["--to", f"sqlite:///{screen.home / 'DefaultDB.db'}"]
    if request.param == "mariadb":
        to = ["--to", settings["Database URL"], "--defaults-file", settings["MySQL option file"]]
    picture = screen.images / screen.fields[11].file("ER")
    hidden = picture.rename(folder / picture.name)
    try:
        ranges = [(n, n) for n in range(1, 13)]
        first = run_jobs(screen, folder / "jobs", ranges, plugins, killed=[3, 8])
    finally:
        hidden.rename(picture)
    after_first = read_back(to, folder / "first")
    again = run_jobs(screen, folder / "jobs", [(3, 3), (8, 8), (12, 12)], plugins)
    return Race(to, first, after_first, again, read_back(to, folder / "again"), folder)


def of_server(database: Database, folder: Path) -> dict[str, str]:
    """The settings that load into a server."""
    file = folder / "client.cnf"
    file.write_text(f"[client]\nuser={USER}\npassword={PASSWORD}\n")
    address = database.url().partition("@")[2]
    return {
        _ACTION: _LOAD,
        "Database type": "MySQL or MariaDB",
        "Database URL": f"mysql+pymysql://{address}",
        "MySQL option file": str(file),
    }


def read_back(to: list[object], folder: Path) -> Path:
    """A copy of what a destination holds now, as SQLite."""
    folder.mkdir()
    where = url(*(str(word) for word in to[1::2]))
    assert where
    with sqlite3.connect(folder / "copy.sqlite") as connection:
        for table in _TABLES:
            read(where, table).to_sql(table, connection, index=False)
    return folder / "copy.sqlite"


class TestRace:
    def test_jobs_end_as_cellprofiler_ends_them(self, race: Race) -> None:
        statuses = {first: job.status for first, job in race.first.items()}
        assert statuses == {n: {3: -9, 8: -9, 12: 255}.get(n, 0) for n in range(1, 13)}
        assert {job.status for job in race.again.values()} == {0}

    def test_each_job_that_ended_is_in_the_database_once(self, race: Race) -> None:
        found = columns(race.after_first, "Per_Image")
        assert found["ImageNumber"] == [1, 2, 4, 5, 6, 7, 9, 10, 11]
        assert found["Image_Count_Nuclei"] == [float(n - 1) for n in found["ImageNumber"]]
        nuclei = columns(race.after_first, "Per_Nuclei")["ImageNumber"]
        assert len(nuclei) == sum(n - 1 for n in found["ImageNumber"])

    def test_the_database_is_that_of_exporttodatabase_alone(self, race: Race, own: Path) -> None:
        for table in _TABLES:
            ours, theirs = columns(race.after_again, table), columns(own, table)
            names = [n for n in theirs if not n.startswith(OF_THE_RUN)]
            assert {name for name in names if name not in ours} == set()
            found = {name: closeness(ours[name], theirs[name]) for name in names}
            assert {name: how for name, how in found.items() if how == "different"} == {}

    def test_kept_files_verify_it(self, race: Race) -> None:
        ran = cpexport("verify", race.folder / "jobs", *race.to, cwd=race.folder)
        assert ran.status == WHOLE, ran.out + ran.err


def test_jobs_add_to_one_import_script(
    drawn: Drawn, plugins: Path, own: Path, tmp_path: Path
) -> None:
    settings = {
        _ACTION: "Add it to an import script",
        "Client that runs the import script": "SQLite",
    }
    screen = with_module(tmp_path / "screen", drawn, plugins, settings)
    jobs = run_jobs(screen, tmp_path / "jobs", [(1, 4), (5, 8), (9, 12)], plugins)
    assert {job.status for job in jobs.values()} == {0}
    # They wait for each other.
    assert not [job for job in jobs.values() if "trying again" in job.log]

    script = next((screen.home / "import").glob("*.sql"))
    line = f"sqlite3 {shlex.quote(str(tmp_path / 'made.sqlite'))} < {script.name}"
    ran = run(["sh", "-c", line], script.parent)

    assert ran.status == 0, ran.err
    for table in _TABLES:
        ours, theirs = columns(tmp_path / "made.sqlite", table), columns(own, table)
        names = [n for n in theirs if not n.startswith(OF_THE_RUN)]
        assert {n: closeness(ours[n], theirs[n]) for n in names}.keys() == set(names)
        assert len(ours["ImageNumber"]) == len(theirs["ImageNumber"])


class TestBadInput:
    @pytest.mark.parametrize(
        ("settings", "said"),
        [
            (
                {
                    _ACTION: _LOAD,
                    "Database type": "MySQL or MariaDB",
                    "Database URL": "mysql+pymysql://me:secret@server/screens",
                },
                "the URL has a password, which everyone who reads the pipeline would see",
            ),
            (
                {_ACTION: _LOAD, "Path of the cpexport command": "/nowhere/cpexport"},
                "no command /nowhere/cpexport on",
            ),
            (
                {_ACTION: _LOAD, "Folder that all jobs share": "Elsewhere...|/dev/null/x"},
                "/dev/null/x cannot be written; choose another folder that all jobs share",
            ),
            (
                {"Output file location": "Elsewhere...|/dev/null/x"},
                "/dev/null/x cannot be written; choose another output file location",
            ),
            (
                {
                    _ACTION: _LOAD,
                    "Database type": "MySQL or MariaDB",
                    "Database URL": "mysql+pymysql://127.0.0.1:1/screens",
                },
                "127.0.0.1:1",
            ),
        ],
        ids=["password", "command", "shared", "folder", "server"],
    )
    def test_no_batch_file_is_made_of_what_would_fail(
        self, drawn: Drawn, plugins: Path, tmp_path: Path, settings: dict[str, str], said: str
    ) -> None:
        screen = with_module(tmp_path / "screen", drawn, plugins, settings)

        assert not screen.batch_file.exists()
        assert said in said_by(screen)
        assert "secret" not in said_by(screen)

    def test_path_mappings_apply_to_its_paths(
        self, drawn: Drawn, plugins: Path, tmp_path: Path
    ) -> None:
        settings = {
            ("ExportToCpexport", _ACTION): _LOAD,
            ("ExportToCpexport", "Path of the cpexport command"): f"{tmp_path}/bin/cpexport",
            ("CreateBatchFiles", "Local root path"): str(tmp_path),
            ("CreateBatchFiles", "Cluster root path"): "/cluster",
        }
        modules = ["ExportToCpexport", "CreateBatchFiles"]
        words = ("--plugins-directory", plugins)
        screen = prepared(tmp_path / "screen", *drawn, modules, settings, *words)

        assert f"on this computer: no command {tmp_path}/bin/cpexport on" in said_by(screen)
        with h5py.File(screen.batch_file) as file:
            (measurements,) = file["Measurements"].values()
            text = measurements["Experiment/Pipeline_Pipeline/data"][-1].decode()
        assert "    Folder that all jobs share:Elsewhere...|/cluster/screen\n" in text
        assert "    Path of the cpexport command:/cluster/bin/cpexport\n" in text

    def test_a_load_that_fails_can_be_repeated(
        self, drawn: Drawn, plugins: Path, tmp_path: Path
    ) -> None:
        with another("mariadb") as database:
            settings = of_server(database, tmp_path)
            screen = with_module(tmp_path / "screen", drawn, plugins, settings)
            database.server.kill()
            down = run_jobs(screen, tmp_path / "jobs", [(5, 6)], plugins)[5]
            database.server.start()
            check_repeatable(down, "trying again in 5 seconds")
            assert database.rows("SELECT ImageNumber FROM Per_Image") == [(5,), (6,)]

    def test_a_command_removed_between_two_jobs_loses_nothing(
        self, drawn: Drawn, plugins: Path, tmp_path: Path
    ) -> None:
        command = tmp_path / "cpexport"
        command.symlink_to(_COMMAND)
        settings = {_ACTION: _LOAD, "Path of the cpexport command": str(command)}
        screen = with_module(tmp_path / "screen", drawn, plugins, settings)
        command.unlink()
        job = run_jobs(screen, tmp_path / "jobs", [(5, 6)], plugins)[5]
        command.symlink_to(_COMMAND)

        check_repeatable(job, f"no command {command} on")
        assert columns(screen.home / "DefaultDB.db", "Per_Image")["ImageNumber"] == [5, 6]


def check_repeatable(job: Job, said: str) -> None:
    """The job is CellProfiler's own success, and its log has the command that loads its file."""
    assert (job.status, job.done) == (0, "Complete"), job.log
    assert job.files == ["done.txt", "measurements.h5"]
    assert said in job.log
    (line,) = {part for part in job.log.splitlines() if "cpexport failed: " in part}
    ran: Ran = run(shlex.split(line.partition("later, run: ")[2]), job.folder)
    assert ran.status == WHOLE, ran.err


def test_the_windows_way(drawn: Drawn, plugins: Path, own: Path, tmp_path: Path) -> None:
    if len(program()) > 1:
        pytest.skip("CellProfiler 5 fetches Java libraries from the network for its workers")
    images, found = drawn
    write_list(tmp_path / "images.csv", found[:3], images)
    settings = {
        ("LoadData", "Input data file location"): f"Elsewhere...|{tmp_path}",
        ("ExportToCpexport", _ACTION): _LOAD,
        ("ExportToCpexport", "Path of the cpexport command"): str(_COMMAND),
        ("ExportToCpexport", "Table prefix"): "",
    }
    pipeline = tmp_path / "windows.cppipe"
    pipeline.write_text(pipeline_text(["LoadData", *MEASURE, "ExportToCpexport"], settings))
    out = tmp_path / "out"
    out.mkdir()

    ran = run([*own_python(), _WINDOWS_WAY, pipeline, out, plugins, 2], tmp_path)

    assert (ran.status, ran.out) == (0, ""), ran.err
    assert sorted(path.name for path in out.iterdir()) == ["DefaultDB.db", "measurements.h5"]
    ours, theirs = columns(out / "DefaultDB.db", "Per_Nuclei"), columns(own, "Per_Nuclei")
    count = len(ours["ImageNumber"])
    assert count == 0 + 1 + 2
    for name in theirs:
        assert closeness(ours[name], theirs[name][:count]) != "different"
