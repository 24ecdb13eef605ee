"""The folder of a script. Each file is written whole or not at all, and rewritten only if it
changes."""

import fcntl
import hashlib
import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self

import pyarrow as pa

from cpexport._wait_notice import waiting_for
from cpexport.errors import SinkError, UsageError
from cpexport.files.listed import SCRIPT
from cpexport.sinks.in_place import identity
from cpexport.sql_script import csv_writer
from cpexport.sql_script.manifest import DATA, DataFile, ScriptOptions

STATE = "cpexport.sqlite"
"""The SQLite destination within the folder, into which outputs are loaded first."""

_VERSION = 1
_PART = ".part"
# How long a script waits for another one that writes to its folder, and how often it looks.
_SECONDS = 600.0
_PAUSE = 0.1


class Folder:
    """The folder of a script. One file keeps notes about it, and is written after all others except
    the script itself.

    Raises:
        UsageError: the folder has something else in it, or a script with other options.
        SinkError: on entry, another process writes there, and does not end in ten minutes.
    """

    def __init__(self, path: Path, form: ScriptOptions, prefix: str) -> None:
        self.path, self.form = path, form
        self._mine = {"version": _VERSION, "form": vars(form), "prefix": prefix}
        self.notes: dict[str, Any] = {}
        self._made: list[Path] = []
        if path.exists() and not path.is_dir():
            raise UsageError(f"{path}: not a folder; name a new one with --out")
        self._look()

    @property
    def url(self) -> str:
        """The URL of the destination in the folder."""
        return f"sqlite:///{self.path / STATE}"

    def __enter__(self) -> Self:
        """Makes, locks and marks the folder, so that its files are not taken for outputs of jobs.

        Waits for another script that writes there: jobs that end at the same time add to one
        folder.
        """
        while not self._locked():
            # While this process waited, a script that failed removed the folder that it had made.
            pass
        if not self.notes:
            self.note({})
            self._made.insert(0, self.path / SCRIPT)
        return self

    def _locked(self) -> bool:
        """Makes and locks the folder, and reads its notes; returns whether it is still there."""
        self._made = []
        with suppress(FileExistsError):
            self.path.mkdir(parents=True)
            self._made = [self.path]
        try:
            self._lock = os.open(self.path, os.O_RDONLY)
        except FileNotFoundError:
            return False
        try:
            with waiting_for(f"another cpexport script that writes to {self.path}"):
                self._wait()
            locked = os.fstat(self._lock)
            if identity(self.path) == (locked.st_dev, locked.st_ino):
                self._look()
                return True
        except BaseException:
            os.close(self._lock)
            raise
        os.close(self._lock)
        return False

    def _wait(self) -> None:
        """Waits for the lock.

        Raises:
            SinkError: another process has it for too long.
        """
        end = time.monotonic() + _SECONDS
        while True:
            try:
                return fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                if time.monotonic() >= end:
                    busy = "another cpexport script is writing to it"
                    advice = "wait until that command has ended"
                    raise SinkError(self.path, busy, advice) from error
            time.sleep(_PAUSE)

    def __exit__(self, kind: object, *error: object) -> None:
        """Unlocks the folder, and removes it if an error left it without a destination."""
        os.close(self._lock)
        if kind is None or (self.path / STATE).exists():
            return
        for path in self._made:
            path.rmdir() if path.is_dir() else path.unlink(missing_ok=True)

    def note(self, notes: Mapping[str, Any]) -> None:
        """Replaces the notes for the next script, after all data files are safe on disk."""
        if (self.path / DATA).is_dir():
            _sync(self.path / DATA)
        self.notes = {**self._mine, **notes}
        text = json.dumps(self.notes, ensure_ascii=False, indent=1)
        self.write(SCRIPT, text.encode("utf-8", "surrogatepass"))

    def holds(self, file: DataFile) -> bool:
        """Whether a file exists and has its old size."""
        path = self.path / file.name
        return path.is_file() and path.stat().st_size == file.size

    def write(self, name: str, text: bytes) -> None:
        """Writes a small file, whole or not at all; leaves it if it already has this text."""
        path = self.path / name
        if path.is_file() and path.read_bytes() == text:
            return
        with _whole(path) as part:
            part.write(text)

    def data(self, name: str, table: str, schema: pa.Schema) -> "DataFileWriter":
        """A writer for a data file with rows of this schema."""
        return DataFileWriter(self, name, table, schema)

    def clear(self, wanted: frozenset[str]) -> None:
        """Removes unfinished files, and files of batches that are gone: all not in `wanted`."""
        for folder in (self.path, self.path / DATA):
            for path in sorted(folder.glob("*")) if folder.is_dir() else ():
                name = str(path.relative_to(self.path))
                kinds = (".csv", ".sql") if folder != self.path else (".csv",)
                ours = path.suffix.lower() in kinds and name not in wanted
                if path.is_file() and (ours or path.name.endswith(_PART)):
                    path.unlink()
        _sync(self.path)

    def _look(self) -> None:
        existing = {path.name for path in self.path.iterdir()} if self.path.exists() else set()
        if not existing:
            return
        if SCRIPT not in existing:
            if existing != {SCRIPT + _PART}:
                raise UsageError(
                    f"{self.path}: not a folder of cpexport script, and not empty; name a new "
                    "one with --out"
                )
            return
        try:
            notes = json.loads((self.path / SCRIPT).read_bytes())
            mine = {name: notes[name] for name in self._mine}
        except (ValueError, KeyError, TypeError) as error:
            raise UsageError(
                f"{self.path / SCRIPT}: damaged; name a new folder with --out"
            ) from error
        if mine != self._mine:
            raise UsageError(
                f"{self.path}: contains a script with other options or another --prefix; name "
                "a new folder with --out"
            )
        self.notes = notes


class DataFileWriter:
    """Writes a data file, whole or not at all; `done` completes it."""

    def __init__(self, folder: Folder, name: str, table: str, schema: pa.Schema) -> None:
        self._folder, self._name, self._table = folder, name, table
        self._kind = folder.form.kind
        self._columns = csv_writer.columns(self._kind, schema)
        self._rows = self._lines = self._crc = self._size = 0
        self._hash = hashlib.sha3_256()
        path = folder.path / name
        path.parent.mkdir(exist_ok=True)
        self._part = path.with_name(path.name + _PART)
        self._stream = self._part.open("wb")
        if folder.form.header:
            self._put(csv_writer.header(self._kind, self._columns))

    def write(self, rows: pa.RecordBatch) -> None:
        """Appends rows, whose columns have the table's names."""
        self._put(csv_writer.text(self._kind, rows))
        self._rows += rows.num_rows

    def done(self, known: Mapping[str, DataFile]) -> tuple[DataFile | None, bool]:
        """Completes the file. Returns it, or None if it has no rows; and whether it was written: a
        file that exists with the contents `known` under its name is left alone."""
        if not self._rows:
            self.close()
            return None, False
        file = DataFile(
            self._name,
            self._table,
            self._columns,
            self._rows,
            self._lines,
            self._size,
            self._crc,
            self._hash.hexdigest(),
        )
        if file == known.get(self._name) and self._folder.holds(file):
            self.close()
            return file, False
        with _naming(self._part):
            self._stream.flush()
            os.fsync(self._stream.fileno())
            self._stream.close()
        self._part.replace(self._folder.path / self._name)
        return file, True

    def close(self) -> None:
        """Closes the file, and removes it if it is not complete."""
        # What could not be written is removed in any case.
        with suppress(OSError):
            self._stream.close()
        self._part.unlink(missing_ok=True)

    def _put(self, data: bytes | memoryview) -> None:
        with _naming(self._part):
            self._stream.write(data)
        self._hash.update(data)
        self._size += len(data)
        lines, crc = csv_writer.checksum(data)
        self._lines += lines
        self._crc += crc


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Adds the name of a file to an error of the system that has none, as those of writing."""
    try:
        yield
    except OSError as error:
        if error.filename is not None or error.errno is None:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error


@contextmanager
def _whole(path: Path) -> Iterator[Any]:
    part = path.with_name(path.name + _PART)
    try:
        with _naming(part), part.open("wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    _sync(path.parent)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
