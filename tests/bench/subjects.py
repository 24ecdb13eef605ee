"""What is measured, in which sizes, beside which floors and peers."""

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bench.inputs import SIZES, Inputs
from bench.mariadb import MariaDb

CPEXPORT, FLOOR, PEER = "cpexport", "floor", "peer"

H5_SQLITE, CSV_SQLITE = ".h5 to SQLite", "CSV to SQLite"
CSV_PARQUET, CSV_COMBINED = "CSV to Parquet", "CSV to Parquet, --objects combined"
CHECK, AGAIN = "check, one core", "load with nothing new, one core"
PLANNED, HELP = "check of 100,000 planned image sets", "the help text"
CYTOMINER, PANDAS, CYTOTABLE, IMPORT = (
    "cytominer-database",
    "pandas",
    "CytoTable",
    "sqlite3 .import",
)

READ_H5, READ_CSV = "read .h5 (h5py, low level)", "read CSV (polars)"
WRITE_SQLITE, WRITE_PARQUET = "write SQLite (ADBC)", "write Parquet (pyarrow)"
WRITE_DUCKDB, WRITE_CSV = "write DuckDB (INSERT from Arrow)", "write CSV (polars)"
CONVERT_CSV, LOAD_DATA = "CSV to Parquet (polars)", "LOAD DATA (client of MariaDB)"

LARGEST = SIZES[-1]


@dataclass(frozen=True)
class Subject:
    """A command to measure. `target` is what it makes: removed before each run, if `fresh`.

    `floors` are those that add up to the least that it can cost, and `peers` do the same work; both
    of the same size. `rounds` is how often it is run at most; `warm`, that it is run once before.
    `statuses` are those that are no failure. `missing` says why it cannot be run.
    """

    kind: str
    name: str
    size: int
    command: Sequence[str] = ()
    target: Path | None = None
    fresh: bool = True
    floors: tuple[str, ...] = ()
    peers: tuple[str, ...] = ()
    rounds: int = sys.maxsize
    warm: bool = False
    statuses: tuple[int, ...] = (0,)
    missing: str = ""
    values: bool = True
    prepare: Callable[[], None] | None = None
    server_cpu: Callable[[], float] | None = None


@dataclass(frozen=True)
class Subjects:
    """All of them for some inputs, with results in `out`."""

    inputs: Inputs
    out: Path

    def cpexport(self) -> Iterator[Subject]:
        """cpexport's own."""
        peers = (CYTOMINER, PANDAS, IMPORT)
        for size in SIZES:
            yield self._load(H5_SQLITE, size, "sqlite", (READ_H5, WRITE_SQLITE))
            yield self._load(CSV_SQLITE, size, "sqlite", (READ_CSV, WRITE_SQLITE), peers)
            yield self._load(CSV_PARQUET, size, "parquet", (CONVERT_CSV,), (CYTOTABLE,))
            words = ("--objects", "combined")
            yield self._load(
                CSV_COMBINED, size, "parquet", (CONVERT_CSV,), (CYTOTABLE,), words=words
            )
        yield self._load(".h5 to Parquet", LARGEST, "parquet", (READ_H5, WRITE_PARQUET))
        yield self._load(".h5 to DuckDB", LARGEST, "duckdb", (READ_H5, WRITE_DUCKDB))
        yield self._script(4)
        for size in (1, LARGEST):
            yield self._again(size)
            command = _one_core(*_cpexport("check", str(self.inputs.h5(size)), "--quiet"))
            yield Subject(CPEXPORT, CHECK, size, command, warm=True, values=False)
        yield self._planned()
        yield Subject(CPEXPORT, HELP, 1, _cpexport("--help"), warm=True, values=False)

    def _load(
        self,
        name: str,
        size: int,
        kind: str,
        floors: tuple[str, ...],
        peers: tuple[str, ...] = (),
        *,
        words: tuple[str, ...] = (),
    ) -> Subject:
        inputs = self.inputs.h5 if name.startswith(".h5") else self.inputs.csv
        target = self._target(CPEXPORT, name, size, kind)
        url = f"parquet:{target}" if kind == "parquet" else f"{kind}:///{target}"
        command = _cpexport("load", str(inputs(size)), "--to", url, "--quiet", *words)
        return Subject(CPEXPORT, name, size, command, target, floors=floors, peers=peers)

    def _script(self, size: int) -> Subject:
        name = ".h5 to CSV files and script"
        target = self._target(CPEXPORT, name, size, "script")
        words = ("script", str(self.inputs.h5(size)), "--out", str(target), "--quiet")
        floors = (READ_H5, WRITE_CSV)
        return Subject(CPEXPORT, name, size, _cpexport(*words), target, floors=floors)

    def _again(self, size: int) -> Subject:
        loaded = self._target(CPEXPORT, H5_SQLITE, size, "sqlite")
        words = ("load", str(self.inputs.h5(size)), "--to", f"sqlite:///{loaded}", "--quiet")
        command = _one_core(*_cpexport(*words))
        return Subject(CPEXPORT, AGAIN, size, command, loaded, fresh=False, values=False)

    def _planned(self) -> Subject:
        words = ("check", str(self.inputs.h5(1)), "--batch", str(self.inputs.planned), "--quiet")
        # Most of what is planned is missing.
        return Subject(
            CPEXPORT, PLANNED, 1, _cpexport(*words), warm=True, statuses=(3,), values=False
        )

    def on_mariadb(self, name: str, server: MariaDb) -> Iterator[Subject]:
        """A load into a server, and what its own client needs for the same rows."""
        for size in (1, 4):
            command = _cpexport("load", str(self.inputs.h5(size)), "--to", server.url, "--quiet")
            importing = server.importing(self.inputs.ready, self.inputs.batches(size))
            for subject in (
                Subject(CPEXPORT, name, size, command, floors=(READ_H5, LOAD_DATA)),
                Subject(FLOOR, LOAD_DATA, size, importing),
            ):
                yield replace(subject, prepare=server.fresh, server_cpu=lambda: server.cpu)

    def floors(self, wanted: Iterable[Subject]) -> Iterator[Subject]:
        """Those that others name, each in the sizes that they need."""
        ready = str(self.inputs.ready)
        pairs = dict.fromkeys(
            (floor, subject.size) for subject in wanted for floor in subject.floors
        )
        for name, size in pairs:
            batches = str(self.inputs.batches(size))
            reading = {
                READ_H5: ("read-h5", str(self.inputs.h5(size))),
                READ_CSV: ("read-csv", str(self.inputs.tables(size))),
                CONVERT_CSV: ("convert-csv", str(self.inputs.tables(size))),
            }
            writing = {
                WRITE_SQLITE: ("write-sqlite", ready, batches),
                WRITE_PARQUET: ("write-parquet", ready, batches),
                WRITE_DUCKDB: ("write-duckdb", ready, batches),
                WRITE_CSV: ("write-csv", ready, batches),
            }
            target = None if name in (READ_H5, READ_CSV) else self._target(FLOOR, name, size, "out")
            words = (reading | writing).get(name)
            if words is not None:
                command = [sys.executable, "-m", "bench.floors", *words]
                yield Subject(
                    FLOOR, name, size, [*command, *([str(target)] if target else [])], target
                )

    def peers(
        self, slow: int, cytotable: Path, cytominer: Sequence[str], why_not: str
    ) -> Iterator[Subject]:
        """Slow ones on one size only, and once.

        `cytotable` is a Python that has it, `cytominer` the words of its ingest, else `why_not`.
        """
        for size in SIZES:
            yield self._peer(IMPORT, size, [sys.executable, "-m", "bench.peers", "sqlite-import"])
        yield self._peer(PANDAS, slow, [sys.executable, "-m", "bench.peers", "pandas"], rounds=1)
        command = [str(cytotable), "-m", "bench.peers", "cytotable"]
        missing = "" if cytotable.is_file() else "not installed: make clients does"
        yield self._peer(CYTOTABLE, slow, command, rounds=1, missing=missing)
        command = list(cytominer)
        url = "sqlite:///"
        yield self._peer(CYTOMINER, slow, command, url, rounds=1, missing=why_not)

    def _peer(
        self,
        name: str,
        size: int,
        command: list[str],
        url: str = "",
        rounds: int = sys.maxsize,
        missing: str = "",
    ) -> Subject:
        target = self._target(PEER, name, size, "out")
        words = [*command, str(self.inputs.tables(size)), f"{url}{target}"]
        return Subject(PEER, name, size, words, target, rounds=rounds, missing=missing)

    def _target(self, kind: str, name: str, size: int, suffix: str) -> Path:
        plain = "".join(letter if letter.isalnum() else "_" for letter in name)
        return self.out / f"{kind}_{plain}_{size}x.{suffix}"


def _cpexport(*words: str) -> list[str]:
    return [sys.executable, "-m", "cpexport", *words]


def _one_core(*command: str) -> list[str]:
    return ["taskset", "-c", str(min(os.sched_getaffinity(0))), *command]
