"""Reads the ledger from its tables, and writes a batch's entry within its transaction."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow as pa

from cpexport.cellprofiler.image_identity import Identities, from_texts
from cpexport.imagesets import ImageSets
from cpexport.sinks.ledger import Count, Entry
from cpexport.sinks.sql import ledger_queries as queries
from cpexport.sinks.sql import ledger_upgrade, schema
from cpexport.sinks.sql.database import Database
from cpexport.sinks.sql.ledger_schema import BATCHES, COLUMNS, REMOVED, RUNS, SETS, TABLES
from cpexport.sinks.sql.ledger_settings import checked, forget_computed
from cpexport.sinks.sql.scope import Scope
from cpexport.sinks.sql.statements import (
    deleted,
    execute,
    execute_many,
    fetch,
    inserted,
    ranges_of,
    values_of,
)
from cpexport.tables.layout import Column, Layout


@checked
def layout(db: Database, prefix: str, numbered: bool) -> Layout:
    """The tables and columns under a prefix; `numbered` is whether keys include `TableNumber`."""
    return Layout(
        tuple(
            Column(object_name, feature, table, name, schema.TYPES[type])
            for object_name, feature, table, name, type in fetch(
                db, queries.columns(), of_prefix=prefix
            )
        ),
        numbered,
    )


def write_layout(db: Database, prefix: str, layout: Layout) -> None:
    """Replaces the stored layout of a prefix."""
    execute(db, deleted(COLUMNS, "prefix"), prefix=prefix)
    columns = layout.columns
    db.ingest(
        COLUMNS.name,
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
            names=COLUMNS.columns.keys(),
        ),
    )


def prefixes(db: Database) -> frozenset[str]:
    """The prefixes that have tables."""
    return frozenset(prefix for (prefix,) in fetch(db, queries.prefixes()))


@checked
def runs(db: Database, prefix: str) -> dict[str, int]:
    """`TableNumber` of the runs under a prefix by name, in order of number."""
    numbers_of_runs: list[tuple[str, int]] = fetch(db, queries.runs(), of_prefix=prefix)
    return dict(numbers_of_runs)


def enter_run(db: Database, prefix: str, name: str) -> int:
    """Gives a new run the next number, and returns it."""
    number = max(runs(db, prefix).values(), default=0) + 1
    execute(db, inserted(RUNS), prefix=prefix, table_number=number, name=name)
    return number


def holds(db: Database, scope: Scope, signature: str) -> bool:
    """Whether the ledger has an entry for the batch with this signature."""
    return bool(_ids(db, scope, signature))


def ids(db: Database, scope: Scope, entry: Entry) -> list[int]:
    """The `batch_id` of a batch's entry; more than one if runs are numbered and all are meant."""
    return _ids(db, scope, entry.signature)


def _ids(db: Database, scope: Scope, signature: str) -> list[int]:
    same = queries.ids(scope.one_run)
    return [batch for (batch,) in fetch(db, same, **values_of(scope), signature=signature)]


@checked
def entry(db: Database, batch: int, loaded: list[int]) -> Entry | None:
    """The entry with this `batch_id`, without counts, with `loaded` as given; None if missing."""
    rows = fetch(db, queries.batch(), batch=batch)
    return entry_of(rows[0], loaded, {}) if rows else None


def batches_of(db: Database, scope: Scope, image_sets: ImageSets) -> dict[int, int]:
    """The `batch_id` that each of these image sets came from, for those that are loaded."""
    return dict(owners(db, scope, image_sets))


def owners(db: Database, scope: Scope, image_sets: ImageSets) -> Iterator[tuple[int, int]]:
    """Each of these image sets that is loaded, with the `batch_id` that it came from. Several runs
    can have the same image set."""
    for count, ranges in ranges_of(image_sets):
        within = queries.owners_within(scope.one_run, count)
        yield from fetch(db, within, **values_of(scope), **ranges)


def delete_image_sets(db: Database, scope: Scope, image_sets: ImageSets) -> None:
    """Removes these image sets from those that are loaded."""
    for count, ranges in ranges_of(image_sets):
        execute(db, queries.deleted_image_sets(scope.one_run, count), **values_of(scope), **ranges)


@checked
def identities(db: Database, scope: Scope, image_sets: ImageSets) -> Identities:
    """What identifies the images of these image sets, for those that are loaded."""
    known: list[tuple[int, str]] = []
    for count, ranges in ranges_of(image_sets):
        within = queries.image_sets_within(scope.one_run, count)
        rows = fetch(db, within, **values_of(scope), **ranges)
        known += [(number, identity) for number, _, identity in rows]
    return from_texts([n for n, _ in known], [identity for _, identity in known])


def row(entry: Entry) -> dict[str, object]:
    """The values of a batch's row in `_cpexport_batches`, by column, from `path` on."""
    finished, modified = entry.age
    return {
        "path": entry.path,
        "format": entry.format,
        "signature": entry.signature,
        "fingerprint": entry.fingerprint,
        "image_sets": str(entry.image_sets),
        "complete": str(entry.complete),
        "refused": str(entry.rejected),
        "group_tags": json.dumps(entry.group_tags),
        "state": entry.state,
        "reason": entry.reason,
        "finished": finished,
        "modified_ns": modified,
        "cellprofiler": entry.version,
        "pipeline_sha256": entry.pipeline,
        "loaded_utc": entry.time,
        "cpexport": entry.cpexport,
    }


def write(db: Database, scope: Scope, entry: Entry, identities: Identities) -> int:
    """Enters a batch and its image sets, and removes what was computed over the whole run.

    Returns the `batch_id`.
    """
    # The database assigns batch_id.
    ours = {"prefix": scope.prefix, "table_number": scope.number}
    execute(db, inserted(BATCHES, "batch_id"), **ours, **row(entry))
    (batch,) = ids(db, scope, entry)
    if counted_tables(db, batch):
        # These rows belong to a batch that somebody deleted by hand: SQLite reuses its number.
        execute(db, deleted(TABLES, "batch_id"), batch_id=batch)
        ledger_upgrade.delete_entry(db, batch)
    counts = entry.counts.values()
    infinite = [json.dumps(dict(count.infinite_columns)) for count in counts]
    counted = {
        "batch_id": pa.repeat(pa.scalar(batch, pa.int64()), len(counts)),
        "table_name": pa.array(list(entry.counts), pa.string()),
        "row_count": pa.array([count.rows for count in counts], pa.int64()),
        "missing_count": pa.array([count.missing for count in counts], pa.int64()),
        "infinite_count": pa.array([count.infinite for count in counts], pa.int64()),
        "infinite_columns": pa.array(infinite, pa.string()),
    }
    execute_many(db, inserted(TABLES), pa.RecordBatch.from_pydict(counted))
    rows = len(identities)
    columns = {
        "prefix": pa.repeat(pa.scalar(scope.prefix), rows),
        "table_number": pa.repeat(pa.scalar(scope.number, pa.int64()), rows),
        "number": pa.array(identities.numbers),
        "batch_id": pa.repeat(pa.scalar(batch, pa.int64()), rows),
        "identity": pa.array(list(identities.texts()), pa.string()),
    }
    execute_many(db, inserted(SETS), pa.RecordBatch.from_pydict(columns))
    forget_computed(db, scope)
    return batch


def delete_entry(db: Database, scope: Scope, entry: Entry) -> None:
    """Deletes the entry of a batch that has no loaded image sets any more."""
    for batch in ids(db, scope, entry):
        execute(db, deleted(TABLES, "batch_id"), batch_id=batch)
        ledger_upgrade.delete_entry(db, batch)
        if REMOVED.name in db.names():
            execute(db, deleted(REMOVED, "batch_id"), batch_id=batch)
        execute(db, deleted(BATCHES, "batch_id"), batch_id=batch)
    forget_computed(db, scope)


def forget_content(db: Database, prefix: str) -> None:
    """Removes fingerprints and signatures of all batches under a prefix: they are loaded again."""
    batches = [batch for (batch, *_) in fetch(db, queries.batches(False), of_prefix=prefix)]
    values = {
        "batch": pa.array(batches, pa.int64()),
        "new": pa.array([f"of another shape: {batch}" for batch in batches], pa.string()),
    }
    execute_many(db, queries.without_content(), pa.RecordBatch.from_pydict(values))


def counted_tables(db: Database, batch: int) -> int:
    """How many tables the ledger has counts for, of a batch."""
    return len(fetch(db, queries.tables(), batch=batch))


def entry_of(row: tuple[Any, ...], loaded: list[int], counts: Mapping[str, Count]) -> Entry:
    """The entry of a row of `_cpexport_batches`, without what newer versions added."""
    (_, path, format, signature, fingerprint, image_sets, complete, refused, tags, *rest) = row
    state, reason, finished, modified, version, pipeline, time, cpexport = rest
    group_tags = json.loads(tags)
    return Entry(
        path=path,
        format=format,
        signature=signature,
        fingerprint=fingerprint,
        image_sets=_parsed(image_sets),
        complete=_parsed(complete),
        loaded=ImageSets.of(loaded),
        rejected=_parsed(refused),
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


def _parsed(text: str) -> ImageSets:
    return ImageSets.parse(text) if text else ImageSets()
