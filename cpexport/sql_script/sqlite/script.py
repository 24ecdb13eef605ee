"""Writes the script for SQLite's own shell, 3.40 or newer, which `.bail on` stops at an error.

To stop the shell, the script violates a constraint that has the message as its name. The shell
computes the checksum of a whole file. The rows of a batch go through a table of texts first, and
from there to their table only if they are new.
"""

from collections.abc import Iterator
from typing import Final

from cpexport import __version__
from cpexport.cellprofiler.experiment import EXPERIMENTS
from cpexport.cellprofiler.features import TABLE_NUMBER
from cpexport.sinks.sql.database import quoted
from cpexport.sinks.sql.experiment_tables import FIRST
from cpexport.sql_script import stops
from cpexport.sql_script.manifest import (
    DATA,
    LASTING,
    BatchFiles,
    Manifest,
    RunMetadata,
    ScriptOptions,
    replacements,
)
from cpexport.sql_script.sqlite import preamble
from cpexport.sql_script.sqlite.batch import batch
from cpexport.sql_script.sqlite.statements import check, insert, literal

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
    yield from batch(unit, contents, form)
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
