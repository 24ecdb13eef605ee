"""The script for SQLite's own shell, 3.40 or newer, which `.bail on` stops at the first error.

A constraint that is called like what is wrong is how SQL stops it. The shell knows the checksum of
a whole file. What a batch brings goes through a table of texts, and is taken only if it is new.
"""

import json
from collections.abc import Iterable, Iterator

import pyarrow as pa
import sqlalchemy as sa

from cpexport import __version__
from cpexport.experiment import EXPERIMENTS
from cpexport.features import IMAGE_NUMBER, INTEGER, RELATIONSHIP, TABLE_NUMBER, TEXT
from cpexport.importer.contents import LASTING, SETS, Contents, DataFile, Form, Said, Unit
from cpexport.shape import VIEW
from cpexport.sinks import schema, sqlledger, views
from cpexport.sinks.objectview import object_view
from cpexport.sinks.sql import literal as text_literal
from cpexport.sinks.sql import quoted, within
from cpexport.sinks.sqlitefile import DIALECT, WIDTH
from cpexport.tables import table_of

_HEAD = """\
-- Written by cpexport {version}. Imports the files beside it, each batch once:
--   sqlite3 FILE < {script}
-- in this folder. It stops with an error, and leaves out all of a batch, if anything of it is not
-- as it was written. What is there already is not loaded again: run it again after a repair.
.bail on
PRAGMA synchronous = EXTRA;
PRAGMA foreign_keys = OFF;
CREATE TEMP TABLE cpexport_known (signature TEXT PRIMARY KEY);
CREATE TEMP TABLE cpexport_kinds (number INTEGER PRIMARY KEY, id INTEGER);
CREATE TEMP TABLE cpexport_loaded (n INTEGER);
CREATE TEMP TABLE cpexport_batch (id INTEGER, new INTEGER NOT NULL, kept INTEGER NOT NULL);
BEGIN IMMEDIATE;
"""
_NEW = "(SELECT new FROM cpexport_batch)"
_ID = "(SELECT id FROM cpexport_batch)"
_SCRIPTED = """\
CREATE TABLE IF NOT EXISTS _cpexport_script (prefix TEXT NOT NULL, table_number INTEGER NOT NULL,
  signature TEXT NOT NULL, table_name TEXT NOT NULL, digest TEXT NOT NULL,
  PRIMARY KEY (prefix, table_number, signature, table_name));
"""


def script(contents: Contents, form: Form) -> Iterator[str]:
    """The statements, in pieces of a few lines."""
    yield _HEAD.format(version=__version__, script=form.script)
    yield from _tables(contents)
    yield "COMMIT;\n"
    for number, unit in enumerate(contents.units, 1):
        sets = unit.entry.loaded or "none any more"
        yield f"\n-- batch {number} of {len(contents.units)}: image sets {sets}\nBEGIN IMMEDIATE;\n"
        yield from _batch(unit, contents, form)
        yield "COMMIT;\n"
    yield "\n-- the run as a whole\nBEGIN IMMEDIATE;\n"
    for run, said in contents.said.items():
        yield from _said(run, said, contents)
    yield (
        f"COMMIT;\nSELECT 'cpexport: ' || count(*) || ' of {len(contents.units)} batches loaded, "
        "the others were there' FROM cpexport_loaded WHERE n;\n"
    )


def _literal(value: object) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, bytes):
        return f"X'{value.hex()}'"
    if isinstance(value, int):
        return str(value)
    return text_literal(str(value))


def _check(condition: str, message: str) -> str:
    """Stops the shell unless the condition holds."""
    return (
        "DROP TABLE IF EXISTS temp.cpexport_check;\n"
        f"CREATE TEMP TABLE cpexport_check (ok CONSTRAINT {quoted(message)} CHECK (ok));\n"
        f"INSERT INTO temp.cpexport_check SELECT coalesce(({condition}), 0);\n"
    )


def _insert(table: str, values: Iterable[object], condition: str = "1") -> str:
    listed = ", ".join(map(_literal, values))
    return f"INSERT INTO {table} SELECT {listed} WHERE {condition};\n"


def _tables(contents: Contents) -> Iterator[str]:
    prefix, numbered, layout = contents.prefix, contents.shape.numbered, contents.layout
    for table in [
        *schema.own_tables(),
        *(schema.data_table(table) for table in layout.tables.values()),
        *schema.relationship_tables(prefix, numbered),
        schema.experiment_table(prefix, numbered),
        *schema.experiment_tables(),
    ]:
        yield from _made(table)
    yield _SCRIPTED
    found = [schema.relationship_view(prefix, numbered, DIALECT)]
    if contents.shape.layout == VIEW and (view := object_view(layout, prefix)):
        found += [view.statement] if view.width <= WIDTH else []
    found += [] if prefix else views.statements(layout, DIALECT, WIDTH).values()
    for statement in found:
        yield statement.replace("CREATE VIEW", "CREATE VIEW IF NOT EXISTS", 1) + ";\n"
    where = f"prefix = {_literal(prefix)}"
    settings = (("", "schema", schema.VERSION), (prefix, "shape", contents.shape.as_json()))
    for scope, name, value in settings:
        row = f"prefix = {_literal(scope)} AND table_number = 0 AND name = '{name}'"
        there = f"SELECT count(*) FROM _cpexport_settings WHERE {row}"
        yield _insert("_cpexport_settings", (scope, 0, name, value), f"({there}) = 0")
        yield _check(f"({there} AND value = {_literal(value)}) = 1", f"another {name} there")
    for name, number in contents.runs.items():
        there = f"SELECT count(*) FROM _cpexport_runs WHERE {where}"
        same = f"table_number = {number} AND name = {_literal(name)}"
        either = f"(table_number = {number} OR name = {_literal(name)})"
        yield _insert("_cpexport_runs", (prefix, number, name), f"({there} AND {either}) = 0")
        yield _check(f"({there} AND {same}) = 1", f"run {number} has another name there")
    yield f"DELETE FROM _cpexport_columns WHERE {where};\n"
    for number, c in enumerate(layout.columns, 1):
        values = (prefix, number, c.object, c.feature, c.table, c.name, schema.TYPE_NAMES[c.type])
        yield _insert("_cpexport_columns", values)
    kinds = quoted(f"{prefix}Per_RelationshipTypes")
    names = ("module_number", "relationship", "object_name1", "object_name2")
    for number, kind in enumerate(contents.kinds, 1):
        is_it = " AND ".join(
            f"{name} = {_literal(value)}" for name, value in zip(names, kind, strict=True)
        )
        yield (
            f"INSERT INTO {kinds} SELECT coalesce(max(relationship_type_id), 0) + 1, "
            f"{', '.join(map(_literal, kind))} FROM {kinds} "
            f"HAVING NOT EXISTS (SELECT 1 FROM {kinds} WHERE {is_it});\n"
            f"INSERT INTO cpexport_kinds SELECT {number}, min(relationship_type_id) FROM {kinds} "
            f"WHERE {is_it};\n"
        )
    for signature in {unit.entry.signature: 0 for unit in contents.units}:
        yield _insert("cpexport_known", (signature,))


def _made(table: sa.Table) -> Iterator[str]:
    first, *indexes = schema.create(table, DIALECT)
    yield first.replace("CREATE TABLE", "CREATE TABLE IF NOT EXISTS", 1) + ";\n"
    for statement in indexes:
        yield statement.replace("CREATE INDEX", "CREATE INDEX IF NOT EXISTS", 1) + ";\n"
    names = json.dumps([column.name for column in table.columns], ensure_ascii=False)
    there = f"SELECT json_group_array(name) FROM pragma_table_info({_literal(table.name)})"
    yield _check(f"({there}) = json({_literal(names)})", f"{table.name} has other columns")


def _batch(unit: Unit, contents: Contents, form: Form) -> Iterator[str]:
    prefix, entry, run = contents.prefix, unit.entry, unit.run
    ours = f"prefix = {_literal(prefix)} AND table_number = {run}"
    same = f"{ours} AND signature = {_literal(entry.signature)}"
    sets = len(entry.loaded)
    inside = within("number", entry.loaded)
    yield f"""DELETE FROM cpexport_batch;
INSERT INTO cpexport_batch SELECT max(batch_id), max(batch_id) IS NULL OR coalesce((SELECT digest <>
  '{unit.digest}' FROM _cpexport_script WHERE {same} AND table_name = ''), 0), 0
  FROM _cpexport_batches WHERE {same};
UPDATE cpexport_batch SET kept = (SELECT count(*) = {sets} AND total({inside}) = {sets}
  FROM {SETS} WHERE {ours} AND batch_id = cpexport_batch.id);
INSERT INTO cpexport_loaded SELECT new FROM cpexport_batch;
"""
    others = (
        f"SELECT count(*) FROM {SETS} JOIN _cpexport_batches b USING (batch_id) "
        f"WHERE b.prefix = {_literal(prefix)} AND b.table_number = {run} AND ({inside}) "
        "AND signature NOT IN (SELECT signature FROM cpexport_known)"
    )
    yield _check(
        f"NOT {_NEW} OR ({others}) = 0", f"image sets {entry.loaded} are there, from others"
    )
    which = f"{ours} AND (batch_id = {_ID} OR {inside})"
    numbers = f"SELECT number FROM {SETS} WHERE {which}"
    also = f"{TABLE_NUMBER} = {run} AND " if run else ""
    pairs = table_of(RELATIONSHIP, prefix)
    files = {file.table: file for file in unit.files}
    for table in [*contents.layout.tables, pairs]:
        number = "image_number1" if table == pairs else IMAGE_NUMBER
        sha3 = files[table].sha3 if table in files else ""
        changed = (
            f"SELECT digest <> '{sha3}' FROM _cpexport_script WHERE {same} "
            f"AND table_name = {_literal(table)}"
        )
        fresh = f"(SELECT new AND (NOT kept OR coalesce(({changed}), 1)) FROM cpexport_batch)"
        yield f"DELETE FROM {quoted(table)} WHERE {fresh} AND {also}{number} IN ({numbers});\n"
        if table in files:
            yield from _file(files[table], unit, contents, form, fresh)
    yield f"DELETE FROM {SETS} WHERE {_NEW} AND {which};\n"
    for table in ("_cpexport_tables", "_cpexport_batches"):
        yield f"DELETE FROM {table} WHERE {_NEW} AND batch_id = {_ID};\n"
    yield f"DELETE FROM _cpexport_script WHERE {_NEW} AND {same};\n"
    yield f"DELETE FROM _cpexport_settings WHERE {_NEW} AND {ours} AND name NOT IN {LASTING};\n"
    yield (
        "UPDATE cpexport_batch SET id = (SELECT coalesce(max(batch_id), 0) + 1 FROM "
        "_cpexport_batches) WHERE id IS NULL;\n"
    )
    if SETS in files:
        yield from _file(files[SETS], unit, contents, form, _NEW)
    row = ", ".join(map(_literal, (prefix, run, *sqlledger.row(entry))))
    yield f"INSERT INTO _cpexport_batches SELECT id, {row} FROM cpexport_batch WHERE new;\n"
    for table, count in entry.counts.items():
        infinite = json.dumps(dict(count.infinite_columns))
        values = (table, count.rows, count.missing, count.infinite, infinite)
        row = ", ".join(map(_literal, values))
        yield f"INSERT INTO _cpexport_tables SELECT id, {row} FROM cpexport_batch WHERE new;\n"
    for table, digest in unit.digests.items():
        yield _insert("_cpexport_script", (prefix, run, entry.signature, table, digest), _NEW)


def _file(file: DataFile, unit: Unit, contents: Contents, form: Form, fresh: str) -> Iterator[str]:
    name = _literal(file.name)
    prefix, run = contents.prefix, unit.run
    yield _check(
        f"lower(hex(sha3(readfile({name}), 256))) = '{file.sha3}'",
        f"{file.name} is not as it was written",
    )
    listed = ", ".join(map(quoted, file.columns))
    skipped = " --skip 1" if form.header else ""
    yield f"""DROP TABLE IF EXISTS temp.cpexport_rows;
CREATE TEMP TABLE cpexport_rows ({listed});
.import --csv --schema temp{skipped} {file.name} cpexport_rows
"""
    yield _check(f"(SELECT count(*) FROM temp.cpexport_rows) = {file.rows}", f"{file.name}: rows")
    types = _types(file, contents)
    values = [_value(quoted(column), types[column]) for column in file.columns]
    ours = f"prefix = {_literal(prefix)} AND table_number = {run} AND batch_id = {_ID}"
    number = "number"
    if file.table == SETS:
        listed = f"prefix, table_number, batch_id, {listed}"
        values = [_literal(prefix), str(run), _ID, *values]
    else:
        number = IMAGE_NUMBER
        if file.table == table_of(RELATIONSHIP, prefix):
            number = "image_number1"
            kind = file.columns.index("relationship_type_id")
            values[kind] = f"(SELECT id FROM cpexport_kinds WHERE number = {values[kind]})"
        inside = within(number, unit.entry.loaded)
        ours = f"{f'{TABLE_NUMBER} = {run} AND ' if run else ''}({inside})"
    table = quoted(file.table)
    yield (
        f"INSERT INTO {table} ({listed}) SELECT {', '.join(values)} FROM temp.cpexport_rows "
        f"WHERE {fresh};\n"
    )
    there = f"SELECT count(*) FROM {table} WHERE {ours}"
    yield _check(
        f"NOT {_NEW} OR ({there}) = {file.rows}", f"not {file.rows} rows of it in {file.table}"
    )


def _types(file: DataFile, contents: Contents) -> dict[str, pa.DataType]:
    types = dict.fromkeys(file.columns, INTEGER)
    table = contents.layout.tables.get(file.table)
    if table is not None:
        return types | {column.name: column.type for column in table.columns}
    return types | {"identity": TEXT}


def _value(column: str, type: pa.DataType) -> str:
    if type == TEXT:
        return (
            rf"CASE WHEN {column} = '\N' THEN NULL WHEN {column} LIKE '\%' "
            f"THEN substr({column}, 2) ELSE {column} END"
        )
    whole = rf"CAST(NULLIF({column}, '\N') AS INTEGER)"
    if type == INTEGER:
        return whole
    power = f"CAST(substr({column}, instr({column}, 'p') + 1) AS INTEGER)"
    return f"{whole} * pow(2.0, {power})"


def _said(run: int, said: Said, contents: Contents) -> Iterator[str]:
    prefix = contents.prefix
    ours = f"prefix = {_literal(prefix)} AND table_number = {run}"
    table = quoted(f"{prefix}Per_Experiment")
    yield f"DELETE FROM {table}{f' WHERE {TABLE_NUMBER} = {run}' if run else ''};\n"
    if said.experiment is not None:
        names = [*([TABLE_NUMBER] if run else []), *EXPERIMENTS.names]
        listed = ", ".join(map(quoted, names))
        yield _insert(f"{table} ({listed})", (*([run] if run else []), *said.experiment))
    if said.name:
        known = (
            "SELECT CAST(value AS INTEGER) FROM _cpexport_settings "
            f"WHERE {ours} AND name = 'experiment_id'"
        )
        yield (
            f"INSERT INTO Experiment SELECT coalesce(max(experiment_id), 0) + 1, "
            f"{_literal(said.name)} FROM Experiment HAVING NOT EXISTS ({known});\n"
            f"INSERT INTO _cpexport_settings SELECT {_literal(prefix)}, {run}, 'experiment_id', "
            f"CAST(max(experiment_id) AS TEXT) FROM Experiment HAVING NOT EXISTS ({known});\n"
            f"DELETE FROM Experiment_Properties WHERE experiment_id = ({known});\n"
        )
        for row in said.properties:
            values = ", ".join(map(_literal, row))
            yield f"INSERT INTO Experiment_Properties SELECT ({known}), {values};\n"
    yield f"DELETE FROM _cpexport_settings WHERE {ours} AND name NOT IN {LASTING};\n"
    for name, value in said.notes.items():
        yield _insert("_cpexport_settings", (prefix, run, name, value))
