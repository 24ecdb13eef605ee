"""Follows a run: checks or loads it repeatedly until all planned image sets are present."""

import logging
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from cpexport.commands.check_report import CheckReport
from cpexport.imagesets import NONE, ImageSets
from cpexport.jobs.history import History
from cpexport.jobs.record_reader import Reader
from cpexport.jobs.underway import read_history
from cpexport.loading.progress import Progress, ProgressEvent
from cpexport.loading.whole_batches import WholeBatches
from cpexport.sources.base import State
from cpexport.spelling import counted

if TYPE_CHECKING:
    # A check does not need what this import loads.
    from cpexport.commands.load_report import LoadReport

_TICK = 0.1
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RunProgress:
    """How far a run is. Every planned image set is in exactly one of five sets.

    complete: complete, or skipped by FlagImage.
    running, waiting: in jobs that run, or wait in a queue.
    failed: in jobs that failed.
    missing: not started, as far as is known.
    eta: seconds to go; None if unknown.
    idle: a sentence that image sets are missing although no job waits or runs; else empty.
    over: whether, in addition, a scheduler has confirmed that no more results can come.
    """

    planned: ImageSets
    complete: ImageSets
    running: ImageSets
    failed: ImageSets
    missing: ImageSets
    eta: float | None = None
    waiting: ImageSets = NONE
    idle: str = ""
    over: bool = False


def standing(found: CheckReport) -> RunProgress:
    """Returns how far a run is, according to a check.

    Raises:
        UsageError: there is no batch file.
    """
    missing, history = found.missing, found.history
    now = [seen.image_sets for seen in found.batches if seen.state == State.RUNNING]
    running = ImageSets.from_ranges(ends for image_sets in now for ends in image_sets.ranges)
    running = (running | history.running | history.unsure) & missing
    waiting = history.waiting & missing - running
    tried = [a.image_sets for a in history.failed if a.result != "complete"]
    tried += [seen.image_sets for seen in found.batches]
    failed = (
        ImageSets.from_ranges(ends for image_sets in tried for ends in image_sets.ranges)
        & missing - running - waiting
    )
    rest = missing - running - waiting - failed
    planned = (found.plan or found.batch_file).planned
    done = (found.complete | found.skipped) & planned
    idle = "" if running or waiting else _idle(missing, history)
    over = bool(idle) and history.submitted
    return RunProgress(planned, done, running, failed, rest, None, waiting, idle, over)


def _idle(missing: ImageSets, history: History) -> str:
    """Returns that image sets are missing although no job waits or runs; else an empty text.

    Empty also if no job is known.
    """
    if not missing or history.busy & missing or not (history.attempts or history.queued):
        return ""
    are, them = ("is", "it") if len(missing) == 1 else ("are", "them")
    return (
        f"no job waits or runs, and {counted(len(missing), 'image set')} {are} missing; run {them} "
        "again with cpexport check OUTPUTS --resubmit FOLDER"
    )


def follow_check(
    look: Callable[[WholeBatches], CheckReport],
    seconds: float,
    draw: Callable[[RunProgress], None],
    clock: Callable[[], float] = time.monotonic,
) -> CheckReport:
    """Draws how far a run is every `seconds` seconds; returns the last check, of all batches.

    It ends when nothing is missing, or when the scheduler says in two checks in a row that all jobs
    have ended, as files can arrive late. `look` gets the batches that it need not open again.
    """
    began: tuple[float, int] | None = None
    was_over, whole = False, WholeBatches()
    while True:
        is_first = began is None
        found = look(whole)
        now = standing(found)
        if (not found.missing or (now.over and was_over)) and not is_first:
            # A batch may have changed since it was found whole.
            whole = WholeBatches()
            found = look(whole)
            now = standing(found)
        began = began or (clock(), len(now.complete))
        draw(replace(now, eta=_eta(now, clock() - began[0], len(now.complete) - began[1])))
        if not found.missing or (now.over and was_over):
            return found
        was_over = now.over
        _log.info("%d image sets are missing; looking again in %s s", len(found.missing), seconds)
        pause(seconds, lambda: None)


def follow_load(
    load: "Callable[[], LoadReport]",
    seconds: float,
    progress: Progress,
    passed: "Callable[[LoadReport], None]" = lambda report: None,
) -> "LoadReport":
    """Loads what has become complete every `seconds` seconds; returns one report of all passes.

    It ends when nothing planned is missing, or when the scheduler says after two passes in a row
    that all jobs have ended, as files can arrive late. `passed` gets the combined report after each
    pass. `progress` is called in between, and may raise an exception to stop. A warning is logged
    when no job waits or runs.
    """
    reader, was_over, logged = Reader(), False, ""
    total = load()
    passed(total)
    while total.missing:
        history = read_history(total.histories, reader)
        idle = _idle(total.missing, history)
        over = bool(idle) and history.submitted
        if over and was_over:
            return replace(total, notes=(*total.notes, idle))
        if idle not in ("", logged) and not over:
            _log.warning("%s", idle)
        was_over, logged = over, idle
        planned = total.planned or 0
        loaded = planned - len(total.missing)
        now = ProgressEvent("in the destination", loaded, planned, unit="planned image sets")
        _log.info("%d image sets are missing; loading again in %s s", len(total.missing), seconds)
        pause(seconds, partial(progress, now))
        total = _sum(total, load())
        passed(total)
    return total


def pause(seconds: float, tell: Callable[[], None]) -> None:
    """Waits for `seconds`, and calls `tell` repeatedly meanwhile."""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        tell()
        time.sleep(min(_TICK, left))


def _eta(now: RunProgress, seconds: float, done: int) -> float | None:
    left = len(now.planned) - len(now.complete)
    return seconds / done * left if done else None


def _sum(before: "LoadReport", after: "LoadReport") -> "LoadReport":
    """Combines two reports: what was done adds up, the present state is that of the later one."""
    return replace(
        after,
        loaded=before.loaded + after.loaded,
        already=max(after.already - before.loaded, 0),
        image_sets=before.image_sets + after.image_sets,
        replacements=(*before.replacements, *after.replacements),
        rows=dict(Counter(before.rows) + Counter(after.rows)),
        made={**before.made, **after.made},
        seconds=before.seconds + after.seconds,
        notes=tuple(dict.fromkeys([*before.notes, *after.notes])),
        details=tuple(dict.fromkeys([*before.details, *after.details])),
    )
