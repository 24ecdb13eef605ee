"""Loads in separate processes, which tests kill, stop or run at the same time."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from support.fixtures import unpacked
from support.forks import Fork

# Outputs of the first 12 of 24 image sets. The newest have fewer features than the oldest.
_JOBS = {
    "10_ranges": ("batch_1_6", "batch_7_12"),
    "11_h5_and_csv": ("batch_1_6", "batch_7_12"),
    "13_groups": ("P1-A01", "P1-A02", "P1-A03"),
}
SCREEN_BATCHES = 7
SCREEN_IMAGE_SETS = 12
SCREEN_STATUS = 3
"""The exit status of a whole load of `screen()`: its batch file plans 12 image sets more."""


def screen() -> list[str]:
    """Arguments for several outputs of the same screen, where new ones replace old ones."""
    folders = [unpacked(case) / "outputs" / job for case, jobs in _JOBS.items() for job in jobs]
    batch_file = unpacked("11_h5_and_csv") / "Batch_data.h5"
    return [*map(str, folders), "--batch", str(batch_file), "--replace"]


class Background:
    """A command that runs beside the test, in its own group of processes."""

    def __init__(self, process: "subprocess.Popen[str] | Fork") -> None:
        self._process = process

    @property
    def group(self) -> int:
        """The process group of this command alone."""
        return self._process.pid

    def runs(self) -> bool:
        return self._process.poll() is None

    def send(self, number: signal.Signals) -> None:
        """Signals the process, unless it has ended, and waits for its end."""
        if self.runs():
            os.killpg(self.group, number)
        self.end()

    def kill(self) -> None:
        self.send(signal.SIGKILL)

    def end(self) -> tuple[int, str, str]:
        """Exit status, stdout and stderr."""
        out, err = self._process.communicate(timeout=120)
        assert self._process.returncode is not None
        return self._process.returncode, out, err

    def wait_until(self, condition: Callable[[], bool]) -> bool:
        """Waits until a condition holds; returns whether it did before the command ended."""
        while self.runs():
            if condition():
                return True
            time.sleep(0.0005)
        return False


class Load(Background):
    """One `cpexport load` of the screen as a process, with its own folder for temporary files."""

    def __init__(
        self,
        to: Path,
        words: list[str],
        *,
        before: tuple[str, ...] = (),
        more: tuple[str, ...] = (),
        kind: str = "sqlite:///",
    ) -> None:
        self.scratch = to.parent / "tmp"
        self.scratch.mkdir(exist_ok=True, parents=True)
        self.to = to
        environment = {**os.environ, "TMPDIR": str(self.scratch)}
        load = ["load", *words, "--to", f"{kind}{to}", "--format", "json", "--quiet", *more]
        if not before:
            super().__init__(Fork(load, Path.cwd(), environment))
            return
        super().__init__(
            subprocess.Popen(
                [*before, sys.executable, "-m", "cpexport", *load],
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                start_new_session=True,
            )
        )


class Loader(Background):
    """One `cpexport load` in its own process."""

    def __init__(self, url: str, *words: object) -> None:
        load = ["load", *words, "--to", url, "--format", "json"]
        super().__init__(Fork(load, Path.cwd(), os.environ))

    @property
    def ended(self) -> bool:
        return not self.runs()


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)
