"""CellProfiler's tables of the run as a whole: Per_Experiment, Experiment, Experiment_Properties.

The latter two have no prefix, and a row, or rows, of each run in the database (CellProfiler 4.2.8,
exporttodatabase.py, create_database_tables); those of others are left as they are.
"""

import json
import math
from collections.abc import Iterator, Mapping

import pyarrow as pa

from cpexport.errors import ChangedError
from cpexport.experiment import EXPERIMENTS, MODIFIED, measured_columns
from cpexport.sinks import schema
from cpexport.sinks import sqlledger as ledger
from cpexport.sinks.scope import Scope
from cpexport.sinks.sql import Database, quoted

ID, FIRST, COLUMNS = "experiment_id", "experiment_first", "measured"
"""The settings that keep which row of Experiment is a prefix's, the first image set of the job
whose row is in Per_Experiment, and its columns of what was measured, by feature."""


def write(db: Database, scope: Scope, rows: pa.RecordBatch, first: int) -> None:
    """Writes what a job says of the run, unless one did whose `first` image set is before its own.

    So whatever the order of the batches, the job of the first image set is the one that speaks.
    """
    where = f"{scope.ledger} AND table_number = {scope.number} AND name = '{FIRST}'"
    # On servers, who comes second waits here, and then sees what the first one wrote.
    later = f"{where} AND CAST(value AS DECIMAL) >= ?"
    db.run(f"UPDATE _cpexport_settings SET value = ? WHERE {later}", str(first), first)
    found = db.rows(f"SELECT value FROM _cpexport_settings WHERE {where}")
    if not found:
        words = "INSERT INTO _cpexport_settings VALUES (?, ?, ?, ?)"
        db.run(words, scope.prefix, scope.number, FIRST, str(first))
    if not found or int(found[0][0]) == first:
        table = f"{scope.prefix}Per_Experiment"
        db.run(f"DELETE FROM {quoted(table)}{_where(scope)}")
        db.ingest(table, scope.numbered(rows))


def read(db: Database, scope: Scope) -> Iterator[pa.RecordBatch]:
    """What is said of the run, with the columns of `EXPERIMENTS`."""
    table, columns = f"{scope.prefix}Per_Experiment", map(quoted, EXPERIMENTS.names)
    found = db.rows(f"SELECT {', '.join(columns)} FROM {quoted(table)}{_where(scope)}")
    rows = [dict(zip(EXPERIMENTS.names, row, strict=True)) for row in found]
    try:
        yield pa.RecordBatch.from_pylist(rows, EXPERIMENTS)
    except (pa.ArrowException, TypeError) as error:
        said = f"{table} was changed by something else: {error}"
        raise ChangedError(db.name, said, "load it anew") from error


def measured(db: Database, scope: Scope) -> dict[str, float]:
    """What the table says was measured of the run, by feature, without what is NULL."""
    columns = measured_in(db, scope.prefix)
    if not columns:
        return {}
    listed = ", ".join(map(quoted, columns.values()))
    table = quoted(f"{scope.prefix}Per_Experiment")
    found = db.rows(f"SELECT {listed} FROM {table}{_where(scope)}")
    row = found[0] if found else ()
    return {f: v for f, v in zip(columns, row, strict=False) if v is not None}


def keep_measured(db: Database, scope: Scope, values: Mapping[str, float]) -> None:
    """Has the table say that this was measured of the run, and nothing else; columns are added."""
    columns, table = measured_in(db, scope.prefix), quoted(f"{scope.prefix}Per_Experiment")
    if new := values.keys() - columns.keys():
        named = measured_columns([*columns, *new])
        for feature in sorted(new):
            db.run(f"ALTER TABLE {table} ADD COLUMN {quoted(named[feature])} DOUBLE")
        columns = {feature: columns.get(feature, name) for feature, name in named.items()}
        ledger.note(db, Scope(scope.prefix), {COLUMNS: json.dumps(columns)})
    if columns:
        sets = ", ".join(f"{quoted(column)} = ?" for column in columns.values())
        finite = {name: value for name, value in values.items() if math.isfinite(value)}
        said = [finite.get(feature) for feature in columns]
        db.run(f"UPDATE {table} SET {sets}{_where(scope)}", *said)


def measured_in(db: Database, prefix: str) -> dict[str, str]:
    """The columns of what was measured of runs under a prefix, by feature."""
    words = "SELECT value FROM _cpexport_settings WHERE prefix = ? AND name = ?"
    found = db.rows(words, prefix, COLUMNS)
    return dict(json.loads(found[0][0])) if found else {}


def describe(
    db: Database,
    scope: Scope,
    name: str,
    properties: Mapping[str, Mapping[str, str]],
    modified: str,
) -> None:
    """Writes the rows of one run, called `name`: fields by object type, and the newest time."""
    table = quoted(f"{scope.prefix}Per_Experiment")
    db.run(f"UPDATE {table} SET {MODIFIED} = ?{_where(scope)}", modified)
    number = _known(db, scope)
    if number is None:
        number = _entered(db, scope, name)
    db.run("DELETE FROM Experiment_Properties WHERE experiment_id = ?", number)
    fields = [
        (of, field, said) for of, found in properties.items() for field, said in found.items()
    ]
    values = {
        "number": pa.repeat(pa.scalar(number, pa.int64()), len(fields)),
        "object_name": pa.array([of for of, _, _ in fields], pa.string()),
        "field": pa.array([field for _, field, _ in fields], pa.string()),
        "value": pa.array([said for _, _, said in fields], pa.string()),
    }
    words = "INSERT INTO Experiment_Properties VALUES (?, ?, ?, ?)"
    db.run_many(words, pa.RecordBatch.from_pydict(values))


def described(db: Database, scope: Scope) -> dict[str, dict[str, str]] | None:
    """The fields that `describe` has written, by object type; None if the run has no row."""
    number = _known(db, scope)
    tables = {db.spelled(table.name) for table in schema.experiment_tables()}
    if number is None or not tables <= db.names():
        return None
    if len(db.rows("SELECT 1 FROM Experiment WHERE experiment_id = ?", number)) != 1:
        return None
    found: dict[str, dict[str, str]] = {}
    words = "SELECT object_name, field, value FROM Experiment_Properties WHERE experiment_id = ?"
    for object_name, field, value in db.rows(words, number):
        found.setdefault(object_name, {})[field] = value
    return found


def _known(db: Database, scope: Scope) -> int | None:
    words = f"SELECT value FROM _cpexport_settings WHERE {scope.ledger} AND name = ?"
    found = db.rows(words, ID)
    return int(found[0][0]) if found else None


def _entered(db: Database, scope: Scope, name: str) -> int:
    for table in schema.experiment_tables():
        if db.spelled(table.name) not in db.names():
            for statement in schema.create(table, db.dialect):
                db.run(statement)
    ((number,),) = db.rows("SELECT coalesce(max(experiment_id), 0) + 1 FROM Experiment")
    db.run("INSERT INTO Experiment VALUES (?, ?)", number, name)
    ledger.note(db, scope, {ID: str(number)})
    return int(number)


def _where(scope: Scope) -> str:
    return f" WHERE {scope.data}" if scope.data else ""
