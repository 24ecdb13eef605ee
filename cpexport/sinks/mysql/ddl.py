"""Makes the tables of a MySQL or MariaDB database, and changes them when a later load needs more.

DDL commits at once on these servers, so a change can be cut off anywhere. Every step looks at what
exists, and does only what is missing: a change that is begun again ends in the same way.
"""

import logging
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from functools import partial

import sqlalchemy as sa

from cpexport.cellprofiler.features import (
    INTEGER,
    NULL,
    REAL,
    TEXT,
)
from cpexport.errors import SinkError, WidthError
from cpexport.sinks.mysql import column_types, dialect, table_tuning, views
from cpexport.sinks.mysql.copies import check_copied
from cpexport.sinks.mysql.database import MysqlDatabase
from cpexport.sinks.mysql.numbers_as_text import TEXTS, texts_table, written_as_text
from cpexport.sinks.sql import indexes, ledger_schema, ledger_upgrade, schema
from cpexport.sinks.sql.database import quoted
from cpexport.sinks.table_names import check_new_columns
from cpexport.tables.layout import Column, Layout, Table
from cpexport.tables.options import TableOptions

_log = logging.getLogger(__name__)
_NEW, _OLD = "_cpexport_new_", "_cpexport_old_"


def make_own(db: MysqlDatabase) -> None:
    """Makes the ledger's tables, if they do not exist. The one that other processes look for comes
    last, once all others and the row that they lock exist."""
    *rest, last = sorted(
        ledger_schema.own_tables(), key=lambda table: table is ledger_schema.COLUMNS
    )
    for own in rest:
        make(db, own)
    sql = (
        f"INSERT IGNORE INTO _cpexport_settings VALUES ('', 0, 'schema', '{ledger_schema.VERSION}')"
    )
    db.run(sql)
    ledger_upgrade.upgraded(db, partial(make, db))
    make(db, last)


def check_changes(db: MysqlDatabase, old: Layout, new: Layout) -> None:
    """Checks, before anything is changed, that nothing gets lost: columns of others with the name
    of a new one, digits of integers that become real numbers, and what a copy of a table lacks.

    Raises:
        ChangedError: an administrator must change something first; the error says what.
        WidthError: a column has an integer that a real number cannot hold.
    """
    columns = db.columns() if old.columns else {}
    existing = {table: columns.get(db.spelled(table), ()) for table in old.tables}
    check_new_columns(db.name, old, new, existing)
    becomes = {(column.object, column.feature): column.type for column in new.columns}
    copied = set()
    for column in old.columns:
        after = becomes[column.object, column.feature]
        if after == TEXT and column.type != TEXT:
            copied.add(column.table)
        if column.type == INTEGER and after == REAL:
            table, name = quoted(column.table), quoted(column.name)
            most = 1 << 53
            ((too_large,),) = db.rows(f"SELECT count(*) FROM {table} WHERE abs({name}) > {most}")
            if too_large:
                raise WidthError(column.name)
    for copy in sorted(copied):
        check_copied(db, copy)


def as_made(db: MysqlDatabase, layout: Layout) -> Layout:
    """The columns of a layout that exist, with the types that they have: those that a change, which
    runs or was cut off, has not made yet are left out."""
    types = {table: column_types.of_table(db, table) for table in layout.tables}
    columns = []
    for column in layout.columns:
        existing = types[column.table].get(column.name)
        if existing is not None and column.type == NULL:
            columns.append(column)
        elif existing is not None:
            columns.append(replace(column, type=column_types.kind_of(existing)))
    return replace(layout, columns=tuple(columns))


def change(db: MysqlDatabase, layout: Layout, prefix: str, shape: TableOptions) -> None:
    """Makes or changes tables, columns and types to match the layout, whatever exists.

    Types only get wider; numbers that become text read as `tables.casts.align` writes them. A new
    part of a table gets the keys of the other parts.
    """
    # Tables that a change left when it was cut off.
    for name in sorted(name for name in db.names() if name.startswith((_NEW, _OLD, TEXTS))):
        db.run(f"DROP TABLE {quoted(name)}")
    for of_run in (
        *schema.relationship_tables(prefix, shape.numbered),
        schema.experiment_table(prefix, shape.numbered),
    ):
        make(db, of_run)
    for table in layout.tables.values():
        existing = column_types.of_table(db, table.name)
        if existing:
            _extend(db, table, existing, prefix)
        else:
            make(db, schema.data_table(table))
        first = layout.parts(table.object)[0]
        if table is not first:
            keys = ", ".join(quoted(key) for key in table.key)
            db.run(
                f"INSERT IGNORE INTO {quoted(table.name)} ({keys}) "
                f"SELECT {keys} FROM {quoted(first.name)}"
            )
    make_views(db, layout, prefix, shape)


def make_views(db: MysqlDatabase, layout: Layout, prefix: str, shape: TableOptions) -> None:
    """Makes or replaces all views, and makes the indexes that they need and lack."""
    for index in indexes.missing(
        views.indexes(layout, prefix, shape), table_tuning.indexes(db, layout)
    ):
        db.run(index.statement())
    for statement in views.statements(layout, prefix, shape).values():
        db.run(statement)


def lengthen(db: MysqlDatabase, table: Table, columns: Collection[str]) -> None:
    """Makes columns of plates or wells TEXT, as a value is too long for what they are."""
    changes = []
    for index, names in table_tuning.indexes_of(db, table.name).items():
        if not {*columns}.isdisjoint(names):
            changes.append(f"DROP INDEX {quoted(index)}")
    changes += [f"MODIFY COLUMN {quoted(name)} TEXT" for name in columns]
    db.run(f"ALTER TABLE {quoted(table.name)} {', '.join(changes)}")


def make(db: MysqlDatabase, table: sa.Table) -> None:
    """Makes a table and its indexes, if they do not exist."""
    create, *more = schema.create(table, db.dialect)
    if not column_types.of_table(db, table.name):
        if db.requires_keys and not table.primary_key.columns:
            create = dialect.with_key(create)
        db.run(create.replace("CREATE TABLE", "CREATE TABLE IF NOT EXISTS", 1))
        ((engine,),) = db.rows(_ENGINE, table.name)
        if engine != "InnoDB":
            problem = f"creates tables with {engine}, which cannot undo a failed batch"
            raise SinkError(db.name, problem, "set its default_storage_engine to InnoDB")
    existing = {name for (name,) in db.rows(_INDEXES, table.name)}
    for index, statement in zip(
        sorted(table.indexes, key=lambda i: str(i.name)), more, strict=True
    ):
        if index.name not in existing:
            db.run(statement)


def remake(db: MysqlDatabase, table: sa.Table) -> None:
    """Makes a derived table, or replaces it if it has other columns."""
    wanted = {column.name: _type(table, column.name, db) for column in table.columns}
    existing = column_types.of_table(db, table.name)
    same = existing.keys() == wanted.keys() and all(
        existing[name] == type or column_types.kind_of(existing[name]) == column_types.kind_of(type)
        for name, type in wanted.items()
    )
    if not same:
        table = table.to_metadata(sa.MetaData())
        # Otherwise it would have the server's default engine and character set.
        table.dialect_kwargs.update(schema.MYSQL)
        db.run(f"DROP TABLE IF EXISTS {quoted(table.name)}")
        make(db, table)


_ENGINE = (
    "SELECT engine FROM information_schema.tables "
    "WHERE table_schema = DATABASE() AND table_name = ?"
)
_COPIED = (
    "SELECT column_name, data_type FROM information_schema.columns WHERE table_schema = DATABASE() "
    "AND table_name = ? AND coalesce(generation_expression, '') = '' ORDER BY ordinal_position"
)
_INDEXES = (
    "SELECT DISTINCT index_name FROM information_schema.statistics "
    "WHERE table_schema = DATABASE() AND table_name = ?"
)


def _type(table: sa.Table, column: str, db: MysqlDatabase) -> str:
    return str(table.c[column].type.compile(dialect=db.dialect)).lower()


def _extend(db: MysqlDatabase, table: Table, existing: Mapping[str, str], prefix: str) -> None:
    target = schema.data_table(table)
    wanted = {c.name: _type(target, c.name, db) for c in table.columns}
    present = [column for column in table.columns if column.name in existing]
    differ = [c for c in present if column_types.differ(existing[c.name], c.type)]
    changes = [
        *(
            f"ADD COLUMN {quoted(name)} {type}"
            for name, type in wanted.items()
            if name not in existing
        ),
        *(f"MODIFY COLUMN {quoted(column.name)} {wanted[column.name]}" for column in differ),
    ]
    if any(column.type == TEXT for column in differ):
        _rebuild(db, table, differ, changes, prefix)
    elif changes:
        db.run(f"ALTER TABLE {quoted(table.name)} {', '.join(changes)}")


def _rebuild(
    db: MysqlDatabase, table: Table, differ: list[Column], changes: list[str], prefix: str
) -> None:
    """Builds a new table with the same rows, and replaces the old one by it in one step. What
    administrators have added stays: columns, indexes, partitions."""
    interim, gone = f"{_NEW}{table.name}"[:64], f"{_OLD}{table.name}"[:64]
    check_copied(db, table.name)
    db.run(f"CREATE TABLE {quoted(interim)} LIKE {quoted(table.name)}")
    changes = [*_dropped_indexes(db, table.name, differ, prefix), *changes]
    db.run(f"ALTER TABLE {quoted(interim)} {', '.join(changes)}")
    make(db, texts_table())
    columns = {column.name: column for column in differ if column.type == TEXT}
    sources = {}
    for name, type in db.rows(_COPIED, table.name):
        becomes_text = name in columns
        sources[name] = (
            written_as_text(db, table, columns[name], str(type).lower(), prefix)
            if becomes_text
            else quoted(name)
        )
    db.run(
        f"INSERT INTO {quoted(interim)} ({', '.join(map(quoted, sources))}) "
        f"SELECT {', '.join(sources.values())} FROM {quoted(table.name)} o"
    )
    db.run(
        f"RENAME TABLE {quoted(table.name)} TO {quoted(gone)}, "
        f"{quoted(interim)} TO {quoted(table.name)}"
    )
    for name in (gone, TEXTS):
        db.run(f"DROP TABLE {quoted(name)}")


def _dropped_indexes(
    db: MysqlDatabase, table: str, differ: list[Column], prefix: str
) -> Iterator[str]:
    """Changes that drop the indexes of columns that become text, which servers index only with a
    length. The end of the load makes those that cpexport makes."""
    names = {column.name for column in differ if column.type == TEXT}
    for index, columns in table_tuning.indexes_of(db, table).items():
        if changed := names.intersection(columns):
            if not indexes.made_here(index, prefix):
                became = ", ".join(sorted(changed))
                _log.warning("%s: dropped the index %s, as %s became text", table, index, became)
            yield f"DROP INDEX {quoted(index)}"
