"""What jobs and submissions wrote down of themselves, in the folder `status` beside their outputs.

Every job writes a file of its own, as appending to one file from many nodes is not safe on NFS; so
does every submission (scripts/task.sh, submit.sh). A full disk, a dying node or another user's
umask can leave any of these files empty, cut off or closed: that file is named, all others count.
"""

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Final

from cpexport.imagesets import NONE, ImageSets
from cpexport.jobs import STATUS_SUFFIXES

_ATTEMPTS, _SUBMITTED = STATUS_SUFFIXES

ANY: Final = ImageSets.span(1, 2**53)
"""Image sets of which nothing is known: any may be meant."""

# A shell's exit status for a program that is not there, or that it cannot run (POSIX, sh).
_NO_PROGRAM = frozenset({126, 127})
_AT_ONCE = 60
_RANGE = re.compile(r"batch_([0-9]{1,15})_([0-9]{1,15})(?:_[0-9]+)?")
# The id of an array, which PBS calls `17[].server`, and of a shell's run.
_ARRAY = re.compile(r"[0-9]+(\[.*)?")
_RUN = re.compile(r"[^:]+:[0-9]+:[0-9]+")
# After a line that was cut off the next one goes on in the same line.
_GLUED = re.compile(r"(?<=.)(?=start\t|end\t)")


@dataclass(frozen=True)
class Attempt:
    """One start of a job. `folder` is the name of its folder in `home`, `id` the scheduler's, such
    as `slurm:12_3`, or empty; `began` is UTC.

    `result` is `complete`, `failed`, `timeout`, `terminated` by a signal, `requeued` if the
    scheduler started it again, `killed` if it ended without a word of its own, or empty while
    nobody knows that it ended; `state` is what the scheduler says of it, or empty.
    `time` in minutes and `memory` in MiB are what it was given. `exit_status` and `ended` (UTC) are
    known if it ended by itself. `plan` tells the jobs of one plan from those of others, and `node`
    is the machine's name; older versions did not note them. `number` counts the starts of this job
    from 1.
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
        """How long it took, where that is known."""
        try:
            took = datetime.fromisoformat(self.ended) - datetime.fromisoformat(self.began)
        except (TypeError, ValueError):
            return None
        return max(round(took.total_seconds()), 0)

    @property
    def open(self) -> bool:
        """Whether nobody knows that it ended."""
        return not self.result

    @property
    def timed_out(self) -> bool:
        """Whether it ran out of time, by its scheduler's word or its own."""
        return self.state == "TIMEOUT" or (
            self.result == "timeout" and self.state in ("", "FAILED")
        )

    @property
    def at_once(self) -> bool:
        """Whether it failed within a minute."""
        return self.result == "failed" and (s := self.seconds) is not None and s <= _AT_ONCE

    @property
    def unstarted(self) -> bool:
        """Whether the shell found no CellProfiler to run, or none that it could."""
        return self.exit_status in _NO_PROGRAM


@dataclass(frozen=True)
class Submission:
    """An array, or a shell's run: the image sets of each of its jobs, or None where its record does
    not say which.

    `id` is empty where the submission has not said it, or not yet. That of a shell is
    `HOST:PROCESS:RUN`, whose jobs are `shell:HOST:PROCESS:RUN` with processes of their own.
    """

    path: Path
    scheduler: str
    id: str
    jobs: tuple[ImageSets | None, ...]


@dataclass(frozen=True)
class Broken:
    """A file that cannot be read, or not to its end. `image_sets` may run, by all it tells."""

    path: Path
    why: str
    image_sets: ImageSets = NONE

    def __str__(self) -> str:
        return f"{self.path}: {self.why}"


@dataclass(frozen=True)
class Records:
    """All of it, attempts in the order in which they began. `others` is whether some of it was
    written by another user. `recorded` are the first lines of all records of submissions, by the
    names of their files: the scheduler's word and id, however broken; empty if it cannot be read.
    """

    attempts: tuple[Attempt, ...] = ()
    submissions: tuple[Submission, ...] = ()
    broken: tuple[Broken, ...] = ()
    others: bool = False
    recorded: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _File:
    """What one file said, and of a submission its first line as it stands."""

    attempts: tuple[Attempt, ...] = ()
    submissions: tuple[Submission, ...] = ()
    broken: tuple[Broken, ...] = ()
    first: str = ""


_Stat = tuple[int, int, int, int]

Said = dict[Path, tuple[tuple[int, int, int], bool]]
"""What logs said of memory when they were looked at, with what tells whether they have changed."""


@dataclass
class Reader:
    """Reads `status` folders; a file that has not changed since the last time is not read again."""

    _known: dict[str, tuple[_Stat, _File]] = field(default_factory=dict)
    logs: Said = field(default_factory=dict)

    def read(self, folders: Iterable[Path]) -> Records:
        """The records in these folders."""
        files: list[_File] = []
        known: dict[str, tuple[_Stat, _File]] = {}
        others = False
        recorded: dict[str, str] = {}
        for folder in folders:
            try:
                entries = sorted(_entries(folder))
            except OSError as error:
                why = f"cannot be listed ({error.strerror}), so that any of its jobs may run"
                files.append(_File(broken=(Broken(folder, f"{why}; {_CHECK}", ANY),)))
                continue
            for path, stat in entries:
                before, file = self._known.get(path, ((0, 0, 0, 0), _File()))
                if before != stat:
                    file = _read(Path(path))
                known[path] = (stat, file)
                files.append(file)
                if path.endswith(_SUBMITTED):
                    recorded[Path(path).name] = file.first
                others = others or stat[3] != os.getuid()
        self._known = known
        return Records(
            _in_order(file.attempts for file in files),
            tuple(one for file in files for one in file.submissions),
            tuple(one for file in files for one in file.broken),
            others,
            recorded,
        )


_CHECK = "make it readable, or remove it when none of them waits or runs"
_REMOVE = "remove it when its job neither waits nor runs"


def _entries(folder: Path) -> Iterator[tuple[str, _Stat]]:
    """The records in a folder, by one listing, with all that tells whether they have changed."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if not entry.name.startswith(".") and entry.name.endswith(STATUS_SUFFIXES):
                try:
                    stat = entry.stat()
                except FileNotFoundError:
                    # Gone meanwhile.
                    continue
                yield entry.path, (stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_uid)


def _in_order(files: Iterable[tuple[Attempt, ...]]) -> tuple[Attempt, ...]:
    """Attempts by the time they began, but those of one job always in the order it noted them: the
    clock of one of its nodes may be behind."""
    timed: list[tuple[str, Attempt]] = []
    for attempts in files:
        latest = ""
        for attempt in attempts:
            latest = max(latest, attempt.began)
            timed.append((latest, attempt))
    timed.sort(key=lambda one: one[0])
    return tuple(attempt for _, attempt in timed)


def _read(path: Path) -> _File:
    try:
        text = path.read_text("utf-8", "replace")
    except FileNotFoundError:
        return _File()
    except OSError as error:
        return _unknown(path, f"cannot be read ({error.strerror})")
    if path.suffix == _SUBMITTED:
        return replace(_submission(path, text), first=text.partition("\n")[0])
    return _attempts(path, text)


def _unknown(path: Path, what: str) -> _File:
    """A file that says nothing: what may run by it is told by its name alone."""
    if path.suffix == _SUBMITTED:
        why = f"{what}, so that nobody can say which jobs were submitted; {_CHECK}"
        return _File(broken=(Broken(path, why, ANY),))
    why = f"{what}, so that nobody can say whether its job runs; {_REMOVE}"
    return _File(broken=(Broken(path, why, _by_name(path.stem) or ANY),))


def _by_name(folder: str) -> ImageSets:
    """The image sets of a job by the name of its folder; none if that does not say them."""
    match = _RANGE.fullmatch(folder)
    first, last = (int(match[1]), int(match[2])) if match else (1, 0)
    return ImageSets.span(first, last) if 0 < first <= last else NONE


def _attempts(path: Path, text: str) -> _File:
    """The attempts of one job. Lines of other kinds are for others."""
    found: list[Attempt] = []
    named = _by_name(path.stem)
    *_, last = text.splitlines() or [""]
    cut = last if last and not text.endswith("\n") else ""
    for line in (piece for whole in text.splitlines() for piece in _GLUED.split(whole)):
        word, *rest = line.split("\t")
        if word == "start":
            found += _begun(path, rest, named, len(found) + 1)
        elif word == "end":
            result, status, ended, id = [*rest, "", "", "", ""][:4]
            at = _of(found, id)
            if at is None:
                found.append(_attempt(path, named, number=len(found) + 1))
            at = len(found) - 1 if at is None else at
            found[at] = replace(
                found[at], result=result or "failed", exit_status=_number(status), ended=ended
            )
    if not found:
        return _unknown(path, "is empty" if not text.strip("\0\n ") else "has no line of a job")
    # The scheduler started it again of its own accord, and so had ended what was before.
    told = tuple(
        replace(a, result="requeued")
        if a.id and a.id == b.id and a.result in ("", "terminated")
        else a
        for a, b in zip(found, [*found[1:], _attempt(path, NONE)], strict=True)
    )
    broken = (Broken(path, f"is cut off after {cut[-40:]!r}; {_REMOVE}"),) if cut else ()
    return _File(told, broken=broken)


def _of(attempts: list[Attempt], id: str) -> int | None:
    """Which attempt a line says ended: of copies that ran side by side the one with that id."""
    opened = [n for n, attempt in enumerate(attempts) if attempt.open]
    return next((n for n in reversed(opened) if not id or attempts[n].id == id), None)


def _begun(path: Path, rest: list[str], named: ImageSets, number: int) -> list[Attempt]:
    """The attempt that a line says began, also one that was cut off: its id may be, too."""
    sets, id, began, time, memory, *more = [*rest, "", "", "", "", ""][: max(len(rest), 5)]
    try:
        image_sets = ImageSets.parse(sets)
    except ValueError:
        image_sets = NONE
    whole = len(rest) >= 5 and bool(image_sets)
    if not whole:
        image_sets, id = named or image_sets, id if len(rest) > 2 else ""
    return [
        Attempt(
            path.stem,
            image_sets or ANY,
            id,
            began if whole else "",
            time=_number(time),
            memory=_number(memory),
            plan="".join(more[:1]),
            node="".join(more[1:2]) if whole else "",
            home=str(path.parent.parent),
            number=number,
        )
    ]


def _attempt(path: Path, image_sets: ImageSets, number: int = 1) -> Attempt:
    return Attempt(path.stem, image_sets, "", "", home=str(path.parent.parent), number=number)


def _number(text: str) -> int | None:
    return int(text) if text.isdecimal() else None


def _submission(path: Path, text: str) -> _File:
    """One array: a line of scheduler and id, and a line of image sets for each of its jobs."""
    first, *lines = text.splitlines() or [""]
    scheduler, tab, rest = first.partition("\t")
    if not tab or (not lines and not text.endswith("\n")):
        return _unknown(path, "is empty" if not text.strip("\0\n ") else "is no list of jobs")
    id, _, total = rest.partition("\t")
    if lines and not text.endswith("\n"):
        # Cut off, it may be a shorter number than it was.
        lines[-1] += "..."
    # Version 0.1.0 did not note how many there are.
    lines += ["..."] * ((_number(total) or 0) - len(lines))
    jobs: list[ImageSets | None] = []
    for line in lines:
        try:
            jobs.append(ImageSets.parse(line))
        except ValueError:
            jobs.append(None)
    bad = [line for line, job in zip(lines, jobs, strict=True) if job is None]
    id = id.strip()
    if not jobs or (id and not (_RUN if scheduler == "shell" else _ARRAY).fullmatch(id)):
        id, bad = "" if jobs else id, [first]
    why = f"is not a list of submitted jobs: {''.join(bad[:1])[:40]!r}; {_CHECK}"
    return _File(
        submissions=(Submission(path, scheduler, id, tuple(jobs)),),
        broken=(Broken(path, why),) if bad else (),
    )
