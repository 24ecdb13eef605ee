"""SQLite destinations: rows by ADBC's bulk ingest, in one transaction with their ledger entry.

One connection, and one SQLite library, for everything: a second library in the same process would
drop the first one's locks when it closes the file (sqlite.org/howtocorrupt.html, section 2.2).
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Self

import pyarrow as pa
import sqlalchemy as sa

from cpexport.errors import CollisionError, SinkError, WidthError
from cpexport.features import EXPERIMENT, IMAGE, IMAGE_NUMBER, OBJECT, RELATIONSHIP
from cpexport.imagesets import ImageSets
from cpexport.ledger import Entry, Ledger
from cpexport.paths import PathMap
from cpexport.pictures import Pictures, comparable, differences
from cpexport.shape import VIEW, Shape
from cpexport.sinks import There, Write, schema
from cpexport.sinks import sqliteexperiment as experiment
from cpexport.sinks import sqliteledger as ledger
from cpexport.sinks import sqlitepairs as pairs
from cpexport.sinks.fitting import fitted
from cpexport.sinks.objectview import notes_on
from cpexport.sinks.scope import NO_RUN_YET, Scope
from cpexport.sinks.sqlitefile import WIDTH, Connection, between, quoted
from cpexport.sinks.sqlitelayout import change, make
from cpexport.sinks.sqliteread import read, there
from cpexport.tables import Features, Layout, table_of


class SqliteSink:
    """A SQLite file. The first batch makes it, and it is gone again if that comes to nothing."""

    def __init__(
        self, path: str, prefix: str, shape: Shape | None, run: str | None, paths: PathMap | None
    ) -> None:
        self.path = Path(path)
        self.name = f"sqlite:///{path}"
        self.prefix, self.run = prefix, run
        self._db = Connection(self.path, self.name)
        self._features: Features = {}
        self._layout: tuple[int, Layout] | None = None
        try:
            self._check_version()
            self.shape = self._agreed(shape, paths)
            if self._db.exists:
                self._refuse_foreign(Layout().extended({IMAGE: {}}, self.prefix))
        except BaseException:
            self._db.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._db.close()

    @property
    def notes(self) -> tuple[str, ...]:
        return notes_on(self.layout(), self.prefix, WIDTH) if self.shape.layout == VIEW else ()

    def ledger(self) -> Ledger:
        return ledger.read(self._db, self._scope()) if self._ours() else Ledger()

    def runs(self) -> Mapping[str, int]:
        return ledger.runs(self._db, self.prefix) if self._ours() else {}

    def pictures(self, image_sets: ImageSets) -> Pictures:
        return ledger.pictures(self._db, self._scope(), image_sets) if self._ours() else Pictures()

    def layout(self) -> Layout:
        if not self._ours():
            return Layout(numbered=self.shape.numbered)
        # It changes only when another connection commits.
        ((version,),) = self._db.rows("PRAGMA data_version")
        if self._layout is None or self._layout[0] != version:
            layout = ledger.layout(self._db, self.prefix, self.shape.numbered)
            self._layout = (version, layout)
        return self._layout[1]

    def tables(self) -> Mapping[str, There]:
        names = schema.names(self.layout(), self.prefix)
        return there(self._db, self._scope(), names) if self._ours() else {}

    def prepare(self, features: Features) -> None:
        self._features = features

    @contextmanager
    def batch(self, entry: Entry, pictures: Pictures) -> Iterator[Write | None]:
        with self._db.transaction(create=True):
            # Another process may have made the tables since this one looked.
            self._agreed(self.shape, self.shape.paths)
            if self._holds(entry):
                yield None
                return
            with self._naming(entry):
                layout = self._fit()
            scope = self._scope()
            if self.run is not None and scope.number == NO_RUN_YET:
                scope = Scope(self.prefix, ledger.enter_run(self._db, self.prefix, self.run))
            self._replace(entry, pictures, scope)
            written: dict[str, int] = {}

            def write(object_name: str, rows: pa.RecordBatch) -> None:
                if object_name == RELATIONSHIP:
                    pairs.write(self._db, scope, rows)
                    return
                rows = scope.numbered(rows)
                if object_name == EXPERIMENT:
                    experiment.write(self._db, scope, rows, entry.loaded.first)
                    return
                for table in layout.parts(object_name):
                    with self._naming(entry):
                        part = fitted(table, rows)
                    self._db.ingest(table.name, part)
                    written[table.name] = written.get(table.name, 0) + rows.num_rows

            try:
                yield write
            except BaseException:
                self._layout = None
                raise
            self._gate(entry.loaded, written, scope)
            ledger.write(self._db, scope, entry, pictures)

    def address(self, folder: Path | None) -> Mapping[str, str]:
        return {"db_type": "sqlite", "db_sqlite_file": self._db.seen_from(folder)}

    def read(
        self,
        object_name: str,
        features: Sequence[str] | None = None,
        image_sets: ImageSets | None = None,
    ) -> Iterator[pa.RecordBatch]:
        if object_name == RELATIONSHIP:
            return pairs.read(self._db, self.layout(), self._scope(), image_sets)
        if object_name == EXPERIMENT:
            return experiment.read(self._db, self._scope())
        return read(self._db, self.layout(), self._scope(), object_name, features, image_sets)

    def settings(self) -> dict[str, str]:
        return ledger.settings(self._db, self._scope()) if self._ours() else {}

    def alone(self) -> AbstractContextManager[None]:
        return self._db.transaction()

    def renumber(self, columns: Mapping[str, pa.Array]) -> None:
        layout, scope = self.layout(), self._scope()
        also = f" AND {scope.data}" if scope.data else ""
        for feature, values in columns.items():
            column = layout.by_feature.get((IMAGE, feature))
            if column is not None and feature != IMAGE_NUMBER:
                self._db.run_many(
                    f"UPDATE {quoted(column.table)} SET {quoted(column.name)} = ? "
                    f"WHERE {quoted(IMAGE_NUMBER)} = ?{also}",
                    pa.record_batch([values, columns[IMAGE_NUMBER]], names=["value", "number"]),
                )

    def describe(self, properties: Mapping[str, Mapping[str, str]], modified: str) -> None:
        name = self.run or self.prefix.rstrip("_") or self.path.stem
        experiment.describe(self._db, self._scope(), name, properties, modified)

    def replace(self, table: sa.Table, rows: pa.Table) -> None:
        made = ledger.made(self._db, self.prefix)
        if table.name in made:
            self._db.run(f"DROP TABLE IF EXISTS {quoted(table.name)}")
        self._refuse_taken({table.name})
        make(self._db, table, rows)
        ledger.note(self._db, Scope(self.prefix), {"made": json.dumps(sorted(made | {table.name}))})

    def note(self, settings: Mapping[str, str]) -> None:
        ledger.note(self._db, self._scope(), settings)

    @contextmanager
    def _naming(self, entry: Entry) -> Iterator[None]:
        """Names the batch whose values do not fit."""
        try:
            yield
        except WidthError as error:
            advice = "load it into a destination of its own"
            raise SinkError(self.name, f"{entry.path} does not fit: {error}", advice) from error

    def _fit(self) -> Layout:
        """Makes the database fit the features, within the transaction: DDL rolls back in SQLite."""
        old = self.layout()
        longest = self.shape.max_column_length
        new = old.extended(self._features, self.prefix, WIDTH, longest).widened(
            {(name, f): type for name, found in self._features.items() for f, type in found.items()}
        )
        if new != old:
            self._refuse_foreign(new)
            change(self._db, old, new, self.prefix, self.shape)
            # data_version does not tell of changes by this very connection.
            self._layout = None
        return new

    def _holds(self, entry: Entry) -> bool:
        """Whether another process has written this very batch since this one looked."""
        return self._ours() and ledger.holds(self._db, self._scope(), entry)

    def _replace(self, entry: Entry, pictures: Pictures, scope: Scope) -> None:
        """Deletes the rows of image sets that are there already, if they are the same pictures."""
        there = ledger.batches_of(self._db, scope, entry.loaded)
        if not there:
            return
        old = ImageSets.of(there)
        self._refuse_newer(entry, set(there.values()), old)
        theirs = self.pictures(old)
        found = differences(pictures, theirs)
        if found or not comparable(pictures, theirs):
            number = min(found, default=old.first)
            why = f" ({found[number]})" if found else ", as far as can be told"
            raise CollisionError(
                self.name,
                f"image set {number} of {entry.path} is another picture than the one loaded{why}",
                "load other runs into a destination of their own, or as runs with --table-number",
            )
        for table in self.layout().tables.values():
            for where in between(quoted(IMAGE_NUMBER), old, scope.number):
                self._db.run(f"DELETE FROM {quoted(table.name)} WHERE {where}")
        pairs.delete(self._db, scope, old)
        ledger.forget(self._db, scope, old)

    def _refuse_newer(self, entry: Entry, batches: set[int], old: ImageSets) -> None:
        for batch in batches:
            ((finished, modified),) = self._db.rows(
                "SELECT finished, modified_ns FROM _cpexport_batches WHERE batch_id = ?", batch
            )
            if (finished, modified) > entry.age:
                raise SinkError(
                    self.name,
                    f"another process loaded newer rows of image sets {old} meanwhile",
                    "run cpexport again",
                )

    def _gate(self, loaded: ImageSets, written: Mapping[str, int], scope: Scope) -> None:
        """Refuses to commit unless every table holds just the rows that were given to it."""
        for table, rows in written.items():
            there = sum(
                self._db.rows(f"SELECT count(*) FROM {quoted(table)} WHERE {where}")[0][0]
                for where in between(quoted(IMAGE_NUMBER), loaded, scope.number)
            )
            if there != rows:
                raise SinkError(
                    self.name,
                    f"{table} took {there} of {rows} rows",
                    "report this; nothing of the batch was kept",
                )

    def _ours(self) -> bool:
        return self._db.exists and "_cpexport_columns" in self._db.names()

    def _scope(self) -> Scope:
        """The rows that are meant; asked for anew, as any process may have numbered the run."""
        return Scope(self.prefix, 0 if self.run is None else self.runs().get(self.run, NO_RUN_YET))

    def _check_version(self) -> None:
        """Refuses a database that another cpexport made."""
        if self._ours():
            version = dict(
                self._db.rows("SELECT name, value FROM _cpexport_settings WHERE prefix = ''")
            ).get("schema", schema.VERSION)
            if version != schema.VERSION:
                raise SinkError(self.name, f"made by another cpexport (schema {version})", "use it")

    def _agreed(self, shape: Shape | None, paths: PathMap | None) -> Shape:
        """The shape that the tables have; they are not made anew for another one."""
        has = ledger.shape(self._db, self.prefix) if self._ours() else None
        wanted = (has or Shape()).asked(shape, paths)
        if has in (None, wanted):
            return wanted
        raise SinkError(
            self.name,
            f"was made with {has}, not with {wanted}",
            "leave that out, or choose another destination or --prefix",
        )

    def _refuse_foreign(self, layout: Layout) -> None:
        ours = {table.lower() for table in self.layout().tables}
        wanted = {table.lower() for table in schema.names(layout, self.prefix)}
        if self.shape.layout == VIEW:
            wanted.add(table_of(OBJECT, self.prefix).lower())
        if ours:
            wanted = {table.lower() for table in layout.tables} - ours
        self._refuse_taken(wanted)

    def _refuse_taken(self, names: Iterable[str]) -> None:
        wanted = {name.lower() for name in names}
        for name in self._db.names():
            if name.lower() in wanted:
                raise SinkError(
                    self.name,
                    f"has a table {name} that cpexport did not make",
                    "choose another destination, or a --prefix",
                )
