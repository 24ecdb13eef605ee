"""Writes batches to a destination, one transaction per batch: the loop of a load."""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import pyarrow as pa

from cpexport._stopwatch import Stopwatch
from cpexport.cellprofiler.features import EXPERIMENT
from cpexport.cellprofiler.image_identity import Identities
from cpexport.derived.cpa_properties import describe
from cpexport.derived.group_renumbering import number_groups
from cpexport.derived.planned import keep_planned
from cpexport.errors import NumbersError, SourceError, StaleError
from cpexport.loading.decode import Decoded, decode
from cpexport.loading.entries import entry_of
from cpexport.loading.groups import Group, grouped_ahead, singly
from cpexport.loading.known_features import KnownFeatures
from cpexport.loading.load_plan import LoadStep
from cpexport.loading.prefetch import decoded_ahead
from cpexport.loading.progress import Progress, ProgressEvent
from cpexport.loading.replaced_outputs import Newer, Older, newer_of
from cpexport.loading.retry import Retry
from cpexport.loading.run_measurements import keep_measured
from cpexport.loading.succession import Succession
from cpexport.loading.surveyed import Survey
from cpexport.loading.withdrawal import Withdrawn, withdraw
from cpexport.loading.workers import WorkerPool
from cpexport.sinks.base import Sink, StagedBatch
from cpexport.sinks.ledger import Entry
from cpexport.sources.base import Batch, features_of, fingerprint, size
from cpexport.sources.error_containment import contained
from cpexport.tables.layout import Features, joined, table_of

_log = logging.getLogger(__name__)


class LoadWriter:
    """Writes batches to a sink, one transaction each, and counts what it wrote."""

    def __init__(
        self,
        sink: Sink,
        succession: Succession,
        prefix: str,
        scratch: Path,
        pool: WorkerPool,
        progress: Progress,
    ) -> None:
        self._sink, self._prefix, self._progress = sink, prefix, progress
        self._succession = succession
        self._pool = pool
        self._decode = partial(decode, shape=sink.shape, scratch=scratch)
        self._attempts = Retry()
        self._note = ""
        self._known = KnownFeatures(sink)
        self.rows: dict[str, int] = {}
        self.loaded = self.already = 0
        self.superseded: list[str] = []
        self.replaced: dict[str, tuple[Older, Newer]] = {}
        self.damaged: list[tuple[Batch, SourceError]] = []
        self.image_sets = self.values = self.unmapped = 0

    def write(self, steps: Sequence[LoadStep]) -> list[SourceError]:
        """Decodes and writes the steps in order; the next ones are decoded while one is written.

        Returns the errors of damaged batches. Those batches leave nothing in the destination.
        """
        if steps:
            self._attempts(lambda _: self._sink.upgrade())
        came = joined(features_of(step.batch for step in steps))
        self._known.add(came, again=not self.loaded)
        before, done = len(self.damaged), 0
        for group in self._ahead(steps):
            self._report(done, len(steps))
            adopted = self._adopt(group) if group.staged else frozenset()
            for place, (step, decoded) in enumerate(zip(group.steps, group.answers, strict=True)):
                if place not in adopted:
                    self._report(done + place, len(steps))
                    self._write_or_leave_out(step, decoded)
            done += len(group.steps)
        self._report(len(steps), len(steps))
        return [error for _, error in self.damaged[before:]]

    def _ahead(self, steps: Sequence[LoadStep]) -> Iterator[Group]:
        """Decodes the steps; has workers write files of the destination once it knows how these
        are to look: the first batch makes its tables."""
        self._pool.fit(sum(size(step.batch.source) for step in steps))
        first = 0
        if self._sink.capabilities.concurrent and self._pool.elsewhere:
            while first < len(steps) and self._sink.stager() is None:
                yield from self._singly(steps[first : first + 1])
                first += 1
            types, stager = lambda: self._known.features, self._sink.stager
            yield from grouped_ahead(self._pool, steps[first:], types, self._decode, stager)
        else:
            yield from self._singly(steps)

    def _singly(self, steps: Sequence[LoadStep]) -> Iterator[Group]:
        return singly(decoded_ahead(self._pool, steps, lambda: self._known.features, self._decode))

    def _adopt(self, group: Group) -> frozenset[int]:
        """Commits the batches of a group that a worker has written to files.

        Returns their places; none if they have to be written one by one.
        """
        clock = Stopwatch()
        staged, some = group.staged, []
        known: Features = {}
        for place in group.places:
            step, decoded = group.steps[place], group.answers[place]
            if isinstance(decoded, Decoded):
                # Most batches of a group share their types: to join thousands takes a while.
                if decoded.types is not known:
                    known = decoded.types
                    self._known.prepare(known, again=not self.loaded)
                some.append((step, decoded, self._entry(step, decoded)))
        if staged is None or any(self._known.is_late(decoded) for _, decoded, _ in some):
            return frozenset()
        batches = [
            StagedBatch(
                entry,
                decoded.identities,
                partial(self._succession.check_loaded, step.batch, identities=decoded.identities),
                partial(_blocks, decoded, EXPERIMENT),
            )
            for step, decoded, entry in some
        ]
        try:
            self._attempts(lambda _: self._sink.adopt(staged, batches))
        except (StaleError, SourceError, NumbersError) as error:
            _log.info("%d batches are written one by one: %s", len(batches), error)
            return frozenset()
        for step, decoded, _ in some:
            decoded.remove()
            self._count(step, decoded, written=True)
        _log.info("%s and %d more: written in %s", some[0][2].path, len(some) - 1, clock)
        return frozenset(group.places)

    def _write_or_leave_out(self, step: LoadStep, decoded: Decoded | SourceError) -> None:
        try:
            if isinstance(decoded, SourceError):
                raise decoded
            self._write(step, decoded)
        except SourceError as error:
            self._leave_out(step.batch, error)

    def _leave_out(self, batch: Batch, error: SourceError) -> None:
        _log.info("%s: not loaded: %s", batch.source.path, error)
        self.damaged.append((batch, error))

    def _write(self, step: LoadStep, decoded: Decoded) -> None:
        """Writes a batch.

        If the sink finds values that fit no column of numbers, their feature becomes text, and the
        batch is written again.

        Raises:
            SourceError: the batch had to be read again and could not be.
        """
        clock = Stopwatch()
        while True:
            if self._known.is_late(decoded):
                decoded.remove()
                decoded = self._decode(step.batch, step.image_sets, self._known.features)
            self._known.prepare(decoded.types, again=not self.loaded)
            entry = self._entry(step, decoded)
            try:
                put = partial(self._put, step.batch, entry, decoded.identities, decoded.rows)
                written = self._attempts(put)
            except NumbersError as error:
                self._known.make_text(error)
                continue
            decoded.remove()
            self._count(step, decoded, written)
            done = "written" if written else "already loaded by another process"
            _log.info("%s: %s %s in %s", entry.path, step.image_sets.words, done, clock)
            return

    def _entry(self, step: LoadStep, decoded: Decoded) -> Entry:
        counts = {name: self._known.counted(name, decoded) for name in decoded.counts}
        entry = entry_of(step, decoded.fingerprint, counts, self._prefix)
        return replace(entry, measured=decoded.measured)

    def enter(self, steps: Iterable[LoadStep]) -> Iterator[Batch]:
        """Enters batches without rows in the ledger, so that the next load can skip them.

        Yields them; batches that can no longer be read are damaged.
        """
        for done, step in enumerate(steps):
            if not done:
                self._attempts(lambda _: self._sink.upgrade())
            try:
                with contained(step.batch.source):
                    entry = entry_of(step, fingerprint(step.batch.source), {}, self._prefix)
            except SourceError as error:
                self._leave_out(step.batch, error)
                continue
            self._enter(step.batch, entry)
            yield step.batch

    def _enter(self, batch: Batch, entry: Entry) -> None:
        """Enters a batch without rows in the ledger."""
        try:
            self._attempts(partial(self._put, batch, entry, Identities(), lambda: ()))
        except NumbersError as error:
            self._known.make_text(error)
            self._enter(batch, entry)

    def withdraw(self) -> list[Withdrawn]:
        """Removes batches of CSV files that other outputs now show to be truncated."""
        if not self.loaded:
            return []
        return self._attempts(lambda _: withdraw(self._sink, self._prefix))

    def finish(self, found: Survey, indexes: bool | None) -> None:
        """Updates everything in the destination that depends on the whole run.

        `indexes` is whether this and later loads make indexes; see `Sink.tune`.
        """
        clock = Stopwatch()
        self._attempts(lambda _: self._sink.upgrade())
        self._note = self._attempts(lambda _: number_groups(self._sink, found.plan))
        self._attempts(lambda _: describe(self._sink, self._prefix))
        self._attempts(lambda _: keep_measured(self._sink, found.plan))
        self._attempts(lambda _: self._sink.renew_views())
        self._attempts(lambda _: keep_planned(self._sink, self._prefix, found.plan))
        self._attempts(lambda _: self._sink.tune(indexes, self.rows))
        _log.info("group numbers, properties, views and indexes are up to date after %s", clock)

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes for the user about how the load went."""
        return (*self._attempts.notes, *filter(None, [self._note]))

    def _put(
        self,
        batch: Batch,
        entry: Entry,
        identities: Identities,
        rows: Callable[[], Iterable[tuple[str, pa.RecordBatchReader]]],
        unknown: bool,
    ) -> bool:
        """Writes one batch; returns False if another process had already written it.

        `unknown` is whether an earlier attempt of this process may have written it; then the result
        is True, as the batch counts as loaded by this process.
        """
        allow = partial(self._succession.check_loaded, batch, identities=identities)
        with self._sink.batch(entry, identities, allow) as write:
            if write is not None:
                for name, reader in rows():
                    write(name, reader)
        return write is not None or unknown

    def _report(self, done: int, total: int) -> None:
        self._progress(ProgressEvent("loaded", done, total, self.image_sets, self.values))

    def _count(self, step: LoadStep, decoded: Decoded, written: bool) -> None:
        self.already += not written
        if written:
            self.loaded += 1
            self.image_sets += len(step.image_sets)
            newer = newer_of(step.batch)
            self.replaced |= {older.signature: (older, newer) for older in step.older}
            self.values += decoded.values
            self.unmapped += decoded.unmapped
            for name, rows in decoded.written.items():
                table = table_of(name, self._prefix)
                self.rows[table] = self.rows.get(table, 0) + rows


def _blocks(decoded: Decoded, wanted: str) -> Iterator[pa.RecordBatch]:
    """The rows of one object type, block by block."""
    for _, rows in decoded.rows(wanted):
        yield from rows
