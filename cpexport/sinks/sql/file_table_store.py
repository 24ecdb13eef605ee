"""The tables of database files, which change in the same transaction as their rows."""

from abc import abstractmethod
from contextlib import AbstractContextManager
from typing import Generic, Protocol, TypeVar

from cpexport.sinks.sql.database import Database
from cpexport.sinks.sql.growing_layout import GrowingLayout
from cpexport.sinks.sql.object_view import notes_on
from cpexport.sinks.sql.sql_table_store import SqlTableStore
from cpexport.sinks.table_names import check_new_columns
from cpexport.tables.capacity import TableCapacity
from cpexport.tables.layout import Layout
from cpexport.tables.options import VIEW, TableOptions


class DatabaseFile(Database, Protocol):
    """A file with a database."""

    def transaction(self, *, create: bool = False) -> AbstractContextManager[None]:
        """A transaction in which no other process writes. `create` is whether it makes the file; if
        it then fails, the file is removed again."""


_File = TypeVar("_File", bound=DatabaseFile)


class FileTableStore(SqlTableStore, Generic[_File]):
    """Tables of a file. Subclasses know how to make and change them."""

    def __init__(self, file: _File, prefix: str, shape: TableOptions) -> None:
        super().__init__(file, prefix, shape)
        self._file = file

    @abstractmethod
    def _change(self, old: Layout, new: Layout) -> None:
        """Changes the tables from one layout to the next, within the open transaction."""

    @property
    def capacity(self) -> TableCapacity:
        return TableCapacity.columns(self.capabilities.max_columns)

    def notes(self, layout: Layout) -> tuple[str, ...]:
        if self.shape.layout != VIEW:
            return ()
        return notes_on(layout, self.prefix, self.capabilities.max_columns)

    def exclusive(self, layout: GrowingLayout) -> AbstractContextManager[None]:
        return self._file.transaction()

    def batch(self, layout: GrowingLayout) -> AbstractContextManager[None]:
        return self._file.transaction(create=True)

    def apply_pending(self, layout: GrowingLayout) -> Layout:
        return layout.apply_pending(self._change_checked)

    def _change_checked(self, old: Layout, new: Layout) -> None:
        check_new_columns(self.name, old, new, self._file.columns() if old.columns else {})
        self._change(old, new)
