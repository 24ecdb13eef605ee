"""Jobs of a batch file that run at the same time, some of which are killed."""

import os
import signal
import subprocess
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from real import program
from screens import Screen

_SECONDS = 600
_KILL_AT = "module IdentifySecondaryObjects"


@dataclass(frozen=True)
class Job:
    """A job that has ended: its exit status (negative if a signal ended it), its output folder and
    what it logged."""

    status: int
    folder: Path
    log: str

    @property
    def done(self) -> str:
        """What its done file says; empty without one."""
        file = self.folder / "done.txt"
        return file.read_text("utf-8").strip() if file.exists() else ""

    @property
    def files(self) -> list[str]:
        """The names of the files in its output folder."""
        return sorted(path.name for path in self.folder.iterdir() if path.is_file())


def command(
    screen: Screen, selection: Sequence[object], folder: Path, temporary: Path, plugins: Path
) -> list[str]:
    """The command line of one job."""
    options = ["-o", folder, "-t", temporary, "-d", folder / "done.txt"]
    words = ["-p", screen.batch_file, *selection, *options, "--plugins-directory", plugins]
    return [*program(), "-c", "-r", *(str(word) for word in words)]


def run_jobs(
    screen: Screen,
    home: Path,
    ranges: Sequence[tuple[int, int]],
    plugins: Path,
    *,
    killed: Collection[int] = (),
    folders: Mapping[int, Path] | None = None,
    temporary: Path | None = None,
) -> dict[int, Job]:
    """Runs a job for each range of image sets, all at once; returns them by first image set.

    The `killed` ones are killed in the middle of their first image set. `folders` are output
    folders that are not below `home`; `temporary` is a folder for temporary files that all share.
    """
    home.mkdir(parents=True, exist_ok=True)
    running = {}
    for first, last in ranges:
        folder = (folders or {}).get(first, home / f"batch_{first}_{last}")
        folder.mkdir(parents=True, exist_ok=True)
        selection = ["-f", first, "-l", last]
        words = command(screen, selection, folder, temporary or folder / "tmp", plugins)
        log = home / f"{first}.log"
        with log.open("w") as stream:
            process = subprocess.Popen(
                words,
                cwd=home,
                env={**os.environ, "MPLBACKEND": "Agg"},
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
                start_new_session=True,
            )
        running[first] = (process, folder, log)
    waiting = set(killed)
    end = time.monotonic() + _SECONDS
    while any(process.poll() is None for process, _, _ in running.values()):
        for first in [*waiting]:
            process, _, log = running[first]
            if _KILL_AT in log.read_text("utf-8", "replace"):
                os.killpg(process.pid, signal.SIGKILL)
                waiting.discard(first)
        if time.monotonic() > end:
            for process, _, _ in running.values():
                os.killpg(process.pid, signal.SIGKILL)
            raise TimeoutError(home)
        time.sleep(0.05)
    return {
        first: Job(process.returncode, folder, log.read_text("utf-8", "replace"))
        for first, (process, folder, log) in running.items()
    }
