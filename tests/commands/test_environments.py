"""Commands work in any locale, without a home, under any umask, and print what no terminal runs."""

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from support.fixtures import Ran, rows
from support.small_jobs import csv_job, h5_job

Run = Callable[..., Ran]


def bare(
    folder: Path, *words: str, environment: Mapping[str, str], umask: int = -1
) -> subprocess.CompletedProcess[bytes]:
    """Runs a command with these variables alone."""
    return subprocess.run(
        [sys.executable, "-m", "cpexport", *words],
        cwd=folder,
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        check=False,
        timeout=120,
        umask=umask,
    )


@pytest.mark.parametrize(
    "environment",
    [
        {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        {"LC_ALL": "C", "PYTHONIOENCODING": "ascii"},
    ],
    ids=["posix", "ascii"],
)
def test_a_locale_changes_neither_names_nor_words(
    environment: dict[str, str], tmp_path: Path
) -> None:
    """HOME is not set, either."""
    csv_job(tmp_path / "Plåtte" / "a", {1: {"Metadata_Plate": "日本"}})

    ran = bare(tmp_path, "load", "Plåtte", "--to", "sqlite:///ö.sqlite", environment=environment)

    assert ran.returncode == 0, ran.stderr
    assert "sqlite:///ö.sqlite" in ran.stdout.decode()
    found = rows(tmp_path / "ö.sqlite", "SELECT Image_Metadata_Plate FROM Per_Image")
    assert found == [("日本",)]
    assert rows(tmp_path / "ö.sqlite", "SELECT path FROM _cpexport_batches") == [("Plåtte/a",)]


@pytest.mark.parametrize("umask", [0o077, 0o000])
def test_a_umask_changes_no_result(umask: int, tmp_path: Path) -> None:
    csv_job(tmp_path / "run" / "a", {1: {}})

    ran = bare(tmp_path, "load", "run", "--to", "sqlite:///a.sqlite", environment={}, umask=umask)

    assert ran.returncode == 0, ran.stderr
    assert (tmp_path / "a.sqlite").stat().st_mode & 0o777 == 0o666 & ~umask


def test_names_do_not_move_the_cursor_or_break_a_line(cpexport: Run, tmp_path: Path) -> None:
    h5_job(tmp_path / "run" / "m.h5", {1: {}})
    (tmp_path / "run" / "b\x1b[2J\nmissing  none").mkdir()
    bad = tmp_path / "run" / "b\x1b[2J\nmissing  none" / "m.h5"
    bad.write_bytes(b"\x89HDF\r\n\x1a\n")
    ran = cpexport("load", "run", "--to", "sqlite:///a.sqlite")

    assert ran.status == 3
    assert "\x1b" not in ran.out + ran.err
    assert "\nmissing  none" not in ran.out
    assert "b [2J missing  none" in ran.out
