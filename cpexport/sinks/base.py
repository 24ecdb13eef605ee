"""What every destination offers: `Sink`, with its ledger and its exclusive transactions."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, Self

import pyarrow as pa

from cpexport.cellprofiler.image_identity import Identities
from cpexport.imagesets import ImageSets
from cpexport.sinks.capabilities import Capabilities
from cpexport.sinks.ledger import Entry
from cpexport.sinks.ledger_store import LedgerStore
from cpexport.sinks.transaction import Transaction
from cpexport.tables.layout import Features, Layout
from cpexport.tables.options import TableOptions

if TYPE_CHECKING:
    # Importing SQLAlchemy takes longer than most checks, which need no destination.

    from cpexport.sinks.sql.stager import Staged, Stager

Write = Callable[[str, pa.RecordBatchReader], None]
"""Writes the rows of one object type, in blocks whose columns are named by feature. Relationships
are the type `Relationship`; metadata of the whole run are the type `Experiment`."""

Allow = Callable[[Sequence[Entry]], None]
"""Called with the entries that a batch is about to replace, each with only those image sets in
`loaded`; raises if the batch must not replace them."""


@dataclass(frozen=True)
class StagedBatch:
    """A batch whose rows a `Stager` has written to files.

    allow: as for `Sink.batch`.
    run: gives the job's metadata of the whole run, the type `Experiment`.
    """

    entry: Entry
    identities: Identities
    allow: Allow
    run: Callable[[], Iterable[pa.RecordBatch]]


@dataclass(frozen=True)
class TableState:
    """A table as it is in the destination. `rows` counts only those of the sink's run, if the table
    tells runs apart. A view has no columns and no rows here."""

    columns: tuple[str, ...]
    rows: int


class Sink(Protocol):
    """One open destination. A context manager; closing it keeps what was committed.

    Every method raises `SinkError` when the destination refuses, and leaves it as it was.
    """

    @property
    def name(self) -> str:
        """The destination as users may see it, without a password."""

    @property
    def shape(self) -> TableOptions:
        """How its tables look, or will look."""

    @property
    def run(self) -> str | None:
        """The run that it was opened for; None for all."""

    @property
    def capabilities(self) -> Capabilities:
        """What this kind of destination can do."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What users should know about its tables."""

    @property
    def ledger(self) -> LedgerStore:
        """The destination's ledger."""

    @property
    def exists(self) -> bool:
        """Whether the destination is there and not an empty file. Databases of servers always
        are."""

    def size(self) -> int:
        """The bytes that it takes; on a server, those of the whole database, with all prefixes."""

    def layout(self) -> Layout:
        """The tables and columns that the destination has."""

    def tables(self) -> Mapping[str, TableState]:
        """The tables that exist, of those that must: data tables, relationships, and the tables of
        the run as a whole."""

    def prepare(self, features: Features) -> None:
        """Makes the next batch add the tables, columns and types that `features` need.

        Nothing else makes or changes tables, and nothing happens before that batch begins.
        """

    def pending_layout(self) -> Layout:
        """The layout that the next batch will find or make."""

    def batch(
        self, entry: Entry, identities: Identities, allow: Allow = lambda held: None
    ) -> AbstractContextManager[Write | None]:
        """A transaction that writes one batch and its ledger entry, or nothing.

        It first deletes the rows of image sets that are already stored, if `allow` raises nothing.
        It gives None if another process has written this very batch in the meantime. Leaving it
        without an error commits, durably.
        """

    def stager(self) -> "Stager | None":
        """What workers need to write batches into files of this destination, as it is now.

        None if nothing but `batch` can write the next batch: always, unless
        `Capabilities.concurrent`; and as long as tables, columns or the number of the run are to be
        made.
        """

    def adopt(self, staged: "Staged", batches: Sequence[StagedBatch]) -> None:
        """Writes several batches, whose rows a `Stager` has written to files, in one transaction,
        in all other ways as `batch` does.

        Raises:
            StaleError: the tables have changed since, or another process has written one of the
                batches: nothing is kept, nor are the files.
        """

    def read(
        self,
        object_name: str,
        features: Sequence[str] | None = None,
        image_sets: ImageSets | None = None,
    ) -> Iterator[pa.RecordBatch]:
        """The rows of an object type in order of its key, in batches of bounded size; of the sink's
        run, if it was opened for one.

        Columns: the layout's `image_key`, `Number_Object_Number` for objects, then `features` in
        the order given, without those that have no column (default: all). Types are the layout's.
        `Relationship` has the columns of `layout.RELATIONSHIPS`, ordered by the first object;
        `Experiment` those of `experiment.EXPERIMENTS`; neither takes features. `Object` is the view
        of all objects, where there is one; its features are called as its columns are. There is at
        least one batch, which can be empty. A table in parts is read as one.

        Raises:
            ChangedError: a value is of another type than its column, or parts have other rows.
        """

    def has(self, name: str) -> bool:
        """Whether a table or a view of this name exists, from any program."""

    def derived_tables(self) -> Mapping[str, tuple[str, ...]]:
        """The columns of the tables that `Transaction.write_derived_table` made, by table."""

    def read_derived_table(self, table: str, columns: Sequence[str]) -> list[tuple[object, ...]]:
        """These columns of a table that `Transaction.write_derived_table` made, in no order."""

    def exclusive(self) -> AbstractContextManager[Transaction]:
        """A transaction in which no other process writes: what is read within it stays true."""

    @property
    def reshaped(self) -> bool:
        """Whether the tables need `Transaction.reshape`: the object types that were asked for when
        they were made are in no output."""

    def upgrade(self) -> None:
        """Adds the ledger tables that an older version of cpexport did not make; changes nothing
        that is there."""

    def tune(
        self, indexes: bool | None, written: Mapping[str, int], places: Sequence[str] = ()
    ) -> None:
        """Makes the indexes that queries need and the tables lack, and counts what the database's
        optimizer must know.

        indexes: whether this and later loads make indexes; None for what an earlier load chose, or
            else True.
        written: how many rows this process has written, by table.
        places: the image features that name plate and well, for this and later loads; empty for
            those that an earlier load named, or else the usual ones.
        """

    @property
    def indexed(self) -> bool:
        """Whether loads make indexes for queries, where the kind of destination has some."""

    def missing_indexes(self) -> Mapping[str, str]:
        """The indexes that `tune` would make: their tables by name of index."""

    def broken_views(self) -> Mapping[str, str]:
        """The views that are missing or wrong, and why."""

    def renew_views(self) -> None:
        """Remakes the views that an older version of cpexport made differently."""

    def address(self, folder: Path | None) -> Mapping[str, str]:
        """Where the destination is, in the fields of a CellProfiler Analyst properties file in
        `folder` (default: next to the destination): `db_type` and what belongs to it. Never a
        password, as the file is plain text.
        """

    def __enter__(self) -> Self: ...

    def __exit__(self, *error: object) -> None: ...
