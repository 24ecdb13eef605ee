"""Compares a destination with the outputs that were loaded into it, and changes neither."""

import logging
import time
from array import array
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from itertools import chain
from pathlib import Path

import numpy as np

from cpexport._stopwatch import Stopwatch
from cpexport.commands.verify_report import VerifyReport
from cpexport.errors import LeftOut, SinkError, SourceError
from cpexport.files.places import path_of
from cpexport.files.scratch import scratch_folder
from cpexport.files.spool import Picked, Spool
from cpexport.imagesets import NONE, ImageSets, union
from cpexport.loading.decode import Decoded, decode
from cpexport.loading.left_out import left_out, missing
from cpexport.loading.load_plan import LoadStep
from cpexport.loading.matching import Matched, Matches, matches
from cpexport.loading.prefetch import decoded_ahead, fingerprinted_ahead, inspected_ahead
from cpexport.loading.progress import Progress, ProgressEvent
from cpexport.loading.recorded_endings import with_recorded_endings
from cpexport.loading.removed import removed_sets
from cpexport.loading.request import LoadRequest
from cpexport.loading.survey import survey
from cpexport.loading.workers import THREAD, ExecutorSpec, WorkerPool
from cpexport.sinks.base import Sink
from cpexport.sinks.contents import check_has_image_sets, check_has_run
from cpexport.sinks.ledger import Ledger
from cpexport.sinks.registry import open_sink
from cpexport.sources.base import Batch
from cpexport.tables.layout import object_of
from cpexport.verification import derived_check
from cpexport.verification.batch_check import BatchVerifier
from cpexport.verification.diff import Difference
from cpexport.verification.orphans import OrphanFinder

_log = logging.getLogger(__name__)


def verify(
    request: LoadRequest,
    workers: ExecutorSpec = THREAD,
    progress: Progress = lambda done: None,
) -> VerifyReport:
    """Works out from `request.outputs` what the destination must hold, and compares it.

    `workers` inspect and decode batches. Only one batch is in memory at a time. From the request's
    consent, only `same_pictures` is used: then an image set's number alone identifies it in the
    batch file.

    Raises:
        UsageError: a path, URL or run is invalid.
        SourceError: a path does not exist, or the batch file cannot be read.
        ChangedError: another program has changed the ledger, so it cannot be trusted.
        SinkError: the destination does not exist, cannot be read, or was loaded into meanwhile.
    """
    began, prefix, run = time.monotonic(), request.prefix, request.run
    with (
        open_sink(request.to, prefix, run=run, writing=False) as sink,
        scratch_folder() as scratch,
        closing(WorkerPool(workers)) as pool,
    ):
        _check_readable(sink, prefix, run)
        _log.info("comparing %s%s", sink.name, f", run {run}" if run else "")
        ledger = sink.ledger.read()
        found = survey(
            request.outputs,
            request.batch_file,
            tables={
                pipeline: {object_of(name, prefix) for name in names}
                for pipeline, names in ledger.csv_tables.items()
            },
            look=partial(inspected_ahead, pool),
            same_pictures=request.consent.same_pictures,
            numbering=request.numbering(sink.ledger),
            lists=request.lists,
            progress=progress,
        )
        found = with_recorded_endings(found)
        verifier = BatchVerifier(sink, ledger, found.plan, prefix)
        verifying = _Verifying(sink, ledger, verifier)
        places = array("q", (n for n, batch in enumerate(found.batches) if batch.complete))
        complete = Picked(found.batches, places)
        matched_batches, unread = matches(fingerprinted_ahead(pool, complete), ledger)
        verifying.damaged += [LeftOut(error.path, error.problem) for error in unread]
        all_left_out = left_out(found, sink, ledger.entries, ledger.loaded, sink.layout().types)
        ran = chain(
            (batch.image_sets for batch in found.batches),
            (entry.image_sets for entry in ledger.entries),
        )
        verifying.compare(matched_batches, pool, scratch, progress)
        clock = Stopwatch()
        unexplained = OrphanFinder(sink, ledger, verifier, prefix).differences(verifying.compared)
        if not verifier.structure:
            unexplained += derived_check.differences(sink, prefix)
        what = "rows of no batch and computed tables compared in %s, %d differences"
        _log.info(what, clock, len(unexplained))
        if sink.ledger.read() != ledger:
            raise SinkError(
                sink.name, "a load changed it during the verification", "run cpexport verify again"
            )
        return VerifyReport(
            destination=sink.name,
            verified=verifying.batches - verifying.different,
            different=verifying.different,
            not_loaded=verifying.lacking(all_left_out),
            not_verified=(*verifying.unseen(found.batches), *_unfinished(verifier)),
            tables=verifier.tallies,
            differences=tuple(
                replace(difference, run=run or "")
                for difference in [*verifier.structure, *verifying.differences, *unexplained]
            ),
            missing={run or "": missing(found, ledger.loaded, ran)},
            seconds=time.monotonic() - began,
            pipelines=ledger.pipelines,
            notes=tuple(_notes_on_indexes(sink)),
        )


class _Verifying:
    """Compares batches one by one, and collects the results."""

    def __init__(self, sink: Sink, ledger: Ledger, verifier: BatchVerifier) -> None:
        self._sink, self._ledger, self._verifier = sink, ledger, verifier
        self._unseen: list[int] = []
        self.batches = self.different = 0
        self.compared = NONE
        self._removed = removed_sets(sink.ledger)
        self.differences: list[Difference] = []
        self.not_loaded: list[LeftOut] = []
        self.damaged: list[LeftOut] = []

    def compare(
        self, batches: Matches, pool: WorkerPool, scratch: Path, progress: Progress
    ) -> None:
        """Compares the loaded rows of batches with their files; the next batches are decoded while
        one is compared."""
        for matched in batches:
            if reason := self._lacking(matched):
                self.not_loaded.append(LeftOut(str(matched.batch.source.path), reason))
        stored = batches.with_entries
        self.batches = len(stored)
        self._unseen = np.flatnonzero(batches.owners < 0).tolist()
        steps: Spool[LoadStep] = Spool()
        for matched in stored:
            if image_sets := _loaded(matched):
                steps.share(matched.batch.features)
                steps.append(LoadStep(matched.batch, image_sets))
        shape = self._sink.shape
        features = shape.unshaped(self._verifier.layout.features)
        ahead = decoded_ahead(
            pool,
            steps,
            lambda: features,
            partial(decode, shape=shape, scratch=scratch),
        )
        for done, matched in enumerate(stored):
            progress(ProgressEvent("verified", done, len(stored), len(self.compared)))
            clock = Stopwatch()
            differences = self._verifier.of_ledger(matched.batch, matched.entries)
            if _loaded(matched):
                _, decoded = next(ahead)
                differences += self._differences(matched, decoded)
            path = str(matched.batch.source.path)
            self.differences += [replace(difference, batch=path) for difference in differences]
            self.different += bool(differences)
            _log.info("%s: compared in %s, %d differences", path, clock, len(differences))
        progress(ProgressEvent("verified", len(stored), len(stored)))

    def _differences(self, matched: Matched, decoded: Decoded | SourceError) -> list[Difference]:
        """How the rows of a batch differ from its files."""
        if isinstance(decoded, SourceError):
            self.damaged.append(LeftOut(str(matched.batch.source.path), decoded.problem))
            return []
        try:
            self.compared |= decoded.image_sets
            return self._verifier.of_batch(matched.batch, decoded, matched.entries)
        finally:
            decoded.remove()

    def unseen(self, batches: Sequence[Batch]) -> list[LeftOut]:
        """What could not be compared: ledger entries whose outputs are missing or have changed, and
        damaged outputs."""
        # Entries that newer ones replaced wholly have nothing left to compare. Nor have entries
        # without a fingerprint, which were loaded again for other object types.
        entries = [
            entry
            for entry in map(self._ledger.entries.__getitem__, self._unseen)
            if entry.loaded or (entry.fingerprint and not entry.replaced)
        ]
        resolved = (batch.source.path.resolve() for batch in (batches if entries else ()))
        places = {str(path): place for place, path in enumerate(resolved)}
        unseen = []
        for entry in entries:
            place = places.get(str(path_of(entry.path).resolve()))
            why = "not among OUTPUTS" if place is None else "changed since it was loaded"
            batch = None if place is None else batches[place]
            if batch and not batch.complete and batch.reason:
                why = f"loaded, but incomplete compared with the other outputs ({batch.reason})"
            held = f"its {entry.loaded.words}" if entry.loaded else "none of its image sets"
            unseen.append(LeftOut(entry.path, f"{why}; the destination has {held}"))
        return unseen + self.damaged

    def lacking(self, left_out: Sequence[LeftOut]) -> tuple[LeftOut, ...]:
        """What is not loaded: batches that should be loaded at least partly, and `left_out`."""
        reported = {unseen.path for unseen in (*self.not_loaded, *self.damaged)}
        rest = (LeftOut(left.path, left.reason) for left in left_out if left.path not in reported)
        return (*self.not_loaded, *rest)

    def _lacking(self, matched: Matched) -> str:
        """Why a batch is not in the destination; empty if it is."""
        batch = matched.batch
        if missing := batch.complete - self._ledger.loaded - self._removed:
            are = "is" if len(missing) == 1 else "are"
            return f"{missing.words} {are} not in the destination; run cpexport load"
        if matched.known:
            return ""
        return f"the destination has {batch.complete.words} with different content"


def _loaded(matched: Matched) -> ImageSets:
    """The complete image sets that were loaded from a batch."""
    return union(entry.loaded for entry in matched.entries) & matched.batch.complete


def _notes_on_indexes(sink: Sink) -> Iterator[str]:
    for name, table in sink.missing_indexes().items():
        yield f"{table} has no index {name}, which queries need; cpexport load makes it"


def _check_readable(sink: Sink, prefix: str, run: str | None) -> None:
    check_has_image_sets(sink, prefix)
    if sink.shape.numbered:
        check_has_run(sink, run or "")


def _unfinished(verifier: BatchVerifier) -> list[LeftOut]:
    return [LeftOut(verifier.name, verifier.unfinished)] if verifier.unfinished else []
