"""What destinations of SQL have in common: rows, ledger and checks in one transaction a batch."""

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Self

import pyarrow as pa
import sqlalchemy as sa

from cpexport.errors import SinkError
from cpexport.features import EXPERIMENT, IMAGE, IMAGE_NUMBER, OBJECT, RELATIONSHIP
from cpexport.imagesets import ImageSets
from cpexport.ledger import Entry, Ledger
from cpexport.paths import PathMap
from cpexport.pictures import Pictures
from cpexport.room import Room
from cpexport.shape import VIEW, Shape
from cpexport.sinks import Allow, There, Write, objectview, schema, sqlcurrent
from cpexport.sinks import sqlexperiment as experiment
from cpexport.sinks import sqlledger as ledger
from cpexport.sinks import sqlpairs as pairs
from cpexport.sinks.fitting import Fitting
from cpexport.sinks.replacing import count, delete, renumber, replaced
from cpexport.sinks.scope import NO_RUN_YET, Scope
from cpexport.sinks.sql import Database, quoted
from cpexport.sinks.sqlbatch import BatchWriter, Gate, naming
from cpexport.sinks.sqlread import broken, read, there
from cpexport.sinks.tablenames import refuse_names
from cpexport.tables import Features, Layout, table_of


class SqlSink(ABC):
    """A database. Subclasses know how its tables are made, and when that can be taken back."""

    infinite = False
    has_views = True

    def __init__(
        self,
        database: Database,
        prefix: str,
        shape: Shape | None,
        run: str | None,
        paths: PathMap | None,
    ) -> None:
        self._db = database
        self.name, self.prefix, self.run = database.name, prefix, run
        self._features: Features = {}
        self._layout: tuple[object, Layout] | None = None
        self._becoming: tuple[Layout, Layout] | None = None
        self._fitting = Fitting()
        try:
            if self._ours():
                ledger.check_version(self._db)
                has = ledger.shape_of(self._db, prefix)
                if shape is not None and has is not None and has.numbered:
                    # OUTPUTS are runs there without the option too.
                    shape = replace(shape, numbered=True)
            self.shape = self._agreed(shape, paths)
            if self._db.exists:
                self._refuse_foreign(Layout().extended({IMAGE: {}}, self.prefix))
        except BaseException:
            self._db.close()
            raise

    @abstractmethod
    def alone(self) -> AbstractContextManager[None]:
        """See `Sink.alone`."""

    @abstractmethod
    def _begun(self, entry: Entry) -> AbstractContextManager[None]:
        """The transaction of a batch."""

    @abstractmethod
    def _fitted(self, entry: Entry) -> Layout:
        """The layout that has room for what was prepared, within the transaction of a batch."""

    @abstractmethod
    def _views(self) -> Iterable[str]:
        """The names of the views that its layout has."""

    @abstractmethod
    def _make_object_view(self) -> None:
        """Makes the view of all objects anew, and the indexes that it needs."""

    @property
    @abstractmethod
    def _room(self) -> Room:
        """What a table can hold."""

    @abstractmethod
    def _version(self) -> object:
        """What changes whenever the layout does."""

    @property
    @abstractmethod
    def notes(self) -> tuple[str, ...]:
        """What people should know of its tables."""

    @abstractmethod
    def address(self, folder: Path | None) -> Mapping[str, str]:
        """See `Sink.address`."""

    @abstractmethod
    def _make(self, table: sa.Table, rows: pa.Table) -> None:
        """Makes a table, in place of one of ours if there is one, with these rows."""

    @abstractmethod
    def _make_ledger_table(self, table: sa.Table) -> None:
        """Makes one of the ledger's tables, within `alone`."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._db.close()

    def ledger(self) -> Ledger:
        return ledger.read(self._db, self._scope()) if self._ours() else Ledger()

    def runs(self) -> Mapping[str, int]:
        return ledger.runs(self._db, self.prefix) if self._ours() else {}

    def pictures(self, image_sets: ImageSets) -> Pictures:
        return ledger.pictures(self._db, self._scope(), image_sets) if self._ours() else Pictures()

    def layout(self) -> Layout:
        if not self._ours():
            return Layout(numbered=self.shape.numbered)
        version = self._version()
        if self._layout is None or self._layout[0] != version:
            self._layout = version, ledger.layout(self._db, self.prefix, self.shape.numbered)
        return self._layout[1]

    def tables(self) -> Mapping[str, There]:
        names = schema.names(self.layout(), self.prefix)
        return there(self._db, self._scope(), names) if self._ours() else {}

    def prepare(self, features: Features) -> None:
        self._features, self._becoming = features, None

    @contextmanager
    def batch(
        self, entry: Entry, pictures: Pictures, allow: Allow = lambda held: None
    ) -> Iterator[Write | None]:
        with self._begun(entry):
            # Another process may have made the tables since this one looked.
            now = self._agreed(self.shape, self.shape.paths)
            if now.numbered != self.shape.numbered:
                said = "with" if now.numbered else "without"
                problem = f"another load has just made it {said} --table-number"
                raise SinkError(self.name, problem, f"run it again, {said} --table-number")
            if self._holds(entry):
                yield None
                return
            layout = self._fitted(entry)
            scope = self._scope()
            if self.run is not None and scope.number == NO_RUN_YET:
                scope = Scope(self.prefix, ledger.enter_run(self._db, self.prefix, self.run))
            owners = ledger.batches_of(self._db, scope, entry.loaded)
            if owners:
                allow(replaced(self._db, scope, entry))
                old = ImageSets.of(owners)
                self._delete(scope, old)
                ledger.forget(self._db, scope, old)
            # Before the rows: of two that bring the same, one has to wait here for the other.
            ledger.write(self._db, scope, entry, pictures)
            sqlcurrent.write(self._db, scope, entry, owners)
            experiment.keep_measured(self._db, scope, {})
            # An aggregate can be infinite where no value is.
            infinite = bool(self.shape.aggregate) or any(c.infinite for c in entry.counts.values())
            gate, finite = Gate(self.name, entry), infinite and not self.infinite
            taken = (self._db, scope, layout, entry, self._fitting, self._append, gate, finite)
            try:
                yield BatchWriter(*taken)
            except BaseException:
                self._layout = None
                raise
            gate.check(
                [*layout.tables, table_of(RELATIONSHIP, self.prefix)],
                lambda table: self._count(table, scope, entry.loaded),
            )
            gate.check_ledger(self._db, scope)

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
        if object_name == OBJECT and self.shape.layout == VIEW:
            return objectview.read(self._db, self.layout(), self._scope(), features, image_sets)
        return read(self._db, self.layout(), self._scope(), object_name, features, image_sets)

    @property
    def reshaped(self) -> bool:
        return self._ours() and ledger.differs(self._db, self.prefix, self.shape)

    def reshape(self) -> None:
        ledger.reshape(self._db, self.prefix, self.shape)

    def settings(self) -> dict[str, str]:
        return ledger.settings(self._db, self._scope()) if self._ours() else {}

    def noted(self, name: str) -> Mapping[str, str]:
        return ledger.noted(self._db, self.prefix, name) if self._ours() else {}

    def renumber(self, columns: Mapping[str, pa.Array]) -> None:
        renumber(self._db, self.layout(), self._scope(), columns)

    def describe(self, properties: Mapping[str, Mapping[str, str]], modified: str) -> None:
        name = self.run or self.prefix.rstrip("_") or self._db.title
        experiment.describe(self._db, self._scope(), name, properties, modified)

    def described(self) -> Mapping[str, Mapping[str, str]] | None:
        return experiment.described(self._db, self._scope())

    def upgrade(self) -> None:
        if self._ours() and not sqlcurrent.complete(self._db):
            with self.alone():
                sqlcurrent.upgraded(self._db, self._make_ledger_table)

    def measured(self) -> Mapping[str, float]:
        return experiment.measured(self._db, self._scope())

    def keep_measured(self, values: Mapping[str, float]) -> None:
        experiment.keep_measured(self._db, self._scope(), values)

    def broken_views(self) -> Mapping[str, str]:
        found = broken(self._db, self._views())
        if not found and self._has_object_view():
            found |= objectview.untrue(self._db, self.layout(), self.prefix)
        return found

    def renew_views(self) -> None:
        if self._has_object_view() and ledger.view(self._db, self.prefix) != objectview.FORM:
            with self.alone():
                self._make_object_view()
                self._note_view()

    def replaced(self, table: str, columns: Sequence[str]) -> list[tuple[object, ...]]:
        if self._db.spelled(table) not in self._db.names():
            raise SinkError(self.name, "is not there", "run cpexport load")
        listed = ", ".join(map(quoted, columns))
        return self._db.rows(f"SELECT {listed} FROM {quoted(table)}")

    def replace(self, table: sa.Table, rows: pa.Table) -> None:
        made = ledger.made(self._db, self.prefix)
        if table.name not in made:
            self._refuse_taken({table.name})
        self._make(table, rows)
        ledger.note(self._db, Scope(self.prefix), {"made": json.dumps(sorted(made | {table.name}))})

    def withdraw(self, entry: Entry) -> None:
        scope = self._scope()
        self._delete(scope, entry.loaded)
        ledger.forget(self._db, scope, entry.loaded)
        ledger.strike(self._db, scope, entry)

    def prefixes(self) -> frozenset[str]:
        if not self._ours():
            return frozenset()
        found = self._db.rows("SELECT DISTINCT prefix FROM _cpexport_columns")
        return frozenset(prefix for (prefix,) in found)

    def show(self, name: str, statement: str | None) -> bool:
        shown = ledger.shown(self._db)
        there = {known.lower() for known in self._names()}
        if name.lower() in there and name not in shown:
            return statement is None
        self._db.run(f"DROP VIEW IF EXISTS {quoted(name)}")
        if statement is not None:
            self._db.run(statement)
            ledger.note(self._db, Scope(""), {"views": json.dumps(sorted(shown | {name}))})
        return True

    def note(self, settings: Mapping[str, str]) -> None:
        ledger.note(self._db, self._scope(), settings)

    def _append(self, table: str, names: Sequence[str], blocks: Iterable[pa.RecordBatch]) -> None:
        """Appends rows of a batch to a table: blocks of columns with these names there."""
        self._db.ingest(table, pa.concat_batches(list(blocks)).rename_columns(names))

    def _delete(self, scope: Scope, image_sets: ImageSets) -> None:
        """Deletes the rows of image sets, and their pairs."""
        delete(self._db, self.layout(), scope, image_sets)

    def _count(self, table: str, scope: Scope, image_sets: ImageSets) -> int:
        """How many rows a table has of the image sets of a batch that was written."""
        pairs = table == table_of(RELATIONSHIP, self.prefix)
        return count(self._db, table, "image_number1" if pairs else IMAGE_NUMBER, scope, image_sets)

    def _names(self) -> Iterable[str]:
        """The names of all tables that there are, whoever made them."""
        return self._db.names()

    def becoming(self) -> Layout:
        return self._extended()[1]

    def _made_to_fit(self, entry: Entry, change: Callable[[Layout, Layout], None]) -> Layout:
        """`_fitted`, where tables can be changed within the transaction of a batch."""
        old, new = self._extended()
        with naming(self.name, old):
            if new != old:
                self._refuse_foreign(new)
                change(old, new)
                if self.shape.layout == VIEW:
                    self._note_view()
                # A version need not tell of changes by this very connection.
                self._layout = None
        return new

    def _extended(self) -> tuple[Layout, Layout]:
        """The layout that there is, and the one that has room for what was prepared."""
        old = self.layout()
        if self._becoming and self._becoming[0] is old:
            return self._becoming
        new = old.extended(self._features, self.prefix, self._room, self.shape.max_column_length)
        if new != old:
            refuse_names(self.name, new, self.prefix, self.shape)
        self._becoming = old, new.widened(self._features)
        return self._becoming

    def _has_object_view(self) -> bool:
        return self.shape.layout == VIEW and table_of(OBJECT, self.prefix) in self._views()

    def _note_view(self) -> None:
        ledger.note(self._db, Scope(self.prefix), {"view": objectview.FORM})

    def _holds(self, entry: Entry) -> bool:
        """Whether another process has written this very batch since this one looked."""
        return self._ours() and ledger.holds(self._db, self._scope(), entry)

    def _ours(self) -> bool:
        return self._db.exists and "_cpexport_columns" in self._db.names()

    def _scope(self) -> Scope:
        """The rows that are meant; asked for anew, as any process may have numbered the run."""
        return Scope(self.prefix, 0 if self.run is None else self.runs().get(self.run, NO_RUN_YET))

    def _agreed(self, shape: Shape | None, paths: PathMap | None) -> Shape:
        """The shape that the tables have, or are to have."""
        if not self._ours():
            return Shape().asked(shape, paths)
        return ledger.agreed(self._db, self.prefix, shape, paths)

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
        for name in self._names():
            if name.lower() in wanted:
                raise SinkError(
                    self.name,
                    f"has a table {name} that cpexport did not make",
                    "choose another destination, or a --prefix",
                )
