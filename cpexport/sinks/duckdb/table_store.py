"""DuckDB destinations: a file that takes Arrow rows and changes of tables in one transaction."""

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

import pyarrow as pa
import sqlalchemy as sa

from cpexport.cellprofiler.features import IMAGE, IMAGE_NUMBER, OBJECT, RELATIONSHIP
from cpexport.errors import SinkError
from cpexport.imagesets import ImageSets
from cpexport.sinks.capabilities import Capabilities
from cpexport.sinks.duckdb import CAPABILITIES
from cpexport.sinks.duckdb.connection import Connection
from cpexport.sinks.duckdb.ddl import change, check_usable, make, make_object_view, make_table
from cpexport.sinks.opening import Opening
from cpexport.sinks.sql.database import quoted
from cpexport.sinks.sql.file_table_store import FileTableStore
from cpexport.sinks.sql.growing_layout import GrowingLayout
from cpexport.sinks.sql.ledger_store import SqlLedger
from cpexport.sinks.sql.object_view import object_view
from cpexport.sinks.sql.scope import Scope
from cpexport.sinks.sql.sink import LedgerSink
from cpexport.tables.layout import Layout, table_of
from cpexport.tables.options import VIEW, TableOptions


def open_duckdb(path: str, opening: Opening) -> LedgerSink:
    """Opens a DuckDB file; see `registry.open_sink`. The first batch makes it; if that batch fails,
    the file is removed again."""
    file = Connection(Path(path), f"duckdb:///{path}", writing=opening.writing)
    ledger = SqlLedger(file, opening.prefix, opening.run)
    return LedgerSink.opened(
        file, ledger, opening, lambda shape: DuckdbTableStore(file, opening.prefix, shape)
    )


class DuckdbTableStore(FileTableStore[Connection]):
    """The tables of a DuckDB file."""

    def __init__(self, file: Connection, prefix: str, shape: TableOptions) -> None:
        super().__init__(file, prefix, shape)
        self._usable = False

    @property
    def capabilities(self) -> Capabilities:
        return CAPABILITIES

    def address(self, folder: Path | None) -> Mapping[str, str]:
        raise SinkError(
            self.name,
            "CellProfiler Analyst cannot read DuckDB",
            "load into SQLite or MySQL instead",
        )

    def apply_pending(self, layout: GrowingLayout) -> Layout:
        if not self._usable:
            check_usable(self._file, layout.current())
            self._usable = True
        return super().apply_pending(layout)

    def _change(self, old: Layout, new: Layout) -> None:
        change(self._file, old, new, self.prefix, self.shape)

    def layout_version(self) -> object:
        # A change of the layout rewrites all of its rows here.
        return self._file.rows(
            "SELECT count(*), max(rowid) FROM _cpexport_columns WHERE prefix = ?", self.prefix
        )

    def make_ledger_table(self, table: sa.Table) -> None:
        make_table(self._file, table)

    def make_table(self, table: sa.Table, rows: pa.Table) -> None:
        make(self._file, table.name, rows)

    def count(self, layout: Layout, table: str, scope: Scope, image_sets: ImageSets) -> int:
        """How many distinct keys of these image sets a table has: without a key on the table, only
        this check finds duplicate rows."""
        if table not in layout.tables:
            return super().count(layout, table, scope, image_sets)
        key = ", ".join(map(quoted, layout.tables[table].key))
        return sum(
            self._file.rows(
                f"SELECT count(*) FROM (SELECT DISTINCT {key} FROM {quoted(table)} WHERE {where})"
            )[0][0]
            for where in self._file.between(quoted(IMAGE_NUMBER), image_sets, scope.number)
        )

    def renumber(self, layout: Layout, scope: Scope, columns: Mapping[str, pa.Array]) -> None:
        of_run = f" AND t.{scope.data}" if scope.data else ""
        with self._file.named(pa.table(dict(columns))) as rows:
            for feature in columns.keys() - {IMAGE_NUMBER}:
                column = layout.by_feature.get((IMAGE, feature))
                if column is not None:
                    self._file.run(
                        f"UPDATE {quoted(column.table)} t SET {quoted(column.name)} = "
                        f"n.{quoted(feature)} FROM {rows} n "
                        f"WHERE t.{quoted(IMAGE_NUMBER)} = n.{quoted(IMAGE_NUMBER)}{of_run}"
                    )

    def tune(self, layout: GrowingLayout, grown: Collection[str]) -> None:
        """Does nothing: DuckDB scans columns, and keeps whole indexes in memory."""

    def _views(self, layout: Layout) -> Iterable[str]:
        views = [f"{self.prefix}Per_{RELATIONSHIP}sView"]
        if self.shape.layout == VIEW and object_view(layout, self.prefix):
            views.append(table_of(OBJECT, self.prefix))
        return views

    def _make_object_view(self, layout: Layout) -> None:
        make_object_view(self._file, layout, self.prefix, self.shape)
