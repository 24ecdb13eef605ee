"""Writes the script for the clients of MariaDB and MySQL, which check nothing themselves.

`LOAD DATA LOCAL` only warns about wrong values, and a truncated file looks complete. So the script
reads each file twice, first for the checksums of its lines. To stop the client, it selects a
column that cannot exist, with the message as its name. Under `--force` the client goes on: then
`@ok` is false, the client skips the rest of the batch (see `statements`), and nothing commits it.
"""

import json
from collections.abc import Iterator

from cpexport import __version__
from cpexport.cellprofiler.experiment import EXPERIMENTS
from cpexport.cellprofiler.features import IMAGE_NUMBER, RELATIONSHIP, TABLE_NUMBER
from cpexport.sinks.mysql.dialect import quoted
from cpexport.sinks.mysql.load_data import FORMAT
from cpexport.sinks.mysql.names import check_names
from cpexport.sinks.sql import ledger_tables
from cpexport.sinks.sql.database import within
from cpexport.sinks.sql.experiment_tables import FIRST
from cpexport.sinks.sql.ledger_schema import FEATURE_SETS, FEATURES, MEASURED
from cpexport.sinks.sql.ledger_upgrade import finite
from cpexport.sql_script import stops
from cpexport.sql_script.csv_writer import END
from cpexport.sql_script.manifest import (
    LASTING,
    SETS,
    BatchFiles,
    DataFile,
    Manifest,
    RunMetadata,
    ScriptOptions,
    replacements,
)
from cpexport.sql_script.mysql import preamble, requirements, session, table_tuning
from cpexport.sql_script.mysql.statements import (
    ID,
    SKIP,
    SKIP_KNOWN,
    Variable,
    block,
    check,
    end,
    literal,
    select,
)
from cpexport.sql_script.mysql.tables import REQUIRES_KEYS
from cpexport.tables.layout import table_of

_HEAD = """\
-- Written by cpexport {version}. Imports the files in this folder, each batch once:
--   mysql --local-infile=1 DATABASE < {script}        (or mariadb instead of mysql)
-- Run it in this folder. If a file has changed since it was written, the script stops with an error
-- and imports nothing of that batch. Correct the cause and run the script again: it skips batches
-- that are already imported. README.txt explains all of this, and each error.
"""
_LOCK = "CONCAT('cpexport ', LEFT(SHA2(COALESCE(DATABASE(), ''), 256), 40))"
# As loads write it.
_NOW = Variable("DATE_FORMAT(UTC_TIMESTAMP(), '%Y-%m-%dT%H:%i:%s+00:00')")


def script(contents: Manifest, form: ScriptOptions) -> Iterator[str]:
    """The statements, in pieces of a few lines."""
    check_names(contents.layout, contents.prefix, contents.shape)
    yield _HEAD.format(version=__version__, script=form.script)
    yield from session.variables()
    # Not in a block, as it has the end of a comment.
    yield REQUIRES_KEYS
    yield "SET @ok = 1, @loaded = 0, @left = 0;\n"
    yield block(_first(contents, form))
    yield "SET @ready = @ok, @all = @ok;\n"
    batches = len(contents.units)
    for number, unit in enumerate(contents.units, 1):
        sets = unit.entry.loaded or "none"
        yield f"\n-- batch {number} of {batches}: image sets {sets}\n"
        yield f"SET @ok = @ready;\n{block(_batch(unit, contents, form))}"
        yield end("@ok AND @new")
        yield (
            "SET @ok = COALESCE(@ok, 0);\nSET @all = @all AND @ok, @left = @left + 1 - @ok, "
            "@loaded = @loaded + COALESCE(@ok AND @new, 0);\n"
        )
    yield f"\n-- the run as a whole\nSET @ok = @all;\n{block(_whole(contents))}{end('@ok')}"
    yield "SET @ok = @ready;\n" + block(table_tuning.indexes(contents))
    yield block([table_tuning.count_values(contents)])
    yield f"""SELECT IF(@left = 0,
  CONCAT('cpexport: ', @loaded, ' of {batches} batches imported, the others were already there'),
  CONCAT('cpexport: ', @left, ' of {batches} batches left out, ', @loaded, ' loaded, ',
    {batches} - @left - @loaded, ' already loaded')) AS done FROM DUAL WHERE @all OR @left;
DO RELEASE_LOCK({_LOCK});
"""


def _first(contents: Manifest, form: ScriptOptions) -> Iterator[str]:
    yield from session.checks()
    yield from requirements.checks(form.script)
    yield check(f"GET_LOCK({_LOCK}, 60) = 1", stops.ANOTHER_SCRIPT)
    yield from preamble.tables(contents)


def _whole(contents: Manifest) -> Iterator[str]:
    yield f"{SKIP}START TRANSACTION;\n{preamble.ALONE}"
    for run, metadata in contents.metadata.items():
        yield from _run_metadata(run, metadata, contents)
    for statement in replacements(contents):
        yield f"{statement} AND @all;\n"


def _batch(unit: BatchFiles, contents: Manifest, form: ScriptOptions) -> Iterator[str]:
    prefix, entry, run = contents.prefix, unit.entry, unit.run
    ours = f"prefix = {literal(prefix)} AND table_number = {run}"
    same = f"{ours} AND signature = {literal(entry.signature)}"
    sets = entry.loaded
    # The same files can have been loaded from another folder.
    known = f"{ours} AND fingerprint = {literal(entry.fingerprint)}" if sets else same
    yield f"""{SKIP}START TRANSACTION;
{preamble.ALONE}SET @id = COALESCE((SELECT batch_id FROM _cpexport_batches WHERE {same}),
  (SELECT MIN(batch_id) FROM _cpexport_batches WHERE {known}));
SET @new = @id IS NULL OR COALESCE((SELECT digest <> '{unit.digest}' FROM _cpexport_script
  WHERE {same} AND table_name = ''), 0);
SET @kept = (SELECT COUNT(*) = {len(sets)} AND
  COALESCE(SUM({within("number", sets)}), 0) = {len(sets)}
  FROM {SETS} WHERE {ours} AND batch_id = @id);
"""
    mine = f"s.prefix = {literal(prefix)} AND s.table_number = {run}"
    others = (
        f"SELECT COUNT(*) FROM {SETS} s JOIN _cpexport_batches b ON b.batch_id = s.batch_id "
        f"WHERE {mine} AND ({within('s.number', sets)}) "
        "AND b.signature NOT IN (SELECT signature FROM cpexport_known)"
    )
    yield check(f"NOT @new OR ({others}) = 0", stops.OTHER_OUTPUTS, sets=sets)
    yield check("NOT @new OR @unknown IS NULL", stops.KNOWS_LESS, table=Variable("@unknown"))
    # The files of a batch that the database has are not read.
    yield SKIP_KNOWN
    which = f"{mine} AND (s.batch_id = @id OR {within('s.number', sets)})"
    files = {file.table: file for file in unit.files}
    for table, number in _keyed(contents):
        sha3 = f"'{files[table].sha3}'" if table in files else "''"
        changed = f"SELECT digest <> {sha3} FROM _cpexport_script WHERE {same}"
        yield (
            f"SET @fresh = @new AND (NOT @kept OR "
            f"COALESCE(({changed} AND table_name = {literal(table)}), 1));\n"
        )
        joined = f"t.{quoted(number)} = s.number"
        joined += f" AND t.{TABLE_NUMBER} = {run}" if run else ""
        rows = f"{SETS} s JOIN {quoted(table)} t ON {joined}"
        yield f"DELETE t FROM {rows} WHERE @fresh AND {which};\n"
        if table in files:
            yield from _file(files[table], unit, contents, form)
    yield f"SET @fresh = @new;\nDELETE s FROM {SETS} s WHERE @new AND {which};\n"
    for table in ("_cpexport_tables", MEASURED.name, FEATURES.name, "_cpexport_batches"):
        yield f"DELETE FROM {table} WHERE @new AND batch_id = @id;\n"
    yield f"DELETE FROM _cpexport_script WHERE @new AND {same};\n"
    yield f"DELETE FROM _cpexport_settings WHERE @new AND {ours} AND name NOT IN {LASTING};\n"
    yield (
        "SET @id = COALESCE(@id, (SELECT COALESCE(MAX(batch_id), 0) + 1 FROM _cpexport_batches));\n"
    )
    if SETS in files:
        yield from _file(files[SETS], unit, contents, form)
    row = {**ledger_tables.row(entry), "loaded_utc": _NOW}
    yield select("_cpexport_batches", (ID, prefix, run, *row.values()), "@new")
    for table, count in entry.counts.items():
        infinite = json.dumps(dict(count.infinite_columns))
        counts = (ID, table, count.rows, count.missing, count.infinite, infinite)
        yield select("_cpexport_tables", counts, "@new")
    for feature, value in entry.measured.items():
        yield select(MEASURED.name, (ID, feature, finite(value)), "@new")
    if entry.recorded is not None:
        digest = entry.recorded.digest
        known = f"SELECT 1 FROM {FEATURE_SETS.name} WHERE digest = {literal(digest)}"
        features = (digest, ID, entry.recorded.as_json())
        yield select(FEATURE_SETS.name, features, f"@new AND NOT EXISTS ({known})")
        yield select(FEATURES.name, (ID, digest), "@new")
    for table, digest in unit.digests.items():
        brought = (prefix, run, entry.signature, table, digest)
        yield select("_cpexport_script", brought, "@new")
    for file in unit.files:
        yield _count(file, unit, contents)
    entered = f"SELECT COUNT(*) FROM _cpexport_batches WHERE batch_id = @id AND {ours}"
    yield check(f"({entered}) = 1", stops.NOT_ENTERED)


def _keyed(contents: Manifest) -> Iterator[tuple[str, str]]:
    """The tables with rows of image sets, and their columns of image set numbers."""
    for table in contents.layout.tables:
        yield table, IMAGE_NUMBER
    # A pair of objects belongs to the batch of its first object.
    yield table_of(RELATIONSHIP, contents.prefix), "image_number1"


def _file(
    file: DataFile, unit: BatchFiles, contents: Manifest, form: ScriptOptions
) -> Iterator[str]:
    name = literal(file.name)
    yield requirements.read_lines(file.name)
    lines = {"n": Variable("@lines"), "m": file.lines}
    yield check(f"@lines = {file.lines}", stops.OTHER_LINES, file=file.name, **lines)
    yield check(f"@crc = {file.crc}", stops.CHANGED, file=file.name)
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
    yield check("@warnings = 0 OR NOT @fresh", stops.NOT_EXACT, file=file.name)


def _count(file: DataFile, unit: BatchFiles, contents: Manifest) -> str:
    """A check that the table has as many rows of the batch's image sets as the file."""
    where = within(quoted(_number(file, contents)), unit.entry.loaded)
    if file.table == SETS:
        where = (
            f"prefix = {literal(contents.prefix)} AND table_number = {unit.run} AND batch_id = @id"
        )
    elif unit.run:
        where = f"{TABLE_NUMBER} = {unit.run} AND ({where})"
    counting = f"SELECT COUNT(*) FROM {quoted(file.table)} WHERE {where}"
    entered = f"NOT @new OR ({counting}) = {file.rows}"
    return check(entered, stops.OTHER_ROWS, table=file.table, n=file.rows)


def _number(file: DataFile, contents: Manifest) -> str:
    return dict(_keyed(contents)).get(file.table, "number")


def _run_metadata(run: int, metadata: RunMetadata, contents: Manifest) -> Iterator[str]:
    """Enters the metadata of a run. If other scripts or loads have added batches to the run, only
    the row of its first job is entered; the next load computes the rest."""
    prefix = literal(contents.prefix)
    ours = f"prefix = {prefix} AND table_number = {run}"
    brought = (
        "SELECT 1 FROM _cpexport_script s JOIN cpexport_known k USING (signature, digest) "
        f"WHERE s.{ours} AND s.table_name = '' AND s.signature = b.signature"
    )
    others = f"SELECT COUNT(*) FROM _cpexport_batches b WHERE {ours} AND NOT EXISTS ({brought})"
    first = f"SELECT MIN(value + 0) FROM _cpexport_settings WHERE {ours} AND name = '{FIRST}'"
    yield f"SET @whole = @ok AND ({others}) = 0;\n"
    if metadata.experiment is not None:
        yield f"SET @first = @ok AND (@whole OR COALESCE(({first}) > {metadata.first}, 1));\n"
        table = quoted(f"{contents.prefix}Per_Experiment")
        yield f"DELETE FROM {table} WHERE @first{f' AND {TABLE_NUMBER} = {run}' if run else ''};\n"
        names = ", ".join(map(quoted, [*([TABLE_NUMBER] if run else []), *EXPERIMENTS.names]))
        values = (*([run] if run else []), *metadata.experiment)
        yield select(f"{table} ({names})", values, "@first")
        yield f"DELETE FROM _cpexport_settings WHERE @first AND {ours} AND name = '{FIRST}';\n"
        yield select(
            "_cpexport_settings", (contents.prefix, run, FIRST, str(metadata.first)), "@first"
        )
    if metadata.properties or metadata.name:
        known = f"SELECT MAX(value + 0) FROM _cpexport_settings WHERE {ours}"
        free = "SELECT COALESCE(MAX(experiment_id), 0) + 1 FROM Experiment"
        fresh = "@whole AND @known IS NULL"
        yield f"SET @known = ({known} AND name = 'experiment_id');\n"
        yield f"SET @id = COALESCE(@known, ({free}));\n"
        yield select("Experiment (experiment_id, name)", (ID, metadata.name), fresh)
        row = (contents.prefix, run, "experiment_id", ID)
        yield select("_cpexport_settings", row, fresh)
        yield "DELETE FROM Experiment_Properties WHERE @whole AND experiment_id = @id;\n"
        into = "Experiment_Properties (experiment_id, object_name, field, value)"
        for each in metadata.properties:
            yield select(into, (ID, *each), "@whole")
    yield f"DELETE FROM _cpexport_settings WHERE @whole AND {ours} AND name NOT IN {LASTING};\n"
    for name, value in metadata.passing.items():
        yield select("_cpexport_settings", (contents.prefix, run, name, value), "@whole")
