"""One command as a whole tree of processes: wall clock, CPU, and peak memory. Linux only.

`python runner.py REPORT COMMAND...` writes {"status", "wall", "cpu", "memory"} to REPORT: seconds,
and MB. CPU is that of all processes, user and system, those included that outlive their parents.
Memory is the largest sum over the tree of PSS (pages that n processes share count 1/n in each),
some 10 times a second; mapped files count as far as they are in memory.
"""

import ctypes
import json
import os
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_PERIOD = 0.05
_PR_SET_CHILD_SUBREAPER = 36


class Memory(threading.Thread):
    """Looks at the memory of all processes below this one until it is stopped."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.peak = 0
        self._stopped = threading.Event()

    def run(self) -> None:
        pause = 0.0
        while not self._stopped.wait(pause):
            began = time.thread_time()
            # A process can end while it is looked at.
            self.peak = max(self.peak, sum(map(_pss, _below(os.getpid()))))
            # At most a fiftieth of one core goes into looking, which also stops who is looked at.
            pause = max(_PERIOD, 50 * (time.thread_time() - began))

    def stop(self) -> None:
        self._stopped.set()
        self.join()


def _below(pid: int) -> Iterator[int]:
    with suppress(OSError):
        for task in list(Path(f"/proc/{pid}/task").iterdir()):
            with suppress(OSError):
                for child in (task / "children").read_text().split():
                    yield int(child)
                    yield from _below(int(child))


def _pss(pid: int) -> int:
    """In KiB; 0 of a process that is gone."""
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1])
    return 0


def main(report: str, *command: str) -> None:
    # Processes whose parents are gone become ours, so that their time counts.
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    memory = Memory()
    began = time.monotonic()
    process = subprocess.Popen(command)
    memory.start()
    _, status = os.waitpid(process.pid, 0)
    wall = time.monotonic() - began
    memory.stop()
    process.returncode = os.waitstatus_to_exitcode(status)
    with suppress(ChildProcessError):
        while True:
            os.waitpid(-1, 0)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    result = {"status": process.returncode, "wall": wall, "cpu": used.ru_utime + used.ru_stime}
    Path(report).write_text(json.dumps(result | {"memory": memory.peak * 1024 / 1e6}))


if __name__ == "__main__":
    main(*sys.argv[1:])
