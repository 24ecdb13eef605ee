"""What people do: they plan, submit, move and copy, also two at the same time."""

import os
import signal
import subprocess
import time
from pathlib import Path

from days import slurm, truth
from days.asking import SIZES, Asking
from days.truth import Fault, Run


class People(Asking):
    """Not all of them know what the others do."""

    def plan(self) -> None:
        self.new_run(self.disk.folder / f"run{self.number()}")

    def new_run(self, place: Path) -> None:
        case = self.rng.choice(self.cases)
        words: list[object] = ["plan", case.batch_file, "--out", place]
        size = self.rng.choice(SIZES)
        words += ["--images-per-batch", size] if size else []
        words += ["--by-group"] if case.groups and self.rng.random() < 0.3 else []
        words += ["--time", self.rng.choice((5, 60))] if self.rng.random() < 0.5 else []
        words += ["--at-once", self.rng.choice((1, 4))] if self.rng.random() < 0.3 else []
        ran = self.ran(*words)
        if ran.status == 0:
            bad = self.rng.sample(sorted(case.planned), self.rng.choice((0, 0, 1, 2)))
            run = Run(place, case, frozenset(bad))
            self.runs.append(run)
            truth.planned(place, run)
            self.say(f"# in {place} {sorted(bad)} fail for ever")
        elif not self.disk.full:
            raise Fault(f"not planned: {ran.err}")
        else:
            self.give_up(place)

    def submit(self) -> None:
        if self.runs:
            self.said(self.submitting(self.some_plan()))

    def submit_twice(self) -> None:
        """Two people at the same time, the same plan or two of one run."""
        if not self.runs:
            return
        plan = self.some_plan()
        other = self.rng.choice(plan.run.plans)
        for process in [self.submitting(plan), self.submitting(other)]:
            self.said(process)

    def submit_cut_off(self) -> None:
        """A connection that breaks ends all that runs in it."""
        if not self.runs:
            return
        process = self.submitting(self.some_plan())
        time.sleep(self.rng.random() * 0.2)
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        self.said(process)

    def submit_as_somebody_checks(self) -> None:
        if not self.runs:
            return
        plan = self.some_plan()
        process = self.submitting(plan)
        time.sleep(self.rng.random() * 0.1)
        again = self.planned_again(plan.run, judged=False)
        self.said(process)
        if again:
            self.said(self.submitting(again))

    def merge_by_hand(self) -> None:
        if self.runs:
            script = self.some_plan().place / "merge.sh"
            self.say(f"sh {script}")
            done = subprocess.run(
                ["sh", script],
                env=self.cluster.environment,
                capture_output=True,
                text=True,
                check=False,
                timeout=300,
            )
            if "Traceback" in done.stderr:
                raise Fault(f"{script}: {done.stderr[-2000:]}")
            for run in self.runs:
                self.judge_database(run)

    def move(self) -> None:
        """A run is moved, and perhaps another one is planned in its place."""
        if not self.runs:
            return
        run = self.rng.choice(self.runs)
        was, now = run.place, self.disk.folder / f"moved{self.number()}"
        self.say(f"mv {was} {now}")
        was.rename(now)
        run.place = now
        for plan in (plan for other in self.runs for plan in other.plans):
            if plan.place.is_relative_to(was):
                plan.place = now / plan.place.relative_to(was)
        if self.rng.random() < 0.5 and not self.disk.full:
            self.new_run(was)
            if self.rng.random() < 0.5 and self.runs[-1].plans:
                self.said(self.submitting(self.runs[-1].plans[0]))

    def copy(self) -> None:
        if not self.runs or self.disk.full:
            return
        run = self.rng.choice(self.runs)
        now = self.disk.folder / f"copy{self.number()}"
        self.say(f"cp -a {run.place} {now}")
        subprocess.run(["cp", "-a", run.place, now], check=True)
        seen = {number: set(attempts) for number, attempts in run.seen.items()}
        self.runs.append(Run(now, run.case, run.bad, [], seen))

    def cancel(self) -> None:
        jobs = sorted({id for id, _ in self.cluster.tasks(*slurm.ACTIVE)})
        if not jobs:
            return
        id = self.rng.choice(jobs)
        self.say(f"scancel {id}")
        for task in self.cluster.tasks("PENDING"):
            if task[0] == id:
                self.cluster.set(task, "CANCELLED")
        for attempt in list(self.cluster.running.values()):
            if attempt.task[0] == id:
                self.cluster.ended(attempt, "CANCELLED", signal.SIGTERM)
