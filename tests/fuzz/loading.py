"""Loads the outputs of a case step by step, and knows what must then be in its destination."""

import os
import random
from collections.abc import Iterator, Sequence
from pathlib import Path

from fuzz import viewing, wells
from fuzz.cases import SERVER, Case
from fuzz.commands import Commands, Ran
from fuzz.comparing import differences
from fuzz.complete import owners, standing
from fuzz.destinations import Destination, Duckdb, Parquet, Sqlite
from fuzz.expected import Expected, expected
from fuzz.mariadb import Account, Mariadb
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


class Loading:
    """A case's outputs, its destination, and what is to be in that.

    `load` lets the jobs of a step end, and loads what is there; `wrong` says what is not as it
    must be then. `home` is an empty folder.
    """

    def __init__(
        self, case: Case, home: Path, commands: Commands, account: Account | None = None
    ) -> None:
        self.case, self.home, self.commands = case, home, commands
        self.outputs = [Outputs(run, home) for run in case.runs]
        self.to = destination(case, home, account)
        self.rng = random.Random(case.seed)
        self.loaded: list[list[Job]] = [[] for _ in case.runs]
        self.brought: list[set[str]] = [set() for _ in case.runs]
        self.order: list[int] = []

    def must(self, order: Sequence[int] | None = None) -> dict[int, Expected]:
        """What there must be of each run, by its number; 0 for one that has none. Runs are numbered
        in `order`, by default as the loads brought them."""
        every = [
            expected(outputs.run, jobs, brought, self.case.shape)
            for outputs, jobs, brought in zip(self.outputs, self.loaded, self.brought, strict=True)
        ]
        if not self.case.numbered:
            return {0: every[0]}
        return {number: every[run] for number, run in enumerate(order or self.order, start=1)}

    @property
    def owned(self) -> list[frozenset[int]]:
        return [
            frozenset(n for job in jobs for n in standing(job, outputs.run).complete)
            for outputs, jobs in zip(self.outputs, self.loaded, strict=True)
        ]

    def arguments(self, jobs: Sequence[Sequence[Job]]) -> list[str]:
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

    def words(self, jobs: Sequence[Sequence[Job]]) -> list[str]:
        words = [*self.arguments(jobs), "--to", self.to.url]
        outputs = self.outputs[0]
        if outputs.batch_file and (outputs.named or self.case.one_by_one):
            words += ["--batch", str(outputs.batch_file)]
        return words + (["--prefix", self.case.prefix] if self.case.prefix else [])

    def load(self, step: int) -> None:
        """Lets some jobs end, and loads."""
        fresh: list[list[Job]] = []
        for outputs, steps, loaded in zip(self.outputs, self.case.steps, self.loaded, strict=True):
            mine = [outputs.run.jobs[place] for place in steps[step]] if step < len(steps) else []
            for job in mine:
                outputs.write(job)
            loaded += mine
            fresh.append(mine)
        for outputs, loaded, brought in zip(self.outputs, self.loaded, self.brought, strict=True):
            brought |= {job.name for job in owners(loaded, outputs.run).values()}
        # Runs are numbered as they come.
        self.order += [n for n, has in enumerate(self.owned) if has and n not in self.order]
        seen = fresh if self.case.one_by_one else self.loaded
        words = ["load", *self.words(seen), *self.case.options, "--format", "json", "--quiet"]
        words += ["--wells", ",".join(self.case.wells)] if self.case.wells else []
        if self.case.kill is not None and step == max(map(len, self.case.steps)) - 1:
            there = self.to.there()
            self.commands.killed(lambda: there or self.to.there(), self.case.kill, *words)
        self.judge("load", self.commands.run(*words), fresh)

    def judge(self, kind: str, ran: Ran, fresh: Sequence[Sequence[Job]]) -> None:
        """Whether a load said what there was to say."""
        seen = fresh if self.case.one_by_one else self.loaded
        complete = (
            standing(job, outputs.run).complete
            for outputs, jobs in zip(self.outputs, seen, strict=True)
            for job in jobs
        )
        if not any(complete):
            # Types that were asked for are no output's, or there is nothing to load.
            if ran.status not in (1, 2) or "Traceback" in ran.err:
                raise Fault(kind, f"nothing can be loaded, but status {ran.status}: {ran.err}")
            return
        missing, left_out = self.missing(seen)
        status = 3 if missing or left_out else 0
        if ran.status != status:
            raise Fault(kind, f"status {ran.status}, not {status}: {ran.out}{ran.err}")
        said = ran.json
        if sorted({n for a, b in said["missing"] for n in range(a, b + 1)}) != sorted(missing):
            raise Fault(kind, f"says {said['missing']} is missing, not {sorted(missing)}")
        paths = sorted(one["path"] for one in said["batches"]["left_out"])
        if not self.case.numbered and paths != sorted(left_out):
            raise Fault(kind, f"left out {paths}, not {sorted(left_out)}")

    def missing(self, looked_at: Sequence[Sequence[Job]]) -> tuple[set[int], list[str]]:
        """The image sets that a command has to miss which looks at these jobs, and the batches that
        it has to name."""
        missing: set[int] = set()
        left_out = []
        for outputs, loaded, seen, there in zip(
            self.outputs, self.loaded, looked_at, self.owned, strict=True
        ):
            run = outputs.run
            planned = {one.number for one in run.planned}
            known = [job for job in loaded if job in seen or standing(job, run).complete]
            held = by_numbers([standing(job, run).held for job in known])
            if there or not self.case.numbered:
                # A run of which nothing is there is named as a whole.
                missing |= (planned if run.batch_file != "none" else held) - there
            for job in seen:
                state = standing(job, run)
                whole = run.batch_file != "none" and planned <= there
                unknown = state.uncertain and not whole and outputs.left_anything(job)
                if state.held - there or unknown:
                    left_out.append(outputs.path(job))
        return missing, left_out

    def wrong(self) -> Iterator[str]:
        """What the destination holds otherwise than it must."""
        found, runs, prefix = self.to.found(), self.must(), self.case.prefix
        yield from differences(found, runs, self.to, prefix, self.case.longest or 64)
        yield from wells.differences(found, runs, self.to, prefix, self.case.wells)
        if self.case.shape.layout == "view":
            yield from viewing.differences(found, runs, prefix)


def by_numbers(batches: Sequence[frozenset[int]]) -> set[int]:
    """The image sets that there must be where no batch file tells: all up to the highest, from 1
    unless there is one batch alone."""
    known = {numbers for numbers in batches if numbers}
    if not known:
        return set()
    numbers = frozenset().union(*known)
    return set(range(1 if len(known) > 1 else min(numbers), max(numbers) + 1))
