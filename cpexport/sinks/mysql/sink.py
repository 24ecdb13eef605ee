"""MySQL and MariaDB destinations: rows go in by one transaction with their ledger entry.

DDL commits on these servers, so tables change before a batch's transaction, by one process at a
time. The new layout is stored first, so that a change that was cut off can be completed.
"""

import re
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pyarrow as pa
import sqlalchemy as sa
from sqlalchemy.engine import URL

from cpexport.errors import SinkError, UsageError
from cpexport.sinks.ledger import Entry
from cpexport.sinks.mysql import CAPABILITIES, ddl, views
from cpexport.sinks.mysql.database import MysqlDatabase
from cpexport.sinks.mysql.names import check_names
from cpexport.sinks.mysql.row_size import room
from cpexport.sinks.mysql.server_info import facts
from cpexport.sinks.sql import ledger_settings, ledger_tables, object_view
from cpexport.sinks.sql.batch import naming
from cpexport.sinks.sql.database import quoted
from cpexport.sinks.sql.object_view import notes_on
from cpexport.sinks.sql.scope import Scope
from cpexport.sinks.sql.sink import SqlSink
from cpexport.tables.capacity import TableCapacity
from cpexport.tables.layout import Layout
from cpexport.tables.options import VIEW, TableOptions
from cpexport.tables.path_map import PathMap

# Names that are safe in every statement.
_PLAIN = re.compile(r"[A-Za-z0-9_$]*")
_ASK = "ask the server's administrator; cpexport script --grants prints the privileges"
_ALONE, _TOGETHER = "FOR UPDATE", "LOCK IN SHARE MODE"


class MysqlSink(SqlSink):
    """A database on a server, which must exist; the first batch makes the tables."""

    capabilities = CAPABILITIES

    def __init__(
        self,
        url: URL,
        prefix: str,
        shape: TableOptions | None,
        run: str | None,
        paths: PathMap | None,
        *,
        writing: bool = True,
    ) -> None:
        self._server = MysqlDatabase(url)
        if not _PLAIN.fullmatch(prefix):
            raise UsageError(f"--prefix {prefix}: on a server, use only letters, digits, _ and $")
        location = self._server.location
        try:
            self.facts = facts(
                self._server.rows,
                location.database,
                local=location.local,
                takes_bulk=self._server.takes_bulk,
            )
            if problems := self.facts.problems(writing=writing):
                raise SinkError(self._server.name, "; ".join(problems), _ASK)
        except BaseException:
            self._server.close()
            raise
        super().__init__(self._server, prefix, shape, run, paths)

    @property
    def notes(self) -> tuple[str, ...]:
        if self.shape.layout != VIEW:
            return self.facts.notes
        return (*self.facts.notes, *notes_on(self.layout(), self.prefix, views.WIDTH))

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

    def _locked(self) -> AbstractContextManager[None]:
        if not self.ledger.exists:
            raise SinkError(self.name, "is empty", "check --to, or load outputs into it first")
        return self._server.transaction(_ALONE)

    @contextmanager
    def _begun(self, entry: Entry) -> Iterator[None]:
        with naming(self.name, self.layout()):
            self._change()
        with self._server.transaction(_TOGETHER):
            yield

    def _make_ledger_table(self, table: sa.Table) -> None:
        ddl.make(self._server.aside, table)
        self._server.forget_names()

    def _fitted(self, entry: Entry) -> Layout:
        return self.layout()

    def _views(self) -> Iterable[str]:
        return views.statements(self.layout(), self.prefix, self.shape)

    def _make_object_view(self) -> None:
        ddl.make_views(self._server.aside, self.layout(), self.prefix, self.shape)

    @property
    def _room(self) -> TableCapacity:
        return room(self.facts.innodb_page_size)

    def _version(self) -> object:
        return self._setting("layout")

    def _change(self) -> None:
        """Changes the tables if they lack columns that were prepared, while no process writes."""
        old, new = self._extended()
        if new != old:
            check_names(new, self.prefix, self.shape)
        if not self.ledger.exists:
            ddl.make_own(self._server.aside)
            self._server.forget_names()
        old, new = self._extended()
        if new == old and not self._setting("changing"):
            return
        with self._server.transaction(_ALONE):
            old, new = self._extended()
            if new != old:
                self._check_ours(new)
                self.check_free(views.views_of_parts(new).keys() - views.views_of_parts(old).keys())
                # By the other connection: tables that this transaction has read could not be
                # changed until it ends.
                ddl.check_lossless(self._server.aside, old, new)
                self._announce(new)
            ddl.change(self._server.aside, new, self.prefix, self.shape)
            if self.shape.layout == VIEW:
                ledger_settings.note(
                    self._server.aside, Scope(self.prefix), {"view": object_view.FORM}
                )
            self._server.forget_names()
            ledger_settings.forget(self._server.aside, Scope(self.prefix), "changing")

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

    def make_table(self, table: sa.Table, rows: pa.Table) -> None:
        aside = self._server.aside
        ddl.remake(aside, table)
        self._server.run(f"DELETE FROM {quoted(table.name)}")
        for batch in rows.to_batches():
            self._server.ingest(table.name, batch)
