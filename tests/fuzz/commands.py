"""The command line, run in this process, or in another one that is killed."""

import io
import json
import os
import shlex
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from typing import Any

from cpexport.cli import exit_status, main


@dataclass(frozen=True)
class Ran:
    """What a command left: its exit status, and what it printed. -1 is an exception."""

    words: tuple[str, ...]
    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass
class Commands:
    """Runs commands, and keeps them so that a person can run them again."""

    said: list[str] = field(default_factory=list)

    def run(self, *words: object) -> Ran:
        """A command in this process."""
        texts = self._noted(words)
        out, err = io.StringIO(), io.StringIO()
        with redirect_stdout(out), redirect_stderr(err):
            try:
                status = exit_status.run(lambda: main.commands.main(texts, standalone_mode=False))
            except Exception:
                status = -1
                traceback.print_exc()
        return Ran(tuple(texts), status, out.getvalue(), err.getvalue())

    def killed(self, begun: Callable[[], bool], after: float, *words: object) -> None:
        """A command in a process, killed so many seconds after it has `begun`, if it still runs."""
        texts = self._noted(words, f"kill -9, {after:.3f} s after it has begun to write: ")
        process = subprocess.Popen(
            [sys.executable, "-m", "cpexport", *texts],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        while process.poll() is None and not begun():
            time.sleep(0.002)
        time.sleep(after)
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def _noted(self, words: tuple[object, ...], begin: str = "") -> list[str]:
        texts = [str(word) for word in words]
        self.said.append(f"{begin}cpexport {shlex.join(texts)}")
        return texts
