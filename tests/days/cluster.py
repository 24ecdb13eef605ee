"""Slurm's jobs as processes: begun and ended when the day says so, and no sooner."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from days import slurm

_HERE = Path(__file__).parent
_COMMANDS = ("sbatch", "squeue", "sacct", "scancel", "scontrol", "sacctmgr", "sinfo")
# All that the generated scripts may need of a node, and nothing of a Slurm that is there.
_TOOLS = (
    *("awk", "basename", "cat", "chmod", "cp", "cut", "date", "dirname", "env", "find", "grep"),
    *("head", "id", "kill", "ls", "mkdir", "mv", "nproc", "printf", "rm", "rmdir", "sed", "seq"),
    *("sh", "sha256sum", "sort", "stat", "tail", "touch", "tr", "uname", "wc", "xargs"),
)
_PATIENCE = 60


class StuckError(Exception):
    """A process did not do what it was told in time."""


@dataclass
class Attempt:
    """A task that runs: a process with its children, which wait for what CellProfiler is to do."""

    number: int
    task: tuple[str, str]
    process: "subprocess.Popen[bytes]"
    control: Path
    orders: int
    folder: Path | None = None

    def tell(self, *orders: str) -> None:
        """Has CellProfiler do something; returns when it has, or has ended."""
        for order in orders:
            os.write(self.orders, f"{order}\n".encode())
            if not order.startswith("exit"):
                self._until(partial(self._did, order))

    def begun(self) -> bool:
        """Waits for CellProfiler to begin; False if the job ended before."""
        self._until(lambda: bool(self._said()))
        said = self._said()
        self.folder = Path(said[0]) if said else None
        return bool(said)

    def end(self, how: int = 0) -> int:
        """Waits for the end, or brings it by a signal; returns the exit status."""
        if how:
            self.signal(how)
        self._until(lambda: False)
        os.close(self.orders)
        return self.process.wait()

    def signal(self, number: int) -> None:
        # It may have ended by itself.
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)

    def _did(self, order: str) -> bool:
        return order in self._said()[1:]

    def _said(self) -> list[str]:
        return (self.control / "said").read_text().splitlines()

    def _until(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + _PATIENCE
        while self.process.poll() is None and not condition():
            if time.monotonic() > deadline:
                raise StuckError(f"job {self.task} said {self._said()}")
            time.sleep(0.003)


@dataclass
class Cluster:
    """`home` is a folder for itself; `environment` is what people have on its login nodes."""

    home: Path
    facts: Mapping[str, Any]
    count: int = 0
    environment: dict[str, str] = field(default_factory=dict)
    running: dict[tuple[str, str], Attempt] = field(default_factory=dict)
    lost: list[Attempt] = field(default_factory=list)

    def __post_init__(self) -> None:
        tools, spool, programs = (self.home / name for name in ("tools", "spool", "bin"))
        for folder in (tools, spool, programs, self.home / "control"):
            folder.mkdir(parents=True)
        for name in _TOOLS:
            for place in ("/usr/bin", "/bin"):
                if (path := Path(place, name)).exists() and not (tools / name).exists():
                    (tools / name).symlink_to(path)
        python = f"exec {sys.executable} -I -S"
        for name in _COMMANDS:
            self._program(name, f'{python} {_HERE}/slurm.py {name} "$@"')
        self._program("cellprofiler", f'{python} {_HERE}/cellprofiler.py "$@"')
        # What gives up CellProfiler waits a second for it.
        self._program("sleep", "exit 0")
        self.file.write_text(json.dumps(slurm.new()))
        (self.home / "facts.json").write_text(json.dumps(self.facts))
        self.environment = {
            "PATH": f"{programs}:{tools}",
            "DAYS_SLURM": str(self.file),
            "DAYS_FACTS": str(self.home / "facts.json"),
        }

    def _program(self, name: str, text: str) -> None:
        path = self.home / "bin" / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)

    @property
    def file(self) -> Path:
        return self.home / "slurm.json"

    def mode(self, **modes: object) -> None:
        with slurm.opened(self.file) as state:
            state["modes"].update(modes)

    def has_queue(self, there: bool) -> None:
        """Whether the machine on which people work has the command `squeue`."""
        squeue, away = self.home / "bin" / "squeue", self.home / "squeue"
        if there and away.exists():
            away.rename(squeue)
        elif not there and squeue.exists():
            squeue.rename(away)

    def jobs(self) -> dict[str, Any]:
        with slurm.opened(self.file) as state:
            return dict(state["jobs"])

    def tasks(self, *words: str) -> list[tuple[str, str]]:
        """The tasks of arrays that are in one of these states."""
        return [
            (id, index)
            for id, job in self.jobs().items()
            for index, word in job["tasks"].items()
            if index != "N/A" and word in words
        ]

    def set(self, task: tuple[str, str], word: str) -> None:
        id, index = task
        with slurm.opened(self.file) as state:
            state["jobs"][id]["tasks"][index] = word

    def forget(self) -> None:
        """Slurm forgets jobs of which all tasks have ended."""
        with slurm.opened(self.file) as state:
            for job in state["jobs"].values():
                job["forgotten"] = not set(job["tasks"].values()) & set(slurm.ACTIVE)

    def due(self) -> list[str]:
        """The jobs that load and can begin: all that they wait for has ended."""
        jobs = self.jobs()
        active = set(slurm.ACTIVE)
        return [
            id
            for id, job in jobs.items()
            if job["tasks"].get("N/A") == "PENDING"
            and not any(active & set(jobs[after]["tasks"].values()) for after in job["after"])
        ]

    def begin(self, task: tuple[str, str], seconds: int | None) -> Attempt | None:
        """Begins a task of an array, which is to end in so many seconds as far as Slurm says so;
        None if it ended before it began CellProfiler."""
        id, index = task
        self.count += 1
        control = self.home / "control" / str(self.count)
        control.mkdir()
        (control / "said").touch()
        os.mkfifo(control / "orders")
        self.set(task, "RUNNING")
        environment = {
            **self.environment,
            "DAYS_CONTROL": str(control),
            "SLURM_ARRAY_JOB_ID": id,
            "SLURM_ARRAY_TASK_ID": index,
        }
        if seconds is not None:
            environment["SLURM_JOB_END_TIME"] = str(int(time.time()) + seconds)
        process = self._launch(id, index, environment)
        if process is None:
            self.set(task, "FAILED")
            return None
        # To read too, so that neither side waits for the other one to open it.
        attempt = Attempt(
            self.count, task, process, control, os.open(control / "orders", os.O_RDWR)
        )
        if attempt.begun():
            self.running[task] = attempt
            return attempt
        self.set(task, "FAILED" if attempt.end() else "COMPLETED")
        return None

    def merge(self, id: str) -> tuple[int, str]:
        """Runs a job that loads; its exit status, and what it said."""
        self.set((id, "N/A"), "RUNNING")
        process = self._launch(id, "N/A", self.environment)
        status = 1 if process is None else process.wait(timeout=300)
        self.set((id, "N/A"), "FAILED" if status else "COMPLETED")
        log = self._log(id, "N/A")
        return status, log.read_text() if log.exists() else ""

    def _log(self, id: str, index: str) -> Path:
        output = self.jobs()[id]["output"]
        return Path(output.replace("%A", id).replace("%a", index).replace("%j", id))

    def _launch(
        self, id: str, index: str, environment: Mapping[str, str]
    ) -> "subprocess.Popen[bytes] | None":
        """The process of a task; None where Slurm cannot write its log, which fails a job."""
        try:
            log = self._log(id, index).open("ab")
        except OSError:
            return None
        with log:
            return subprocess.Popen(
                ["sh", self.home / "spool" / id, *self.jobs()[id]["arguments"]],
                env=environment,
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def ended(self, attempt: Attempt, word: str, how: int = 0) -> int:
        """Ends an attempt, by itself or by a signal, as `word` says; its exit status."""
        status = attempt.end(how)
        if self.running.get(attempt.task) is attempt:
            del self.running[attempt.task]
            self.set(attempt.task, word)
        return status

    def stop(self) -> None:
        """Nothing is left running."""
        for attempt in (*self.running.values(), *self.lost):
            attempt.end(signal.SIGKILL)
        self.running.clear()
        self.lost.clear()
