"""What an exclusive transaction of every destination offers: `Transaction`."""

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

import pyarrow as pa

from cpexport.imagesets import ImageSets
from cpexport.sinks.ledger import Entry
from cpexport.sinks.summary import Summary

if TYPE_CHECKING:
    # Importing SQLAlchemy takes longer than most checks, which need no destination.
    import sqlalchemy as sa


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
