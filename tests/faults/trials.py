"""One fault after the other on one destination: what is wrong after each of them."""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from support import forks
from support.servers import PASSWORD

from faults.comparing import differences, settled, torn
from faults.places import Place, ScriptError
from faults.screens import Screen

Ran = subprocess.CompletedProcess[str]

# A fault may cost retries, but must not hang.
_SECONDS = 120
_HUNG = 1000
# Libraries in C end their process so if there is no memory: by a signal, or by that of the loader.
_CRASHES = (-signal.SIGSEGV, -signal.SIGABRT, -signal.SIGBUS, 127)
# The exit status of a command that a signal has ended, by that signal.
_ENDS = {signal.SIGTERM: (143, -signal.SIGTERM), signal.SIGINT: (130, -signal.SIGINT)}


@dataclass(frozen=True)
class Attempt:
    """A fault, how the command under it ended, and what was wrong then or later."""

    fault: str
    status: int
    said: str
    violations: tuple[str, ...]


class Trials:
    """Faults in a command that adds outputs to a place.

    If `fresh`, nothing is there before; else the first outputs of the screen are, and the command
    replaces some, adds others, and widens tables. `environment` is for all commands.
    """

    def __init__(
        self, place: Place, screen: Screen, environment: dict[str, str], *, fresh: bool = False
    ) -> None:
        self.place, self.outputs, self.lasting = place, screen.all, screen.lasting
        self.scratch = screen.all.parent / "scratch"
        self._limits: dict[str, int] = {}
        self.jobs = 1
        self._environment = {**os.environ, **environment, "TMPDIR": str(self.scratch)}
        if not fresh:
            self._clean()
            self._must(self.run(*screen.before))
        place.keep()
        self._before = place.tables()
        quiet = self.run()
        self._must(quiet)
        self._after, self._names = place.tables(), place.names()
        self._settled = settled(self._after)
        assert settled(self._before) != self._settled, "the command must change the place"

    def run(self, *outputs: Path) -> Ran:
        """Runs the command, with all outputs of the screen if no others are given."""
        words = [*self.place.words(*(outputs or (self.outputs,)))]
        words += ["--jobs", str(self.jobs), "--quiet"]
        try:
            home = self.scratch.parent
            return forks.run(words, home, self._environment, _SECONDS, limits=self._limits)
        except subprocess.TimeoutExpired:
            return subprocess.CompletedProcess(words, _HUNG, "", "")

    def attempt(
        self,
        fault: str,
        during: AbstractContextManager[object] | None = None,
        *,
        may_crash: bool = False,
    ) -> Attempt:
        """Puts the place back, runs the command while the fault is there, and judges what is left.

        Then the command runs twice more, without the fault. If it `may_crash`, a library may end it
        in its own way.
        """
        self.begin()
        with during or nullcontext():
            ran = self.run()
        crashed = may_crash and ran.returncode in _CRASHES
        ending = [] if crashed else self._ending(ran)
        wrong = [*ending, *self._left(ran), *self._again()]
        said = (ran.stderr.strip().splitlines() or [""])[-1]
        return Attempt(fault, ran.returncode, said[:300], tuple(wrong))

    @contextmanager
    def limited(self, **limits: int) -> Iterator[None]:
        """Limits what commands may use, as `forks.Fork`."""
        self._limits = limits
        try:
            yield
        finally:
            self._limits = {}

    def _clean(self) -> None:
        shutil.rmtree(self.scratch, ignore_errors=True)
        self.scratch.mkdir(parents=True)

    @property
    def environment(self) -> dict[str, str]:
        """That of the commands."""
        return self._environment

    def begin(self) -> None:
        """Puts the place back, with an empty folder for scratch files."""
        self._clean()
        self.place.put_back()

    def quiet(self, during: AbstractContextManager[object]) -> None:
        """Runs the command where nothing is wrong, for example to count what it does."""
        self.begin()
        with during:
            ran = self.run()
        self._must(ran)

    def judged(self) -> tuple[str, ...]:
        """What is wrong after commands that ran otherwise than by `attempt`, and with two more."""
        return tuple(self._again())

    def _must(self, ran: Ran) -> None:
        assert ran.returncode == 0, (ran.args, ran.returncode, ran.stdout, ran.stderr)

    def _ending(self, ran: Ran) -> Iterator[str]:
        """What is wrong with the exit status and the words of the command under the fault."""
        lines = ran.stderr.strip().splitlines()
        if PASSWORD in ran.stdout + ran.stderr:
            yield "a password is printed"
        if ran.returncode == _HUNG:
            yield f"the command does not end within {_SECONDS} s"
        elif ran.returncode == 3 and not lines:
            # A batch was left out. With --quiet there is a report only if others were loaded.
            return
        elif ran.returncode > 0 and (len(lines) != 1 or not lines[0].startswith("cpexport: ")):
            yield f"status {ran.returncode} without its line: {ran.stderr.strip()[-400:]}"
        elif ran.returncode not in (0, 1, *(s for both in _ENDS.values() for s in both), -9):
            yield f"status {ran.returncode}: {lines[-1:]}"

    def _left(self, ran: Ran) -> Iterator[str]:
        """What is wrong with the place after the fault."""
        try:
            tables = self.place.tables()
        except ScriptError as error:
            # A script that finds its files changed says so, and what it was for is written anew.
            if not error.stopped or not ran.returncode:
                yield f"after the fault the script that is there fails: {error}"
            return
        except Exception as error:
            yield f"after the fault it cannot be read: {type(error).__name__}: {error}"
            return
        partly = self.place.name == "parquet" and ran.returncode != 0
        for line in torn(tables, self._before, self._after, partly=partly)[:3]:
            yield f"after the fault: {line}"
        if ran.returncode == 0:
            for line in differences(settled(tables), self._settled)[:3]:
                yield f"status 0, and {line}"

    def _again(self) -> Iterator[str]:
        """What is wrong with the same command once more, and again."""
        second = self.run()
        if second.returncode or second.stderr:
            yield f"run again: status {second.returncode}: {second.stderr.strip()[-400:]}"
            return
        try:
            for line in differences(settled(self.place.tables()), self._settled)[:3]:
                yield f"run again: {line}"
        except ScriptError as error:
            yield f"run again: the script fails: {error}"
        if odd := self.place.names() ^ self._names:
            yield f"run again: files {sorted(odd)[:4]}"
        if left := sorted(path.name for path in self.scratch.iterdir() if not _is_probe(path)):
            yield f"run again: scratch files {left[:4]}"
        digest = self.place.digest()
        third = self.run()
        if third.returncode or third.stderr:
            yield f"third run: status {third.returncode}: {third.stderr.strip()[-400:]}"
        if self.place.digest() != digest:
            yield "the third run writes"


def _is_probe(path: Path) -> bool:
    """Whether a file is that with which Python's `tempfile` tries if it can write to a folder."""
    return path.is_file() and path.read_bytes() in (b"", b"blat")
