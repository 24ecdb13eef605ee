"""Builds the inputs, runs every subject in every round, and prints and writes what came out."""

import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import click
from support.fixtures import unpacked
from support.servers import ServerError

from bench import subjects as s
from bench.inputs import SIZES, Inputs, build
from bench.mariadb import MariaDb
from bench.peers import cytominer
from bench.report import Results, Row
from bench.subjects import Subject, Subjects

# Inputs and what is made of them, for each batch of size 1x, in bytes.
_ROOM = 3e9
_PIECE = 1 << 24
_PACKAGES = ("cpexport", "adbc-driver-sqlite", "duckdb", "h5py", "pandas", "polars", "pyarrow")
_MEASURED = ("wall", "cpu", "memory")

ROOT = Path(__file__).parent.parent.parent
HOME = ROOT / "build" / "bench"


@click.command()
@click.option("--unit", type=click.IntRange(1, 42), required=True, help="Batches in size 1x.")
@click.option("--rounds", type=click.IntRange(1), required=True, help="Runs of each subject.")
@click.option("--peers", type=click.IntRange(1, 16), required=True, help="Size for slow peers.")
def main(unit: int, rounds: int, peers: int) -> None:
    """Measures cpexport, floors and peers, in turn, on the same input."""
    if peers not in SIZES:
        raise click.BadParameter(f"slow peers run on size 1, 4 or 16, not {peers}")
    HOME.mkdir(parents=True, exist_ok=True)
    out = HOME / "out"
    shutil.rmtree(out, ignore_errors=True)
    if not (HOME / f"unit-{unit}").exists() and shutil.disk_usage(HOME).free < _ROOM * unit:
        raise click.ClickException(f"build/bench needs {_ROOM * unit / 1e9:.0f} GB of disk")
    _say(f"inputs of {unit}, {4 * unit} and {16 * unit} batches in build/bench")
    inputs = build(HOME, unpacked("60_perf"), unit)
    out.mkdir()
    with ExitStack() as stack:
        subjects = _subjects(inputs, out, peers, stack)
        runs = _measured(subjects, rounds, out)
    shutil.rmtree(out)
    results = Results([_row(subject, *runs[i], inputs) for i, subject in enumerate(subjects)], unit)
    written = {
        "machine": {"cores": len(os.sched_getaffinity(0)), "system": platform.platform()},
        "versions": {name: version(name) for name in _PACKAGES},
        "python": platform.python_version(),
        "unit": unit,
        "rounds": rounds,
        "rows": [asdict(row) for row in results.rows],
        "bars": results.bars(),
    }
    (HOME / "results.json").write_text(json.dumps(written, indent=1))
    click.echo(results.table())
    click.echo()
    for line in results.bars():
        click.echo(line)


def _subjects(inputs: Inputs, out: Path, slow: int, stack: ExitStack) -> list[Subject]:
    made = Subjects(inputs, out)
    ours = list(made.cpexport())
    cytotable = ROOT / ".venv-clients" / "bin" / "python"
    words: list[str] = []
    why_not = ""
    _say(f"{s.CYTOMINER} in build/bench, with a Python of its own")
    try:
        words = cytominer(HOME / "cytominer")
    except FileNotFoundError as error:
        why_not = str(error)
    peers = made.peers(slow, cytotable, words, why_not)
    return [*ours, *_on_mariadb(made, out, stack), *made.floors(ours), *peers]


def _on_mariadb(made: Subjects, out: Path, stack: ExitStack) -> Iterator[Subject]:
    name = ".h5 to MariaDB"
    try:
        server = MariaDb(out / "tsv")
    except (ServerError, OSError) as error:
        yield Subject(s.CPEXPORT, name, 1, missing=str(error))
        return
    stack.callback(server.close)
    yield from made.on_mariadb(name, server)


Runs = tuple[list[dict[str, float]], str]


def _measured(subjects: list[Subject], rounds: int, out: Path) -> list[Runs]:
    """What each subject's runs took, or why there are none."""
    found: list[Runs] = [([], subject.missing) for subject in subjects]
    for number in range(rounds):
        for place, subject in enumerate(subjects):
            runs, missing = found[place]
            if missing or number >= subject.rounds:
                continue
            try:
                if subject.warm and number == 0:
                    _run(subject, out)
                runs.append(_run(subject, out))
            except _FailedError as error:
                found[place] = ([], str(error))
                _say(f"{subject.name} {subject.size}x: {error}")
            else:
                wall = runs[-1]["wall"]
                _say(f"round {number + 1} of {rounds}: {subject.name} {subject.size}x {wall:.2f} s")
    return found


class _FailedError(Exception):
    """The last line of what a command said."""


def _run(subject: Subject, out: Path) -> dict[str, float]:
    cache = out / "cache"
    if subject.fresh and subject.target:
        _remove(subject.target)
        # Nor is it remembered what its inputs hold.
        cache = out / "cache-of-none"
        _remove(cache)
    if subject.prepare:
        subject.prepare()
    for word in subject.command:
        _read(Path(word))
    # What was written before is not to be in the way of what is written now.
    os.sync()
    report, log = out / "report.json", out / "log"
    runner = [sys.executable, str(Path(__file__).with_name("runner.py")), str(report)]
    path = f"{ROOT}{os.pathsep}{ROOT / 'tests'}"
    before = subject.server_cpu() if subject.server_cpu else 0.0
    with log.open("w") as said:
        ran = subprocess.run(
            [*runner, *subject.command],
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            env={**os.environ, "PYTHONPATH": path, "XDG_CACHE_HOME": str(cache)},
            check=False,
        )
    # The runner itself fails if there is no such command.
    measured: dict[str, float] = {} if ran.returncode else json.loads(report.read_text())
    if measured.get("status") not in subject.statuses:
        raise _FailedError((log.read_text(errors="replace").splitlines() or ["it failed"])[-1])
    if subject.server_cpu:
        measured["cpu"] += subject.server_cpu() - before
    return measured


def _read(path: Path) -> None:
    """Has inputs in the page cache, if there is room: a disk is not to be measured."""
    if HOME not in path.parents:
        return
    for file in path.rglob("*") if path.is_dir() else [path]:
        if file.is_file():
            with file.open("rb", buffering=0) as stream:
                while stream.read(_PIECE):
                    pass


def _remove(target: Path) -> None:
    if target.is_dir():
        shutil.rmtree(target)
    else:
        target.unlink(missing_ok=True)


def _row(subject: Subject, runs: list[dict[str, float]], missing: str, inputs: Inputs) -> Row:
    fixed: dict[str, Any] = {"floors": subject.floors, "peers": subject.peers, "missing": missing}
    if not runs:
        return Row(subject.kind, subject.name, subject.size, **fixed)
    values = inputs.values * inputs.batches(subject.size) / 1e6 if subject.values else 0.0
    wall, cpu, memory = (statistics.median(run[k] for run in runs) for k in _MEASURED)
    numbers = (wall, cpu, memory, values)
    return Row(subject.kind, subject.name, subject.size, *numbers, rounds=len(runs), **fixed)


def _say(line: str) -> None:
    click.echo(line, err=True)


if __name__ == "__main__":
    main()
