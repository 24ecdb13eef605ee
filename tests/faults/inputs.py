"""Outputs that change while they are read, clocks that jump, and many commands at once."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from support.forks import Fork

from faults.places import FILES, NAMES, SERVERS
from faults.preload import Call
from faults.setup import Row, Setup, Tried, spread
from faults.trials import Attempt, Trials

_READS = Call.READ | Call.OPEN
_YEAR = 365 * 24 * 3600
# By an hour, to years before all files, and to some in which 32 bits do not hold the time.
JUMPS = (-3600, 12 * _YEAR, -25 * _YEAR, -3 * 24 * 3600, 90 * _YEAR)
_SECONDS = 300


def _halve(file: Path) -> None:
    os.truncate(file, file.stat().st_size // 2)


def _spoil(file: Path) -> None:
    with file.open("r+b") as opened:
        opened.write(b"\xff\x00" * 64)


def _pipe(file: Path) -> None:
    file.unlink()
    os.mkfifo(file)


def _folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


CHANGES: dict[str, Callable[[Path], None]] = {
    "truncated": _halve,
    "spoiled": _spoil,
    "deleted": Path.unlink,
    "pipe": _pipe,
    "folder": _folder,
}
# Of outputs that neither replace others nor are replaced: those would be loaded in their stead.
_FILES = ("batch_5_6/Cells.csv", "batch_5_6/Image.csv", "batch_3_4/batch.h5")


@contextmanager
def _restored(file: Path) -> Iterator[None]:
    """Puts a file back in the end, with its times."""
    kept = file.parent.parent.parent / "kept-input"
    shutil.copy2(file, kept)
    try:
        yield
    finally:
        if file.is_dir():
            file.rmdir()
        file.unlink(missing_ok=True)
        shutil.copy2(kept, file)


@contextmanager
def _changed(
    setup: Setup, trials: Trials, nth: int, file: Path, change: Callable[[Path], None]
) -> Iterator[None]:
    def act(_: int) -> None:
        change(file)

    with _restored(file), setup.preloaded.held(_READS, nth, [trials.outputs], act):
        yield


def _while_read(change: str, setup: Setup, place: str) -> Tried:
    """A file changes when the n-th read of any output is about to happen."""
    trials = setup.trials(place, fresh=True)
    count = setup.calls(trials, _READS, trials.outputs)
    for nth in spread(count):
        file = _FILES[nth % len(_FILES)]
        during = _changed(setup, trials, nth, trials.outputs / file, CHANGES[change])
        yield trials.attempt(f"{file} is {change} at read {nth}", during, may_crash=True)


def _clock(setup: Setup, place: str) -> Tried:
    """The clock of the machine jumps, and jumps back before the command runs again."""
    for seconds in JUMPS:
        for trials in (setup.trials(place), setup.trials(place, fresh=True)):
            yield trials.attempt(f"the clock jumps by {seconds} s", setup.preloaded.clock(seconds))


def _at_once(setup: Setup, place: str) -> Tried:
    """Two loads, check, verify and a dry run at once, over and over."""
    both = (setup.trials(place), setup.trials(place, fresh=True))
    number = 0
    while True:
        number += 1
        trials = both[number % 2]
        trials.begin()
        yield _round(trials, number)


def _round(trials: Trials, number: int) -> Attempt:
    load = [*trials.place.words(trials.outputs), "--quiet"]
    to = load[-3:-1]
    read = [["verify", str(trials.outputs), *to, "--quiet"], ["check", str(trials.outputs), *to]]
    commands = [load, load, *read, [*load, "--dry-run"]]
    forks = [Fork(words, trials.scratch.parent, trials.environment) for words in commands]
    wrong = []
    for words, fork in zip(commands, forks, strict=True):
        try:
            _, err = fork.communicate(_SECONDS)
        except subprocess.TimeoutExpired:
            fork.kill()
            wrong.append(f"{words[0]} does not end within {_SECONDS} s")
            continue
        if fork.returncode not in (0, 3) and (words is load or len(err.splitlines()) != 1):
            wrong.append(f"{words[0]}: status {fork.returncode}: {err.strip()[-400:]}")
    return Attempt(f"round {number}", 0, "", (*wrong, *trials.judged()))


ROWS = (
    *(Row(f"input-{name}", NAMES, partial(_while_read, name)) for name in CHANGES),
    Row("clock", NAMES, _clock),
    Row("soak", (*FILES, *SERVERS), _at_once, weight=10),
)
