"""How cost grows with the run: tiny batches, a thousand to a million, in each kind of destination.

`python -m bench.curves SIZES...` prints a table and whether it is as promised, and writes both to
`build/bench/curves.json`.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

import click
from support.servers import ServerError

from bench.mariadb import MariaDb
from bench.tiny import write_batches, write_run

ROOT = Path(__file__).parent.parent.parent
HOME = ROOT / "build" / "bench" / "curves"
CHECK, LOAD, NOTHING, ADD = "check", "load", "nothing new", "add one batch"
DRY, CHECK_TO = "load --dry-run", "check --to"
KINDS = ("sqlite", "parquet", "mariadb")


@dataclass(frozen=True)
class Point:
    """What one command took for a run of so many batches: seconds of CPU, and MB."""

    what: str
    kind: str
    batches: int
    wall: float
    cpu: float
    memory: float

    def line(self) -> str:
        each = 1000 * self.cpu / self.batches
        words = (self.what, self.kind, f"{self.batches:,}")
        numbers = (f"{self.wall:.1f}", f"{self.cpu:.2f}", f"{each:.3f}", f"{self.memory:.0f}")
        return "| " + " | ".join((*words, *numbers)) + " |"


@dataclass(frozen=True)
class _Bar:
    """That a measure of the larger of two sizes is at most so many times that of the smaller."""

    what: str
    measure: str
    smaller: int
    larger: int
    bound: float

    def line(self, points: Sequence[Point], kind: str) -> str:
        begin = f"{self.what}, {kind}, {self.measure} of {self.larger:,} by {self.smaller:,}:"
        found = {p.batches: p for p in points if (p.what, p.kind) == (self.what, kind)}
        if not {self.smaller, self.larger} <= found.keys():
            return f"{begin} not measured, bound {self.bound:g}"
        ratio = self._of(found[self.larger]) / self._of(found[self.smaller])
        met = "met" if ratio <= self.bound else "not met"
        return f"{begin} measured {ratio:.3g}, bound at most {self.bound:g}: {met}"

    def _of(self, point: Point) -> float:
        each = point.cpu / point.batches
        return {"CPU": point.cpu, "CPU a batch": each, "memory": point.memory}[self.measure]


_BARS = (
    _Bar(CHECK, "CPU", 10_000, 100_000, 11),
    _Bar(LOAD, "CPU a batch", 1_000, 100_000, 1.15),
    _Bar(LOAD, "memory", 1_000, 100_000, 1.2),
    _Bar(ADD, "CPU", 1_000, 100_000, 1.3),
)


@dataclass(frozen=True)
class _Limit:
    """That a measure of so many batches is at most this."""

    what: str
    measure: str
    batches: int
    bound: float

    def line(self, points: Sequence[Point], kind: str) -> str:
        begin = f"{self.what}, {kind}, {self.measure} of {self.batches:,}:"
        for point in points:
            if (point.what, point.kind, point.batches) == (self.what, kind, self.batches):
                value = {"s of CPU": point.cpu, "MB": point.memory}[self.measure]
                met = "met" if value <= self.bound else "not met"
                return f"{begin} measured {value:.3g}, bound at most {self.bound:g}: {met}"
        return f"{begin} not measured, bound {self.bound:g}"


_LIMITS = (
    _Limit(NOTHING, "s of CPU", 100_000, 5),
    *(_Limit(what, "MB", 1_000_000, 1000) for what in (CHECK, LOAD, NOTHING)),
)


@click.command()
@click.argument("sizes", nargs=-1, type=click.IntRange(1), required=True)
@click.option("--kind", "kinds", multiple=True, type=click.Choice(KINDS), default=KINDS)
def main(sizes: tuple[int, ...], kinds: tuple[str, ...]) -> None:
    """Measures commands on runs of so many batches, in turn."""
    shutil.rmtree(HOME, ignore_errors=True)
    points: list[Point] = []
    with ExitStack() as stack:
        urls = dict(_urls(kinds, stack))
        for size in sizes:
            click.echo(f"a run of {size:,} batches in build/bench/curves", err=True)
            home = HOME / str(size)
            write_run(home, size, size + 1)
            write_batches(home / "one", size + 1, size + 1)
            for point in _measured(home, size, urls):
                points.append(point)
                click.echo(point.line(), err=True)
            shutil.rmtree(home)
    # A million takes hours, and is usually not among the sizes.
    bars: list[_Bar | _Limit] = [*_BARS, *(one for one in _LIMITS if one.batches in sizes)]
    lines = [
        bar.line(points, kind)
        for bar in bars
        for kind in (("outputs",) if bar.what == CHECK else kinds)
    ]
    written = {"points": [asdict(point) for point in points], "bars": lines}
    (HOME.parent / "curves.json").write_text(json.dumps(written, indent=1))
    click.echo("| what | where | batches | wall s | CPU s | CPU ms a batch | memory MB |")
    click.echo("| --- | --- | --- | --- | --- | --- | --- |")
    for text in (*(point.line() for point in points), "", *lines):
        click.echo(text)


def _urls(kinds: Sequence[str], stack: ExitStack) -> Iterator[tuple[str, str]]:
    """The URL of each kind of destination; `{}` stands for the folder of the run."""
    for kind, url in (("sqlite", "sqlite:///{}/a.sqlite"), ("parquet", "parquet:{}/a")):
        if kind in kinds:
            yield kind, url
    if "mariadb" in kinds:
        try:
            server = MariaDb(HOME / "tsv")
        except (ServerError, OSError) as error:
            click.echo(f"mariadb: {error}", err=True)
            return
        stack.callback(server.close)
        server.fresh()
        yield "mariadb", server.url


def _measured(home: Path, size: int, urls: dict[str, str]) -> Iterator[Point]:
    outputs, plan = str(home / "outputs"), str(home / "Batch_data.h5")
    # The one image set without a batch is missing.
    yield _run(home, CHECK, "outputs", size, "check", outputs, "--batch", plan)
    for kind, url in urls.items():
        # Runs of all sizes share the server's database, each under a prefix of its own.
        to = ("--to", url.format(home), "--jobs", "1", "--prefix", f"n{size}_")
        shutil.rmtree(home / "cache", ignore_errors=True)
        yield _run(home, LOAD, kind, size, "load", outputs, *to)
        yield _run(home, NOTHING, kind, size, "load", outputs, *to)
        one = str(home / "one" / f"batch_{size + 1}")
        yield _run(home, ADD, kind, size, "load", one, *to, "--batch", plan)
        yield _run(home, DRY, kind, size, "load", outputs, *to, "--dry-run")
        there = ("--to", url.format(home), "--prefix", f"n{size}_")
        yield _run(home, CHECK_TO, kind, size, "check", *there, "--batch", plan)


def _run(home: Path, what: str, kind: str, size: int, *words: str) -> Point:
    report = home / "report.json"
    runner = [sys.executable, str(Path(__file__).with_name("runner.py")), str(report)]
    environment = {**os.environ, "XDG_CACHE_HOME": str(home / "cache")}
    command = [*runner, sys.executable, "-m", "cpexport", *words, "--quiet"]
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
    found = json.loads(report.read_text())
    if found["status"] not in (0, 3):
        raise click.ClickException(f"{what} of {size} batches failed: {' '.join(words)}")
    return Point(what, kind, size, found["wall"], found["cpu"], found["memory"])


if __name__ == "__main__":
    main()
