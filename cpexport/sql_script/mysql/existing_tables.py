"""How a server's tables differ from those that a script for MariaDB or MySQL needs."""

from collections.abc import Iterator

from cpexport.sinks.mysql import views
from cpexport.sinks.sql import schema
from cpexport.sinks.sql.schema import TYPE_NAMES
from cpexport.sql_script import stops
from cpexport.sql_script.manifest import Manifest
from cpexport.sql_script.mysql.statements import (
    RUN,
    Variable,
    check,
    literal,
)
from cpexport.sql_script.stops import Stop

# What the tables should have, and what they have according to the server. The server's
# information_schema is queried once for all tables, as each query takes long, and is copied, as it
# compares texts in its own way.
TEMPORARY = """\
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
LOOK = """\
DELETE FROM cpexport_there;
INSERT INTO cpexport_there SELECT i.table_name, i.column_name, LOWER(i.data_type)
  FROM information_schema.columns i JOIN cpexport_tables k
  ON CONVERT(i.table_name USING utf8mb4) COLLATE utf8mb4_general_ci = k.t
  WHERE i.table_schema = DATABASE() AND i.extra NOT LIKE '%INVISIBLE%';
"""
ENGINE = """\
SET @t = (SELECT MIN(k.t) FROM information_schema.tables i JOIN cpexport_tables k
  ON CONVERT(i.table_name USING utf8mb4) COLLATE utf8mb4_general_ci = k.t
  WHERE i.table_schema = DATABASE() AND NOT i.engine <=> 'InnoDB');
"""
_TYPE = "REPLACE(LOWER(SUBSTRING_INDEX(w.type, '(', 1)), 'integer', 'int')"


def _kind(type: str) -> str:
    """The kind of values of a type: administrators may change it for another one of a kind."""
    texts = f"{type} = 'varchar' OR {type} LIKE '%text'"
    return f"CASE WHEN {texts} THEN 'text' WHEN {type} LIKE '%int' THEN 'int' ELSE {type} END"


THERE = "cpexport_columns w LEFT JOIN cpexport_there i ON i.t = w.t AND i.c = w.c"
LEDGER = "cpexport_columns w LEFT JOIN cpexport_ledger l ON l.t = w.t AND l.c = w.c"
DIFFERS = f"COALESCE({_kind('i.type')} <> {_kind(_TYPE)}, 1)"
_WIDTHS = ", ".join(f"'{name}'" for name in TYPE_NAMES.values())
_EXACT = 1 << 53
TABLE = Variable("@t")
_WIDER = f"FIELD(l.kind, {_WIDTHS}) > FIELD(w.kind, {_WIDTHS})"


def check_before(contents: Manifest) -> Iterator[str]:
    """Stops at tables and views that cpexport did not make, before it makes any."""
    yield LOOK + _unlike("k.own", stops.OTHER_VERSION)
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
  {literal(read_ledger(contents))}, 'DO 0');
{RUN}"""
    yield from _foreign_tables(contents)


def read_ledger(contents: Manifest) -> str:
    return (
        "INSERT INTO cpexport_ledger SELECT table_name, column_name, position, object_name, "
        f"feature, type FROM _cpexport_columns WHERE prefix = {literal(contents.prefix)}"
    )


def _unlike(which: str, stop: Stop) -> str:
    """A check that none of the tables of one kind exists with other columns than the script's."""
    return f"""SET @t = (SELECT MIN(k.t) FROM cpexport_tables k JOIN ({THERE}) ON w.t = k.t
  WHERE {DIFFERS} AND {which}
  AND EXISTS (SELECT 1 FROM information_schema.tables x WHERE x.table_schema = DATABASE()
    AND CONVERT(x.table_name USING utf8mb4) COLLATE utf8mb4_general_ci = k.t));
""" + check("@t IS NULL", stop, table=TABLE)


def _foreign_tables(contents: Manifest) -> Iterator[str]:
    ours = "SELECT t FROM cpexport_ledger"
    yield _unlike(f"NOT k.own AND k.t NOT IN ({ours})", stops.NOT_OURS)
    yield f"""SET @t = (SELECT MIN(i.t) FROM cpexport_there i LEFT JOIN cpexport_columns w
  ON w.t = i.t AND w.c = i.c WHERE w.c IS NULL AND i.t NOT IN ({ours})
  AND i.t <> {literal(f"{contents.prefix}Per_Experiment")});
""" + check("@t IS NULL", stops.NOT_OURS, table=TABLE)
    for view in wanted_views(contents):
        first = view.removesuffix(views.WHOLE)
        part = f" WHERE t = {literal(f'{first}_part2')}" if first != view else ""
        others = (
            "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = DATABASE() "
            f"AND LOWER(table_name) = {literal(view.lower())} "
            f"AND NOT (table_type = 'VIEW' AND EXISTS (SELECT 1 FROM cpexport_ledger{part}))"
        )
        yield check(f"({others}) = 0", stops.OTHER_VIEW, view=view)


def check_foreign(contents: Manifest) -> Iterator[str]:
    """Stops at what has come meanwhile, and at columns in other places. Sets
    `@unknown` to a table of cpexport's with more than this script knows, if there is one."""
    prefix = literal(contents.prefix)
    yield from _foreign_tables(contents)
    elsewhere = f"SELECT object_name, feature FROM _cpexport_columns WHERE prefix = {prefix}"
    yield check_none(
        f"""SELECT MIN(w.t) FROM {LEDGER} WHERE w.position IS NOT NULL
  AND IF(l.t IS NULL, (w.object_name, w.feature) IN ({elsewhere}),
    BINARY w.object_name <> l.object_name OR BINARY w.feature <> l.feature)"""
    )
    alien = (
        f"SELECT COUNT(*) FROM _cpexport_batches b WHERE prefix = {prefix} AND NOT EXISTS "
        "(SELECT 1 FROM _cpexport_script s WHERE s.prefix = b.prefix "
        "AND s.table_number = b.table_number AND s.signature = b.signature)"
    )
    numbers = "w.kind = 'text' AND l.kind IN ('integer', 'real')"
    yield f"SET @t = (SELECT MIN(w.t) FROM {LEDGER} WHERE {numbers});\n"
    yield check(f"@t IS NULL OR ({alien}) = 0", stops.BECOMES_TEXT, table=TABLE)
    yield f"""SET @big = 0, @s = (SELECT CONCAT('SELECT COUNT(*) INTO @big FROM (', GROUP_CONCAT(
  'SELECT 1 FROM `', w.t, '` WHERE ABS(`', w.c, '`) > {_EXACT}' SEPARATOR ' UNION ALL '), ') x')
  FROM {LEDGER} WHERE w.kind = 'real' AND l.kind = 'integer');
SET @s = COALESCE(@s, 'DO 0');
{RUN}"""
    yield check("@big = 0", stops.TOO_LONG)
    yield f"""SET @unknown = (SELECT MIN(w.t) FROM {LEDGER}
  WHERE {_WIDER} AND w.kind <> 'none yet' AND l.kind = 'text');
SET @unknown = COALESCE(@unknown, (SELECT MIN(l.t)
  FROM cpexport_ledger l LEFT JOIN cpexport_tables k ON k.t = l.t
  WHERE k.t IS NULL AND l.object_name IN (SELECT object_name FROM cpexport_columns)));
UPDATE cpexport_columns w JOIN cpexport_ledger l ON l.t = w.t AND l.c = w.c
  SET w.kind = l.kind, w.type = CASE WHEN l.kind = 'integer' THEN 'BIGINT'
    WHEN l.kind = 'real' THEN 'DOUBLE' WHEN w.feature LIKE 'Thumbnail\\_%' THEN 'LONGTEXT'
    ELSE 'TEXT' END WHERE {_WIDER};
"""


def check_none(query: str) -> str:
    """A check that the query, for a table with other columns, finds none."""
    return f"SET @t = ({query});\n" + check("@t IS NULL", stops.OTHER_COLUMNS, table=TABLE)


def wanted_views(contents: Manifest) -> dict[str, str]:
    return views.statements(contents.layout, contents.prefix, contents.shape)
