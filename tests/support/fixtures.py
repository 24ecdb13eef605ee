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

from support import forks
from support.calls import load

# A busy machine is not a failure.
settings.register_profile("cpexport", settings(), deadline=None)
settings.load_profile("cpexport")

# The cache of evidence belongs to these tests, not to the user who runs them.
_CACHE = tempfile.TemporaryDirectory(prefix="cpexport-tests-")
os.environ["XDG_CACHE_HOME"] = _CACHE.name

# A shell makes its background processes ignore Ctrl-C, and all that this process starts would too.
signal.signal(signal.SIGINT, signal.default_int_handler)

# The most that one command may take, on a busy machine.
_SECONDS = 300.0

DATA = Path(__file__).parents[1] / "data"
_UNPACKED = DATA / ".unpacked"


def extract(archive: Path, folder: Path) -> None:
    """Unpacks one of our own archives; the first releases of Python 3.11 have no filters for it."""
    with tarfile.open(archive) as tar:
        tar.extraction_filter = getattr(tarfile, "data_filter", None)
        tar.extractall(folder)


def unpacked(name: str) -> Path:
    """Returns the folder of a case, unpacked at its first use and kept: nothing may write to it."""
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
            # Another test process was first.
            shutil.rmtree(fresh)
    (folder,) = home.iterdir()
    return folder


@pytest.fixture
def case() -> Callable[[str], Path]:
    """`case("12_failed")` is the folder of that case. Tests must not change it, but use `copy`."""
    return unpacked


@pytest.fixture
def copy(tmp_path: Path) -> Callable[..., Path]:
    """`copy("12_failed", "outputs/batch_1_4")` is a fresh copy that a test may change."""

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
    """The result of a command: its exit status, and what it printed."""

    def __init__(self, done: "subprocess.CompletedProcess[str]") -> None:
        self.status, self.out, self.err = done.returncode, done.stdout, done.stderr


@pytest.fixture(scope="session", autouse=True)
def forks_of_the_session() -> Iterator[None]:
    yield
    forks.close()


@pytest.fixture
def cpexport(tmp_path: Path) -> Callable[..., Ran]:
    """Runs `cpexport` as people do, as a process of its own, in an empty folder."""

    def run(*words: object, cwd: Path = tmp_path, env: dict[str, str] | None = None) -> Ran:
        texts, changed = [str(word) for word in words], env or {}
        environment = {**os.environ, **changed}
        if forks.serves(changed):
            return Ran(forks.run(texts, cwd, environment, _SECONDS))
        done = subprocess.run(
            [sys.executable, "-m", "cpexport", *texts],
            cwd=cwd,
            env=environment,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=_SECONDS,
            check=False,
        )
        return Ran(done)

    return run


def tables(database: Path) -> dict[str, list[str]]:
    """The tables of a SQLite file and their columns, without those of the ledger, and without
    `Experiment` and `Experiment_Properties`, which contain the name of the file."""
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as db:
        names = db.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '\\_%' "
            "ESCAPE '\\' AND name NOT LIKE 'sqlite%' AND name NOT LIKE 'Experiment%' ORDER BY name"
        ).fetchall()
        columns_by_table = {
            name: [row[1] for row in db.execute(f'PRAGMA table_info("{name}")')]
            for (name,) in names
        }
    db.close()
    return columns_by_table


def rows(database: Path, query: str) -> list[tuple[Any, ...]]:
    """Returns the rows of a query, using Python's own sqlite3."""
    db = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
    try:
        return db.execute(query).fetchall()
    finally:
        db.close()


def content(database: Path) -> dict[str, list[tuple[Any, ...]]]:
    """All rows of all data tables in order of key, and the image sets in the ledger.

    Databases with the same data have equal content, whatever the order of their batches and the
    name of the file, which only the tables of experiments contain.
    """
    content_by_table = {}
    for name, columns in tables(database).items():
        key = ", ".join(f'"{column}"' for column in columns[:5])
        wanted = ", ".join(f'"{column}"' for column in columns)
        content_by_table[name] = rows(database, f'SELECT {wanted} FROM "{name}" ORDER BY {key}')
    content_by_table["ledger"] = rows(
        database,
        "SELECT number, path, identity FROM _cpexport_sets JOIN _cpexport_batches "
        "USING (batch_id) ORDER BY number",
    )
    return content_by_table


@pytest.fixture(scope="session")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """`loaded(folder)` is the database loaded from a folder. It is made once, only to be read."""

    @functools.cache
    def make(outputs: Path, *, batch_file: Path | None = None, prefix: str = "") -> Path:
        database = tmp_path_factory.mktemp("loaded") / "loaded.sqlite"
        load([outputs], f"sqlite:///{database}", batch_file=batch_file, prefix=prefix)
        return database

    return make


def declared(database: Path, table: str) -> dict[str, str]:
    """The declared types of a table's columns, in order; `float` counts as REAL."""
    found = rows(database, f"SELECT name, upper(type) FROM pragma_table_info('{table}')")
    return {str(name): {"FLOAT": "REAL"}.get(str(type), str(type)) for name, type in found}


def columns(database: Path, table: str) -> dict[str, list[Any]]:
    """A table's columns, with rows in order of the first two columns, the key of object tables."""
    names = list(declared(database, table))
    found = rows(database, f'SELECT * FROM "{table}" ORDER BY 1, 2')
    return {name: [row[index] for row in found] for index, name in enumerate(names)}


def closeness(ours: Sequence[object], theirs: Sequence[object]) -> str:
    """How close two columns are: `equal`, at most `one ulp` apart, equal as `float32`, `different`.

    They are different if a value is missing in only one of them, or if a text differs.
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
    """Every file and folder below a folder, with a digest of each file: equal means untouched."""
    return {
        str(path.relative_to(folder)): sha256(path.read_bytes()).hexdigest()
        if path.is_file()
        else ""
        for path in sorted(folder.rglob("*"))
    }


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[int], Path]]:
    """`small_disk(500)` is an empty folder on its own disk of 500 KiB."""
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
    """Copies a folder into another one, without files whose names match a pattern."""
    ignore = shutil.ignore_patterns(without) if without else None
    return Path(shutil.copytree(folder, into / folder.name, ignore=ignore))


@dataclass
class Refusal:
    """The result of a load that must fail: its output, and the disk before and after it."""

    ran: Ran
    before: dict[str, str]
    after: dict[str, str]

    @property
    def line(self) -> str:
        """The single line on stderr; if there is not exactly one, a text that fails every test."""
        lines = self.ran.err.splitlines()
        return lines[0] if len(lines) == 1 else f"{len(lines)} LINES: {self.ran.err}"

    @property
    def changed(self) -> list[str]:
        """The files and folders that the load made, changed or removed."""
        names = self.before.keys() | self.after.keys()
        return sorted(n for n in names if self.before.get(n, "-") != self.after.get(n, "-"))


Refused = Callable[..., Refusal]


@pytest.fixture
def refused(cpexport: Callable[..., Ran], tmp_path: Path) -> Refused:
    """Loads as users do, into `to/screen.sqlite`, and records changes in the whole folder."""
    for name in ("to", "tmp"):
        (tmp_path / name).mkdir()

    def run(*words: object, to: str = "to/screen.sqlite") -> Refusal:
        before = traces(tmp_path)
        env = {"TMPDIR": str(tmp_path / "tmp")}
        ran = cpexport("load", *words, "--to", f"sqlite:///{to}", env=env)
        return Refusal(ran, before, traces(tmp_path))

    return run


def said_well(refusal: Refusal, file: object, *words: str) -> bool:
    """Asserts that the load failed with one line: the file, what is wrong, and what to do."""
    line = refusal.line
    assert refusal.ran.status == 1, (refusal.ran.status, refusal.ran.out, line)
    assert line.startswith("cpexport: "), line
    assert str(file) in line
    assert [word for word in words if word not in line] == [], line
    assert "; " in line, f"does not say what to do: {line}"
    assert refusal.ran.out == ""
    return True


def unchanged(refusal: Refusal) -> bool:
    """Asserts that the load changed nothing on disk."""
    assert refusal.changed == []
    return True


def rewritten(
    file: Path, object_name: str, feature: str, change: Callable[[list[Any]], Sequence[Any]]
) -> None:
    """Replaces the values of one feature of a measurement file, whatever their type."""
    with h5py.File(file, "r+") as opened:
        runs = opened["Measurements"]
        group = runs[sorted(runs)[-1]][object_name][feature]
        values = list(change(group["data"][()].tolist()))
        del group["data"]
        if values and isinstance(values[0], str | bytes):
            texts = [value.encode() if isinstance(value, str) else value for value in values]
            group.create_dataset("data", data=texts, dtype=h5py.special_dtype(vlen=bytes))
        else:
            group.create_dataset("data", data=np.array(values))


def replaced(file: Path, object_name: str, feature: str, values: Sequence[Any]) -> None:
    """Replaces values like `rewritten`, with values that do not depend on the old ones."""
    rewritten(file, object_name, feature, lambda _: values)


def values_of(database: Path) -> dict[str, dict[str, list[object]]]:
    """Every column of every data table, in order of key, and the relationships with their names.

    The order in which columns and kinds of relationships were loaded does not matter. The ledger
    and the tables of the run are left out.
    """
    values_by_table: dict[str, dict[str, list[object]]] = {}
    for name, columns in tables(database).items():
        if name.endswith(("Per_Relationships", "Per_RelationshipTypes", "Per_Experiment")):
            continue
        key = ", ".join(f'"{column}"' for column in columns[:2])
        wanted = sorted(columns)
        listed = ", ".join(f'"{column}"' for column in wanted)
        table = rows(database, f'SELECT {listed} FROM "{name}" ORDER BY {key}')
        values_by_table[name] = {c: [row[i] for row in table] for i, c in enumerate(wanted)}
    pairs = rows(database, "SELECT * FROM Per_RelationshipsView ORDER BY 1, 2, 3, 4, 5, 6, 7, 8")
    values_by_table["relationships"] = {"pairs": list(pairs)}
    return values_by_table


@contextmanager
def measurements(path: Path) -> Iterator[h5py.Group]:
    """Opens the last run in a measurement file for changes."""
    with h5py.File(path, "r+") as file:
        yield file["Measurements"][sorted(file["Measurements"])[-1]]
