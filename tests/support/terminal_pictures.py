"""Pictures of a terminal: what a command shows in one, as a small SVG without outer files."""

import contextlib
import io
import os
import pty
import re
import select
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from xml.etree import ElementTree

from rich.console import Console
from rich.text import Text

# What rich's live displays write before they draw once more, and around that.
_REDRAWN = re.compile(r"(?:\r?\x1b\[2K(?:\x1b\[1A\x1b\[2K)*|\r\x1b\[2K)")
_CURSOR = re.compile(r"\x1b\[\?25[lh]")
_OUTER = re.compile(r"@font-face \{.*?\}\s*|<!--.*?-->\s*", re.DOTALL)


def shown(
    words: Sequence[str],
    cwd: Path,
    environment: Mapping[str, str],
    columns: int,
    until: Callable[[str], bool] | None = None,
    seconds: float = 60.0,
) -> str:
    """What a terminal of this width shows of a command, with its colors.

    If `until` is given, the command is ended as soon as it is true of what is shown.

    Raises:
        TimeoutError: that took too long.
    """
    mine, its = pty.openpty()
    sized = {**environment, "COLUMNS": str(columns), "LINES": "40", "TERM": "xterm-256color"}
    process = subprocess.Popen(words, cwd=cwd, env=sized, stdin=its, stdout=its, stderr=its)
    os.close(its)
    written, deadline = b"", time.monotonic() + seconds
    try:
        while select.select([mine], [], [], max(0.0, deadline - time.monotonic()))[0]:
            # At the end of the process Linux says that the terminal has an error.
            part = b""
            with contextlib.suppress(OSError):
                part = os.read(mine, 65536)
            written += part
            frame = last_frame(written.decode(errors="replace"))
            if not part or (until is not None and until(Text.from_ansi(frame).plain)):
                return frame
        raise TimeoutError(f"{words} shows {written.decode()}")
    finally:
        process.terminate()
        process.wait()
        os.close(mine)


def last_frame(written: str) -> str:
    """What is left of a live display after all it drew over.

    >>> last_frame("1 of 3\\r\\x1b[2K2 of 3\\r\\n")
    '2 of 3\\n'
    """
    text = _CURSOR.sub("", written).replace("\r\n", "\n")
    return next((f for f in reversed(_REDRAWN.split(text)) if f.strip()), "")


def picture(command: str, output: str, columns: int) -> str:
    """An SVG of a terminal with a command and its output."""
    console = Console(record=True, width=columns, file=io.StringIO(), force_terminal=True)
    console.print(Text(f"$ {command}"))
    console.print(Text.from_ansi(output.rstrip("\n")))
    svg = console.export_svg(title="", unique_id="terminal")
    # Its fonts are those of a CDN; without them the reader's own is taken.
    return _OUTER.sub("", svg).replace("Fira Code", "DejaVu Sans Mono").rstrip() + "\n"


def words_of(svg: str) -> list[str]:
    """The words in a picture, in order."""
    texts = ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")
    return " ".join("".join(text.itertext()) for text in texts).split()
