"""The tables of relationships and runs in a Parquet folder, and the state of all tables.

Pairs of objects have files like other tables. Kinds of relationships and the tables of runs have
few rows: they are in the ledger's SQLite file, and each is written to a Parquet file when it
changes.
"""

import hashlib
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa
from pyarrow import parquet

from cpexport.cellprofiler.experiment import EXPERIMENTS
from cpexport.cellprofiler.features import INTEGER, REAL, TABLE_NUMBER, TEXT
from cpexport.errors import ChangedError
from cpexport.imagesets import ImageSets
from cpexport.sinks.base import TableState
from cpexport.sinks.parquet.dataset import Folder
from cpexport.sinks.parquet.reader import TableScan, stream
from cpexport.sinks.sql import schema
from cpexport.sinks.sql.database import Database, quoted
from cpexport.sinks.sql.experiment_tables import measured_in
from cpexport.sinks.sql.scope import Scope
from cpexport.tables.layout import RELATIONSHIPS, Layout

PAIRS: Final = ["image_number1", "image_number2"]
"""The columns with the image sets of a pair."""
_KIND: Final = "relationship_type_id"
_ENDS: Final = ("image_number1", "object_number1", "image_number2", "object_number2")


def pairs_schema(layout: Layout) -> pa.Schema:
    """The columns of the table of pairs."""
    return pa.schema([(n, INTEGER) for n in (*layout.image_key[:-1], _KIND, *_ENDS)])


def publish(folder: Folder, db: Database, prefix: str, numbered: bool) -> None:
    """Writes the small tables that have changed to Parquet."""
    for table in _small_tables(prefix, numbered, tuple(measured_in(db, prefix).values())):
        if table.name not in db.names():
            continue
        names = [column.name for column in table.columns]
        listed = ", ".join(map(quoted, names))
        order = ", ".join(str(place + 1) for place in range(min(3, len(names))))
        rows = db.rows(f"SELECT {listed} FROM {quoted(table.name)} ORDER BY {order}")
        digest = hashlib.sha256(repr(rows).encode("utf-8", "replace")).hexdigest()[:16]
        files = folder.files(table.name)
        if [file.name for file in files] == [f"{digest}.parquet"]:
            continue
        for file in files:
            folder.drop(file)
        fields = pa.schema([(column.name, _arrow_type(column.type)) for column in table.columns])
        writer = folder.stage(table.name, fields, name=digest)
        records = [dict(zip(names, row, strict=True)) for row in rows]
        writer.write(pa.RecordBatch.from_pylist(records, fields))
        folder.enter(table.name, writer)


@cache
def _small_tables(prefix: str, numbered: bool, measured: tuple[str, ...]) -> tuple[sa.Table, ...]:
    kinds, _ = schema.relationship_tables(prefix, numbered)
    return kinds, schema.experiment_table(prefix, numbered, measured), *schema.experiment_tables()


def pairs(
    folder: Folder, layout: Layout, scope: Scope, image_sets: ImageSets | None
) -> Iterator[pa.RecordBatch]:
    """The pairs whose first object is in one of these image sets, with the columns of
    `layout.RELATIONSHIPS`."""
    runs = layout.image_key[:-1]
    first, last = _ENDS[:2], _ENDS[2:]
    columns = (*runs, *first, _KIND, *last)
    query = TableScan(
        f"{scope.prefix}Per_Relationships",
        columns,
        (INTEGER,) * len(columns),
        columns,
        first[0],
        scope.number,
    )
    kinds = whole(folder, f"{scope.prefix}Per_RelationshipTypes")
    for rows in stream(folder, query, image_sets):
        kind = pc.index_in(rows[_KIND], kinds[_KIND].combine_chunks())
        spelled = [kinds[name].combine_chunks().take(kind) for name in RELATIONSHIPS.names[:4]]
        arrays = [*(rows[name] for name in runs), *spelled, *(rows[name] for name in _ENDS)]
        relationships = pa.RecordBatch.from_arrays(arrays, names=[*runs, *RELATIONSHIPS.names])
        yield relationships.filter(kind.is_valid()) if kind.null_count else relationships


def of_run(folder: Folder, scope: Scope) -> Iterator[pa.RecordBatch]:
    """The run's row of Per_Experiment, with the columns of `EXPERIMENTS`."""
    rows = whole(folder, f"{scope.prefix}Per_Experiment")
    if scope.number:
        rows = rows.filter(pc.equal(rows[TABLE_NUMBER], scope.number))
    try:
        rows = rows.select(EXPERIMENTS.names).cast(EXPERIMENTS)
    except (KeyError, pa.ArrowException) as error:
        problem = f"{scope.prefix}Per_Experiment was changed by another program: {error}"
        raise ChangedError(
            folder.name, problem, "load its outputs into a new destination"
        ) from error
    yield from rows.to_batches() or [pa.RecordBatch.from_pylist([], EXPERIMENTS)]


def table_states(folder: Folder, scope: Scope, names: Iterable[str]) -> dict[str, TableState]:
    """The tables among `names` that readers find; see `Sink.tables`. The view of relationships
    counts as present if its tables are."""
    states = {name: _state(folder, scope, name) for name in names if folder.has(name)}
    present = {name: table for name, table in states.items() if table is not None}
    if {f"{scope.prefix}Per_Relationship{end}" for end in ("s", "Types")} <= present.keys():
        present[f"{scope.prefix}Per_RelationshipsView"] = TableState((), 0)
    return present


def _state(folder: Folder, scope: Scope, name: str) -> TableState | None:
    columns: list[str] | None = None
    rows = 0
    for path in folder.seen(name):
        try:
            with parquet.ParquetFile(path) as opened:
                own = opened.schema_arrow.names
                columns = own if columns is None else [c for c in columns if c in own]
                if scope.number and TABLE_NUMBER in own:
                    runs = opened.read([TABLE_NUMBER])[TABLE_NUMBER]
                    rows += pc.sum(pc.equal(runs, scope.number)).as_py() or 0
                else:
                    rows += opened.metadata.num_rows
        except (pa.ArrowException, OSError) as error:
            problem = f"{name}/{path.name} cannot be read: {error}"
            raise ChangedError(
                folder.name,
                problem,
                "run the command again, or load the outputs into a new destination",
            ) from error
    return None if columns is None else TableState(tuple(columns), rows)


def whole(folder: Folder, table: str) -> pa.Table:
    """Reads a small table, which has one file."""
    (file,) = folder.files(table)
    with folder.open(file) as opened, folder.unchanged(file):
        return opened.read()


def _arrow_type(type: sa.types.TypeEngine[object]) -> pa.DataType:
    if isinstance(type, sa.Integer):
        return INTEGER
    if isinstance(type, sa.Float):
        return REAL
    return pa.binary() if isinstance(type, sa.LargeBinary) else TEXT
