"""Makes the tables of a MySQL or MariaDB database, and changes them when a later load needs more.

DDL commits at once there, so a change can be cut off anywhere. Every step looks at what there is,
and does nothing where that is done: the same change begun again ends alike.
"""

import json
import re
from collections.abc import Mapping
from functools import partial

import pyarrow as pa
import sqlalchemy as sa

from cpexport.errors import SinkError, WidthError
from cpexport.features import (
    IMAGE,
    IMAGE_NUMBER,
    INTEGER,
    OBJECT,
    REAL,
    RELATIONSHIP,
    TABLE_NUMBER,
    TEXT,
)
from cpexport.pictures import tells_pictures_apart
from cpexport.shape import VIEW, Shape
from cpexport.sinks import schema, sqlcurrent
from cpexport.sinks.mysqldatabase import MysqlDatabase
from cpexport.sinks.mysqlserver import DIALECT
from cpexport.sinks.objectview import ObjectView, ParentIndex, object_view
from cpexport.sinks.sql import literal, quoted
from cpexport.tables import Column, Layout, Table, table_of
from cpexport.values import as_text

WIDTH = 4096
"""The most columns of a view (MySQL 8 and 9; MariaDB allows more)."""

WHOLE = "_all"
"""What the name of a view of all parts of a table ends in."""

_LONGEST = 64
# A server makes a question mark of what has more than two bytes in UTF-16, and drops the space.
_STRANGE = re.compile(r"[^\x01-\ud7ff\ue000-\uffff]| $")
_NEW, _OLD, _TEXTS = "_cpexport_new_", "_cpexport_old_", "_cpexport_texts"


def refuse_names(layout: Layout, prefix: str, shape: Shape) -> None:
    """Refuses names that a server does not take, before anything is made.

    Raises:
        SinkError: one is too long, or has a character beyond the basic plane of Unicode.
    """
    found = set(views(layout, prefix, shape))
    for table in (
        *map(schema.data_table, layout.tables.values()),
        *schema.relationship_tables(prefix, shape.numbered),
        schema.experiment_table(prefix, shape.numbered),
    ):
        found |= {table.name, *table.columns.keys()}
        found |= {str(index.name) for index in table.indexes}
        found |= {str(constraint.name) for constraint in table.constraints if constraint.name}
    for name in sorted(found):
        if len(name) > _LONGEST:
            problem = f"is no name on MySQL, which takes {_LONGEST} characters"
            raise SinkError(name, problem, "shorten --prefix")
        if strange := _STRANGE.search(name):
            problem = f"is no name on MySQL, which takes no {strange[0]!r} there"
            raise SinkError(name, problem, "name other objects with --objects")


def make_own(db: MysqlDatabase) -> None:
    """Makes the ledger's tables, where there are none: last the one that others look for, when all
    else is there, the row too that they lock."""
    *rest, last = sorted(schema.own_tables(), key=lambda table: table is schema.COLUMNS)
    for own in rest:
        make(db, own)
    words = f"INSERT IGNORE INTO _cpexport_settings VALUES ('', 0, 'schema', '{schema.VERSION}')"
    db.run(words)
    sqlcurrent.upgraded(db, partial(make, db))
    make(db, last)


def refuse_lossy(db: MysqlDatabase, old: Layout, new: Layout) -> None:
    """Raises WidthError if a column of integers became one of real numbers that cannot hold them.

    Asked before anything is changed.
    """
    becomes = {(column.object, column.feature): column.type for column in new.columns}
    for column in old.columns:
        if column.type == INTEGER and becomes[column.object, column.feature] == REAL:
            table, name = quoted(column.table), quoted(column.name)
            most = 1 << 53
            ((many,),) = db.rows(f"SELECT count(*) FROM {table} WHERE abs({name}) > {most}")
            if many:
                raise WidthError(column.name)


def change(db: MysqlDatabase, layout: Layout, prefix: str, shape: Shape) -> None:
    """Makes tables, columns and types such as the layout says, from whatever there is.

    Types get wider only; numbers that become text read as `cpexport.values.align` writes them. A
    new part of a table gets the keys that the others have.
    """
    # What a change that was cut off has left.
    for name in sorted(name for name in db.names() if name.startswith((_NEW, _OLD, _TEXTS))):
        db.run(f"DROP TABLE {quoted(name)}")
    for of_run in (
        *schema.relationship_tables(prefix, shape.numbered),
        schema.experiment_table(prefix, shape.numbered),
    ):
        make(db, of_run)
    for table in layout.tables.values():
        there = _types(db, table.name)
        if there:
            _extend(db, table, there, prefix)
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


def make_views(db: MysqlDatabase, layout: Layout, prefix: str, shape: Shape) -> None:
    """Makes all views anew, and the indexes that they need where there are none."""
    for index in indexes(layout, prefix, shape):
        if (index.name,) not in db.rows(_INDEXES, index.table):
            db.run(index.statement)
    for statement in views(layout, prefix, shape).values():
        db.run(statement)


def make(db: MysqlDatabase, table: sa.Table) -> None:
    """Makes a table if there is none of its name."""
    create, *more = schema.create(table, db.dialect)
    if not _types(db, table.name):
        db.run(create.replace("CREATE TABLE", "CREATE TABLE IF NOT EXISTS", 1))
        ((engine,),) = db.rows(_ENGINE, table.name)
        if engine != "InnoDB":
            problem = f"makes tables with {engine}, which takes nothing back that failed"
            raise SinkError(db.name, problem, "have it make them with InnoDB")
    there = {name for (name,) in db.rows(_INDEXES, table.name)}
    for index, statement in zip(
        sorted(table.indexes, key=lambda i: str(i.name)), more, strict=True
    ):
        if index.name not in there:
            db.run(statement)


def remake(db: MysqlDatabase, table: sa.Table) -> None:
    """Makes a computed table, in place of one with other columns."""
    wanted = {column.name: _type(table, column.name, db) for column in table.columns}
    there = _types(db, table.name)
    if there != wanted:
        table = table.to_metadata(sa.MetaData())
        # Of whatever engine and letters the server prefers, it would be otherwise.
        table.dialect_kwargs.update(schema.MYSQL)
        db.run(f"DROP TABLE IF EXISTS {quoted(table.name)}")
        make(db, table)


def views(layout: Layout, prefix: str, shape: Shape) -> dict[str, str]:
    """The statements that make all views under a prefix, or make them anew, by their names."""
    relationships = f"{prefix}Per_{RELATIONSHIP}sView"
    found = {relationships: schema.relationship_view(prefix, shape.numbered, DIALECT)}
    found |= views_of(layout)
    if view := _object_view(layout, prefix, shape):
        found[table_of(OBJECT, prefix)] = view.statement
    again = "CREATE OR REPLACE VIEW"
    return {name: view.replace("CREATE VIEW", again, 1) for name, view in found.items()}


def indexes(layout: Layout, prefix: str, shape: Shape) -> tuple[ParentIndex, ...]:
    """The indexes that the views need."""
    view = _object_view(layout, prefix, shape)
    return view.indexes if view else ()


def _object_view(layout: Layout, prefix: str, shape: Shape) -> ObjectView | None:
    view = object_view(layout, prefix) if shape.layout == VIEW else None
    return view if view and view.width <= WIDTH else None


def views_of(layout: Layout) -> Mapping[str, str]:
    """The statement for a view of all columns of each table in parts, by the view's name; none
    where it would be wider than a view can be."""
    found = {}
    for name in sorted(layout.objects):
        parts = layout.parts(name)
        columns = [*parts[0].key, *(column.name for part in parts for column in part.columns)]
        if len(parts) > 1 and len(columns) <= WIDTH:
            listed = ", ".join(quoted(column) for column in columns)
            first, *rest = (quoted(part.name) for part in parts)
            using = ", ".join(quoted(key) for key in parts[0].key)
            joins = "".join(f" JOIN {part} USING ({using})" for part in rest)
            view = parts[0].name + WHOLE
            found[view] = f"CREATE VIEW {quoted(view)} AS SELECT {listed} FROM {first}{joins}"
    return found


_ENGINE = (
    "SELECT engine FROM information_schema.tables "
    "WHERE table_schema = DATABASE() AND table_name = ?"
)
_INDEXES = (
    "SELECT DISTINCT index_name FROM information_schema.statistics "
    "WHERE table_schema = DATABASE() AND table_name = ?"
)


def _type(table: sa.Table, column: str, db: MysqlDatabase) -> str:
    return str(table.c[column].type.compile(dialect=db.dialect)).lower()


def _types(db: MysqlDatabase, table: str) -> dict[str, str]:
    """The columns that a table has, and their types: `bigint`, `double`, `text`."""
    found = db.rows(
        "SELECT column_name, data_type FROM information_schema.columns "
        "WHERE table_schema = DATABASE() AND table_name = ?",
        table,
    )
    return {str(name): str(type).lower() for name, type in found}


def _extend(db: MysqlDatabase, table: Table, there: Mapping[str, str], prefix: str) -> None:
    target = schema.data_table(table)
    wanted = {c.name: _type(target, c.name, db) for c in table.columns}
    differ = [c for c in table.columns if there.get(c.name, wanted[c.name]) != wanted[c.name]]
    if any(column.type == TEXT for column in differ):
        _rebuild(db, table, differ, there, prefix)
        return
    missing = [column for column in table.columns if column.name not in there]
    changes = [
        *(f"ADD COLUMN {quoted(column.name)} {wanted[column.name]}" for column in missing),
        *(f"MODIFY COLUMN {quoted(column.name)} {wanted[column.name]}" for column in differ),
    ]
    if changes:
        db.run(f"ALTER TABLE {quoted(table.name)} {', '.join(changes)}")


def _rebuild(
    db: MysqlDatabase, table: Table, differ: list[Column], there: Mapping[str, str], prefix: str
) -> None:
    """A table made anew beside itself, and put into its place in one step."""
    interim, gone = f"{_NEW}{table.name}"[:64], f"{_OLD}{table.name}"[:64]
    make(db, schema.data_table(table, interim))
    make(db, _texts_table())
    names, sources = list(table.key), [quoted(key) for key in table.key]
    for column in table.columns:
        if column.name in there:
            names.append(column.name)
            becomes_text = column in differ and column.type == TEXT
            sources.append(
                _as_text(db, table, column, there[column.name], prefix)
                if becomes_text
                else quoted(column.name)
            )
    db.run(
        f"INSERT INTO {quoted(interim)} ({', '.join(map(quoted, names))}) "
        f"SELECT {', '.join(sources)} FROM {quoted(table.name)} o"
    )
    db.run(
        f"RENAME TABLE {quoted(table.name)} TO {quoted(gone)}, "
        f"{quoted(interim)} TO {quoted(table.name)}"
    )
    for name in (gone, _TEXTS):
        db.run(f"DROP TABLE {quoted(name)}")


def _texts_table() -> sa.Table:
    columns = (sa.Column("name", sa.String(64)), sa.Column("value", sa.DOUBLE))
    table = sa.Table(_TEXTS, sa.MetaData(), *columns, sa.Column("text", sa.Text), **schema.MYSQL)
    sa.Index("by_value", *columns)
    return table


def _as_text(db: MysqlDatabase, table: Table, column: Column, type: str, prefix: str) -> str:
    """An expression for a column of numbers as text: metadata as the jobs wrote it, which the
    ledger knows, and else the shortest that reads back exactly."""
    name = quoted(column.name)
    number = f"CAST(o.{name} AS CHAR)"
    if type != "bigint":
        number = _texts(db, table, column.name)
    if column.object != IMAGE or not tells_pictures_apart(column.feature):
        return number
    run = f"o.{TABLE_NUMBER}" if TABLE_NUMBER in table.key else "0"
    path = _literal(f"$.{json.dumps(column.feature, ensure_ascii=False)}")
    written = (
        f"SELECT JSON_UNQUOTE(JSON_EXTRACT(s.identity, {path})) FROM _cpexport_sets s "
        f"WHERE s.prefix = {_literal(prefix)} AND s.table_number = {run} "
        f"AND s.number = o.{quoted(IMAGE_NUMBER)}"
    )
    return f"coalesce(({written}), {number})"


def _texts(db: MysqlDatabase, table: Table, column: str) -> str:
    """An expression for a column of real numbers as text, by a table of all that it holds."""
    name = quoted(column)
    found = db.rows(f"SELECT DISTINCT {name} FROM {quoted(table.name)} WHERE {name} IS NOT NULL")
    numbers = pa.array([value for (value,) in found], REAL)
    names = pa.repeat(pa.scalar(column), len(numbers))
    texts = pa.record_batch([names, numbers, as_text(numbers)], names=["name", "value", "text"])
    db.ingest(_TEXTS, texts)
    of_column = f"t.name = {_literal(column)} AND t.value = o.{name}"
    return f"(SELECT t.text FROM {_TEXTS} t WHERE {of_column})"


def _literal(text: str) -> str:
    """A text as these servers have it, which know of backslashes."""
    return literal(text.replace("\\", "\\\\"))
