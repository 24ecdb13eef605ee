"""CellProfiler's tables of the run as a whole: Per_Experiment, Experiment, Experiment_Properties.

Experiment and Experiment_Properties have no prefix, and hold rows of every run in the database
(CellProfiler 4.2.8, exporttodatabase.py, create_database_tables). The rows of other runs stay as
they are.
"""

import json
import math
from collections.abc import Iterator, Mapping

import pyarrow as pa

from cpexport.cellprofiler.experiment import EXPERIMENTS, MODIFIED, measured_columns
from cpexport.errors import ChangedError, SinkError
from cpexport.sinks.sql import ledger_settings, schema
from cpexport.sinks.sql.database import Database, quoted
from cpexport.sinks.sql.scope import Scope

ID, FIRST, COLUMNS = "experiment_id", "experiment_first", "measured"
"""Three settings: the `experiment_id` of a prefix or run; the first image set of the job whose row
is in Per_Experiment; and the columns of Per_Experiment with measurements, by feature."""


def write(db: Database, scope: Scope, rows: pa.RecordBatch, first: int) -> None:
    """Writes a job's metadata about the run, unless a job with an earlier `first` image set has
    written it. So the job with the first image set wins, whatever the order of the batches.
    """
    ledger_settings.lower(db, scope, FIRST, first)
    earliest = ledger_settings.setting(db, scope, FIRST)
    if earliest is None:
        ledger_settings.enter(db, scope, FIRST, str(first))
    if earliest is None or int(earliest) == first:
        table = f"{scope.prefix}Per_Experiment"
        db.run(f"DELETE FROM {quoted(table)}{_where(scope)}")
        db.ingest(table, scope.numbered(rows))


def read(db: Database, scope: Scope) -> Iterator[pa.RecordBatch]:
    """The run's row of Per_Experiment, with the columns of `EXPERIMENTS`."""
    table, columns = f"{scope.prefix}Per_Experiment", map(quoted, EXPERIMENTS.names)
    rows_found = db.rows(f"SELECT {', '.join(columns)} FROM {quoted(table)}{_where(scope)}")
    rows = [dict(zip(EXPERIMENTS.names, row, strict=True)) for row in rows_found]
    try:
        yield pa.RecordBatch.from_pylist(rows, EXPERIMENTS)
    except (pa.ArrowException, TypeError) as error:
        problem = f"{table} was changed by another program: {error}"
        raise ChangedError(db.name, problem, "load its outputs into a new destination") from error


def measured(db: Database, scope: Scope) -> dict[str, float]:
    """The run's measurements in Per_Experiment, by feature, without NULL."""
    columns = measured_in(db, scope.prefix)
    if not columns:
        return {}
    listed = ", ".join(map(quoted, columns.values()))
    table = quoted(f"{scope.prefix}Per_Experiment")
    rows = db.rows(f"SELECT {listed} FROM {table}{_where(scope)}")
    row = rows[0] if rows else ()
    return {f: v for f, v in zip(columns, row, strict=False) if v is not None}


def keep_measured(db: Database, scope: Scope, values: Mapping[str, float]) -> None:
    """Replaces the run's measurements in Per_Experiment, by feature; adds columns for new ones."""
    columns, table = measured_in(db, scope.prefix), quoted(f"{scope.prefix}Per_Experiment")
    if new := values.keys() - columns.keys():
        named = measured_columns([*columns, *new])
        for feature in sorted(new):
            db.run(f"ALTER TABLE {table} ADD COLUMN {quoted(named[feature])} DOUBLE")
        columns = {feature: columns.get(feature, name) for feature, name in named.items()}
        ledger_settings.note(db, Scope(scope.prefix), {COLUMNS: json.dumps(columns)})
    if columns:
        sets = ", ".join(f"{quoted(column)} = ?" for column in columns.values())
        finite = {name: value for name, value in values.items() if math.isfinite(value)}
        numbers = [finite.get(feature) for feature in columns]
        db.run(f"UPDATE {table} SET {sets}{_where(scope)}", *numbers)


def measured_in(db: Database, prefix: str) -> dict[str, str]:
    """The columns of Per_Experiment with measurements of runs, by feature."""
    return dict(json.loads(ledger_settings.setting(db, Scope(prefix), COLUMNS) or "{}"))


def describe(
    db: Database,
    scope: Scope,
    name: str,
    properties: Mapping[str, Mapping[str, str]],
    modified: str,
) -> None:
    """Writes the rows of one run, called `name`: fields by object type, and the time at which the
    run was last modified."""
    table = quoted(f"{scope.prefix}Per_Experiment")
    db.run(f"UPDATE {table} SET {MODIFIED} = ?{_where(scope)}", modified)
    number = _experiment_id(db, scope)
    if number is None:
        number = _enter_experiment(db, scope, name)
    db.run("DELETE FROM Experiment_Properties WHERE experiment_id = ?", number)
    fields = [
        (object_name, field, value)
        for object_name, values_by_field in properties.items()
        for field, value in values_by_field.items()
    ]
    values = {
        "number": pa.repeat(pa.scalar(number, pa.int64()), len(fields)),
        "object_name": pa.array([object_name for object_name, _, _ in fields], pa.string()),
        "field": pa.array([field for _, field, _ in fields], pa.string()),
        "value": pa.array([value for _, _, value in fields], pa.string()),
    }
    sql = "INSERT INTO Experiment_Properties VALUES (?, ?, ?, ?)"
    db.run_many(sql, pa.RecordBatch.from_pydict(values))


def delete(db: Database, scope: Scope) -> None:
    """Deletes the rows of a run that has no image set left."""
    db.run(f"DELETE FROM {quoted(f'{scope.prefix}Per_Experiment')}{_where(scope)}")
    number = _experiment_id(db, scope)
    if number is not None:
        db.run("DELETE FROM Experiment_Properties WHERE experiment_id = ?", number)
        db.run("DELETE FROM Experiment WHERE experiment_id = ?", number)
    for name in (ID, FIRST):
        ledger_settings.forget(db, scope, name)


def check_shared(db: Database) -> None:
    """Checks that no other program's table has the name Experiment or Experiment_Properties.

    Raises:
        SinkError: a table has such a name and other columns than CellProfiler's.
    """
    ours = {table.name.lower(): table.columns.keys() for table in schema.experiment_tables()}
    for name, columns in db.columns().items():
        if name.lower() in ours and [*columns] != ours[name.lower()]:
            raise SinkError(
                db.name,
                f"has a table {name} that cpexport did not create",
                "choose another destination, or rename that table",
            )


def described(db: Database, scope: Scope) -> dict[str, dict[str, str]] | None:
    """The fields that `describe` wrote, by object type; None if the run has no row."""
    number = _experiment_id(db, scope)
    tables = {db.spelled(table.name) for table in schema.experiment_tables()}
    if number is None or not tables <= db.names():
        return None
    if len(db.rows("SELECT 1 FROM Experiment WHERE experiment_id = ?", number)) != 1:
        return None
    fields: dict[str, dict[str, str]] = {}
    sql = "SELECT object_name, field, value FROM Experiment_Properties WHERE experiment_id = ?"
    for object_name, field, value in db.rows(sql, number):
        fields.setdefault(object_name, {})[field] = value
    return fields


def _experiment_id(db: Database, scope: Scope) -> int | None:
    number = ledger_settings.setting(db, scope, ID)
    return None if number is None else int(number)


def _enter_experiment(db: Database, scope: Scope, name: str) -> int:
    for table in schema.experiment_tables():
        if db.spelled(table.name) not in db.names():
            for statement in schema.create(table, db.dialect):
                db.run(statement)
    ((number,),) = db.rows("SELECT coalesce(max(experiment_id), 0) + 1 FROM Experiment")
    db.run("INSERT INTO Experiment VALUES (?, ?)", number, name)
    ledger_settings.note(db, scope, {ID: str(number)})
    return int(number)


def _where(scope: Scope) -> str:
    return f" WHERE {scope.data}" if scope.data else ""
