"""The image sets that users took out of a destination, in the ledger's table `_cpexport_removed`.

An output from which some were removed is not loaded again; an output that the ledger did not know
then may bring them back.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import pyarrow as pa
import sqlalchemy as sa

from cpexport import __version__
from cpexport.imagesets import ImageSets
from cpexport.sinks.ledger import Entry
from cpexport.sinks.sql import ledger_entries, ledger_tables
from cpexport.sinks.sql import ledger_queries as queries
from cpexport.sinks.sql.database import Database
from cpexport.sinks.sql.ledger_schema import REMOVED
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


def entries(db: Database, scope: Scope) -> tuple[Entry, ...]:
    """The batches from which image sets were removed, each with those that are not back in
    `removed`; other batches may have brought back all of them."""
    if REMOVED.name not in db.names():
        return ()
    batches = ImageSets.of(one for (one,) in _of_scope(db, queries.with_removals, scope))
    if not batches:
        return ()
    numbers, found = _numbers(db, scope), ledger_entries.entries(db, scope, batches)
    return tuple(
        replace(entry, removed=ImageSets.of(numbers.get(batch, ()))) for batch, entry in found
    )


def batches(db: Database, scope: Scope) -> frozenset[int]:
    """The `batch_id` of these batches."""
    return frozenset(_numbers(db, scope))


def _numbers(db: Database, scope: Scope) -> dict[int, list[int]]:
    numbers: dict[int, list[int]] = {}
    if REMOVED.name in db.names():
        for batch, number in _of_scope(db, queries.removed, scope):
            numbers.setdefault(batch, []).append(number)
    return numbers


def _of_scope(
    db: Database, query: Callable[[bool], sa.Select[Any]], scope: Scope
) -> list[tuple[int, ...]]:
    return fetch(db, query(scope.one_run), **values_of(scope))


def enter(db: Database, scope: Scope, image_sets: ImageSets, chosen_by: str, time: str) -> None:
    """Enters image sets that are being removed, with every batch that completed them: an older one
    that was replaced must not come back either."""
    for some in ledger_entries.after(db, scope, 0):
        for batch, entry in some:
            if gone := entry.complete & image_sets:
                for count, ranges in ranges_of(gone):
                    # They were removed before, and came back.
                    execute(db, queries.deleted_removals(count), batch=batch, **ranges)
                _insert(db, scope, batch, gone, chosen_by, time)


def _insert(
    db: Database, scope: Scope, batch: int, gone: ImageSets, chosen_by: str, time: str
) -> None:
    rows = {
        "prefix": pa.repeat(pa.scalar(scope.prefix), len(gone)),
        "table_number": pa.repeat(pa.scalar(scope.number, pa.int64()), len(gone)),
        "number": pa.array(list(gone), pa.int64()),
        "batch_id": pa.repeat(pa.scalar(batch, pa.int64()), len(gone)),
        "chosen_by": pa.repeat(pa.scalar(chosen_by), len(gone)),
        "removed_utc": pa.repeat(pa.scalar(time), len(gone)),
        "cpexport": pa.repeat(pa.scalar(__version__), len(gone)),
    }
    execute_many(db, inserted(REMOVED), pa.RecordBatch.from_pydict(rows))


def forget(db: Database, scope: Scope, some: Iterable[Entry]) -> None:
    """Makes batches from which image sets were removed be loaded again, like outputs that the
    ledger does not know: they lose fingerprint and signature, and what was removed of them is
    forgotten."""
    ids = [batch for entry in some for batch in ledger_tables.ids(db, scope, entry)]
    values = {
        "batch": pa.array(ids, pa.int64()),
        "new": pa.array([f"removed: {batch}" for batch in ids], pa.string()),
    }
    execute_many(db, queries.without_content(), pa.RecordBatch.from_pydict(values))
    for batch in ids:
        execute(db, deleted(REMOVED, "batch_id"), batch_id=batch)
