"""What befalls jobs, records, the disk and Slurm."""

import os
import signal
from pathlib import Path

from days import truth
from days.cluster import Attempt
from days.people import People
from days.truth import Fault


class Fates(People):
    """Jobs begin and end, well or not."""

    def begin(self) -> None:
        waiting = self.cluster.tasks("PENDING")
        for task in self.rng.sample(waiting, min(len(waiting), self.rng.randint(1, 6))):
            self.begun(task)

    def begun(self, task: tuple[str, str]) -> Attempt | None:
        attempt = self.cluster.begin(task, self.rng.choice((None, 60, 3600)))
        began = f"as attempt {attempt.number}" if attempt else "and ended at once"
        self.say(f"# {task} began {began}")
        if attempt and self.rng.random() < 0.5:
            attempt.tell(f"write {self.share()}")
        return attempt

    def share(self) -> float:
        return round(self.rng.choice((self.rng.random(), 0.3 + 0.7 * self.rng.random())), 3)

    def end(self) -> None:
        running = list(self.cluster.running.values())
        for attempt in self.rng.sample(running, min(len(running), self.rng.randint(1, 6))):
            ends = [self.well] * 4 + [self.badly, self.killed, self.stopped]
            self.rng.choice(ends)(attempt)

    def is_bad(self, attempt: Attempt) -> bool:
        plan, sets = truth.of_task(self.cluster, attempt.task, self.runs)
        return bool(plan.run.bad & sets)

    def well(self, attempt: Attempt) -> None:
        if self.is_bad(attempt):
            self.exits(attempt, 7)
            return
        plan, sets = truth.of_task(self.cluster, attempt.task, self.runs)
        attempt.tell("write 1", "done Complete", "exit 0")
        status = self.cluster.ended(attempt, "COMPLETED")
        self.say(f"# attempt {attempt.number} on {sorted(sets)} did all, and ended with {status}")
        if status:
            self.cluster.set(attempt.task, "FAILED")
        elif left := sorted(plan.run.missing & sets) if self.is_there(attempt) else []:
            raise Fault(f"attempt {attempt.number} is complete, but {left} are missing")

    def is_there(self, attempt: Attempt) -> bool:
        """Whether the run of an attempt is where it was as that began."""
        plan, _ = truth.of_task(self.cluster, attempt.task, self.runs)
        return attempt.folder is not None and attempt.folder.parent == plan.run.outputs

    def exits(self, attempt: Attempt, status: int) -> None:
        self.say(f"# attempt {attempt.number} exits with {status}")
        attempt.tell(f"exit {status}")
        self.cluster.ended(attempt, "FAILED")

    def badly(self, attempt: Attempt) -> None:
        kind = self.rng.choice(("exit", "Failure", "cut"))
        if kind == "exit":
            self.exits(attempt, self.rng.choice((1, 7)))
            return
        if kind == "Failure" or self.is_bad(attempt):
            orders = [f"write {self.share()}", "done Failure", "exit 255"]
        else:
            orders = ["write 0.97", "done Complete", "exit 0"]
        self.say(f"# attempt {attempt.number}: {orders}")
        attempt.tell(*orders)
        if self.cluster.ended(attempt, "FAILED") == 0:
            self.cluster.set(attempt.task, "COMPLETED")

    def killed(self, attempt: Attempt) -> None:
        word = self.rng.choice(("FAILED", "OUT_OF_MEMORY", "NODE_FAIL", "PENDING"))
        self.say(f"# attempt {attempt.number} is killed ({word})")
        self.cluster.ended(attempt, word, signal.SIGKILL)

    def stopped(self, attempt: Attempt) -> None:
        word = self.rng.choice(("TIMEOUT", "PREEMPTED", "PENDING"))
        self.say(f"# attempt {attempt.number} is told to stop ({word})")
        self.cluster.ended(attempt, word, signal.SIGTERM)

    def lose(self) -> None:
        """Slurm loses the node of a job, starts the job again, and the first one goes on."""
        if not self.cluster.running:
            return
        attempt = self.rng.choice(list(self.cluster.running.values()))
        self.say(f"# the node of attempt {attempt.number} is lost, and it goes on")
        del self.cluster.running[attempt.task]
        self.cluster.lost.append(attempt)
        self.cluster.set(attempt.task, self.rng.choice(("PENDING", "NODE_FAIL")))

    def end_lost(self) -> None:
        if self.cluster.lost:
            attempt = self.cluster.lost.pop(self.rng.randrange(len(self.cluster.lost)))
            is_bad = self.is_bad(attempt)
            orders = ("exit 7",) if is_bad else ("write 1", "done Complete", "exit 0")
            attempt.tell(*orders)
            status = attempt.end()
            self.say(f"# lost attempt {attempt.number} ended with {status}: {orders}")

    def merge(self) -> None:
        due = self.cluster.due()
        if due:
            self.merged(self.rng.choice(due))

    def merged(self, id: str) -> None:
        script = Path(self.cluster.jobs()[id]["script"])
        status, said = self.cluster.merge(id)
        self.say(f"# job {id} of {script.parent} loads: {status}")
        if "Traceback" in said:
            raise Fault(f"{script.parent}/merge.sh: {said[-2000:]}")
        if status not in (0, 1, 3, 120 if self.disk.full else 0):
            raise Fault(f"{script.parent}/merge.sh ends with {status}: {said[-2000:]}")
        for run in self.runs:
            self.judge_database(run)

    def fill_or_free(self) -> None:
        if self.disk.full:
            self.say("# there is room on the disk")
            self.disk.free()
        elif left := self.disk.fill(self.rng.choice((0, 0, 1, 2, 8))):
            self.say(f"# the disk is full: {left}")

    def modes(self) -> None:
        modes = {
            "squeue": self.rng.choice(("fine", "fine", "down", "odd")),
            "sacct": self.rng.choice(("fine", "down")),
            "sbatch": self.rng.sample(("lost", "lost taken", "down", "3"), self.rng.choice((0, 1))),
        }
        there = self.rng.random() < 0.8
        self.say(f"# Slurm: {modes}, squeue {'' if there else 'not '}there")
        self.cluster.mode(**modes)
        self.cluster.has_queue(there)

    def forget(self) -> None:
        self.say("# Slurm forgets what has ended")
        self.cluster.forget()

    def damage(self) -> None:
        """A record of jobs is cut off, as by a node that dies before it has written it."""
        records = [
            path
            for run in self.runs
            for path in sorted((*run.status.glob("*.status"), *run.status.glob("*.submitted")))
        ]
        if records:
            path = self.rng.choice(records)
            length = self.rng.choice((0, self.rng.randrange(path.stat().st_size + 1)))
            self.say(f"truncate -s {length} {path}")
            os.truncate(path, length)
            self.mended = set(self.runs)
