"""What commands log: to stderr with -v, to --log-file, and to the handlers of a Python program."""

import logging
import multiprocessing
import platform
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from support.fixtures import Ran, traces, unpacked

import cpexport as package
from cpexport.destination_url import without_password
from cpexport.loading.worker_log import PipeHandler, received

Copy = Callable[..., Path]
Run = Callable[..., Ran]

_LINE = re.compile(
    r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d) ([A-Z]+) (cpexport[\w.]*)\[(\d+)\]: (.*)"
)
COMMANDS = {
    "load": ["load", "run", "--to=s.sqlite"],
    "load --dry-run": ["load", "run", "--to=s.sqlite", "--dry-run"],
    "load --watch": ["load", "run", "--to=s.sqlite", "--batch=run/Batch_data.h5", "--watch=1"],
    "check": ["check", "run"],
    "check --watch": ["check", "run", "--watch=1"],
    "verify": ["verify", "run", "--to=ours.sqlite"],
    "script": ["script", "run", "--out=sql"],
    "plan": ["plan", "run/Batch_data.h5", "--images-per-batch=6"],
    "plan --out": ["plan", "run/Batch_data.h5", "--out=jobs"],
}


@pytest.fixture
def run(copy: Copy, tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """The working folder, with all outputs of a run in `run`, for `verify` loaded into
    `ours.sqlite`."""
    copy("11_h5_and_csv", "outputs", "run/outputs")
    copy("11_h5_and_csv", "Batch_data.h5", "run/Batch_data.h5")
    if "[verify]" in request.node.name:
        package.load(tmp_path / "run", tmp_path / "ours.sqlite")
    return tmp_path


def logged(file: Path) -> list[tuple[str, str, str, str]]:
    """The level, module, process and text of each line."""
    lines = [_LINE.fullmatch(line) for line in file.read_text().splitlines()]
    assert None not in lines
    return [(m[2], m[3].removeprefix("cpexport."), m[4], m[5]) for m in lines if m]


@pytest.mark.parametrize("name", COMMANDS)
def test_a_log_has_versions_the_machine_the_command_and_how_it_ended(
    name: str, run: Path, cpexport: Run
) -> None:
    ran = cpexport(*COMMANDS[name], "--log-file=x.log")
    texts = [text for _, _, _, text in logged(run / "x.log")]

    line = " ".join(["cpexport", *COMMANDS[name], "--log-file=x.log"])
    assert texts[0] == f"cpexport {package.__version__} begins: {line}"
    assert texts[1].startswith(f"on {platform.node()}, in {run}, with Python {sys.version[:6]}")
    assert re.search("; h5py [0-9.]+, numpy [0-9.]+, pyarrow [0-9.]+", texts[2])
    assert re.fullmatch(rf"ended after [0-9.]+ s with exit status {ran.status}", texts[-1])
    assert any(re.search(r" in [0-9.]+ s", text) for text in texts[3:-1])


@pytest.mark.parametrize("name", COMMANDS)
def test_steps_are_printed_with_v_and_not_without(name: str, run: Path, cpexport: Run) -> None:
    plain = cpexport(*COMMANDS[name])
    for made in ("s.sqlite", "sql", "jobs"):
        subprocess.run(["rm", "-rf", made], cwd=run, check=True)
    verbose = cpexport(*COMMANDS[name], "-v")

    assert [line for line in plain.err.splitlines() if line.startswith("info: ")] == []
    assert [line for line in verbose.err.splitlines() if re.match("info: .* in [0-9.]+ s", line)]
    assert verbose.status == plain.status


def test_each_batch_is_logged_as_it_is_written(run: Path, cpexport: Run) -> None:
    cpexport("load", "run", "--to=s.sqlite", "--log-file=x.log", "--quiet")

    written = [text for _, module, _, text in logged(run / "x.log") if module == "loading.writer"]
    assert [re.sub(" in [0-9.]+ s", "", text) for text in written[:-1]] == [
        f"run/outputs/batch_{first}_{first + 5}.h5: image sets {first}-{first + 5} written"
        if (run / f"run/outputs/batch_{first}_{first + 5}.h5").exists()
        else f"run/outputs/batch_{first}_{first + 5}: image sets {first}-{first + 5} written"
        for first in (1, 7, 13, 19)
    ]


def test_what_worker_processes_log_is_there_too(run: Path, cpexport: Run) -> None:
    cpexport("load", "run", "--to=s.sqlite", "--log-file=x.log", "--jobs=2")

    lines = logged(run / "x.log")
    (own,) = {process for _, module, process, _ in lines if module == "loading.writer"}
    decoders = {process for _, module, process, _ in lines if module == "loading.decode"}
    assert decoders
    assert own not in decoders
    assert len([1 for _, module, _, _ in lines if module == "loading.decode"]) == 4


def test_a_second_command_appends(run: Path, cpexport: Run) -> None:
    for _ in range(2):
        cpexport("check", "run", "--log-file=x.log")

    begun = [text for _, _, _, text in logged(run / "x.log") if " begins: " in text]
    assert len(begun) == 2


def test_what_is_left_out_and_how_a_load_fails_is_in_the_log(
    run: Path, copy: Copy, cpexport: Run
) -> None:
    copy("40_spreadsheet", "outputs/P1-A01-1", "sites/whole")
    copy("40_spreadsheet", "outputs/P1-B02-1", "sites/cut")
    cpexport("load", "sites", "--to=s.sqlite", "--log-file=x.log")
    failed = cpexport("load", "nothing", "--to=s.sqlite", "--log-file=y.log")

    assert "INFO cpexport.commands.load" in (run / "x.log").read_text()
    assert "left out: sites/cut: " in (run / "x.log").read_text()
    end = (run / "y.log").read_text()
    assert "ERROR cpexport.cli.logs" in end
    assert "SourceError: nothing: does not exist" in end.splitlines()[-1]
    assert len(failed.err.splitlines()) == 1


@pytest.mark.parametrize("name", COMMANDS)
def test_a_log_that_cannot_be_written_is_said_before_anything_begins(
    name: str, run: Path, cpexport: Run
) -> None:
    before = traces(run)
    ran = cpexport(*COMMANDS[name], "--log-file=none/x.log")

    assert (ran.status, ran.out, traces(run)) == (2, "", before)
    assert ran.err == (
        "cpexport: --log-file none/x.log: cannot be written: No such file or directory; "
        "name another file\n"
    )


def test_a_full_disk_for_the_log_does_not_stop_a_load(run: Path, cpexport: Run) -> None:
    ran = cpexport("load", "run", "--to=s.sqlite", "--log-file=/dev/full")

    assert ran.status == 0
    said = [line for line in ran.err.splitlines() if not line.startswith("note: ")]
    assert said == ["cpexport: --log-file /dev/full: No space left on device"]


class TestPasswords:
    @pytest.mark.parametrize(
        "url",
        [
            "mysql+pymysql://me:s3cret@127.0.0.1:1/screens",
            "mysql+pymysql://me:s3cret@127.0.0.1:1/screens?connect_timeout=1",
            "mysql+pymysql://me:x@s3cret@127.0.0.1:1/screens",
            "mysql+pymysql://me:a s3cret@127.0.0.1:1/screens",
            "mysql+pymysql://me@127.0.0.1:1/screens?password=s3cret",
            "mysql+pymysql://me:s3cret@127.0.0.1:x/screens",
            "postgresql://me:s3cret@127.0.0.1:1/screens",
        ],
    )
    @pytest.mark.parametrize("format", ["table", "json"])
    def test_none_is_shown_or_logged(
        self, url: str, format: str, copy: Copy, cpexport: Run, tmp_path: Path
    ) -> None:
        copy("40_spreadsheet", "outputs/P1-A01-1", "run")
        ran = cpexport("load", "run", "--to", url, "-v", "--log-file=x.log", "--format", format)

        log = (tmp_path / "x.log").read_text()
        assert ran.status in (1, 2)
        assert "s3cret" not in ran.out + ran.err + log
        assert "begins: cpexport load run --to" in log

    def test_nor_by_a_program_s_own_handlers(
        self, copy: Copy, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG)
        outputs = copy("40_spreadsheet", "outputs/P1-A01-1", "run")
        with pytest.raises(package.SinkError) as refused:
            package.load(outputs, "mysql+pymysql://me:s3cret@127.0.0.1:1/screens")

        assert "s3cret" not in caplog.text + str(refused.value) + str(refused.value.to_dict())

    @pytest.mark.parametrize(
        ("url", "shown"),
        [
            ("mysql://me:a/b?c:d@host/db", "mysql://me:***@host/db"),
            ("mysql://me@host:3306/db", "mysql://me@host:3306/db"),
            (
                "mysql://me@h/db?passwd=a&connect_timeout=1",
                "mysql://me@h/db?passwd=***&connect_timeout=1",
            ),
            ("sqlite:///a@b:c.sqlite", "sqlite:///a@b:c.sqlite"),
            ("outputs", "outputs"),
        ],
    )
    def test_only_a_password_is_masked(self, url: str, shown: str) -> None:
        assert without_password(url) == shown


class TestLibrary:
    def test_it_prints_nothing_by_itself(self, run: Path) -> None:
        code = "import cpexport; cpexport.load('run', 's.sqlite'); cpexport.check('run')"
        ran = subprocess.run([sys.executable, "-c", code], cwd=run, capture_output=True, text=True)

        assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")

    def test_a_program_s_handlers_get_every_step_and_those_of_its_processes(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG, "cpexport")
        package.load(unpacked("11_h5_and_csv") / "outputs", tmp_path / "s.sqlite", jobs=2)

        names = {record.name for record in caplog.records}
        processes = {r.process for r in caplog.records if r.name == "cpexport.loading.decode"}
        assert {"cpexport.commands.load", "cpexport.loading.survey"} <= names
        assert processes
        assert multiprocessing.current_process().pid not in processes
        assert all(record.getMessage() for record in caplog.records)

    def test_a_worker_s_record_comes_with_its_traceback_whatever_its_arguments(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        ours, theirs = multiprocessing.Pipe()
        logger = logging.getLogger("cpexport")
        level = logger.level
        handler = PipeHandler(theirs, logging.INFO)
        try:
            try:
                raise ValueError("why")
            except ValueError:
                # A function of a function cannot be sent to another process.
                logging.getLogger("cpexport.made_up").info("%s", lambda: 0, exc_info=True)
            logging.getLogger("cpexport.made_up").debug("not wanted")
            handler.send(("answer", None))
        finally:
            logger.removeHandler(handler)
            logger.setLevel(level)
        caplog.clear()
        caplog.set_level(logging.INFO, "cpexport")

        assert received(ours.recv) == ("answer", None)
        (record,) = caplog.records
        assert "lambda" in record.getMessage()
        assert "ValueError: why" in (record.exc_text or "")
