"""What it costs that jobs count from 1: tiny batches with their own numbers, and with those of one
run.

`python -m bench.own_numbers SIZES...` prints a table and whether it is as promised, and writes both
to `build/bench/own_numbers.json`.
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import click

from bench.tiny import write_batches

ROOT = Path(__file__).parent.parent.parent
HOME = ROOT / "build" / "bench" / "own_numbers"
LOAD, NOTHING, CHECK = "load", "nothing new", "check"
# How many times that of one numbering it may cost at most.
_BOUND = 1.3


@dataclass(frozen=True)
class Point:
    """Seconds of CPU, and MB, of one command on so many batches; `own`: that count from 1."""

    what: str
    batches: int
    own: bool
    cpu: float
    memory: float

    def line(self) -> str:
        kind = "from 1" if self.own else "one numbering"
        each = 1000 * self.cpu / self.batches
        words = (self.what, kind, f"{self.batches:,}")
        return " | ".join(
            ("|", *words, f"{self.cpu:.2f}", f"{each:.3f}", f"{self.memory:.0f}", "|")
        )


@click.command()
@click.argument("sizes", nargs=-1, type=click.IntRange(1), required=True)
@click.option("--rounds", type=click.IntRange(1), default=3, help="Runs of each command.")
@click.option("--home", type=click.Path(path_type=Path), default=HOME, help="Where trees lie.")
def main(sizes: tuple[int, ...], rounds: int, home: Path) -> None:
    """Measures commands on both kinds of trees, in turn."""
    shutil.rmtree(home, ignore_errors=True)
    points: list[Point] = []
    for size in sizes:
        for own in (False, True):
            write_batches(home / str(own) / "outputs", 1, size, own=own)
        measured = [
            point
            for _ in range(rounds)
            for own in (False, True)
            for point in _measured(home, size, own)
        ]
        points += _medians(measured)
        shutil.rmtree(home)
    bars = [line for size in sizes for line in _bars(points, size)]
    (ROOT / "build" / "bench").mkdir(parents=True, exist_ok=True)
    written = {"points": [asdict(point) for point in points], "bars": bars}
    (ROOT / "build" / "bench" / "own_numbers.json").write_text(json.dumps(written, indent=1))
    click.echo("| what | numbers | batches | CPU s | CPU ms a batch | memory MB |")
    click.echo("| --- | --- | --- | --- | --- | --- |")
    for text in (*(point.line() for point in points), "", *bars):
        click.echo(text)


def _measured(home: Path, size: int, own: bool) -> Iterator[Point]:
    outputs, target = home / str(own) / "outputs", home / "a.sqlite"
    target.unlink(missing_ok=True)
    cache = home / "cache"
    for what in (LOAD, NOTHING, CHECK):
        if what != NOTHING:
            # Nothing is remembered of the outputs.
            shutil.rmtree(cache, ignore_errors=True)
        load = ("load", "--to", f"sqlite:///{target}", "--jobs", "1")
        cpu, memory = _run(home, cache, *(("check",) if what == CHECK else load), str(outputs))
        yield Point(what, size, own, cpu, memory)


def _run(home: Path, cache: Path, *words: str) -> tuple[float, float]:
    report = home / "report.json"
    runner = [sys.executable, str(Path(__file__).with_name("runner.py")), str(report)]
    command = [*runner, sys.executable, "-m", "cpexport", *words, "--quiet"]
    environment = {**os.environ, "XDG_CACHE_HOME": str(cache)}
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
    found = json.loads(report.read_text())
    if found["status"] != 0:
        raise click.ClickException(f"failed: {' '.join(words)}")
    return found["cpu"], found["memory"]


def _medians(points: list[Point]) -> Iterator[Point]:
    for kind in dict.fromkeys((p.what, p.batches, p.own) for p in points):
        same = [p for p in points if (p.what, p.batches, p.own) == kind]
        cpu, memory = (statistics.median(getattr(p, n) for p in same) for n in ("cpu", "memory"))
        yield Point(*kind, cpu, memory)


def _bars(points: list[Point], size: int) -> Iterator[str]:
    found = {(p.what, p.own): p.cpu for p in points if p.batches == size}
    for what in (LOAD, NOTHING, CHECK):
        ratio = found[what, True] / found[what, False]
        met = "met" if ratio <= _BOUND else "not met"
        begin = f"{what} of {size:,} batches that count from 1, CPU by that of one numbering:"
        yield f"{begin} measured {ratio:.3g}, bound at most {_BOUND:g}: {met}"


if __name__ == "__main__":
    main()
