"""What the ledger of every destination offers: `LedgerStore`."""

from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Protocol

import pyarrow as pa

from cpexport.cellprofiler.image_identity import Identities
from cpexport.imagesets import ImageSets
from cpexport.sinks.ledger import Entry, History, Ledger
from cpexport.sinks.summary import Summary

if TYPE_CHECKING:
    # Importing SQLAlchemy takes longer than most checks, which need no destination.

    pass


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

    def identities(self, image_sets: ImageSets) -> Identities:
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
