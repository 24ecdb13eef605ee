"""The folder of a Parquet destination: the files of its tables, which all change at once.

The ledger, a SQLite file, names the files that count. A transaction stages new files in a folder of
their own, and commits the ledger. Then the files move to their places; if that was cut off, the
next process completes it. Readers ignore names that begin with `_`.
"""

import os
import secrets
import shutil
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import astuple
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
from pyarrow import parquet

from cpexport.cellprofiler.features import IMAGE
from cpexport.errors import ChangedError, SinkError
from cpexport.sinks.parquet.data_file import STAGED, File, file_of, staged_name
from cpexport.sinks.parquet.ledger_file import LedgerFile
from cpexport.sinks.parquet.writer import ParquetWriter

_STAGING: Final = "_cpexport_new"
# Not a Parquet file: whatever reads the folder meanwhile fails, rather than read wrong rows.
_BUSY: Final = "cpexport_is_replacing_files_here.parquet"
_FILES: Final = (
    "CREATE TABLE _cpexport_files (table_name TEXT NOT NULL, name TEXT NOT NULL, "
    "row_count INTEGER NOT NULL, columns INTEGER NOT NULL, first INTEGER NOT NULL, "
    "last INTEGER NOT NULL, light INTEGER NOT NULL, gone INTEGER NOT NULL, "
    "PRIMARY KEY (table_name, name))"
)


class Folder:
    """The files of a destination. They may be changed only within the ledger's transaction."""

    def __init__(self, db: LedgerFile) -> None:
        self.path, self.name = db.folder, db.name
        self._db = db
        self._staging = self.path / _STAGING

    @property
    def unsettled(self) -> bool:
        """Whether some files may not be in their places yet: a load is running, or was killed."""
        return self._staging.exists()

    def names(self) -> list[str]:
        """The names of all tables, including those that cpexport did not make."""
        paths = self.path.iterdir() if self.path.is_dir() else ()
        return [path.name for path in paths if not path.name.startswith("_")]

    def make(self) -> bool:
        """Makes the folder; returns False if it exists."""
        with self.errors():
            try:
                self.path.mkdir()
            except FileExistsError:
                return False
            return True

    def make_ledger(self) -> None:
        """Makes the ledger's table of files, if it does not exist."""
        if "_cpexport_files" not in self._db.names():
            self._db.run(_FILES)

    def files(self, table: str) -> list[File]:
        """The files of a table, in order of the image sets in them."""
        rows = self._db.rows(
            "SELECT table_name, name, row_count, columns, first, last, light "
            "FROM _cpexport_files WHERE table_name = ? AND NOT gone ORDER BY first, last, name",
            table,
        )
        return [File(*row) for row in rows]

    def has(self, table: str) -> bool:
        """Whether a table exists, or will exist once a load that was cut off is completed."""
        return (self.path / table).is_dir() or (self.unsettled and bool(self.files(table)))

    def seen(self, table: str) -> list[Path]:
        """The files of a table that readers find, or will find once such a load is completed."""
        if not self.unsettled:
            return sorted((self.path / table).glob("*.parquet"))
        places = [(self._place(file), self._staged(table, file.name)) for file in self.files(table)]
        return [place if place.exists() else staged for place, staged in places]

    def open(self, file: File) -> Any:
        """Opens a file, staged or in its place, as a `parquet.ParquetFile`.

        Raises:
            ChangedError: it is missing, or not a Parquet file.
        """
        # The file may move to its place between two attempts.
        for path in (self._place(file), self._staged(file.table, file.name), self._place(file)):
            with suppress(FileNotFoundError), self.unchanged(file):
                return parquet.ParquetFile(path)
        raise ChangedError(
            self.name,
            f"{file.table}/{file.name} is missing",
            "run the command again, or load the outputs into a new destination",
        )

    def stage(
        self, table: str, schema: pa.Schema, numbers: Sequence[str] = (), name: str = ""
    ) -> ParquetWriter:
        """A new file for a table; `enter` makes it one of the table's files."""
        self._change()
        name = staged_name(table, name or secrets.token_hex(8))
        return ParquetWriter(self._staging / name, schema, numbers)

    def enter(self, table: str, writer: ParquetWriter, *, light: bool = False) -> File:
        """Closes a file, and makes it one of the table's, with its image sets in its name."""
        with self.errors():
            writer.close(light=light)
        file = file_of(table, writer)
        self._enter(file, writer.path)
        return file

    def adopt(self, file: File, path: Path) -> None:
        """Makes a complete file, which a worker wrote within this folder, one of a table's."""
        self._change()
        self._enter(file, path)

    def _enter(self, file: File, path: Path) -> None:
        with self.errors():
            path.rename(self._staged(file.table, file.name))
        self._db.run("INSERT INTO _cpexport_files VALUES (?, ?, ?, ?, ?, ?, ?, 0)", *astuple(file))

    def drop(self, file: File) -> None:
        """Removes a file from its table."""
        key = (file.table, file.name)
        staged = self._staged(*key)
        if staged.exists():
            self._db.run("DELETE FROM _cpexport_files WHERE table_name = ? AND name = ?", *key)
            staged.unlink()
            return
        self._change()
        self._db.run("UPDATE _cpexport_files SET gone = 1 WHERE table_name = ? AND name = ?", *key)

    def _change(self) -> None:
        """Prepares the first change of a transaction. Only then do removed files leave the ledger,
        so a load with nothing to do writes nothing."""
        if not self._staging.exists():
            with self.errors():
                self._staging.mkdir()
            self._db.run("DELETE FROM _cpexport_files WHERE gone")

    def discard(self) -> None:
        """Removes all staged files."""
        shutil.rmtree(self._staging, ignore_errors=True)

    def sync(self) -> None:
        """Syncs the staged files to disk, so that they outlast a power cut."""
        if self._staging.exists():
            with self.errors():
                # Not when each is closed: files compacted in the same transaction are gone by now.
                for staged in self._staging.iterdir():
                    sync(staged)
                sync(self._staging)
                sync(self.path)

    def publish(self, *, last: bool = False) -> None:
        """Moves committed files to their places, and deletes removed ones.

        last: whether the load ends with this, so that nothing may be left for later.

        If several files of a table change, the table meanwhile has a file that no reader can read.
        Images come last, so a reader that sees an image set also sees its objects.
        """
        if not self.unsettled:
            return
        come, gone = self._pending()
        tables = sorted(come.keys() | gone.keys(), key=lambda name: (name.endswith(IMAGE), name))
        with self.errors():
            for table in tables:
                (self.path / table).mkdir(exist_ok=True)
            busy = [
                self.path / table / _BUSY
                for table in tables
                if len(come.get(table, ())) + len(gone.get(table, ())) > 1
            ]
            for mark in busy:
                mark.write_text(
                    "cpexport is replacing files here; if this file stays, run the load again\n"
                )
            for table in tables:
                for name in gone.get(table, ()):
                    (self.path / table / name).unlink(missing_ok=True)
            for table in tables:
                for name in come.get(table, ()):
                    self._staged(table, name).rename(self.path / table / name)
            for table in tables:
                (self.path / table / _BUSY).unlink(missing_ok=True)
                sync(self.path / table)
            sync(self.path)
            shutil.rmtree(self._staging)

    def _pending(self) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
        """The names of the files to move into place, and of those to delete, by table."""
        come: dict[str, list[str]] = {}
        gone: dict[str, list[str]] = {}
        if "_cpexport_files" not in self._db.names():
            return come, gone
        for staged in self._staging.iterdir():
            table, _, name = staged.name.removesuffix(STAGED).rpartition("@")
            sql = "SELECT 1 FROM _cpexport_files WHERE table_name = ? AND name = ? AND NOT gone"
            if self._db.rows(sql, table, name):
                come.setdefault(table, []).append(name)
        for table, name in self._db.rows("SELECT table_name, name FROM _cpexport_files WHERE gone"):
            gone.setdefault(table, []).append(name)
        return come, gone

    def _place(self, file: File) -> Path:
        return self.path / file.table / file.name

    def _staged(self, table: str, name: str) -> Path:
        older = self._staging / f"{table}@{name}"
        return older if older.exists() else older.with_name(f"{older.name}{STAGED}")

    def errors(self) -> AbstractContextManager[None]:
        """Turns an error of writing into a `SinkError`."""
        return errors(self.name)

    @contextmanager
    def unchanged(self, file: File) -> Iterator[None]:
        """Turns an error of reading a file into a `ChangedError`, except that it is missing."""
        try:
            yield
        except FileNotFoundError:
            raise
        except (pa.ArrowException, OSError, KeyError) as error:
            # For bytes that it does not understand, Arrow raises an OSError without a number.
            if isinstance(error, OSError) and error.errno:
                raise SinkError(
                    self.name,
                    f"{file.table}/{file.name} cannot be read: {os.strerror(error.errno)}",
                    "correct this, and run the command again",
                ) from error
            problem = f"{file.table}/{file.name} was changed by another program: {error}"
            raise ChangedError(
                self.name, problem, "load its outputs into a new destination"
            ) from error


def settle(file: LedgerFile, folder: Folder, *, last: bool = False) -> None:
    """Puts the files of the last transaction in place, if no other process is about to; see
    `Folder.publish`."""
    locked = False
    try:
        with file.transaction():
            locked = True
            folder.publish(last=last)
    except SinkError:
        # Otherwise another process has the lock: it or the next one publishes the files.
        if locked:
            raise


@contextmanager
def errors(name: str) -> Iterator[None]:
    """Turns an error of writing to the destination of this name into a `SinkError`."""
    try:
        yield
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise SinkError(
            name, f"cannot be written: {reason}", "correct this, and run the command again"
        ) from error


def sync(path: Path) -> None:
    """Has a file, or the names in a folder, written to the disk."""
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
