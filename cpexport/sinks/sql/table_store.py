"""What each kind of destination does in its own way: make, change, write, read and count tables."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pyarrow as pa
import sqlalchemy as sa

from cpexport.imagesets import ImageSets
from cpexport.sinks.base import TableState
from cpexport.sinks.capabilities import Capabilities
from cpexport.sinks.sql.growing_layout import GrowingLayout
from cpexport.sinks.sql.indexes import TableIndex
from cpexport.sinks.sql.scope import Scope
from cpexport.sinks.sql.stager import Staging
from cpexport.tables.capacity import TableCapacity
from cpexport.tables.layout import Layout
from cpexport.tables.options import TableOptions


class TableStore(ABC):
    """The tables of one prefix. `sinks.sql.sink.LedgerSink` decides which rows they have; a store
    carries that out and defines the transaction.

    A `layout` is that of the tables as they are, and a `scope` selects the rows of a run. Every
    method raises `SinkError` when the destination refuses.
    """

    def __init__(self, name: str, prefix: str, shape: TableOptions) -> None:
        self.name, self.prefix, self.shape = name, prefix, shape

    @property
    @abstractmethod
    def capabilities(self) -> Capabilities:
        """What this kind of destination can do."""

    @property
    @abstractmethod
    def capacity(self) -> TableCapacity:
        """What one table can hold."""

    @abstractmethod
    def close(self, layout: GrowingLayout, *, failed: bool) -> None:
        """Closes the destination. `failed` is whether the load ended with an error."""

    @abstractmethod
    def notes(self, layout: Layout) -> tuple[str, ...]:
        """See `base.Sink.notes`."""

    @abstractmethod
    def address(self, folder: Path | None) -> Mapping[str, str]:
        """See `base.Sink.address`."""

    @abstractmethod
    def exclusive(self, layout: GrowingLayout) -> AbstractContextManager[None]:
        """A transaction in which no other process writes."""

    @abstractmethod
    def batch(self, layout: GrowingLayout) -> AbstractContextManager[None]:
        """The transaction of a batch. The first one makes the destination. Where tables cannot
        change within a transaction, they grow before it begins."""

    @abstractmethod
    def apply_pending(self, layout: GrowingLayout) -> Layout:
        """Makes the tables as the batch needs them, unless `batch` has; returns the layout."""

    @abstractmethod
    def layout_version(self) -> object:
        """A value that changes whenever the layout does, and may change more often."""

    @abstractmethod
    def table_names(self) -> frozenset[str]:
        """The names of all tables and views, including those that cpexport did not make."""

    @abstractmethod
    def make_ledger_table(self, table: sa.Table) -> None:
        """Makes one of the ledger's tables, within `exclusive`."""

    @abstractmethod
    def make_table(self, table: sa.Table, rows: pa.Table) -> None:
        """Makes a table with these rows; replaces the table if cpexport made it before."""

    @abstractmethod
    def append(
        self, layout: Layout, table: str, names: Sequence[str], blocks: Iterable[pa.RecordBatch]
    ) -> None:
        """Appends a batch's rows to a table. `names` are the table's names for the columns."""

    def staging(self, layout: Layout) -> Staging | None:
        """Where workers can write files of the tables; None if only the transaction can write."""
        return None

    def adopt(self, files: Sequence[Any]) -> None:
        """Adds files that workers wrote to the tables, within `batch`."""
        raise NotImplementedError

    def abandon(self, files: Sequence[Any]) -> None:
        """Deletes files that workers wrote and that no transaction has adopted."""
        raise NotImplementedError

    @abstractmethod
    def count(self, layout: Layout, table: str, scope: Scope, image_sets: ImageSets) -> int:
        """How many rows of these image sets a table has."""

    @abstractmethod
    def delete_rows(self, layout: Layout, scope: Scope, image_sets: ImageSets) -> None:
        """Deletes the rows of image sets, and their relationships."""

    @abstractmethod
    def renumber(self, layout: Layout, scope: Scope, columns: Mapping[str, pa.Array]) -> None:
        """See `base.Transaction.renumber`."""

    @abstractmethod
    def states(self, layout: Layout, scope: Scope) -> Mapping[str, TableState]:
        """See `base.Sink.tables`."""

    @abstractmethod
    def read(
        self,
        layout: Layout,
        scope: Scope,
        object_name: str,
        features: Sequence[str] | None,
        image_sets: ImageSets | None,
    ) -> Iterator[pa.RecordBatch]:
        """See `base.Sink.read`."""

    @abstractmethod
    def columns_of_derived(self, tables: Collection[str]) -> Mapping[str, tuple[str, ...]]:
        """The columns of the given derived tables, where they exist."""

    @abstractmethod
    def read_derived_table(self, table: str, columns: Sequence[str]) -> list[tuple[object, ...]]:
        """See `base.Sink.read_derived_table`."""

    @abstractmethod
    def broken_views(self, layout: Layout) -> Mapping[str, str]:
        """See `base.Sink.broken_views`."""

    @abstractmethod
    def tune(self, layout: GrowingLayout, grown: Collection[str]) -> None:
        """See `base.Sink.tune`; `grown` are the tables that have many new rows."""

    @abstractmethod
    def missing_indexes(self, layout: Layout) -> tuple[TableIndex, ...]:
        """The indexes for queries that the tables lack and loads make."""

    @abstractmethod
    def renew_views(self, layout: GrowingLayout) -> None:
        """See `base.Sink.renew_views`."""
