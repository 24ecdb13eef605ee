"""The help screens: as they were last read, complete, and with examples that run."""

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from support import forks
from support.fixtures import Ran, extract
from support.help_screens import SCREENS
from support.site import Site

from cpexport.cli.main import commands
from cpexport.cli.screens import OTHER, Command, Example, Option

Run = Callable[..., Ran]

ROOT = Path(__file__).parents[2]
NAMES = [*commands.commands]
_AT_80 = {"COLUMNS": "80"}


def text(name: str) -> str:
    """The screen of a command, or of the program, as it was last read."""
    return (SCREENS / f"{name}.txt").read_text("utf-8")


def entries(name: str) -> dict[str, str]:
    """The options on a screen, each with its help text in one line."""
    begun = re.split(r"^  (?=-)", text(name), flags=re.MULTILINE)[1:]
    shown = [entry.partition("\n\n")[0] for entry in begun]
    # Of the two names of a choice, `--indexes / --no-indexes`, the first one counts.
    names = (re.findall("--[a-z-]+", e.split("  ")[0].partition(" / ")[0])[-1] for e in shown)
    return dict(zip(names, (" ".join(e.split()) for e in shown), strict=True))


@pytest.mark.parametrize("name", NAMES)
def test_the_screen_of_a_command_is_as_it_was_read(name: str, cpexport: Run) -> None:
    """If it changed on purpose: `make man`, and read what `git diff tests/data/help` shows."""
    by_option = cpexport(name, "--help", env=_AT_80)
    by_command = cpexport("help", name, env=_AT_80)

    assert (by_option.status, by_option.out, by_option.err) == (0, text(name), "")
    assert (by_command.status, by_command.out, by_command.err) == (0, text(name), "")


def test_the_screen_of_the_program_is_as_it_was_read(cpexport: Run) -> None:
    """If it changed on purpose: `make man`, and read what `git diff tests/data/help` shows."""
    assert cpexport("--help", env=_AT_80).out == text("cpexport")
    assert cpexport("-h", env=_AT_80).out == text("cpexport")
    assert cpexport("help", env=_AT_80).out == text("cpexport")


def test_each_file_is_the_screen_of_a_command() -> None:
    assert {file.stem for file in SCREENS.iterdir()} == {"cpexport", *NAMES}


@pytest.mark.parametrize("name", ["cpexport", *NAMES])
def test_no_line_is_longer_than_80_columns(name: str) -> None:
    assert [line for line in text(name).splitlines() if len(line) > 80] == []


def test_no_summary_of_a_command_is_cut() -> None:
    listed = dict(re.findall(r"^  ([a-z]+) {2,}(.+)$", text("cpexport"), re.MULTILINE))

    assert listed.keys() >= {*NAMES}
    assert [summary for summary in listed.values() if "..." in summary] == []


@pytest.mark.parametrize("name", NAMES)
def test_every_option_has_a_help_text_and_a_group(name: str) -> None:
    options = [p for p in commands.commands[name].params if isinstance(p, Option)]
    alone = {"--grants", "--queries"}

    assert len(options) == sum(isinstance(p, click.Option) for p in commands.commands[name].params)
    assert [option.name for option in options if not option.help] == []
    assert {o.opts[-1] for o in options if o.group == OTHER} <= alone


@pytest.mark.parametrize("name", NAMES)
def test_a_screen_says_which_options_can_be_repeated_and_what_defaults_are(name: str) -> None:
    shown = entries(name)
    for option in commands.commands[name].params:
        if isinstance(option, click.Option):
            entry = shown[option.opts[-1]]
            default = option.default if isinstance(option.default, int | str) else None
            assert ("(repeatable)" in entry) == option.multiple, option.opts
            assert default in (None, False, "") or f"[default: {default}" in entry, option.opts


@pytest.mark.parametrize("name", ["load", "check", "verify", "plan", "properties"])
def test_a_url_has_its_forms_beside_it(name: str) -> None:
    whole = " ".join(text(name).split())

    assert "sqlite:///FILE" in whole
    assert "mysql+pymysql://USER@HOST/DB" in whole
    if name != "properties":
        assert "duckdb:///FILE, parquet:FOLDER, delta:FOLDER or" in whole


@pytest.mark.parametrize("name", ["cpexport", *NAMES])
def test_a_batch_is_explained_where_it_is_first_named(name: str) -> None:
    """To biologists a batch is of an experiment. A batch file and names of options are no batch."""
    words = " ".join(text(name).split())
    words = re.sub(
        r"--[a-z-]*batch|[Bb]atch file|[Bb]atch_data|run_batch|The word batch", "", words
    )
    explained = r"batches \(one job's output each\)|[Aa] batch is one job's output"
    first = re.search(r"[Bb]atch", words)

    assert first is None or re.search(rf".{{2}}(?:{explained})", words[first.start() - 4 :])


def examples() -> list[Example]:
    shown = [*commands.examples]
    for command in commands.commands.values():
        assert isinstance(command, Command)
        assert 2 <= len(command.examples) <= 3, command.name
        shown += command.examples
    return shown


@pytest.fixture(scope="module")
def screen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The real run of `examples/`, and `screen.sqlite` that holds it. Read-only by agreement."""
    home = tmp_path_factory.mktemp("screen")
    extract(ROOT / "examples" / "screen.tar.xz", home)
    for name in ("outputs", "Batch_data.h5"):
        (home / "screen" / name).rename(home / name)
    ran = forks.run(["load", "outputs", "--to", "screen.sqlite"], home, os.environ, 300)
    assert ran.returncode == 3, ran.stderr
    return home


@pytest.fixture
def home(screen: Path, site: Site) -> Path:
    """A folder as the examples assume: the real run of `examples/`, and two plates."""
    shutil.copytree(screen, site.home, dirs_exist_ok=True)
    for plate in ("P1", "P2"):
        (site.home / f"plate{plate[1]}").mkdir()
        source = site.home / "outputs" / f"{plate}-A01-1"
        (site.home / f"plate{plate[1]}" / "outputs").symlink_to(source)
    (site.home / "platemaps" / "platemap").mkdir(parents=True)
    maps = "Assay_Plate_Barcode,Plate_Map_Name\nP1,H1\n"
    (site.home / "platemaps" / "barcode_platemap.csv").write_text(maps)
    for layout in ("layout.csv", "platemaps/platemap/H1.csv"):
        (site.home / layout).write_text("Well,Compound\nA01,DMSO\n")
    return site.home


@pytest.mark.parametrize("example", examples(), ids=lambda example: example.command[:60])
def test_an_example_runs(example: Example, home: Path, site: Site) -> None:
    """In a shell, as it is shown. Image sets are missing in `examples/`, so 3 is right too."""
    if "screen.sqlite" not in example.command:
        (home / "screen.sqlite").unlink()
    needed = ["cpexport plan Batch_data.h5 --out run --format shell"]
    needed = needed if "check run" in example.command else []
    forks.program(home / "programs")
    path = f"{home / 'programs'}:{site.environment['PATH']}"
    environment = {**os.environ, **site.environment, "HOME": str(home), "PATH": path}
    results = [
        subprocess.run(
            ["bash", "-c", command],
            cwd=home,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        for command in (*needed, example.command)
    ]
    made = re.findall(r"(?:--out|--to|--resubmit|>) (\S+)", example.command)

    assert all(ran.returncode in (0, 3) for ran in results), results[-1].stderr
    assert made or results[-1].stdout or example.command.startswith("eval")
    for path in made:
        assert Path(home, path.removeprefix("parquet:").replace("~", str(home))).exists()
