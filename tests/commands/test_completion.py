"""Tab completes commands, options and their values, in the shells themselves."""

import os
import pty
import re
import select
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import click
import pytest
from support import forks
from support.fixtures import Ran
from support.help_screens import SCREENS

from cpexport.cli.completers import destinations

Run = Callable[..., Ran]

_SHELLS = {
    "bash": ("bash", "--norc", "--noprofile", "-i"),
    "zsh": ("zsh", "-f", "-i"),
}
_PREPARED = {
    "bash": 'eval "$(cpexport completion bash)"',
    "zsh": 'autoload -U compinit; compinit -u -D; eval "$(cpexport completion zsh)"',
}
# What is typed before Tab, and the words that are then in the line.
_LINES = [
    ("cpexport lo", ["load"]),
    ("cpexport help ver", ["help", "verify"]),
    ("cpexport completion fi", ["completion", "fish"]),
    ("cpexport check --resub", ["check", "--resubmit"]),
    ("cpexport check --format arr", ["check", "--format", "array"]),
    ("cpexport check --scheduler sl", ["check", "--scheduler", "slurm"]),
    ("cpexport load --to sq", ["load", "--to", "sqlite:///"]),
    ("cpexport load --to my", ["load", "--to", "mysql+pymysql://"]),
    ("cpexport load --to scr", ["load", "--to", "screen.sqlite"]),
    ("cpexport load --to ./scr", ["load", "--to", "./screen.sqlite"]),
    ("cpexport load --objects Nuclei,comb", ["load", "--objects", "Nuclei,combined"]),
    ("cpexport load --aggregate mean,me", ["load", "--aggregate", "mean,median"]),
    ("cpexport load outp", ["load", "outputs"]),
]


@pytest.fixture
def environment(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    return made_in(tmp_path_factory.mktemp("shell"))


def made_in(folder: Path) -> Mapping[str, str]:
    """The environment of a shell in a home folder with `screen.sqlite` and `outputs`."""
    home, programs = folder / "home", folder / "programs"
    forks.program(programs)
    (home / "outputs").mkdir(parents=True)
    (home / "screen.sqlite").touch()
    path = f"{programs}:{os.environ['PATH']}"
    wide = {"TERM": "xterm", "COLUMNS": "200"}
    return {**os.environ, **wide, "HOME": str(home), "PATH": path}


def save(shell: str, environment: Mapping[str, str]) -> Path:
    """Saves the script in the place that the help screen names for the shell."""
    (place,) = re.findall(rf"^  {shell} +~/(.*)$", (SCREENS / "completion.txt").read_text(), re.M)
    file = Path(environment["HOME"], place)
    file.parent.mkdir(parents=True)
    words = [str(forks.python()), "-m", "cpexport", "completion", shell]
    file.write_text(subprocess.run(words, capture_output=True, text=True, check=True).stdout)
    return file


class Terminal:
    """A shell on a terminal of its own."""

    def __init__(self, shell: Sequence[str], environment: Mapping[str, str]) -> None:
        self._keys, side = pty.openpty()
        self._process = subprocess.Popen(
            shell,
            stdin=side,
            stdout=side,
            stderr=side,
            env=environment,
            cwd=environment["HOME"],
            start_new_session=True,
        )
        os.close(side)

    def type(self, keys: str) -> None:
        os.write(self._keys, keys.encode())

    def words(self) -> list[str]:
        """The words of the line that was typed."""
        # From the beginning of the line: the shell prints its words instead of running it.
        self.type("\x01printf '<%s>' \x05 END\r")
        seen, deadline = "", time.monotonic() + 60
        while not (found := re.findall(r"<[^%>]*>", seen)) or found[-1] != "<END>":
            assert time.monotonic() < deadline, seen
            if select.select([self._keys], [], [], 1)[0]:
                seen += os.read(self._keys, 4096).decode(errors="replace")
        return [word[1:-1] for word in found[:-1]]

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._keys)


@pytest.fixture(scope="module")
def terminal(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Terminal]:
    """A shell that has run what `cpexport completion` prints for it, and takes line after line."""
    name = request.param
    if not shutil.which(name):
        pytest.skip(f"{name} is not installed")
    made = Terminal(_SHELLS[name], made_in(tmp_path_factory.mktemp(name)))
    made.type(f"{_PREPARED[name]}\r")
    yield made
    made.close()


@pytest.mark.parametrize(("typed", "expected"), _LINES)
@pytest.mark.parametrize("terminal", _SHELLS, indirect=True)
def test_tab_completes_a_line(terminal: Terminal, typed: str, expected: list[str]) -> None:
    terminal.type(f"{typed}\t")

    # Of a folder, zsh takes the slash away again.
    found = [word.replace("outputs/", "outputs") for word in terminal.words()]
    assert found == ["cpexport", *expected]


@pytest.mark.parametrize("terminal", ["bash"], indirect=True)
def test_the_name_of_a_file_follows_the_beginning_of_a_url(terminal: Terminal) -> None:
    terminal.type("cpexport load --to sq\tnew.sqlite")

    assert terminal.words() == ["cpexport", "load", "--to", "sqlite:///new.sqlite"]


# click's function for fish cuts words at commas.
@pytest.mark.parametrize(("typed", "expected"), [line for line in _LINES if "," not in line[0]])
def test_fish_completes_a_line(
    environment: Mapping[str, str], typed: str, expected: list[str]
) -> None:
    if not shutil.which("fish"):
        pytest.skip("fish is not installed")
    script = f"cpexport completion fish | source; complete -C '{typed}'"
    ran = subprocess.run(
        ["fish", "--no-config", "-c", script],
        env=environment,
        cwd=environment["HOME"],
        capture_output=True,
        text=True,
        check=True,
    )

    (found,) = [line.partition("\t")[0] for line in ran.stdout.splitlines()]
    assert found.replace("outputs/", "outputs") == expected[-1]


def test_bash_finds_it_where_the_help_screen_says(environment: Mapping[str, str]) -> None:
    """bash-completion loads it when it is first needed."""
    package = Path("/usr/share/bash-completion/bash_completion")
    if not package.exists():
        pytest.skip("bash-completion is not installed")
    save("bash", environment)
    script = f". {package}; _completion_loader cpexport; "
    script += (
        "COMP_WORDS=(cpexport lo) COMP_CWORD=1; _cpexport_without_space cpexport lo cpexport; "
    )
    script += "echo ${COMPREPLY[@]}; complete -p cpexport"
    ran = subprocess.run(
        ["bash", "--norc", "-c", script],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )

    assert ran.stdout.splitlines() == [
        "load",
        "complete -o nosort -F _cpexport_without_space cpexport",
    ]


def test_zsh_finds_it_where_the_help_screen_says(environment: Mapping[str, str]) -> None:
    if not shutil.which("zsh"):
        pytest.skip("zsh is not installed")
    save("zsh", environment)
    terminal = Terminal(_SHELLS["zsh"], environment)
    terminal.type("fpath+=~/.zfunc; autoload -U compinit; compinit -u -D\r")
    terminal.type("cpexport lo\t")

    assert terminal.words() == ["cpexport", "load"]
    terminal.close()


def test_fish_finds_it_where_the_help_screen_says(environment: Mapping[str, str]) -> None:
    if not shutil.which("fish"):
        pytest.skip("fish is not installed")
    save("fish", environment)
    words = ["fish", "-c", "complete -C 'cpexport lo'"]
    unset = {name: value for name, value in environment.items() if name != "XDG_CONFIG_HOME"}
    ran = subprocess.run(words, env=unset, capture_output=True, text=True, check=True)

    assert ran.stdout.startswith("load\t")


@pytest.mark.parametrize("line", ["cpexport lod --", "cpexport load --no-such x --", "cpexport x"])
def test_a_line_that_is_wrong_gets_no_error(cpexport: Run, line: str) -> None:
    words = {"COMP_WORDS": line, "COMP_CWORD": str(line.count(" "))}
    ran = cpexport(env={"_CPEXPORT_COMPLETE": "bash_complete", **words})

    assert (ran.status, ran.err) == (0, "")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_script_says_whose_it_is_before_anything_else(cpexport: Run, shell: str) -> None:
    ran = cpexport("completion", shell)
    begin = {"bash": "_cpexport_completion() {", "zsh": "#compdef cpexport", "fish": "function"}

    assert (ran.status, ran.err) == (0, "")
    assert ran.out.startswith(begin[shell])


def test_all_object_layouts_and_statistics_are_in_the_help_text(cpexport: Run) -> None:
    from cpexport.tables.options import AGGREGATES, LAYOUTS

    shown = cpexport("help", "load").out

    assert [word for word in (*LAYOUTS, *AGGREGATES) if word not in shown] == []


def test_another_shell_is_answered_with_those_that_there_are(cpexport: Callable[..., Ran]) -> None:
    ran = cpexport("completion", "tcsh")

    assert ran.status == 2
    assert "'tcsh' is not one of 'bash', 'zsh', 'fish'" in ran.err


def test_a_name_that_means_something_to_a_shell_is_left_out(tmp_path: Path) -> None:
    """A shell would insert it as it is."""
    for name in ("scré.sqlite", "scr;ls", "scr$(ls)", "scr\nls", "scr`ls`", "scr ls", "scr'"):
        (tmp_path / name).touch()
    context, option = click.Context(click.Command("load")), click.Option(["--to"])

    found = [item.value for item in destinations(context, option, f"{tmp_path}/scr")]

    assert found == [f"{tmp_path}/scré.sqlite"]
