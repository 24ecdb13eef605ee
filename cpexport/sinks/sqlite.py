"""SQLite destinations: rows by ADBC's bulk ingest, in one transaction with their ledger entry.

One connection, and one SQLite library, for everything: a second library in the same process would
drop the first one's locks when it closes the file (sqlite.org/howtocorrupt.html, section 2.2).
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import pyarrow as pa
import sqlalchemy as sa

from cpexport.ledger import Entry
from cpexport.paths import PathMap
from cpexport.room import Room
from cpexport.shape import VIEW, Shape
from cpexport.sinks import sqlitelayout
from cpexport.sinks.objectview import notes_on
from cpexport.sinks.sql import quoted
from cpexport.sinks.sqlitefile import WIDTH, Connection
from cpexport.sinks.sqlitelayout import change, make, make_ledger_table
from cpexport.sinks.sqlsink import SqlSink
from cpexport.tables import Layout


class SqliteSink(SqlSink):
    """A SQLite file. The first batch makes it, and it is gone again if that comes to nothing."""

    def __init__(
        self,
        path: str,
        prefix: str,
        shape: Shape | None,
        run: str | None,
        paths: PathMap | None,
        *,
        writing: bool = True,
    ) -> None:
        self._file = Connection(Path(path), f"sqlite:///{path}", writing=writing)
        super().__init__(self._file, prefix, shape, run, paths)

    @property
    def width(self) -> int:
        return WIDTH

    @property
    def notes(self) -> tuple[str, ...]:
        return notes_on(self.layout(), self.prefix, WIDTH) if self.shape.layout == VIEW else ()

    def address(self, folder: Path | None) -> Mapping[str, str]:
        return {"db_type": "sqlite", "db_sqlite_file": self._file.seen_from(folder)}

    def alone(self) -> AbstractContextManager[None]:
        return self._file.transaction()

    def _begun(self, entry: Entry) -> AbstractContextManager[None]:
        return self._file.transaction(create=True)

    def _make_ledger_table(self, table: sa.Table) -> None:
        make_ledger_table(self._file, table)

    def _fitted(self, entry: Entry) -> Layout:
        return self._made_to_fit(
            entry, lambda old, new: change(self._file, old, new, self.prefix, self.shape)
        )

    def _views(self) -> Iterable[str]:
        return sqlitelayout.views_of(self._file, self.layout(), self.prefix, self.shape)

    def _make_object_view(self) -> None:
        sqlitelayout.make_object_view(self._file, self.layout(), self.prefix, self.shape)

    def _append(self, table: str, names: Sequence[str], blocks: Iterable[pa.RecordBatch]) -> None:
        self._file.append(table, names, blocks)

    @property
    def _room(self) -> Room:
        return Room.columns(WIDTH)

    def _version(self) -> object:
        # It changes when another connection commits, so more often than needed.
        return self._file.rows("PRAGMA data_version")

    def _make(self, table: sa.Table, rows: pa.Table) -> None:
        self._file.run(f"DROP TABLE IF EXISTS {quoted(table.name)}")
        make(self._file, table, rows)
