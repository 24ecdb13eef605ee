"""What processes of the command line import: the start of most commands is all that they take."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.fixtures import unpacked

HEAVY = {"numpy", "pyarrow.lib", "sqlalchemy", "pandas.core.api", "rich"}


def imported(*words: str | Path) -> set[str]:
    """The modules that a command and the processes that it starts import."""
    ran = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "cpexport", *words],
        capture_output=True,
        text=True,
        check=True,
    )
    lines = [line for line in ran.stderr.splitlines() if line.startswith("import time:")]
    return {line.rpartition("|")[2].strip() for line in lines}


def test_a_load_does_without_pandas_though_pyarrow_would_have_it(tmp_path: Path) -> None:
    outputs, to = unpacked("10_ranges") / "outputs", f"sqlite:///{tmp_path / 'x.sqlite'}"

    found = imported("load", outputs, "--to", to, "--jobs", "2", "--quiet")

    assert HEAVY & found == HEAVY - {"pandas.core.api"}


@pytest.mark.parametrize(
    ("words", "needed"),
    [
        (("--help",), set()),
        (("load", "--help"), set()),
        (("check",), {"numpy", "pyarrow.lib", "rich"}),
    ],
    ids=["help", "load-help", "check"],
)
def test_a_command_imports_no_more_than_it_needs(words: tuple[str, ...], needed: set[str]) -> None:
    outputs = [unpacked("11_h5_and_csv") / "outputs"] if words == ("check",) else []

    assert HEAVY & imported(*words, *outputs) == needed


def test_numpy_begins_no_threads_that_only_wait() -> None:
    words = "import os; from cpexport._startup import begin; begin(); import numpy; "
    words += "print(len(os.listdir('/proc/self/task')))"
    environment = {k: v for k, v in os.environ.items() if k != "OPENBLAS_NUM_THREADS"}

    ran = subprocess.run(
        [sys.executable, "-c", words], env=environment, capture_output=True, text=True, check=True
    )

    assert ran.stdout == "1\n"
