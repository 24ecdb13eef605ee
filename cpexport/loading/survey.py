"""Finds, inspects and judges all batches below some folders, one by one.

Both `load` and `check` begin with this survey, so both mean the same by complete.
"""

import logging
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

from cpexport._stopwatch import Stopwatch
from cpexport.cellprofiler.batch_file import BatchFile, BatchFileFoundError, digest
from cpexport.cellprofiler.flagged_image_sets import without_rows
from cpexport.cellprofiler.image_identity import Pictures
from cpexport.cellprofiler.image_set_list import read_lists
from cpexport.cellprofiler.image_set_names import Name
from cpexport.errors import LeftOut, SourceError
from cpexport.imagesets import NONE, ImageSets, union
from cpexport.jobs.found_plans import read_plans
from cpexport.jobs.plan import SavedPlan
from cpexport.jobs.stamps import Stamps, read_stamps
from cpexport.loading.batch_file_of_jobs import planned_with, read_and_check
from cpexport.loading.cache_file import CacheFile
from cpexport.loading.evidence_cache import EVIDENCE, SHARED, EvidenceCache
from cpexport.loading.inspection import (
    Inspected,
    Inspector,
    Known,
    Look,
    NoneKnown,
    look_at,
    one_by_one,
)
from cpexport.loading.judging import Judge
from cpexport.loading.known_folders import FOLDERS, KnownFolders
from cpexport.loading.numbering import Numbering, renumbered
from cpexport.loading.progress import Progress, ProgressEvent
from cpexport.sources.base import Batch, Source
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
    names: the names of incomplete image sets that were numbered by their metadata.
    """

    plan: BatchFile | None
    batches: tuple[Batch, ...]
    known: Collection[str] = ()
    plans: tuple[SavedPlan, ...] = ()
    histories: tuple[Path, ...] = ()
    notes: tuple[str, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    names: Mapping[int, Name] = field(default_factory=dict)


def survey(
    outputs: Sequence[Path],
    batch_file: Path | None = None,
    *,
    known: Known | None = None,
    tables: Mapping[str | None, Collection[str]] | None = None,
    look: Look = one_by_one,
    same_pictures: bool = False,
    numbering: Numbering | None = None,
    lists: Sequence[Path] = (),
    progress: Progress = lambda done: None,
) -> Survey:
    """Returns all batches below `outputs`, compared with the batch file.

    batch_file: if it is not given, it is searched next to and below the outputs, and in their plan.
    known: the sources that need not be opened.
    tables: the tables that known CSV outputs have, by pipeline.
    look: inspects all other sources.
    same_pictures: whether an image set's number alone identifies it in the batch file.
    numbering: how image sets are numbered whose jobs count from 1.
    lists: LoadData's lists of the image sets to run, if there is no batch file.

    Raises:
        UsageError: several batch files were found.
        SourceError: a path does not exist, the batch file cannot be read, or jobs were planned or
            run with another one.
    """

    known = known or NoneKnown()
    # A file that is named directly may lie in a folder that would be passed over.
    passed_over = known if all(path.is_dir() for path in outputs) else NoneKnown()
    surveying = _Surveying(
        outputs,
        batch_file,
        tables or {},
        same_pictures,
        numbering or Numbering(),
        lists,
        progress,
    )
    with closing(CacheFile(outputs, (EVIDENCE, SHARED, FOLDERS))) as file:
        inspector = Inspector(known, EvidenceCache(file), look, progress)
        for some in (passed_over, NoneKnown()):
            if found := surveying.result(inspector, KnownFolders(file, some)):
                return found
    raise AssertionError("where no folder is passed over, there is a result")


@dataclass(frozen=True)
class _Surveying:
    """A survey to make; its fields are arguments of `survey`."""

    outputs: Sequence[Path]
    batch_file: Path | None
    tables: Mapping[str | None, Collection[str]]
    same_pictures: bool
    numbering: Numbering
    lists: Sequence[Path]
    progress: Progress

    def result(self, inspector: Inspector, folders: KnownFolders) -> Survey | None:
        """Returns the survey; None if no folder may be passed over."""

        def report(files: int) -> None:
            self.progress(ProgressEvent("listed", files, None, unit="files"))

        clock, outputs = Stopwatch(), self.outputs
        found = find(outputs, report, folders.skip)
        read = read_plans(found.plans, outputs)
        if read.away:
            # A plan for missing image sets has its outputs next to the first plan's outputs.
            folders.begin()
            found = find([*outputs, *read.away], report, folders.skip)
        if not folders.allow(found):
            return None
        candidates = sorted_by_content(found.batch_files)
        found = found.retold(outputs=(*candidates.outputs, *_kept_temporary(found)))
        path = None if self.lists else self.batch_file or the_one(candidates.batch_files)
        if path is None and not self.lists:
            near = next_to(outputs)
            candidates = replace(candidates, not_read=(*candidates.not_read, *near.not_read))
            path = the_one(near.batch_files) or planned_with(read.plans)
        stamps = read_stamps(found.stamps)
        _log.info("files below %s listed in %s", ", ".join(map(str, outputs)), clock)
        plan = read_lists(self.lists) if self.lists else _plan(path, read.plans, stamps)
        if plan and folders.stamps and folders.stamps != {digest(plan.path)}:
            return None
        judging = Judge(plan, self.tables, self.same_pictures)
        items = inspector.inspected(_sources(found, plan, candidates), judging.take)
        if renamed := [Path(e.path) for e in _errors(items) if isinstance(e, BatchFileFoundError)]:
            # Renamed batch files show only now: opening every file to find them would take as long
            # as inspecting it.
            found = found.retold(batch_files=renamed)
            plan = plan or read_and_check(the_one(renamed), read.plans, stamps)
            judging = Judge(plan, self.tables, self.same_pictures)
            items = inspector.inspected(_sources(found, plan, candidates), judging.take)
            _check_any_output(items, renamed, outputs)
        folders.note(found, items, stamps)
        batches = judging.batches([item for item in items if not item.known], inspector.again)
        placed = None
        if self.numbering.may_apply(batches, plan):
            placed = renumbered(items, inspector.again, plan, self.numbering)
        if placed:
            items, plan = placed.items, placed.plan
            judging = Judge(plan, self.tables, self.same_pictures)
            for item in items:
                judging.take(item)
            batches = judging.batches([item for item in items if not item.known], look_at)
        known = folders.known(item.signature for item in items if item.known)
        return Survey(
            plan,
            tuple(batches),
            known,
            read.plans,
            found.histories,
            (
                *([placed.note] if placed else ()),
                *notes_on(plan, [*candidates.batch_files, *renamed]),
                *read.notes,
                *_left_over(found, [item.source for item in items]),
                *_without_rows(batches, judging.skipping, None if known else plan),
            ),
            (*found.left_out, *read.left_out, *stamps.left_out),
            placed.names(union(b.image_sets - b.complete for b in batches)) if placed else {},
        )


def _plan(path: Path | None, plans: Iterable[SavedPlan], stamps: Stamps) -> BatchFile | None:
    clock = Stopwatch()
    plan = read_and_check(path, plans, stamps)
    if plan is None:
        _log.info("no batch file, so only gaps in the numbers show what is missing")
    else:
        _log.info("batch file %s: %d image sets, read in %s", plan.path, len(plan.planned), clock)
    return plan


def _kept_temporary(found: Found) -> list[Path]:
    """Returns temporary files that someone kept on purpose: they are measurement files too."""
    return [
        path
        for path in found.temporary
        if path.parent.name not in TEMPORARY and holds_measurements(path)
    ]


def _sources(found: Found, plan: BatchFile | None, candidates: Candidates) -> list[Source]:
    """Returns all sources; those that stand for unreadable batch files come last."""
    pipeline = plan.pipeline if plan and not plan.is_list else None
    return [*found.sources(pipeline), *candidates.not_read]


def pictures_of(batch: Batch) -> Pictures:
    """Returns what identifies the images of a batch's image sets, without the flags that its own
    modules set.

    Raises:
        SourceError: the batch can no longer be read.
    """
    with contained(batch.source), batch.source.open() as opened:
        return opened.pictures.without(batch.flags)


def _without_rows(
    batches: Iterable[Batch], skipping: Sequence[ImageSets], plan: BatchFile | None
) -> Iterator[str]:
    """Notes that image sets which no output has may have been skipped."""
    present = union(batch.image_sets for batch in batches) if skipping else NONE
    if note := without_rows(skipping, present, plan.planned if plan else None):
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
    if not found.temporary:
        return
    paths = {path for source in sources if source.files for path in (source.path, *source.files)}
    homes = paths | {path.parent for path in paths}
    for path in found.temporary:
        home = path.parent.parent if path.parent.name in TEMPORARY else path.parent
        if path not in paths and home in homes and is_left_over(path):
            yield f"{path}: left over from a killed job, not read"
