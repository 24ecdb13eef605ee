"""Power cuts: what has not reached the disk is gone, and so is the process."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from support.power_cuts import Disk, NoDiskError

from faults.places import FILES, SCRIPTS
from faults.preload import Call, Preloaded
from faults.setup import CannotRunError, Row, Setup, Tried, spread
from faults.trials import Trials

_CALLS = Call.CHANGES | Call.OPEN


@contextmanager
def _cut(preloaded: Preloaded, disk: Disk, watched: tuple[Path, Path], nth: int) -> Iterator[None]:
    def act(process: int) -> None:
        disk.cut_power()
        os.kill(process, signal.SIGKILL)

    # What was there before the command is on the disk.
    subprocess.run(["sync", "--file-system", disk.folder], check=True)
    with preloaded.held(_CALLS, nth, watched, act):
        yield
    disk.unmount()
    disk.mount()


def _cuts(setup: Setup, place: str) -> Tried:
    """The power is cut at each call that changes the disk or opens a file, in the second load."""
    home = setup.new(f"power-{place}")
    home.mkdir()
    try:
        disk = Disk(home)
    except NoDiskError as error:
        raise CannotRunError(str(error)) from error
    try:
        preloaded, folder = setup.preloaded, disk.folder / "run"
        trials = Trials(setup.place(place, folder), setup.screen(folder), setup.environment)
        watched = (trials.place.folder, trials.scratch)
        for nth in spread(setup.calls(trials, _CALLS, *watched)):
            during = _cut(preloaded, disk, watched, nth)
            yield trials.attempt(f"power cut at call {nth}", during)
    finally:
        disk.close()


ROWS = (Row("power-cut", (*FILES, *SCRIPTS), _cuts),)
