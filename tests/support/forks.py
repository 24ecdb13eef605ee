"""Runs commands of `cpexport` in forks of a process that has imported it already.

Importing takes most of the time of a short command, and tests run thousands of them. A fork is a
process of its own all the same, and leads a group of processes; it has its own environment, folder,
files and exit status.
"""

import json
import os
import select
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import IO

# Python, its locale and its libraries read these as they start.
_AT_START = ("PYTHON", "LC_", "LANG", "OPENBLAS", "OMP_", "ARROW_", "MALLOC_", "TZ")


class _Server:
    """The process, which starts with the first command and ends with this one."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="forks-")
        self.socket, self.python = (Path(self._folder.name, name) for name in ("socket", "python"))
        program = Path(__file__).with_name("forked_command.py")
        words = shlex.join([sys.executable, "-IS", str(program), str(self.socket)])
        self.python.write_text(f'#!/bin/sh\nexec {words} "$@"\n')
        self.python.chmod(0o755)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "support.fork_server", self.socket, self.python],
            cwd=Path(__file__).parents[1],
            env={**os.environ, **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        assert self._process.stdout is not None
        self._process.stdout.readline()

    def close(self) -> None:
        # It ends at the end of its stdin.
        self._process.communicate()
        self._folder.cleanup()


_more: dict[str, str] = {}


@cache
def _server() -> _Server:
    return _Server(_more)


@contextmanager
def started_with(environment: Mapping[str, str]) -> Iterator[None]:
    """Runs commands in forks of another process, which starts with these variables set as well."""
    close()
    _more.update(environment)
    try:
        yield
    finally:
        close()
        _more.clear()


def python() -> Path:
    """What plans may call in place of Python: it runs `-m cpexport` in a fork."""
    return _server().python


def program(folder: Path) -> None:
    """Makes the folder, with a program `cpexport` for shells, R and Python that runs in a fork."""
    folder.mkdir()
    path = folder / "cpexport"
    path.write_text(f'#!/bin/sh\nexec {python()} -m cpexport "$@"\n')
    path.chmod(0o755)


def close() -> None:
    """Ends the process, if it was started; the next command starts another."""
    if _server.cache_info().currsize:
        _server().close()
        _server.cache_clear()


def serves(environment: Mapping[str, str]) -> bool:
    """Whether a fork behaves as a new process would with these variables set as well."""
    return hasattr(os, "fork") and not any(name.startswith(_AT_START) for name in environment)


class Fork:
    """A command of `cpexport` that runs in a fork, with the methods of `Popen` that tests use.

    If `merged`, its stdout has its stderr too, in the order in which a terminal shows them.
    `limits` are those of `setrlimit` by name, as `{"NOFILE": 64}`; `AS` is in bytes beyond what it
    has at its start.
    """

    def __init__(
        self,
        words: Sequence[object],
        cwd: Path,
        environment: Mapping[str, str],
        *,
        merged: bool = False,
        limits: Mapping[str, int] | None = None,
    ) -> None:
        self._words = [str(word) for word in words]
        # They are closed when it has ended.
        self._out, self._err = tempfile.TemporaryFile(), tempfile.TemporaryFile()  # noqa: SIM115
        self._answers = socket.socket(socket.AF_UNIX)
        self._answers.connect(str(_server().socket))
        asking = [self._words, str(cwd), dict(environment), dict(limits or {})]
        asked = json.dumps(asking).encode() + b"\n"
        with Path(os.devnull).open("rb") as null:
            err = self._out if merged else self._err
            files = [file.fileno() for file in (null, self._out, err)]
            sent = socket.send_fds(self._answers, [asked], files)
        # Even to send nothing fails if the command has ended by now.
        if rest := asked[sent:]:
            self._answers.sendall(rest)
        self.pid = self._number()
        self.returncode: int | None = None
        self._printed = ("", "")

    def poll(self) -> int | None:
        """The exit status, None while it runs; negative if a signal ended it."""
        return self._ended(0)

    def communicate(self, timeout: float) -> tuple[str, str]:
        """Waits for the end; returns what was printed on stdout and stderr.

        Raises:
            TimeoutExpired: it took longer, and goes on.
        """
        if self._ended(timeout) is None:
            raise subprocess.TimeoutExpired(self._words, timeout)
        return self._printed

    def kill(self) -> None:
        """Kills it with all that it started, and waits for its end."""
        if self.poll() is None:
            os.killpg(self.pid, signal.SIGKILL)
            self._ended(None)

    def _ended(self, seconds: float | None) -> int | None:
        if self.returncode is None and select.select([self._answers], [], [], seconds)[0]:
            self.returncode = self._number()
            self._answers.close()
            with self._out, self._err:
                self._printed = (_text(self._out), _text(self._err))
        return self.returncode

    def _number(self) -> int:
        line = b""
        while not line.endswith(b"\n"):
            byte = self._answers.recv(1)
            assert byte, "the process that forks has ended"
            line += byte
        return int(line)


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode()


def run(
    words: Sequence[object],
    cwd: Path,
    environment: Mapping[str, str],
    seconds: float,
    *,
    merged: bool = False,
    limits: Mapping[str, int] | None = None,
) -> "subprocess.CompletedProcess[str]":
    """What `subprocess.run` would give of the command `cpexport`; `merged`, `limits` as in `Fork`.

    Raises:
        TimeoutExpired: the command took longer; it is killed.
    """
    fork = Fork(words, cwd, environment, merged=merged, limits=limits)
    try:
        out, err = fork.communicate(seconds)
    finally:
        fork.kill()
    assert fork.returncode is not None
    return subprocess.CompletedProcess([str(word) for word in words], fork.returncode, out, err)
