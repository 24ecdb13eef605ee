"""What the documents show is what happens: every command of the README, every query in sql/."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import extract, rows

ROOT = Path(__file__).parent.parent
_BLOCK = re.compile(r"^```console\n(.*?)^```", re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the example unpacked, as the demo has it."""
    folder = tmp_path_factory.mktemp("readme")
    extract(ROOT / "examples" / "screen.tar.xz", folder)
    return folder


def examples() -> list[tuple[str, str]]:
    """Commands of the README with the output shown below each, in order."""
    found = []
    for block in _BLOCK.findall((ROOT / "README.md").read_text()):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, output = part.partition("\n")
            found.append((command, output))
    return found


def run(command: str, cwd: Path) -> "subprocess.CompletedProcess[str]":
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    return subprocess.run(
        shlex.split(command), cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )


def test_every_command_of_the_readme_prints_what_it_shows(home: Path) -> None:
    shown = examples()
    printed = [(command, run(command, home).stdout) for command, _ in shown]

    assert len(shown) >= 8
    assert printed == shown


def test_every_option_of_the_commands_is_in_the_readme(home: Path) -> None:
    readme = (ROOT / "README.md").read_text()
    options = set()
    for command in ("load", "check"):
        options |= set(re.findall(r"(--[a-z-]+)", run(f"cpexport {command} --help", home).stdout))

    assert {option for option in options if option not in readme} == {"--help"}


def test_every_query_runs_and_finds_something(home: Path) -> None:
    database = home / "queries.sqlite"
    run(f"cpexport load screen/outputs --to sqlite:///{database}", home)
    text = (ROOT / "sql" / "queries.sqlite.sql").read_text()
    queries = [query for query in text.split(";") if "SELECT" in query]
    counts = [len(rows(database, query)) for query in queries]
    # Every batch of the example that brought anything brought all of it.
    nothing = ["image_sets <> complete" in query for query in queries]

    assert len(queries) == 7
    assert [count == 0 for count in counts] == nothing
