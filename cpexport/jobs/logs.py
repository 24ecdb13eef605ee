"""Finds the logs of jobs, and reads their last lines and whether memory ran out.

If a scheduler keeps no accounts, or has forgotten a job, only the job's log shows that memory ran
out.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from cpexport.files.opening import open_regular
from cpexport.jobs.records import Attempt
from cpexport.jobs.split import LOG, PART, name_of

# The names in templates/submit_*.sh and array.sh: of Slurm and LSF, of Grid Engine, and of PBS,
# which chooses its own.
_NAME = re.compile(
    r"([0-9]+)_([0-9]+)\.log|cpexport\.o([0-9]+)\.([0-9]+)|([0-9]+)\[([0-9]+)\]\S*\.OU"
)
# The words of Slurm (slurmstepd, for a cgroup and for its own accounting), of LSF's report, of PBS,
# of the kernel, and of a Python that reached the limit of its address space (h_vmem).
_MEMORY = re.compile(
    r"oom[-_]kill|exceeded (?:job |step )?(?:virtual )?memory limit|TERM_MEMLIMIT"
    r"|job killed: v?mem .*exceeded|cgroup mem(?:ory|sw)? limit exceeded"
    r"|^(?:[\w.]+\.)?_?(?:Array)?MemoryError\b",
    re.IGNORECASE | re.MULTILINE,
)
_LINES = 3
_LENGTH = 200
_TAIL = 8192

MemoryByLog = dict[Path, tuple[tuple[int, int, int], bool]]
"""Whether a log says that memory ran out, with what tells whether the log has changed since."""


@dataclass
class Logs:
    """The logs of jobs, in the scheduler's log `folders` and in the jobs' own folders.

    `known` caches what the logs say for the next call.
    """

    folders: Iterable[Path]
    known: MemoryByLog = field(default_factory=dict)

    def of(self, id: str) -> Path | None:
        """The scheduler's log of a job, by an id such as `slurm:12_3`."""
        array, _, index = id.partition(":")[2].partition("_")
        return self._by_job.get((array, index))

    def ran_out_of_memory(self, attempt: Attempt, *, last: bool) -> bool:
        """Whether a log of an ended attempt says that memory ran out.

        `last` is whether it is the last attempt of its job: then the job's folder is its own.
        """
        left = Path(attempt.home, f"{attempt.folder}{PART}")
        paths = [self.of(attempt.id), Path(f"{left}.{name_of(attempt.id)}", LOG)]
        return any(self._says(path) for path in [*paths, left / LOG if last else None] if path)

    @cached_property
    def _by_job(self) -> dict[tuple[str, str], Path]:
        """All logs by array and index; lists each folder once, however many jobs there are."""
        logs: dict[tuple[str, str], Path] = {}
        for folder in self.folders:
            try:
                paths = list(folder.iterdir())
            except OSError:
                continue
            for path in paths:
                if match := _NAME.fullmatch(path.name):
                    array, index = (part for part in match.groups() if part)
                    logs[array, index] = path
        return logs

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
    """The last lines of a job's log; none if the file does not exist."""
    text = _tail(path)
    lines = ["".join(c if c.isprintable() else " " for c in line) for line in text.splitlines()]
    return tuple(line[:_LENGTH] for line in lines if line.strip())[-_LINES:]


def _tail(path: Path) -> str:
    try:
        with open_regular(path) as log:
            log.seek(max(log.seek(0, 2) - _TAIL, 0))
            return log.read(_TAIL).decode("utf-8", "replace")
    except OSError:
        return ""
