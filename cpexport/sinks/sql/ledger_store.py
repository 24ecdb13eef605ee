"""Reads a destination's ledger from SQL tables, for one prefix and, if named, one run."""

from collections.abc import Mapping

from cpexport.cellprofiler.image_identity import Pictures
from cpexport.imagesets import ImageSets
from cpexport.sinks.in_place import deleted
from cpexport.sinks.ledger import Entry, Ledger
from cpexport.sinks.sql import experiment_tables, ledger_options, ledger_settings, ledger_tables
from cpexport.sinks.sql.database import Database
from cpexport.sinks.sql.scope import NO_RUN_YET, Scope
from cpexport.tables.options import TableOptions
from cpexport.tables.path_map import PathMap


class SqlLedger:
    """Reads the ledger; see `base.LedgerStore`. Everything is empty before the first load."""

    def __init__(self, db: Database, prefix: str, run: str | None) -> None:
        self._db, self.prefix, self.run = db, prefix, run
        self._stored = False

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
        return Scope(self.prefix, 0 if self.run is None else self.runs().get(self.run, NO_RUN_YET))

    def read(self) -> Ledger:
        return ledger_tables.read(self._db, self.scope()) if self.exists else Ledger()

    def runs(self) -> Mapping[str, int]:
        return ledger_tables.runs(self._db, self.prefix) if self.exists else {}

    def prefixes(self) -> frozenset[str]:
        return ledger_tables.prefixes(self._db) if self.exists else frozenset()

    def pictures(self, image_sets: ImageSets) -> Pictures:
        if not self.exists:
            return Pictures()
        return ledger_tables.pictures(self._db, self.scope(), image_sets)

    def metadata(self) -> dict[str, str]:
        return ledger_settings.settings(self._db, self.scope()) if self.exists else {}

    def metadata_of_runs(self, name: str) -> Mapping[str, str]:
        return ledger_settings.noted(self._db, self.prefix, name) if self.exists else {}

    def described(self) -> Mapping[str, Mapping[str, str]] | None:
        return experiment_tables.described(self._db, self.scope())

    def measured(self) -> Mapping[str, float]:
        return experiment_tables.measured(self._db, self.scope())

    def holds(self, entry: Entry) -> bool:
        """Whether the ledger has this very batch; another process may have written it."""
        return self.exists and ledger_tables.holds(self._db, self.scope(), entry)

    def agreed(self, shape: TableOptions | None, paths: PathMap | None) -> TableOptions:
        """The options that the tables have or will have; see `ledger_options.agreed`."""
        if not self.exists:
            return TableOptions().requested(shape, paths)
        return ledger_options.agreed(self._db, self.prefix, shape, paths)


def has_ledger(db: Database) -> bool:
    """Whether cpexport has made a database's tables."""
    return db.exists and "_cpexport_columns" in db.names()
