"""Compares the image sets of a batch file with the ledger of a destination."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

from cpexport.cellprofiler.batch_file import BatchFile, read_batch_file
from cpexport.cellprofiler.features import IMAGE
from cpexport.cellprofiler.flagged_image_sets import skipped_there
from cpexport.cellprofiler.image_set_list import read_lists
from cpexport.cellprofiler.same_image import ImageDifference, compared
from cpexport.commands.check_report import CheckReport
from cpexport.commands.seen import Seen
from cpexport.errors import LeftOut, UsageError
from cpexport.files.spool import Spool
from cpexport.imagesets import NONE, ImageSets
from cpexport.loading.columns import gaps, of_entries
from cpexport.loading.given_numbers import LedgerNumbers
from cpexport.loading.numbering import Numbering, numbered_plan
from cpexport.loading.removed import removed_sets, why_removed
from cpexport.sinks.base import Sink
from cpexport.sinks.ledger import Entry
from cpexport.sinks.registry import open_sink
from cpexport.spelling import closest, suggest

_log = logging.getLogger(__name__)


def check_destination(
    to: str,
    batch_file: Path | None,
    lists: Sequence[Path] = (),
    *,
    prefix: str = "",
    run: str | None = None,
    same_pictures: bool = False,
    columns: bool = False,
) -> CheckReport:
    """Compares the batch file, or LoadData's lists, with the ledger of a destination; reads no
    outputs.

    run: the name of the planned run, if the destination numbers runs.
    same_pictures: whether an image set's number alone identifies it in the batch file.
    columns: whether to find the features that some batches lack.

    Raises:
        UsageError: the run does not exist, or there are several runs and none was named.
        SourceError: the batch file cannot be read.
        SinkError: the destination cannot be read.
    """
    plan = read_batch_file(batch_file) if batch_file else read_lists(lists)
    with open_sink(to, prefix, run=run, writing=False) as sink:
        summary, runs = sink.ledger.summary(), sink.ledger.runs()
        _log.info("comparing %s with the ledger of %s", plan.path, sink.name)
        _check_run(sink, run, runs)
        numbering = Numbering(
            numbers=LedgerNumbers(sink.ledger), one_of_several=bool(lists) and len(runs) > 1
        )
        plan = numbered_plan(plan, numbering)
        features = sink.layout().features.get(IMAGE, {})
        skipped = skipped_there(plan.pipeline, features, lambda columns: sink.read(IMAGE, columns))
        loaded = summary.loaded
        held = sink.ledger.identities(NONE if same_pictures else loaded & plan.planned)
        differences = compared(held.without(plan.pipeline.late), plan.identities).different
        mismatched = ImageSets.of(differences)
        removed = removed_sets(sink.ledger)
        batches = Spool(
            _seen(entry, skipped, mismatched, removed) for entry in sink.ledger.entries()
        )
        lacked = gaps(of_entries(sink.ledger.entries())) if columns else None
    return CheckReport(
        plan,
        (loaded & plan.planned) - skipped - mismatched,
        loaded - plan.planned,
        NONE,
        batches,
        skipped=(skipped & plan.planned) - mismatched,
        mismatched_images=mismatched,
        notes=() if loaded else (_empty(sink.name, prefix),),
        left_out=(LeftOut(sink.name, _mismatch_reason(plan, differences)),) if mismatched else (),
        pipelines=summary.pipelines,
        columns=lacked,
    )


def _seen(entry: Entry, skipped: ImageSets, mismatched: ImageSets, removed: ImageSets) -> Seen:
    gone = why_removed((entry.complete - entry.loaded) & removed)
    return Seen(
        entry.path,
        entry.image_sets,
        entry.loaded - skipped - mismatched,
        entry.state,
        "; ".join(filter(None, [entry.reason, gone])),
        skipped=entry.loaded & skipped,
    )


def _check_run(sink: Sink, run: str | None, runs: Mapping[str, int]) -> None:
    """Refuses a run that is not one of `runs`, or none if there are several."""
    if run is not None and not runs and sink.layout().columns:
        raise UsageError(f"{sink.name}: has no runs; leave out --run")
    if runs and run not in runs:
        problem = f"has no run {run}" if run is not None else "has several runs"
        message = f"{sink.name}: {problem}; name one with --run: {', '.join(runs)}"
        raise UsageError(suggest(message, closest(run, runs) if run else None))


def _empty(destination: str, prefix: str) -> str:
    under = f" under the prefix {prefix}" if prefix else ""
    return f"{destination}: contains no image sets{under}; check --to and --prefix"


def _mismatch_reason(plan: BatchFile, found: Mapping[int, ImageDifference]) -> str:
    first, others = min(found), ImageSets.of(found)
    are = "has other images" if len(others) == 1 else "have other images"
    return (
        f"its {others.words} {are} than in {plan.path.name} (in image set {first} "
        f"{found[first]}); name the batch file of its run with --batch, or, if the images "
        "were moved or renamed, add --same-pictures"
    )
