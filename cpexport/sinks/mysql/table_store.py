"""MySQL and MariaDB destinations: rows go in by one transaction with their ledger entry.

DDL commits on these servers, so tables change before a batch's transaction, by one process at a
time. The new layout is stored first, so that a change that was cut off can be completed.
"""

import re
import uuid
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa
from sqlalchemy.engine import URL

from cpexport.errors import ChangedError, SinkError, UsageError, WidthError
from cpexport.imagesets import ImageSets
from cpexport.sinks.capabilities import Capabilities
from cpexport.sinks.mysql import CAPABILITIES, column_types, ddl, table_tuning, views
from cpexport.sinks.mysql.database import MysqlDatabase
from cpexport.sinks.mysql.names import check_names
from cpexport.sinks.mysql.row_size import capacity
from cpexport.sinks.mysql.server_info import ServerInfo, facts
from cpexport.sinks.opening import Opening
from cpexport.sinks.sql import (
    ledger_settings,
    ledger_tables,
    ledger_upgrade,
    object_view,
    schema,
)
from cpexport.sinks.sql.batch import naming
from cpexport.sinks.sql.database import quoted
from cpexport.sinks.sql.growing_layout import GrowingLayout
from cpexport.sinks.sql.ledger_store import SqlLedger, has_ledger
from cpexport.sinks.sql.object_view import notes_on
from cpexport.sinks.sql.schema import is_place
from cpexport.sinks.sql.scope import Scope
from cpexport.sinks.sql.sink import LedgerSink
from cpexport.sinks.sql.sql_table_store import SqlTableStore
from cpexport.sinks.sql.statements import view_for
from cpexport.tables.capacity import TableCapacity
from cpexport.tables.layout import Layout
from cpexport.tables.options import VIEW, TableOptions

# Names that are safe in every statement.
_PLAIN = re.compile(r"[A-Za-z0-9_$]*")
_ASK = "ask the server's administrator; cpexport script --grants prints the privileges"
_ALONE, _TOGETHER = "FOR UPDATE", "LOCK IN SHARE MODE"


def open_mysql(url: URL, opening: Opening) -> LedgerSink:
    """Opens a database on a server; see `registry.open_sink`. The database must exist; the first
    batch makes the tables."""
    prefix = opening.prefix
    if not _PLAIN.fullmatch(prefix):
        raise UsageError(f"--prefix {prefix}: on a server, use only letters, digits, _ and $")
    server = MysqlDatabase(url)
    location = server.location
    try:
        server_facts = facts(
            server.rows, location.database, local=location.local, takes_bulk=server.takes_bulk
        )
        if problems := server_facts.problems(writing=opening.writing):
            raise SinkError(server.name, "; ".join(problems), _ASK)
    except BaseException:
        server.close()
        raise
    ledger = SqlLedger(server, prefix, opening.run)
    return LedgerSink.opened(
        server, ledger, opening, lambda shape: MysqlTableStore(server, server_facts, prefix, shape)
    )


class MysqlTableStore(SqlTableStore):
    """The tables of a database on a server."""

    def __init__(
        self, server: MysqlDatabase, facts: ServerInfo, prefix: str, shape: TableOptions
    ) -> None:
        super().__init__(server, prefix, shape)
        self._server, self._facts = server, facts
        # Whether the types of columns were checked, and the columns that are to become TEXT.
        self._usable = False
        self._too_short: dict[str, set[str]] = {}

    @property
    def capabilities(self) -> Capabilities:
        return CAPABILITIES

    @property
    def capacity(self) -> TableCapacity:
        return capacity(self._facts.innodb_page_size)

    def notes(self, layout: Layout) -> tuple[str, ...]:
        if self.shape.layout != VIEW:
            return self._facts.notes
        return (*self._facts.notes, *notes_on(layout, self.prefix, views.WIDTH))

    def address(self, folder: Path | None) -> Mapping[str, str]:
        options = self._server.location.options
        return {
            "db_type": "mysql",
            "db_port": str(options.get("port", 3306)),
            "db_host": str(options.get("host", "localhost")),
            "db_name": self._server.title,
            "db_user": str(options.get("user", "")),
            "db_passwd": "",
        }

    def exclusive(self, layout: GrowingLayout) -> AbstractContextManager[None]:
        if not has_ledger(self._server):
            raise SinkError(self.name, "is empty", "check --to, or load outputs into it first")
        return self._server.transaction(_ALONE)

    @contextmanager
    def batch(self, layout: GrowingLayout) -> Iterator[None]:
        with naming(self.name, layout.current()):
            self._change(layout)
        with self._server.transaction(_TOGETHER):
            yield

    def append(
        self, layout: Layout, table: str, names: Sequence[str], blocks: Iterable[pa.RecordBatch]
    ) -> None:
        rows = pa.concat_batches(list(blocks)).rename_columns(names)
        for column in layout.tables[table].columns if table in layout.tables else ():
            if is_place(column) and column.name in names:
                longest = pc.max(pc.utf8_length(rows[column.name])).as_py() or 0
                if longest > schema.PLACE_LENGTH:
                    self._make_text(table, column.name)
        self._server.ingest(table, rows)

    def _make_text(self, table: str, column: str) -> None:
        """Makes a VARCHAR a TEXT, before the batch is written once more.

        Raises:
            WidthError: it is a VARCHAR.
        """
        if column_types.of_table(self._server, table).get(column) == "varchar":
            self._too_short.setdefault(table, set()).add(column)
            raise WidthError(column)

    def apply_pending(self, layout: GrowingLayout) -> Layout:
        return layout.current()

    def layout_version(self) -> object:
        return self._setting("layout")

    def read(
        self,
        layout: Layout,
        scope: Scope,
        object_name: str,
        features: Sequence[str] | None,
        image_sets: ImageSets | None,
    ) -> Iterator[pa.RecordBatch]:
        if self._setting("changing"):
            made = ddl.as_made(self._server, layout)
            if layout.parts(object_name) and not made.parts(object_name):
                return iter(())
            layout = made
        return super().read(layout, scope, object_name, features, image_sets)

    def make_ledger_table(self, table: sa.Table) -> None:
        ddl.make(self._server.aside, table)
        self._server.forget_names()

    def make_table(self, table: sa.Table, rows: pa.Table) -> None:
        aside = self._server.aside
        ddl.remake(aside, table)
        self._server.run(f"DELETE FROM {quoted(table.name)}")
        for batch in rows.to_batches():
            self._server.ingest(table.name, batch)

    def _views(self, layout: Layout) -> Iterable[str]:
        return views.statements(layout, self.prefix, self.shape)

    def renew_views(self, layout: GrowingLayout) -> None:
        """Makes all views again if one is missing, as in a restored backup, or reads with the
        rights of the account that made it, which may be removed."""
        super().renew_views(layout)
        wanted = {name.lower() for name in (*self._views(layout.current()), ledger_upgrade.VIEW)}
        if layout.is_begun() and not wanted <= views.with_rights_of_readers(self._server):
            with self._server.transaction(_ALONE):
                aside = self._server.aside
                ddl.make_views(aside, layout.current(), self.prefix, self.shape)
                aside.run(view_for(aside.dialect, ledger_upgrade.STATEMENT))

    def _indexes(self, layout: Layout) -> Mapping[str, Collection[tuple[str, ...]]]:
        return table_tuning.indexes(self._server, layout)

    def tune(self, layout: GrowingLayout, grown: Collection[str]) -> None:
        tables = layout.current()
        if self.missing_indexes(tables) or table_tuning.unsampled(self._server, tables):
            with self._server.transaction(_ALONE):
                tables, aside = layout.current(), self._server.aside
                table_tuning.make_indexes(
                    aside, tables, self.missing_indexes(tables), self._facts.innodb_page_size
                )
                table_tuning.sample_more(aside, tables)
        table_tuning.count_values(self._server, tables, grown)

    def _make_object_view(self, layout: Layout) -> None:
        ddl.make_views(self._server.aside, layout, self.prefix, self.shape)

    def _change(self, layout: GrowingLayout) -> None:
        """Changes the tables if they lack columns that were prepared, while no process writes."""
        old, new = layout.pending()
        if new != old:
            check_names(new, self.prefix, self.shape)
        if not layout.is_begun():
            ddl.make_own(self._server.aside)
            self._server.forget_names()
        old, new = layout.pending()
        if not self._usable:
            self._check_usable(layout, old)
            self._usable = True
        if new == old and not self._setting("changing") and not self._too_short:
            return
        with self._server.transaction(_ALONE):
            old, new = layout.pending()
            if new != old:
                layout.check_new_names(new)
                taken = views.views_of_parts(old).keys()
                layout.check_free(views.views_of_parts(new).keys() - taken)
                # By the other connection: tables that this transaction has read could not be
                # changed until it ends.
                ddl.check_changes(self._server.aside, old, new)
                self._announce(new)
            for table, columns in self._too_short.items():
                ddl.lengthen(self._server.aside, new.tables[table], columns)
            self._too_short = {}
            ddl.change(self._server.aside, new, self.prefix, self.shape)
            if self.shape.layout == VIEW:
                ledger_settings.note(
                    self._server.aside, Scope(self.prefix), {"view": object_view.FORM}
                )
            self._server.forget_names()
            ledger_settings.forget(self._server.aside, Scope(self.prefix), "changing")

    def _check_usable(self, layout: GrowingLayout, old: Layout) -> None:
        """See `column_types.check_usable`."""
        try:
            column_types.check_usable(self._server, old)
        except ChangedError:
            # Another load may just change the tables, or one was cut off while it did.
            with self._server.transaction(_ALONE):
                changing = bool(self._setting("changing"))
                column_types.check_usable(self._server, layout.current(), changing=changing)

    def _announce(self, layout: Layout) -> None:
        """Stores the layout that the tables will have, before any of it is made."""
        aside = self._server.aside
        with aside.transaction():
            ledger_tables.write_layout(aside, self.prefix, layout)
            settings = {
                "shape": self.shape.as_json(),
                "layout": uuid.uuid4().hex,
                "changing": "yes",
            }
            ledger_settings.note(aside, Scope(self.prefix), settings)

    def _setting(self, name: str) -> str | None:
        return ledger_settings.setting(self._server, Scope(self.prefix), name)
