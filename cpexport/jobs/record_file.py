"""Reads one record: the file in which a job records its attempts, or a submission its jobs.

A record can be cut off anywhere, so its last line may be truncated, or may be continued by the next
record. Whatever it may have meant counts as running.
"""

import re
from dataclasses import dataclass, replace
from pathlib import Path

from cpexport.files.opening import read_text
from cpexport.imagesets import NONE, ImageSets
from cpexport.jobs.records import ANY, Attempt, Broken, Submission
from cpexport.jobs.split import STATUS_SUFFIXES

SUBMITTED = STATUS_SUFFIXES[1]

CHECK = "make it readable, or remove it once none of its jobs waits or runs"
_REMOVE = "remove it once its job neither waits nor runs"

_RANGE = re.compile(r"batch_([0-9]{1,15})_([0-9]{1,15})(?:_[0-9]+)?")
# The id of an array (PBS calls it `17[].server`), and of a run by a shell.
_ARRAY = re.compile(r"[0-9]+(\[.*)?")
_RUN = re.compile(r"[^:]+:[0-9]+:[0-9]+")
# After a truncated line, the next record continues in the same line.
_GLUED = re.compile(r"(?<=.)(?=start\t|end\t)")


@dataclass(frozen=True)
class RecordFile:
    """The content of one record; `first` is the unchanged first line of a submission's."""

    attempts: tuple[Attempt, ...] = ()
    submissions: tuple[Submission, ...] = ()
    broken: tuple[Broken, ...] = ()
    first: str = ""


def read_record(path: Path) -> RecordFile:
    """Returns what a record says; nothing if the file no longer exists."""
    try:
        text = read_text(path)
    except FileNotFoundError:
        return RecordFile()
    except OSError as error:
        return _unknown(path, f"cannot be read ({error.strerror})")
    if path.suffix == SUBMITTED:
        return replace(_submission(path, text), first=text.partition("\n")[0])
    return _attempts(path, text)


def _unknown(path: Path, what: str) -> RecordFile:
    """A record without usable content: only its name shows what may be running."""
    if path.suffix == SUBMITTED:
        why = f"{what}, so cpexport cannot tell which jobs were submitted; {CHECK}"
        return RecordFile(broken=(Broken(path, why, ANY),))
    why = f"{what}, so cpexport cannot tell whether its job runs; {_REMOVE}"
    return RecordFile(broken=(Broken(path, why, _by_name(path.stem) or ANY),))


def _by_name(folder: str) -> ImageSets:
    """The image sets of a job according to its folder's name; none if the name has no range."""
    match = _RANGE.fullmatch(folder)
    first, last = (int(match[1]), int(match[2])) if match else (1, 0)
    return ImageSets.span(first, last) if 0 < first <= last else NONE


def _attempts(path: Path, text: str) -> RecordFile:
    """Reads the attempts of one job; lines of other kinds are ignored."""
    attempts: list[Attempt] = []
    named = _by_name(path.stem)
    *_, last = text.splitlines() or [""]
    truncated = last if last and not text.endswith("\n") else ""
    for line in (piece for whole in text.splitlines() for piece in _GLUED.split(whole)):
        word, *rest = line.split("\t")
        if word == "start":
            attempts.append(_started(path, rest, named, len(attempts) + 1))
        elif word == "end":
            _end(path, rest, named, attempts)
    if not attempts:
        return _unknown(path, "is empty" if not text.strip("\0\n ") else "lists no job")
    broken = (
        (Broken(path, f"is cut off after {truncated[-40:]!r}; {_REMOVE}"),) if truncated else ()
    )
    return RecordFile(_with_requeues(attempts), broken=broken)


def _with_requeues(attempts: list[Attempt]) -> tuple[Attempt, ...]:
    """Marks the attempts that the scheduler ended to start the job again, under the same id."""
    next_ids = [*(attempt.id for attempt in attempts[1:]), ""]
    return tuple(
        replace(attempt, result="requeued")
        if attempt.id and attempt.id == next_id and attempt.result in ("", "terminated")
        else attempt
        for attempt, next_id in zip(attempts, next_ids, strict=True)
    )


def _end(path: Path, fields: list[str], named: ImageSets, attempts: list[Attempt]) -> None:
    """Ends the attempt that an end line belongs to, or adds one if its start line is lost.

    Copies of a job can run at the same time: the line belongs to the last open attempt with its id.
    """
    result, status, ended, id = [*fields, "", "", "", ""][:4]
    index = next(
        (
            index
            for index, attempt in reversed(list(enumerate(attempts)))
            if attempt.open and (not id or attempt.id == id)
        ),
        len(attempts),
    )
    if index == len(attempts):
        number = len(attempts) + 1
        home = str(path.parent.parent)
        attempts.append(Attempt(path.stem, named, "", "", home=home, number=number))
    attempts[index] = replace(
        attempts[index], result=result or "failed", exit_status=_number(status), ended=ended
    )


def _started(path: Path, fields: list[str], named: ImageSets, number: int) -> Attempt:
    """The attempt that a start line describes, even if the line is truncated.

    `named` are the image sets that the record's name gives; they replace truncated ones. An id
    that may be truncated is left out.
    """
    sets, id, began, time, memory, *more = [*fields, "", "", "", "", ""][: max(len(fields), 5)]
    try:
        image_sets = ImageSets.parse(sets)
    except ValueError:
        image_sets = NONE
    whole = len(fields) >= 5 and bool(image_sets)
    if not whole:
        image_sets, id = named or image_sets, id if len(fields) > 2 else ""
    return Attempt(
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


def _number(text: str) -> int | None:
    return int(text) if re.fullmatch(r"[0-9]{1,18}", text) else None


def _submission(path: Path, text: str) -> RecordFile:
    """Reads a submission: a line with scheduler and id, then the image sets of each job, a line
    each."""
    first, *lines = text.splitlines() or [""]
    scheduler, tab, rest = first.partition("\t")
    if not tab or (not lines and not text.endswith("\n")):
        return _unknown(path, "is empty" if not text.strip("\0\n ") else "is not a list of jobs")
    id, _, total = rest.partition("\t")
    if lines and not text.endswith("\n"):
        # A truncated line may end in a shorter number than was written.
        lines[-1] += "..."
    # Version 0.1.0 did not record the number of jobs.
    lines += ["..."] * ((_number(total) or 0) - len(lines))
    jobs: list[ImageSets | None] = []
    for line in lines:
        try:
            jobs.append(ImageSets.parse(line))
        except ValueError:
            jobs.append(None)
    bad = [line for line, job in zip(lines, jobs, strict=True) if job is None]
    id = id.strip()
    id_form = _RUN if scheduler == "shell" else _ARRAY
    if not jobs or (id and not id_form.fullmatch(id)):
        id, bad = "" if jobs else id, [first]
    why = f"is not a list of submitted jobs: {''.join(bad[:1])[:40]!r}; {CHECK}"
    return RecordFile(
        submissions=(Submission(path, scheduler, id, tuple(jobs)),),
        broken=(Broken(path, why),) if bad else (),
    )
