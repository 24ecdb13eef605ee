"""Runs commands of `cpexport` in forks of a process that has imported it already.

Importing takes most of the time of a short command, and tests run thousands of them. A fork is a
process of its own all the same: it has its own environment, folder, files and exit status.
"""

import json
import os
import select
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

# What the commands import when they need it.
_IMPORTED = (
    *("cli.check_command", "cli.report_jobs", "cli.report_loads"),
    *("api.check", "api.load", "api.plan", "api.verify"),
    *("commands.check", "commands.dry_run", "commands.resubmit", "commands.runs"),
    *("commands.script", "commands.watch", "derived.cpa_properties", "jobs.submit"),
    *("sinks.duckdb.sink", "sinks.mysql.sink", "sinks.parquet.sink", "sinks.sqlite.sink"),
    *("cli.progress", "loading.workers", "jobs.preflight"),
)
# Python, its locale and its libraries read these as they start.
_AT_START = ("PYTHON", "LC_", "LANG", "OPENBLAS", "OMP_", "ARROW_", "MALLOC_", "TZ")


class ForkServer:
    """Starts the process at the first command, and ends it with this one."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None

    @staticmethod
    def serves(environment: Mapping[str, str]) -> bool:
        """Whether a fork behaves as a new process would with these variables set as well."""
        return hasattr(os, "fork") and not any(name.startswith(_AT_START) for name in environment)

    def run(
        self, words: Sequence[str], cwd: Path, environment: Mapping[str, str], seconds: float
    ) -> "subprocess.CompletedProcess[str]":
        """What `subprocess.run` would give of the command `cpexport`.

        Raises:
            TimeoutExpired: the command took longer; it is killed.
        """
        with tempfile.TemporaryDirectory() as folder:
            out, err = Path(folder, "out"), Path(folder, "err")
            asked = [list(words), str(cwd), dict(environment), str(out), str(err)]
            status = self._ask(json.dumps(asked), seconds)
            texts = (out.read_bytes().decode(), err.read_bytes().decode())
        if status is None:
            raise subprocess.TimeoutExpired(list(words), seconds, *texts)
        return subprocess.CompletedProcess(list(words), status, *texts)

    def close(self) -> None:
        if self._process is not None:
            # It ends at the end of its stdin.
            self._process.communicate()
            self._process = None

    def _ask(self, line: str, seconds: float) -> int | None:
        process = self._process = self._process or _started()
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(f"{line}\n")
        process.stdin.flush()
        child = int(process.stdout.readline())
        if not select.select([process.stdout], [], [], seconds)[0]:
            os.kill(child, signal.SIGKILL)
            process.stdout.readline()
            return None
        return int(process.stdout.readline())


def _started() -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "support.fork_server"],
        cwd=Path(__file__).parents[1],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def _serve() -> list[Any] | None:
    """Forks for each line of stdin. Returns the command in the fork, None at the end of stdin."""
    while line := sys.stdin.readline():
        sys.stdout.flush()
        child = os.fork()
        if not child:
            return list(json.loads(line))
        print(child, flush=True)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)
    return None


def _become(cwd: str, environment: dict[str, str], out: str, err: str) -> None:
    """Gives this fork what a new process would have."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    for descriptor, path in ((1, out), (2, err)):
        opened = os.open(path, flags, 0o600)
        os.dup2(opened, descriptor)
        os.close(opened)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment)
    tempfile.tempdir = None


if __name__ == "__main__":
    from cpexport._startup import begin

    begin()
    main = import_module("cpexport.cli.main").main
    for name in _IMPORTED:
        import_module(f"cpexport.{name}")
    if (command := _serve()) is not None:
        _become(*command[1:])
        main(command[0])
