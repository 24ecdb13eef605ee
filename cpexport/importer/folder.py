"""The folder of a script: its files are whole or not there, and what is true stays untouched."""

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import pyarrow as pa

from cpexport.errors import SinkError, UsageError
from cpexport.importer import csvtext
from cpexport.importer.contents import DATA, DataFile, Form
from cpexport.walk import SCRIPT

STATE = "cpexport.sqlite"
"""The destination that a script's folder loads into first."""

_VERSION = 1
_PART = ".part"


class Folder:
    """A folder that is a script's. What is noted of it is in one file, written last but for the
    script itself.

    Raises:
        UsageError: there is something else in it, or a script of another form.
        SinkError: when it is entered, another process writes there.
    """

    def __init__(self, path: Path, form: Form, prefix: str) -> None:
        self.path, self.form = path, form
        self._mine = {"version": _VERSION, "form": vars(form), "prefix": prefix}
        self.notes: dict[str, Any] = {}
        self._made: list[Path] = []
        if path.exists() and not path.is_dir():
            raise UsageError(f"{path}: not a folder; name a new one with --out")
        self._look()

    @property
    def url(self) -> str:
        """The destination in it."""
        return f"sqlite:///{self.path / STATE}"

    def __enter__(self) -> Self:
        """Makes the folder what it is, so that nothing in it is taken for outputs of jobs."""
        if not self.path.exists():
            self.path.mkdir(parents=True)
            self._made.append(self.path)
        self._lock = os.open(self.path, os.O_RDONLY)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(self._lock)
            busy = "another cpexport script writes there"
            raise SinkError(self.path, busy, "wait until that has ended") from error
        if not self.notes:
            self.note({})
            self._made.insert(0, self.path / SCRIPT)
        return self

    def __exit__(self, kind: object, *error: object) -> None:
        """Takes the folder away again if nothing came of it."""
        os.close(self._lock)
        if kind is None or (self.path / STATE).exists():
            return
        for path in self._made:
            path.rmdir() if path.is_dir() else path.unlink(missing_ok=True)

    def note(self, notes: Mapping[str, Any]) -> None:
        """Keeps notes for the next script, in place of those before, once all files are safe."""
        if (self.path / DATA).is_dir():
            _sync(self.path / DATA)
        self.notes = {**self._mine, **notes}
        text = json.dumps(self.notes, ensure_ascii=False, indent=1)
        self.write(SCRIPT, text.encode("utf-8", "surrogatepass"))

    def holds(self, file: DataFile) -> bool:
        """Whether a file is there, as long as it was."""
        path = self.path / file.name
        return path.is_file() and path.stat().st_size == file.size

    def write(self, name: str, text: bytes) -> None:
        """Writes a small file, all of it or nothing; not at all if it is as it should be."""
        path = self.path / name
        if path.is_file() and path.read_bytes() == text:
            return
        with _whole(path) as part:
            part.write(text)

    def data(self, name: str, table: str, schema: pa.Schema) -> "Writer":
        """A data file to write rows of this schema to."""
        return Writer(self, name, table, schema)

    def clear(self, wanted: frozenset[str]) -> None:
        """Takes away files of batches that there are no longer, and parts of files."""
        for folder in (self.path, self.path / DATA):
            for path in sorted(folder.glob("*")) if folder.is_dir() else ():
                name = str(path.relative_to(self.path))
                ours = path.suffix.lower() == ".csv" and name not in wanted
                if path.is_file() and (ours or path.name.endswith(_PART)):
                    path.unlink()
        _sync(self.path)

    def _look(self) -> None:
        there = {path.name for path in self.path.iterdir()} if self.path.exists() else set()
        if not there:
            return
        if SCRIPT not in there:
            if there != {SCRIPT + _PART}:
                raise UsageError(
                    f"{self.path}: is no folder of cpexport script, and not empty; name a new one "
                    "with --out"
                )
            return
        try:
            notes = json.loads((self.path / SCRIPT).read_bytes())
            mine = {name: notes[name] for name in self._mine}
        except (ValueError, KeyError, TypeError) as error:
            raise UsageError(f"{self.path / SCRIPT}: damaged; name a new folder") from error
        if mine != self._mine:
            raise UsageError(
                f"{self.path}: holds a script of another form or --prefix; name a new folder"
            )
        self.notes = notes


class Writer:
    """Writes a data file, whole or not at all; `done` says what is in it."""

    def __init__(self, folder: Folder, name: str, table: str, schema: pa.Schema) -> None:
        self._folder, self._name, self._table = folder, name, table
        self._kind = folder.form.kind
        self._columns = csvtext.columns(self._kind, schema)
        self._rows = self._lines = self._crc = self._size = 0
        self._hash = hashlib.sha3_256()
        path = folder.path / name
        path.parent.mkdir(exist_ok=True)
        self._part = path.with_name(path.name + _PART)
        self._stream = self._part.open("wb")
        if folder.form.header:
            self._put(csvtext.header(self._kind, self._columns))

    def write(self, rows: pa.RecordBatch) -> None:
        """Appends rows, columns by the names of the table's."""
        self._put(csvtext.text(self._kind, rows))
        self._rows += rows.num_rows

    def done(self, known: Mapping[str, DataFile]) -> tuple[DataFile | None, bool]:
        """The file, None if it would have no rows, and whether it was written: not if it is there
        as it is `known` by name."""
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
        self._stream.flush()
        os.fsync(self._stream.fileno())
        self._stream.close()
        self._part.replace(self._folder.path / self._name)
        return file, True

    def close(self) -> None:
        """Leaves nothing of what is not done."""
        self._stream.close()
        self._part.unlink(missing_ok=True)

    def _put(self, data: bytes | memoryview) -> None:
        self._stream.write(data)
        self._hash.update(data)
        self._size += len(data)
        lines, crc = csvtext.checksum(data)
        self._lines += lines
        self._crc += crc


@contextmanager
def _whole(path: Path) -> Iterator[Any]:
    part = path.with_name(path.name + _PART)
    try:
        with part.open("wb") as stream:
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
