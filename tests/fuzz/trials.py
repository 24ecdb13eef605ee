"""One case from its outputs to the last comparison, with all that is tried besides."""

import shutil
from collections.abc import Iterator, Sequence
from itertools import chain, islice

import pandas as pd

import cpexport
from fuzz.changing import Change, changes
from fuzz.commands import Ran
from fuzz.comparing import differences
from fuzz.complete import owners, standing
from fuzz.destinations import Sqlite
from fuzz.expected import Shape, expected
from fuzz.loading import Fault, Loading, by_numbers
from fuzz.mariadb import Mariadb
from fuzz.model import Job, Run

_OTHER = "Other_"


class Trial(Loading):
    """One case in an empty folder. `run` is all of it; it raises `Fault`."""

    def run(self) -> None:
        steps = max(len(steps) for steps in self.case.steps)
        for step in range(steps):
            self.load(step)
        if not any(self.owned):
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
        if "beside" in self.case.trials:
            self._beside()
        if "damage" in self.case.trials:
            self._damage()

    def _compare(self) -> None:
        if first := list(islice(self.wrong(), 8)):
            raise Fault("content", "\n  ".join(first))

    def changes(self) -> Iterator[Change]:
        """Values that can be changed, other values for them, and the keys of their rows."""
        return changes(self.to.found(), self.case, self.rng)

    def _again(self) -> None:
        """The same load once more, which has nothing to do."""
        before = self.to.digest()
        words = ["load", *self.words(self.loaded), "--format", "json", "--quiet"]
        ran = self.commands.run(*words, *self.case.options)
        self.judge("again", ran, self.loaded)
        if ran.json["batches"]["loaded"] or ran.json["rows"]:
            raise Fault("again", f"loaded something: {ran.out}")
        if self.to.digest() != before:
            raise Fault("again", "the destination is not as it was")

    def _there(self) -> list[Sequence[Job]]:
        """All jobs that were loaded; of runs, those of which something is there."""
        return [jobs if owned else [] for jobs, owned in zip(self.loaded, self.owned, strict=True)]

    def _verified(self) -> Ran:
        """`verify` of all that is there."""
        words = self.words(self._there())
        return self.commands.run("verify", *words, "--format", "json", "--quiet")

    def _verify(self) -> None:
        """`verify` finds all the same, and names what the load had to leave out or to miss."""
        ran = self._verified()
        missing, left_out = self.missing(self._there())
        if ran.status != (3 if missing or left_out else 0):
            raise Fault("verify", f"status {ran.status}: {ran.out}{ran.err}")
        paths = sorted(one["path"] for one in ran.json["batches"]["not_loaded"])
        if paths != sorted(left_out):
            raise Fault("verify", f"left out {paths}, not {sorted(left_out)}: {ran.out}")
        numbers = {
            n for one in ran.json["missing"] for a, b in one["image_sets"] for n in range(a, b + 1)
        }
        if numbers != missing:
            raise Fault("verify", f"says {sorted(numbers)} is missing, not {sorted(missing)}")

    def _check(self) -> None:
        """`check` says what is there of a plan, or by the numbers, and what not."""
        for outputs, loaded in zip(self.outputs, self.loaded, strict=True):
            run = outputs.run
            if not loaded or self._kept_apart(run, loaded):
                continue
            words = ["check", outputs.folder, "--format", "json", "--quiet", *outputs.named]
            ran = self.commands.run(*words)
            states = {outputs.path(job): standing(job, run) for job in loaded}
            complete = [state.complete for state in states.values()]
            there = frozenset[int]().union(*complete)
            planned = by_numbers([state.held for state in states.values()])
            if outputs.batch_file is not None:
                planned = {one.number for one in run.planned}
            unknown = any(state.uncertain for state in states.values()) and (
                outputs.batch_file is None
            )
            if ran.status != (3 if planned - there or unknown else 0):
                raise Fault("check", f"status {ran.status}: {ran.out}{ran.err}")
            said = ran.json
            twice = {n for n in there if sum(n in sets for sets in complete) > 1}
            must = {
                "planned": None if outputs.batch_file is None else len(planned),
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
                    raise Fault("check", f"{name} is {found[name]}, not {value}: {ran.out}")

    def _kept_apart(self, run: Run, loaded: Sequence[Job]) -> bool:
        """Whether `check` can name a table that a job has lost, though the load was asked for other
        object types: `check` is not."""
        gone = {job.damage.table for job in loaded if job.damage and job.damage.kind == "gone"}
        shape = self.case.shape
        return bool(gone & {*run.objects}) and not all(map(shape.keeps, run.objects))

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
        """A script brings the same to a new database, and nothing twice."""
        folder, file, dialect = (
            self.home / "script",
            Sqlite(self.home / "imported.sqlite"),
            "sqlite",
        )
        to: Sqlite | Mariadb = file
        if isinstance(self.to, Mariadb):
            to, dialect = self.to.another(), "mysql"
        elif shutil.which("sqlite3") is None:
            return
        words = [word for word in self.words(self.loaded) if word not in ("--to", self.to.url)]
        words = ["script", *words, *self.case.options, "--format", "json", "--quiet"]
        ran = self.commands.run(*words, "--out", str(folder), "--dialect", dialect)
        if ran.status not in (0, 3):
            raise Fault("script", f"status {ran.status}: {ran.out}{ran.err}")
        # A script brings all runs at once, so numbers them as they are named.
        must = self.must(sorted(self.order))
        for _ in range(2):
            self.commands.said.append(f"cd {folder} && import.sql into {to.url}")
            done = to.imported(folder)
            if done.returncode or done.stderr:
                raise Fault("script", f"the client ends with {done.returncode}: {done.stderr}")
            longest = self.case.longest or 64
            wrong = differences(to.found(), must, to, self.case.prefix, longest)
            if first := list(islice(wrong, 8)):
                raise Fault("script", "\n  ".join(first))
        to.clear()

    def _beside(self) -> None:
        """The same under another prefix, beside what is there, which stays as it is."""
        if self.case.numbered:
            return
        outputs, jobs = self.outputs[0], self.loaded[0]
        words = ["load", *self.arguments(self.loaded), "--to", self.to.url, "--quiet"]
        if outputs.batch_file and (outputs.named or self.case.one_by_one):
            words += ["--batch", str(outputs.batch_file)]
        ran = self.commands.run(*words, "--prefix", _OTHER)
        if ran.status not in (0, 3):
            raise Fault("beside", f"status {ran.status}: {ran.out}{ran.err}")
        brought = {job.name for job in owners(jobs, outputs.run).values()}
        other = {0: expected(outputs.run, jobs, brought, Shape())}
        wrong = differences(self.to.found(), other, self.to, _OTHER)
        if first := list(islice(chain(self.wrong(), wrong), 8)):
            raise Fault("beside", "\n  ".join(first))

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
