"""The package's functions: what they are called, what they return, and that nothing else leaks."""

import dataclasses
import inspect
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import click
import pytest
from support.fixtures import Ran, content, unpacked

import cpexport
from cpexport.cli.main import commands
from cpexport.commands.script import script
from cpexport.loading.request import LoadRequest
from cpexport.sql_script.manifest import ScriptOptions

Copy = Callable[..., Path]
Run = Callable[..., Ran]

FUNCTIONS = ("check", "load", "plan", "report", "verify")
# A terminal's business; and callbacks, which only Python has.
OF_THE_TERMINAL = {"format", "quiet", "verbose", "log_file", "dry_run"}
OF_PYTHON = {"progress", "passed", "looked"}


@pytest.fixture
def run(copy: Copy, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The working folder, with two outputs in `run`, one of which is cut off, and a batch file."""
    for name in ("outputs/P1-A01-1", "outputs/P1-B02-1", "Batch_data.h5"):
        copy("40_spreadsheet", name, f"run/{Path(name).name}")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def is_submodule(name: str) -> bool:
    return getattr(cpexport, name) is sys.modules.get(f"cpexport.{name}")


def printed(ran: Ran) -> Any:
    """The JSON on stdout, without the time that the command took."""
    return timeless(json.loads(ran.out))


def timeless(report: Any) -> Any:
    return report if isinstance(report, list) else {**report, "seconds": 0}


def options_of(name: str) -> dict[str, click.Parameter]:
    """The options of a command, by the names of Python's arguments."""
    return {str(one.name): one for one in commands.commands[name].params}


def arguments_of(name: str) -> dict[str, inspect.Parameter]:
    return dict(inspect.signature(getattr(cpexport, name)).parameters)


class TestNames:
    def test_the_package_has_the_names_that_it_lists_and_no_other(self) -> None:
        names = [n for n in dir(cpexport) if not n.startswith("_") and not is_submodule(n)]

        assert sorted([*names, "__version__"]) == sorted(cpexport.__all__)
        assert cpexport.__all__ == sorted(cpexport.__all__)

    def test_every_listed_name_can_be_imported_and_is_documented(self) -> None:
        names: dict[str, Any] = {}
        exec("from cpexport import *", names)

        del names["__builtins__"]
        assert set(names) == set(cpexport.__all__)
        assert [name for name, value in names.items() if not inspect.getdoc(value)] == []
        assert not any(isinstance(value, ModuleType) for value in names.values())

    def test_an_unknown_name_is_an_attribute_error(self) -> None:
        with pytest.raises(AttributeError, match="module 'cpexport' has no attribute 'laod'"):
            cpexport.laod  # noqa: B018

    def test_importing_the_package_imports_none_of_its_modules(self) -> None:
        code = "import sys, cpexport; print([n for n in sys.modules if n.startswith('cpexport')])"
        ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)

        assert ran.stdout == "['cpexport']\n"

    def test_all_errors_can_be_caught_at_once(self) -> None:
        errors = [getattr(cpexport, n) for n in cpexport.__all__ if n.endswith("Error")]

        assert len(errors) > 8
        assert all(issubclass(error, cpexport.CpexportError) for error in errors)


class TestArguments:
    @pytest.mark.parametrize("name", FUNCTIONS)
    def test_they_are_called_as_the_options_are(self, name: str) -> None:
        options, arguments = set(options_of(name)), set(arguments_of(name))
        if name == "plan":
            # --format names a scheduler, and BATCH_DATA.H5 can be said in two ways.
            options = options - {"named"} | {"scheduler"}

        assert options - OF_THE_TERMINAL == arguments - OF_PYTHON

    @pytest.mark.parametrize("name", FUNCTIONS)
    def test_they_have_the_defaults_of_the_options(self, name: str) -> None:
        options, arguments = options_of(name), arguments_of(name)
        both = set(options) & set(arguments) - {"outputs", "batch"}

        ours = {n: arguments[n].default for n in both if arguments[n].default not in (None, ())}
        if "jobs" in ours:
            # Processes would import the script that calls this, which may have no guard.
            assert ours.pop("jobs") == 1
        context = click.Context(commands.commands[name])
        theirs = {n: options[n].get_default(context) for n in ours if n in options}
        assert ours.pop("to", None) in (None, inspect.Parameter.empty)
        assert ours == {n: theirs[n] for n in ours}

    @pytest.mark.parametrize("name", [*FUNCTIONS, "dry_run"])
    def test_all_but_the_paths_are_given_by_name(self, name: str) -> None:
        by_place = [
            one.name for one in arguments_of(name).values() if one.kind is one.POSITIONAL_OR_KEYWORD
        ]

        assert by_place in (["outputs"], ["outputs", "to"], ["batch"])

    def test_a_dry_run_has_those_of_the_load(self) -> None:
        of_load = set(arguments_of("load")) - {"jobs", "dask", "dask_option", "watch", "passed"}

        assert set(arguments_of("dry_run")) == of_load

    @pytest.mark.parametrize("name", [*FUNCTIONS, "dry_run"])
    def test_each_is_explained(self, name: str) -> None:
        said = inspect.getdoc(getattr(cpexport, name)) or ""
        if name in ("dry_run", "verify"):
            said += inspect.getdoc(cpexport.load) or ""

        assert [one for one in arguments_of(name) if not re.search(rf"\b{one}\b", said)] == []
        assert "Raises:" in said

    def test_paths_words_and_mappings_may_be_plain_or_many(self, run: Path) -> None:
        one = cpexport.load(Path("run"), Path("one.sqlite"), aggregate="mean,std")
        many = cpexport.load(
            iter(["run/P1-A01-1", "run/P1-B02-1"]),
            "many.sqlite",
            aggregate=["std", "mean"],
            path_map={},
        )

        assert (one.loaded, many.loaded) == (1, 1)
        assert content(run / "one.sqlite") == content(run / "many.sqlite")

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            ({"jobs": 0}, "--jobs is a number from 1, not 0"),
            ({"watch": 0}, "--watch is a number above 0, not 0"),
            ({"max_column_length": 65}, "--max-column-length is a number from 10 to 64, not 65"),
            (
                {"plate": "Metadata_Plate"},
                "--plate and --well need --wells, --properties or",
            ),
            ({"aggregate": ["mode"]}, "--aggregate"),
            ({"defaults_file": "my.cnf"}, "--defaults-file needs --to mysql"),
        ],
    )
    def test_bad_ones_are_refused_before_anything_is_made(
        self, run: Path, words: dict[str, Any], said: str
    ) -> None:
        with pytest.raises(cpexport.UsageError, match=said) as refused:
            cpexport.load("run", "screen.sqlite", **words)

        assert refused.value.exit_status == 2
        assert not (run / "screen.sqlite").exists()

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            ({"at_once": 0}, "--at-once is a number from 1"),
            ({"time": "soon"}, "--time: 'soon'"),
            ({"memory": 0}, "--memory is a number from 1"),
            ({"option": "'open"}, "--option: "),
            ({"scheduler": "cron", "out": "jobs"}, "no scheduler 'cron'; there are slurm"),
            ({"scheduler": "slurm"}, "name a folder for the files of --format slurm with --out"),
        ],
    )
    def test_bad_plans_are_refused(self, run: Path, words: dict[str, Any], said: str) -> None:
        with pytest.raises(cpexport.UsageError, match=said):
            cpexport.plan("run/Batch_data.h5", **words)

        assert not (run / "jobs").exists()


class TestReports:
    """The command line prints the dict of the report: each is made by the other, in new folders."""

    def test_a_load_is_printed_as_its_dict(self, run: Path, cpexport: Run) -> None:
        from cpexport import load

        (run / "theirs").mkdir()
        ran = cpexport("load", "run", "--to", "theirs/s.sqlite", "--format=json", "--wells=mean")
        (run / "theirs" / "s.sqlite").unlink()
        report = load("run", "theirs/s.sqlite", wells=["mean"])

        assert printed(ran) == timeless(report.to_dict())
        assert (ran.status, report.exit_status, report.is_complete) == (3, 3, False)
        assert report.to_dict()["pipelines"][0]["cellprofiler"].startswith("4.")
        assert [left.path for left in report.left_out] == ["run/P1-B02-1"]

    def test_a_dry_run_is_printed_as_a_list_of_dicts(self, run: Path, cpexport: Run) -> None:
        from cpexport import dry_run

        ran = cpexport("load", "run", "--to=s.sqlite", "--dry-run", "--format=json")
        found = dry_run("run", "s.sqlite")

        assert printed(ran) == [one.to_dict() for one in found]
        assert (ran.status, found[0].exit_status) == (3, 3)
        assert not (run / "s.sqlite").exists()

    def test_a_check_is_printed_as_its_dict(self, run: Path, cpexport: Run) -> None:
        from cpexport import check

        ran = cpexport("check", "run", "--format=json", "--missing-ok")
        report = check("run", missing_ok=True)

        assert json.loads(ran.out) == report.to_dict()
        assert (ran.status, report.exit_status, report.is_complete) == (0, 0, False)
        assert report.to_dict()["pipelines"][0]["image_sets"] == "1"

    def test_a_resubmission_is_part_of_the_check(self, run: Path, cpexport: Run) -> None:
        from cpexport import check

        words = ["--resubmit=again", "--scheduler=slurm", "--images-per-batch=8"]
        ran = cpexport("check", "run", *words, "--format=json")
        (run / "again").rename(run / "theirs")
        report = check("run", resubmit="again", scheduler="slurm", images_per_batch=8)

        assert json.loads(ran.out) == report.to_dict()
        assert report.resubmission is not None
        assert report.resubmission.plan.image_sets == report.missing
        assert sorted(p.name for p in (run / "again").iterdir()) == sorted(
            p.name for p in (run / "theirs").iterdir()
        )

    def test_a_verification_is_printed_as_its_dict(self, run: Path, cpexport: Run) -> None:
        from cpexport import load, verify

        load("run", "s.sqlite")
        ran = cpexport("verify", "run", "--to=s.sqlite", "--format=json")
        report = verify("run", "s.sqlite")

        assert printed(ran) == timeless(report.to_dict())
        assert (ran.status, report.exit_status) == (3, 3)

    def test_a_plan_is_printed_as_its_dict(self, run: Path, cpexport: Run) -> None:
        from cpexport import plan

        words = ["--images-per-batch=10", "--time=90", "--option=-A 'my lab'", "--format=json"]
        ran = cpexport("plan", "run/Batch_data.h5", *words)
        words_of_python: dict[str, Any] = {"time": "1:30:00", "option": "-A 'my lab'"}
        report = plan("run/Batch_data.h5", images_per_batch=10, **words_of_python)

        assert json.loads(ran.out) == report.to_dict()
        assert report.settings.options == ("-A", "my lab")
        assert report.to_dict()["pipelines"][0]["batches"] == len(report.tasks)

    def test_a_script_is_printed_as_its_dict(self, run: Path, cpexport: Run) -> None:
        ran = cpexport("script", "run", "--out=sql", "--format=json")
        (run / "sql").rename(run / "theirs")
        done = script(LoadRequest((Path("run"),), ""), Path("sql"), ScriptOptions())

        assert printed(ran) == timeless(done.to_dict())

    def test_they_are_plain_json_and_cannot_be_changed(self, run: Path) -> None:
        reports: list[Any] = [
            cpexport.load("run", "s.sqlite"),
            cpexport.verify("run", "s.sqlite"),
            cpexport.check("run", resubmit="again"),
            cpexport.check(to="s.sqlite", batch="run/Batch_data.h5"),
            cpexport.plan("run/Batch_data.h5"),
            *cpexport.dry_run("run", "s.sqlite"),
        ]

        for report in reports:
            said = report.to_dict()
            assert json.loads(json.dumps(said)) == said
            assert said["cpexport_version"] == cpexport.__version__
            assert said["exit_status"] == report.exit_status
            with pytest.raises(dataclasses.FrozenInstanceError):
                report.missing_ok = True

    def test_what_replaced_what_is_in_the_report_of_the_load(
        self, copy: Copy, tmp_path: Path
    ) -> None:
        old = copy("40_spreadsheet", "outputs/P1-A01-1", "old")
        first = cpexport.load(old, tmp_path / "s.sqlite")
        new = copy("40_spreadsheet", "outputs/P1-A01-1", "new")
        image = new / "Image.csv"
        image.write_text(image.read_text().replace("0.", "0.0", 1))
        foreseen = cpexport.dry_run(new, tmp_path / "s.sqlite", same_pictures=True)
        again = cpexport.load(new, tmp_path / "s.sqlite", same_pictures=True)

        assert first.replacements == ()
        assert again.to_dict()["replacements"] == [{"path": str(old), "by": str(new)}]
        assert again.to_dict()["batches"]["replaced"] == again.replaced == 1
        assert foreseen[0].replacements == again.replacements
        assert [pipeline.batches for pipeline in again.pipelines] == [1]


class TestErrors:
    def test_they_are_exceptions_with_their_parts(self, run: Path) -> None:
        with pytest.raises(cpexport.SourceError) as refused:
            cpexport.load("nothing", "s.sqlite")

        error = refused.value
        assert (error.path, error.problem, error.exit_status) == ("nothing", "does not exist", 1)
        assert error.to_dict() == {
            "cpexport_version": cpexport.__version__,
            "exit_status": 1,
            "error": "SourceError",
            "path": "nothing",
            "problem": "does not exist",
            "advice": error.advice,
        }

    def test_a_plan_in_vain_names_all_reasons_and_writes_nothing(
        self, run: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PATH", "/nowhere")
        with pytest.raises(cpexport.PreflightError) as refused:
            cpexport.plan("run/Batch_data.h5", out="jobs", scheduler="shell")

        assert refused.value.to_dict()["problems"] == list(refused.value.problems)
        assert "cellprofiler" in str(refused.value)
        assert not (run / "jobs").exists()


class TestWatching:
    def test_load_ends_when_all_is_there_and_tells_each_pass(
        self, tmp_path: Path, case: Callable[[str], Path]
    ) -> None:
        home = case("11_h5_and_csv")
        passes: list[cpexport.LoadReport] = []
        report = cpexport.load(
            home / "outputs",
            tmp_path / "s.sqlite",
            batch=home / "Batch_data.h5",
            watch=60,
            missing_ok=True,
            passed=passes.append,
        )

        assert report.is_complete
        assert passes == [report]

    def test_check_ends_when_all_is_there_and_tells_each_look(
        self, case: Callable[[str], Path]
    ) -> None:
        looks: list[cpexport.RunProgress] = []
        report = cpexport.check(case("11_h5_and_csv") / "outputs", watch=60, looked=looks.append)

        assert report.is_complete
        assert [len(look.complete) for look in looks] == [24]


class TestScripts:
    """What people write: a file without functions, run by Python."""

    def test_a_script_without_a_guard_loads_in_its_own_process(self, run: Path) -> None:
        (run / "mine.py").write_text("import cpexport\ncpexport.load('run', 's.sqlite')\n")

        ran = subprocess.run([sys.executable, "mine.py"], capture_output=True, text=True)

        assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
        assert (run / "s.sqlite").exists()

    def test_progress_is_told_and_can_stop_a_load_between_two_batches(self, tmp_path: Path) -> None:
        outputs = unpacked("11_h5_and_csv") / "outputs"

        def stop(done: cpexport.ProgressEvent) -> None:
            if (done.what, done.batches) == ("loaded", 2):
                raise RuntimeError("enough")

        with pytest.raises(RuntimeError, match="enough"):
            cpexport.load(outputs, tmp_path / "s.sqlite", progress=stop)
        report = cpexport.load(outputs, tmp_path / "s.sqlite")

        assert (report.already, report.loaded) == (2, 2)
