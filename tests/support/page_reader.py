"""Does what a page of the documents says, as its reader would, in a folder of its own."""

import contextlib
import io
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from support import forks
from support.fixtures import extract
from support.pages import Block, Example, Page, console, examples, refreshed

ROOT = Path(__file__).parents[2]
# The folder in which a reader works, as pages show it.
FOLDER = "/data/screen"

_SECONDS = 120.0
_SHELL = re.compile(r"[|&;<>$*?()`~#\n{]")
_JOBS = re.compile(r"^jobs? (?:\d+ to \d+ are array job )?(\d+)", re.MULTILINE)
# What a page shows where a command is to fail.
_WAITS = re.compile(r"cpexport: waiting for ")
_FAILS = re.compile(r'^(cpexport|Error): |^Different:$|^  "error": ', re.MULTILINE)
_MARK = "<end of what was shown before>"


@dataclass
class Reader:
    """Runs the blocks of a page in `home`.

    `places` are texts of the page and what stands for them here, such as the URL of a server.
    `wait` gets the ids of jobs that a command has submitted.
    """

    home: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    places: Mapping[str, str] = field(default_factory=dict)
    wait: Callable[[list[str]], object] = lambda ids: None
    names: dict[str, Any] = field(default_factory=dict)
    r_code: str = ""
    r_outputs: dict[int, str] = field(default_factory=dict)
    status: int = 0

    def prepare(self) -> None:
        """Lays the files of `examples` into the folder, with the screen unpacked."""
        for archive in ("screen.tar.xz", "rerun.tar.xz"):
            (self.home / archive).symlink_to(ROOT / "examples" / archive)
        extract(self.home / "screen.tar.xz", self.home)
        # What shells, R and Python call is as fast as it would be in a shell of one's own.
        forks.program(self._programs)

    def does(self, page: Page, needs: frozenset[str]) -> list[tuple[Block, str]]:
        """Runs the blocks of a page that need no more than this.

        Returns the blocks that are not true, each with the text that would be. What a block
        prints is only compared if the page shows it.

        Raises:
            AssertionError: a block that shows no output fails, or an output has no block.
        """
        found: list[tuple[Block, str]] = []
        output: str | None = None
        skipped = False
        for block in page.blocks:
            text = block.text
            if block.language == "text" and not block.title:
                assert skipped or output is not None, f"nothing prints this:\n{text}"
                text = text if output is None else refreshed(text, output)
                output = None
            elif skipped := not block.needs <= needs:
                output = None
            elif block.title:
                text, output = self._file(block), None
            elif block.runs:
                text, output = self._run(block, page)
            if text != block.text:
                found.append((block, text))
        return found

    def _run(self, block: Block, page: Page) -> tuple[str, str | None]:
        if block.language == "console":
            return console([self._example(e) for e in examples(block)]), None
        if block.language == "sh":
            done = self._shell(block.text)
            assert done.returncode in (0, 3), f"{block.text}\n{done.stdout}"
            return block.text, None
        printed = self._python(block.text) if block.language == "python" else self._r(block, page)
        return block.text, self._shown(printed)

    def _example(self, example: Example) -> Example:
        if example.command == "echo $?":
            # Each command has a shell of its own.
            return Example(example.command, f"{self.status}\n")
        words = [] if _SHELL.search(example.command) else shlex.split(self._real(example.command))
        if words[:1] == ["cpexport"]:
            done = forks.run(words[1:], self.home, self._environment(), _SECONDS, merged=True)
        else:
            done = self._shell(example.command)
        self.status = done.returncode
        if done.returncode not in (0, 3):
            assert _FAILS.search(example.output), f"{example.command} fails: {done.stdout}"
        if ids := _JOBS.findall(done.stdout):
            self.wait(ids)
        return Example(example.command, refreshed(example.output, self._shown(done.stdout)))

    def _shell(self, command: str) -> "subprocess.CompletedProcess[str]":
        if command.startswith("sqlite3 ") and shutil.which("sqlite3") is None:
            pytest.skip("sqlite3 is not installed: make r, as root")
        return subprocess.run(
            ["bash", "-c", self._real(command)],
            cwd=self.home,
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_SECONDS,
            check=False,
        )

    def _python(self, code: str) -> str:
        printed, before = io.StringIO(), dict(os.environ)
        os.environ.update(self._environment())
        try:
            with contextlib.chdir(self.home), contextlib.redirect_stdout(printed):
                exec(compile(self._real(code), "<page>", "exec"), self.names)
        finally:
            os.environ.clear()
            os.environ.update(before)
        return printed.getvalue()

    def _r(self, block: Block, page: Page) -> str:
        """The output of a block of R; it and the next ones are run by one session."""
        if block.start not in self.r_outputs:
            blocks = _session(block, page)
            script = self.home / ".page.R"
            codes = [self.r_code, *(self._real(block.text) for block in blocks)]
            script.write_text(f"\ncat('{_MARK}\\n')\n".join(codes), "utf-8")
            done = self._shell(f"Rscript --vanilla {script.name}")
            assert done.returncode == 0, done.stdout
            # A session ends with its script, so the next one runs these blocks once more.
            self.r_code = "\n".join(codes)
            outputs = done.stdout.split(f"{_MARK}\n")[-len(blocks) :]
            self.r_outputs |= dict(zip((b.start for b in blocks), outputs, strict=True))
        return self.r_outputs[block.start]

    def _file(self, block: Block) -> str:
        """Writes a block with a title to its file; returns what the file contains."""
        assert block.title is not None
        path = self.home / block.title.removeprefix("~/")
        if block.shown:
            return refreshed(block.text, self._shown(path.read_text("utf-8")))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self._real(block.text), "utf-8")
        return block.text

    def _environment(self) -> dict[str, str]:
        usual = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        path = f"{self._programs}:{self.environment.get('PATH', usual)}"
        own = {"HOME": str(self.home), "LC_ALL": "C.UTF-8", "MPLBACKEND": "agg"}
        # A report is as wide as its terminal: that of most readers has 80 columns, but pages have
        # room for a few more.
        own |= {"XDG_CACHE_HOME": str(self.home / ".cache"), "COLUMNS": "100"}
        return {**os.environ, **own, **self.environment, "PATH": path}

    @property
    def _programs(self) -> Path:
        return self.home.with_name("programs")

    def _real(self, text: str) -> str:
        for shown, real in {**self.places, FOLDER: str(self.home)}.items():
            text = text.replace(shown, real)
        return text

    def _shown(self, text: str) -> str:
        for shown, real in {**self.places, FOLDER: str(self.home)}.items():
            text = text.replace(real, shown)
        # Lines of a page have no blanks at their ends, and all have an end. On a busy machine,
        # commands also say what they wait for.
        lines = (line.rstrip() for line in text.splitlines() if not _WAITS.match(line))
        return "".join(f"{line}\n" for line in lines)


def _session(first: Block, page: Page) -> list[Block]:
    """A block of R and those after it, up to one of another language that is run or written."""
    blocks = []
    for block in page.blocks:
        if block.start >= first.start:
            if (block.runs or block.title) and block.language != "r":
                break
            blocks += [block] if block.language == "r" else []
    return blocks


def has_r() -> bool:
    """Whether R is there, with the packages that pages load."""
    if shutil.which("Rscript") is None:
        return False
    code = 'q(status = !all(sapply(c("DBI", "RSQLite", "jsonlite"), requireNamespace)))'
    words = ["Rscript", "--vanilla", "-e", code]
    return subprocess.run(words, capture_output=True, check=False).returncode == 0
