"""The real programs as processes: CellProfiler, cpexport, and one killed in the midst of work."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

_SECONDS = 300
_ASK = Path(__file__).with_name("what_would_run.py")


@dataclass(frozen=True)
class Ran:
    """What a process left: its exit status, and what it printed."""

    status: int
    out: str
    err: str


def run(words: Sequence[object], cwd: Path, *, text: str = "") -> Ran:
    """Runs a command to its end, `text` on its stdin. If it takes too long it is killed, with all
    that it started. No window is ever opened."""
    process = subprocess.Popen(
        [str(word) for word in words],
        cwd=cwd,
        env={**os.environ, "MPLBACKEND": "Agg"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        out, err = process.communicate(text, timeout=_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        raise
    return Ran(process.returncode, out, err)


def cpexport(*words: object, cwd: Path) -> Ran:
    """Runs cpexport."""
    return run([sys.executable, "-m", "cpexport", *words], cwd)


def answer_of(ran: Ran) -> Any:
    """The JSON on stdout."""
    return json.loads(ran.out)


def cellprofiler(*words: object, cwd: Path) -> Ran:
    """Runs the CellProfiler that is on the PATH."""
    return run([*program(), *words], cwd)


@cache
def program() -> tuple[str, ...]:
    """The words that call CellProfiler. CellProfiler 5 gets readers of TIFF that need no Java: it
    would fetch Bio-Formats from the network."""
    said = run(["cellprofiler", "--version"], Path.cwd()).out.strip().splitlines()
    version = said[-1] if said else ""
    readers = ("-e", "imageio_reader", "imageio_reader_v3") if version.startswith("5") else ()
    return ("cellprofiler", *readers)


def own_python() -> list[str]:
    """The words that call CellProfiler's own Python."""
    if named := os.environ.get("CPEXPORT_PYTHON"):
        return [named]
    with Path(shutil.which("cellprofiler") or "").open(encoding="utf-8") as stream:
        words = stream.readline().removeprefix("#!").split()
    if not any("python" in word for word in words):
        raise RuntimeError("name the Python that runs cellprofiler in CPEXPORT_PYTHON")
    return words


def what_would_run(commands: Sequence[Sequence[str]], cwd: Path) -> list[dict[str, Any]]:
    """CellProfiler's own answer for each command line (what_would_run.py)."""
    scratch = cwd / "scratch"
    scratch.mkdir(exist_ok=True)
    ran = run([*own_python(), _ASK, scratch], cwd, text=json.dumps(commands))
    assert ran.status == 0, ran.err
    answers: list[dict[str, Any]] = answer_of(ran)
    return answers


@contextmanager
def killed(part: Path, log: Path, when: str) -> Iterator[list[int]]:
    """Kills the CellProfiler that writes into `part` once `log` has the text `when`.

    Yields the list of the processes killed. Only those whose command line names the folder are,
    and that are Python; the shell that waits for one has to tell what became of it.
    """
    done = threading.Event()
    victims: list[int] = []

    def watch() -> None:
        while not done.wait(0.01):
            if not victims and log.exists() and when in log.read_text("utf-8", "replace"):
                for pid in _python_on(part):
                    os.kill(pid, signal.SIGKILL)
                    victims.append(pid)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield victims
    finally:
        done.set()
        thread.join()


def lost(words: Sequence[str], cwd: Path, when: str, changes: Mapping[str, str]) -> None:
    """Starts a job, and kills it with all that it started once it has said `when`.

    `changes` are to its environment.
    """
    log = cwd / "lost.log"
    with log.open("w") as stream:
        process = subprocess.Popen(
            words,
            cwd=cwd,
            env={**os.environ, "MPLBACKEND": "Agg", **changes},
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
            start_new_session=True,
        )
    try:
        end = time.monotonic() + _SECONDS
        while when not in (said := log.read_text("utf-8", "replace")):
            assert process.poll() is None, said
            assert time.monotonic() < end, said
            time.sleep(0.01)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _python_on(part: Path) -> list[int]:
    found = []
    for line in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = line.read_bytes().decode("utf-8", "replace").split("\0")
        except OSError:
            # It ended meanwhile.
            continue
        if "python" in Path(words[0]).name and str(part) in words:
            found.append(int(line.parent.name))
    return found


def files(folder: Path) -> Mapping[str, Path]:
    """The files below a folder, by their path in it."""
    return {str(p.relative_to(folder)): p for p in sorted(folder.rglob("*")) if p.is_file()}
