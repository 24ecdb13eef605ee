"""Compiles `preload.c`, and says what it does: which calls are counted, and which of them fail."""

import ctypes
import mmap
import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import IntEnum, IntFlag
from pathlib import Path

from support import forks

SOURCE = Path(__file__).with_name("preload.c")
BUILD = Path(__file__).parents[2] / "build" / "faults"
_FOLDERS, _LENGTH = 4, 512


class Call(IntFlag):
    """Kinds of system calls, with the numbers of `enum call`."""

    OPEN = 1
    WRITE = 2
    SYNC = 4
    RESIZE = 8
    RENAME = 16
    UNLINK = 32
    MKDIR = 64
    READ = 128

    CHANGES = WRITE | SYNC | RESIZE | RENAME | UNLINK | MKDIR
    SPACE = OPEN | WRITE | RESIZE | RENAME | MKDIR


class Effect(IntEnum):
    """What happens to a call, with the numbers of `enum effect`."""

    NOTHING = 0
    FAIL = 1
    SHORTEN = 2
    SIGNAL_BEFORE = 3
    SIGNAL_AFTER = 4


@dataclass(frozen=True)
class Fault:
    """What happens to the `nth` call (from 1) of some kinds, and if `lasting` to all later ones.

    `number` is the error or the signal. With an `nth` of 0 the calls are only counted.
    """

    calls: Call
    effect: Effect = Effect.NOTHING
    number: int = 0
    nth: int = 0
    lasting: bool = False


class CompilerError(Exception):
    """Why the library cannot be had."""


class _Control(ctypes.Structure):
    _fields_ = (
        ("calls", ctypes.c_int32),
        ("effect", ctypes.c_int32),
        ("number", ctypes.c_int32),
        ("lasting", ctypes.c_int32),
        ("nth", ctypes.c_int64),
        ("seen", ctypes.c_int64),
        ("struck", ctypes.c_int64),
        ("clock", ctypes.c_int64),
        ("process", ctypes.c_int64),
        ("folders", (ctypes.c_char * _LENGTH) * _FOLDERS),
    )


class Preloaded:
    """The library in the process that forks commands, and in all that those start."""

    def __init__(self, library: Path, control: Path) -> None:
        with control.open("w+b") as file:
            file.truncate(ctypes.sizeof(_Control))
            self._map = mmap.mmap(file.fileno(), ctypes.sizeof(_Control))
        self._control = _Control.from_buffer(self._map)
        self.environment = {"LD_PRELOAD": str(library), "FAULTS_CONTROL": str(control)}

    @contextmanager
    def armed(self, fault: Fault, *folders: Path) -> Iterator[None]:
        """Counts, and changes, calls whose path begins with one of the folders; up to four."""
        control = self._control
        for place in range(_FOLDERS):
            name = str(folders[place]).encode() if place < len(folders) else b""
            assert len(name) < _LENGTH, name
            control.folders[place].value = name
        control.seen = control.struck = 0
        control.effect, control.number = fault.effect, fault.number
        control.lasting, control.nth = fault.lasting, fault.nth
        control.calls = fault.calls
        try:
            yield
        finally:
            control.calls = 0

    @property
    def seen(self) -> int:
        """How many calls have counted since the last fault was armed."""
        return int(self._control.seen)

    @property
    def struck(self) -> int:
        """How many of them were changed."""
        return int(self._control.struck)

    @contextmanager
    def held(
        self, calls: Call, nth: int, folders: Sequence[Path], act: Callable[[int], None]
    ) -> Iterator[None]:
        """Stops the process that makes the n-th call; it goes on when `act`, which gets its number,
        has returned."""
        over = threading.Event()

        def watch() -> None:
            while not over.wait(0.002):
                if self.struck:
                    process = int(self._control.process)
                    act(process)
                    # It may be gone.
                    with suppress(ProcessLookupError):
                        os.kill(process, signal.SIGCONT)
                    return

        thread = threading.Thread(target=watch)
        with self.armed(Fault(calls, Effect.SIGNAL_BEFORE, signal.SIGSTOP, nth), *folders):
            thread.start()
            try:
                yield
            finally:
                over.set()
                thread.join()

    @contextmanager
    def clock(self, seconds: int) -> Iterator[None]:
        """Lets the time of day be so much later for commands; earlier if negative."""
        self._control.clock = seconds
        try:
            yield
        finally:
            self._control.clock = 0


def _library() -> Path:
    compiler = shutil.which("cc")
    if compiler is None:
        raise CompilerError("there is no C compiler (cc)")
    BUILD.mkdir(parents=True, exist_ok=True)
    library = BUILD / "preload.so"
    if not library.exists() or library.stat().st_mtime_ns < SOURCE.stat().st_mtime_ns:
        # Another process may use the one that is there.
        fresh = BUILD / f"preload-{os.getpid()}.so"
        words = [compiler, "-shared", "-fPIC", "-O2", "-o", str(fresh), str(SOURCE), "-ldl"]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        if done.returncode:
            raise CompilerError(f"cc does not compile {SOURCE.name}: {done.stderr.strip()}")
        fresh.replace(library)
    return library


@contextmanager
def preloaded(home: Path) -> Iterator[Preloaded]:
    """Lets all commands of `forks` run with the library; its control file is made in a folder.

    Raises:
        CompilerError: the library cannot be compiled.
    """
    made = Preloaded(_library(), home / "control")
    with forks.started_with(made.environment):
        yield made
