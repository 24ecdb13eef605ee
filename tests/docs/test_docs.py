"""What the documents show is what happens: every command of the README, every query in sql/."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from support.clusters import Slurm
from support.fixtures import extract, rows, unpacked
from support.servers import PASSWORD, USER, Database
from support.site import Site

ROOT = Path(__file__).parents[2]
_BLOCK = re.compile(r"^```console\n(.*?)^```", re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the example unpacked, as the demo has it."""
    folder = tmp_path_factory.mktemp("readme")
    extract(ROOT / "examples" / "screen.tar.xz", folder)
    return folder


def examples(on_slurm: bool) -> list[tuple[str, str]]:
    """Commands of the README with the output shown below each, in order: of its page about Slurm,
    or all others."""
    readme = (ROOT / "README.md").read_text()
    begin = readme.index("## Run a screen on Slurm")
    end = readme.index("\n## ", begin)
    text = readme[begin:end] if on_slurm else readme[:begin] + readme[end:]
    found = []
    for block in _BLOCK.findall(text):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, output = part.partition("\n")
            found.append((command, output))
    return found


def run(
    command: str, cwd: Path, environment: dict[str, str] | None = None
) -> "subprocess.CompletedProcess[str]":
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return subprocess.run(
        shlex.split(command),
        cwd=cwd,
        env=environment or {**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )


def test_every_command_of_the_readme_prints_what_it_shows(home: Path) -> None:
    shown = examples(on_slurm=False)
    printed = [(command, run(command, home).stdout) for command, _ in shown]

    assert len(shown) >= 8
    assert printed == shown


def test_the_commands_for_servers_load_into_one(database: Database, home: Path) -> None:
    """As they stand, but for where the server is and what the database is called there."""
    readme = (ROOT / "README.md").read_text()
    begin = readme.index("## MariaDB and MySQL")
    commands = re.findall("^cpexport .*$", readme[begin : readme.index("\n## ", begin)], re.M)
    server = database.server
    (home / "lab.cnf").write_text(
        f"[client]\nuser={USER}\npassword={PASSWORD}\nsocket={server.socket}\n"
    )
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "MYSQL_PWD": PASSWORD}
    printed = []
    for command in commands:
        there = f"mysql+pymysql://{USER}@127.0.0.1:{server.port}/{database.name}"
        command = command.replace("mysql+pymysql://loader@db.lab.org/screens", there)
        command = command.replace("mysql+pymysql:///screens", f"mysql+pymysql:///{database.name}")
        done = run(command, home, environment)
        printed.append(
            re.findall("[0-9]+ loaded, [0-9]+ already loaded", done.stdout + done.stderr)
        )

    assert printed == [["22 loaded, 0 already loaded"], ["0 loaded, 22 already loaded"]]
    assert database.rows("SELECT count(*) FROM Per_Image") == [(22,)]


def test_the_page_about_slurm_is_what_happens(slurm: Slurm, site: Site) -> None:
    """On a real Slurm, with jobs that fail as on that page."""
    (site.home / "Batch_data.h5").symlink_to(unpacked("10_ranges") / "Batch_data.h5")
    site.fail({"3-4": ["exit 7"], "9-10": ["Failure"]})
    environment = {**os.environ, **site.environment, **slurm.env}
    printed, shown = [], examples(on_slurm=True)
    for command, _ in shown:
        out = run(command, site.home, environment).stdout
        printed.append((command, without_ids(out)))
        if ids := re.findall(r"job (\d+)", out):
            slurm.wait(ids)

    assert len(shown) == 7
    assert printed == [(command, without_ids(output)) for command, output in shown]


def test_the_example_in_python_gives_a_frame(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (code,) = re.findall(r"^```python\n(.*?)^```", (ROOT / "README.md").read_text(), re.S | re.M)
    database = home / "frames.sqlite"
    run(f"cpexport load screen/outputs --to sqlite:///{database}", home)
    names: dict[str, pd.DataFrame] = {}
    monkeypatch.chdir(home)
    exec(code.replace("screen.sqlite", database.name), names)

    of = "FROM Per_Cells WHERE ImageNumber <= 10 GROUP BY ImageNumber"
    query = f"SELECT avg(Cells_AreaShape_Area) {of}"
    means = names["cells"].groupby("ImageNumber")["Cells_AreaShape_Area"].mean()
    assert means.tolist() == pytest.approx([mean for (mean,) in rows(database, query)])


def without_ids(output: str) -> str:
    return re.sub(r"job \d+", "job N", output)


def test_every_difference_names_tests_that_there_are() -> None:
    text = (ROOT / "docs" / "differences.md").read_text("utf-8")
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    differences = [row for row in lines if "---" not in row and "proved by" not in row]
    named = re.findall(r"`(test_\w+)::(test_\w+)`", text)

    assert len(differences) > 15
    assert [row for row in differences if "::test_" not in row] == []
    for file, name in named:
        (path,) = (ROOT / "tests").glob(f"*/{file}.py")
        assert f"def {name}(" in path.read_text("utf-8"), name


def test_what_the_page_about_jobs_quotes_is_what_the_program_says() -> None:
    page = (ROOT / "docs" / "jobs.md").read_text()
    quoted = [row.split(" | ")[0].lstrip("| ") for row in re.findall(r"^\| .*", page, re.MULTILINE)]
    phrases = [q for q in quoted if " says" not in q and not q.startswith("---")]
    sources = sorted((ROOT / "cpexport").rglob("*.py")) + sorted((ROOT / "cpexport").rglob("*.sh"))
    # As it is printed: without the ends of strings and lines in between.
    said = " ".join(re.sub(r'"\s*\\?\s*f?"', "", source.read_text()) for source in sources)
    # Slurm's own reason.
    theirs = {"PartitionTimeLimit"}

    assert len(phrases) > 20
    for phrase in set(phrases) - theirs:
        for words in re.split(r" ?… ?| 127$| 9$", phrase):
            assert words in said, phrase


def test_every_option_of_the_commands_is_in_the_readme(home: Path) -> None:
    readme = (ROOT / "README.md").read_text()
    options = set()
    for command in ("load", "check", "plan", "verify", "script", "properties", "runner"):
        options |= set(re.findall(r"(--[a-z-]+)", run(f"cpexport {command} --help", home).stdout))

    assert {option for option in options if option not in readme} == {"--help"}
