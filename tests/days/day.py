"""One day: random events over runs on one disk, each judged, and an evening that ends them all."""

import json
import os
import random
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from days import slurm, truth
from days.cluster import Attempt, Cluster
from days.disk import Disk
from days.truth import Case, Fault, Kept, Planned, Run
from fuzz.commands import Commands, Ran

_ROUNDS = 15
_SIZES = (None, 1, 2, 3, 4, 6, 8, 12, 24)


class Day:
    """`control` is a folder for what is played, `disk` the one that people and jobs write to."""

    def __init__(self, seed: int, control: Path, disk: Disk, cases: Sequence[Case], facts: Any):
        self.rng = random.Random(seed)
        self.disk, self.cases = disk, cases
        self.cluster = Cluster(control, facts)
        self.commands = Commands()
        self.runs: list[Run] = []
        self.names = 0
        self.mended: set[Run] = set()

    def live(self) -> None:
        """All of it. Raises `Fault` at the first thing that is not as it must be."""
        with self._environment():
            try:
                self._judged(self._plan)
                self._judged(self._submit)
                for _ in range(self.rng.randint(10, 20)):
                    self._judged(self._event())
                self._evening()
            finally:
                self.cluster.stop()

    @contextmanager
    def _environment(self) -> Iterator[None]:
        before = dict(os.environ)
        os.environ.update(self.cluster.environment)
        os.environ["XDG_CACHE_HOME"] = str(self.cluster.home / "cache")
        try:
            yield
        finally:
            os.environ.clear()
            os.environ.update(before)

    def _event(self) -> Callable[[], None]:
        weighed: list[tuple[int, Callable[[], None]]] = [
            (1, self._plan),
            (3, self._submit),
            (2, self._submit_twice),
            (1, self._submit_cut_off),
            (1, self._submit_as_somebody_checks),
            (7, self._begin),
            (8, self._end),
            (3, self._merge),
            (1, self._merge_by_hand),
            (2, self._check),
            (6, self._resubmit),
            (3, self._load),
            (2, self._move),
            (1, self._copy),
            (2, self._fill_or_free),
            (2, self._modes),
            (1, self._forget),
            (2, self._damage),
            (1, self._lose),
            (2, self._end_lost),
            (1, self._cancel),
        ]
        weights = [weight for weight, _ in weighed]
        return self.rng.choices([event for _, event in weighed], weights)[0]

    def _judged(self, event: Callable[[], None]) -> None:
        """An event, and whether all that must be is so after it."""
        before = {run: Kept.of(run) for run in self.runs}
        for run in self.runs:
            run.complete()
        self._say(f"# {event.__name__.strip('_').replace('_', ' ')}")
        event()
        for run, kept in before.items():
            kept.judge(run, mended=run in self.mended)
            run.complete()
        self.mended.clear()
        truth.judge_once(self.cluster, self.runs)
        truth.judge_live(self.cluster, self.runs)

    def _say(self, text: str) -> None:
        self.commands.said.append(text)

    # What people do.

    def _plan(self) -> None:
        self._new_run(self.disk.folder / f"run{self._number()}")

    def _new_run(self, place: Path) -> None:
        case = self.rng.choice(self.cases)
        words: list[object] = ["plan", case.batch_file, "--out", place]
        size = self.rng.choice(_SIZES)
        words += ["--images-per-batch", size] if size else []
        words += ["--by-group"] if case.groups and self.rng.random() < 0.3 else []
        words += ["--time", self.rng.choice((5, 60))] if self.rng.random() < 0.5 else []
        words += ["--at-once", self.rng.choice((1, 4))] if self.rng.random() < 0.3 else []
        ran = self._ran(*words)
        if ran.status == 0:
            bad = self.rng.sample(sorted(case.planned), self.rng.choice((0, 0, 1, 2)))
            run = Run(place, case, frozenset(bad))
            self.runs.append(run)
            truth.planned(place, run)
            self._say(f"# in {place} {sorted(bad)} fail for ever")
        elif not self.disk.full:
            raise Fault(f"not planned: {ran.err}")
        else:
            self._give_up(place)

    def _give_up(self, place: Path) -> None:
        """Nothing that can be submitted is left of a plan that could not be written."""
        if (place / "submit.sh").exists():
            raise Fault(f"{place}: half a plan that can be submitted")
        shutil.rmtree(place, ignore_errors=True)

    def _number(self) -> int:
        self.names += 1
        return self.names

    def _ran(self, *words: object) -> Ran:
        ran = self.commands.run(*words)
        if ran.status not in (0, 1, 3) or "Traceback" in ran.err:
            raise Fault(f"{ran.words[0]} ends with {ran.status}: {ran.err[-2000:]}")
        return ran

    def _some_plan(self) -> Planned:
        return self.rng.choice([plan for run in self.runs for plan in run.plans])

    def _submitting(self, plan: Planned) -> "subprocess.Popen[str]":
        self._say(f"sh {plan.place}/submit.sh")
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

    def _said(self, process: "subprocess.Popen[str]") -> str:
        said = process.communicate(timeout=120)[0]
        self._say(f"#   {process.returncode}: {said.strip()}")
        return said

    def _submit(self) -> None:
        if self.runs:
            self._said(self._submitting(self._some_plan()))

    def _submit_twice(self) -> None:
        """Two people at the same time, the same plan or two of one run."""
        if not self.runs:
            return
        plan = self._some_plan()
        other = self.rng.choice(plan.run.plans)
        for process in [self._submitting(plan), self._submitting(other)]:
            self._said(process)

    def _submit_cut_off(self) -> None:
        """A connection that breaks ends all that runs in it."""
        if not self.runs:
            return
        process = self._submitting(self._some_plan())
        time.sleep(self.rng.random() * 0.2)
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        self._said(process)

    def _submit_as_somebody_checks(self) -> None:
        if not self.runs:
            return
        plan = self._some_plan()
        process = self._submitting(plan)
        time.sleep(self.rng.random() * 0.1)
        again = self._planned_again(plan.run, judged=False)
        self._said(process)
        if again:
            self._said(self._submitting(again))

    def _check(self) -> None:
        if not self.runs:
            return
        run = self.rng.choice(self.runs)
        self._checked(run, self.rng.choice((run.place, run.outputs)))

    def _checked(self, run: Run, *words: object) -> dict[str, Any]:
        """What a check says, which is right."""
        ran = self._ran("check", *words, "--format", "json", "--batch", run.case.batch_file)
        if ran.status not in (0, 3):
            if self.disk.full and "--resubmit" in words:
                return {}
            raise Fault(f"check ends with {ran.status}: {ran.err}")
        said = dict(json.loads(ran.out))
        missing, found = run.missing, truth.pairs(said["missing"])
        if found != missing:
            raise Fault(f"{run.place}: {sorted(found)} missing by check, {sorted(missing)} truly")
        if missing and ran.status != 3:
            raise Fault(f"{run.place}: status {ran.status} though {sorted(missing)} is missing")
        return said | {"err": ran.err}

    def _resubmit(self) -> None:
        if not self.runs:
            return
        again = self._planned_again(self.rng.choice(self.runs))
        if again and self.rng.random() < 0.8:
            self._said(self._submitting(again))

    def _planned_again(self, run: Run, *words: object, judged: bool = True) -> Planned | None:
        """What is missing, planned into a new folder; None if it is nothing."""
        return self._again(run, *words, judged=judged)[0]

    def _again(
        self, run: Run, *words: object, judged: bool = True
    ) -> tuple[Planned | None, dict[str, Any]]:
        home = self.rng.choice((run.place, self.disk.folder))
        folder = home / f"again{self._number()}"
        if self.rng.random() < 0.3:
            words = ("--images-per-batch", self.rng.choice(_SIZES[1:]), *words)
        said = self._checked(run, run.place, "--resubmit", folder, *words)
        if not said:
            self._give_up(folder)
            return None, {}
        again = said["resubmit"]
        offered = [truth.numbers(job["image_sets"]) for job in again["jobs"]]
        if judged:
            truth.judge_offer(run, offered, self.cluster, self.runs)
        if not offered:
            return None, said
        if again["outputs"] != str(run.outputs):
            raise Fault(f"{run.place}: run again into {again['outputs']}")
        plan = truth.planned(folder, run)
        if list(plan.jobs) != offered:
            raise Fault(f"{folder}: has {plan.jobs}, not {offered}")
        return plan, said

    def _load(self) -> None:
        """Into a new destination, or into the one that somebody has loaded this run into before."""
        if self.runs:
            run = self.rng.choice(self.runs)
            name = self.rng.choice((f"to{self._number()}", f"all_{self.runs.index(run)}"))
            self._loaded(run, self.disk.folder / f"{name}.sqlite")

    def _loaded(self, run: Run, database: Path) -> Ran:
        must, before = run.complete(), truth.loaded(database)
        ran = self._ran(
            "load", run.place, "--batch", run.case.batch_file, "--to", f"sqlite:///{database}"
        )
        if ran.status in (0, 3):
            if (run.case.planned - must) and ran.status != 3:
                raise Fault(f"load ends with 0 though {sorted(run.missing)} is missing")
            truth.judge_rows(database, run, must | before)
        elif must and not self.disk.full:
            raise Fault(f"load ends with {ran.status}: {ran.err}")
        elif database.exists():
            truth.judge_rows(database, run)
        return ran

    def _move(self) -> None:
        """A run is moved, and perhaps another one is planned in its place."""
        if not self.runs:
            return
        run = self.rng.choice(self.runs)
        was, now = run.place, self.disk.folder / f"moved{self._number()}"
        self._say(f"mv {was} {now}")
        was.rename(now)
        run.place = now
        for plan in (plan for other in self.runs for plan in other.plans):
            if plan.place.is_relative_to(was):
                plan.place = now / plan.place.relative_to(was)
        if self.rng.random() < 0.5 and not self.disk.full:
            self._new_run(was)
            if self.rng.random() < 0.5 and self.runs[-1].plans:
                self._said(self._submitting(self.runs[-1].plans[0]))

    def _copy(self) -> None:
        if not self.runs or self.disk.full:
            return
        run = self.rng.choice(self.runs)
        now = self.disk.folder / f"copy{self._number()}"
        self._say(f"cp -a {run.place} {now}")
        subprocess.run(["cp", "-a", run.place, now], check=True)
        seen = {number: set(attempts) for number, attempts in run.seen.items()}
        self.runs.append(Run(now, run.case, run.bad, [], seen))

    def _cancel(self) -> None:
        jobs = sorted({id for id, _ in self.cluster.tasks(*slurm.ACTIVE)})
        if not jobs:
            return
        id = self.rng.choice(jobs)
        self._say(f"scancel {id}")
        for task in self.cluster.tasks("PENDING"):
            if task[0] == id:
                self.cluster.set(task, "CANCELLED")
        for attempt in list(self.cluster.running.values()):
            if attempt.task[0] == id:
                self.cluster.ended(attempt, "CANCELLED", signal.SIGTERM)

    # What happens on the cluster.

    def _begin(self) -> None:
        waiting = self.cluster.tasks("PENDING")
        for task in self.rng.sample(waiting, min(len(waiting), self.rng.randint(1, 6))):
            self._begun(task)

    def _begun(self, task: tuple[str, str]) -> Attempt | None:
        attempt = self.cluster.begin(task, self.rng.choice((None, 60, 3600)))
        began = f"as attempt {attempt.number}" if attempt else "and ended at once"
        self._say(f"# {task} began {began}")
        if attempt and self.rng.random() < 0.5:
            attempt.tell(f"write {self._share()}")
        return attempt

    def _share(self) -> float:
        return round(self.rng.choice((self.rng.random(), 0.3 + 0.7 * self.rng.random())), 3)

    def _end(self) -> None:
        running = list(self.cluster.running.values())
        for attempt in self.rng.sample(running, min(len(running), self.rng.randint(1, 6))):
            ends = [self._well] * 4 + [self._badly, self._killed, self._stopped]
            self.rng.choice(ends)(attempt)

    def _is_bad(self, attempt: Attempt) -> bool:
        plan, sets = truth.of_task(self.cluster, attempt.task, self.runs)
        return bool(plan.run.bad & sets)

    def _well(self, attempt: Attempt) -> None:
        if self._is_bad(attempt):
            return self._exits(attempt, 7)
        plan, sets = truth.of_task(self.cluster, attempt.task, self.runs)
        attempt.tell("write 1", "done Complete", "exit 0")
        status = self.cluster.ended(attempt, "COMPLETED")
        self._say(f"# attempt {attempt.number} on {sorted(sets)} did all, and ended with {status}")
        if status:
            self.cluster.set(attempt.task, "FAILED")
        elif attempt.folder and attempt.folder.parent == plan.run.outputs:
            if left := sorted(plan.run.missing & sets):
                raise Fault(f"attempt {attempt.number} is complete, but {left} are missing")

    def _exits(self, attempt: Attempt, status: int) -> None:
        self._say(f"# attempt {attempt.number} exits with {status}")
        attempt.tell(f"exit {status}")
        self.cluster.ended(attempt, "FAILED")

    def _badly(self, attempt: Attempt) -> None:
        kind = self.rng.choice(("exit", "Failure", "cut"))
        if kind == "exit":
            self._exits(attempt, self.rng.choice((1, 7)))
            return
        if kind == "Failure" or self._is_bad(attempt):
            orders = [f"write {self._share()}", "done Failure", "exit 255"]
        else:
            orders = ["write 0.97", "done Complete", "exit 0"]
        self._say(f"# attempt {attempt.number}: {orders}")
        attempt.tell(*orders)
        if self.cluster.ended(attempt, "FAILED") == 0:
            self.cluster.set(attempt.task, "COMPLETED")

    def _killed(self, attempt: Attempt) -> None:
        word = self.rng.choice(("FAILED", "OUT_OF_MEMORY", "NODE_FAIL", "PENDING"))
        self._say(f"# attempt {attempt.number} is killed ({word})")
        self.cluster.ended(attempt, word, signal.SIGKILL)

    def _stopped(self, attempt: Attempt) -> None:
        word = self.rng.choice(("TIMEOUT", "PREEMPTED", "PENDING"))
        self._say(f"# attempt {attempt.number} is told to stop ({word})")
        self.cluster.ended(attempt, word, signal.SIGTERM)

    def _lose(self) -> None:
        """Slurm loses the node of a job, starts the job again, and the first one goes on."""
        if not self.cluster.running:
            return
        attempt = self.rng.choice(list(self.cluster.running.values()))
        self._say(f"# the node of attempt {attempt.number} is lost, and it goes on")
        del self.cluster.running[attempt.task]
        self.cluster.lost.append(attempt)
        self.cluster.set(attempt.task, self.rng.choice(("PENDING", "NODE_FAIL")))

    def _end_lost(self) -> None:
        if self.cluster.lost:
            attempt = self.cluster.lost.pop(self.rng.randrange(len(self.cluster.lost)))
            is_bad = self._is_bad(attempt)
            orders = ("exit 7",) if is_bad else ("write 1", "done Complete", "exit 0")
            attempt.tell(*orders)
            status = attempt.end()
            self._say(f"# lost attempt {attempt.number} ended with {status}: {orders}")

    def _merge(self) -> None:
        due = self.cluster.due()
        if due:
            self._merged(self.rng.choice(due))

    def _merged(self, id: str) -> None:
        script = Path(self.cluster.jobs()[id]["script"])
        status, said = self.cluster.merge(id)
        self._say(f"# job {id} of {script.parent} loads: {status}")
        if "Traceback" in said:
            raise Fault(f"{script.parent}/merge.sh: {said[-2000:]}")
        if status not in (0, 1, 3, 120 if self.disk.full else 0):
            raise Fault(f"{script.parent}/merge.sh ends with {status}: {said[-2000:]}")
        for run in self.runs:
            self._judge_database(run)

    def _merge_by_hand(self) -> None:
        if self.runs:
            script = self._some_plan().place / "merge.sh"
            self._say(f"sh {script}")
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
                self._judge_database(run)

    def _judge_database(self, run: Run) -> None:
        if (database := run.place / "screen.sqlite").exists():
            run.complete()
            truth.judge_rows(database, run)

    def _fill_or_free(self) -> None:
        if self.disk.full:
            self._say("# there is room on the disk")
            self.disk.free()
        elif left := self.disk.fill(self.rng.choice((0, 0, 1, 2, 8))):
            self._say(f"# the disk is full: {left}")

    def _modes(self) -> None:
        modes = {
            "squeue": self.rng.choice(("fine", "fine", "down", "odd")),
            "sacct": self.rng.choice(("fine", "down")),
            "sbatch": self.rng.sample(("lost", "lost taken", "down", "3"), self.rng.choice((0, 1))),
        }
        there = self.rng.random() < 0.8
        self._say(f"# Slurm: {modes}, squeue {'' if there else 'not '}there")
        self.cluster.mode(**modes)
        self.cluster.has_queue(there)

    def _forget(self) -> None:
        self._say("# Slurm forgets what has ended")
        self.cluster.forget()

    def _damage(self) -> None:
        """A record of jobs is cut off, as by a node that dies before it has written it."""
        records = [
            path
            for run in self.runs
            for path in sorted((*run.status.glob("*.status"), *run.status.glob("*.submitted")))
        ]
        if records:
            path = self.rng.choice(records)
            length = self.rng.choice((0, self.rng.randrange(path.stat().st_size + 1)))
            self._say(f"truncate -s {length} {path}")
            os.truncate(path, length)
            self.mended = set(self.runs)

    # How it ends.

    def _evening(self) -> None:
        self.disk.free()
        self.cluster.has_queue(True)
        self.cluster.mode(squeue="fine", sbatch=[])
        while self.cluster.lost:
            self._judged(self._end_lost)
        self._judged(self._work)
        for run in self.runs:
            self._judged(lambda run=run: self._mend(run))  # type: ignore[misc]
        for run in self.runs:
            self._finish(run)

    def _work(self) -> None:
        """All that waits or runs is brought to its end."""
        for attempt in list(self.cluster.running.values()):
            self._well(attempt)
        for task in self.cluster.tasks("PENDING"):
            if attempt := self._begun(task):
                self._well(attempt)
        for id in self.cluster.due():
            self._merged(id)

    def _mend(self, run: Run) -> None:
        """What a person does about submissions that were cut off, as the messages say."""
        if not run.status.is_dir():
            return
        if (lock := run.status / "submit.lock").exists():
            self._say(f"rm -r {lock}")
            shutil.rmtree(lock)
        for record in sorted(run.status.glob("*.submitted")):
            first, _, rest = record.read_text().partition("\n")
            if re.fullmatch("slurm\t", first):
                self._say(f"rm {record}")
                record.unlink()
                self.mended.add(run)

    def _finish(self, run: Run) -> None:
        """Round after round, until all is there but what fails for ever."""
        hopeless = run.case.grouped(run.bad)
        words: list[object] = []
        for _ in range(_ROUNDS):
            done: list[tuple[Planned | None, dict[str, Any]]] = []
            self._judged(lambda done=done: done.append(self._again(run, *words)))  # type: ignore[misc]
            again, said = done[0]
            if again is None and self._cleared(run, said):
                continue
            given_up = {
                truth.numbers(one["image_sets"]): one for one in said["resubmit"]["given_up"]
            }
            wrongly = [one for sets, one in given_up.items() if not sets <= hopeless]
            words = []
            if wrongly:
                tries = [re.findall("--max-attempts ([0-9]+)", one["reason"])[0] for one in wrongly]
                words = ["--max-attempts", max(map(int, tries))]
            if again is None and not wrongly:
                break
            if again:
                self._judged(lambda again=again: self._submit_all(again))  # type: ignore[misc]
                self._judged(self._work)
        if left := sorted(run.missing - hopeless):
            raise Fault(f"{run.place}: {left} are missing after {_ROUNDS} rounds")
        # A job on one group, or on a bad image set, has nothing whole.
        ran = self._loaded(run, self.disk.folder / f"evening{self._number()}.sqlite")
        if run.missing and not all(str(n) in ran.out for n in run.missing):
            raise Fault(f"{run.place}: {sorted(run.missing)} not named: {ran.out}")
        if not run.missing and ran.status != 0:
            raise Fault(f"{run.place}: all is there, but load ends with {ran.status}: {ran.out}")
        self._judge_database(run)

    def _submit_all(self, plan: Planned) -> None:
        self._said(self._submitting(plan))
        jobs = [truth.of_task(self.cluster, t, self.runs) for t in self.cluster.tasks("PENDING")]
        if not [1 for other, _ in jobs if other is plan]:
            raise Fault(f"{plan.place}: nothing was submitted")

    def _cleared(self, run: Run, said: dict[str, Any]) -> bool:
        """Takes away the records that a check names as in the way, as nothing runs any more."""
        named = {
            Path(path)
            for path in re.findall(r"(/[^\s:;,]+\.(?:status|submitted))\b", said["err"])
            if Path(path).exists()
        }
        for path in named:
            self._say(f"rm {path}")
            path.unlink()
            self.mended.add(run)
        return bool(named)
