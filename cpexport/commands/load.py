"""Loads every complete image set of every batch into one destination, exactly once."""

import logging
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from itertools import chain

from cpexport._stopwatch import Stopwatch
from cpexport.commands.load_report import LoadReport, report_on
from cpexport.derived import treatments
from cpexport.derived.analyses import join_analyses
from cpexport.derived.wells import make_wells
from cpexport.errors import CollisionError, LossError, NumberTakenError, UsageError
from cpexport.files.scratch import scratch_folder
from cpexport.loading.inspection import NoneKnown
from cpexport.loading.left_out import check_not_empty
from cpexport.loading.load_plan import LoadPlan, planned_of_readable, without
from cpexport.loading.prefetch import inspected_ahead
from cpexport.loading.progress import Progress
from cpexport.loading.recorded_endings import with_recorded_endings
from cpexport.loading.removed import load_moved_again, load_removed_again
from cpexport.loading.request import LoadRequest
from cpexport.loading.retry import Retry
from cpexport.loading.succession import Succession
from cpexport.loading.survey import survey
from cpexport.loading.surveyed import Survey
from cpexport.loading.wanted import (
    check_features,
    check_not_an_output,
    check_not_itself,
    check_object_types,
    check_wells,
)
from cpexport.loading.workers import THREAD, ExecutorSpec, WorkerPool
from cpexport.loading.writer import LoadWriter
from cpexport.sinks.base import Sink
from cpexport.sinks.ledger_store import LedgerStore
from cpexport.sinks.registry import open_sink
from cpexport.sources.base import Batch
from cpexport.tables.layout import object_of

_log = logging.getLogger(__name__)

# How often a load begins again because another one has numbered image sets meanwhile: once for each
# batch of the others, at worst.
_ATTEMPTS = 100


def load(
    request: LoadRequest,
    workers: ExecutorSpec = THREAD,
    progress: Progress = lambda done: None,
) -> LoadReport:
    """Loads what is new and complete below `request.outputs` into its destination.

    If a load is killed at any point and run again, the destination ends up the same. `workers`
    inspect and decode batches. For one of several runs, the tables that are computed from all rows
    are left to `runs.load_runs`.

    Raises:
        UsageError: a path or URL is invalid, or a run is named for a destination that does not
            number runs, or not named for one that does; or jobs may still run, and there is no
            batch file.
        SourceError: nothing can be loaded, or the batch file cannot be read.
        CollisionError: different images have one image set number, or nothing tells whether they
            are the same, or a newer output lacks what an older one has; nothing was changed.
        SinkError: the destination cannot be written. Batches that were committed before stay.
    """
    began = time.monotonic()
    for attempt in range(_ATTEMPTS):
        try:
            report = _loaded(request, workers, progress)
            return replace(report, seconds=time.monotonic() - began)
        except NumberTakenError as error:
            if attempt == _ATTEMPTS - 1:
                raise error.__cause__ or error from None
            _log.info("beginning again: %s", error)
    raise AssertionError("an attempt returns or raises")


def _loaded(request: LoadRequest, workers: ExecutorSpec, progress: Progress) -> LoadReport:
    """Loads once; see `load`.

    Raises:
        NumberTakenError: another load has numbered image sets meanwhile. Batches that were
            committed before stay.
    """
    prefix, run = request.prefix, request.run
    with (
        open_sink(request.to, prefix, request.shape, run, request.paths) as sink,
        scratch_folder() as scratch,
        closing(WorkerPool(workers)) as pool,
    ):
        if sink.shape.numbered != (run is not None):
            raise UsageError("name a run if the destination numbers runs, and only then")
        _log.info("loading into %s%s", sink.name, f" as run {run}" if run else "")
        if request.again:
            load_removed_again(sink, request.outputs)
        found = with_recorded_endings(_survey(request, sink, pool, progress))
        if request.again:
            load_moved_again(sink, found.batches)
        notes = _check_request(request, found, sink)
        found = replace(found, notes=(*found.notes, *notes))
        _reshape(sink)
        succession = Succession(sink, request.consent)
        writer = LoadWriter(sink, succession, prefix, scratch, pool, progress)
        try:
            _write(found.batches, writer, sink, succession, again=request.again)
        except CollisionError as error:
            if isinstance(error, LossError) or not found.by_metadata:
                raise
            # Another load may have numbered image sets after this one looked.
            raise NumberTakenError(sink.name, error.problem, error.advice) from error
        if not request.allow_empty:
            _check_any_readable(found, writer)
        withdrawn = writer.withdraw()
        writer.finish(found, request.indexes)
        report = report_on(sink, found, writer, withdrawn, run)
    if run is None:
        report = _with_computed_tables(request, report)
    _log_result(report)
    return report


def _log_result(report: LoadReport) -> None:
    for left in report.left_out:
        _log.info("left out: %s: %s", left.path, left.reason)
    if report.missing:
        _log.info("missing: %s", report.missing.words)
    counts = report.loaded, report.replaced, report.already, report.image_sets
    _log.info("%d batches loaded, %d replaced, %d already loaded; %d image sets loaded", *counts)


def _survey(request: LoadRequest, sink: Sink, pool: WorkerPool, progress: Progress) -> Survey:
    """Returns the batches of the request, without opening those that the ledger knows.

    It knows none if the request changes the tables' shape, or brings back what was removed.
    """
    check_not_itself(request.to, request.outputs)
    return survey(
        request.outputs,
        request.batch_file,
        known=NoneKnown() if sink.reshaped or request.again else sink.ledger,
        tables={
            pipeline: {object_of(table, request.prefix) for table in tables}
            for pipeline, tables in sink.ledger.summary().csv_tables.items()
        },
        look=partial(inspected_ahead, pool),
        same_pictures=request.consent.same_pictures,
        numbering=request.numbering(sink.ledger),
        lists=request.lists,
        progress=progress,
    )


def _check_request(request: LoadRequest, found: Survey, sink: Sink) -> tuple[str, ...]:
    """Refuses a request without anything to load, or for features that no output has.
    Returns notes.

    The features of several runs are checked together, before the first run is loaded.
    """
    check_not_an_output(request.to, found.batches)
    if not request.allow_empty:
        check_not_empty(found, request.outputs)
    elif found.plan is None:
        raise UsageError(
            "--watch needs a batch file, to know when all image sets are loaded, and none was "
            "found; name it with --batch"
        )
    if request.run is not None:
        return ()
    check_object_types(request.shape, found.batches, sink.layout())
    notes = check_features(request.shape, found.batches, sink.layout())
    check_wells(request.wells, found.batches, sink.layout())
    return notes


def _reshape(sink: Sink) -> None:
    """Changes the tables to the request's shape, if they differ."""
    if sink.reshaped:
        with sink.exclusive() as changes:
            changes.reshape()


def _write(
    batches: Sequence[Batch],
    writer: LoadWriter,
    sink: Sink,
    succession: Succession,
    *,
    again: bool,
) -> None:
    """Writes what is new, and enters the batches without new rows in the ledger.

    An older output may have the image sets of a batch that turns out to be damaged, so the rest is
    planned again without that batch.
    """
    removed = () if again else sink.ledger.removed()
    while True:
        plan, unreadable = planned_of_readable(batches, sink.ledger, succession, removed)
        writer.damaged += unreadable
        to_write = plan.steps.with_rows(True)
        _log.info("%d of %d batches to load", len(to_write), len(batches))
        errors = writer.write(to_write)
        if not errors:
            break
        planned = (step.batch for step in to_write)
        batches = without(batches, chain((batch for batch, _ in unreadable), planned))
    _enter_without_rows(plan, writer, sink.ledger)


def _enter_without_rows(plan: LoadPlan, writer: LoadWriter, ledger: LedgerStore) -> None:
    """Enters superseded batches and copies in the ledger, so that the next load can skip them."""
    for batch in writer.enter(plan.steps.with_rows(False)):
        writer.superseded.append(str(batch.source.path))
    copies = plan.already_loaded
    known = [ledger.holds(step.batch.known_by) for step in copies]
    entered = writer.enter(step for step, has in zip(copies, known, strict=True) if not has)
    writer.already += sum(known) + sum(1 for _ in entered)


def _check_any_readable(found: Survey, writer: LoadWriter) -> None:
    """Raises the first error if damaged batches leave nothing to load."""
    if writer.damaged and not (writer.loaded or writer.already or found.known):
        raise writer.damaged[0][1]


def _with_computed_tables(request: LoadRequest, report: LoadReport) -> LoadReport:
    """Makes the tables that are computed from all rows, and adds them to the report."""
    retry, same_pictures, clock = Retry(), request.consent.same_pictures, Stopwatch()
    made = retry(lambda _: make_wells(request.to, request.prefix, request.wells))
    retry(lambda _: treatments.renew(request.to, request.prefix))
    joined = retry(lambda _: join_analyses(request.to, request.prefix, same_pictures=same_pictures))
    _log.info("tables of wells and analyses are up to date after %s", clock)
    retries = (f"{report.destination}: {note}" for note in retry.notes)
    return replace(report, made=made, notes=(*report.notes, *joined, *retries))
