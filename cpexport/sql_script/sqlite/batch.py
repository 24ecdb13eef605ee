"""The part of a script for SQLite that imports one batch."""

import json
from collections.abc import Iterator

import pyarrow as pa

from cpexport.cellprofiler.features import IMAGE_NUMBER, INTEGER, RELATIONSHIP, TABLE_NUMBER, TEXT
from cpexport.sinks.sql import ledger_tables
from cpexport.sinks.sql.database import quoted, within
from cpexport.sinks.sql.ledger_schema import FEATURE_SETS, FEATURES, MEASURED
from cpexport.sinks.sql.ledger_upgrade import finite
from cpexport.sql_script import stops
from cpexport.sql_script.manifest import (
    LASTING,
    SETS,
    BatchFiles,
    DataFile,
    Manifest,
    ScriptOptions,
)
from cpexport.sql_script.sqlite.statements import check, insert, literal
from cpexport.tables.layout import table_of

_NEW = "(SELECT new FROM cpexport_batch)"
_ID = "(SELECT id FROM cpexport_batch)"
# As loads write it.
_NOW = "strftime('%Y-%m-%dT%H:%M:%S+00:00', 'now')"


def batch(unit: BatchFiles, contents: Manifest, form: ScriptOptions) -> Iterator[str]:
    prefix, entry, run = contents.prefix, unit.entry, unit.run
    ours = f"prefix = {literal(prefix)} AND table_number = {run}"
    same = f"{ours} AND signature = {literal(entry.signature)}"
    sets = len(entry.loaded)
    inside = within("number", entry.loaded)
    same_batch = same
    if entry.loaded:
        # The same files can have been loaded from another folder.
        known = f"NOT EXISTS (SELECT 1 FROM _cpexport_batches WHERE {same})"
        content = f"fingerprint = {literal(entry.fingerprint)}"
        same_batch = (
            f"{ours} AND (signature = {literal(entry.signature)} OR ({content} AND {known}))"
        )
    yield f"""DELETE FROM cpexport_batch;
INSERT INTO cpexport_batch SELECT max(batch_id), max(batch_id) IS NULL OR coalesce((SELECT digest <>
  '{unit.digest}' FROM _cpexport_script WHERE {same} AND table_name = ''), 0), 0
  FROM _cpexport_batches WHERE {same_batch};
UPDATE cpexport_batch SET kept = (SELECT count(*) = {sets} AND total({inside}) = {sets}
  FROM {SETS} WHERE {ours} AND batch_id = cpexport_batch.id);
INSERT INTO cpexport_loaded SELECT new FROM cpexport_batch;
"""
    others = (
        f"SELECT count(*) FROM {SETS} JOIN _cpexport_batches b USING (batch_id) "
        f"WHERE b.prefix = {literal(prefix)} AND b.table_number = {run} AND ({inside}) "
        "AND signature NOT IN (SELECT signature FROM cpexport_known)"
    )
    yield check(f"NOT {_NEW} OR ({others}) = 0", stops.OTHER_OUTPUTS, sets=entry.loaded)
    unknown = f"NOT {_NEW} OR NOT EXISTS (SELECT 1 FROM cpexport_unknown)"
    yield check(unknown, stops.KNOWS_LESS, table="a table")
    which = f"{ours} AND (batch_id = {_ID} OR {inside})"
    numbers = f"SELECT number FROM {SETS} WHERE {which}"
    of_run = f"{TABLE_NUMBER} = {run} AND " if run else ""
    pairs = table_of(RELATIONSHIP, prefix)
    files = {file.table: file for file in unit.files}
    for table in [*contents.layout.tables, pairs]:
        number = "image_number1" if table == pairs else IMAGE_NUMBER
        sha3 = files[table].sha3 if table in files else ""
        changed = (
            f"SELECT digest <> '{sha3}' FROM _cpexport_script WHERE {same} "
            f"AND table_name = {literal(table)}"
        )
        fresh = f"(SELECT new AND (NOT kept OR coalesce(({changed}), 1)) FROM cpexport_batch)"
        yield f"DELETE FROM {quoted(table)} WHERE {fresh} AND {of_run}{number} IN ({numbers});\n"
        if table in files:
            yield from _file(files[table], unit, contents, form, fresh)
    yield f"DELETE FROM {SETS} WHERE {_NEW} AND {which};\n"
    for table in ("_cpexport_tables", MEASURED.name, FEATURES.name, "_cpexport_batches"):
        yield f"DELETE FROM {table} WHERE {_NEW} AND batch_id = {_ID};\n"
    yield f"DELETE FROM _cpexport_script WHERE {_NEW} AND {same};\n"
    yield f"DELETE FROM _cpexport_settings WHERE {_NEW} AND {ours} AND name NOT IN {LASTING};\n"
    yield (
        "UPDATE cpexport_batch SET id = (SELECT coalesce(max(batch_id), 0) + 1 FROM "
        "_cpexport_batches) WHERE id IS NULL;\n"
    )
    if SETS in files:
        yield from _file(files[SETS], unit, contents, form, _NEW)
    columns = {name: literal(value) for name, value in ledger_tables.row(entry).items()}
    columns["loaded_utc"] = _NOW
    row = ", ".join((literal(prefix), str(run), *columns.values()))
    yield f"INSERT INTO _cpexport_batches SELECT id, {row} FROM cpexport_batch WHERE new;\n"
    for table, count in entry.counts.items():
        infinite = json.dumps(dict(count.infinite_columns))
        values = (table, count.rows, count.missing, count.infinite, infinite)
        row = ", ".join(map(literal, values))
        yield f"INSERT INTO _cpexport_tables SELECT id, {row} FROM cpexport_batch WHERE new;\n"
    for feature, value in entry.measured.items():
        row = ", ".join(map(literal, (feature, finite(value))))
        yield f"INSERT INTO {MEASURED.name} SELECT id, {row} FROM cpexport_batch WHERE new;\n"
    if entry.recorded is not None:
        digest, text = map(literal, (entry.recorded.digest, entry.recorded.as_json()))
        known = f"SELECT 1 FROM {FEATURE_SETS.name} WHERE digest = {digest}"
        yield (
            f"INSERT INTO {FEATURE_SETS.name} SELECT {digest}, id, {text} FROM cpexport_batch "
            f"WHERE new AND NOT EXISTS ({known});\n"
        )
        yield f"INSERT INTO {FEATURES.name} SELECT id, {digest} FROM cpexport_batch WHERE new;\n"
    for table, digest in unit.digests.items():
        yield insert("_cpexport_script", (prefix, run, entry.signature, table, digest), _NEW)


def _file(
    file: DataFile, unit: BatchFiles, contents: Manifest, form: ScriptOptions, fresh: str
) -> Iterator[str]:
    name = literal(file.name)
    prefix, run = contents.prefix, unit.run
    yield check(
        f"lower(hex(sha3(readfile({name}), 256))) = '{file.sha3}'",
        stops.CHANGED_OR_MISSING,
        file=file.name,
    )
    listed = ", ".join(map(quoted, file.columns))
    skipped = " --skip 1" if form.header else ""
    yield f"""DROP TABLE IF EXISTS temp.cpexport_rows;
CREATE TEMP TABLE cpexport_rows ({listed});
.import --csv --schema temp{skipped} {file.name} cpexport_rows
"""
    read = f"(SELECT count(*) FROM temp.cpexport_rows) = {file.rows}"
    yield check(read, stops.NOT_READ, file=file.name, n=file.rows)
    types = _types(file, contents)
    values = [_value(quoted(column), types[column]) for column in file.columns]
    ours = f"prefix = {literal(prefix)} AND table_number = {run} AND batch_id = {_ID}"
    number = "number"
    if file.table == SETS:
        listed = f"prefix, table_number, batch_id, {listed}"
        values = [literal(prefix), str(run), _ID, *values]
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
    counting = f"SELECT count(*) FROM {table} WHERE {ours}"
    entered = f"NOT {_NEW} OR ({counting}) = {file.rows}"
    yield check(entered, stops.OTHER_ROWS, table=file.table, n=file.rows)


def _types(file: DataFile, contents: Manifest) -> dict[str, pa.DataType]:
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
