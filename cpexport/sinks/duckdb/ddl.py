"""Makes the tables of a DuckDB file, and changes them when a later load needs more.

Data tables have no key: DuckDB keeps whole indexes in memory, and loading is a tenth slower with
one. Rows are unique because each batch first deletes those that it replaces.
"""

from functools import partial

import pyarrow as pa
import sqlalchemy as sa

from cpexport.cellprofiler.features import INTEGER, NULL, OBJECT, REAL, TEXT
from cpexport.errors import ChangedError
from cpexport.sinks.duckdb.connection import HERE, Connection
from cpexport.sinks.sql import ledger_schema, ledger_settings, ledger_tables, ledger_upgrade, schema
from cpexport.sinks.sql.database import quoted
from cpexport.sinks.sql.object_view import object_view
from cpexport.sinks.sql.scope import Scope
from cpexport.sinks.sql.type_widening import stored, widened
from cpexport.tables.layout import Layout, Table, table_of
from cpexport.tables.options import VIEW, TableOptions

_TYPES = {INTEGER: "BIGINT", REAL: "DOUBLE", TEXT: "VARCHAR", pa.binary(): "BLOB"}


def change(db: Connection, old: Layout, new: Layout, prefix: str, shape: TableOptions) -> None:
    """Changes a database from one layout to the next, within the open transaction."""
    if "_cpexport_columns" not in db.names():
        _make_own(db)
    if not old.columns:
        kinds, pairs = schema.relationship_tables(prefix, shape.numbered)
        for of_run in (kinds, pairs, schema.experiment_table(prefix, shape.numbered)):
            make_table(db, of_run)
        db.run(schema.relationship_view(prefix, shape.numbered, db.dialect))
        ledger_settings.enter(db, Scope(prefix), "shape", shape.as_json())
    for table in new.tables.values():
        before = old.tables.get(table.name)
        if before is None:
            _create_data(db, table.name, stored(table))
        elif stored(before) != stored(table):
            _extend(db, prefix, before, table)
    make_object_view(db, new, prefix, shape)
    ledger_tables.write_layout(db, prefix, new)


def _types(db: Connection) -> dict[tuple[str, str], tuple[str, str | None]]:
    """The type and the default of each column, in SQL, by table and name; in their order."""
    rows = db.rows(
        "SELECT table_name, column_name, data_type, column_default FROM duckdb_columns() "
        f"WHERE {HERE} ORDER BY table_name, column_index"
    )
    return {(table, column): (type, default) for table, column, type, default in rows}


def check_usable(db: Connection, layout: Layout) -> None:
    """Checks that no column has a type that would change values, as FLOAT rounds them.

    Raises:
        ChangedError: one has; the error has the statement that repairs it.
    """
    types = _types(db)
    for table in layout.tables.values():
        for field in stored(table):
            found, _ = types.get((table.name, field.name), (_TYPES[field.type], None))
            if found != _TYPES[field.type]:
                alter = f"ALTER TABLE {table.name} ALTER COLUMN {quoted(field.name)}"
                problem = f"{table.name}.{field.name} is {found} now, which changes values"
                raise ChangedError(db.name, problem, f"run {alter} TYPE {_TYPES[field.type]}")


def make_object_view(db: Connection, layout: Layout, prefix: str, shape: TableOptions) -> None:
    """Makes or replaces the view of all objects, if the options ask for one."""
    if shape.layout == VIEW and (view := object_view(layout, prefix)):
        db.run(f"DROP VIEW IF EXISTS {quoted(table_of(OBJECT, prefix))}")
        db.run(view.statement)


def make(db: Connection, name: str, rows: pa.Table) -> None:
    """Makes or replaces a table with these rows."""
    fields = [f.with_type(REAL) if f.type == NULL else f for f in rows.schema]
    db.run(f"DROP TABLE IF EXISTS {quoted(name)}")
    _create_data(db, name, pa.schema(fields))
    for batch in rows.cast(pa.schema(fields)).to_batches():
        db.ingest(name, batch)


def _make_own(db: Connection) -> None:
    db.run("CREATE SEQUENCE IF NOT EXISTS _cpexport_batch_ids")
    for table in ledger_schema.own_tables():
        if table is ledger_schema.BATCHES:
            make_table(db, table, "batch_id", "DEFAULT nextval('_cpexport_batch_ids')")
        else:
            make_table(db, table)
    keys = ", ".join(column.name for column in ledger_schema.SETTINGS.primary_key)
    db.run(f"CREATE UNIQUE INDEX _cpexport_settings_key ON _cpexport_settings ({keys})")
    ledger_settings.enter(db, Scope(""), "schema", ledger_schema.VERSION)
    for table in schema.experiment_tables():
        if table.name not in db.names():
            make_table(db, table)
    ledger_upgrade.upgraded(db, partial(make_table, db))


def make_table(db: Connection, table: sa.Table, column: str = "", words: str = "") -> None:
    """Makes a table without its keys. `words` are added to the definition of `column`."""
    listed = ", ".join(
        f"{quoted(c.name)} {_TYPES[_arrow_type(c)]} {words if c.name == column else ''}"
        for c in table.columns
    )
    db.run(f"CREATE TABLE {quoted(table.name)} ({listed})")


def _create_data(db: Connection, name: str, fields: pa.Schema) -> None:
    listed = ", ".join(
        f"{quoted(f.name)} {_TYPES[f.type]}{'' if f.nullable else ' NOT NULL'}" for f in fields
    )
    db.run(f"CREATE TABLE {quoted(name)} ({listed})")


def _arrow_type(column: "sa.Column[object]") -> pa.DataType:
    if isinstance(column.type, sa.Integer):
        return INTEGER
    if isinstance(column.type, sa.Float):
        return REAL
    return pa.binary() if isinstance(column.type, sa.LargeBinary) else TEXT


def _extend(db: Connection, prefix: str, before: Table, after: Table) -> None:
    """Adds columns to the end of a table. If the type of one changes, all rows are copied, and the
    columns and indexes that another program added are kept."""
    had, will = stored(before), stored(after)
    wider = [f.name for f in had if will.field(f.name).type != f.type]
    name = quoted(after.name)
    if not wider:
        for field in will:
            if field.name not in had.names:
                db.run(f"ALTER TABLE {name} ADD COLUMN {quoted(field.name)} {_TYPES[field.type]}")
        return
    listed = ", ".join(map(quoted, (*after.key, *wider)))
    interim = f"_cpexport_new_{after.name}"
    change = widened(db, prefix, before, after)
    rows = db.arrow(f"SELECT {listed} FROM {name}")
    empty = pa.RecordBatch.from_pylist([], rows.schema)
    changed = pa.Table.from_batches([change(batch) for batch in rows.to_batches() or [empty]])
    _create_data(db, interim, will)
    names = list(had.names)
    for (table, column), (type, default) in _types(db).items():
        if table == after.name and column not in had.names:
            end = f" DEFAULT {default}" if default else ""
            db.run(f"ALTER TABLE {quoted(interim)} ADD COLUMN {quoted(column)} {type}{end}")
            names.append(column)
    kept = db.rows(
        "SELECT sql FROM duckdb_indexes() WHERE table_name = ? AND sql IS NOT NULL "
        "AND schema_name = current_schema() AND database_name = current_database()",
        after.name,
    )
    values = ", ".join(f"{'n' if c in wider else 'o'}.{quoted(c)}" for c in names)
    with db.named(changed) as new:
        db.run(
            f"INSERT INTO {quoted(interim)} ({', '.join(map(quoted, names))}) SELECT {values} "
            f"FROM {name} o JOIN {new} n USING ({', '.join(map(quoted, after.key))})"
        )
    db.run(f"DROP TABLE {name}")
    db.run(f"ALTER TABLE {quoted(interim)} RENAME TO {name}")
    for (statement,) in kept:
        db.run(statement)
