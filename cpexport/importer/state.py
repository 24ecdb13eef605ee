"""From a destination to files and contents: batch by batch, and only what is not there yet."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow as pa

from cpexport import measured
from cpexport.experiment import EXPERIMENTS
from cpexport.features import IMAGE, INTEGER, RELATIONSHIP, TABLE_NUMBER, TEXT
from cpexport.imagesets import ImageSets
from cpexport.importer import analyst, mysqltables
from cpexport.importer.contents import ANALYST, MYSQL, SETS, Contents, DataFile, Kind, Said, Unit
from cpexport.importer.folder import STATE, Folder, Writer
from cpexport.ledger import Entry
from cpexport.sinks import Sink, open_sink, schema
from cpexport.sinks.mysqlwidth import room
from cpexport.sinks.sql import literal, quoted
from cpexport.sinks.sqlitefile import Connection
from cpexport.survey import Done, Progress
from cpexport.tables import RELATIONSHIPS, Column, Layout, Table, table_of

_PAIRS = RELATIONSHIPS.names[4:]
_KIND = RELATIONSHIPS.names[:4]


class Written:
    """Brings the files of a folder up to what its destination holds; `contents` says what they are.

    Nobody else writes to the destination meanwhile. `written` counts the files that were not there.
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
            runs, shape, features = dict(sink.runs()), sink.shape, sink.layout()
        old = Layout(tuple(_column(said) for said in notes.get("columns", [])), shape.numbered)
        self._shown: Mapping[str, str] | None = None
        self._layout = features
        if folder.form.kind == MYSQL:
            self._layout = features.placed(old, room())
        elif folder.form.kind == ANALYST:
            self._shown = analyst.shown(folder.url, folder.path, prefix)
            columns = tuple(c for c in features.columns if c.table in self._shown)
            self._layout = Layout(columns, shape.numbered)
        units: list[Unit] = []
        said: dict[int, Said] = {}
        for name, number in runs.items() or [(None, 0)]:
            with open_sink(folder.url, prefix, None, name) as sink, sink.alone():
                entries = sink.ledger().entries
                for entry in entries:
                    self._progress(Done("written", len(units), len(entries)))
                    units.append(self._unit(sink, number, entry))
                said[number] = _said(folder.path / STATE, sink, prefix, number)
        kinds = tuple(self._kinds)
        self.contents = Contents(prefix, shape, self._layout, tuple(units), runs, said, kinds)

    def notes(self) -> Mapping[str, Any]:
        """What the next script needs to know of this one."""
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
        """What the rows of objects depend on: the same for the same."""
        schemas = [
            [table.name, table.key, [[c.name, str(c.type)] for c in table.columns]]
            for table in self._layout.tables.values()
            if table.object != IMAGE
        ]
        said = json.dumps([str(entry.loaded), schemas])
        return hashlib.sha256(said.encode()).hexdigest()

    def _unit(self, sink: Sink, run: int, entry: Entry) -> Unit:
        if not entry.loaded:
            return Unit(run, entry, ())
        known = self._known.get(f"{run}:{entry.signature}", {})
        before = {said["name"]: DataFile.of(said) for said in known.get("files", [])}
        files: list[DataFile] = []
        same = known.get("key") == self._key(entry)
        for object_name in sorted(self._layout.objects, key=lambda name: (name != IMAGE, name)):
            parts = self._layout.parts(object_name)
            names = [self._name(run, entry, part) for part in parts]
            mine = [file for file in before.values() if file.table in {p.name for p in parts}]
            # Group numbers change when other batches come; rows of objects do not.
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
                            mysqltables.refuse_long_texts(chosen, part, name)
                        writer.write(chosen)
                files += self._done(writers, before)
        if self._shown is not None:
            return Unit(run, entry, tuple(files))
        for table, what, batches in (
            (table_of(RELATIONSHIP, self._prefix), f"{RELATIONSHIP}s", self._pairs(sink, entry)),
            (SETS, "Sets", _sets(sink, entry.loaded)),
        ):
            files += self._write(run, entry, table, what, batches, before)
        return Unit(run, entry, tuple(files))

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

    def _done(self, writers: list[Writer], before: Mapping[str, DataFile]) -> Iterator[DataFile]:
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
        """Pairs with the numbers of their kinds, as in the files."""
        for rows in sink.read(RELATIONSHIP, None, entry.loaded):
            names: list[Kind] = list(zip(*(rows[n].to_pylist() for n in _KIND), strict=True))
            for name in sorted(set(names) - self._kinds.keys()):
                self._kinds[name] = len(self._kinds) + 1
            kinds = pa.array([self._kinds[name] for name in names], INTEGER)
            runs = [TABLE_NUMBER] if TABLE_NUMBER in rows.schema.names else []
            columns = [*(rows[n] for n in runs), kinds, *(rows[n] for n in _PAIRS)]
            yield pa.record_batch(columns, names=[*runs, "relationship_type_id", *_PAIRS])


def _chosen(part: Table, rows: pa.RecordBatch) -> pa.RecordBatch:
    """The columns of a table (part), by its names."""
    keys = [*rows.schema.names[: len(part.key)]]
    features = [*keys, *(column.feature for column in part.columns)]
    return pa.RecordBatch.from_arrays([rows[feature] for feature in features], schema=part.schema)


def _sets(sink: Sink, image_sets: ImageSets) -> Iterator[pa.RecordBatch]:
    pictures = sink.pictures(image_sets)
    identities = pa.array(list(pictures.identities()), TEXT)
    yield pa.record_batch([pa.array(pictures.numbers), identities], names=["number", "identity"])


def _said(file: Path, sink: Sink, prefix: str, run: int) -> Said:
    db = Connection(file, sink.name)
    try:
        where = f" WHERE {TABLE_NUMBER} = {run}" if run else ""
        names = ", ".join(EXPERIMENTS.names)
        rows = db.rows(f"SELECT {names} FROM {quoted(f'{prefix}Per_Experiment')}{where}")
        ours = f"prefix = {literal(prefix)} AND table_number = {run} AND name = 'experiment_id'"
        found = db.rows(f"SELECT value FROM _cpexport_settings WHERE {ours}")
        name, properties = "", []
        if found:
            (number,) = map(int, found[0])
            ((name,),) = db.rows("SELECT name FROM Experiment WHERE experiment_id = ?", number)
            words = "SELECT object_name, field, value FROM Experiment_Properties "
            properties = db.rows(f"{words}WHERE experiment_id = ? ORDER BY rowid", number)
    finally:
        db.close()
    # A script brings what was measured by job only; the next load finds whose is the run's.
    notes = {name: value for name, value in sink.settings().items() if name != measured.NOTE}
    said = tuple((row[0], row[1], row[2]) for row in properties)
    return Said(rows[0] if rows else None, name, said, notes)


def _row(column: Column) -> list[str]:
    type = schema.TYPE_NAMES[column.type]
    return [column.object, column.feature, column.table, column.name, type]


def _column(said: list[str]) -> Column:
    object_name, feature, table, name, type = said
    return Column(object_name, feature, table, name, schema.TYPES[type])
