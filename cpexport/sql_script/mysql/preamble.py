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
from cpexport.sql_script.mysql.statements import (
    RUN,
    Variable,
    check,
    end,
    insert,
    literal,
    select,
)
from cpexport.sql_script.stops import Stop
from cpexport.tables.options import VIEW

ALONE = (
    "SELECT value INTO @schema FROM _cpexport_settings "
    "WHERE prefix = '' AND table_number = 0 AND name = 'schema' FOR UPDATE;\n"
)
"""Makes loads wait until the transaction ends, as all of them lock that row first."""

# What the tables should have, and what they have according to the server. The server's
# information_schema is queried once for all tables, as each query takes long, and is copied, as it
# compares texts in its own way.
_TEMPORARY = """\
CREATE TEMPORARY TABLE cpexport_known (signature VARCHAR(64) NOT NULL,
  digest VARCHAR(64) NOT NULL, PRIMARY KEY (signature, digest)) ENGINE=InnoDB
  DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
CREATE TEMPORARY TABLE cpexport_tables (t VARCHAR(64) NOT NULL PRIMARY KEY, own INT NOT NULL)
  ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;
CREATE TEMPORARY TABLE cpexport_columns (t VARCHAR(64) NOT NULL, n INT NOT NULL,
  c VARCHAR(64) NOT NULL, type VARCHAR(64) NOT NULL, position INT, object_name TEXT, feature TEXT,
  kind VARCHAR(64), PRIMARY KEY (t, c))
  ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;
CREATE TEMPORARY TABLE cpexport_there (t VARCHAR(64) NOT NULL, c VARCHAR(64) NOT NULL,
  type VARCHAR(64) NOT NULL, PRIMARY KEY (t, c))
  ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;
CREATE TEMPORARY TABLE cpexport_ledger (t VARCHAR(64) NOT NULL, c VARCHAR(64) NOT NULL,
  position INT NOT NULL, object_name TEXT, feature TEXT, kind VARCHAR(64), PRIMARY KEY (t, c))
  ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;
"""
_LOOK = """\
DELETE FROM cpexport_there;
INSERT INTO cpexport_there SELECT i.table_name, i.column_name, LOWER(i.data_type)
  FROM information_schema.columns i JOIN cpexport_tables k
  ON CONVERT(i.table_name USING utf8mb4) COLLATE utf8mb4_general_ci = k.t
  WHERE i.table_schema = DATABASE() AND i.extra NOT LIKE '%INVISIBLE%';
"""
_ENGINE = """\
SET @t = (SELECT MIN(k.t) FROM information_schema.tables i JOIN cpexport_tables k
  ON CONVERT(i.table_name USING utf8mb4) COLLATE utf8mb4_general_ci = k.t
  WHERE i.table_schema = DATABASE() AND NOT i.engine <=> 'InnoDB');
"""
_TYPE = "REPLACE(LOWER(SUBSTRING_INDEX(w.type, '(', 1)), 'integer', 'int')"


def _kind(type: str) -> str:
    """The kind of values of a type: administrators may change it for another one of a kind."""
    texts = f"{type} = 'varchar' OR {type} LIKE '%text'"
    return f"CASE WHEN {texts} THEN 'text' WHEN {type} LIKE '%int' THEN 'int' ELSE {type} END"


_THERE = "cpexport_columns w LEFT JOIN cpexport_there i ON i.t = w.t AND i.c = w.c"
_LEDGER = "cpexport_columns w LEFT JOIN cpexport_ledger l ON l.t = w.t AND l.c = w.c"
_DIFFERS = f"COALESCE({_kind('i.type')} <> {_kind(_TYPE)}, 1)"
_WIDTHS = ", ".join(f"'{name}'" for name in TYPE_NAMES.values())
_EXACT = 1 << 53
_T = Variable("@t")
_WIDER = f"FIELD(l.kind, {_WIDTHS}) > FIELD(w.kind, {_WIDTHS})"


def tables(contents: Manifest) -> Iterator[str]:
    """Makes tables and views, or extends existing ones; stops if something else has their name."""
    prefix = literal(contents.prefix)
    own, mine = mysqltables.own_tables(), mysqltables.tables(contents)
    yield _TEMPORARY
    yield from insert("cpexport_columns", _wanted(contents, [*own, *mine]))
    yield from insert("cpexport_tables", [(t.name, int(t in own)) for t in [*own, *mine]])
    known = dict.fromkeys((unit.entry.signature, unit.digest) for unit in contents.units)
    yield from insert("cpexport_known", known)
    yield from _before(contents)
    for table in [*own, *schema.experiment_tables()]:
        yield from mysqltables.made(table)
    yield _LOOK + f"SET @t = (SELECT MIN(w.t) FROM {_THERE} JOIN cpexport_tables k ON k.t = w.t "
    yield f"WHERE k.own AND {_DIFFERS});\n" + check("@t IS NULL", stops.NOT_MADE, table=_T)
    yield "START TRANSACTION;\n"
    yield from _version()
    yield f"{ALONE}{_LOOK}DELETE FROM cpexport_ledger;\n{_read_ledger(contents)};\n"
    yield from _foreign(contents)
    yield from _settings(contents)
    yield from _enter(prefix)
    yield end("@ok")
    for table in mine:
        yield from mysqltables.made(table)
    yield _LOOK
    for table in mine:
        yield _grow(table.name)
    yield from _keys(contents)
    for index in views.indexes(contents.layout, contents.prefix, contents.shape):
        yield mysqltables.indexed(index.table, index.name, index.statement())
    for statement in (*_views(contents).values(), view_for(DIALECT, ledger_upgrade.STATEMENT)):
        yield f"SET @s = IF(@ok, {literal(statement)}, 'DO 0');\n{RUN}"
    if contents.shape.layout == VIEW:
        yield (
            f"REPLACE INTO _cpexport_settings SELECT {prefix}, 0, 'view', {literal(FORM)} "
            "FROM DUAL WHERE @ok;\n"
        )
    yield _LOOK + _first(f"SELECT MIN(w.t) FROM {_THERE} WHERE {_DIFFERS}")
    yield _ENGINE + check("@t IS NULL", stops.NOT_INNODB, table=_T)
    yield "START TRANSACTION;\n" + ALONE
    yield from _kinds(contents)
    done = f"prefix = {prefix} AND table_number = 0 AND name = 'changing'"
    yield f"DELETE FROM _cpexport_settings WHERE @ok AND {done};\nCOMMIT;\n"


def _before(contents: Manifest) -> Iterator[str]:
    """Stops at tables and views that cpexport did not make, before it makes any."""
    yield _LOOK + _unlike("k.own", stops.OTHER_VERSION)
    for table in schema.experiment_tables():
        # CellProfiler makes these two, with other types.
        columns = str(tuple(table.columns.keys()))
        where = f"table_schema = DATABASE() AND table_name = {literal(table.name)}"
        none = f"(SELECT COUNT(*) FROM information_schema.tables WHERE {where}) = 0"
        count = f"SELECT COUNT(*) FROM information_schema.columns WHERE {where} AND "
        whole = f"({count}column_name IN {columns}) = {len(table.columns)}"
        yield check(f"{none} OR {whole}", stops.NOT_OURS, table=table.name)
    yield f"""SET @s = IF((SELECT COUNT(*) FROM information_schema.tables
  WHERE table_schema = DATABASE() AND table_name = '_cpexport_columns'),
  {literal(_read_ledger(contents))}, 'DO 0');
{RUN}"""
    yield from _foreign_tables(contents)


def _read_ledger(contents: Manifest) -> str:
    return (
        "INSERT INTO cpexport_ledger SELECT table_name, column_name, position, object_name, "
        f"feature, type FROM _cpexport_columns WHERE prefix = {literal(contents.prefix)}"
    )


def _unlike(which: str, stop: Stop) -> str:
    """A check that none of the tables of one kind exists with other columns than the script's."""
    return f"""SET @t = (SELECT MIN(k.t) FROM cpexport_tables k JOIN ({_THERE}) ON w.t = k.t
  WHERE {_DIFFERS} AND {which}
  AND EXISTS (SELECT 1 FROM information_schema.tables x WHERE x.table_schema = DATABASE()
    AND CONVERT(x.table_name USING utf8mb4) COLLATE utf8mb4_general_ci = k.t));
""" + check("@t IS NULL", stop, table=_T)


def _foreign_tables(contents: Manifest) -> Iterator[str]:
    ours = "SELECT t FROM cpexport_ledger"
    yield _unlike(f"NOT k.own AND k.t NOT IN ({ours})", stops.NOT_OURS)
    yield f"""SET @t = (SELECT MIN(i.t) FROM cpexport_there i LEFT JOIN cpexport_columns w
  ON w.t = i.t AND w.c = i.c WHERE w.c IS NULL AND i.t NOT IN ({ours})
  AND i.t <> {literal(f"{contents.prefix}Per_Experiment")});
""" + check("@t IS NULL", stops.NOT_OURS, table=_T)
    for view in _views(contents):
        first = view.removesuffix(views.WHOLE)
        part = f" WHERE t = {literal(f'{first}_part2')}" if first != view else ""
        others = (
            "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = DATABASE() "
            f"AND LOWER(table_name) = {literal(view.lower())} "
            f"AND NOT (table_type = 'VIEW' AND EXISTS (SELECT 1 FROM cpexport_ledger{part}))"
        )
        yield check(f"({others}) = 0", stops.OTHER_VIEW, view=view)


def _foreign(contents: Manifest) -> Iterator[str]:
    """Stops at what has come meanwhile, and at columns in other places. Sets
    `@unknown` to a table of cpexport's with more than this script knows, if there is one."""
    prefix = literal(contents.prefix)
    yield from _foreign_tables(contents)
    elsewhere = f"SELECT object_name, feature FROM _cpexport_columns WHERE prefix = {prefix}"
    yield _first(
        f"""SELECT MIN(w.t) FROM {_LEDGER} WHERE w.position IS NOT NULL
  AND IF(l.t IS NULL, (w.object_name, w.feature) IN ({elsewhere}),
    BINARY w.object_name <> l.object_name OR BINARY w.feature <> l.feature)"""
    )
    alien = (
        f"SELECT COUNT(*) FROM _cpexport_batches b WHERE prefix = {prefix} AND NOT EXISTS "
        "(SELECT 1 FROM _cpexport_script s WHERE s.prefix = b.prefix "
        "AND s.table_number = b.table_number AND s.signature = b.signature)"
    )
    numbers = "w.kind = 'text' AND l.kind IN ('integer', 'real')"
    yield f"SET @t = (SELECT MIN(w.t) FROM {_LEDGER} WHERE {numbers});\n"
    yield check(f"@t IS NULL OR ({alien}) = 0", stops.BECOMES_TEXT, table=_T)
    yield f"""SET @big = 0, @s = (SELECT CONCAT('SELECT COUNT(*) INTO @big FROM (', GROUP_CONCAT(
  'SELECT 1 FROM `', w.t, '` WHERE ABS(`', w.c, '`) > {_EXACT}' SEPARATOR ' UNION ALL '), ') x')
  FROM {_LEDGER} WHERE w.kind = 'real' AND l.kind = 'integer');
SET @s = COALESCE(@s, 'DO 0');
{RUN}"""
    yield check("@big = 0", stops.TOO_LONG)
    yield f"""SET @unknown = (SELECT MIN(w.t) FROM {_LEDGER}
  WHERE {_WIDER} AND w.kind <> 'none yet' AND l.kind = 'text');
SET @unknown = COALESCE(@unknown, (SELECT MIN(l.t)
  FROM cpexport_ledger l LEFT JOIN cpexport_tables k ON k.t = l.t
  WHERE k.t IS NULL AND l.object_name IN (SELECT object_name FROM cpexport_columns)));
UPDATE cpexport_columns w JOIN cpexport_ledger l ON l.t = w.t AND l.c = w.c
  SET w.kind = l.kind, w.type = CASE WHEN l.kind = 'integer' THEN 'BIGINT'
    WHEN l.kind = 'real' THEN 'DOUBLE' WHEN w.feature LIKE 'Thumbnail\\_%' THEN 'LONGTEXT'
    ELSE 'TEXT' END WHERE {_WIDER};
"""


def _enter(prefix: str) -> Iterator[str]:
    """Enters the new layout in the ledger before any of it is made, so that a load that comes in
    between makes it too."""
    yield f"""DELETE FROM _cpexport_columns WHERE @ok AND prefix = {prefix};
SET @last = (SELECT COALESCE(MAX(position), 0) FROM cpexport_ledger);
INSERT INTO _cpexport_columns SELECT {prefix}, l.position, l.object_name, l.feature, l.t, l.c,
  COALESCE(w.kind, l.kind) FROM cpexport_ledger l LEFT JOIN cpexport_columns w
  ON w.t = l.t AND w.c = l.c WHERE @ok;
INSERT INTO _cpexport_columns SELECT {prefix}, @last + w.position, w.object_name, w.feature, w.t,
  w.c, w.kind FROM {_LEDGER} WHERE @ok AND l.t IS NULL AND w.position IS NOT NULL;
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


def _first(query: str) -> str:
    """A check that the query, for a table with other columns, finds none."""
    return f"SET @t = ({query});\n" + check("@t IS NULL", stops.OTHER_COLUMNS, table=_T)


def _grow(table: str) -> str:
    """Adds missing columns to a table, and changes its types to the ledger's."""
    name = quoted(table).replace("'", "''")
    return f"""SET @s = (SELECT GROUP_CONCAT(IF(i.c IS NULL, 'ADD', 'MODIFY'), ' COLUMN `',
    REPLACE(w.c, '`', '``'), '` ', w.type ORDER BY w.n)
  FROM {_THERE} WHERE @ok AND w.t = {literal(table)} AND {_DIFFERS});
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


def _views(contents: Manifest) -> dict[str, str]:
    return views.statements(contents.layout, contents.prefix, contents.shape)
