"""Writes rows of several batches to files of a destination, in any process.

`LedgerSink.stager` makes a `Stager`, which can be sent to workers. The files that it writes are no
part of the destination until `LedgerSink.adopt` commits them. Whatever only the transaction can
decide (new columns, kinds of relationships, the number of a run) is decided before: what a stager
does not know, it does not write.
"""

import hashlib
import pickle
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, Protocol

import pyarrow as pa

from cpexport.cellprofiler.features import EXPERIMENT, is_column, wider
from cpexport.errors import NumbersError
from cpexport.sinks.ledger import Count
from cpexport.sinks.sql import relationships
from cpexport.sinks.sql.batch import BatchWriter, RowCounts
from cpexport.sinks.sql.column_projection import ColumnProjection
from cpexport.sinks.sql.scope import Scope
from cpexport.sinks.sql.type_widening import stored
from cpexport.tables.layout import Features, Layout
from cpexport.tables.options import TableOptions


class Rows(Protocol):
    """A decoded batch."""

    @property
    def counts(self) -> Mapping[str, Count]: ...

    def rows(self) -> Iterator[tuple[str, pa.RecordBatchReader]]:
        """Object types with their rows."""


class StagedFiles(Protocol):
    """Files of a destination's tables that a worker writes."""

    def begin(self) -> None:
        """Begins the next batch."""

    def append(self, table: str, names: Sequence[str], blocks: Iterable[pa.RecordBatch]) -> None:
        """Appends rows of the batch; see `TableStore.append`."""

    def finish(self) -> tuple[tuple[Any, ...], tuple[Mapping[str, int], ...]]:
        """Completes the files, durably. Returns what `TableStore.adopt` needs to know of each, and
        how many distinct keys each batch has in them by table, as read back."""


class Staging(Protocol):
    """Where workers write files of a destination. It can be sent to other processes."""

    @property
    def reachable(self) -> bool:
        """Whether this process can write there."""

    def files(self) -> AbstractContextManager[StagedFiles]:
        """New files, which are deleted if an error leaves the context.

        Raises:
            SinkError: they cannot be written.
        """


@dataclass(frozen=True)
class Staged:
    """What a stager wrote.

    version, scope: the tables for which it did; see `Stager`.
    files: as `TableStore.adopt` takes them.
    given: the rows of each batch by table.
    found: the same as read back from the files, without rows that are there twice.
    """

    version: str
    scope: Scope
    files: tuple[Any, ...]
    given: tuple[Mapping[str, int], ...]
    found: tuple[Mapping[str, int], ...]


@dataclass(frozen=True)
class Stager:
    """Writes batches to files.

    name: the destination's.
    kinds: the numbers of the known kinds of relationships.
    infinities: whether infinite values are stored.
    """

    name: str
    layout: Layout
    scope: Scope
    shape: TableOptions
    kinds: relationships.Kinds
    infinities: bool
    staging: Staging

    def takes(self, features: Features) -> bool:
        """Whether the tables have columns for these features of jobs, each wide enough."""
        columns = self.layout.by_feature
        for name, types in self.shape.shaped(features).items():
            if name not in self.layout.objects:
                return False
            for feature, type in types.items():
                if is_column(feature):
                    column = columns.get((name, feature))
                    if column is None or wider(column.type, type) != column.type:
                        return False
        return True

    def stage(self, batches: Sequence[Rows]) -> Staged | None:
        """Writes batches that it takes; None if it must not after all, or cannot from here.

        Raises:
            SinkError: the files cannot be written.
        """
        if not self.staging.reachable:
            return None
        fitting, counts = ColumnProjection(), [RowCounts() for _ in batches]
        try:
            with self.staging.files() as files:
                for batch, given in zip(batches, counts, strict=True):
                    files.begin()
                    write = self._writer(batch, files, given, fitting)
                    for name, rows in batch.rows():
                        if name != EXPERIMENT:
                            write(name, rows)
                made, found = files.finish()
        except (NumbersError, _UnknownKindError):
            return None
        given_rows = tuple(given.given for given in counts)
        return Staged(version(self.layout), self.scope, made, given_rows, found)

    def _writer(
        self, batch: Rows, files: StagedFiles, given: RowCounts, fitting: ColumnProjection
    ) -> BatchWriter:
        infinite = bool(self.shape.aggregate) or any(c.infinite for c in batch.counts.values())
        return BatchWriter(
            name=self.name,
            scope=self.scope,
            layout=self.layout,
            kinds=self._numbered,
            run=lambda rows: None,
            fitting=fitting,
            append=files.append,
            row_counts=given,
            finite=infinite and not self.infinities,
        )

    def _numbered(self, pairs: pa.RecordBatch) -> pa.RecordBatch:
        try:
            return relationships.with_numbers(self.kinds, self.scope, pairs)
        except KeyError as error:
            raise _UnknownKindError from error

    # A layout has thousands of columns, and goes to workers with each group of batches.
    def __reduce__(self) -> tuple[Callable[[bytes], "Stager"], tuple[bytes]]:
        return _unpacked, (self._packed,)

    @cached_property
    def _packed(self) -> bytes:
        values = self.name, tuple(self.layout.columns), self.layout.numbered, self.scope
        return pickle.dumps((*values, self.shape, self.kinds, self.infinities, self.staging))


@lru_cache(maxsize=2)
def _unpacked(packed: bytes) -> Stager:
    name, columns, numbered, *rest = pickle.loads(packed)
    scope, *others = rest
    return Stager(name, Layout(columns, numbered), scope, *others)


@lru_cache(maxsize=4)
def version(layout: Layout) -> str:
    """Differs if the tables of two layouts are stored differently."""
    fields = [
        (table.name, [(f.name, str(f.type)) for f in stored(table)])
        for table in layout.tables.values()
    ]
    return hashlib.sha256(repr(fields).encode()).hexdigest()


class _UnknownKindError(Exception):
    """A kind of relationship has no number yet."""
