"""What a command says if the system refuses it something."""

import json
import subprocess
import sys
from pathlib import Path
from subprocess import PIPE

import pyarrow as pa
import pytest

from cpexport.cli.exit_status import run


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("can't start new thread"),
        pa.ArrowException("Unknown error: Failed to launch worker thread: Resource temporarily"),
    ],
)
def test_no_more_memory_or_threads_end_a_command_with_one_line(
    error: Exception, capsys: pytest.CaptureFixture[str]
) -> None:
    def command() -> None:
        raise error

    status = run(command, json=True)

    out, err = capsys.readouterr()
    (line,) = err.splitlines()
    assert status == 1
    assert line.startswith("cpexport: the system gave this process no more memory, or no more thr")
    assert line.endswith("run the same command again to continue")
    assert json.loads(out)["error"] == "MemoryError"


def test_an_error_of_the_program_itself_keeps_its_traceback() -> None:
    def command() -> None:
        raise RuntimeError("a bug")

    with pytest.raises(RuntimeError, match="a bug"):
        run(command)


def test_a_reader_that_stops_reading_json_is_no_error(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "cpexport", "load", "nowhere", "--format", "json"]
    with subprocess.Popen(words, stdout=PIPE, stderr=PIPE, text=True, cwd=tmp_path) as command:
        assert command.stdout
        command.stdout.close()
        assert command.stderr
        err = command.stderr.read()

    assert (command.returncode, err.count("\n")) == (1, 1)
