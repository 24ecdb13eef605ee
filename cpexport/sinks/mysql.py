"""MySQL and MariaDB destinations: rows in one transaction with their ledger entry.

DDL commits by itself there, so tables are changed before a batch's transaction, by one process at a
time: what they are to become is noted first, and a change that was cut off is begun again.
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
from cpexport.ledger import Entry
from cpexport.paths import PathMap
from cpexport.room import Room
from cpexport.shape import VIEW, Shape
from cpexport.sinks import mysqllayout, objectview
from cpexport.sinks import sqlledger as ledger
from cpexport.sinks.mysqldatabase import MysqlDatabase
from cpexport.sinks.mysqlfacts import facts
from cpexport.sinks.mysqlwidth import room
from cpexport.sinks.objectview import notes_on
from cpexport.sinks.scope import Scope
from cpexport.sinks.sql import quoted
from cpexport.sinks.sqlbatch import naming
from cpexport.sinks.sqlsink import SqlSink
from cpexport.tables import Layout

# Names that need no care in any statement.
_PLAIN = re.compile(r"[A-Za-z0-9_$]*")
_ASK = "ask who runs the server; sql/grants.sql has the privileges"
# Of doubles with names of any length, on either server (`mysqlwidth`).
_WIDTH = 750
_ALONE, _TOGETHER = "FOR UPDATE", "LOCK IN SHARE MODE"


class MysqlSink(SqlSink):
    """A database of a server, which must be there; the first batch makes the tables."""

    def __init__(
        self,
        url: URL,
        prefix: str,
        shape: Shape | None,
        run: str | None,
        paths: PathMap | None,
        *,
        writing: bool = True,
    ) -> None:
        self._server = MysqlDatabase(url)
        if not _PLAIN.fullmatch(prefix):
            raise UsageError(f"--prefix {prefix}: on a server, letters, digits, _ and $ only")
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
        return (*self.facts.notes, *notes_on(self.layout(), self.prefix, mysqllayout.WIDTH))

    @property
    def width(self) -> int:
        return _WIDTH

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

    def alone(self) -> AbstractContextManager[None]:
        if not self._ours():
            raise SinkError(self.name, "holds nothing yet", "load something into it first")
        return self._server.transaction(_ALONE)

    @contextmanager
    def _begun(self, entry: Entry) -> Iterator[None]:
        with naming(self.name, self.layout()):
            self._change()
        with self._server.transaction(_TOGETHER):
            yield

    def _make_ledger_table(self, table: sa.Table) -> None:
        mysqllayout.make(self._server.aside, table)
        self._server.forget_names()

    def _fitted(self, entry: Entry) -> Layout:
        return self.layout()

    def _views(self) -> Iterable[str]:
        return mysqllayout.views(self.layout(), self.prefix, self.shape)

    def _make_object_view(self) -> None:
        mysqllayout.make_views(self._server.aside, self.layout(), self.prefix, self.shape)

    @property
    def _room(self) -> Room:
        return room(self.facts.innodb_page_size)

    def _version(self) -> object:
        return self._said("layout")

    def _change(self) -> None:
        """Changes the tables, if they have no room for what was prepared, while nobody writes."""
        old, new = self._extended()
        if new != old:
            mysqllayout.refuse_names(new, self.prefix, self.shape)
        if not self._ours():
            mysqllayout.make_own(self._server.aside)
            self._server.forget_names()
        old, new = self._extended()
        if new == old and not self._said("changing"):
            return
        with self._server.transaction(_ALONE):
            old, new = self._extended()
            if new != old:
                self._refuse_foreign(new)
                self._refuse_taken(
                    mysqllayout.views_of(new).keys() - mysqllayout.views_of(old).keys()
                )
                # Aside, as whatever this transaction reads could not be changed until its end.
                mysqllayout.refuse_lossy(self._server.aside, old, new)
                self._announce(new)
            mysqllayout.change(self._server.aside, new, self.prefix, self.shape)
            if self.shape.layout == VIEW:
                ledger.note(self._server.aside, Scope(self.prefix), {"view": objectview.FORM})
            self._server.forget_names()
            # By its whole key, as everywhere: other rows are not to be locked.
            done = (
                "DELETE FROM _cpexport_settings "
                "WHERE prefix = ? AND table_number = 0 AND name = 'changing'"
            )
            self._server.aside.run(done, self.prefix)

    def _announce(self, layout: Layout) -> None:
        """Notes what the tables are to become, before anything of it is made."""
        aside = self._server.aside
        with aside.transaction():
            ledger.write_layout(aside, self.prefix, layout)
            said = {"shape": self.shape.as_json(), "layout": uuid.uuid4().hex, "changing": "yes"}
            ledger.note(aside, Scope(self.prefix), said)

    def _said(self, name: str) -> str | None:
        found = self._server.rows(
            "SELECT value FROM _cpexport_settings "
            "WHERE prefix = ? AND table_number = 0 AND name = ?",
            self.prefix,
            name,
        )
        return found[0][0] if found else None

    def _make(self, table: sa.Table, rows: pa.Table) -> None:
        aside = self._server.aside
        mysqllayout.remake(aside, table)
        self._server.run(f"DELETE FROM {quoted(table.name)}")
        for batch in rows.to_batches():
            self._server.ingest(table.name, batch)
