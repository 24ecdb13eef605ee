"""Reads some entries of the ledger by index, and sums up all of them.

A ledger can have a million entries, so a load never holds all of them at once.
"""

import json
from collections.abc import Collection, Iterator
from dataclasses import replace
from itertools import islice
from typing import Final

import pyarrow as pa

from cpexport.imagesets import ImageSets, union
from cpexport.sinks.ledger import Count, Entry
from cpexport.sinks.sql import ledger_queries as queries
from cpexport.sinks.sql import ledger_settings, ledger_tables, ledger_upgrade
from cpexport.sinks.sql.database import Database, Query
from cpexport.sinks.sql.ledger_schema import BATCHES
from cpexport.sinks.sql.ledger_settings import checked
from cpexport.sinks.sql.scope import Scope
from cpexport.sinks.sql.statements import fetch, ranges_of, values_of
from cpexport.sinks.summary import Summary

_AT_ONCE: Final = 2_000
_ROWS: Final = 20_000


@checked
def entries(db: Database, scope: Scope, batches: ImageSets) -> list[tuple[int, Entry]]:
    """The entries with these `batch_id`, in their order, each with what it still owns."""
    one_run = scope.one_run
    counts: dict[int, dict[str, Count]] = {}
    rows = []
    for count, ranges in ranges_of(batches):
        for batch, table, *numbers, columns in fetch(db, queries.counts_of(count), **ranges):
            written, missing, infinite = numbers
            count_of = Count(written, missing, infinite, json.loads(columns))
            counts.setdefault(batch, {})[table] = count_of
        rows += fetch(db, queries.batches_of(one_run, count), **values_of(scope), **ranges)
    found = [(row[0], ledger_tables.entry_of(row, [], counts.get(row[0], {}))) for row in rows]
    completed = union(entry.complete for _, entry in found)
    owned: dict[int, list[int]] = {}
    for number, batch in ledger_tables.owners(db, scope, completed):
        owned.setdefault(batch, []).append(number)
    added = ledger_upgrade.Added.read(db, batches)
    return [
        (batch, added.to(batch, entry, ImageSets.of(owned.get(batch, ()))))
        for batch, entry in found
    ]


def after(db: Database, scope: Scope, last: int) -> Iterator[list[tuple[int, Entry]]]:
    """All entries after the one with this `batch_id`, some thousand at a time."""
    while ids := fetch(db, queries.ids_after(), last=last, most=_AT_ONCE):
        last = ids[-1][0]
        ours = ImageSets.of(
            batch
            for batch, prefix, run in ids
            if prefix == scope.prefix and (scope.every or run == scope.number)
        )
        if ours:
            yield entries(db, scope, ours)


def counted_image_sets(db: Database, scope: Scope) -> int:
    """How many image sets the batches in the scope own."""
    ((count,),) = fetch(db, queries.counted_image_sets(scope.one_run), **values_of(scope))
    return int(count)


def holding(db: Database, scope: Scope, image_sets: ImageSets) -> tuple[Entry, ...]:
    """The entries that own some of these image sets, each with only those in `loaded`."""
    owners = ledger_tables.batches_of(db, scope, image_sets)
    found = dict(entries(db, scope, ImageSets.of(owners.values())))
    owned: dict[int, list[int]] = {}
    for number, batch in owners.items():
        owned.setdefault(batch, []).append(number)
    return tuple(
        replace(found[batch], loaded=ImageSets.of(numbers))
        for batch, numbers in owned.items()
        if batch in found
    )


def settled_among(db: Database, scope: Scope, signatures: Collection[str]) -> frozenset[str]:
    """Those of the signatures whose batch need not be read again; see `Ledger.settled`."""
    settled = queries.settled(scope.one_run)
    found: set[str] = set()
    rest = iter(signatures)
    while some := list(islice(rest, queries.SIGNATURES)):
        padded = some + [some[0]] * (queries.SIGNATURES - len(some))
        values = {f"signature_{place}": text for place, text in enumerate(padded)}
        found.update(text for (text,) in fetch(db, settled, **values_of(scope), **values))
    return frozenset(found)


def settled_signatures(db: Database, scope: Scope) -> Iterator[pa.Array]:
    """The signatures of all batches that need not be read again, some thousand at a time."""
    query = Query(
        BATCHES.name, ("signature",), "batch_id", 1, pa.schema([("signature", pa.string())])
    )
    whole = f"{scope.ledger} AND fingerprint <> '' AND image_sets = complete"
    with db.stream(query, whole, _ROWS) as blocks:
        yield from (block.column(0) for block in blocks)


def without_rows(db: Database, scope: Scope) -> Iterator[Entry]:
    """The entries of batches that have complete image sets and own none."""
    ids = fetch(db, queries.without_rows(scope.one_run), **values_of(scope))
    for start in range(0, len(ids), _AT_ONCE):
        some = ImageSets.of(batch for (batch,) in ids[start : start + _AT_ONCE])
        yield from (entry for _, entry in entries(db, scope, some))


@checked
def stored_summary(db: Database, scope: Scope) -> Summary:
    """The summary as the last load stored it; an empty one if there is none."""
    text = ledger_settings.setting(db, scope, ledger_settings.SUMMARY)
    return Summary() if text is None else Summary.from_json(text)


def summary(db: Database, scope: Scope, known: Summary) -> Summary:
    """The summary of all entries, from a `known` one of the same ledger and the entries after it.

    The numbers of batches and image sets show whether older entries have changed since, because
    newer ones replaced some or somebody deleted some. Then all entries are read.
    """
    state = _state(db, scope)
    if known.state == state:
        return known
    found = _extended(db, scope, known)
    return found if found.state == state else _extended(db, scope, Summary())


def _extended(db: Database, scope: Scope, before: Summary) -> Summary:
    """A summary with all entries after its last one."""
    if before.batches:
        before = replace(before, since=before.since or before.state)
    for some in after(db, scope, before.last):
        before = before.with_entries(some[-1][0], [entry for _, entry in some])
    return before


def _state(db: Database, scope: Scope) -> tuple[int, int, int]:
    """The number of batches, the last `batch_id`, and the number of image sets."""
    one_run, values = scope.one_run, values_of(scope)
    ((batches, last),) = fetch(db, queries.counted_batches(one_run), **values)
    ((image_sets,),) = fetch(db, queries.counted_image_sets(one_run), **values)
    return int(batches), int(last), int(image_sets)
