"""Packages that only some destinations need: without one, a line says what to install."""

import subprocess
import sys
from pathlib import Path

import pytest
from support.fixtures import unpacked

WITHOUT = """\
import sys
sys.modules.update(dict.fromkeys(sys.argv.pop(1).split(",")))
from cpexport.cli.main import main
main()
"""


def without(packages: str, *words: object) -> "subprocess.CompletedProcess[str]":
    """Runs cpexport in a Python that cannot import these packages, joined by commas."""
    command = [sys.executable, "-c", WITHOUT, packages, *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("package", "to", "extra"),
    [
        ("duckdb", "duckdb:///screen.duckdb", "duckdb"),
        ("duckdb", "screen.duckdb", "duckdb"),
        ("deltalake", "screen.delta", "delta"),
        ("pymysql", "mysql+pymysql://loader@localhost/screens", "mysql"),
        ("pymysql", "mariadb+pymysql://loader@localhost/screens", "mysql"),
    ],
)
def test_a_line_says_what_to_install(package: str, to: str, extra: str) -> None:
    ran = without(package, "load", unpacked("10_ranges") / "outputs", "--to", to, "--quiet")

    assert ran.returncode == 2
    (line,) = ran.stderr.splitlines()
    assert line.endswith(f" is not installed; run: pip install 'cpexport[{extra}]'")


@pytest.mark.parametrize("to", ["screen.sqlite", "screen.parquet/"])
def test_other_destinations_do_without_them(tmp_path: Path, to: str) -> None:
    outputs = unpacked("10_ranges") / "outputs"
    ran = without("deltalake,duckdb,pymysql", "load", outputs, "--to", tmp_path / to, "--quiet")

    assert (ran.returncode, ran.stderr) == (0, "")


def test_a_script_for_mysql_is_written_without_pymysql(tmp_path: Path) -> None:
    outputs = unpacked("10_ranges") / "outputs"
    ran = without("pymysql", "script", outputs, "--out", tmp_path / "out", "--quiet")

    assert (ran.returncode, ran.stderr) == (0, "")
    assert (tmp_path / "out" / "import.sql").exists()
