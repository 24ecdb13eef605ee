"""The first part of a script for MariaDB and MySQL: tables that are as they should be, and views.

What the server has is compared with what should be there before anything is made, and again after.
"""

import json
from collections.abc import Iterator

from sqlalchemy.dialects import mysql

from cpexport.features import OBJECT, RELATIONSHIP
from cpexport.importer import mysqltables
from cpexport.importer.contents import Contents
from cpexport.importer.mysqltables import Made, quoted
from cpexport.importer.mysqlwords import RUN, Variable, check, end, insert, literal, select
from cpexport.shape import VIEW
from cpexport.sinks import schema, views
from cpexport.sinks.objectview import object_view
from cpexport.tables import table_of

_WIDEST_VIEW = 4096

# Of the tables what they should have, and what the server says they have. It is asked once for all,
# as every look into its information_schema takes long, and compares as no other table does.
_TEMPORARY = """\
CREATE TEMPORARY TABLE cpexport_lines (crc INT UNSIGNED NOT NULL) ENGINE=InnoDB;
CREATE TEMPORARY TABLE cpexport_known (signature VARCHAR(64) NOT NULL PRIMARY KEY) ENGINE=InnoDB
  DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
CREATE TEMPORARY TABLE cpexport_tables (t VARCHAR(64) NOT NULL PRIMARY KEY, own INT NOT NULL)
  ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;
CREATE TEMPORARY TABLE cpexport_columns (t VARCHAR(64) NOT NULL, n INT NOT NULL,
  c VARCHAR(64) NOT NULL, type VARCHAR(64) NOT NULL, position INT, object_name TEXT, feature TEXT,
  kind TEXT, PRIMARY KEY (t, c)) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;
CREATE TEMPORARY TABLE cpexport_there (t VARCHAR(64) NOT NULL, c VARCHAR(64) NOT NULL,
  type VARCHAR(64) NOT NULL, PRIMARY KEY (t, c))
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
_TYPE = "LOWER(SUBSTRING_INDEX(SUBSTRING_INDEX(w.type, ' ', 1), '(', 1))"
_BOTH = "cpexport_columns w LEFT JOIN cpexport_there i ON i.t = w.t AND i.c = w.c"
_DIFFERS = f"COALESCE(i.type <> {_TYPE}, 1)"


def tables(contents: Contents) -> Iterator[str]:
    """Makes the tables, or adds to those that an earlier script made; stops at any other."""
    prefix = literal(contents.prefix)
    own, mine = mysqltables.own_tables(), mysqltables.tables(contents)
    yield _TEMPORARY
    yield "\n".join(made.statement for made in [*own, *mysqltables.shared_tables()]) + "\n"
    yield "START TRANSACTION;\n"
    yield from insert("cpexport_columns", _wanted(contents, [*own, *mine]))
    yield from insert("cpexport_tables", [(made.name, int(made in own)) for made in [*own, *mine]])
    yield from insert("cpexport_known", dict.fromkeys((u.entry.signature,) for u in contents.units))
    yield _LOOK
    ledger = f"SELECT table_name FROM _cpexport_columns WHERE prefix = {prefix}"
    yield _first(
        f"""SELECT MIN(k.t) FROM cpexport_tables k JOIN ({_BOTH}) ON w.t = k.t
  WHERE {_DIFFERS} AND (k.own OR k.t NOT IN ({ledger}))
  AND EXISTS (SELECT 1 FROM information_schema.tables x WHERE x.table_schema = DATABASE()
    AND CONVERT(x.table_name USING utf8mb4) COLLATE utf8mb4_general_ci = k.t)"""
    )
    yield _first(
        """SELECT MIN(i.t) FROM cpexport_there i LEFT JOIN cpexport_columns w
  ON w.t = i.t AND w.c = i.c WHERE w.c IS NULL"""
    )
    yield from _settings(contents)
    yield f"DELETE FROM _cpexport_columns WHERE @ok AND prefix = {prefix};\n"
    yield (
        f"INSERT INTO _cpexport_columns SELECT {prefix}, position, object_name, feature, t, c, "
        "kind FROM cpexport_columns WHERE @ok AND position IS NOT NULL;\n"
    )
    yield end("@ok")
    yield "\n".join(made.statement for made in mine) + "\n" + _LOOK
    for made in mine:
        yield _grow(made.name)
    yield _LOOK + _first(f"SELECT MIN(w.t) FROM {_BOTH} WHERE {_DIFFERS}")
    yield _ENGINE + check("@t IS NULL", "", "CONCAT(@t, ' is not of InnoDB')")
    yield "START TRANSACTION;\n"
    yield from _kinds(contents)


def _settings(contents: Contents) -> Iterator[str]:
    """Shape and runs must be those that are there, or become them."""
    prefix = literal(contents.prefix)
    shape = contents.shape.as_json()
    for scope, name, value in (("", "schema", schema.VERSION), (contents.prefix, "shape", shape)):
        where = f"prefix = {literal(scope)} AND table_number = 0 AND name = '{name}'"
        there = f"SELECT COUNT(*) FROM _cpexport_settings WHERE {where}"
        other = f"{there} AND value <> {literal(value)}"
        yield check(f"({other}) = 0", f"the tables have another {name}")
        yield select("_cpexport_settings", (scope, 0, name, value), f"@ok AND ({there}) = 0")
    for run, number in contents.runs.items():
        same = f"(table_number = {number}) + (name = {literal(run)})"
        there = f"SELECT COUNT(*) FROM _cpexport_runs WHERE prefix = {prefix} AND {same}"
        yield check(f"({there} = 1) = 0", f"run {number} has another name there")
        row = (contents.prefix, number, run)
        yield select("_cpexport_runs", row, f"@ok AND ({there} > 0) = 0")


def _kinds(contents: Contents) -> Iterator[str]:
    """Kinds of relationships as the database numbers them: `@kind1` and so on."""
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


def _wanted(contents: Contents, tables: list[Made]) -> Iterator[tuple[object, ...]]:
    """Rows of cpexport_columns: every column of every table, and what the ledger keeps of it."""
    layout = contents.layout
    known = {(c.table, c.name): (n, c) for n, c in enumerate(layout.columns, 1)}
    for made in tables:
        for number, (name, type) in enumerate(made.columns.items(), 1):
            position, column = known.get((made.name, name), (None, None))
            kept: tuple[object, ...] = (None, None, None)
            if column is not None:
                kept = (column.object, column.feature, schema.TYPE_NAMES[column.type])
            yield made.name, number, name, type, position, *kept


def _first(query: str) -> str:
    """A check that there is no table of which the query tells that it has other columns."""
    return f"SET @t = ({query});\n" + check("@t IS NULL", "", "CONCAT(@t, ' has other columns')")


def _grow(table: str) -> str:
    """Adds what a table of an earlier script has not got, and makes its types wider."""
    rank = "FIELD({}, 'bigint', 'double', 'text', 'longtext')"
    wider = f"{rank.format('i.type')} < {rank.format(_TYPE)}"
    name = quoted(table).replace("'", "''")
    return f"""SET @s = (SELECT GROUP_CONCAT(IF(i.c IS NULL, 'ADD', 'MODIFY'), ' COLUMN `',
    REPLACE(w.c, '`', '``'), '` ', w.type ORDER BY w.n)
  FROM {_BOTH} WHERE @ok AND w.t = {literal(table)} AND COALESCE({wider}, 1));
SET @s = COALESCE(CONCAT('ALTER TABLE {name} ', @s), 'DO 0');
{RUN}"""


def made_views(contents: Contents) -> Iterator[str]:
    """Views where their names are free, or have been given to such a view before."""
    prefix, layout, dialect = contents.prefix, contents.layout, mysql.dialect()
    numbered = contents.shape.numbered
    found = {
        f"{prefix}Per_{RELATIONSHIP}sView": schema.relationship_view(prefix, numbered, dialect)
    }
    view = object_view(layout, prefix) if contents.shape.layout == VIEW else None
    if view is not None and view.width <= _WIDEST_VIEW:
        found[table_of(OBJECT, prefix)] = view.statement
    if not prefix:
        found |= views.statements(layout, dialect, _WIDEST_VIEW)
    where = f"prefix = {literal(prefix)} AND table_number = 0 AND name = 'views'"
    yield f"SET @views = COALESCE((SELECT value FROM _cpexport_settings WHERE {where}), '[]');\n"
    yield f"DELETE FROM _cpexport_settings WHERE @ok AND {where};\nSET @mine = '[]';\n"
    for name, statement in found.items():
        again = statement.replace("CREATE VIEW", "CREATE OR REPLACE VIEW", 1)
        ours = f"LOCATE({literal(json.dumps(name))}, @views) > 0"
        free = (
            "NOT EXISTS (SELECT 1 FROM information_schema.tables WHERE table_schema = DATABASE() "
            f"AND LOWER(table_name) = {literal(name.lower())})"
        )
        yield f"SET @free = @ok AND ({ours} OR {free});\n"
        more = f"JSON_ARRAY_APPEND(@mine, '$', {literal(name)})"
        yield f"SET @mine = IF(@free, {more}, @mine);\n"
        yield f"SET @s = IF(@free, {literal(again)}, 'DO 0');\n{RUN}"
    yield select("_cpexport_settings", (prefix, 0, "views", Variable("@mine")), "@ok")
