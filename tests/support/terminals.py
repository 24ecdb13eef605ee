"""Runs commands on a terminal, where they draw progress and lay out reports."""

import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from support import forks


def on_a_terminal(
    words: Sequence[str], *, stdout: bool = False, columns: int = 160, cwd: Path | None = None
) -> tuple[int, str, str]:
    """Exit status, and the texts of two streams of a command: the first went to a pipe, the second
    to a terminal. That is stderr, or `stdout`."""
    terminal, side = pty.openpty()
    process = subprocess.Popen(
        [forks.python(), "-m", "cpexport", *words],
        stdin=subprocess.DEVNULL,
        stdout=side if stdout else subprocess.PIPE,
        stderr=subprocess.PIPE if stdout else side,
        env={**os.environ, "COLUMNS": str(columns), "TERM": "xterm"},
        cwd=cwd,
        text=True,
    )
    os.close(side)
    drawn = b""
    while True:
        try:
            piece = os.read(terminal, 4096)
        except OSError:
            break
        drawn += piece
    os.close(terminal)
    piped = "".join(text or "" for text in process.communicate())
    shown = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", drawn.decode())
    return process.returncode, piped, shown.replace("\r\n", "\n")


def answered(
    words: Sequence[str], question: bytes, keys: bytes, cwd: Path, seconds: float = 60
) -> tuple[int, str]:
    """Exit status of a command, and all that its terminal shows; keys are pressed as it asks.

    The command leads a session on the terminal, so that Ctrl-C reaches it as a signal.
    """
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(cwd)
        os.environ.update(COLUMNS="160", TERM="xterm")
        os.execv(sys.executable, [sys.executable, "-m", "cpexport", *words])
    drawn, pressed, end = b"", False, time.monotonic() + seconds
    while select.select([terminal], [], [], max(end - time.monotonic(), 0))[0]:
        try:
            drawn += os.read(terminal, 4096)
        except OSError:
            break
        if question in drawn and not pressed:
            pressed = bool(os.write(terminal, keys))
    else:
        os.kill(pid, signal.SIGKILL)
    os.close(terminal)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return status, drawn.decode().replace("\r\n", "\n")
