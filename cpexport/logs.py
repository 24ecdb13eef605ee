"""What schedulers and CellProfiler wrote as jobs ran: where it is, its end, what it says of memory.

Where a scheduler keeps no accounts, or forgot a job, only its log says that memory ran out.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from cpexport.jobs import LOG, PART, name_of
from cpexport.records import Attempt, Said

# As scripts/submit_*.sh and array.sh name them: Slurm and LSF, Grid Engine, PBS by itself.
_NAME = re.compile(
    r"([0-9]+)_([0-9]+)\.log|cpexport\.o([0-9]+)\.([0-9]+)|([0-9]+)\[([0-9]+)\]\S*\.OU"
)
# The words of Slurm (slurmstepd, of a cgroup and of its own accounting), of LSF's report, of PBS,
# of the kernel, and of a Python that a limit of its address space (h_vmem) has stopped.
_MEMORY = re.compile(
    r"oom[-_]kill|exceeded (?:job |step )?(?:virtual )?memory limit|TERM_MEMLIMIT"
    r"|job killed: v?mem .*exceeded|cgroup mem(?:ory|sw)? limit exceeded"
    r"|^(?:[\w.]+\.)?_?(?:Array)?MemoryError\b",
    re.IGNORECASE | re.MULTILINE,
)
_LINES = 3
_LENGTH = 200
_TAIL = 8192


@dataclass
class Logs:
    """The logs of jobs in some `folders` of a scheduler's, and in the jobs' own.

    `known` is kept for the next look.
    """

    folders: Iterable[Path]
    known: Said = field(default_factory=dict)

    def of(self, id: str) -> Path | None:
        """The log that a scheduler has written of a job, by an id such as `slurm:12_3`."""
        array, _, index = id.partition(":")[2].partition("_")
        return self._found.get((array, index))

    def ran_out_of_memory(self, attempt: Attempt, *, last: bool) -> bool:
        """Whether a log says so of an attempt that has ended; `last` is whether it is the last of
        its job, whose folder is then its own."""
        left = Path(attempt.home, f"{attempt.folder}{PART}")
        paths = [self.of(attempt.id), Path(f"{left}.{name_of(attempt.id)}", LOG)]
        return any(self._says(path) for path in [*paths, left / LOG if last else None] if path)

    @cached_property
    def _found(self) -> dict[tuple[str, str], Path]:
        """All logs by array and index: one listing a folder, however many jobs there are."""
        found: dict[tuple[str, str], Path] = {}
        for folder in self.folders:
            try:
                paths = list(folder.iterdir())
            except OSError:
                continue
            for path in paths:
                if match := _NAME.fullmatch(path.name):
                    array, index = (part for part in match.groups() if part)
                    found[array, index] = path
        return found

    def _says(self, path: Path) -> bool:
        try:
            now = path.stat()
        except OSError:
            return False
        stat = (now.st_ino, now.st_size, now.st_mtime_ns)
        before, says = self.known.get(path, (None, False))
        if before != stat:
            says = bool(_MEMORY.search(_tail(path)))
            self.known[path] = stat, says
        return says


def last_lines(path: Path) -> tuple[str, ...]:
    """The last lines of a job's log; none if there is no such file."""
    text = _tail(path)
    lines = ["".join(c if c.isprintable() else " " for c in line) for line in text.splitlines()]
    return tuple(line[:_LENGTH] for line in lines if line.strip())[-_LINES:]


def _tail(path: Path) -> str:
    try:
        with path.open("rb") as log:
            log.seek(max(log.seek(0, 2) - _TAIL, 0))
            return log.read().decode("utf-8", "replace")
    except OSError:
        return ""
