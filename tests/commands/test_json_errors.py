"""With `--format json` stdout has one JSON object, even if a command fails."""

import json
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support import forks
from support.fixtures import Ran, rows

from cpexport import __version__

Copy = Callable[..., Path]
Run = Callable[..., Ran]

JSON = ("--format", "json")


def error_of(ran: Ran) -> dict[str, Any]:
    """The error on stdout; the line on stderr says the same."""
    said: dict[str, Any] = json.loads(ran.out)
    assert said["problem"] in ran.err
    assert said["exit_status"] == ran.status
    assert said["cpexport_version"] == __version__
    return said


@pytest.mark.parametrize("command", ["load", "check", "verify", "script"])
def test_a_path_that_does_not_exist_is_the_path_of_the_error(command: str, cpexport: Run) -> None:
    words = {"verify": ["--to=s.sqlite"], "script": ["--out=sql"]}.get(command, [])
    ran = cpexport(command, "nothing", *words, *JSON)

    said = error_of(ran)
    assert ran.status == 1
    if command == "verify":
        assert (said["error"], said["path"]) == ("SinkError", "sqlite:///s.sqlite")
        assert said["problem"] == "does not exist, or is empty"
    else:
        assert (said["error"], said["path"]) == ("SourceError", "nothing")
        assert said["problem"] == "does not exist"
    assert said["advice"]


def test_a_file_that_is_no_batch_file_is_the_path_of_the_error(
    cpexport: Run, tmp_path: Path
) -> None:
    (tmp_path / "Batch_data.h5").write_text("no HDF5")
    said = error_of(cpexport("plan", "Batch_data.h5", *JSON))

    assert (said["error"], said["path"]) == ("SourceError", "Batch_data.h5")
    assert "not a batch file" in said["problem"]


@pytest.mark.parametrize("command", ["load", "check", "verify", "script", "plan"])
@pytest.mark.parametrize("format", [["--format", "json"], ["--format=json"]])
def test_wrong_words_are_an_error_too(command: str, format: list[str], cpexport: Run) -> None:
    said = error_of(cpexport(command, *format, "--nonsense"))

    assert (said["error"], said["path"], said["exit_status"]) == ("UsageError", None, 2)
    assert "--nonsense" in said["problem"]


def test_a_request_without_sense_is_an_error(cpexport: Run) -> None:
    said = error_of(cpexport("load", "outputs", "--to=postgresql://me@host/db", *JSON))

    assert (said["error"], said["exit_status"]) == ("UsageError", 2)


def test_all_reasons_why_jobs_would_run_in_vain_are_listed(copy: Copy, cpexport: Run) -> None:
    copy("40_spreadsheet", "outputs/P1-A01-1", "run/P1-A01-1")
    copy("40_spreadsheet", "Batch_data.h5", "run/Batch_data.h5")
    ran = cpexport(
        *("check", "run", "--resubmit=again", "--scheduler=shell", *JSON),
        env={"PATH": "/nowhere"},
    )

    said = json.loads(ran.out)
    assert (ran.status, said["error"], said["exit_status"]) == (1, "PreflightError", 1)
    assert len(said["problems"]) == len(ran.err.splitlines())
    assert all(problem in ran.err for problem in said["problems"])


def test_a_folder_that_cannot_be_written_is_the_path_of_the_error(
    copy: Copy, cpexport: Run, tmp_path: Path
) -> None:
    copy("40_spreadsheet", "outputs/P1-A01-1", "run")
    (tmp_path / "file").write_text("")
    said = error_of(cpexport("script", "run", "--out=file/sql", *JSON))

    assert said["path"] == "file/sql"


def test_nothing_is_printed_on_stdout_without_it(cpexport: Run) -> None:
    ran = cpexport("load", "nothing")

    assert (ran.status, ran.out) == (1, "")


def test_an_interrupted_watch_is_one_report_of_what_was_loaded(copy: Copy, tmp_path: Path) -> None:
    copy("40_spreadsheet", "outputs/P1-A01-1", "run/P1-A01-1")
    copy("40_spreadsheet", "Batch_data.h5", "run/Batch_data.h5")
    words = ["load", "run", "--to=s.sqlite", "--batch=run/Batch_data.h5", "--watch=60", *JSON]
    process = subprocess.Popen(
        [forks.python(), "-m", "cpexport", *words],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    passed = process.stderr.readline()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)

    said = json.loads(out)
    assert "1 of 24 planned image sets" in passed
    assert (process.returncode, said["exit_status"], said["image_sets"]) == (130, 130, 1)
    assert "error" not in said
    assert "interrupted; run the same command again to continue" in err


def test_properties_that_cannot_be_written_are_an_error_after_the_load(
    copy: Copy, cpexport: Run, tmp_path: Path
) -> None:
    copy("40_spreadsheet", "outputs/P1-A01-1", "run")
    words = ["load", "run", "--to=s.sqlite", "--properties=none/s.properties"]
    ran = cpexport(*words, *JSON)
    table = cpexport(*words)

    said = error_of(ran)
    assert (said["error"], said["path"]) == ("OSError", "none/s.properties")
    assert "0 loaded, 1 already loaded" in table.out
    assert table.status == 1
    assert table.err.splitlines()[-1].startswith("cpexport: none/s.properties: ")
    assert rows(tmp_path / "s.sqlite", "SELECT count(*) FROM Per_Image") == [(1,)]
