"""Brings batches into a destination: the loop of a load, one transaction a batch."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pyarrow as pa

from cpexport import __version__
from cpexport.ahead import decoded_ahead
from cpexport.attempts import Attempts
from cpexport.batch import Batch, fingerprint
from cpexport.contained import contained
from cpexport.decode import Decoded, decode
from cpexport.errors import NumbersError, SourceError
from cpexport.features import IMAGE, INTEGER, REAL, TEXT
from cpexport.lacking import absent
from cpexport.ledger import Count, Entry
from cpexport.measured import keep_measured
from cpexport.numbering import number_groups
from cpexport.pictures import Pictures
from cpexport.properties import describe
from cpexport.sinks import Sink
from cpexport.steps import Older, Step
from cpexport.succession import Succession
from cpexport.survey import Done, Progress, Survey
from cpexport.tables import Features, joined, table_of
from cpexport.withdrawal import Withdrawn, withdraw
from cpexport.workers import Crew


class Writing:
    """Brings batches into a sink, one transaction each, and keeps count."""

    def __init__(
        self,
        sink: Sink,
        succession: Succession,
        prefix: str,
        scratch: Path,
        crew: Crew,
        progress: Progress,
    ) -> None:
        self._sink, self._prefix, self._progress = sink, prefix, progress
        self._succession = succession
        self._crew = crew
        self._decode = partial(decode, shape=sink.shape, scratch=scratch)
        self._attempts = Attempts()
        self._features = sink.shape.unshaped(sink.layout().features)
        # Of the run alone: what other runs have in the same tables is not missing in it.
        self._of_run: Features = {} if sink.shape.numbered else self._features
        # What must be text, as no column of numbers holds all of its values; as the sink has it.
        self._texts: Features = {}
        self.rows: dict[str, int] = {}
        self.loaded: list[Batch] = []
        self.already: list[Batch] = []
        self.superseded: list[Batch] = []
        self.replaced: dict[str, tuple[Older, Batch]] = {}
        self.damaged: list[tuple[Batch, SourceError]] = []
        self.image_sets = self.values = self.unmapped = 0

    def write(self, steps: Sequence[Step]) -> list[SourceError]:
        """The loop of the program. Returns what was damaged; those batches left no trace.

        While a batch is written, the next ones are decoded.
        """
        if steps:
            self._attempts(lambda _: self._sink.upgrade())
        self._prepare(joined([self._features, *(step.batch.features for step in steps)]))
        self._of_run = joined([self._of_run, *(step.batch.features for step in steps)])
        damaged = []
        ahead = decoded_ahead(self._crew, steps, lambda: self._features, self._decode)
        for done, (step, decoded) in enumerate(ahead):
            self._tell(done, len(steps))
            if isinstance(decoded, SourceError):
                damaged.append(decoded)
                self.damaged.append((step.batch, decoded))
                continue
            try:
                self._bring(step, decoded)
            except SourceError as error:
                damaged.append(error)
                self.damaged.append((step.batch, error))
        self._tell(len(steps), len(steps))
        return damaged

    def _bring(self, step: Step, decoded: Decoded) -> None:
        """Writes a batch. Where its values fit no column of numbers, they become text.

        Raises:
            SourceError: it had to be read once more, and could not be.
        """
        while True:
            if self._is_late(decoded):
                decoded.remove()
                decoded = self._decode(step.batch, step.image_sets, self._features)
            self._prepare(joined([self._features, decoded.types]))
            counts = {name: self._counted(name, decoded) for name in decoded.counts}
            entry = _entry(step, decoded.fingerprint, counts, self._prefix)
            entry = replace(entry, measured=decoded.measured)
            try:
                put = partial(self._put, step.batch, entry, decoded.pictures, decoded.rows)
                written = self._attempts(put)
            except NumbersError as error:
                self._make_text(error)
                continue
            decoded.remove()
            self._count(step, decoded, written)
            return

    def _make_text(self, error: NumbersError) -> None:
        """Has the sink make a feature text that no column of numbers holds.

        Raises:
            NumbersError: it is text already.
        """
        if error.feature in self._texts.get(error.object, {}):
            raise error
        self._texts = joined([self._texts, {error.object: {error.feature: TEXT}}])
        self._features = joined([self._features, {IMAGE: self._texts.get(IMAGE, {})}])
        self._ready()

    def _is_late(self, decoded: Decoded) -> bool:
        """Whether a batch was decoded before it was known that metadata of it is text, which
        destinations have as the job wrote it."""
        types = decoded.types.get(IMAGE, {})
        return any(
            types.get(feature) in (INTEGER, REAL)
            for feature in self._texts.get(IMAGE, {})
            if feature in decoded.pictures.columns
        )

    def _counted(self, name: str, decoded: Decoded) -> Count:
        """What a batch brings to a table; values that it lacks and others have are missing."""
        count = decoded.counts[name]
        many = absent(name, self._of_run, decoded.types.get(name, {})) if count.rows else 0
        return replace(count, missing=count.missing + many * count.rows)

    def _prepare(self, features: Features) -> None:
        if features != self._features or not self.loaded:
            self._features = features
            self._ready()

    def _ready(self) -> None:
        self._sink.prepare(joined([self._sink.shape.shaped(self._features), self._texts]))

    def note(self, steps: Sequence[Step], noted: list[Batch]) -> None:
        """Enters in the ledger what brings no rows, so that the next run need not look again."""
        for step in steps:
            try:
                with contained(step.batch.source):
                    entry = _entry(step, fingerprint(step.batch.source), {}, self._prefix)
            except SourceError as error:
                self.damaged.append((step.batch, error))
                continue
            self._enter(step.batch, entry)
            noted.append(step.batch)

    def _enter(self, batch: Batch, entry: Entry) -> None:
        """Enters a batch without rows."""
        try:
            self._attempts(partial(self._put, batch, entry, Pictures(), lambda: ()))
        except NumbersError as error:
            self._make_text(error)
            self._enter(batch, entry)

    def withdraw(self) -> list[Withdrawn]:
        """Takes out batches of CSV files that others now show to be cut off."""
        if not self.loaded:
            return []
        ledger = self._sink.ledger()
        return self._attempts(lambda _: withdraw(self._sink, ledger, self._prefix))

    def settle(self, found: Survey) -> None:
        """Brings up to date what depends on the whole run."""
        self._attempts(lambda _: self._sink.upgrade())
        self._attempts(lambda _: number_groups(self._sink, found.plan))
        self._attempts(lambda _: describe(self._sink, self._prefix))
        self._attempts(lambda _: keep_measured(self._sink, found.plan))
        self._attempts(lambda _: self._sink.renew_views())

    @property
    def notes(self) -> tuple[str, ...]:
        """What people should know of how it went."""
        return self._attempts.notes

    def _put(
        self,
        batch: Batch,
        entry: Entry,
        pictures: Pictures,
        rows: Callable[[], Iterable[tuple[str, pa.RecordBatchReader]]],
        unknown: bool,
    ) -> bool:
        """Writes one batch; False if another process had written it. `unknown` is whether an
        earlier attempt may have."""
        allow = partial(self._succession.refuse_there, batch, pictures=pictures)
        with self._sink.batch(entry, pictures, allow) as write:
            if write is not None:
                for name, some in rows():
                    write(name, some)
        return write is not None or unknown

    def _tell(self, done: int, total: int) -> None:
        self._progress(Done("loaded", done, total, self.image_sets, self.values))

    def _count(self, step: Step, decoded: Decoded, written: bool) -> None:
        (self.loaded if written else self.already).append(step.batch)
        if written:
            self.image_sets += len(step.image_sets)
            self.replaced |= {older.signature: (older, step.batch) for older in step.older}
            self.values += decoded.values
            self.unmapped += decoded.unmapped
            for name, rows in decoded.written.items():
                table = table_of(name, self._prefix)
                self.rows[table] = self.rows.get(table, 0) + rows


def _entry(step: Step, fingerprint: str, counts: Mapping[str, Count], prefix: str) -> Entry:
    batch = step.batch
    # Also the tables of which nothing is loaded: an output of the same run that lacks one is cut
    # off, which the next load has to know, too.
    there = {name: Count(0) for name in batch.features if name != IMAGE}
    return Entry(
        path=str(batch.source.path),
        format=batch.source.format,
        signature=batch.known_by,
        fingerprint=fingerprint,
        image_sets=batch.image_sets,
        complete=batch.complete,
        loaded=step.image_sets,
        refused=batch.unexpected | batch.misplaced,
        group_tags=batch.group_tags,
        state=batch.state,
        reason=batch.reason,
        age=batch.age,
        version=batch.version,
        pipeline=batch.pipeline,
        time=datetime.now(UTC).isoformat(timespec="seconds"),
        cpexport=__version__,
        counts={table_of(name, prefix): n for name, n in (there | dict(counts)).items()},
    )
