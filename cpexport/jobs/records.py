"""The records of jobs and submissions: attempts, submitted jobs, and what could not be read.

Every job and every submission writes its own file (templates/task.sh, claim.sh), because appending
to one file from many nodes is not safe on NFS. A full disk, a dying node or another user's umask
can leave a file empty, truncated or unreadable: that file is reported, and all others count.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final

from cpexport.imagesets import NONE, ImageSets

ANY: Final = ImageSets.span(1, 2**53)
"""Stands for unknown image sets: any number may be meant."""

# A shell's exit status if a program is missing or cannot be run (POSIX, sh).
_NO_PROGRAM = frozenset({126, 127})
_AT_ONCE = 60


@dataclass(frozen=True)
class Attempt:
    """One start of a job.

    folder: the name of the job's folder in `home`.
    id: the scheduler's id, such as `slurm:12_3`, or empty.
    began: UTC.
    result: `complete`, `failed`, `timeout`, `terminated` by a signal, `requeued` if the scheduler
        started the job again, `killed` if it ended without a record, or empty if it is not known
        to have ended.
    state: the scheduler's word for it, or empty.
    time, memory: the limits it ran with, in minutes and MiB.
    exit_status, ended: known if the job recorded its own end; `ended` is UTC.
    plan: the id of its plan; empty in records of older versions.
    node: the name of the machine; empty in records of older versions.
    number: counts the starts of this job from 1.
    """

    folder: str
    image_sets: ImageSets
    id: str
    began: str
    result: str = ""
    state: str = ""
    time: int | None = None
    memory: int | None = None
    exit_status: int | None = None
    ended: str = ""
    plan: str = ""
    node: str = ""
    home: str = ""
    number: int = 1

    @property
    def seconds(self) -> int | None:
        """The duration in seconds, if it is known."""
        try:
            took = datetime.fromisoformat(self.ended) - datetime.fromisoformat(self.began)
        except (TypeError, ValueError):
            return None
        return max(round(took.total_seconds()), 0)

    @property
    def open(self) -> bool:
        """Whether it is not known to have ended."""
        return not self.result

    @property
    def timed_out(self) -> bool:
        """Whether it ran out of time, according to its scheduler or its own record."""
        return self.state == "TIMEOUT" or (
            self.result == "timeout" and self.state in ("", "FAILED")
        )

    @property
    def at_once(self) -> bool:
        """Whether it failed within a minute."""
        return self.result == "failed" and (s := self.seconds) is not None and s <= _AT_ONCE

    @property
    def unstarted(self) -> bool:
        """Whether the shell could not find or run CellProfiler."""
        return self.exit_status in _NO_PROGRAM


@dataclass(frozen=True)
class Submission:
    """An array, or a run by a shell.

    id: empty if the submission has not recorded it. A shell's run has the id `HOST:PROCESS:RUN`;
        its jobs are `shell:HOST:PROCESS:RUN`, each with its own process.
    jobs: the image sets of each job; None if the record does not give them.
    """

    path: Path
    scheduler: str
    id: str
    jobs: tuple[ImageSets | None, ...]


@dataclass(frozen=True)
class Broken:
    """A record that cannot be read wholly. As far as it shows, `image_sets` may be running."""

    path: Path
    why: str
    image_sets: ImageSets = NONE

    def __str__(self) -> str:
        return f"{self.path}: {self.why}"


@dataclass(frozen=True)
class Records:
    """All records of some `status` folders.

    attempts: in the order in which they began.
    others: whether another user wrote some of the files.
    recorded: the first line of each submission's record (scheduler and id, even if damaged), by
        file name; empty if the file cannot be read.
    """

    attempts: tuple[Attempt, ...] = ()
    submissions: tuple[Submission, ...] = ()
    broken: tuple[Broken, ...] = ()
    others: bool = False
    recorded: Mapping[str, str] = field(default_factory=dict)
