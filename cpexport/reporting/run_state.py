"""What became of each image set of a run, and which batch shows it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from enum import IntEnum
from functools import cached_property
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from cpexport.cellprofiler.batch_file import BatchFile
from cpexport.cellprofiler.features import IMAGE, NULL
from cpexport.cellprofiler.flagged_image_sets import skipped_there
from cpexport.commands.check_report import CheckReport
from cpexport.commands.seen import Seen
from cpexport.derived.stored_plan import stored_plan, stored_skips
from cpexport.imagesets import NONE, ImageSets, union
from cpexport.jobs.scheduler_commands import WAITING
from cpexport.loading.missing_features import compared, sentences
from cpexport.loading.removed import removed_sets, why_removed
from cpexport.reporting.places import Numbers, within
from cpexport.sinks.base import Sink
from cpexport.sinks.ledger import Entry
from cpexport.sources.base import State as BatchState
from cpexport.tables.layout import Features

NO_BATCH: Final = -1
"""Stands for the batch of an image set that no batch ran."""


class State(IntEnum):
    """What became of an image set, from the best to the worst."""

    COMPLETE = 0
    SKIPPED = 1
    RUNNING = 2
    FAILED = 3
    MISSING = 4


WORDS: Final = {
    State.COMPLETE: "complete",
    State.SKIPPED: "skipped by FlagImage",
    State.RUNNING: "waits or runs",
    State.FAILED: "failed",
    State.MISSING: "missing",
}


@dataclass(frozen=True)
class RunState:
    """The image sets of one run, each with its state.

    run: its name, if the destination numbers runs.
    found: what `check` reports about the outputs or the destination.
    jobs: the batches, and the jobs without a folder.
    """

    found: CheckReport
    run: str = ""
    jobs: tuple[Seen, ...] = field(default=(), repr=False)

    @classmethod
    def of(cls, found: CheckReport, run: str = "") -> "RunState":
        return cls(found, run, (*found.batches, *found.queue))

    @property
    def plan(self) -> BatchFile | None:
        """The batch file, if there is one."""
        return self.found.plan

    @cached_property
    def image_sets(self) -> ImageSets:
        """All image sets that are planned; without a batch file, all that outputs show."""
        if self.plan is not None:
            return self.plan.planned
        found = self.found
        ran = union(job.image_sets for job in self.jobs)
        return union([found.complete, found.skipped, found.missing, ran])

    @cached_property
    def by_state(self) -> dict[State, ImageSets]:
        """The image sets in each state."""
        found = self.found
        complete = found.complete & self.image_sets
        skipped = (found.skipped & self.image_sets) - complete
        open_ = self.image_sets - complete - skipped
        running = open_ & union([found.history.busy, *self._running()])
        failed = (open_ - running) & union(job.image_sets for job in self.jobs)
        return {
            State.COMPLETE: complete,
            State.SKIPPED: skipped,
            State.RUNNING: running,
            State.FAILED: failed,
            State.MISSING: open_ - running - failed,
        }

    def _running(self) -> Iterator[ImageSets]:
        for job in self.jobs:
            if job.state in (BatchState.RUNNING, WAITING):
                yield job.image_sets - job.complete

    def states(self, numbers: Numbers) -> npt.NDArray[np.int8]:
        """The state of each image set."""
        states = np.full(len(numbers), State.MISSING, np.int8)
        for state, image_sets in self.by_state.items():
            states[within(numbers, image_sets)] = state
        return states

    def owners(self, numbers: Numbers) -> Numbers:
        """The place in `jobs` of the batch that shows the state of each image set, or `NO_BATCH`.

        `numbers` must be ascending. If several batches ran an image set, it is one that has it
        complete, else the last one.
        """
        owners = np.full(len(numbers), NO_BATCH, np.int64)
        for complete in (False, True):
            for place, job in enumerate(self.jobs):
                for first, last in (job.complete if complete else job.image_sets).ranges:
                    start, end = np.searchsorted(numbers, (first, last + 1))
                    owners[start:end] = place
        return owners


def of_ledger(sink: Sink, prefix: str = "", run: str = "") -> RunState:
    """The state of a run that only its destination shows.

    Image sets are missing if they are planned, as far as the destination keeps what is. Otherwise
    they are if a batch lacks them, or if a number is left out.
    """
    entries = tuple(sink.ledger.entries())
    loaded, plan = union(entry.loaded for entry in entries), stored_plan(sink, prefix)
    removed, skipped = removed_sets(sink.ledger), NONE
    if plan is not None:
        features = sink.layout().features.get(IMAGE, {})
        skips = stored_skips(sink)
        skipped = skipped_there(skips, features, lambda columns: sink.read(IMAGE, columns))
    batches = tuple(_seen(entry, skipped, removed) for entry in entries)
    pipelines = sink.ledger.summary().pipelines
    found = CheckReport(
        plan, loaded - skipped, NONE, NONE, batches, skipped=skipped & loaded, pipelines=pipelines
    )
    return RunState.of(found, run)


def _seen(entry: Entry, skipped: ImageSets, removed: ImageSets) -> Seen:
    gone = why_removed((entry.complete - entry.loaded) & removed)
    why = "; ".join(filter(None, [entry.reason, gone]))
    left = entry.loaded - skipped
    return Seen(
        entry.path, entry.image_sets, left, entry.state, why, skipped=entry.loaded & skipped
    )


def as_loaded(found: CheckReport, sink: Sink, prefix: str) -> CheckReport:
    """The check of outputs, with what their destination has of them as complete: a report on it
    counts what SQL counts there."""
    loaded = sink.ledger.summary().loaded
    ours = found.complete | found.skipped
    plan = found.plan or stored_plan(sink, prefix)
    here = loaded & (plan.planned if plan else loaded)
    absent = ours - loaded
    gone = absent & removed_sets(sink.ledger)
    notes = [f"{sink.name}: {why}" for why in (why_removed(gone),) if why]
    if rest := absent - gone:
        are = "is" if len(rest) == 1 else "are"
        notes.append(f"{sink.name}: {rest.words} of the outputs {are} not loaded yet")
    skipped = found.skipped & loaded
    notes = [*found.notes, *notes]
    return replace(found, plan=plan, complete=here - skipped, skipped=skipped, notes=tuple(notes))


def lacking_features(entries: Iterable[Entry]) -> tuple[str, ...]:
    """Sentences on what some batches of a ledger lack that others have, as `check` has them.

    Batches that version 0.1.0 loaded do not count: it did not record their features.
    """
    recorded = [(e.path, e.recorded) for e in entries if e.loaded and e.recorded]
    every: dict[str, dict[str, pa.DataType]] = {}
    for _, one in recorded:
        for name, names in one.features.items():
            every.setdefault(name, {}).update(dict.fromkeys(names, NULL))
    features: dict[int, Features] = {}
    for _, one in recorded:
        if id(one) not in features:
            # A batch without any such objects has no table of them, and lacks nothing.
            none = {name: every[name] for name in one.counted_none if name in every}
            own = {name: dict.fromkeys(names, NULL) for name, names in one.features.items()}
            features[id(one)] = {**none, **own}
    return sentences(compared((path, features[id(one)]) for path, one in recorded))


def added_up(runs: Iterable[RunState]) -> dict[State, int]:
    """The number of image sets in each state, over all runs."""
    total = dict.fromkeys(State, 0)
    for run in runs:
        for state, image_sets in run.by_state.items():
            total[state] += len(image_sets)
    return total
