"""SQLite destinations: rows go in by ADBC, in one transaction with their ledger entry.

One connection and one SQLite library serve everything: a second library in the same process would
drop the first one's locks when it closes the file (sqlite.org/howtocorrupt.html, section 2.2).
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import pyarrow as pa
import sqlalchemy as sa

from cpexport.sinks.ledger import Entry
from cpexport.sinks.sql.database import quoted
from cpexport.sinks.sql.object_view import notes_on
from cpexport.sinks.sql.sink import SqlSink
from cpexport.sinks.sqlite import CAPABILITIES, ddl
from cpexport.sinks.sqlite.connection import Connection
from cpexport.sinks.sqlite.ddl import change, make, make_ledger_table
from cpexport.tables.capacity import TableCapacity
from cpexport.tables.layout import Layout
from cpexport.tables.options import VIEW, TableOptions
from cpexport.tables.path_map import PathMap

_WIDTH = CAPABILITIES.max_columns


class SqliteSink(SqlSink):
    """A SQLite file. The first batch makes it; if that batch fails, the file is removed again."""

    capabilities = CAPABILITIES

    def __init__(
        self,
        path: str,
        prefix: str,
        shape: TableOptions | None,
        run: str | None,
        paths: PathMap | None,
        *,
        writing: bool = True,
    ) -> None:
        self._file = Connection(Path(path), f"sqlite:///{path}", writing=writing)
        super().__init__(self._file, prefix, shape, run, paths)

    @property
    def notes(self) -> tuple[str, ...]:
        return notes_on(self.layout(), self.prefix, _WIDTH) if self.shape.layout == VIEW else ()

    def address(self, folder: Path | None) -> Mapping[str, str]:
        return {"db_type": "sqlite", "db_sqlite_file": self._file.seen_from(folder)}

    def _locked(self) -> AbstractContextManager[None]:
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
        return ddl.views_of(self._file, self.layout(), self.prefix, self.shape)

    def _make_object_view(self) -> None:
        ddl.make_object_view(self._file, self.layout(), self.prefix, self.shape)

    def _append(self, table: str, names: Sequence[str], blocks: Iterable[pa.RecordBatch]) -> None:
        self._file.append(table, names, blocks)

    @property
    def _room(self) -> TableCapacity:
        return TableCapacity.columns(_WIDTH)

    def _version(self) -> object:
        # This changes whenever another connection commits, so more often than the layout.
        return self._file.rows("PRAGMA data_version")

    def make_table(self, table: sa.Table, rows: pa.Table) -> None:
        self._file.run(f"DROP TABLE IF EXISTS {quoted(table.name)}")
        make(self._file, table, rows)
