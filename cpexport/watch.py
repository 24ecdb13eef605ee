"""Follows a run along: looks again and again until all that was planned is there."""

import logging
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from cpexport.batch import State
from cpexport.check import Check
from cpexport.history import History
from cpexport.imagesets import NONE, ImageSets
from cpexport.records import Reader
from cpexport.survey import Done, Progress
from cpexport.underway import read_history

if TYPE_CHECKING:
    # A check needs nothing of what it brings along.
    from cpexport.load import Report

_TICK = 0.1
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Standing:
    """How far a run is. Every planned image set is in one of `complete`, with those that FlagImage
    skipped, `running`, `waiting` in a queue, `failed` and `missing`, of which nothing has been
    heard. `eta` is seconds to go, None where unknown. `idle` says that jobs have ended, none waits
    or runs, and something is missing; `over` is whether nothing more can come then, by the word of
    a scheduler."""

    planned: ImageSets
    complete: ImageSets
    running: ImageSets
    failed: ImageSets
    missing: ImageSets
    eta: float | None = None
    waiting: ImageSets = NONE
    idle: str = ""
    over: bool = False


def standing(found: Check) -> Standing:
    """How far a run is by what a check found.

    Raises:
        UsageError: there is no batch file.
    """
    missing, history = found.missing, found.history
    now = [seen.image_sets for seen in found.batches if seen.state == State.RUNNING]
    running = ImageSets.from_ranges(ends for one in now for ends in one.ranges)
    running = (running | history.running | history.unsure) & missing
    waiting = history.waiting & missing - running
    tried = [a.image_sets for a in history.failed if a.result != "complete"]
    tried += [seen.image_sets for seen in found.batches]
    failed = (
        ImageSets.from_ranges(ends for one in tried for ends in one.ranges)
        & missing - running - waiting
    )
    rest = missing - running - waiting - failed
    planned = found.batch_file.planned
    done = (found.complete | found.skipped) & planned
    idle = "" if running or waiting else _idle(missing, history)
    over = bool(idle) and history.submitted
    return Standing(planned, done, running, failed, rest, None, waiting, idle, over)


def _idle(missing: ImageSets, history: History) -> str:
    """That jobs have ended, none waits or runs, and something is missing; else nothing."""
    if not missing or history.busy & missing or not (history.attempts or history.queued):
        return ""
    return (
        f"no job waits or runs, and {len(missing)} image sets are missing; run them again with "
        "cpexport check --resubmit"
    )


def follow_check(
    look: Callable[[], Check],
    seconds: float,
    draw: Callable[[Standing], None],
    clock: Callable[[], float] = time.monotonic,
) -> Check:
    """Draws how far a run is every so many seconds, until it is whole, or all jobs have ended by
    their scheduler's word: asked twice, as files can come late. Returns the last check."""
    began: tuple[float, int] | None = None
    before = False
    while True:
        found = look()
        now = standing(found)
        began = began or (clock(), len(now.complete))
        draw(replace(now, eta=_eta(now, clock() - began[0], len(now.complete) - began[1])))
        if not found.missing or (now.over and before):
            return found
        before = now.over
        pause(seconds, lambda: None)


def follow_load(
    load: "Callable[[], Report]",
    seconds: float,
    progress: Progress,
    passed: "Callable[[Report], None]" = lambda report: None,
) -> "Report":
    """Loads what has become complete every so many seconds, until nothing planned is missing, or
    all jobs have ended by their scheduler's word: asked twice, as files can come late.

    Returns one report of all that was done; `passed` gets the one of all so far after each pass.
    `progress` is told in between, and may raise to stop. That no job waits or runs is logged.
    """
    reader, before, said = Reader(), False, ""
    total = load()
    passed(total)
    while total.missing:
        history = read_history(total.histories, reader)
        idle = _idle(total.missing, history)
        over = bool(idle) and history.submitted
        if over and before:
            return replace(total, notes=(*total.notes, idle))
        if idle not in ("", said) and not over:
            _log.warning("%s", idle)
        before, said = over, idle
        planned = total.planned or 0
        there = planned - len(total.missing)
        now = Done("in the destination", there, planned, unit="planned image sets")
        pause(seconds, partial(progress, now))
        total = _sum(total, load())
        passed(total)
    return total


def pause(seconds: float, tell: Callable[[], None]) -> None:
    """Waits, calling `tell` all the time."""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        tell()
        time.sleep(min(_TICK, left))


def _eta(now: Standing, seconds: float, done: int) -> float | None:
    left = len(now.planned) - len(now.complete)
    return seconds / done * left if done else None


def _sum(before: "Report", after: "Report") -> "Report":
    """Both reports as one: what was done adds up, what is there is as it was seen last."""
    return replace(
        after,
        loaded=before.loaded + after.loaded,
        already=max(after.already - before.loaded, 0),
        image_sets=before.image_sets + after.image_sets,
        rows=dict(Counter(before.rows) + Counter(after.rows)),
        made={**before.made, **after.made},
        seconds=before.seconds + after.seconds,
        notes=tuple(dict.fromkeys([*before.notes, *after.notes])),
        details=tuple(dict.fromkeys([*before.details, *after.details])),
    )
