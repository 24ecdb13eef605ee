"""Files that workers write for a Parquet folder, and that a load then adopts.

They lie in a folder of their own within the destination, whose name readers ignore. The load that
made the folder holds its lock; if it is killed, the next load deletes what it left.
"""

import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pyarrow as pa
from pyarrow import parquet

from cpexport.errors import SinkError
from cpexport.sinks.parquet import dataset
from cpexport.sinks.parquet.data_file import File, file_of, staged_name
from cpexport.sinks.parquet.writer import ParquetWriter, is_small
from cpexport.sinks.sql.column_projection import missing_as_null

PARTS: Final = "_cpexport_parts-"
"""How the names of such folders begin."""


@dataclass(frozen=True)
class Part:
    """A complete file of a table, with its size in bytes."""

    path: Path
    size: int
    file: File


@dataclass(frozen=True)
class Parts:
    """Where workers write; see `sinks.sql.stager.Staging`.

    folder: absolute.
    name: the destination's.
    tables: the schema of each table, and the columns of image set numbers.
    keys: the columns of each table by which rows are unique.
    """

    folder: Path
    name: str
    tables: Mapping[str, tuple[pa.Schema, list[str]]]
    keys: Mapping[str, tuple[str, ...]]

    @property
    def reachable(self) -> bool:
        return self.folder.is_dir()

    @contextmanager
    def files(self) -> Iterator["PartFiles"]:
        made = PartFiles(self)
        try:
            with dataset.errors(self.name):
                yield made
        except BaseException:
            made.discard()
            raise


@dataclass
class PartFiles:
    """The files of one group of batches: one for each table that has rows."""

    parts: Parts
    _writers: dict[str, ParquetWriter] = field(default_factory=dict)
    # For each batch, and then for the end: how many rows each table had before it.
    _before: list[dict[str, int]] = field(default_factory=list)

    def begin(self) -> None:
        self._before.append({table: writer.rows for table, writer in self._writers.items()})

    def append(self, table: str, names: Sequence[str], blocks: Iterable[pa.RecordBatch]) -> None:
        rows = pa.concat_batches(list(blocks)).rename_columns(names)
        if not rows.num_rows:
            return
        if table not in self._writers:
            path = self.parts.folder / staged_name(table, secrets.token_hex(8))
            self._writers[table] = ParquetWriter(path, *self.parts.tables[table])
        self._writers[table].write(missing_as_null(rows))

    def finish(self) -> tuple[tuple[Part, ...], tuple[Mapping[str, int], ...]]:
        self.begin()
        made = []
        found: list[dict[str, int]] = [{} for _ in self._before[1:]]
        for table, writer in self._writers.items():
            writer.close(light=is_small(writer.rows * len(writer.schema)))
            dataset.sync(writer.path)
            file = file_of(table, writer)
            made.append(Part(writer.path, writer.path.stat().st_size, file))
            for place, count in enumerate(self._distinct(table, writer)):
                found[place][table] = count
        return tuple(made), tuple(found)

    def _distinct(self, table: str, writer: ParquetWriter) -> Iterator[int]:
        """How many distinct keys the file has, batch by batch."""
        with parquet.ParquetFile(writer.path) as opened:
            keys = opened.read(list(self.parts.keys[table]), use_threads=False)
        if keys.num_rows != writer.rows:
            problem = f"{table} has {keys.num_rows} rows in a new file, not {writer.rows}"
            raise SinkError(self.parts.name, problem, "report this as a bug")
        for before, after in zip(self._before, self._before[1:], strict=False):
            first, last = before.get(table, 0), after.get(table, 0)
            own = keys.slice(first, last - first)
            distinct = own.group_by(own.column_names, use_threads=False).aggregate([])
            yield int(distinct.num_rows)

    def discard(self) -> None:
        """Deletes the files."""
        for writer in self._writers.values():
            with suppress(OSError, pa.ArrowException):
                writer.abandon()
            with suppress(OSError):
                writer.path.unlink()
