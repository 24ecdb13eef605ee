"""What version 0.2.0 added to the ledger: measurements of whole runs, which batches replaced which,
the features of each batch, and the numbers of image sets whose jobs count from 1. `upgraded` adds
it to a destination that an older version made."""

import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Self

import pyarrow as pa
import sqlalchemy as sa

from cpexport.imagesets import ImageSets
from cpexport.sinks.ledger import Entry, RecordedFeatures
from cpexport.sinks.sql import ledger_queries as queries
from cpexport.sinks.sql.database import Database
from cpexport.sinks.sql.ledger_schema import (
    FEATURE_SETS,
    FEATURES,
    MEASURED,
    NUMBERS,
    REPLACED,
    SETTINGS,
)
from cpexport.sinks.sql.statements import (
    deleted,
    execute,
    execute_many,
    fetch,
    inserted,
    ranges_of,
    view_for,
)

VIEW = "_cpexport_current"
STATEMENT = f"""\
CREATE VIEW {VIEW} AS SELECT b.batch_id, b.prefix, b.table_number, b.path, b.state, b.loaded_utc,
  coalesce(s.owned, 0) AS owned, coalesce(r.replaced_by, 0) AS replaced_by
FROM _cpexport_batches b
LEFT JOIN (SELECT batch_id, count(*) AS owned FROM _cpexport_sets GROUP BY batch_id) s
  ON s.batch_id = b.batch_id
LEFT JOIN (SELECT batch_id, count(*) AS replaced_by FROM _cpexport_replaced GROUP BY batch_id) r
  ON r.batch_id = b.batch_id"""
"""Makes the view of batches: how many image sets each still owns, and how many batches have
replaced some of its image sets."""


def finite(value: float) -> float | None:
    """A number as the ledger stores it: NULL if it is not finite."""
    return value if math.isfinite(value) else None


def complete(db: Database) -> bool:
    """Whether a destination has all that version 0.2.0 added."""
    tables = MEASURED, REPLACED, FEATURES, FEATURE_SETS, NUMBERS
    return {*(table.name for table in tables), VIEW} <= db.names()


def upgraded(db: Database, make: Callable[[sa.Table], None]) -> None:
    """Adds what is missing to a destination that has the older tables; `make` makes one table."""
    names = db.names()
    if MEASURED.name not in names:
        make(MEASURED)
        if last := _last_batch(db):
            ours = {"prefix": "", "table_number": 0, "name": queries.UNMEASURED}
            execute(db, inserted(SETTINGS), **ours, value=str(last))
    if REPLACED.name not in names:
        make(REPLACED)
        _replaced_before(db)
    for table in (FEATURE_SETS, FEATURES, NUMBERS):
        if table.name not in names:
            make(table)
    if VIEW not in names:
        # On MySQL, DDL is not part of a transaction: another process may make the view meanwhile.
        db.run(view_for(db.dialect, STATEMENT))


@dataclass(frozen=True)
class Added:
    """What the added tables say, by `batch_id`.

    measured: what each batch measured of the whole run; NaN for a missing number.
    unmeasured: the last batch whose measurements of the run version 0.1.0 did not keep; 0 for none.
    replaced: how many image sets of each batch were replaced, by the signature of the batch that
        replaced them.
    recorded: the features of each batch.
    """

    measured: Mapping[int, Mapping[str, float]]
    unmeasured: int
    replaced: Mapping[int, Mapping[str, int]]
    recorded: Mapping[int, RecordedFeatures]

    @classmethod
    def read(cls, db: Database, batches: ImageSets) -> Self:
        """What they say about these batches, by `batch_id`."""
        names = db.names()
        measured: dict[int, dict[str, float]] = {}
        replaced: dict[int, dict[str, int]] = {}
        digests: dict[int, str] = {}
        unmeasured = 0 if MEASURED.name in names else _last_batch(db)
        if MEASURED.name in names:
            for (value,) in fetch(db, queries.unmeasured()):
                unmeasured = int(value)
        for count, ranges in ranges_of(batches):
            if MEASURED.name in names:
                for batch, feature, value in fetch(db, queries.measured(count), **ranges):
                    measured.setdefault(batch, {})[feature] = math.nan if value is None else value
            if REPLACED.name in names:
                for batch, signature, number in fetch(db, queries.replaced(count), **ranges):
                    replaced.setdefault(batch, {})[signature] = number
            if {FEATURES.name, FEATURE_SETS.name} <= names:
                digests |= fetch(db, queries.features(count), **ranges)
        sets = {digest: _features_of(db, digest) for digest in {*digests.values()}}
        recorded = {batch: sets[digest] for batch, digest in digests.items()}
        return cls(measured, unmeasured, replaced, recorded)

    def to(self, batch: int, entry: Entry, loaded: ImageSets) -> Entry:
        """The entry of a batch with what is added to it, and with the image sets that it owns."""
        return replace(
            entry,
            loaded=loaded,
            measured=self.measured.get(batch, {}),
            measured_kept=batch > self.unmeasured,
            replaced=self.replaced.get(batch, {}),
            recorded=self.recorded.get(batch),
        )


def delete_entry(db: Database, batch: int) -> None:
    """Deletes the rows about a batch that is being deleted. Its set of features stays: other
    batches may have the same."""
    if complete(db):
        execute(db, deleted(MEASURED, "batch_id"), batch_id=batch)
        execute(db, deleted(FEATURES, "batch_id"), batch_id=batch)
        for column in ("batch_id", "by_batch_id"):
            execute(db, deleted(REPLACED, column), **{column: batch})


def write(db: Database, batch: int, entry: Entry, owners: Mapping[int, int]) -> None:
    """Enters what a batch measured, its features, and the batches that it replaces. `owners` has
    the `batch_id` that each image set of this batch came from before."""
    if entry.measured:
        values = [finite(value) for value in entry.measured.values()]
        measured = {
            "batch_id": pa.repeat(pa.scalar(batch, pa.int64()), len(values)),
            "feature": pa.array(list(entry.measured), pa.string()),
            "value": pa.array(values, pa.float64()),
        }
        execute_many(db, inserted(MEASURED), pa.RecordBatch.from_pydict(measured))
    if entry.recorded is not None:
        digest = entry.recorded.digest
        if not fetch(db, queries.feature_set(), digest=digest):
            text = entry.recorded.as_json()
            execute(db, inserted(FEATURE_SETS), digest=digest, batch_id=batch, features=text)
        execute(db, inserted(FEATURES), batch_id=batch, digest=digest)
    for old, count in sorted(Counter(owners.values()).items()):
        execute(db, inserted(REPLACED), batch_id=old, by_batch_id=batch, set_count=count)


def _features_of(db: Database, digest: str) -> RecordedFeatures:
    ((text,), *_) = fetch(db, queries.features_of_set(), digest=digest)
    return RecordedFeatures.from_json(text)


def _last_batch(db: Database) -> int:
    ((last,),) = fetch(db, queries.last_batch())
    return int(last)


def _replaced_before(db: Database) -> None:
    """Enters, for batches loaded before this table existed, which batches now own image sets that
    others had completed."""
    owners: dict[tuple[str, int], dict[int, int]] = {}
    for prefix, run, number, batch in fetch(db, queries.all_owners()):
        owners.setdefault((prefix, run), {})[number] = batch
    for batch, prefix, run, text in fetch(db, queries.completed()):
        owner_of = owners.get((prefix, run), {})
        sets = ImageSets.parse(text) if text else ImageSets()
        for owner, count in sorted(Counter(owner_of.get(n, batch) for n in sets).items()):
            if owner != batch:
                values = {"batch_id": batch, "by_batch_id": owner, "set_count": count}
                execute(db, inserted(REPLACED), **values)
