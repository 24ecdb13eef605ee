"""The folder of a Parquet destination: which files are its tables, changed all at once.

Its ledger, a SQLite file, names the files that count. A transaction stages new files in a folder of
its own; what it commits is the ledger. Then files take their places, which whoever comes next
makes up for if that was cut off. Readers leave names out that begin with `_`.
"""

import os
import secrets
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
from pyarrow import parquet

from cpexport.errors import ChangedError, SinkError
from cpexport.features import IMAGE
from cpexport.imagesets import ImageSets
from cpexport.sinks.parquetfile import Writer
from cpexport.sinks.sqlitefile import Connection
from cpexport.sinks.sqliterefusals import writable

LEDGER: Final = "_cpexport.sqlite"
_STAGING: Final = "_cpexport_new"
# Of a load that failed at the first batch, or was killed there, such files may be all that is left.
_OURS: Final = "_cpexport"
# What is staged is not to be taken for data by `**/*.parquet`; version 0.1.0 did without.
_STAGED: Final = ".part"
# It is no Parquet file, so that whoever reads the folder meanwhile fails, and gets no wrong rows.
_BUSY: Final = "cpexport_is_replacing_files_here.parquet"
_FILES: Final = (
    "CREATE TABLE _cpexport_files (table_name TEXT NOT NULL, name TEXT NOT NULL, "
    "row_count INTEGER NOT NULL, columns INTEGER NOT NULL, first INTEGER NOT NULL, "
    "last INTEGER NOT NULL, light INTEGER NOT NULL, gone INTEGER NOT NULL, "
    "PRIMARY KEY (table_name, name))"
)


class LedgerFile(Connection):
    """The ledger of the folder, which is made for it."""

    def __init__(self, folder: Path, name: str, *, writing: bool = True) -> None:
        self.folder = folder
        super().__init__(folder / LEDGER, name, writing=writing)

    @property
    def title(self) -> str:
        """The folder's name."""
        return self.folder.absolute().name

    def _refuse_unusable(self) -> None:
        folder, home = self.folder, self.folder.absolute().parent
        if not folder.exists():
            if not home.is_dir():
                raise SinkError(self.name, f"the folder {home} does not exist", "make it first")
            if not writable(home):
                raise SinkError(self.name, f"the folder {home} is read-only", "choose another")
        elif not folder.is_dir():
            raise SinkError(self.name, "not a folder", "name a folder")
        elif self.path.exists():
            super()._refuse_unusable()
        elif any(not path.name.startswith(_OURS) for path in folder.iterdir()):
            raise SinkError(
                self.name, "holds what cpexport did not make", "name a new or empty folder"
            )
        elif self.writing and not writable(folder):
            raise SinkError(self.name, "read-only", "make it writable, or choose another")


@dataclass(frozen=True)
class File:
    """A file of a table: rows, columns, and the lowest and highest image set in it (0: none)."""

    table: str
    name: str
    rows: int
    columns: int
    first: int
    last: int
    light: int

    @property
    def values(self) -> int:
        return self.rows * self.columns

    def may_have(self, image_sets: ImageSets) -> bool:
        """Whether there can be rows of these image sets in it."""
        return self.last > 0 and bool(ImageSets.span(max(self.first, 1), self.last) & image_sets)


class Folder:
    """The files of a destination. All but `files`, `open` and `names` within a transaction only."""

    def __init__(self, db: LedgerFile) -> None:
        self.path, self.name = db.folder, db.name
        self._db = db
        self._staging = self.path / _STAGING

    @property
    def unsettled(self) -> bool:
        """Whether files may not be in their places: another load is at work, or was killed."""
        return self._staging.exists()

    def names(self) -> list[str]:
        """The tables that there are, whoever made them."""
        there = self.path.iterdir() if self.path.is_dir() else ()
        return [path.name for path in there if not path.name.startswith("_")]

    def make(self) -> bool:
        """Makes the folder, and says whether it was not there."""
        with self.errors():
            try:
                self.path.mkdir()
            except FileExistsError:
                return False
            return True

    def make_ledger(self) -> None:
        """Makes what the ledger has besides."""
        if "_cpexport_files" not in self._db.names():
            self._db.run(_FILES)

    def files(self, table: str) -> list[File]:
        """The files of a table, by the image sets in them."""
        rows = self._db.rows(
            "SELECT table_name, name, row_count, columns, first, last, light "
            "FROM _cpexport_files WHERE table_name = ? AND NOT gone ORDER BY first, last, name",
            table,
        )
        return [File(*row) for row in rows]

    def has(self, table: str) -> bool:
        """Whether a table is there, or will be once a load that was cut off has come to its end."""
        return (self.path / table).is_dir() or (self.unsettled and bool(self.files(table)))

    def seen(self, table: str) -> list[Path]:
        """The files of a table that readers find, or will find once that load has."""
        if not self.unsettled:
            return sorted((self.path / table).glob("*.parquet"))
        places = [(self._place(file), self._staged(table, file.name)) for file in self.files(table)]
        return [place if place.exists() else staged for place, staged in places]

    def open(self, file: File) -> Any:
        """A `parquet.ParquetFile`, wherever it is now.

        Raises:
            ChangedError: it is not there, or no Parquet file.
        """
        # It may take its place in between.
        for path in (self._place(file), self._staged(file.table, file.name), self._place(file)):
            with suppress(FileNotFoundError), self.unchanged(file):
                return parquet.ParquetFile(path)
        raise ChangedError(
            self.name, f"{file.table}/{file.name} is gone", "run it again, or load it anew"
        )

    def stage(
        self, table: str, schema: pa.Schema, numbers: Sequence[str] = (), name: str = ""
    ) -> Writer:
        """A new file for a table, which `enter` makes one of its files."""
        self._change()
        name = name or secrets.token_hex(8)
        return Writer(self._staging / f"{table}@{name}.parquet{_STAGED}", schema, numbers)

    def enter(self, table: str, writer: Writer, *, light: bool = False) -> File:
        """Closes a file, and makes it one of the table's, named by the image sets in it."""
        with self.errors():
            writer.close(light=light)
            span = f"{writer.first:09}-{writer.last:09}-" if writer.last else ""
            name = span + writer.path.name.rpartition("@")[2].removesuffix(_STAGED)
            writer.path.rename(self._staged(table, name))
        size = (writer.rows, len(writer.schema))
        file = File(table, name, *size, writer.first, writer.last, int(writer.light))
        self._db.run("INSERT INTO _cpexport_files VALUES (?, ?, ?, ?, ?, ?, ?, 0)", *astuple(file))
        return file

    def drop(self, file: File) -> None:
        """Has a file no longer count."""
        key = (file.table, file.name)
        staged = self._staged(*key)
        if staged.exists():
            self._db.run("DELETE FROM _cpexport_files WHERE table_name = ? AND name = ?", *key)
            staged.unlink()
            return
        self._change()
        self._db.run("UPDATE _cpexport_files SET gone = 1 WHERE table_name = ? AND name = ?", *key)

    def _change(self) -> None:
        """Prepares the first change of a transaction: files that are gone leave the ledger then, so
        that a load with nothing to do writes nothing."""
        if not self._staging.exists():
            with self.errors():
                self._staging.mkdir()
            self._db.run("DELETE FROM _cpexport_files WHERE gone")

    def discard(self) -> None:
        """Takes away all that was staged."""
        shutil.rmtree(self._staging, ignore_errors=True)

    def sync(self) -> None:
        """Has what was staged outlast a power cut."""
        if self._staging.exists():
            with self.errors():
                # Not as each is closed: what is gathered in the same transaction is gone by now.
                for staged in self._staging.iterdir():
                    _sync(staged)
                _sync(self._staging)
                _sync(self.path)

    def settle(self) -> None:
        """Puts files in their places, and takes away those that no longer count, as committed.

        A table of which several files change has one meanwhile that no reader can read. Images come
        last, so that whoever sees an image set sees its objects.
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
                mark.write_text("cpexport is replacing files here; if this stays, run it again\n")
            for table in tables:
                for name in gone.get(table, ()):
                    (self.path / table / name).unlink(missing_ok=True)
            for table in tables:
                for name in come.get(table, ()):
                    self._staged(table, name).rename(self.path / table / name)
            for table in tables:
                (self.path / table / _BUSY).unlink(missing_ok=True)
                _sync(self.path / table)
            _sync(self.path)
            shutil.rmtree(self._staging)

    def _pending(self) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
        """The files that are to come and to go, by table."""
        come: dict[str, list[str]] = {}
        gone: dict[str, list[str]] = {}
        if "_cpexport_files" not in self._db.names():
            return come, gone
        for staged in self._staging.iterdir():
            table, _, name = staged.name.removesuffix(_STAGED).rpartition("@")
            words = "SELECT 1 FROM _cpexport_files WHERE table_name = ? AND name = ? AND NOT gone"
            if self._db.rows(words, table, name):
                come.setdefault(table, []).append(name)
        for table, name in self._db.rows("SELECT table_name, name FROM _cpexport_files WHERE gone"):
            gone.setdefault(table, []).append(name)
        return come, gone

    def _place(self, file: File) -> Path:
        return self.path / file.table / file.name

    def _staged(self, table: str, name: str) -> Path:
        older = self._staging / f"{table}@{name}"
        return older if older.exists() else older.with_name(f"{older.name}{_STAGED}")

    @contextmanager
    def errors(self) -> Iterator[None]:
        """What writing says, as `SinkError`."""
        try:
            yield
        except OSError as error:
            reason = os.strerror(error.errno) if error.errno else str(error)
            raise SinkError(
                self.name, f"cannot be written: {reason}", "see to that, and run it again"
            ) from error

    @contextmanager
    def unchanged(self, file: File) -> Iterator[None]:
        """What reading a file says, as `ChangedError`; that it is not there stays as it is."""
        try:
            yield
        except FileNotFoundError:
            raise
        except (pa.ArrowException, OSError, KeyError) as error:
            said = f"{file.table}/{file.name} was changed by something else: {error}"
            raise ChangedError(self.name, said, "load it anew") from error


def _sync(path: Path) -> None:
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
