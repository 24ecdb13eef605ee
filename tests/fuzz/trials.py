"""One case from its outputs to the last comparison; raises `Fault` at the first difference."""

import os
import random
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import pandas as pd

import cpexport
from fuzz import wells
from fuzz.cases import SERVER, Case
from fuzz.changing import Change, changes
from fuzz.commands import Commands, Ran
from fuzz.comparing import differences
from fuzz.complete import standing
from fuzz.destinations import (
    Account,
    Destination,
    Duckdb,
    Mariadb,
    Parquet,
    Sqlite,
)
from fuzz.expected import Expected, expected
from fuzz.model import Job
from fuzz.outputs import Outputs


class Fault(AssertionError):  # noqa: N818
    """Something is not as it must be; `kind` says in which of the trials it was found."""

    def __init__(self, kind: str, what: object) -> None:
        super().__init__(f"{kind}: {what}")
        self.kind = kind


def destination(case: Case, home: Path, account: Account | None) -> Destination:
    """A case's destination, which is not there yet."""
    kind = case.destination
    if kind == SERVER and account is not None:
        return Mariadb(account, f"fuzz_{case.seed}_{os.getpid()}")
    if kind == "sqlite":
        return Sqlite(home / "screen.sqlite")
    if kind == "duckdb":
        return Duckdb(home / "screen.duckdb")
    return Parquet(home / "screen parquet")


class Trial:
    """One case in an empty folder.

    `run` is all of it; it raises `Fault`.
    """

    def __init__(
        self, case: Case, home: Path, commands: Commands, account: Account | None = None
    ) -> None:
        self.case, self.home, self.commands = case, home, commands
        self.outputs = [Outputs(run, home) for run in case.runs]
        self.to = destination(case, home, account)
        self.rng = random.Random(case.seed)
        self.loaded: list[list[Job]] = [[] for _ in case.runs]

    def run(self) -> None:
        steps = max(len(steps) for steps in self.case.steps)
        for step in range(steps):
            self._load(step)
        if not any(self._owned):
            return
        self._compare()
        if "again" in self.case.trials:
            self._again()
        if "verify" in self.case.trials:
            self._verify()
        if "check" in self.case.trials:
            self._check()
        if "read" in self.case.trials:
            self._read()
        if "script" in self.case.trials:
            self._script()
        if "damage" in self.case.trials:
            self._damage()

    # What is expected.

    def _expected(self) -> dict[int, Expected]:
        every = [
            expected(outputs.run, jobs, self.case.shape)
            for outputs, jobs in zip(self.outputs, self.loaded, strict=True)
        ]
        if not self.case.numbered:
            return {0: every[0]}
        # Runs are numbered as they come; all are named in one load.
        there = [one for one in every if one.owned]
        return dict(enumerate(there, start=1))

    @property
    def _owned(self) -> list[frozenset[int]]:
        return [
            frozenset(n for job in jobs for n in standing(job, outputs.run).complete)
            for outputs, jobs in zip(self.outputs, self.loaded, strict=True)
        ]

    # What is done.

    def _arguments(self, jobs: Sequence[Sequence[Job]]) -> list[str]:
        if self.case.numbered:
            return [
                f"{outputs.run.name}={outputs.folder}"
                for outputs, mine in zip(self.outputs, jobs, strict=True)
                if mine
            ]
        outputs = self.outputs[0]
        if not self.case.one_by_one:
            return [str(outputs.folder)]
        return [str(outputs.folder_of(job)) for job in jobs[0]]

    def _words(self, jobs: Sequence[Sequence[Job]]) -> list[str]:
        words = [*self._arguments(jobs), "--to", self.to.url]
        outputs = self.outputs[0]
        if outputs.batch_file and (outputs.named or self.case.one_by_one):
            words += ["--batch", str(outputs.batch_file)]
        return words + (["--prefix", self.case.prefix] if self.case.prefix else [])

    def _load(self, step: int) -> None:
        """Lets some jobs end, and loads."""
        fresh: list[list[Job]] = []
        for outputs, steps, loaded in zip(self.outputs, self.case.steps, self.loaded, strict=True):
            mine = [outputs.run.jobs[place] for place in steps[step]] if step < len(steps) else []
            for job in mine:
                outputs.write(job)
            loaded += mine
            fresh.append(mine)
        seen = fresh if self.case.one_by_one else self.loaded
        words = ["load", *self._words(seen), *self.case.options, "--format", "json", "--quiet"]
        words += ["--wells", ",".join(self.case.wells)] if self.case.wells else []
        if self.case.kill is not None and step == max(map(len, self.case.steps)) - 1:
            there = self.to.there()
            self.commands.killed(lambda: there or self.to.there(), self.case.kill, *words)
        self._judge("load", self.commands.run(*words), fresh)

    def _judge(self, kind: str, ran: Ran, fresh: Sequence[Sequence[Job]]) -> None:
        """Whether a load said what there was to say."""
        seen = fresh if self.case.one_by_one else self.loaded
        complete = (
            standing(job, outputs.run).complete
            for outputs, jobs in zip(self.outputs, seen, strict=True)
            for job in jobs
        )
        if not any(complete):
            if ran.status != 1 or "Traceback" in ran.err:
                raise Fault(kind, f"nothing can be loaded, but status {ran.status}: {ran.err}")
            return
        missing, left_out = self._missing(fresh)
        status = 3 if missing or left_out else 0
        if ran.status != status:
            raise Fault(kind, f"status {ran.status}, not {status}: {ran.out}{ran.err}")
        said = ran.json
        if sorted({n for a, b in said["missing"] for n in range(a, b + 1)}) != sorted(missing):
            raise Fault(kind, f"says {said['missing']} is missing, not {sorted(missing)}")
        paths = sorted(one["path"] for one in said["batches"]["left_out"])
        if not self.case.numbered and paths != sorted(left_out):
            raise Fault(kind, f"left out {paths}, not {sorted(left_out)}")

    def _missing(self, fresh: Sequence[Sequence[Job]]) -> tuple[set[int], list[str]]:
        """The image sets that a load has to miss, and the batches it has to name."""
        missing: set[int] = set()
        left_out = []
        for outputs, loaded, mine, there in zip(
            self.outputs, self.loaded, fresh, self._owned, strict=True
        ):
            run, seen = outputs.run, mine if self.case.one_by_one else loaded
            planned = {one.number for one in run.planned}
            held = {n for job in seen for n in standing(job, run).held}
            if there or not self.case.numbered:
                # A run of which nothing is there is named as a whole.
                missing |= (planned if run.batch_file != "none" else held) - there
            for job in seen:
                state = standing(job, run)
                whole = run.batch_file != "none" and planned <= there
                if state.held - there or (not state.held and not whole):
                    left_out.append(outputs.path(job))
        return missing, left_out

    def wrong(self) -> Iterator[str]:
        """What the destination holds otherwise than it must."""
        found, runs, prefix = self.to.found(), self._expected(), self.case.prefix
        yield from differences(found, runs, self.to, prefix, self.case.longest or 64)
        yield from wells.differences(found, runs, self.to, prefix, self.case.wells)

    def _compare(self) -> None:
        if first := list(islice(self.wrong(), 8)):
            raise Fault("content", "\n  ".join(first))

    def _again(self) -> None:
        """The same load once more, which has nothing to do."""
        before = self.to.digest()
        words = ["load", *self._words(self.loaded), "--format", "json", "--quiet"]
        ran = self.commands.run(*words, *self.case.options)
        self._judge("again", ran, self.loaded)
        if ran.json["batches"]["loaded"] or ran.json["rows"]:
            raise Fault("again", f"loaded something: {ran.out}")
        if self.to.digest() != before:
            raise Fault("again", "the destination is not as it was")

    def _verified(self) -> Ran:
        """`verify` of all that is there; of runs, of those that have something there."""
        there = [
            jobs if owned else [] for jobs, owned in zip(self.loaded, self._owned, strict=True)
        ]
        return self.commands.run("verify", *self._words(there), "--format", "json", "--quiet")

    def _verify(self) -> None:
        ran = self._verified()
        if ran.status != 0:
            raise Fault("verify", f"status {ran.status}: {ran.out}{ran.err}")

    def _check(self) -> None:
        """`check` says what is there of a plan, and what not."""
        for outputs, loaded in zip(self.outputs, self.loaded, strict=True):
            run = outputs.run
            if outputs.batch_file is None or not loaded:
                continue
            words = ["check", outputs.folder, "--format", "json", "--quiet", *outputs.named]
            ran = self.commands.run(*words)
            states = {outputs.path(job): standing(job, run) for job in loaded}
            complete = [state.complete for state in states.values()]
            there = frozenset().union(*complete)
            planned = frozenset(one.number for one in run.planned)
            if ran.status != (3 if planned - there else 0):
                raise Fault("check", f"status {ran.status}: {ran.out}{ran.err}")
            said = ran.json
            twice = {n for n in there if sum(n in sets for sets in complete) > 1}
            must = {
                "planned": len(planned),
                "complete": len(there),
                "missing": sorted(planned - there),
                "unexpected": [],
                "duplicate": sorted(twice),
                "batches": {path: sorted(state.complete) for path, state in states.items()},
            }
            found = {
                **{name: said[name] for name in ("planned", "complete")},
                **{n: _numbers(said[n]) for n in ("missing", "unexpected", "duplicate")},
                "batches": {one["path"]: _parsed(one["complete"]) for one in said["batches"]},
            }
            for name, value in must.items():
                if found[name] != value:
                    raise Fault("check", f"{name} is {found[name]}, not {value}")

    def _read(self) -> None:
        """`cpexport.read` gives what a plain driver does."""
        found, prefix = self.to.found(), self.case.prefix
        for table in {column.table for column in found.columns if column.prefix == prefix}:
            content = found.tables[table]
            frame = cpexport.read(self.to.url, table, prefix=prefix)
            if sorted(frame.columns) != sorted(content.columns):
                raise Fault("read", f"{table}: columns {list(frame.columns)}")
            names = list(frame.columns)
            order = [content.columns.index(name) for name in names]
            must = sorted([row[place] for place in order] for row in content.rows)
            values = [frame[name].astype(object).tolist() for name in names]
            there = [[None if pd.isna(v) else v for v in row] for row in zip(*values, strict=True)]
            for row, other in zip(must, there, strict=True):
                if row != other:
                    raise Fault("read", f"{table}: {other}, not {row}")

    def _script(self) -> None:
        """A script for SQLite brings the same to a new file, and nothing twice."""
        if shutil.which("sqlite3") is None:
            return
        folder, file = self.home / "script", Sqlite(self.home / "imported.sqlite")
        words = [word for word in self._words(self.loaded) if word not in ("--to", self.to.url)]
        words = ["script", *words, *self.case.options, "--format", "json", "--quiet"]
        ran = self.commands.run(*words, "--out", str(folder), "--dialect", "sqlite")
        if ran.status not in (0, 3):
            raise Fault("script", f"status {ran.status}: {ran.out}{ran.err}")
        for _ in range(2):
            self.commands.said.append(f"cd {folder} && sqlite3 {file.path} < import.sql")
            with (folder / "import.sql").open() as stream:
                done = subprocess.run(
                    ["sqlite3", file.path],
                    cwd=folder,
                    stdin=stream,
                    capture_output=True,
                    text=True,
                    check=False,
                )
            if done.returncode or done.stderr:
                raise Fault("script", f"sqlite3 ends with {done.returncode}: {done.stderr}")
            longest = self.case.longest or 64
            wrong = differences(file.found(), self._expected(), file, self.case.prefix, longest)
            if first := list(islice(wrong, 8)):
                raise Fault("script", "\n  ".join(first))

    def changes(self) -> Iterator[Change]:
        """Values that can be changed, other values for them, and the keys of their rows."""
        return changes(self.to.found(), self.case, self.rng)

    def _damage(self) -> None:
        """One value changed, which `verify` has to name."""
        change = next(self.changes(), None)
        if change is None:
            return
        self.to.change(*change)
        table, column, value, where = change
        self.commands.said.append(f"# {table}.{column} = {value!r} where {where}")
        ran = self._verified()
        if ran.status != 1:
            raise Fault("damage", f"status {ran.status}: {ran.out}{ran.err}")
        named = {(one["table"], one["column"]) for one in ran.json["differences"]}
        if (table, column) not in named:
            raise Fault("damage", f"{table}.{column} not named: {ran.out}")
        # What is made of the other tables can differ then, too.
        made = ("Experiment_Properties", f"{self.case.prefix}Per_Well")
        others = {name for name, _ in named if not name.startswith((table, *made))}
        if others:
            raise Fault("damage", f"{sorted(others)} named, too: {ran.out}")


def _numbers(ranges: Sequence[Sequence[int]]) -> list[int]:
    return [number for first, last in ranges for number in range(first, last + 1)]


def _parsed(text: str) -> list[int]:
    parts = [part.partition("-") for part in text.split(",") if part]
    return [n for a, _, b in parts for n in range(int(a), int(b or a) + 1)]
