"""Reads a destination's ledger from SQL tables, for one prefix and, if named, one run."""

from array import array
from collections.abc import Collection, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import replace
from typing import Self

import pyarrow as pa

from cpexport.cellprofiler.image_identity import Identities
from cpexport.files.spool import Spool
from cpexport.imagesets import LARGEST, ImageSets
from cpexport.sinks.in_place import deleted
from cpexport.sinks.ledger import Entry, History, Ledger
from cpexport.sinks.sql import (
    experiment_tables,
    ledger_entries,
    ledger_history,
    ledger_numbers,
    ledger_options,
    ledger_removals,
    ledger_settings,
    ledger_tables,
)
from cpexport.sinks.sql.database import Database
from cpexport.sinks.sql.scope import NO_RUN_YET, Scope
from cpexport.sinks.summary import Summary
from cpexport.tables.options import TableOptions
from cpexport.tables.path_map import PathMap


class SqlLedger:
    """Reads the ledger; see `base.LedgerStore`. Everything is empty before the first load."""

    def __init__(self, db: Database, prefix: str, run: str | None) -> None:
        self._db, self.prefix, self.run = db, prefix, run
        self._stored = False
        self._summary: Summary | None = None
        self._newest: Summary | None = None
        self._numbered: bool | None = None

    @property
    def exists(self) -> bool:
        """Whether cpexport has made the destination's tables."""
        return has_ledger(self._db)

    def still_exists(self) -> bool:
        """Whether cpexport has made the destination's tables.

        Raises:
            SinkError: it has, but someone has deleted them since.
        """
        exists = self.exists
        if self._stored and not exists:
            raise deleted(self._db.name)
        return exists

    def note_stored(self) -> None:
        """Makes `still_exists` expect the tables from now on, as something is stored in them."""
        self._stored = True

    def scope(self) -> Scope:
        """The rows of this prefix and run. Not cached, as any process may number the run."""
        if self.run is None:
            return Scope(self.prefix, every=self._numbers_runs())
        return Scope(self.prefix, self.runs().get(self.run, NO_RUN_YET))

    def _numbers_runs(self) -> bool:
        """Whether runs are numbered under the prefix, which never changes once there are tables."""
        if self._numbered is None and self.exists:
            shape = ledger_options.shape_of(self._db, self.prefix)
            self._numbered = None if shape is None else shape.numbered
        return bool(self._numbered)

    def read(self) -> Ledger:
        entries: Spool[Entry] = Spool()
        batches, owned = array("q"), 0
        for some in ledger_entries.after(self._db, self.scope(), 0) if self.exists else ():
            for batch, entry in some:
                batches.append(batch)
                owned += len(entry.loaded)
                entries.share(entry.recorded)
                entries.append(entry)
        if batches and owned != ledger_entries.counted_image_sets(self._db, self.scope()):
            # Another program gave a batch image sets that it did not complete.
            self._add_strange(entries, batches)
        return Ledger(entries)

    def _add_strange(self, entries: Spool[Entry], batches: Sequence[int]) -> None:
        """Gives entries all image sets that the ledger says they own."""
        everything = ImageSets.span(1, LARGEST)
        owned: dict[int, list[int]] = {}
        for number, batch in ledger_tables.owners(self._db, self.scope(), everything):
            owned.setdefault(batch, []).append(number)
        for place, batch in enumerate(batches):
            entries[place] = replace(entries[place], loaded=ImageSets.of(owned.get(batch, ())))

    def summary(self) -> Summary:
        if self._summary is None:
            if not self.exists:
                return Summary()
            before = self._newest or self.stored_summary()
            self._summary = ledger_entries.summary(self._db, self.scope(), before)
            self._newest = self._summary
        return self._summary

    def renew(self) -> None:
        """Makes `summary` look at the ledger again: this or another process has written to it."""
        self._summary = None

    def stored_summary(self) -> Summary:
        return ledger_entries.stored_summary(self._db, self.scope()) if self.exists else Summary()

    def added(self) -> ImageSets | None:
        before, now = self.stored_summary(), self.summary()
        return now.loaded - before.loaded if now.extends(before) else None

    def entries(self, after: int = 0) -> Iterator[Entry]:
        if self.exists:
            for some in ledger_entries.after(self._db, self.scope(), after):
                yield from (entry for _, entry in some)

    def holding(self, image_sets: ImageSets) -> tuple[Entry, ...]:
        if not image_sets or not self.exists:
            return ()
        return ledger_entries.holding(self._db, self.scope(), image_sets)

    def settled_among(self, signatures: Collection[str]) -> frozenset[str]:
        if not self.exists:
            return frozenset()
        return ledger_entries.settled_among(self._db, self.scope(), signatures)

    def settled_signatures(self) -> Iterator[pa.Array]:
        if self.exists:
            yield from ledger_entries.settled_signatures(self._db, self.scope())

    def without_rows(self) -> Iterator[Entry]:
        summary = self.summary()
        if summary.with_rows < summary.batches:
            yield from ledger_entries.without_rows(self._db, self.scope())

    def history(self) -> History:
        return ledger_history.history(self._db, self.scope()) if self.exists else History()

    def removed(self) -> tuple[Entry, ...]:
        return ledger_removals.entries(self._db, self.scope()) if self.exists else ()

    def of_run(self, run: str) -> Self:
        """The ledger of one run only, by the same connection."""
        one = copy(self)
        one.run, one._summary, one._newest = run, None, None
        return one

    def runs(self) -> Mapping[str, int]:
        return ledger_tables.runs(self._db, self.prefix) if self.exists else {}

    def prefixes(self) -> frozenset[str]:
        return ledger_tables.prefixes(self._db) if self.exists else frozenset()

    def identities(self, image_sets: ImageSets) -> Identities:
        if not self.exists:
            return Identities()
        return ledger_tables.identities(self._db, self.scope(), image_sets)

    def key(self) -> tuple[str, ...]:
        return ledger_numbers.key(self._db, self.scope()) if self.exists else ()

    def numbers_of(self, keys: Collection[str]) -> Mapping[str, int]:
        return ledger_numbers.numbers_of(self._db, self.scope(), keys) if self.key() else {}

    def metadata(self) -> dict[str, str]:
        return ledger_settings.settings(self._db, self.scope()) if self.exists else {}

    def lasting(self, name: str) -> str | None:
        return ledger_settings.setting(self._db, self.scope(), name) if self.exists else None

    def metadata_of_runs(self, name: str) -> Mapping[str, str]:
        return ledger_settings.noted(self._db, self.prefix, name) if self.exists else {}

    def has_view(self, name: str, statement: str) -> bool:
        return self.exists and ledger_settings.has_view(self._db, name, statement)

    def described(self) -> Mapping[str, Mapping[str, str]] | None:
        return experiment_tables.described(self._db, self.scope())

    def measured(self) -> Mapping[str, float]:
        return experiment_tables.measured(self._db, self.scope())

    def holds(self, signature: str) -> bool:
        return self.exists and ledger_tables.holds(self._db, self.scope(), signature)

    def agreed(self, shape: TableOptions | None, paths: PathMap | None) -> TableOptions:
        """The options that the tables have or will have; see `ledger_options.agreed`."""
        if not self.exists:
            return TableOptions().requested(shape, paths)
        return ledger_options.agreed(self._db, self.prefix, shape, paths)


def has_ledger(db: Database) -> bool:
    """Whether cpexport has made a database's tables."""
    return db.exists and "_cpexport_columns" in db.names()
