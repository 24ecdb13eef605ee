"""What a command says if the system refuses it something."""

import json

import pytest

from cpexport.cli.exit_status import run


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("can't start new thread")])
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
