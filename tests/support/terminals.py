"""Runs commands on a terminal, where they draw progress and lay out reports."""

import os
import pty
import re
import subprocess
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
