"""In a narrow terminal reports are records; elsewhere each row of a table is one line."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from support.fixtures import Ran, unpacked
from support.terminals import on_a_terminal

from cpexport.cli.tables import wrapped

Run = Callable[..., Ran]

_OUTPUTS = "screen_of_the_third_of_october/outputs"
WORDS = {
    "check": ["check", _OUTPUTS],
    "load": ["load", _OUTPUTS, "--to", "new.sqlite"],
    "dry-run": ["load", _OUTPUTS, "--to", "new.sqlite", "--dry-run"],
}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run of which jobs have failed in several ways."""
    folder = tmp_path_factory.mktemp("narrow")
    shutil.copytree(unpacked("12_failed"), folder / "screen_of_the_third_of_october")
    return folder


def cells(text: str) -> set[str]:
    """The words of a report, in whatever lines."""
    return {*re.findall(r"[^\s,;:]+", text)}


@pytest.mark.parametrize("columns", [60, 70, 80])
@pytest.mark.parametrize("command", WORDS)
def test_a_narrow_terminal_wraps_nothing(
    command: str, columns: int, home: Path, cpexport: Run
) -> None:
    """But for words that do not fit beside a label, such as a path."""
    piped = cpexport(*WORDS[command], cwd=home).out
    (home / "new.sqlite").unlink(missing_ok=True)
    _, _, shown = on_a_terminal(WORDS[command], stdout=True, columns=columns, cwd=home)
    (home / "new.sqlite").unlink(missing_ok=True)

    long = [line for line in shown.splitlines() if len(line) > columns]
    assert [line for line in long if max(map(len, line.split())) < columns - 20] == []
    assert max(map(len, piped.splitlines())) > columns
    assert cells(shown) == cells(piped)


def test_a_batch_that_failed_is_a_record(home: Path) -> None:
    _, _, shown = on_a_terminal(WORDS["check"], stdout=True, columns=60, cwd=home)

    records = [part for part in shown.split("\n\n") if part.startswith("STATE")]
    assert len(records) > 3
    for record in records:
        titles = [line.split("  ")[0] for line in record.splitlines() if line[0] != " "]
        assert titles == ["STATE", "IMAGE SETS", "COMPLETE", "BATCH"]


@pytest.mark.parametrize("command", ["check", "dry-run"])
def test_a_wide_terminal_shows_what_a_pipe_gets(command: str, home: Path, cpexport: Run) -> None:
    _, _, shown = on_a_terminal(WORDS[command], stdout=True, columns=160, cwd=home)
    piped = cpexport(*WORDS[command], cwd=home, env={"COLUMNS": "60"}).out

    assert shown == piped


def test_a_list_is_broken_after_commas_and_loses_nothing() -> None:
    names = ", ".join(f"{number} (P1 A{number:02} site 1)" for number in range(1, 13))
    lines = wrapped(names, 45)

    assert " ".join(lines) == names
    assert max(map(len, lines)) <= 45
    assert all(line.endswith(",") for line in lines[:-1])
