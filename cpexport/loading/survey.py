"""Finds, inspects and judges all batches below some folders, one by one.

Both `load` and `check` begin with this survey, so both mean the same by complete.
"""

import logging
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from cpexport._stopwatch import Stopwatch
from cpexport.cellprofiler.batch_file import BatchFile, BatchFileFoundError
from cpexport.cellprofiler.flagged_image_sets import without_rows
from cpexport.cellprofiler.image_identity import Pictures
from cpexport.errors import LeftOut, SourceError
from cpexport.imagesets import union
from cpexport.jobs.found_plans import read_plans
from cpexport.jobs.plan import SavedPlan
from cpexport.jobs.stamps import read_stamps
from cpexport.loading.batch_file_of_jobs import planned_with, read_and_check
from cpexport.loading.completeness import judge, not_readable
from cpexport.loading.evidence_cache import EvidenceCache
from cpexport.loading.inspection import Inspected, Inspector, Look, one_by_one
from cpexport.loading.progress import Progress, ProgressEvent
from cpexport.sources.base import Batch, Evidence, Source
from cpexport.sources.detect import Found, find
from cpexport.sources.error_containment import contained
from cpexport.sources.find_batch_file import (
    Candidates,
    next_to,
    notes_on,
    sorted_by_content,
    the_one,
)
from cpexport.sources.folder import TEMPORARY
from cpexport.sources.no_output import holds_measurements, is_left_over

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Survey:
    """The batch file and the judged batches of some folders.

    plan: the batch file, if there is one.
    known: signatures of sources that were not opened, because the caller knows them.
    plans: the saved plans of the jobs, the newest last.
    histories: the folders in which jobs record their attempts.
    notes: for the user, for example about batch files.
    left_out: files that may be data but belong to no batch.
    """

    plan: BatchFile | None
    batches: tuple[Batch, ...]
    known: tuple[str, ...] = ()
    plans: tuple[SavedPlan, ...] = ()
    histories: tuple[Path, ...] = ()
    notes: tuple[str, ...] = ()
    left_out: tuple[LeftOut, ...] = ()


def survey(
    outputs: Sequence[Path],
    batch_file: Path | None = None,
    *,
    known: Collection[str] = (),
    tables: Mapping[str | None, Collection[str]] | None = None,
    look: Look = one_by_one,
    same_pictures: bool = False,
    progress: Progress = lambda done: None,
) -> Survey:
    """Returns all batches below `outputs`, compared with the batch file.

    batch_file: if it is not given, it is searched next to and below the outputs, and in their plan.
    known: signatures of sources that need not be opened.
    tables: the tables that known CSV outputs have, by pipeline.
    look: inspects all other sources.
    same_pictures: whether an image set's number alone identifies it in the batch file.

    Raises:
        UsageError: several batch files were found.
        SourceError: a path does not exist, the batch file cannot be read, or jobs were planned or
            run with another one.
    """

    def report(files: int) -> None:
        progress(ProgressEvent("listed", files, None, unit="files"))

    clock = Stopwatch()
    found = find(outputs, report)
    read = read_plans(found.plans, outputs)
    if read.away:
        # A plan for missing image sets has its outputs next to the first plan's outputs.
        found = find([*outputs, *read.away], report)
    candidates = sorted_by_content(found.batch_files)
    found = found.retold(outputs=(*candidates.outputs, *_kept_temporary(found)))
    path = batch_file or the_one(candidates.batch_files)
    if path is None:
        near = next_to(outputs)
        candidates = replace(candidates, not_read=(*candidates.not_read, *near.not_read))
        path = the_one(near.batch_files) or planned_with(read.plans)
    stamps = read_stamps(found.stamps)
    _log.info("files below %s listed in %s", ", ".join(map(str, outputs)), clock)
    clock = Stopwatch()
    plan = read_and_check(path, read.plans, stamps)
    if plan is None:
        _log.info("no batch file, so only gaps in the numbers show what is missing")
    else:
        _log.info("batch file %s: %d image sets, read in %s", plan.path, len(plan.planned), clock)
    inspector = Inspector(known, EvidenceCache(outputs), look, progress)
    items = inspector.inspected(_sources(found, plan, candidates))
    if renamed := [Path(e.path) for e in _errors(items) if isinstance(e, BatchFileFoundError)]:
        # Renamed batch files show only now: opening every file to find them would take as long as
        # inspecting it.
        found = found.retold(batch_files=renamed)
        plan = plan or read_and_check(the_one(renamed), read.plans, stamps)
        items = inspector.inspected(_sources(found, plan, candidates))
        _check_any_output(items, renamed, outputs)
    new_items = [item for item in items if item.signature not in known]
    return Survey(
        plan,
        tuple(_judged(new_items, plan, _csv_tables(new_items, tables or {}), same_pictures)),
        tuple(item.signature for item in items if item.signature in known),
        read.plans,
        found.histories,
        (
            *notes_on(plan, [*candidates.batch_files, *renamed]),
            *read.notes,
            *_left_over(found, [item.source for item in items]),
            *_without_rows(new_items, plan if len(new_items) == len(items) else None),
        ),
        (*found.left_out, *read.left_out, *stamps.left_out),
    )


def _kept_temporary(found: Found) -> list[Path]:
    """Returns temporary files that someone kept on purpose: they are measurement files too."""
    return [
        path
        for path in found.temporary
        if path.parent.name not in TEMPORARY and holds_measurements(path)
    ]


def _sources(found: Found, plan: BatchFile | None, candidates: Candidates) -> list[Source]:
    """Returns all sources; those that stand for unreadable batch files come last."""
    return [*found.sources(plan.pipeline if plan else None), *candidates.not_read]


def _csv_tables(
    items: Iterable[Inspected], known: Mapping[str | None, Collection[str]]
) -> Mapping[str | None, Collection[str]]:
    """Returns the tables of CSV outputs by pipeline: the known ones, and the ones in `items`."""
    tables = {pipeline: set(names) for pipeline, names in known.items()}
    for item in items:
        if isinstance(item.found, Evidence) and item.source.format == "spreadsheet":
            tables.setdefault(_pipeline(item.found), set()).update(item.found.tables)
    return tables


def pictures_of(batch: Batch) -> Pictures:
    """Returns what identifies the images of a batch's image sets, without the flags that its own
    modules set.

    Raises:
        SourceError: the batch can no longer be read.
    """
    with contained(batch.source), batch.source.open() as opened:
        return opened.pictures.without(batch.flags)


def _judged(
    items: Sequence[Inspected],
    plan: BatchFile | None,
    csv_tables: Mapping[str | None, Collection[str]],
    same_pictures: bool,
) -> list[Batch]:
    """Returns the batches of all sources, in the order of the sources.

    Sources that cannot be read are judged last: only the others show whether anything is missing
    without them.
    """
    judged: dict[int, Batch] = {}
    for item in items:
        if isinstance(item.found, Evidence):
            try:
                with contained(item.source):
                    siblings = _siblings(item.source, item.found, csv_tables)
                    batch = judge(
                        item.source, item.found, plan, siblings, same_pictures=same_pictures
                    )
                    judged[id(item)] = replace(batch, signature=item.signature)
            except SourceError as error:
                item.found = error
    complete = union(batch.complete for batch in judged.values())
    missing = plan is None or not plan.planned <= complete
    for item in items:
        if isinstance(item.found, SourceError):
            judged[id(item)] = not_readable(item.source, item.found, missing)
    return [judged[id(item)] for item in items]


def _pipeline(evidence: Evidence) -> str | None:
    return evidence.pipeline.digest if evidence.pipeline else None


def _siblings(
    source: Source, evidence: Evidence, csv_tables: Mapping[str | None, Collection[str]]
) -> Collection[str]:
    """Returns the tables that a CSV output should have: those that other CSV outputs have, and
    those that its pipeline exports.

    The other outputs have the same pipeline; all count if the pipeline is unknown.
    """
    if source.format != "spreadsheet":
        return ()
    if evidence.pipeline is None:
        return set().union(*csv_tables.values())
    exported = filter(evidence.pipeline.exports_table, evidence.missing_tables)
    return {*csv_tables[evidence.pipeline.digest], *exported}


def _without_rows(items: Iterable[Inspected], plan: BatchFile | None) -> Iterator[str]:
    """Notes that image sets which no output has may have been skipped."""
    readable = [(item.source, item.found) for item in items if isinstance(item.found, Evidence)]
    present = union(evidence.present for _, evidence in readable)
    jobs = [
        evidence.present
        for source, evidence in readable
        if source.format == "database" and evidence.pipeline and evidence.pipeline.skips
    ]
    if note := without_rows(jobs, present, plan.planned if plan else None):
        yield note


def _errors(items: Iterable[Inspected]) -> list[SourceError]:
    return [item.found for item in items if isinstance(item.found, SourceError)]


def _check_any_output(
    items: Sequence[Inspected], renamed: Collection[Path], outputs: Iterable[Path]
) -> None:
    """Refuses a batch file that was given as outputs, if no output was found."""
    if not items:
        for path in set(outputs) & set(renamed):
            raise BatchFileFoundError(path)


def _left_over(found: Found, sources: Iterable[Source]) -> Iterator[str]:
    """Notes on temporary files of killed jobs, in folders that also hold other output."""
    paths = {path for source in sources if source.files for path in (source.path, *source.files)}
    homes = paths | {path.parent for path in paths}
    for path in found.temporary:
        home = path.parent.parent if path.parent.name in TEMPORARY else path.parent
        if path not in paths and home in homes and is_left_over(path):
            yield f"{path}: left over from a killed job, not read"
