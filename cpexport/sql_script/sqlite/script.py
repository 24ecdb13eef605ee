"""Writes the script for SQLite's own shell, 3.40 or newer, which `.bail on` stops at an error.

To stop the shell, the script violates a constraint that has the message as its name. The shell
computes the checksum of a whole file. The rows of a batch go through a table of texts first, and
from there to their table only if they are new.
"""

import json
from collections.abc import Iterator
from typing import Final

import pyarrow as pa

from cpexport import __version__
from cpexport.cellprofiler.experiment import EXPERIMENTS
from cpexport.cellprofiler.features import IMAGE_NUMBER, INTEGER, RELATIONSHIP, TABLE_NUMBER, TEXT
from cpexport.sinks.sql import ledger_tables
from cpexport.sinks.sql.database import quoted, within
from cpexport.sinks.sql.experiment_tables import FIRST
from cpexport.sinks.sql.ledger_schema import FEATURE_SETS, FEATURES, MEASURED
from cpexport.sinks.sql.ledger_upgrade import finite
from cpexport.sql_script import stops
from cpexport.sql_script.manifest import (
    DATA,
    LASTING,
    SETS,
    BatchFiles,
    DataFile,
    Manifest,
    RunMetadata,
    ScriptOptions,
    replacements,
)
from cpexport.sql_script.sqlite import preamble
from cpexport.sql_script.sqlite.statements import check, insert, literal
from cpexport.tables.layout import table_of

_HEAD = """\
-- Written by cpexport {version}. Imports the files in this folder, each batch once:
--   sqlite3 FILE < {script}
-- Run it in this folder. If a file has changed since it was written, the script stops with an error
-- and imports nothing of that batch. Correct the cause and run the script again: it skips batches
-- that are already imported. README.txt explains all of this, and each error.
.bail on
PRAGMA synchronous = EXTRA;
PRAGMA foreign_keys = OFF;
CREATE TEMP TABLE cpexport_known (signature TEXT, digest TEXT, PRIMARY KEY (signature, digest));
CREATE TEMP TABLE cpexport_kinds (number INTEGER PRIMARY KEY, id INTEGER);
CREATE TEMP TABLE cpexport_loaded (n INTEGER);
CREATE TEMP TABLE cpexport_batch (id INTEGER, new INTEGER NOT NULL, kept INTEGER NOT NULL);
CREATE TEMP TABLE cpexport_columns (position INTEGER PRIMARY KEY, object_name TEXT, feature TEXT,
  t TEXT, c TEXT, kind TEXT, UNIQUE (t, c));
CREATE TEMP TABLE cpexport_unknown (t TEXT);
CREATE TEMP TABLE cpexport_whole (whole INTEGER, first INTEGER);
"""
NEW: Final = "import-new.sql"
"""The script that imports only the batches that the database lacks."""
_NEXT: Final = "import-next.sql"
_NEW = "(SELECT new FROM cpexport_batch)"
_ID = "(SELECT id FROM cpexport_batch)"
# As loads write it.
_NOW = "strftime('%Y-%m-%dT%H:%M:%S+00:00', 'now')"


def script(contents: Manifest, form: ScriptOptions) -> Iterator[str]:
    """The statements, in pieces of a few lines."""
    yield from _first(contents, form, form.script)
    for number, unit in enumerate(contents.units, 1):
        yield f"\n-- batch {number} of {len(contents.units)}: "
        yield from _whole_batch(unit, contents, form)
    yield from _last(contents)


def script_of_new(contents: Manifest, form: ScriptOptions) -> Iterator[str]:
    """The same for the batches that the database lacks. The shell has no conditions: the script
    writes another one, which reads the statements of these batches, each in a file of its own."""
    yield from _first(contents, form, NEW)
    yield (
        "CREATE TEMP TABLE cpexport_files (number INTEGER PRIMARY KEY, run INTEGER, signature, "
        "digest, name);\n"
    )
    for number, unit in enumerate(contents.units, 1):
        row = (number, unit.run, unit.entry.signature, unit.digest, file_of(unit))
        yield insert("cpexport_files", row)
    ours = f"prefix = {literal(contents.prefix)} AND table_number = f.run"
    same = f"{ours} AND signature = f.signature"
    other = f"{same} AND table_name = '' AND digest <> f.digest"
    yield f"""CREATE TEMP TABLE cpexport_next AS SELECT writefile('{_NEXT}', coalesce((
  SELECT group_concat('.read ' || name || char(10), '') FROM (SELECT name FROM cpexport_files f
  WHERE NOT EXISTS (SELECT 1 FROM _cpexport_batches WHERE {same})
  OR EXISTS (SELECT 1 FROM _cpexport_script WHERE {other}) ORDER BY number)), '')) AS size;
"""
    written = "(SELECT size FROM cpexport_next) IS NOT NULL"
    yield check(written, stops.NOT_WRITTEN, file=_NEXT, script=form.script)
    yield f".read {_NEXT}\n"
    yield from _last(contents)


def files_of_batches(contents: Manifest, form: ScriptOptions) -> Iterator[tuple[str, str]]:
    """The files that `script_of_new` reads: name and text."""
    for unit in contents.units:
        yield file_of(unit), "-- " + "".join(_whole_batch(unit, contents, form))


def file_of(unit: BatchFiles) -> str:
    """The file with the statements of one batch."""
    return f"{DATA}/{unit.run}_{unit.entry.signature[:24]}.sql"


def _first(contents: Manifest, form: ScriptOptions, script: str) -> Iterator[str]:
    yield _HEAD.format(version=__version__, script=script)
    here = f"readfile({literal(form.script)}) IS NOT NULL"
    yield check(here, stops.WRONG_FOLDER, script=form.script)
    yield "BEGIN IMMEDIATE;\n"
    yield from preamble.tables(contents)
    yield "COMMIT;\n"


def _whole_batch(unit: BatchFiles, contents: Manifest, form: ScriptOptions) -> Iterator[str]:
    yield f"image sets {unit.entry.loaded or 'none'}\nBEGIN IMMEDIATE;\n"
    yield from _batch(unit, contents, form)
    yield "COMMIT;\n"


def _last(contents: Manifest) -> Iterator[str]:
    yield "\n-- the run as a whole\nBEGIN IMMEDIATE;\n"
    for run, metadata in contents.metadata.items():
        yield from _run_metadata(run, metadata, contents)
    for statement in replacements(contents):
        yield f"{statement};\n"
    yield from preamble.indexes(contents)
    yield from preamble.count_values(contents)
    yield (
        f"COMMIT;\nSELECT 'cpexport: ' || count(*) || ' of {len(contents.units)} batches imported, "
        "the others were already there' FROM cpexport_loaded WHERE n;\n"
    )


def _batch(unit: BatchFiles, contents: Manifest, form: ScriptOptions) -> Iterator[str]:
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


def _run_metadata(run: int, metadata: RunMetadata, contents: Manifest) -> Iterator[str]:
    """Enters the metadata of a run. If other scripts or loads have added batches to the run, only
    the row of its first job is entered; the next load computes the rest."""
    prefix = contents.prefix
    ours = f"prefix = {literal(prefix)} AND table_number = {run}"
    brought = (
        "SELECT 1 FROM _cpexport_script s JOIN cpexport_known k USING (signature, digest) "
        f"WHERE s.{ours} AND s.table_name = '' AND signature = b.signature"
    )
    others = f"SELECT count(*) FROM _cpexport_batches b WHERE {ours} AND NOT EXISTS ({brought})"
    first = f"SELECT min(value + 0) FROM _cpexport_settings WHERE {ours} AND name = '{FIRST}'"
    yield f"""DELETE FROM cpexport_whole;
INSERT INTO cpexport_whole SELECT ({others}) = 0, coalesce(({first}) > {metadata.first}, 1);
"""
    whole = "(SELECT whole FROM cpexport_whole)"
    if metadata.experiment is not None:
        is_first = "(SELECT whole OR first FROM cpexport_whole)"
        table = quoted(f"{prefix}Per_Experiment")
        of_run = f" AND {TABLE_NUMBER} = {run}" if run else ""
        yield f"DELETE FROM {table} WHERE {is_first}{of_run};\n"
        names = ", ".join(map(quoted, [*([TABLE_NUMBER] if run else []), *EXPERIMENTS.names]))
        values = (*([run] if run else []), *metadata.experiment)
        yield insert(f"{table} ({names})", values, is_first)
        yield f"DELETE FROM _cpexport_settings WHERE {is_first} AND {ours} AND name = '{FIRST}';\n"
        yield insert("_cpexport_settings", (prefix, run, FIRST, str(metadata.first)), is_first)
    if metadata.name:
        known = (
            "SELECT CAST(value AS INTEGER) FROM _cpexport_settings "
            f"WHERE {ours} AND name = 'experiment_id'"
        )
        fresh = f"HAVING {whole} AND NOT EXISTS ({known})"
        yield (
            f"INSERT INTO Experiment SELECT coalesce(max(experiment_id), 0) + 1, "
            f"{literal(metadata.name)} FROM Experiment {fresh};\n"
            f"INSERT INTO _cpexport_settings SELECT {literal(prefix)}, {run}, 'experiment_id', "
            f"CAST(max(experiment_id) AS TEXT) FROM Experiment {fresh};\n"
            f"DELETE FROM Experiment_Properties WHERE {whole} AND experiment_id = ({known});\n"
        )
        for row in metadata.properties:
            rest = ", ".join(map(literal, row))
            yield f"INSERT INTO Experiment_Properties SELECT ({known}), {rest} WHERE {whole};\n"
    yield f"DELETE FROM _cpexport_settings WHERE {whole} AND {ours} AND name NOT IN {LASTING};\n"
    for name, value in metadata.passing.items():
        yield insert("_cpexport_settings", (prefix, run, name, value), whole)
