"""A real Dask scheduler with real workers, each a process of its own."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

_LATEST = 60.0


class DaskCluster:
    """A scheduler on loopback and its workers, all ended with `close`.

    Programs log to files in `home`.
    """

    def __init__(self, home: Path) -> None:
        self.home = home
        self.scheduler_file = home / "scheduler.json"
        self._stack = ExitStack()
        self._logs = 0
        self.scheduler = self._begun(
            ("-m", "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0"),
            ("--no-dashboard", "--no-show", "--scheduler-file", self.scheduler_file),
        )
        self._wait(self.scheduler_file.exists)

    @property
    def address(self) -> str:
        """The scheduler's address."""
        address: str = json.loads(self.scheduler_file.read_text())["address"]
        return address

    def worker(
        self, environment: Mapping[str, str] | None = None, command: tuple[str, ...] = ()
    ) -> "subprocess.Popen[bytes]":
        """Starts a worker with one thread, and waits until it is ready.

        environment: variables to add to those of this process.
        command: words before the worker's own, which end by executing it.
        """
        log = f"program{self._logs}.log"
        begun = self._begun(
            ("-m", "distributed.cli.dask_worker", self.address, "--nthreads", "1", "--no-nanny"),
            ("--no-dashboard", "--local-directory", self.home),
            environment=environment,
            command=command,
        )
        self._wait(lambda: "Starting established connection" in (self.home / log).read_text())
        return begun

    def close(self) -> None:
        """Kills everything."""
        self._stack.close()

    def _begun(
        self,
        *words: tuple[Any, ...],
        environment: Mapping[str, str] | None = None,
        command: tuple[str, ...] = (),
    ) -> "subprocess.Popen[bytes]":
        log = self._stack.enter_context((self.home / f"program{self._logs}.log").open("wb"))
        self._logs += 1
        begun = subprocess.Popen(
            [*command, sys.executable, *(str(word) for some in words for word in some)],
            # Python looks for modules in the working folder first.
            cwd=self.home,
            env={**os.environ, **(environment or {})},
            stdout=log,
            stderr=log,
        )
        self._stack.callback(begun.wait)
        self._stack.callback(begun.kill)
        return begun

    def _wait(self, ready: Any) -> None:
        until = time.monotonic() + _LATEST
        while not ready():
            assert time.monotonic() < until, "Dask does not start; see its logs"
            time.sleep(0.05)
