"""Finds, inspects and judges all batches below some folders, one by one.

Both `load` and `check` begin with this survey, so both mean the same by complete.
"""

import logging
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from cpexport._stopwatch import Stopwatch
from cpexport.cellprofiler.batch_file import BatchFile, BatchFileFoundError
from cpexport.cellprofiler.flagged_image_sets import without_rows
from cpexport.cellprofiler.image_set_list import read_lists
from cpexport.files.places import path_of
from cpexport.files.spool import Spool
from cpexport.imagesets import NONE, ImageSets, union
from cpexport.jobs.found_plans import read_plans
from cpexport.jobs.plan import SavedPlan
from cpexport.jobs.stamps import Stamps, read_stamps
from cpexport.loading.batch_file_of_jobs import planned_with, read_and_check
from cpexport.loading.cache_file import CacheFile
from cpexport.loading.evidence_cache import EVIDENCE, SHARED, EvidenceCache
from cpexport.loading.inspection import Inspector, Known, Look, NoneKnown, one_by_one
from cpexport.loading.judging import Judge
from cpexport.loading.kept_evidence import KeptEvidence
from cpexport.loading.known_folders import FOLDERS, KnownFolders, Signatures
from cpexport.loading.numbered_batches import numbered_by_run
from cpexport.loading.numbering import Numbering
from cpexport.loading.progress import Progress, ProgressEvent
from cpexport.loading.stored_batches import StoredSource, destination_in, stored_sources
from cpexport.loading.surveyed import Survey
from cpexport.loading.temporary_files import kept_temporary, left_over
from cpexport.loading.unused_outputs import without_output
from cpexport.sources.base import Batch, Source
from cpexport.sources.detect import Found, find
from cpexport.sources.find_batch_file import (
    Candidates,
    next_to,
    notes_on,
    sorted_by_content,
    the_one,
)

_log = logging.getLogger(__name__)

_READ_AS = "a destination of cpexport; its batches are read, but not what cpexport annotate added"


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
    pipeline: Path | None = None,
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
    pipeline: the pipeline that runs them, if jobs are to be planned.

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
        pipeline,
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
    pipeline: Path | None
    progress: Progress

    def result(self, inspector: Inspector, folders: KnownFolders) -> Survey | None:
        """Returns the survey; None if no folder may be passed over."""

        def report(files: int) -> None:
            self.progress(ProgressEvent("listed", files, None, unit="files"))

        homes = ((path, destination_in(path)) for path in self.outputs)
        stored = {path: url for path, url in homes if url}
        clock, outputs = Stopwatch(), [path for path in self.outputs if path not in stored]
        found = find(outputs, report, folders.skip)
        read = read_plans(found.plans, outputs)
        if read.away:
            # A plan for missing image sets has its outputs next to the first plan's outputs.
            folders.begin()
            found = find([*outputs, *read.away], report, folders.skip)
        if not folders.allow(found):
            return None
        candidates = sorted_by_content(found.batch_files)
        found = found.corrected(outputs=(*candidates.outputs, *kept_temporary(found)))
        path = None if self.lists else self.batch_file or the_one(candidates.batch_files)
        if path is None and not self.lists:
            near = next_to(outputs)
            candidates = replace(candidates, not_read=(*candidates.not_read, *near.not_read))
            path = the_one(near.batch_files) or planned_with(read.plans)
        stamps = read_stamps(found.stamped)
        _log.info("files below %s listed in %s", ", ".join(map(str, outputs)), clock)
        plan = self._listed(read.plans) if self.lists else _plan(path, read.plans, stamps)
        if plan and folders.stamps and folders.stamps != {plan.sha256}:
            return None
        carried = Spool(stored_sources(stored))
        numbering = self._numbering_of(carried)
        judge = partial(
            self._judged,
            candidates=candidates,
            inspector=inspector,
            folders=folders,
            stamps=stamps,
            carried=carried,
            numbering=numbering,
        )
        judging, known, evidence = judge(found, plan)
        if renamed := [
            path_of(error.path)
            for error in judging.errors.values()
            if isinstance(error, BatchFileFoundError)
        ]:
            # Renamed batch files show only now: opening every file to find them would take as long
            # as inspecting it.
            found = found.corrected(batch_files=renamed)
            plan = plan or read_and_check(the_one(renamed), read.plans, stamps)
            judging, known, evidence = judge(found, plan)
        batches, known = judging.batches(evidence.again), folders.known(known)
        if renamed and not (batches or known):
            _check_any_output(renamed, outputs)
        numbered = numbered_by_run(
            batches, judging, plan, evidence.again, numbering, self._judge, self.outputs
        )
        plan, batches = numbered.plan, numbered.batches
        return Survey(
            plan,
            batches,
            known,
            read.plans,
            found.histories,
            (
                *(f"{path}: {_READ_AS}" for path in stored),
                *numbered.notes,
                *notes_on(plan, [*candidates.batch_files, *renamed]),
                *read.notes,
                *left_over(found, plan),
                *_without_rows(batches, judging.skipping, None if known else plan),
            ),
            (
                *found.left_out,
                *read.left_out,
                *stamps.left_out,
                *(without_output(outputs, found, folders) if len(self.outputs) > 1 else ()),
            ),
            numbered.names,
            bool(numbered.notes),
            numbered.own,
        )

    def _numbering_of(self, carried: Sequence[StoredSource]) -> Numbering:
        """How image sets are numbered, also those of other destinations."""
        if self.numbering.key or not carried:
            return self.numbering
        return replace(self.numbering, key=carried[0].key)

    def _listed(self, plans: Sequence[SavedPlan]) -> BatchFile:
        """The lists that the user names, with the pipeline of the jobs if there was a plan."""
        planned = [Path(plan.settings.pipeline) for plan in plans if plan.settings.pipeline]
        existing = [path for path in planned if path.exists()]
        return read_lists(self.lists, self.pipeline or next(reversed(existing), None))

    def _judge(self, plan: BatchFile | None) -> Judge:
        return Judge(plan, self.tables, self.same_pictures)

    def _judged(
        self,
        found: Found,
        plan: BatchFile | None,
        candidates: Candidates,
        inspector: Inspector,
        folders: KnownFolders,
        stamps: Stamps,
        carried: Sequence[Source],
        numbering: Numbering,
    ) -> tuple[Judge, Signatures, KeptEvidence]:
        """Inspects and judges all sources; returns also the signatures of those that are known, and
        the evidence of the others."""
        judging, known = self._judge(plan), Signatures()
        evidence = KeptEvidence(inspector.again)
        notes = folders.noting(found, stamps)
        sources = _sources(found, plan, candidates)
        for source in carried:
            sources.append(source)
        for item in inspector.inspected(sources):
            notes.add(item)
            if item.known:
                known.append(item.signature)
            else:
                judging.add(item)
                if numbering.may_apply(judging, plan, all_seen=False):
                    evidence.add(item.found)
                else:
                    evidence.forget()
        notes.close()
        return judging, known, evidence


def _plan(path: Path | None, plans: Sequence[SavedPlan], stamps: Stamps) -> BatchFile | None:
    clock = Stopwatch()
    plan = read_and_check(path, plans, stamps)
    if plan is None:
        _log.info("no batch file, so only gaps in the numbers show what is missing")
    else:
        _log.info("batch file %s: %d image sets, read in %s", plan.path, len(plan.planned), clock)
    return plan


def _sources(found: Found, plan: BatchFile | None, candidates: Candidates) -> Spool[Source]:
    """Returns all sources; those that stand for unreadable batch files come last."""
    sources = found.sources(plan.pipeline if plan and not plan.is_list else None)
    for not_read in candidates.not_read:
        sources.append(not_read)
    return sources


def _without_rows(
    batches: Iterable[Batch], skipping: Sequence[ImageSets], plan: BatchFile | None
) -> Iterator[str]:
    """Notes that image sets which no output has may have been skipped."""
    present = union(batch.image_sets for batch in batches) if skipping else NONE
    if note := without_rows(skipping, present, plan.planned if plan else None):
        yield note


def _check_any_output(renamed: Collection[Path], outputs: Iterable[Path]) -> None:
    """Refuses a batch file that was given as outputs."""
    for path in set(outputs) & set(renamed):
        raise BatchFileFoundError(path)
