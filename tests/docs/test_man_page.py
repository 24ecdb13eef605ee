"""The man page has all that the help screens have, and comes with the package."""

import re
import shutil
import subprocess
import zipfile
from pathlib import Path

import click
import pytest
from support.help_screens import MAN_PAGE

from cpexport import __version__
from cpexport.cli.main import commands
from cpexport.cli.man_page import man_page
from cpexport.cli.screens import Command

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def shown() -> str:
    """What `man cpexport` shows, with single blanks."""
    if not shutil.which("groff"):
        pytest.skip("groff is not installed")
    words = ["groff", "-man", "-Tutf8", "-ww", "-rLL=100n", str(MAN_PAGE)]
    ran = subprocess.run(words, capture_output=True, text=True, check=True)
    assert ran.stderr == ""
    return " ".join(re.sub(r"\x1b\[[0-9;]*m|.\x08", "", ran.stdout).split())


def test_it_is_made_of_the_help_screens_of_today() -> None:
    """If they changed: `make man`."""
    assert MAN_PAGE.read_text("utf-8") == man_page(commands)


def test_it_has_every_command_option_and_example(shown: str) -> None:
    root = click.Context(commands, info_name="cpexport", **commands.context_settings)
    lost = []
    for name, command in commands.commands.items():
        assert isinstance(command, Command)
        context = click.Context(command, root, name)
        texts = [command.get_usage(context).removeprefix("Usage: "), *(command.help or "").split()]
        for group in command.groups(context):
            texts += [f"{group.title}:"]
            texts += [f"{names} {text}" for names, text in group.records]
        texts += [text for example in command.examples for text in example]
        lost += [text for text in texts if " ".join(text.replace("\b", "").split()) not in shown]

    assert lost == []


def test_it_begins_as_man_and_apropos_read_it(shown: str) -> None:
    assert shown.startswith("CPEXPORT(1) User Commands CPEXPORT(1) NAME cpexport - Plan and check")
    assert f"cpexport {__version__}" in shown[-60:]


def test_the_wheel_has_it_where_man_looks(tmp_path: Path) -> None:
    wheel = pytest.importorskip("hatchling.builders.wheel", reason="hatchling is not installed")
    (made,) = wheel.WheelBuilder(str(ROOT)).build(directory=str(tmp_path))

    with zipfile.ZipFile(made) as archive:
        name = f"cpexport-{__version__}.data/data/share/man/man1/cpexport.1"
        assert archive.read(name) == MAN_PAGE.read_bytes()
