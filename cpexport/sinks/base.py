"""What every destination offers: `Sink`, with its ledger and its exclusive transactions."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, Self

import pyarrow as pa

from cpexport.cellprofiler.image_identity import Pictures
from cpexport.imagesets import ImageSets
from cpexport.sinks.capabilities import Capabilities
from cpexport.sinks.ledger import Entry, History, Ledger
from cpexport.sinks.summary import Summary
from cpexport.tables.layout import Features, Layout
from cpexport.tables.options import TableOptions

if TYPE_CHECKING:
    # Importing SQLAlchemy takes longer than most checks, which need no destination.
    import sqlalchemy as sa

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
    pictures: Pictures
    allow: Allow
    run: Callable[[], Iterable[pa.RecordBatch]]


@dataclass(frozen=True)
class TableState:
    """A table as it is in the destination. `rows` counts only those of the sink's run, if the table
    tells runs apart. A view has no columns and no rows here."""

    columns: tuple[str, ...]
    rows: int


class LedgerStore(Protocol):
    """The ledger of a destination. Everything is empty before the first load.

    If the sink was opened for a run, everything is about that run, else about all runs.
    """

    def read(self) -> Ledger:
        """The batches that the destination holds, as they are now: their entries lie on disk."""

    def summary(self) -> Summary:
        """All batches added up. Costs what the batches since `stored_summary` cost, unless older
        ones were replaced or deleted."""

    def stored_summary(self) -> Summary:
        """What `Transaction.set_summary` stored."""

    def added(self) -> ImageSets | None:
        """The image sets that were loaded since `stored_summary`; None if older batches were
        replaced or deleted since, or if there is no stored summary."""

    def entries(self, after: int = 0) -> Iterator[Entry]:
        """The entries after the one with this `batch_id`, in the order in which they were written,
        a limited number in memory."""

    def holding(self, image_sets: ImageSets) -> tuple[Entry, ...]:
        """The entries from which the destination has some of these image sets, each with only those
        in `loaded`."""

    def holds(self, signature: str) -> bool:
        """Whether the destination has the batch with this signature; any process may have written
        it."""

    def settled_among(self, signatures: Collection[str]) -> frozenset[str]:
        """Those of the signatures that `Ledger.settled` has."""

    def settled_signatures(self) -> Iterator[pa.Array]:
        """The signatures that `Ledger.settled` has, as texts, a limited number at a time."""

    def without_rows(self) -> Iterator[Entry]:
        """The entries whose complete image sets were all replaced by other batches."""

    def removed(self) -> tuple[Entry, ...]:
        """The entries from which a user removed image sets, each with those that are not back in
        `Entry.removed`; another batch may have brought back all."""

    def of_run(self, run: str) -> "LedgerStore":
        """The ledger of one run only, where this one is about all runs."""

    def history(self) -> History:
        """How many batches there are of each kind, and which versions wrote them."""

    def runs(self) -> Mapping[str, int]:
        """`TableNumber` by name of run, from 1 in order of loading; empty if the destination does
        not number runs."""

    def prefixes(self) -> frozenset[str]:
        """The table name prefixes under which something is loaded."""

    def pictures(self, image_sets: ImageSets) -> Pictures:
        """What identifies the images of these image sets, for those that are loaded."""

    def key(self) -> tuple[str, ...]:
        """The features that identify image sets whose jobs count from 1; empty if image sets have
        the numbers of their jobs."""

    def numbers_of(self, keys: Collection[str]) -> Mapping[str, int]:
        """The numbers of those of the keys that have one, by key."""

    def metadata(self) -> dict[str, str]:
        """What `Transaction.set_metadata` stored. The next batch removes all of it except
        `ledger_schema.KEPT`."""

    def lasting(self, name: str) -> str | None:
        """A value of `Transaction.set_metadata` that batches do not remove
        (`ledger_settings.OWN`); None without one."""

    def metadata_of_runs(self, name: str) -> Mapping[str, str]:
        """The value of one name in `metadata`, by name of run."""

    def has_view(self, name: str, statement: str) -> bool:
        """Whether the last `Transaction.write_view` for this view had the same statement. The view
        itself may be gone since."""

    def described(self) -> Mapping[str, Mapping[str, str]] | None:
        """The fields that `Transaction.describe` stored, by object type; None if the run is not in
        the table Experiment."""

    def measured(self) -> Mapping[str, float]:
        """The run's measurements in Per_Experiment, by feature, without NULL."""


class Transaction(Protocol):
    """Changes that only one process at a time may make. `Sink.exclusive` gives it, commits it, and
    rolls it back after an error."""

    def renumber(self, columns: Mapping[str, pa.Array]) -> None:
        """Replaces the values of image features. `columns` holds arrays of equal length by feature;
        `ImageNumber` says which image set each value is for."""

    def describe(self, properties: Mapping[str, Mapping[str, str]], modified: str) -> None:
        """Replaces the run's rows of Experiment and Experiment_Properties: fields by object type,
        and the time at which the run was last modified."""

    def set_metadata(self, values: Mapping[str, str]) -> None:
        """Stores what was computed over the whole run; the next batch removes it."""

    def set_summary(self, summary: Summary) -> None:
        """Stores the summary of the ledger, from which the next load goes on."""

    def set_measured(self, values: Mapping[str, float]) -> None:
        """Replaces the run's measurements in Per_Experiment, by feature."""

    def reshape(self) -> None:
        """Gives the tables the object types of `Sink.shape`. Existing batches lose their
        fingerprint, so that they are loaded again."""

    def write_derived_table(self, table: "sa.Table", rows: pa.Table) -> None:
        """Makes or replaces a table that is computed from other tables.

        Raises:
            SinkError: something else made a table of that name.
        """

    def write_view(self, name: str, statement: str | None) -> bool:
        """Makes or replaces a view; removes it if there is no statement. Returns False, and changes
        nothing, if something else has the name."""

    def remove(
        self, image_sets: Mapping[int, ImageSets], chosen_by: str, kept: Collection[str]
    ) -> None:
        """Deletes the rows of image sets, and notes in the ledger that a user removed them.

        image_sets: by `TableNumber`; 0 where runs are not numbered.
        chosen_by: the options that chose them.
        kept: the names in `LedgerStore.metadata` that stay right.
        """

    def forget_removed(self, entries: Sequence[Entry]) -> None:
        """Makes batches from which image sets were removed be loaded again. They are batches of the
        sink's run."""

    def delete_batch(self, entry: Entry) -> None:
        """Deletes the rows of a batch and its entry in the ledger."""


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
        self, entry: Entry, pictures: Pictures, allow: Allow = lambda held: None
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
