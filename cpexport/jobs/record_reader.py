"""Reads the `status` folders next to outputs, in which jobs and submissions write their records."""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from cpexport.files.places import listed, path_of
from cpexport.jobs.logs import MemoryByLog
from cpexport.jobs.record_file import CHECK, SUBMITTED, RecordFile, read_record
from cpexport.jobs.records import ANY, Attempt, Broken, Records
from cpexport.jobs.split import STATUS_SUFFIXES

_Stat = tuple[int, int, int, int]
"""What tells whether a file has changed: its number, size, time and owner."""


@dataclass
class Reader:
    """Reads `status` folders; it reads a file again only if the file has changed."""

    _cache: dict[str, tuple[_Stat, RecordFile]] = field(default_factory=dict)
    logs: MemoryByLog = field(default_factory=dict)

    def read(self, folders: Iterable[Path]) -> Records:
        """Returns the records in these folders."""
        files: list[RecordFile] = []
        cache: dict[str, tuple[_Stat, RecordFile]] = {}
        others = False
        recorded: dict[str, str] = {}
        for folder in folders:
            try:
                entries = sorted(_entries(folder))
            except OSError as error:
                why = f"cannot be listed ({error.strerror}), so any of its jobs may run"
                files.append(RecordFile(broken=(Broken(folder, f"{why}; {CHECK}", ANY),)))
                continue
            for path, stat in entries:
                before, file = self._cache.get(path, ((0, 0, 0, 0), RecordFile()))
                if before != stat:
                    file = read_record(path_of(path))
                cache[path] = (stat, file)
                files.append(file)
                if path.endswith(SUBMITTED):
                    recorded[Path(path).name] = file.first
                others = others or stat[3] != os.getuid()
        self._cache = cache
        return replace(_together(files), others=others, recorded=recorded)


def read_files(paths: Iterable[Path]) -> Records:
    """Returns the records in these files, as far as they exist."""
    return _together([read_record(path) for path in paths])


def _together(files: Sequence[RecordFile]) -> Records:
    return Records(
        _in_order(file.attempts for file in files),
        tuple(one for file in files for one in file.submissions),
        tuple(one for file in files for one in file.broken),
    )


def _entries(folder: Path) -> Iterator[tuple[str, _Stat]]:
    """Lists the records in a folder once, each with what tells whether it has changed."""
    for path, stat in listed(folder, STATUS_SUFFIXES):
        yield path, (stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_uid)


def _in_order(files: Iterable[tuple[Attempt, ...]]) -> tuple[Attempt, ...]:
    """Sorts attempts by the time they began, but keeps each job's attempts in their recorded order.

    The clock of one of its nodes may be slow.
    """
    timed: list[tuple[str, Attempt]] = []
    for attempts in files:
        latest = ""
        for attempt in attempts:
            latest = max(latest, attempt.began)
            timed.append((latest, attempt))
    timed.sort(key=lambda item: item[0])
    return tuple(attempt for _, attempt in timed)
