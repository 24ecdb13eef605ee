"""Makes the tables of a SQLite file, and changes them when a later load needs more."""

import json
import logging
from collections.abc import Iterable
from functools import partial

import pyarrow as pa
import sqlalchemy as sa

from cpexport.cellprofiler.features import (
    IMAGE,
    IMAGE_NUMBER,
    INTEGER,
    OBJECT,
    REAL,
    RELATIONSHIP,
    TABLE_NUMBER,
    TEXT,
)
from cpexport.cellprofiler.image_identity import identifies_images
from cpexport.errors import ChangedError, WidthError
from cpexport.sinks.sql import (
    ledger_schema,
    ledger_settings,
    ledger_tables,
    ledger_upgrade,
    pycytominer_views,
    schema,
)
from cpexport.sinks.sql.database import literal, quoted
from cpexport.sinks.sql.indexes import NAME_TAKEN, TableIndex, missing
from cpexport.sinks.sql.object_view import object_view
from cpexport.sinks.sql.scope import Scope
from cpexport.sinks.sqlite import CAPABILITIES
from cpexport.sinks.sqlite.connection import DIALECT, Connection
from cpexport.tables.casts import as_text
from cpexport.tables.layout import Column, Layout, Table, table_of
from cpexport.tables.options import VIEW, TableOptions

_log = logging.getLogger(__name__)
_WIDTH = CAPABILITIES.max_columns


def change(db: Connection, old: Layout, new: Layout, prefix: str, shape: TableOptions) -> None:
    """Changes a database from one layout to the next, within the open transaction.

    New columns go to the end of their tables. SQLite cannot change a column's type, so a table with
    a wider type is rebuilt: rows, indexes, and what other programs added are copied. Numbers that
    become text read as `tables.casts.align` writes them. A new part of a table gets the keys of the
    other parts.
    Without a prefix, there are also views for pycytominer, if their names are free.
    """
    if not prefix:
        _drop_views(db)
    make_own(db)
    for joined in ledger_settings.views(db):
        # The view's tables may be rebuilt; the end of the load makes the view again.
        db.run(f"DROP VIEW IF EXISTS {quoted(joined)}")
    if not old.columns:
        for relationships in schema.relationship_tables(prefix, shape.numbered):
            _run_all(db, schema.create(relationships, DIALECT))
        db.run(schema.relationship_view(prefix, shape.numbered, DIALECT))
        make_of_run(db, prefix, shape)
    if shape.layout == VIEW:
        # SQLite renames no table while a view refers to a missing one.
        _drop_object_view(db, prefix)
    for table in new.tables.values():
        before = old.tables.get(table.name)
        if before is None:
            _run_all(db, schema.create(schema.data_table(table), DIALECT))
            _copy_keys(db, old.parts(table.object), table)
        else:
            _extend(db, before, table, prefix)
    make_object_view(db, new, prefix, shape)
    if not prefix:
        _make_views(db, new)
    ledger_tables.write_layout(db, prefix, new)


def make_object_view(db: Connection, layout: Layout, prefix: str, shape: TableOptions) -> None:
    """Makes or replaces the view of all objects, if the options ask for one and it is not too
    wide."""
    if shape.layout == VIEW and (view := object_view(layout, prefix)) and view.width <= _WIDTH:
        _drop_object_view(db, prefix)
        make_indexes(db, missing(view.indexes, indexes(db)))
        db.run(view.statement)


def indexes(db: Connection) -> dict[str, list[tuple[str, ...]]]:
    """The columns of all indexes, by table."""
    found: dict[str, list[tuple[str, ...]]] = {}
    for table, columns in db.rows(
        "SELECT tbl_name, (SELECT json_group_array(i.name) FROM pragma_index_info(m.name) i) "
        "FROM sqlite_master m WHERE type = 'index'"
    ):
        found.setdefault(table, []).append(tuple(json.loads(columns)))
    return found


def make_indexes(db: Connection, wanted: Iterable[TableIndex]) -> None:
    """Makes indexes, except those whose names something else has, within the open transaction."""
    taken = {name for (name,) in db.rows("SELECT lower(name) FROM sqlite_master")}
    for index in wanted:
        if index.name.lower() in taken:
            _log.warning(NAME_TAKEN, index.table, ", ".join(index.columns), index.name)
        else:
            db.run(index.statement())


def make_own(db: Connection) -> None:
    """Makes the ledger's tables, if they do not exist."""
    if not any(name.startswith("_cpexport_") for name in db.names()):
        for own in ledger_schema.own_tables():
            make_ledger_table(db, own)
        ledger_settings.enter(db, Scope(""), "schema", ledger_schema.VERSION)
        ledger_upgrade.upgraded(db, partial(make_ledger_table, db))


def make_ledger_table(db: Connection, table: sa.Table) -> None:
    """Makes one of the ledger's tables."""
    _run_all(db, schema.create(table, DIALECT))


def make_of_run(db: Connection, prefix: str, shape: TableOptions) -> None:
    """Makes the table Per_Experiment, and stores the options of all tables."""
    _run_all(db, schema.create(schema.experiment_table(prefix, shape.numbered), DIALECT))
    ledger_settings.enter(db, Scope(prefix), "shape", shape.as_json())


def views_of(db: Connection, layout: Layout, prefix: str, shape: TableOptions) -> list[str]:
    """The names of the views that a database must have, without those whose names other tables or
    views have."""
    views = [f"{prefix}Per_{RELATIONSHIP}sView"]
    if shape.layout == VIEW and (view := object_view(layout, prefix)) and view.width <= _WIDTH:
        views.append(table_of(OBJECT, prefix))
    if not prefix:
        rows = db.rows("SELECT lower(name), sql FROM sqlite_master WHERE type <> 'trigger'")
        others = {name for name, sql in rows if not pycytominer_views.made_here(sql or "")}
        views += [
            n
            for n in pycytominer_views.statements(layout, DIALECT, _WIDTH)
            if n.lower() not in others
        ]
    return views


def make(db: Connection, table: sa.Table, rows: pa.Table) -> None:
    """Makes a table with these rows, columns by name."""
    _run_all(db, schema.create(table, DIALECT))
    for batch in rows.to_batches():
        db.ingest(table.name, batch)


def _run_all(db: Connection, statements: list[str]) -> None:
    for statement in statements:
        db.run(statement)


def _drop_object_view(db: Connection, prefix: str) -> None:
    db.run(f"DROP VIEW IF EXISTS {quoted(table_of(OBJECT, prefix))}")


def _drop_views(db: Connection) -> None:
    for name, sql in db.rows("SELECT name, sql FROM sqlite_master WHERE type = 'view'"):
        if pycytominer_views.made_here(sql):
            db.run(f"DROP VIEW {quoted(name)}")


def _make_views(db: Connection, layout: Layout) -> None:
    # A view cannot have the name of an index either; only triggers have names apart.
    names = db.rows("SELECT lower(name) FROM sqlite_master WHERE type <> 'trigger'")
    taken = {name for (name,) in names}
    for name, statement in pycytominer_views.statements(layout, DIALECT, _WIDTH).items():
        if name.lower() not in taken:
            db.run(statement)
            taken.add(name.lower())


def _extend(db: Connection, before: Table, table: Table, prefix: str) -> None:
    had = {column.name: column for column in before.columns}
    target = schema.data_table(table)
    if any(c.name in had and _differ(had[c.name].type, c.type) for c in table.columns):
        _rebuild(db, before, table, prefix)
        return
    for column in table.columns:
        if column.name not in had:
            db.run(schema.add_column(target, column.name, DIALECT))


def _differ(one: pa.DataType, other: pa.DataType) -> bool:
    return schema.sql_type(one).__class__ is not schema.sql_type(other).__class__


def _rebuild(db: Connection, before: Table, table: Table, prefix: str) -> None:
    interim = f"_cpexport_new_{table.name}"
    _run_all(db, schema.create(schema.data_table(table, interim), DIALECT))
    had = {column.name: column for column in before.columns}
    names, sources = list(table.key), [quoted(key) for key in table.key]
    for column in table.columns:
        if column.name in had:
            names.append(column.name)
            becomes_text = column.type == TEXT and had[column.name].type != TEXT
            source = quoted(column.name)
            if column.type == REAL and had[column.name].type == INTEGER:
                _check_integers(db, table.name, column.name)
            if becomes_text:
                source = _as_text(db, prefix, had[column.name], TABLE_NUMBER in table.key)
            sources.append(source)
    for name, definition in _of_others(db, table):
        db.run(f"ALTER TABLE {quoted(interim)} ADD COLUMN {quoted(name)} {definition}")
        names.append(name)
        sources.append(quoted(name))
    kept = db.rows(
        "SELECT sql FROM sqlite_master WHERE tbl_name = ? AND type IN ('index', 'trigger') "
        "AND sql IS NOT NULL",
        table.name,
    )
    columns = ", ".join(quoted(name) for name in names)
    db.run(
        f"INSERT INTO {quoted(interim)} ({columns}) "
        f"SELECT {', '.join(sources)} FROM {quoted(table.name)}"
    )
    db.run(f"DROP TABLE {quoted(table.name)}")
    db.run(f"ALTER TABLE {quoted(interim)} RENAME TO {quoted(table.name)}")
    for (statement,) in kept:
        db.run(statement)
    db.run("DROP TABLE IF EXISTS temp._texts")


def _of_others(db: Connection, table: Table) -> list[tuple[str, str]]:
    """The columns of a table that another program added, with their definitions.

    Raises:
        ChangedError: one is computed, or refers to another table; SQLite does not tell how.
    """
    lost = f"a new table {table.name} must replace the old one, which"
    for (name,) in db.rows('SELECT "from" FROM pragma_foreign_key_list(?)', table.name):
        problem = f"{lost} has a foreign key in {name}"
        raise ChangedError(db.name, problem, "make that column again without it")
    ours = {name.lower() for name in (*table.key, *(column.name for column in table.columns))}
    found = []
    for name, type, required, default, hidden in db.rows(
        'SELECT name, type, "notnull", dflt_value, hidden FROM pragma_table_xinfo(?)', table.name
    ):
        if hidden:
            drop = f"ALTER TABLE {quoted(table.name)} DROP COLUMN {quoted(name)}"
            advice = f"run {drop}, and add it again after the load"
            raise ChangedError(db.name, f"{lost} computes {name}", advice)
        if name.lower() not in ours:
            words = [type, "NOT NULL" * required, f"DEFAULT ({default})" if default else ""]
            found.append((name, " ".join(words)))
    return found


def _check_integers(db: Connection, table: str, column: str) -> None:
    name = quoted(column)
    ((too_large,),) = db.rows(f"SELECT count(*) FROM {quoted(table)} WHERE abs({name}) > 1 << 53")
    if too_large:
        raise WidthError(column)


def _as_text(db: Connection, prefix: str, column_before: Column, numbered: bool) -> str:
    """A SQL expression for a column of numbers as text. Metadata is as the jobs wrote it, which the
    ledger knows; other numbers get the shortest text that reads back exactly."""
    table, column = quoted(column_before.table), quoted(column_before.name)
    rows = db.arrow(f"SELECT DISTINCT {column} AS v FROM {table} WHERE typeof({column}) = 'real'")
    numbers = rows["v"].combine_chunks().cast(REAL)
    db.run("CREATE TEMP TABLE IF NOT EXISTS _texts (value REAL PRIMARY KEY, text TEXT)")
    db.run_many(
        "INSERT OR IGNORE INTO temp._texts VALUES (?, ?)",
        pa.record_batch([numbers, as_text(numbers)], names=["value", "text"]),
    )
    look_up = f"SELECT text FROM temp._texts WHERE value = {table}.{column}"
    number = f"iif(typeof({column}) = 'real', ({look_up}), CAST({column} AS TEXT))"
    if column_before.object != IMAGE or not identifies_images(column_before.feature):
        return number
    run = f"{table}.{TABLE_NUMBER}" if numbered else "0"
    written = (
        f"SELECT json_extract(identity, {literal(f'$.{json.dumps(column_before.feature)}')}) "
        f"FROM _cpexport_sets s WHERE s.prefix = {literal(prefix)} AND s.table_number = {run} "
        f"AND s.number = {table}.{quoted(IMAGE_NUMBER)}"
    )
    return f"coalesce(({written}), {number})"


def _copy_keys(db: Connection, parts: tuple[Table, ...], table: Table) -> None:
    if not parts:
        return
    keys = ", ".join(quoted(key) for key in table.key)
    db.run(f"INSERT INTO {quoted(table.name)} ({keys}) SELECT {keys} FROM {quoted(parts[0].name)}")
