"""A misspelled word is answered with the one that was meant."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from support.fixtures import Ran, traces, unpacked

from cpexport.cli.main import commands
from cpexport.cli.screens import Choice

Run = Callable[..., Ran]


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `outputs`, and `screen.sqlite` that holds them as the run `plate1`."""
    home, source = tmp_path_factory.mktemp("loaded"), unpacked("40_spreadsheet")
    shutil.copytree(source / "outputs/P1-A01-1", home / "outputs")
    shutil.copy2(source / "Batch_data.h5", home)
    words = ["load", "plate1=outputs", "--table-number", "--to", "screen.sqlite", "--missing-ok"]
    subprocess.run([sys.executable, "-m", "cpexport", *words], cwd=home, check=True)
    return home


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        ("lod outputs", "load"),
        ("help chek", "check"),
        ("completion bsh", "bash"),
        ("load outputs --objcts none", "--objects"),
        ("plan Batch_data.h5 --images 4", "--images-per-batch"),
        ("load outputs --format jsn", "json"),
        ("check outputs --format tabel", "table"),
        ("check outputs --resubmit again --scheduler slrum", "slurm"),
        ("plan Batch_data.h5 --format lfs", "lsf"),
        ("script outputs --out s --dialect mysqll", "mysql"),
        ("script --queries sqllite", "sqlite"),
        ("load outputs --to new.sqlit", "new.sqlite"),
        ("load outputs --to new.parqet", "new.parquet"),
        ("load outputs --to new.dukcdb", "new.duckdb"),
        ("load outputs --to sqllite:///new.sqlite", "sqlite:///"),
        ("load outputs --to parqet:new", "parquet:"),
        ("load outputs --to msyql+pymysql://me@localhost/db", "mysql+pymysql://"),
        ("load outputs --to maridb+pymysql://me@localhost/db", "mariadb+pymysql://"),
        ("load outputs --to mysql+pymysql://me@localhost/db?conect_timeout=9", "connect_timeout"),
        ("load outputs --to new.sqlite --objects Nuclie", "Nuclei"),
        ("load outputs --to new.sqlite --objects seperate", "separate"),
        ("load outputs --to new.sqlite --aggregate mean,medain", "median"),
        ("load outputs --to new.sqlite --wells meen", "mean"),
        ("load outputs --to new.sqlite --wells mean --well Metadata_Wel", "Metadata_Well"),
        ("load outputs --to new.sqlite --path-map bacth", "batch"),
        ("check --to screen.sqlite --batch Batch_data.h5 --run plate2", "plate1"),
        ("properties --to screen.sqlite --object nuclie", "Nuclei"),
        ("properties --to screen.sqlite --plate Metadata_Plat", "Metadata_Plate"),
    ],
)
def test_a_misspelled_word(loaded: Path, cpexport: Run, words: str, meant: str) -> None:
    before = traces(loaded)

    ran = cpexport(*words.split(), cwd=loaded)

    assert (ran.status in (1, 2), ran.out) == (True, "")
    assert ran.err.rstrip().endswith(f". Did you mean {meant}?")
    assert traces(loaded) == before


@pytest.mark.parametrize(
    "words",
    [
        "frobnicate",
        "load outputs --frobnicate",
        "load outputs --format xml",
        "load outputs --to postgresql://me@localhost/db",
        "load outputs --to new.xlsx",
        "load outputs --to new",
        "load outputs --to new.sqlite --objects Mitochondria",
    ],
)
def test_a_word_that_is_like_no_other(loaded: Path, cpexport: Run, words: str) -> None:
    ran = cpexport(*words.split(), cwd=loaded)

    assert ran.status == 2
    assert "Did you mean" not in ran.err


def test_a_url_with_a_password_is_not_shown(loaded: Path, cpexport: Run) -> None:
    ran = cpexport("load", "outputs", "--to", "mysqll+pymysql://me:secret@localhost/db", cwd=loaded)

    assert "Did you mean mysql+pymysql://?" in ran.err
    assert "secret" not in ran.err


def test_every_choice_of_words_suggests_one() -> None:
    choices = [
        param.type
        for command in commands.commands.values()
        for param in command.params
        if isinstance(param.type, click.Choice)
    ]

    assert len(choices) >= 8
    assert [choice for choice in choices if not isinstance(choice, Choice)] == []
