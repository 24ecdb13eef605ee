"""Reads the ledger from its tables, and writes a batch's entry within its transaction."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pyarrow as pa

from cpexport.cellprofiler.image_identity import Pictures, from_identities
from cpexport.imagesets import ImageSets
from cpexport.sinks.ledger import Count, Entry, Ledger
from cpexport.sinks.sql import ledger_upgrade, schema
from cpexport.sinks.sql.database import Database
from cpexport.sinks.sql.ledger_settings import checked, forget_computed
from cpexport.sinks.sql.scope import Scope
from cpexport.tables.layout import Column, Layout

_BATCH = (
    "batch_id, path, format, signature, fingerprint, image_sets, complete, refused, group_tags, "
    "state, reason, finished, modified_ns, cellprofiler, pipeline_sha256, loaded_utc, cpexport"
)


@checked
def read(db: Database, scope: Scope) -> Ledger:
    """All entries in the scope, in the order in which they were written."""
    counts: dict[int, dict[str, Count]] = {}
    for batch, table, rows, missing, infinite, columns in db.rows(
        "SELECT batch_id, table_name, row_count, missing_count, infinite_count, infinite_columns "
        "FROM _cpexport_tables"
    ):
        count = Count(rows, missing, infinite, json.loads(columns))
        counts.setdefault(batch, {})[table] = count
    owned: dict[int, list[int]] = {}
    for number, batch in db.rows(
        f"SELECT number, batch_id FROM _cpexport_sets WHERE {scope.ledger}"
    ):
        owned.setdefault(batch, []).append(number)
    batches = db.rows(
        f"SELECT {_BATCH} FROM _cpexport_batches WHERE {scope.ledger} ORDER BY batch_id"
    )
    measured, replaced = ledger_upgrade.measured(db), ledger_upgrade.replaced(db)
    unmeasured = ledger_upgrade.unmeasured(db)
    return Ledger(
        tuple(
            replace(
                _entry(row, owned.get(row[0], []), counts.get(row[0], {})),
                measured=measured.get(row[0], {}),
                measured_kept=row[0] > unmeasured,
                replaced=replaced.get(row[0], {}),
            )
            for row in batches
        )
    )


@checked
def layout(db: Database, prefix: str, numbered: bool) -> Layout:
    """The tables and columns under a prefix; `numbered` is whether keys include `TableNumber`."""
    return Layout(
        tuple(
            Column(object_name, feature, table, name, schema.TYPES[type])
            for object_name, feature, table, name, type in db.rows(
                "SELECT object_name, feature, table_name, column_name, type "
                "FROM _cpexport_columns WHERE prefix = ? ORDER BY position",
                prefix,
            )
        ),
        numbered,
    )


def write_layout(db: Database, prefix: str, layout: Layout) -> None:
    """Replaces the stored layout of a prefix."""
    db.run("DELETE FROM _cpexport_columns WHERE prefix = ?", prefix)
    columns = layout.columns
    db.ingest(
        "_cpexport_columns",
        pa.record_batch(
            [
                pa.repeat(pa.scalar(prefix), len(columns)),
                pa.array(range(1, len(columns) + 1), pa.int64()),
                pa.array([column.object for column in columns]),
                pa.array([column.feature for column in columns]),
                pa.array([column.table for column in columns]),
                pa.array([column.name for column in columns]),
                pa.array([schema.TYPE_NAMES[column.type] for column in columns]),
            ],
            names=[column.name for column in schema.COLUMNS.columns],
        ),
    )


@checked
def runs(db: Database, prefix: str) -> dict[str, int]:
    """`TableNumber` of the runs under a prefix by name, in order of number."""
    numbers_of_runs = db.rows(
        "SELECT name, table_number FROM _cpexport_runs WHERE prefix = ? ORDER BY table_number",
        prefix,
    )
    return dict(numbers_of_runs)


def enter_run(db: Database, prefix: str, name: str) -> int:
    """Gives a new run the next number, and returns it."""
    number = max(runs(db, prefix).values(), default=0) + 1
    db.run("INSERT INTO _cpexport_runs VALUES (?, ?, ?)", prefix, number, name)
    return number


def holds(db: Database, scope: Scope, entry: Entry) -> bool:
    """Whether the ledger has an entry for this very batch."""
    same = f"SELECT 1 FROM _cpexport_batches WHERE {scope.ledger} AND signature = ?"
    return bool(db.rows(same, entry.signature))


@checked
def entry(db: Database, batch: int, loaded: list[int]) -> Entry | None:
    """The entry with this `batch_id`, without counts, with `loaded` as given; None if missing."""
    rows = db.rows(f"SELECT {_BATCH} FROM _cpexport_batches WHERE batch_id = ?", batch)
    return _entry(rows[0], loaded, {}) if rows else None


def batches_of(db: Database, scope: Scope, image_sets: ImageSets) -> dict[int, int]:
    """The `batch_id` that each of these image sets came from, for those that are loaded."""
    batches: dict[int, int] = {}
    for where in db.between("number", image_sets):
        sql = f"SELECT number, batch_id FROM _cpexport_sets WHERE {scope.ledger} AND ({where})"
        batches |= dict(db.rows(sql))
    return batches


def delete_image_sets(db: Database, scope: Scope, image_sets: ImageSets) -> None:
    """Removes these image sets from those that are loaded."""
    for where in db.between("number", image_sets):
        db.run(f"DELETE FROM _cpexport_sets WHERE {scope.ledger} AND ({where})")


@checked
def pictures(db: Database, scope: Scope, image_sets: ImageSets) -> Pictures:
    """What identifies the images of these image sets, for those that are loaded."""
    known: list[tuple[int, str]] = []
    for where in db.between("number", image_sets):
        rows = db.rows(
            f"SELECT number, identity FROM _cpexport_sets WHERE {scope.ledger} AND ({where}) "
            "ORDER BY number"
        )
        known += [(number, identity) for number, identity in rows]
    return from_identities([n for n, _ in known], [identity for _, identity in known])


def row(entry: Entry) -> tuple[Any, ...]:
    """The values of a batch's row in `_cpexport_batches`, from `path` on."""
    return (
        entry.path,
        entry.format,
        entry.signature,
        entry.fingerprint,
        str(entry.image_sets),
        str(entry.complete),
        str(entry.rejected),
        json.dumps(entry.group_tags),
        entry.state,
        entry.reason,
        *entry.age,
        entry.version,
        entry.pipeline,
        entry.time,
        entry.cpexport,
    )


def write(db: Database, scope: Scope, entry: Entry, pictures: Pictures) -> None:
    """Enters a batch and its image sets, and removes what was computed over the whole run."""
    # The database assigns the first column, batch_id.
    names = [column.name for column in schema.BATCHES.columns][1:]
    values = (scope.prefix, scope.number, *row(entry))
    places = ", ".join("?" * len(values))
    db.run(f"INSERT INTO _cpexport_batches ({', '.join(names)}) VALUES ({places})", *values)
    sql = f"SELECT batch_id FROM _cpexport_batches WHERE {scope.ledger} AND signature = ?"
    ((batch,),) = db.rows(sql, entry.signature)
    if db.rows("SELECT 1 FROM _cpexport_tables WHERE batch_id = ?", batch):
        # These rows belong to a batch that somebody deleted by hand: SQLite reuses its number.
        db.run("DELETE FROM _cpexport_tables WHERE batch_id = ?", batch)
        ledger_upgrade.delete_entry(db, batch)
    counts = entry.counts.values()
    infinite = [json.dumps(dict(count.infinite_columns)) for count in counts]
    counted = [
        pa.repeat(pa.scalar(batch, pa.int64()), len(counts)),
        pa.array(list(entry.counts), pa.string()),
        pa.array([count.rows for count in counts], pa.int64()),
        pa.array([count.missing for count in counts], pa.int64()),
        pa.array([count.infinite for count in counts], pa.int64()),
        pa.array(infinite, pa.string()),
    ]
    sql = "INSERT INTO _cpexport_tables VALUES (?, ?, ?, ?, ?, ?)"
    db.run_many(sql, pa.record_batch(counted, names=schema.TABLES.columns.keys()))
    rows = len(pictures)
    columns = {
        "prefix": pa.repeat(pa.scalar(scope.prefix), rows),
        "table_number": pa.repeat(pa.scalar(scope.number, pa.int64()), rows),
        "number": pa.array(pictures.numbers),
        "batch_id": pa.repeat(pa.scalar(batch, pa.int64()), rows),
        "identity": pa.array(list(pictures.identities()), pa.string()),
    }
    sql = "INSERT INTO _cpexport_sets VALUES (?, ?, ?, ?, ?)"
    db.run_many(sql, pa.RecordBatch.from_pydict(columns))
    forget_computed(db, scope)


def delete_entry(db: Database, scope: Scope, entry: Entry) -> None:
    """Deletes the entry of a batch that has no loaded image sets any more."""
    sql = f"SELECT batch_id FROM _cpexport_batches WHERE {scope.ledger} AND signature = ?"
    for (batch,) in db.rows(sql, entry.signature):
        db.run("DELETE FROM _cpexport_tables WHERE batch_id = ?", batch)
        ledger_upgrade.delete_entry(db, batch)
        db.run("DELETE FROM _cpexport_batches WHERE batch_id = ?", batch)
    forget_computed(db, scope)


def _entry(row: tuple[Any, ...], loaded: list[int], counts: Mapping[str, Count]) -> Entry:
    (_, path, format, signature, fingerprint, image_sets, complete, refused, tags, *rest) = row
    state, reason, finished, modified, version, pipeline, time, cpexport = rest
    group_tags = json.loads(tags)
    return Entry(
        path=path,
        format=format,
        signature=signature,
        fingerprint=fingerprint,
        image_sets=_sets(image_sets),
        complete=_sets(complete),
        loaded=ImageSets.of(loaded),
        rejected=_sets(refused),
        group_tags=None if group_tags is None else tuple(group_tags),
        state=state,
        reason=reason,
        age=(finished, modified),
        version=version,
        pipeline=pipeline,
        time=time,
        cpexport=cpexport,
        counts=counts,
    )


def _sets(text: str) -> ImageSets:
    return ImageSets.parse(text) if text else ImageSets()
