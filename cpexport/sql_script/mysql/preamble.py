"""The first part of a script for MariaDB and MySQL: it makes or extends tables and views.

The script compares the server's tables with those that it needs, before it makes anything and
again after. `cpexport load` may have added to the database before or since: its columns stay, and
of two types the wider one counts.
"""

from collections.abc import Iterator

import sqlalchemy as sa

from cpexport.sinks.mysql import views
from cpexport.sinks.mysql.dialect import DIALECT, quoted
from cpexport.sinks.sql import ledger_schema, ledger_upgrade, schema
from cpexport.sinks.sql.ledger_settings import INDEXES
from cpexport.sinks.sql.object_view import FORM
from cpexport.sinks.sql.schema import TYPE_NAMES
from cpexport.sinks.sql.statements import view_for
from cpexport.sql_script import stops
from cpexport.sql_script.manifest import Manifest
from cpexport.sql_script.mysql import tables as mysqltables
from cpexport.sql_script.mysql.existing_tables import (
    DIFFERS,
    ENGINE,
    LEDGER,
    LOOK,
    TABLE,
    TEMPORARY,
    THERE,
    check_before,
    check_foreign,
    check_none,
    read_ledger,
    wanted_views,
)
from cpexport.sql_script.mysql.statements import (
    RUN,
    check,
    end,
    insert,
    literal,
    select,
)
from cpexport.tables.options import VIEW

ALONE = (
    "SELECT value INTO @schema FROM _cpexport_settings "
    "WHERE prefix = '' AND table_number = 0 AND name = 'schema' FOR UPDATE;\n"
)
"""Makes loads wait until the transaction ends, as all of them lock that row first."""


def tables(contents: Manifest) -> Iterator[str]:
    """Makes tables and views, or extends existing ones; stops if something else has their name."""
    prefix = literal(contents.prefix)
    own, mine = mysqltables.own_tables(), mysqltables.tables(contents)
    yield TEMPORARY
    yield from insert("cpexport_columns", _wanted(contents, [*own, *mine]))
    yield from insert("cpexport_tables", [(t.name, int(t in own)) for t in [*own, *mine]])
    known = dict.fromkeys((unit.entry.signature, unit.digest) for unit in contents.units)
    yield from insert("cpexport_known", known)
    yield from check_before(contents)
    for table in [*own, *schema.experiment_tables()]:
        yield from mysqltables.made(table)
    yield LOOK + f"SET @t = (SELECT MIN(w.t) FROM {THERE} JOIN cpexport_tables k ON k.t = w.t "
    yield f"WHERE k.own AND {DIFFERS});\n" + check("@t IS NULL", stops.NOT_MADE, table=TABLE)
    yield "START TRANSACTION;\n"
    yield from _version()
    yield f"{ALONE}{LOOK}DELETE FROM cpexport_ledger;\n{read_ledger(contents)};\n"
    yield from check_foreign(contents)
    yield from _settings(contents)
    yield from _enter(prefix)
    yield end("@ok")
    for table in mine:
        yield from mysqltables.made(table)
    yield LOOK
    for table in mine:
        yield _grow(table.name)
    yield from _keys(contents)
    for index in views.indexes(contents.layout, contents.prefix, contents.shape):
        yield mysqltables.indexed(index.table, index.name, index.statement())
    for statement in (
        *wanted_views(contents).values(),
        view_for(DIALECT, ledger_upgrade.STATEMENT),
    ):
        yield f"SET @s = IF(@ok, {literal(statement)}, 'DO 0');\n{RUN}"
    if contents.shape.layout == VIEW:
        yield (
            f"REPLACE INTO _cpexport_settings SELECT {prefix}, 0, 'view', {literal(FORM)} "
            "FROM DUAL WHERE @ok;\n"
        )
    yield LOOK + check_none(f"SELECT MIN(w.t) FROM {THERE} WHERE {DIFFERS}")
    yield ENGINE + check("@t IS NULL", stops.NOT_INNODB, table=TABLE)
    yield "START TRANSACTION;\n" + ALONE
    yield from _kinds(contents)
    done = f"prefix = {prefix} AND table_number = 0 AND name = 'changing'"
    yield f"DELETE FROM _cpexport_settings WHERE @ok AND {done};\nCOMMIT;\n"


def _enter(prefix: str) -> Iterator[str]:
    """Enters the new layout in the ledger before any of it is made, so that a load that comes in
    between makes it too."""
    yield f"""DELETE FROM _cpexport_columns WHERE @ok AND prefix = {prefix};
SET @last = (SELECT COALESCE(MAX(position), 0) FROM cpexport_ledger);
INSERT INTO _cpexport_columns SELECT {prefix}, l.position, l.object_name, l.feature, l.t, l.c,
  COALESCE(w.kind, l.kind) FROM cpexport_ledger l LEFT JOIN cpexport_columns w
  ON w.t = l.t AND w.c = l.c WHERE @ok;
INSERT INTO _cpexport_columns SELECT {prefix}, @last + w.position, w.object_name, w.feature, w.t,
  w.c, w.kind FROM {LEDGER} WHERE @ok AND l.t IS NULL AND w.position IS NOT NULL;
"""
    for name, value in (("layout", "UUID()"), ("changing", "'yes'")):
        yield (
            f"REPLACE INTO _cpexport_settings SELECT {prefix}, 0, '{name}', {value} FROM DUAL "
            "WHERE @ok;\n"
        )


def _version() -> Iterator[str]:
    row_filter = "prefix = '' AND table_number = 0 AND name = 'schema'"
    count = f"SELECT COUNT(*) FROM _cpexport_settings WHERE {row_filter}"
    row = ("", 0, "schema", ledger_schema.VERSION)
    yield select("_cpexport_settings", row, f"@ok AND ({count}) = 0")
    other = f"{count} AND value <> {literal(ledger_schema.VERSION)}"
    yield check(f"({other}) = 0", stops.OTHER_VERSION)


def _settings(contents: Manifest) -> Iterator[str]:
    """Enters the table options and runs, or checks that they equal existing ones."""
    prefix = literal(contents.prefix)
    shape = contents.shape.as_json()
    existing = f"SELECT COUNT(*) FROM _cpexport_settings WHERE prefix = {prefix} AND name = 'shape'"
    yield check(f"({existing} AND value <> {literal(shape)}) = 0", stops.OTHER_OPTIONS)
    options = (contents.prefix, 0, "shape", shape)
    yield select("_cpexport_settings", options, f"@ok AND ({existing}) = 0")
    if not contents.indexed:
        unwanted = (contents.prefix, 0, INDEXES, "no")
        known = f"SELECT COUNT(*) FROM _cpexport_settings WHERE prefix = {prefix} AND name = "
        yield select("_cpexport_settings", unwanted, f"@ok AND ({known}{literal(INDEXES)}) = 0")
    for run, number in contents.runs.items():
        same = f"(table_number = {number}) + (name = {literal(run)})"
        existing = f"SELECT COUNT(*) FROM _cpexport_runs WHERE prefix = {prefix} AND {same}"
        yield check(f"({existing} = 1) = 0", stops.OTHER_RUN, run=number)
        row = (contents.prefix, number, run)
        yield select("_cpexport_runs", row, f"@ok AND ({existing} > 0) = 0")


def _kinds(contents: Manifest) -> Iterator[str]:
    """Sets `@kind1` and so on to the database's numbers of the kinds of relationships."""
    kinds = quoted(f"{contents.prefix}Per_RelationshipTypes")
    names = "module_number, relationship, object_name1, object_name2"
    for number, kind in enumerate(contents.kinds, 1):
        values = ", ".join(map(literal, kind))
        find = f"SELECT MIN(relationship_type_id) FROM {kinds} WHERE ({names}) = ({values})"
        yield (
            f"SET @kind{number} = ({find});\n"
            f"INSERT INTO {kinds} SELECT COALESCE(MAX(relationship_type_id), 0) + 1, {values} "
            f"FROM {kinds} HAVING @ok AND @kind{number} IS NULL;\n"
            f"SET @kind{number} = ({find});\n"
        )


def _wanted(contents: Manifest, tables: list[sa.Table]) -> Iterator[tuple[object, ...]]:
    """Rows of cpexport_columns: every column of every table, and what the ledger stores about
    it."""
    layout = contents.layout
    known = {(c.table, c.name): (n, c) for n, c in enumerate(layout.columns, 1)}
    for table in tables:
        for number, (name, type) in enumerate(mysqltables.types(table).items(), 1):
            position, column = known.get((table.name, name), (None, None))
            kept: tuple[object, ...] = (None, None, None)
            if column is not None:
                kept = (column.object, column.feature, TYPE_NAMES[column.type])
            yield table.name, number, name, type, position, *kept


def _grow(table: str) -> str:
    """Adds missing columns to a table, and changes its types to the ledger's."""
    name = quoted(table).replace("'", "''")
    return f"""SET @s = (SELECT GROUP_CONCAT(IF(i.c IS NULL, 'ADD', 'MODIFY'), ' COLUMN `',
    REPLACE(w.c, '`', '``'), '` ', w.type ORDER BY w.n)
  FROM {THERE} WHERE @ok AND w.t = {literal(table)} AND {DIFFERS});
SET @s = COALESCE(CONCAT('ALTER TABLE {name} ', @s), 'DO 0');
{RUN}"""


def _keys(contents: Manifest) -> Iterator[str]:
    """Gives a new part of a table the keys of the other parts."""
    for table in contents.layout.tables.values():
        first = contents.layout.parts(table.object)[0]
        if table is not first:
            keys = ", ".join(map(quoted, table.key))
            yield (
                f"INSERT IGNORE INTO {quoted(table.name)} ({keys}) SELECT {keys} FROM "
                f"{quoted(first.name)} WHERE @ok AND "
                f"NOT EXISTS (SELECT 1 FROM {quoted(table.name)} p);\n"
            )
