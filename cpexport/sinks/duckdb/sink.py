"""DuckDB destinations: a file that takes Arrow rows and changes of tables in one transaction."""

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path

import pyarrow as pa
import sqlalchemy as sa

from cpexport.cellprofiler.features import IMAGE, IMAGE_NUMBER, OBJECT, RELATIONSHIP
from cpexport.errors import SinkError
from cpexport.imagesets import ImageSets
from cpexport.sinks.duckdb import CAPABILITIES
from cpexport.sinks.duckdb.connection import Connection
from cpexport.sinks.duckdb.ddl import change, make, make_object_view, make_table
from cpexport.sinks.ledger import Entry
from cpexport.sinks.sql.database import quoted
from cpexport.sinks.sql.object_view import notes_on, object_view
from cpexport.sinks.sql.scope import Scope
from cpexport.sinks.sql.sink import SqlSink
from cpexport.tables.capacity import TableCapacity
from cpexport.tables.layout import Layout, table_of
from cpexport.tables.options import VIEW, TableOptions
from cpexport.tables.path_map import PathMap

_WIDTH = CAPABILITIES.max_columns


class DuckdbSink(SqlSink):
    """A DuckDB file. The first batch makes it; if that batch fails, the file is removed again."""

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
        self._file = Connection(Path(path), f"duckdb:///{path}", writing=writing)
        super().__init__(self._file, prefix, shape, run, paths)

    @property
    def notes(self) -> tuple[str, ...]:
        return notes_on(self.layout(), self.prefix, _WIDTH) if self.shape.layout == VIEW else ()

    def address(self, folder: Path | None) -> Mapping[str, str]:
        raise SinkError(
            self.name,
            "CellProfiler Analyst cannot read DuckDB",
            "load into SQLite or MySQL instead",
        )

    def _locked(self) -> AbstractContextManager[None]:
        return self._file.transaction()

    def _begun(self, entry: Entry) -> AbstractContextManager[None]:
        return self._file.transaction(create=True)

    def _make_ledger_table(self, table: sa.Table) -> None:
        make_table(self._file, table)

    def _fitted(self, entry: Entry) -> Layout:
        return self._made_to_fit(
            entry, lambda old, new: change(self._file, old, new, self.prefix, self.shape)
        )

    def _views(self) -> Iterable[str]:
        views = [f"{self.prefix}Per_{RELATIONSHIP}sView"]
        if self.shape.layout == VIEW and object_view(self.layout(), self.prefix):
            views.append(table_of(OBJECT, self.prefix))
        return views

    def _make_object_view(self) -> None:
        make_object_view(self._file, self.layout(), self.prefix, self.shape)

    @property
    def _room(self) -> TableCapacity:
        return TableCapacity.columns(_WIDTH)

    def _version(self) -> object:
        # A change of the layout rewrites all of its rows here.
        return self._file.rows(
            "SELECT count(*), max(rowid) FROM _cpexport_columns WHERE prefix = ?", self.prefix
        )

    def _count(self, table: str, scope: Scope, image_sets: ImageSets) -> int:
        """How many distinct keys of these image sets a table has: without a key on the table, only
        this check finds duplicate rows."""
        if table not in self.layout().tables:
            return super()._count(table, scope, image_sets)
        key = ", ".join(map(quoted, self.layout().tables[table].key))
        return sum(
            self._file.rows(
                f"SELECT count(*) FROM (SELECT DISTINCT {key} FROM {quoted(table)} WHERE {where})"
            )[0][0]
            for where in self._file.between(quoted(IMAGE_NUMBER), image_sets, scope.number)
        )

    def renumber(self, columns: Mapping[str, pa.Array]) -> None:
        layout, scope = self.layout(), self.ledger.scope()
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

    def make_table(self, table: sa.Table, rows: pa.Table) -> None:
        make(self._file, table.name, rows)
