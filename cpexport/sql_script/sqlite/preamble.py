"""The first part of a script for SQLite: it makes tables and views.

SQLite's shell has no conditional statements, so the script cannot add columns: it refuses existing
tables that lack one. Other columns, which a load has added, stay.
"""

import json
from collections.abc import Iterator

import sqlalchemy as sa

from cpexport.cellprofiler.features import OBJECT
from cpexport.sinks.sql import ledger_schema, ledger_upgrade, pycytominer_views, schema
from cpexport.sinks.sql.database import quoted
from cpexport.sinks.sql.indexes import TableIndex
from cpexport.sinks.sql.ledger_settings import INDEXES
from cpexport.sinks.sql.object_view import FORM, ObjectView, object_view
from cpexport.sinks.sqlite import CAPABILITIES
from cpexport.sinks.sqlite.connection import DIALECT
from cpexport.sql_script import stops
from cpexport.sql_script.manifest import Manifest
from cpexport.sql_script.sqlite.statements import check, insert, literal
from cpexport.tables.layout import table_of
from cpexport.tables.options import VIEW


def tables(contents: Manifest) -> Iterator[str]:
    """Makes tables and views that do not exist; stops if something else has their name."""
    prefix, numbered, layout = contents.prefix, contents.shape.numbered, contents.layout
    where = f"prefix = {literal(prefix)}"
    for table in [
        # COLUMNS comes first, as the checks query it for the tables that cpexport made.
        *sorted(ledger_schema.own_tables(), key=lambda table: table is not ledger_schema.COLUMNS),
        ledger_schema.SCRIPTED,
        *(schema.data_table(table) for table in layout.tables.values()),
        *schema.relationship_tables(prefix, numbered),
        *schema.experiment_tables(),
    ]:
        yield from _made(table, where)
    # Loads add columns of measurements of the run to this table.
    yield from _made(schema.experiment_table(prefix, numbered), where, more="1")
    yield from _keys(contents)
    views = [ledger_upgrade.STATEMENT, schema.relationship_view(prefix, numbered, DIALECT)]
    view = object_view(layout, prefix) if contents.shape.layout == VIEW else None
    if view and view.width <= CAPABILITIES.max_columns:
        yield from _object_view(view, prefix)
        views.append(view.statement)
    views += (
        []
        if prefix
        else pycytominer_views.statements(layout, DIALECT, CAPABILITIES.max_columns).values()
    )
    for statement in views:
        yield statement.replace("CREATE VIEW", "CREATE VIEW IF NOT EXISTS", 1) + ";\n"
    yield from _settings(contents)
    yield from _columns(contents)
    yield from _kinds(contents)
    for known in dict.fromkeys((unit.entry.signature, unit.digest) for unit in contents.units):
        yield insert("cpexport_known", known)


def indexes(contents: Manifest) -> Iterator[str]:
    """Makes the indexes that queries need, once all rows are there."""
    for index in contents.indexes:
        yield _unless_exists(index)


def count_values(contents: Manifest) -> Iterator[str]:
    """Counts the values of all tables, which the optimizer must know; of some rows, as loads do."""
    yield "PRAGMA analysis_limit = 1000;\n"
    for table in contents.layout.tables:
        yield f"ANALYZE {quoted(table)};\n"


def _unless_exists(index: TableIndex) -> str:
    return index.statement().replace("CREATE INDEX", "CREATE INDEX IF NOT EXISTS", 1) + ";\n"


def _object_view(view: ObjectView, prefix: str) -> Iterator[str]:
    """Makes the indexes that the view of all objects needs, and stores its form unless the view
    exists."""
    for index in view.indexes:
        yield _unless_exists(index)
    existing = f"SELECT 1 FROM sqlite_master WHERE name = {literal(table_of(OBJECT, prefix))}"
    note = insert("_cpexport_settings", (prefix, 0, "view", FORM), f"NOT EXISTS ({existing})")
    yield note.replace("INSERT", "REPLACE", 1)


def _made(table: sa.Table, where: str, more: str = "") -> Iterator[str]:
    """Statements that make a table if it does not exist, and stop at one with other columns. It may
    have additional columns if the condition `more` holds (default: if cpexport made it)."""
    first, *indexes = schema.create(table, DIALECT)
    yield first.replace("CREATE TABLE", "CREATE TABLE IF NOT EXISTS", 1) + ";\n"
    for statement in indexes:
        yield statement.replace("CREATE INDEX", "CREATE INDEX IF NOT EXISTS", 1) + ";\n"
    name = literal(table.name)
    names = literal(json.dumps([column.name for column in table.columns], ensure_ascii=False))
    existing = f"SELECT name FROM pragma_table_info({name})"
    ours = f"{name} IN (SELECT table_name FROM _cpexport_columns WHERE {where})"
    whole = (
        f"(SELECT count(*) FROM json_each({names}) WHERE value NOT IN ({existing})) = 0 AND "
        f"((SELECT count(*) FROM ({existing})) = {len(table.columns)} OR {more or ours})"
    )
    if table.name.startswith("_cpexport_"):
        yield check(whole, stops.OTHER_VERSION)
    else:
        yield check(f"{whole} OR {ours}", stops.NOT_OURS, table=table.name)
        yield check(whole, stops.OTHER_COLUMNS, table=table.name)


def _keys(contents: Manifest) -> Iterator[str]:
    """Gives a new part of a table the keys of the other parts."""
    for table in contents.layout.tables.values():
        first = contents.layout.parts(table.object)[0]
        if table is not first:
            keys = ", ".join(map(quoted, table.key))
            yield (
                f"INSERT INTO {quoted(table.name)} ({keys}) SELECT {keys} FROM "
                f"{quoted(first.name)} WHERE NOT EXISTS (SELECT 1 FROM {quoted(table.name)});\n"
            )


def _settings(contents: Manifest) -> Iterator[str]:
    """Enters the table options and runs, or checks that they equal existing ones."""
    prefix = contents.prefix
    settings = (
        ("", "schema", ledger_schema.VERSION, stops.OTHER_VERSION),
        (prefix, "shape", contents.shape.as_json(), stops.OTHER_OPTIONS),
    )
    for scope, name, value, stop in settings:
        row = f"prefix = {literal(scope)} AND table_number = 0 AND name = '{name}'"
        existing = f"SELECT count(*) FROM _cpexport_settings WHERE {row}"
        yield insert("_cpexport_settings", (scope, 0, name, value), f"({existing}) = 0")
        yield check(f"({existing} AND value = {literal(value)}) = 1", stop)
    if not contents.indexed:
        row = f"prefix = {literal(prefix)} AND table_number = 0 AND name = '{INDEXES}'"
        existing = f"SELECT count(*) FROM _cpexport_settings WHERE {row}"
        yield insert("_cpexport_settings", (prefix, 0, INDEXES, "no"), f"({existing}) = 0")
    for name, number in contents.runs.items():
        existing = f"SELECT count(*) FROM _cpexport_runs WHERE prefix = {literal(prefix)}"
        same = f"table_number = {number} AND name = {literal(name)}"
        either = f"(table_number = {number} OR name = {literal(name)})"
        yield insert("_cpexport_runs", (prefix, number, name), f"({existing} AND {either}) = 0")
        yield check(f"({existing} AND {same}) = 1", stops.OTHER_RUN, run=number)


def _columns(contents: Manifest) -> Iterator[str]:
    """Enters new columns in the ledger. Fills `cpexport_unknown` with the tables that have types or
    parts that this script does not know."""
    for number, c in enumerate(contents.layout.columns, 1):
        values = (number, c.object, c.feature, c.table, c.name, schema.TYPE_NAMES[c.type])
        yield insert("cpexport_columns", values)
    where = f"prefix = {literal(contents.prefix)}"
    ledger = f"(SELECT * FROM _cpexport_columns WHERE {where}) l"
    both = f"cpexport_columns w JOIN {ledger} ON l.table_name = w.t AND l.column_name = w.c"
    same = "l.object_name = w.object_name AND l.feature = w.feature"
    place = "l.table_name = w.t AND l.column_name = w.c"
    for one, other in ((same, place), (place, same)):
        query = f"SELECT 1 FROM cpexport_columns w JOIN {ledger} ON {one} WHERE NOT ({other})"
        yield check(f"NOT EXISTS ({query})", stops.COLUMNS_ELSEWHERE)
    yield f"""INSERT INTO cpexport_unknown SELECT w.t FROM {both}
  WHERE w.kind <> 'none yet' AND (w.kind, l.type) NOT IN
    (VALUES (w.kind, w.kind), ('integer', 'real'));
INSERT INTO cpexport_unknown SELECT table_name FROM {ledger} WHERE table_name NOT IN
  (SELECT t FROM cpexport_columns) AND object_name IN (SELECT object_name FROM cpexport_columns);
INSERT INTO _cpexport_columns SELECT {literal(contents.prefix)},
  (SELECT coalesce(max(position), 0) FROM {ledger}) + position, object_name, feature, t, c, kind
  FROM cpexport_columns WHERE (t, c) NOT IN (SELECT table_name, column_name FROM {ledger});
"""


def _kinds(contents: Manifest) -> Iterator[str]:
    """Enters the kinds of relationships, and their numbers in the database in `cpexport_kinds`."""
    kinds = quoted(f"{contents.prefix}Per_RelationshipTypes")
    names = ("module_number", "relationship", "object_name1", "object_name2")
    for number, kind in enumerate(contents.kinds, 1):
        is_it = " AND ".join(
            f"{name} = {literal(value)}" for name, value in zip(names, kind, strict=True)
        )
        yield (
            f"INSERT INTO {kinds} SELECT coalesce(max(relationship_type_id), 0) + 1, "
            f"{', '.join(map(literal, kind))} FROM {kinds} "
            f"HAVING NOT EXISTS (SELECT 1 FROM {kinds} WHERE {is_it});\n"
            f"INSERT INTO cpexport_kinds SELECT {number}, min(relationship_type_id) FROM {kinds} "
            f"WHERE {is_it};\n"
        )
