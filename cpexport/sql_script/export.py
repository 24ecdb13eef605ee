"""Writes a destination's rows to data files, batch by batch, and only what has changed."""

import hashlib
import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow as pa

from cpexport._stopwatch import Stopwatch
from cpexport.cellprofiler.experiment import EXPERIMENTS
from cpexport.cellprofiler.features import IMAGE, INTEGER, RELATIONSHIP, TABLE_NUMBER, TEXT
from cpexport.imagesets import ImageSets
from cpexport.loading import run_measurements
from cpexport.loading.progress import Progress, ProgressEvent
from cpexport.sinks.base import Sink
from cpexport.sinks.ledger import Entry
from cpexport.sinks.mysql.row_size import capacity
from cpexport.sinks.registry import open_sink
from cpexport.sinks.sql import schema
from cpexport.sinks.sql.database import literal, quoted
from cpexport.sinks.sqlite.connection import Connection
from cpexport.sql_script import cpa
from cpexport.sql_script.folder import STATE, DataFileWriter, Folder
from cpexport.sql_script.manifest import (
    ANALYST,
    MYSQL,
    SETS,
    BatchFiles,
    DataFile,
    Kind,
    Manifest,
    RunMetadata,
)
from cpexport.sql_script.mysql import tables
from cpexport.tables.layout import RELATIONSHIPS, Column, Layout, Table, table_of

_log = logging.getLogger(__name__)

_PAIRS = RELATIONSHIPS.names[4:]
_KIND = RELATIONSHIPS.names[:4]


class Exporter:
    """Brings the files of a folder up to date with its destination. `contents` lists them;
    `written` counts those that are new or changed.

    No other process may write to the destination meanwhile.
    """

    def __init__(self, folder: Folder, prefix: str, progress: Progress) -> None:
        self._folder, self._prefix, self._progress = folder, prefix, progress
        notes = folder.notes
        self._known: dict[str, Any] = notes.get("batches", {})
        self._kinds: dict[Kind, int] = {
            (kind[0], kind[1], kind[2], kind[3]): number
            for number, kind in enumerate(notes.get("kinds", []), 1)
        }
        self.written = 0
        with open_sink(folder.url, prefix) as sink:
            runs, shape, features = dict(sink.ledger.runs()), sink.shape, sink.layout()
            indexed = sink.indexed
        old = Layout(
            tuple(_column(metadata) for metadata in notes.get("columns", [])), shape.numbered
        )
        self._shown: Mapping[str, str] | None = None
        self._layout = features
        if folder.form.kind == MYSQL:
            self._layout = features.placed(old, capacity())
        elif folder.form.kind == ANALYST:
            self._shown = cpa.shown(folder.url, folder.path, prefix)
            columns = tuple(c for c in features.columns if c.table in self._shown)
            self._layout = Layout(columns, shape.numbered)
        units: list[BatchFiles] = []
        metadata: dict[int, RunMetadata] = {}
        for name, number in runs.items() or [(None, 0)]:
            with open_sink(folder.url, prefix, None, name) as sink, sink.exclusive():
                entries = sink.ledger.read().entries
                for entry in entries:
                    self._progress(ProgressEvent("written", len(units), len(entries)))
                    clock, before = Stopwatch(), self.written
                    units.append(self._unit(sink, number, entry))
                    new = self.written - before
                    _log.info("%s: %d data files written in %s", entry.path, new, clock)
                metadata[number] = _run_metadata(folder.path / STATE, sink, prefix, number)
        kinds = tuple(self._kinds)
        self.contents = Manifest(
            prefix, shape, self._layout, tuple(units), runs, metadata, kinds, indexed
        )

    def notes(self) -> Mapping[str, Any]:
        """What the next script needs to know about this one."""
        return {
            "columns": [_row(column) for column in self._layout.columns],
            "kinds": [list(kind) for kind in self._kinds],
            "batches": {
                unit.key: {
                    "key": self._key(unit.entry),
                    "files": [asdict(file) for file in unit.files],
                }
                for unit in self.contents.units
            },
        }

    def _key(self, entry: Entry) -> str:
        """A digest of everything that the rows of objects depend on; equal if they are equal."""
        schemas = [
            [table.name, table.key, [[c.name, str(c.type)] for c in table.columns]]
            for table in self._layout.tables.values()
            if table.object != IMAGE
        ]
        content = json.dumps([str(entry.loaded), schemas])
        return hashlib.sha256(content.encode()).hexdigest()

    def _unit(self, sink: Sink, run: int, entry: Entry) -> BatchFiles:
        if not entry.loaded:
            return BatchFiles(run, entry, ())
        known = self._known.get(f"{run}:{entry.signature}", {})
        before = {said["name"]: DataFile.of(said) for said in known.get("files", [])}
        files: list[DataFile] = []
        same = known.get("key") == self._key(entry)
        for object_name in sorted(self._layout.objects, key=lambda name: (name != IMAGE, name)):
            parts = self._layout.parts(object_name)
            names = [self._name(run, entry, part) for part in parts]
            mine = [file for file in before.values() if file.table in {p.name for p in parts}]
            # Other batches can change group numbers of images, but not rows of objects.
            if object_name != IMAGE and same and all(map(self._folder.holds, mine)):
                files += mine
                continue
            with ExitStack() as opened:
                writers = []
                for name, part in zip(names, parts, strict=True):
                    writers.append(self._folder.data(name, part.name, part.schema))
                    opened.callback(writers[-1].close)
                for rows in sink.read(object_name, None, entry.loaded):
                    for part, name, writer in zip(parts, names, writers, strict=True):
                        chosen = _chosen(part, rows)
                        if self._folder.form.kind == MYSQL:
                            tables.check_text_lengths(chosen, part, name)
                        writer.write(chosen)
                files += self._done(writers, before)
        if self._shown is not None:
            return BatchFiles(run, entry, tuple(files))
        for table, what, batches in (
            (table_of(RELATIONSHIP, self._prefix), f"{RELATIONSHIP}s", self._pairs(sink, entry)),
            (SETS, "Sets", _sets(sink, entry.loaded)),
        ):
            files += self._write(run, entry, table, what, batches, before)
        return BatchFiles(run, entry, tuple(files))

    def _write(
        self,
        run: int,
        entry: Entry,
        table: str,
        what: str,
        batches: Iterator[pa.RecordBatch],
        before: Mapping[str, DataFile],
    ) -> Iterator[DataFile]:
        first = next(batches)
        name = self._folder.form.file(run, entry, what)
        writer = self._folder.data(name, table, first.schema)
        try:
            writer.write(first)
            for rows in batches:
                writer.write(rows)
            yield from self._done([writer], before)
        finally:
            writer.close()

    def _done(
        self, writers: list[DataFileWriter], before: Mapping[str, DataFile]
    ) -> Iterator[DataFile]:
        for writer in writers:
            file, new = writer.done(before)
            self.written += new
            if file is not None:
                yield file

    def _name(self, run: int, entry: Entry, part: Table) -> str:
        what = part.name.removeprefix(f"{self._prefix}Per_")
        if self._shown is not None:
            what = self._shown[part.name]
        return self._folder.form.file(run, entry, what)

    def _pairs(self, sink: Sink, entry: Entry) -> Iterator[pa.RecordBatch]:
        """Pairs with the numbers that their kinds have in the files."""
        for rows in sink.read(RELATIONSHIP, None, entry.loaded):
            names: list[Kind] = list(zip(*(rows[n].to_pylist() for n in _KIND), strict=True))
            for name in sorted(set(names) - self._kinds.keys()):
                self._kinds[name] = len(self._kinds) + 1
            kinds = pa.array([self._kinds[name] for name in names], INTEGER)
            runs = [TABLE_NUMBER] if TABLE_NUMBER in rows.schema.names else []
            columns = [*(rows[n] for n in runs), kinds, *(rows[n] for n in _PAIRS)]
            yield pa.record_batch(columns, names=[*runs, "relationship_type_id", *_PAIRS])


def _chosen(part: Table, rows: pa.RecordBatch) -> pa.RecordBatch:
    """The columns that a table, or part of one, takes of some rows, under its names."""
    keys = [*rows.schema.names[: len(part.key)]]
    features = [*keys, *(column.feature for column in part.columns)]
    return pa.RecordBatch.from_arrays([rows[feature] for feature in features], schema=part.schema)


def _sets(sink: Sink, image_sets: ImageSets) -> Iterator[pa.RecordBatch]:
    identities = sink.ledger.identities(image_sets)
    texts = pa.array(list(identities.texts()), TEXT)
    yield pa.record_batch([pa.array(identities.numbers), texts], names=["number", "identity"])


def _run_metadata(file: Path, sink: Sink, prefix: str, run: int) -> RunMetadata:
    db = Connection(file, sink.name)
    try:
        where = f" WHERE {TABLE_NUMBER} = {run}" if run else ""
        names = ", ".join(EXPERIMENTS.names)
        rows = db.rows(f"SELECT {names} FROM {quoted(f'{prefix}Per_Experiment')}{where}")
        ours = f"prefix = {literal(prefix)} AND table_number = {run} AND name = 'experiment_id'"
        experiment = db.rows(f"SELECT value FROM _cpexport_settings WHERE {ours}")
        name, properties = "", []
        if experiment:
            (number,) = map(int, experiment[0])
            ((name,),) = db.rows("SELECT name FROM Experiment WHERE experiment_id = ?", number)
            sql = "SELECT object_name, field, value FROM Experiment_Properties "
            properties = db.rows(f"{sql}WHERE experiment_id = ? ORDER BY rowid", number)
    finally:
        db.close()
    # A script imports jobs' own measurements; the next load decides which are the run's.
    notes = {
        name: value
        for name, value in sink.ledger.metadata().items()
        if name != run_measurements.NOTE
    }
    fields = tuple((row[0], row[1], row[2]) for row in properties)
    return RunMetadata(rows[0] if rows else None, name, fields, notes)


def _row(column: Column) -> list[str]:
    type = schema.TYPE_NAMES[column.type]
    return [column.object, column.feature, column.table, column.name, type]


def _column(row: list[str]) -> Column:
    object_name, feature, table, name, type = row
    return Column(object_name, feature, table, name, schema.TYPES[type])
