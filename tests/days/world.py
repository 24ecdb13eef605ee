"""What a day has: a disk, a cluster and runs on it, and the judging of whatever happens."""

import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from fuzz.commands import Commands, Ran
from support import forks

from days import truth
from days.cluster import Cluster
from days.disk import Disk
from days.truth import Case, Fault, Kept, Planned, Run

T = TypeVar("T")


class World:
    """`control` is a folder for what is played, `disk` the one that people and jobs write to."""

    def __init__(self, seed: int, control: Path, disk: Disk, cases: Sequence[Case], facts: Any):
        self.rng = random.Random(seed)
        self.disk, self.cases = disk, cases
        self.cluster = Cluster(control, facts)
        self.commands = Commands()
        self.runs: list[Run] = []
        self.names = 0
        self.mended: set[Run] = set()

    @contextmanager
    def environment(self) -> Iterator[None]:
        before, python = dict(os.environ), sys.executable
        # Plans name it, and their last jobs load by it.
        sys.executable = str(forks.python())
        os.environ.update(self.cluster.environment)
        os.environ["XDG_CACHE_HOME"] = str(self.cluster.home / "cache")
        try:
            yield
        finally:
            sys.executable = python
            os.environ.clear()
            os.environ.update(before)

    def judged(self, event: Callable[[], T], name: str = "") -> T:
        """What an event brings, and whether all that must be is so after it."""
        before = {run: Kept.of(run) for run in self.runs}
        for run in self.runs:
            run.complete()
        self.say(f"# {(name or event.__name__).replace('_', ' ')}")
        brought = event()
        for run, kept in before.items():
            kept.judge(run, mended=run in self.mended)
            run.complete()
        self.mended.clear()
        truth.judge_once(self.cluster, self.runs)
        truth.judge_live(self.cluster, self.runs)
        return brought

    def say(self, text: str) -> None:
        self.commands.said.append(text)

    def ran(self, *words: object) -> Ran:
        ran = self.commands.run(*words)
        if ran.status not in (0, 1, 3) or "Traceback" in ran.err:
            raise Fault(f"{ran.words[0]} ends with {ran.status}: {ran.err[-2000:]}")
        return ran

    def number(self) -> int:
        self.names += 1
        return self.names

    def some_plan(self) -> Planned:
        return self.rng.choice([plan for run in self.runs for plan in run.plans])

    def give_up(self, place: Path) -> None:
        """Nothing that can be submitted is left of a plan that could not be written."""
        if (place / "submit.sh").exists():
            raise Fault(f"{place}: half a plan that can be submitted")
        shutil.rmtree(place, ignore_errors=True)

    def submitting(self, plan: Planned) -> "subprocess.Popen[str]":
        self.say(f"sh {plan.place}/submit.sh")
        return subprocess.Popen(
            ["sh", plan.place / "submit.sh"],
            env=self.cluster.environment,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def said(self, process: "subprocess.Popen[str]") -> str:
        said = process.communicate(timeout=120)[0]
        self.say(f"#   {process.returncode}: {said.strip()}")
        return said
