"""SQLite destinations: rows go in by ADBC, in one transaction with their ledger entry.

One connection and one SQLite library serve everything: a second library in the same process would
drop the first one's locks when it closes the file (sqlite.org/howtocorrupt.html, section 2.2).
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import sqlalchemy as sa

from cpexport.sinks.capabilities import Capabilities
from cpexport.sinks.opening import Opening
from cpexport.sinks.sql.database import quoted
from cpexport.sinks.sql.file_table_store import FileTableStore
from cpexport.sinks.sql.growing_layout import GrowingLayout
from cpexport.sinks.sql.ledger_store import SqlLedger
from cpexport.sinks.sql.sink import LedgerSink
from cpexport.sinks.sqlite import CAPABILITIES, ddl
from cpexport.sinks.sqlite.connection import Connection
from cpexport.sinks.sqlite.ddl import change, make, make_ledger_table
from cpexport.tables.layout import Layout


def open_sqlite(path: str, opening: Opening) -> LedgerSink:
    """Opens a SQLite file; see `registry.open_sink`. The first batch makes it; if that batch fails,
    the file is removed again."""
    file = Connection(Path(path), f"sqlite:///{path}", writing=opening.writing)
    ledger = SqlLedger(file, opening.prefix, opening.run)
    return LedgerSink.opened(
        file, ledger, opening, lambda shape: SqliteTableStore(file, opening.prefix, shape)
    )


class SqliteTableStore(FileTableStore[Connection]):
    """The tables of a SQLite file."""

    @property
    def capabilities(self) -> Capabilities:
        return CAPABILITIES

    def address(self, folder: Path | None) -> Mapping[str, str]:
        return {"db_type": "sqlite", "db_sqlite_file": self._file.seen_from(folder)}

    def _change(self, old: Layout, new: Layout) -> None:
        change(self._file, old, new, self.prefix, self.shape)

    def layout_version(self) -> object:
        # This changes whenever another connection commits, so more often than the layout.
        return self._file.rows("PRAGMA data_version")

    def make_ledger_table(self, table: sa.Table) -> None:
        make_ledger_table(self._file, table)

    def make_table(self, table: sa.Table, rows: pa.Table) -> None:
        self._file.run(f"DROP TABLE IF EXISTS {quoted(table.name)}")
        make(self._file, table, rows)

    def append(
        self, layout: Layout, table: str, names: Sequence[str], blocks: Iterable[pa.RecordBatch]
    ) -> None:
        self._file.append(table, names, blocks)

    def _views(self, layout: Layout) -> Iterable[str]:
        return ddl.views_of(self._file, layout, self.prefix, self.shape)

    def _indexes(self, layout: Layout) -> Mapping[str, Collection[tuple[str, ...]]]:
        return ddl.indexes(self._file)

    def tune(self, layout: GrowingLayout, grown: Collection[str]) -> None:
        if missing := self.missing_indexes(layout.current()):
            with self.exclusive(layout):
                ddl.make_indexes(self._file, self.missing_indexes(layout.current()))
        if missing or grown or self._file.cut_off:
            self._file.optimize()

    def _make_object_view(self, layout: Layout) -> None:
        ddl.make_object_view(self._file, layout, self.prefix, self.shape)
