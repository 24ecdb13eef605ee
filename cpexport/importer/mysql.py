"""The script for the plain clients of MariaDB and MySQL, which check nothing by themselves.

`LOAD DATA LOCAL` makes mere warnings of what is wrong, and a file that is cut short looks whole. So
each file is read twice, first for the checksums of its lines. A statement about a table that cannot
be there is what stops the client, with the message as its name. `@ok` says the same to what follows
under `--force`, where the client goes on: a batch is committed by its last statement only.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from sqlalchemy.dialects import mysql

from cpexport import __version__
from cpexport.experiment import EXPERIMENTS
from cpexport.features import IMAGE_NUMBER, RELATIONSHIP, TABLE_NUMBER
from cpexport.imagesets import ImageSets
from cpexport.importer import mysqltables
from cpexport.importer.contents import LASTING, SETS, Contents, DataFile, Form, Said, Unit
from cpexport.importer.csvtext import END
from cpexport.importer.mysqltables import Made, listed, quoted
from cpexport.shape import VIEW
from cpexport.sinks import schema, views
from cpexport.sinks.mysqltext import FORMAT
from cpexport.sinks.objectview import object_view
from cpexport.tables import table_of

_WIDEST_VIEW = 4096
_AT_ONCE = 200
_LONGEST = 64

_HEAD = """\
-- Written by cpexport {version}. Imports the files beside it, each batch once:
--   mysql --local-infile=1 DATABASE < {script}        (or mariadb, in place of mysql)
-- in this folder. It stops with an error, and leaves out all of a batch, if anything of it is not as
-- it was written. What is there already is not loaded again, so run it again after a repair.
SET NAMES utf8mb4;
SET SESSION sql_mode = 'STRICT_ALL_TABLES,ANSI_QUOTES,NO_ENGINE_SUBSTITUTION', autocommit = 0,
  group_concat_max_len = 1000000;
SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED;
SET @ok = 1, @loaded = 0;
"""
_TEMPORARY = """\
CREATE TEMPORARY TABLE cpexport_lines (crc INT UNSIGNED NOT NULL) ENGINE=InnoDB;
CREATE TEMPORARY TABLE cpexport_known (signature VARCHAR(64) NOT NULL PRIMARY KEY) ENGINE=InnoDB
  DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
CREATE TEMPORARY TABLE cpexport_tables (t VARCHAR(64) NOT NULL PRIMARY KEY) ENGINE=InnoDB
  DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;
CREATE TEMPORARY TABLE cpexport_columns (t VARCHAR(64) NOT NULL, n INT NOT NULL, c VARCHAR(64) NOT NULL,
  type VARCHAR(64) NOT NULL, own INT NOT NULL, position INT, object_name TEXT, feature TEXT, kind TEXT)
  ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;
"""
# What the server says of the tables, and how what it says compares to what they should be.
_UTF8 = "CONVERT({} USING utf8mb4) COLLATE utf8mb4_general_ci"
_SERVER = f"""information_schema.columns i ON i.table_schema = DATABASE()
  AND {_UTF8.format("i.table_name")} = w.t AND {_UTF8.format("i.column_name")} = w.c"""
_TYPE = "LOWER(SUBSTRING_INDEX(SUBSTRING_INDEX(w.type, ' ', 1), '(', 1))"
_SAME = f"{_UTF8.format('i.data_type')} = {_TYPE}"


def script(contents: Contents, form: Form) -> Iterator[str]:
    """The statements, in pieces of a few lines."""
    mysqltables.refuse_long_names(contents)
    yield _HEAD.format(version=__version__, script=form.script)
    yield _check("DATABASE() IS NOT NULL", "no database; name one after mysql")
    lock = "GET_LOCK(CONCAT('cpexport ', LEFT(SHA2(DATABASE(), 256), 40)), 60)"
    yield _check(f"{lock} = 1", "another script runs on this database")
    yield _TEMPORARY
    yield from _tables(contents)
    yield from _views(contents)
    yield "COMMIT;\nSET @ready = @ok, @all = @ok;\n"
    batches = len(contents.units)
    for number, unit in enumerate(contents.units, 1):
        yield f"\n-- batch {number} of {batches}: image sets {unit.entry.loaded or 'none any more'}\n"
        yield from _batch(unit, contents, form)
    yield "\n-- the run as a whole\nSTART TRANSACTION;\nSET @ok = @all;\n"
    for run, said in contents.said.items():
        yield from _said(run, said, contents)
    yield _end("@ok")
    yield (
        f"SELECT CONCAT('cpexport: ', @loaded, ' of {batches} batches loaded, the others were there"
        "') AS done FROM DUAL WHERE @all;\nDO RELEASE_LOCK(CONCAT('cpexport ', LEFT(SHA2(DATABASE(), 256), 40)));\n"
    )


def literal(value: object) -> str:
    """A value as SQL has it."""
    if value is None:
        return "NULL"
    if isinstance(value, bytes):
        return f"X'{value.hex()}'"
    if isinstance(value, int):
        return str(value)
    text = str(value)
    for plain, escaped in (
        ("\\", "\\\\"),
        ("'", "''"),
        ("\n", "\\n"),
        ("\r", "\\r"),
        ("\0", "\\0"),
    ):
        text = text.replace(plain, escaped)
    return f"'{text}'"


def _check(condition: str, message: str, value: str | None = None) -> str:
    """Stops the client unless the condition holds. `value` is the message as an expression."""
    said = value or literal(message.replace("`", "'"))
    name = f"RTRIM(LEFT(CONCAT('cpexport: ', {said}), {_LONGEST}))"
    return (
        f"SET @ok = @ok AND COALESCE(({condition}), 0);\n"
        f"SET @s = IF(@ok, 'DO 0', CONCAT('SELECT * FROM `', {name}, '`'));\n{_RUN}"
    )


_RUN: Final = "PREPARE s FROM @s; EXECUTE s; DEALLOCATE PREPARE s;\n"


def _end(condition: str) -> str:
    return f"SET @s = IF({condition}, 'COMMIT', 'ROLLBACK');\n{_RUN}"


def _insert(table: str, rows: Iterable[Sequence[object]]) -> Iterator[str]:
    """Statements that insert literal rows, some at a time."""
    listed = [f"({', '.join(map(literal, row))})" for row in rows]
    for start in range(0, len(listed), _AT_ONCE):
        values = ",\n  ".join(listed[start : start + _AT_ONCE])
        yield f"INSERT INTO {table} VALUES\n  {values};\n"


def _select(table: str, values: Iterable[object], condition: str) -> str:
    """A statement that inserts a literal row if a condition holds; texts with @ are variables."""
    listed = (str(v) if isinstance(v, _Variable) else literal(v) for v in values)
    return f"INSERT INTO {table} SELECT {', '.join(listed)} FROM DUAL WHERE {condition};\n"


class _Variable(str):
    """A text that is SQL and no value."""

    __slots__ = ()


_ID: Final = _Variable("@id")


def _tables(contents: Contents) -> Iterator[str]:
    prefix, shape = literal(contents.prefix), contents.shape.as_json()
    own, mine = mysqltables.own_tables(), mysqltables.tables(contents)
    yield "\n".join(made.statement for made in [*own, *mysqltables.shared_tables()]) + "\n"
    yield "START TRANSACTION;\n"
    yield from _insert("cpexport_columns", _wanted(contents, [*own, *mine], len(own)))
    yield from _insert("cpexport_tables", [[made.name] for made in [*own, *mine]])
    yield from _insert(
        "cpexport_known", [[s] for s in {u.entry.signature: 0 for u in contents.units}]
    )
    ledger = f"SELECT table_name FROM _cpexport_columns WHERE prefix = {prefix}"
    yield _first(
        f"""SELECT MIN(w.t) FROM cpexport_columns w LEFT JOIN {_SERVER}
  WHERE w.t IN (SELECT {_UTF8.format("table_name")} FROM information_schema.tables
    WHERE table_schema = DATABASE())
  AND (w.own OR w.t NOT IN ({ledger})) AND COALESCE(NOT ({_SAME}), 1)"""
    )
    yield _first(
        f"""SELECT MIN(k.t) FROM cpexport_tables k JOIN information_schema.columns i
  ON i.table_schema = DATABASE() AND {_UTF8.format("i.table_name")} = k.t
  LEFT JOIN cpexport_columns w ON w.t = k.t AND w.c = {_UTF8.format("i.column_name")}
  WHERE i.extra NOT LIKE '%INVISIBLE%' AND w.c IS NULL"""
    )
    for name, scope, value in (("schema", "''", schema.VERSION), ("shape", prefix, shape)):
        where = f"prefix = {scope} AND table_number = 0 AND name = '{name}'"
        there = (
            f"SELECT COUNT(*) FROM _cpexport_settings WHERE {where} AND value <> {literal(value)}"
        )
        yield _check(f"({there}) = 0", f"the tables have another {name}")
        missing = f"@ok AND NOT EXISTS (SELECT 1 FROM _cpexport_settings WHERE {where})"
        yield (
            f"INSERT INTO _cpexport_settings SELECT {scope}, 0, '{name}', {literal(value)} FROM DUAL "
            f"WHERE {missing};\n"
        )
    for run, number in contents.runs.items():
        same = f"(table_number = {number}) + (name = {literal(run)})"
        there = f"SELECT COUNT(*) FROM _cpexport_runs WHERE prefix = {prefix} AND {same}"
        yield _check(f"({there} = 1) = 0", f"run {number} has another name there")
        yield _select(
            "_cpexport_runs", (contents.prefix, number, run), f"@ok AND ({there} > 0) = 0"
        )
    yield f"DELETE FROM _cpexport_columns WHERE @ok AND prefix = {prefix};\n"
    yield (
        f"INSERT INTO _cpexport_columns SELECT {prefix}, position, object_name, feature, t, c, kind "
        "FROM cpexport_columns WHERE @ok AND position IS NOT NULL;\n"
    )
    yield _end("@ok")
    yield "\n".join(made.statement for made in mine) + "\n"
    for made in mine:
        yield _grow(made.name)
    yield _first(
        f"SELECT MIN(w.t) FROM cpexport_columns w LEFT JOIN {_SERVER} WHERE COALESCE(NOT ({_SAME}), 1)"
    )
    engine = f"""SELECT MIN(k.t) FROM information_schema.tables i JOIN cpexport_tables k
  ON {_UTF8.format("i.table_name")} = k.t
  WHERE i.table_schema = DATABASE() AND NOT i.engine <=> 'InnoDB'"""
    yield f"SET @t = ({engine});\n" + _check("@t IS NULL", "", "CONCAT(@t, ' is not of InnoDB')")
    yield "START TRANSACTION;\n"
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


def _wanted(contents: Contents, tables: list[Made], own: int) -> Iterator[tuple[object, ...]]:
    """Rows of cpexport_columns: every column of every table, and what the ledger keeps of it."""
    layout = contents.layout
    known = {(c.table, c.name): (n, c) for n, c in enumerate(layout.columns, 1)}
    for place, made in enumerate(tables):
        for number, (name, type) in enumerate(made.columns.items(), 1):
            position, column = known.get((made.name, name), (None, None))
            kept: tuple[object, ...] = (None, None, None)
            if column is not None:
                kept = (column.object, column.feature, schema.TYPE_NAMES[column.type])
            yield made.name, number, name, type, int(place < own), position, *kept


def _first(query: str) -> str:
    """A check that there is no table of which the query tells that it has other columns."""
    return f"SET @t = ({query});\n" + _check("@t IS NULL", "", "CONCAT(@t, ' has other columns')")


def _grow(table: str) -> str:
    """Adds what a table of an earlier script has not got, and makes its types wider."""
    rank = "FIELD({}, 'bigint', 'double', 'text', 'longtext')"
    wider = f"{rank.format('i.data_type')} < {rank.format(_TYPE)}"
    return f"""SET @s = (SELECT GROUP_CONCAT(IF(i.column_name IS NULL, 'ADD', 'MODIFY'), ' COLUMN `',
    REPLACE(w.c, '`', '``'), '` ', w.type ORDER BY w.n)
  FROM cpexport_columns w LEFT JOIN {_SERVER}
  WHERE @ok AND w.t = {literal(table)} AND COALESCE({wider}, 1));
SET @s = COALESCE(CONCAT('ALTER TABLE {quoted(table).replace("'", "''")} ', @s), 'DO 0');
{_RUN}"""


def _views(contents: Contents) -> Iterator[str]:
    """Views where their names are free, or have been given to such a view before."""
    prefix, layout, dialect = contents.prefix, contents.layout, mysql.dialect()
    numbered = contents.shape.numbered
    found = {
        f"{prefix}Per_{RELATIONSHIP}sView": schema.relationship_view(prefix, numbered, dialect)
    }
    if contents.shape.layout == VIEW and (view := object_view(layout, prefix)):
        if view.width <= _WIDEST_VIEW:
            found[table_of("Object", prefix)] = view.statement
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
        item = literal(json.dumps(name))
        yield f"SET @mine = IF(@free, JSON_ARRAY_APPEND(@mine, '$', JSON_UNQUOTE({item})), @mine);\n"
        yield f"SET @s = IF(@free, {literal(again)}, 'DO 0');\n{_RUN}"
    yield _select("_cpexport_settings", (prefix, 0, "views", _Variable("@mine")), "@ok")


def _between(column: str, image_sets: ImageSets) -> str:
    return " OR ".join(f"{column} BETWEEN {a} AND {b}" for a, b in image_sets.ranges) or "0"


def _batch(unit: Unit, contents: Contents, form: Form) -> Iterator[str]:
    prefix, entry, run = contents.prefix, unit.entry, unit.run
    ours = f"prefix = {literal(prefix)} AND table_number = {run}"
    same = f"{ours} AND signature = {literal(entry.signature)}"
    sets = entry.loaded
    yield f"""START TRANSACTION;
SET @ok = @ready;
SET @id = (SELECT batch_id FROM _cpexport_batches WHERE {same});
SET @new = @id IS NULL OR COALESCE((SELECT digest <> '{unit.digest}' FROM _cpexport_script WHERE {same}), 0);
"""
    mine = f"s.prefix = {literal(prefix)} AND s.table_number = {run}"
    others = (
        f"SELECT COUNT(*) FROM {SETS} s JOIN _cpexport_batches b ON b.batch_id = s.batch_id "
        f"WHERE {mine} AND ({_between('s.number', sets)}) "
        "AND b.signature NOT IN (SELECT signature FROM cpexport_known)"
    )
    what = f"image sets {sets} are there, from others"
    yield _check(f"NOT @new OR ({others}) = 0", what)
    which = f"@new AND {mine} AND (s.batch_id = @id OR {_between('s.number', sets)})"
    for table, number in _keyed(contents):
        joined = f"t.{quoted(number)} = s.number" + (
            f" AND t.{TABLE_NUMBER} = {run}" if run else ""
        )
        yield f"DELETE t FROM {SETS} s JOIN {quoted(table)} t ON {joined} WHERE {which};\n"
    yield f"DELETE s FROM {SETS} s WHERE {which};\n"
    for table in ("_cpexport_tables", "_cpexport_batches"):
        yield f"DELETE FROM {table} WHERE @new AND batch_id = @id;\n"
    yield f"DELETE FROM _cpexport_script WHERE @new AND {same};\n"
    yield f"DELETE FROM _cpexport_settings WHERE @new AND {ours} AND name NOT IN {LASTING};\n"
    yield (
        "SET @id = COALESCE(@id, (SELECT COALESCE(MAX(batch_id), 0) + 1 FROM _cpexport_batches));\n"
    )
    for file in unit.files:
        yield from _file(file, unit, contents, form)
    yield _select("_cpexport_batches", (_ID, prefix, run, *unit.row), "@new")
    for table, count in entry.counts.items():
        infinite = json.dumps(dict(count.infinite_columns))
        row = (_ID, table, count.rows, count.missing, count.infinite, infinite)
        yield _select("_cpexport_tables", row, "@new")
    yield _select("_cpexport_script", (prefix, run, entry.signature, unit.digest), "@new")
    for file in unit.files:
        yield _count(file, unit, contents)
    entered = f"SELECT COUNT(*) FROM _cpexport_batches WHERE batch_id = @id AND {same}"
    yield _check(f"({entered}) = 1", "the batch is not in the ledger")
    yield _end("@ok AND @new")
    yield "SET @all = @all AND COALESCE(@ok, 0), @loaded = @loaded + COALESCE(@ok AND @new, 0);\n"


def _keyed(contents: Contents) -> Iterator[tuple[str, str]]:
    """Tables with rows of image sets, and the column that has their numbers."""
    for table in contents.layout.tables:
        yield table, IMAGE_NUMBER
    # Of a pair whose second object is in a batch, the first one's batch says whether it is true.
    yield table_of(RELATIONSHIP, contents.prefix), "image_number1"


def _file(file: DataFile, unit: Unit, contents: Contents, form: Form) -> Iterator[str]:
    name = literal(file.name)
    yield f"""DELETE FROM cpexport_lines;
LOAD DATA LOCAL INFILE {name} INTO TABLE cpexport_lines CHARACTER SET binary
  FIELDS TERMINATED BY '\\0' ESCAPED BY '' LINES TERMINATED BY '\\n' (@line) SET crc = CRC32(@line);
SELECT COUNT(*), COALESCE(SUM(crc), 0) FROM cpexport_lines INTO @lines, @crc;
"""
    short = literal(file.name[-34:])
    said = (
        f"IF(@lines = {file.lines}, CONCAT({short}, ' is not as it was written'), "
        f"CONCAT({short}, ' has ', @lines, ' lines, not {file.lines}'))"
    )
    yield _check(f"@lines = {file.lines} AND @crc = {file.crc}", "", said)
    columns, assigned = [quoted(column) for column in file.columns], []
    if file.table == SETS:
        assigned = [f"prefix = {literal(contents.prefix)}", f"table_number = {unit.run}"]
        assigned.append("batch_id = @id")
    elif file.table == table_of(RELATIONSHIP, contents.prefix):
        kinds = ", ".join(f"@kind{number}" for number in range(1, len(contents.kinds) + 1))
        columns = ["@kind" if c == "`relationship_type_id`" else c for c in columns]
        assigned = [f"relationship_type_id = ELT(@kind, {kinds})"]
    rest = f" SET {', '.join(assigned)}" if assigned else ""
    ignored = " IGNORE 1 LINES" if form.header else ""
    yield f"""LOAD DATA LOCAL INFILE {name} INTO TABLE {quoted(file.table)} {FORMAT}{ignored}
  ({", ".join(columns)}, @{END}){rest};
SELECT @@warning_count INTO @warnings;
"""
    yield _check("@warnings = 0 OR NOT @new", f"{file.name[-34:]} met rows or limits")


def _count(file: DataFile, unit: Unit, contents: Contents) -> str:
    """A check that the table has just the rows of the file, of the batch's image sets."""
    where = _between(quoted(_number(file, contents)), unit.entry.loaded)
    if file.table == SETS:
        where = (
            f"prefix = {literal(contents.prefix)} AND table_number = {unit.run} AND batch_id = @id"
        )
    elif unit.run:
        where = f"{TABLE_NUMBER} = {unit.run} AND ({where})"
    there = f"SELECT COUNT(*) FROM {quoted(file.table)} WHERE {where}"
    value = f"CONCAT(@rows, ' of {file.rows} rows in ', {literal(file.table)})"
    return f"SET @rows = ({there});\n" + _check(f"@rows = {file.rows} OR NOT @new", "", value)


def _number(file: DataFile, contents: Contents) -> str:
    return dict(_keyed(contents)).get(file.table, "number")


def _said(run: int, said: Said, contents: Contents) -> Iterator[str]:
    prefix = literal(contents.prefix)
    ours = f"prefix = {prefix} AND table_number = {run}"
    table = quoted(f"{contents.prefix}Per_Experiment")
    yield f"DELETE FROM {table} WHERE @ok{f' AND {TABLE_NUMBER} = {run}' if run else ''};\n"
    if said.experiment is not None:
        names = [*([TABLE_NUMBER] if run else []), *EXPERIMENTS.names]
        values = (*([run] if run else []), *said.experiment)
        yield _select(f"{table} ({listed(names)})", values, "@ok")
    if said.properties or said.name:
        known = (
            f"SELECT MAX(value + 0) FROM _cpexport_settings WHERE {ours} AND name = 'experiment_id'"
        )
        yield f"SET @known = ({known});\n"
        yield (
            "SET @id = COALESCE(@known, (SELECT COALESCE(MAX(experiment_id), 0) + 1 FROM Experiment));\n"
        )
        yield _select(
            "Experiment (experiment_id, name)", (_ID, said.name), "@ok AND @known IS NULL"
        )
        yield _select(
            "_cpexport_settings",
            (contents.prefix, run, "experiment_id", _ID),
            "@ok AND @known IS NULL",
        )
        yield "DELETE FROM Experiment_Properties WHERE @ok AND experiment_id = @id;\n"
        for row in said.properties:
            into = "Experiment_Properties (experiment_id, object_name, field, value)"
            yield _select(into, (_ID, *row), "@ok")
    yield f"DELETE FROM _cpexport_settings WHERE @ok AND {ours} AND name NOT IN {LASTING};\n"
    for name, value in said.notes.items():
        yield _select("_cpexport_settings", (contents.prefix, run, name, value), "@ok")
