"""Real CellProfiler outputs, unpacked once, and helpers that read results with plain drivers."""

import functools
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import settings

from cpexport.load import load

# A machine that is busy is not a failure.
settings.register_profile("cpexport", settings(), deadline=None)
settings.load_profile("cpexport")

# What is remembered of outputs is of these tests, and not of whoever runs them.
_CACHE = tempfile.TemporaryDirectory(prefix="cpexport-tests-")
os.environ["XDG_CACHE_HOME"] = _CACHE.name

# A shell has what it runs in the background ignore Ctrl-C, and so all that this starts.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Programs to run, not tests.
collect_ignore = ["bench", "days", "fuzz"]

DATA = Path(__file__).parent / "data"
_UNPACKED = DATA / ".unpacked"


def extract(archive: Path, folder: Path) -> None:
    """Unpacks an archive of ours; the first releases of Python 3.11 know no filters for it."""
    with tarfile.open(archive) as tar:
        tar.extraction_filter = getattr(tarfile, "data_filter", None)
        tar.extractall(folder)


def unpacked(name: str) -> Path:
    """The folder of one case, unpacked at its first use and kept: nothing may write into it."""
    archive = DATA / "cases" / f"{name}.tar.xz"
    stat = archive.stat()
    home = _UNPACKED / f"{name}-{stat.st_size}-{int(stat.st_mtime)}"
    if not home.exists():
        _UNPACKED.mkdir(exist_ok=True)
        fresh = Path(tempfile.mkdtemp(dir=_UNPACKED, prefix=".new-"))
        extract(archive, fresh)
        try:
            fresh.rename(home)
        except OSError:
            # Another worker was first.
            shutil.rmtree(fresh)
    (folder,) = home.iterdir()
    return folder


@pytest.fixture
def case() -> Callable[[str], Path]:
    """`case("12_failed")` is the folder of that case. Read-only by agreement: copy to change."""
    return unpacked


@pytest.fixture
def copy(tmp_path: Path) -> Callable[..., Path]:
    """`copy("12_failed", "outputs/batch_1_4")` is a fresh copy of it that a test may change."""

    def make(name: str, part: str = ".", to: str | None = None) -> Path:
        source = unpacked(name) / part
        target = tmp_path / (to or source.resolve().name)
        if source.is_dir():
            shutil.copytree(source, target, dirs_exist_ok=True)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)
        return target

    return make


class Ran:
    """What a command left: its exit status, and what it printed."""

    def __init__(self, done: "subprocess.CompletedProcess[str]") -> None:
        self.status, self.out, self.err = done.returncode, done.stdout, done.stderr


@pytest.fixture
def cpexport(tmp_path: Path) -> Callable[..., Ran]:
    """Runs `cpexport` as people do, as a process of its own, in an empty folder."""

    def run(*words: object, cwd: Path = tmp_path, env: dict[str, str] | None = None) -> Ran:
        command: Sequence[str] = [sys.executable, "-m", "cpexport", *map(str, words)]
        done = subprocess.run(
            command,
            cwd=cwd,
            env={**os.environ, **(env or {})},
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=300,
            check=False,
        )
        return Ran(done)

    return run


def tables(database: Path) -> dict[str, list[str]]:
    """The tables of a SQLite file with their columns, without the ledger's and `Experiment`,
    `Experiment_Properties`, which know the file's name."""
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as db:
        names = db.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '\\_%' "
            "ESCAPE '\\' AND name NOT LIKE 'sqlite%' AND name NOT LIKE 'Experiment%' ORDER BY name"
        ).fetchall()
        found = {
            name: [row[1] for row in db.execute(f'PRAGMA table_info("{name}")')]
            for (name,) in names
        }
    db.close()
    return found


def rows(database: Path, query: str) -> list[tuple[object, ...]]:
    """The rows of a query, by Python's own sqlite3."""
    db = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
    try:
        return db.execute(query).fetchall()
    finally:
        db.close()


def content(database: Path) -> dict[str, list[tuple[object, ...]]]:
    """All rows of all data tables in order of key, and what the ledger says of image sets.

    Two databases with equal content hold the same, whatever order their batches came in, and
    whatever name the file has, which only the tables of experiments say.
    """
    found = {}
    for name, columns in tables(database).items():
        key = ", ".join(f'"{column}"' for column in columns[:5])
        wanted = ", ".join(f'"{column}"' for column in columns)
        found[name] = rows(database, f'SELECT {wanted} FROM "{name}" ORDER BY {key}')
    found["ledger"] = rows(
        database,
        "SELECT number, path, identity FROM _cpexport_sets JOIN _cpexport_batches "
        "USING (batch_id) ORDER BY number",
    )
    return found


@pytest.fixture(scope="session")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """`loaded(folder)` is the database that it makes, made once: only to read."""

    @functools.cache
    def make(outputs: Path, *, batch_file: Path | None = None, prefix: str = "") -> Path:
        database = tmp_path_factory.mktemp("loaded") / "loaded.sqlite"
        load([outputs], f"sqlite:///{database}", batch_file=batch_file, prefix=prefix)
        return database

    return make


def declared(database: Path, table: str) -> dict[str, str]:
    """The types that a table's columns are declared with, in order; `float` is the same as REAL."""
    found = rows(database, f"SELECT name, upper(type) FROM pragma_table_info('{table}')")
    return {str(name): {"FLOAT": "REAL"}.get(str(type), str(type)) for name, type in found}


def columns(database: Path, table: str) -> dict[str, list[object]]:
    """A table's columns, rows in order of the first two, which are the key of objects' tables."""
    names = list(declared(database, table))
    found = rows(database, f'SELECT * FROM "{table}" ORDER BY 1, 2')
    return {name: [row[place] for row in found] for place, name in enumerate(names)}


def closeness(ours: Sequence[object], theirs: Sequence[object]) -> str:
    """How alike two columns are: `equal`, `one ulp` at most apart, equal as `float32`, `different`.

    They differ if one has a value where the other has none, or text that is not the same.
    """
    if list(ours) == list(theirs):
        return "equal"
    if [value is None for value in ours] != [value is None for value in theirs]:
        return "different"
    pairs = [pair for pair in zip(ours, theirs, strict=True) if None not in pair]
    if any(isinstance(value, str) for pair in pairs for value in pair):
        return "different"
    one, other = np.array(pairs, np.float64).T
    if (np.nextafter(one, other) == other).all():
        return "one ulp"
    return "float32" if (one.astype(np.float32) == other.astype(np.float32)).all() else "different"


def traces(folder: Path) -> dict[str, str]:
    """Every file and folder below, with a digest of what a file holds: equal means untouched."""
    return {
        str(path.relative_to(folder)): sha256(path.read_bytes()).hexdigest()
        if path.is_file()
        else ""
        for path in sorted(folder.rglob("*"))
    }


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[int], Path]]:
    """`small_disk(500)` is an empty folder on a disk of its own, of 500 KiB."""
    mounted: list[Path] = []

    def make(kibibytes: int) -> Path:
        folder = tmp_path / f"disk{len(mounted)}"
        folder.mkdir()
        words = ["mount", "-t", "tmpfs", "-o", f"size={kibibytes}k", "none", str(folder)]
        if os.getuid() != 0 or subprocess.run(words, capture_output=True, check=False).returncode:
            pytest.skip("a small disk can be mounted by root only, in a machine that allows it")
        mounted.append(folder)
        return folder

    yield make
    for folder in mounted:
        subprocess.run(["umount", str(folder)], check=True)


def copied(folder: Path, into: Path, without: str = "") -> Path:
    """A copy of a folder in another one, without the files whose names match a pattern."""
    ignore = shutil.ignore_patterns(without) if without else None
    return Path(shutil.copytree(folder, into / folder.name, ignore=ignore))


@dataclass
class Refusal:
    """What a load left: its exit status, what it said, and what of the disk it changed."""

    ran: Ran
    before: dict[str, str]
    after: dict[str, str]

    @property
    def line(self) -> str:
        """The one line on stderr, else whatever there was, marked so that no test takes it."""
        lines = self.ran.err.splitlines()
        return lines[0] if len(lines) == 1 else f"{len(lines)} LINES: {self.ran.err}"

    @property
    def changed(self) -> list[str]:
        """Files and folders made, changed or removed: the destination, outputs, temporary ones."""
        names = self.before.keys() | self.after.keys()
        return sorted(n for n in names if self.before.get(n, "-") != self.after.get(n, "-"))


Refused = Callable[..., Refusal]


@pytest.fixture
def refused(cpexport: Callable[..., Ran], tmp_path: Path) -> Refused:
    """Loads as people do, into `to/screen.sqlite`, and notes what became of the whole folder."""
    for name in ("to", "tmp"):
        (tmp_path / name).mkdir()

    def run(*words: object, to: str = "to/screen.sqlite") -> Refusal:
        before = traces(tmp_path)
        env = {"TMPDIR": str(tmp_path / "tmp")}
        ran = cpexport("load", *words, "--to", f"sqlite:///{to}", env=env)
        return Refusal(ran, before, traces(tmp_path))

    return run


def said_well(refusal: Refusal, file: object, *words: str) -> bool:
    """Whether the load failed with one line: the file, what is wrong, and what to do."""
    line = refusal.line
    assert refusal.ran.status == 1, (refusal.ran.status, refusal.ran.out, line)
    assert line.startswith("cpexport: "), line
    assert str(file) in line
    assert [word for word in words if word not in line] == [], line
    assert "; " in line, f"does not say what to do: {line}"
    assert refusal.ran.out == ""
    return True


def unchanged(refusal: Refusal) -> bool:
    assert refusal.changed == []
    return True


def rewritten(
    file: Path, object_name: str, feature: str, change: Callable[[list[Any]], Sequence[Any]]
) -> None:
    """Replaces the values of one feature of a measurement file, of whatever type they are."""
    with h5py.File(file, "r+") as opened:
        runs = opened["Measurements"]
        group = runs[sorted(runs)[-1]][object_name][feature]
        values = list(change(group["data"][()].tolist()))
        del group["data"]
        if values and isinstance(values[0], str | bytes):
            texts = [v.encode() if isinstance(v, str) else v for v in values]
            group.create_dataset("data", data=texts, dtype=h5py.special_dtype(vlen=bytes))
        else:
            group.create_dataset("data", data=np.array(values))


def values_of(database: Path) -> dict[str, dict[str, list[object]]]:
    """Every column of every data table, in order of key, relationships spelled out.

    The same whatever order columns and kinds of relationships came in; nothing of the ledger, nor
    of what is said of the run.
    """
    found: dict[str, dict[str, list[object]]] = {}
    for name, columns in tables(database).items():
        if name.endswith(("Per_Relationships", "Per_RelationshipTypes", "Per_Experiment")):
            continue
        key = ", ".join(f'"{column}"' for column in columns[:2])
        wanted = sorted(columns)
        listed = ", ".join(f'"{column}"' for column in wanted)
        table = rows(database, f'SELECT {listed} FROM "{name}" ORDER BY {key}')
        found[name] = {c: [row[i] for row in table] for i, c in enumerate(wanted)}
    pairs = rows(database, "SELECT * FROM Per_RelationshipsView ORDER BY 1, 2, 3, 4, 5, 6, 7, 8")
    found["relationships"] = {"pairs": list(pairs)}
    return found


@contextmanager
def measurements(path: Path) -> Iterator[h5py.Group]:
    """The last run in a measurement file, open for changes."""
    with h5py.File(path, "r+") as file:
        yield file["Measurements"][sorted(file["Measurements"])[-1]]
