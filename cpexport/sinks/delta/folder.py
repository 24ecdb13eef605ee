"""The folder of a Delta destination: files as in a folder of Parquet, and a log for each table."""

import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pyarrow as pa

from cpexport.cellprofiler.features import IMAGE
from cpexport.sinks.delta.log import TableLog
from cpexport.sinks.parquet.data_file import File
from cpexport.sinks.parquet.dataset import Folder, sync
from cpexport.sinks.parquet.ledger_file import LedgerFile
from cpexport.sinks.parquet.writer import ParquetWriter

# Each commit costs readers a file to read, and the load a few milliseconds for each table.
_SECONDS: Final = 30.0
# A reader finds the files of the version that it began with for this long.
_KEPT: Final = 900
# `gone` of a file that logs may have; later, it is the time at which they lost it.
_JUST_NOW: Final = 1


class DeltaFolder(Folder):
    """See `Folder`. Files count for readers once the log of their table has them."""

    def __init__(self, db: LedgerFile) -> None:
        super().__init__(db)
        self._logs: dict[str, TableLog] = {}
        self._behind = self.unsettled
        # What a killed load left is completed at once.
        self._next = 0.0 if self._behind else time.monotonic() + _SECONDS

    def seen(self, table: str) -> list[Path]:
        if self.unsettled:
            return super().seen(table)
        return [self.path / table / name for name in sorted(self._log(table).files)]

    def stage(
        self,
        table: str,
        schema: pa.Schema,
        numbers: Sequence[str] = (),
        name: str = "",
    ) -> ParquetWriter:
        if name:
            # A small table can become what it was: its file, kept for readers, counts again.
            sql = "DELETE FROM _cpexport_files WHERE table_name = ? AND name = ? AND gone"
            self._db.run(sql, table, f"{name}.parquet")
        return super().stage(table, schema, numbers, name)

    def _change(self) -> None:
        if self.unsettled:
            return
        with self.errors():
            self._staging.mkdir()
        # A table that another program changed is refused before anything is written.
        for table in self._tables():
            self._log(table)

    def discard(self) -> None:
        if not self._behind:
            super().discard()
        elif self.unsettled:
            for staged in self._staging.iterdir():
                staged.unlink()

    def publish(self, *, last: bool = False) -> None:
        """Moves committed files to their places, and updates the logs if it is time to."""
        self._behind = self.unsettled
        if self._behind:
            self._move()
            if last or time.monotonic() >= self._next:
                self._update_logs()

    def _move(self) -> None:
        come, _ = self._pending()
        with self.errors():
            for table, names in come.items():
                (self.path / table).mkdir(exist_ok=True)
                for name in names:
                    self._staged(table, name).rename(self.path / table / name)
                sync(self.path / table)
            if come:
                sync(self.path)
            for rest in self._staging.iterdir():
                rest.unlink()

    def _update_logs(self) -> None:
        """Makes the logs say what the ledger says; see the package. All files are in their
        places."""
        # Images last, so a reader that sees a new image set also sees its objects.
        for table in sorted(self._tables(), key=lambda name: (name.endswith(IMAGE), name)):
            self._update(table)
        with self.errors():
            shutil.rmtree(self._staging)
        self._behind = False
        self._next = time.monotonic() + _SECONDS

    def _update(self, table: str) -> None:
        log, files = self._log(table), self.files(table)
        before = log.files
        schema = self._schema(files[0]) if files else None
        if files or before:
            with self.errors():
                log.commit(files, schema)
        self._forget(table, before)

    def _forget(self, table: str, before: frozenset[str]) -> None:
        """Deletes files that no reader needs; `before` are those that the log has just had."""
        now = int(time.time())
        sql = "SELECT name, gone FROM _cpexport_files WHERE table_name = ? AND gone"
        for name, gone in self._db.rows(sql, table):
            if gone == _JUST_NOW and name in before:
                sql = "UPDATE _cpexport_files SET gone = ? WHERE table_name = ? AND name = ?"
                self._db.run(sql, now, table, name)
            elif gone < now - _KEPT:
                with self.errors():
                    (self.path / table / name).unlink(missing_ok=True)
                sql = "DELETE FROM _cpexport_files WHERE table_name = ? AND name = ?"
                self._db.run(sql, table, name)

    def _schema(self, file: File) -> pa.Schema:
        with self.open(file) as opened, self.unchanged(file):
            return opened.schema_arrow

    def _log(self, table: str) -> TableLog:
        log = self._logs.get(table)
        if log is None or not log.current:
            log = self._logs[table] = TableLog(self.path / table, self.name)
        return log

    def _tables(self) -> set[str]:
        if "_cpexport_files" not in self._db.names():
            return set()
        return {name for (name,) in self._db.rows("SELECT table_name FROM _cpexport_files")}
