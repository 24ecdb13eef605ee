"""Imports cpexport, and forks for each command that is asked for: a program of `forks`.

A request comes through a socket, with the stdin, stdout and stderr of the command. The answer is
the number of the fork, and in the end its exit status. If the one who asked is gone, the command
is killed.
"""

import atexit
import gc
import json
import multiprocessing
import os
import resource
import selectors
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import NoReturn

# What the commands import when they need it, and what numpy and pyarrow do.
_IMPORTED = (
    *("cpexport.cli.check_command", "cpexport.cli.report_jobs", "cpexport.cli.report_loads"),
    *("cpexport.api.check", "cpexport.api.load", "cpexport.api.plan", "cpexport.api.verify"),
    *("cpexport.cli.progress", "cpexport.commands.check"),
    *("cpexport.commands.dry_run", "cpexport.commands.resubmit", "cpexport.commands.runs"),
    *("cpexport.commands.script", "cpexport.commands.watch", "cpexport._sql_files"),
    "cpexport.derived.cpa_properties",
    *("cpexport.jobs.preflight", "cpexport.jobs.submit", "cpexport.loading.workers"),
    *("cpexport.sinks.duckdb.table_store", "cpexport.sinks.mysql.table_store"),
    *("cpexport.sinks.parquet.table_store", "cpexport.sinks.sqlite.table_store"),
    *("dateutil.relativedelta", "encodings.ascii"),
    *("encodings.utf_8_sig", "importlib.readers", "numpy.ma", "pyarrow.acero", "pyarrow.dataset"),
)


@dataclass(frozen=True)
class _Request:
    """A command: its words, folder, environment and limits (`forks.Fork`), and what becomes its
    stdin, stdout, stderr."""

    words: list[str]
    cwd: str
    environment: dict[str, str]
    limits: dict[str, int]
    files: list[int]

    @classmethod
    def received(cls, connection: socket.socket) -> "_Request | None":
        """The request, None if the one who asks is gone before it is whole."""
        text, files, _, _ = socket.recv_fds(connection, 65536, 3)
        while text and not text.endswith(b"\n"):
            more = connection.recv(65536)
            text = text + more if more else b""
        if not text:
            return None
        words, cwd, environment, limits = json.loads(text)
        return cls(words, cwd, environment, limits, files)

    def close(self) -> None:
        for file in self.files:
            os.close(file)


class _Forks:
    """The commands that run, each with the connection of the one who asked for it."""

    def __init__(self) -> None:
        self._connections: dict[int, socket.socket] = {}
        self._ready = selectors.DefaultSelector()
        # Readable whenever a fork has ended.
        self._ended, self._wakes = socket.socketpair()
        for end in (self._ended, self._wakes):
            end.setblocking(False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._wakes.fileno())

    def serve(self, listener: socket.socket) -> _Request | None:
        """Forks for each request. Returns the request in the fork, None at the end of stdin."""
        for each in (sys.stdin, listener, self._ended):
            self._ready.register(each, selectors.EVENT_READ)
        while True:
            for key, _ in self._ready.select():
                if key.fileobj is sys.stdin:
                    return None
                if key.fileobj is listener:
                    connection, _ = listener.accept()
                    request = _Request.received(connection)
                    if request is not None and self._forked(connection, request):
                        listener.close()
                        return request
                elif key.fileobj is self._ended:
                    self._reap()
                elif key.data in self._connections:
                    # The one who asked has nothing more to say, and so is gone.
                    self._ready.unregister(key.fileobj)
                    os.kill(key.data, signal.SIGKILL)

    def _forked(self, connection: socket.socket, request: _Request) -> bool:
        """Forks; returns whether this is the fork."""
        pid = os.fork()
        # Its own group of processes, before anyone can know its number.
        with suppress(OSError):
            os.setpgid(pid, pid)
        if not pid:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            for each in (connection, *self._connections.values(), self._ended, self._wakes):
                each.close()
            self._ready.close()
            return True
        request.close()
        self._connections[pid] = connection
        self._ready.register(connection, selectors.EVENT_READ, pid)
        _tell(connection, pid)
        return False

    def _reap(self) -> None:
        with suppress(BlockingIOError):
            self._ended.recv(4096)
        while self._connections:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                return
            connection = self._connections.pop(pid)
            with suppress(KeyError):
                self._ready.unregister(connection)
            _tell(connection, os.waitstatus_to_exitcode(status))
            connection.close()


def _tell(connection: socket.socket, number: int) -> None:
    # Who is gone wants no answer.
    with suppress(BrokenPipeError):
        connection.sendall(b"%d\n" % number)


def _become(request: _Request) -> None:
    """Gives this fork what a new process would have."""
    for descriptor, file in enumerate(request.files):
        os.dup2(file, descriptor)
    request.close()
    os.chdir(request.cwd)
    os.environ.clear()
    os.environ.update(request.environment)
    tempfile.tempdir = None
    for name, value in request.limits.items():
        if name == "AS":
            pages = int(Path("/proc/self/statm").read_text().split()[0])
            value += pages * resource.getpagesize()
        resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (value, value))


def _run(main: Callable[[list[str]], NoReturn], words: list[str]) -> NoReturn:
    """Runs a command, and ends this fork with its exit status.

    It ends as Python does, but leaves the modules in one piece: to take them apart would copy all
    that it shares with the process it was forked from, which costs more than most commands.
    """
    try:
        main(words)
    except SystemExit as end:
        if not isinstance(end.code, int):
            raise
        status = end.code
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    # What the command made and did not close itself is closed here: the exception is gone.
    gc.collect()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def _warm_up() -> None:
    """Loads, verifies and exports once, so that no fork has to fill the caches of libraries."""
    calls, jobs = import_module("support.calls"), import_module("support.small_jobs")
    form = import_module("cpexport.sql_script.manifest").ScriptOptions()
    with tempfile.TemporaryDirectory(prefix="warm-up-") as name:
        home = Path(name)
        os.environ["XDG_CACHE_HOME"] = str(home / "cache")
        cells = [{"ImageNumber": 1, "ObjectNumber": 1, "AreaShape_Area": 5.5}]
        outputs = [
            jobs.csv_job(home / "csv", {1: {"Metadata_Well": "A01"}}, {"Cells": cells}),
            jobs.h5_job(home / "h5" / "m.h5", {1: {"Metadata_Well": "A01"}}).parent,
        ]
        for job in outputs:
            for to in ("sqlite:///{}.db", "duckdb:///{}.duckdb", "parquet:{}.parquet"):
                url = to.format(home / f"{job.name}-loaded")
                calls.load([job], url)
                calls.verify([job], url)
        calls.script(outputs[:1], home / "script", form)


if __name__ == "__main__":
    from cpexport._startup import begin

    begin()
    main = import_module("cpexport.cli.main").main
    for name in _IMPORTED:
        import_module(name)
    # Plans name the Python that their jobs call, which is the one of `forks`.
    multiprocessing.set_executable(sys.executable)
    at, sys.executable = sys.argv[1:]
    _warm_up()
    gc.collect()
    # No fork looks for garbage among the modules.
    gc.freeze()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(at)
        listener.listen()
        print("ready", flush=True)
        if (request := _Forks().serve(listener)) is not None:
            _become(request)
            _run(main, request.words)
