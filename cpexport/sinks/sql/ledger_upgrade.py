"""What version 0.2.0 added to the ledger: measurements of whole runs, and which batches replaced
which. `upgraded` adds it to a destination that an older version made."""

import math
from collections import Counter
from collections.abc import Callable, Mapping

import pyarrow as pa
import sqlalchemy as sa

from cpexport.imagesets import ImageSets
from cpexport.sinks.ledger import Entry
from cpexport.sinks.sql import schema
from cpexport.sinks.sql.database import Database
from cpexport.sinks.sql.scope import Scope

VIEW = "_cpexport_current"
UNMEASURED = "unmeasured"
"""The setting with the last `batch_id` for which jobs' measurements of the run were not kept."""
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
SERVER_STATEMENT = STATEMENT.replace("CREATE VIEW", "CREATE OR REPLACE VIEW", 1)


def finite(value: float) -> float | None:
    """A number as the ledger stores it: NULL if it is not finite."""
    return value if math.isfinite(value) else None


def complete(db: Database) -> bool:
    """Whether a destination has all that version 0.2.0 added."""
    return {schema.MEASURED.name, schema.REPLACED.name, VIEW} <= db.names()


def upgraded(db: Database, make: Callable[[sa.Table], None]) -> None:
    """Adds what is missing to a destination that has the older tables; `make` makes one table."""
    names = db.names()
    if schema.MEASURED.name not in names:
        make(schema.MEASURED)
        ((last,),) = db.rows("SELECT coalesce(max(batch_id), 0) FROM _cpexport_batches")
        if last:
            sql = "REPLACE INTO _cpexport_settings VALUES ('', 0, ?, ?)"
            db.run(sql, UNMEASURED, str(last))
    if schema.REPLACED.name not in names:
        make(schema.REPLACED)
        _replaced_before(db)
    if VIEW not in names:
        # On MySQL, DDL is not part of a transaction: another process may make the view meanwhile.
        db.run(SERVER_STATEMENT if db.dialect.name == "mysql" else STATEMENT)


def measured(db: Database) -> dict[int, dict[str, float]]:
    """What each batch measured of the whole run, by `batch_id`; NaN for a missing number."""
    values_by_batch: dict[int, dict[str, float]] = {}
    if schema.MEASURED.name in db.names():
        for batch, feature, value in db.rows(
            "SELECT batch_id, feature, value FROM _cpexport_measured ORDER BY batch_id, feature"
        ):
            values_by_batch.setdefault(batch, {})[feature] = math.nan if value is None else value
    return values_by_batch


def unmeasured(db: Database) -> int:
    """The last `batch_id` whose measurements of the run version 0.1.0 did not keep; 0 for none."""
    if schema.MEASURED.name not in db.names():
        ((last,),) = db.rows("SELECT coalesce(max(batch_id), 0) FROM _cpexport_batches")
        return int(last)
    sql = "SELECT value FROM _cpexport_settings WHERE prefix = '' AND table_number = 0"
    rows = db.rows(f"{sql} AND name = '{UNMEASURED}'")
    return int(rows[0][0]) if rows else 0


def replaced(db: Database) -> dict[int, dict[str, int]]:
    """How many image sets of each batch were replaced: by its `batch_id`, then by the signature of
    the batch that replaced them."""
    counts_by_batch: dict[int, dict[str, int]] = {}
    if schema.REPLACED.name in db.names():
        for batch, signature, count in db.rows(
            "SELECT r.batch_id, b.signature, r.set_count FROM _cpexport_replaced r "
            "JOIN _cpexport_batches b ON b.batch_id = r.by_batch_id ORDER BY r.batch_id, b.batch_id"
        ):
            counts_by_batch.setdefault(batch, {})[signature] = count
    return counts_by_batch


def delete_entry(db: Database, batch: int) -> None:
    """Deletes the rows about a batch that is being deleted."""
    if schema.REPLACED.name in db.names():
        db.run("DELETE FROM _cpexport_measured WHERE batch_id = ?", batch)
        for column in ("batch_id", "by_batch_id"):
            db.run(f"DELETE FROM _cpexport_replaced WHERE {column} = ?", batch)


def write(db: Database, scope: Scope, entry: Entry, owners: Mapping[int, int]) -> None:
    """Enters what a batch measured, and the batches that it replaces. `owners` has the `batch_id`
    that each image set of this batch came from before."""
    if not entry.measured and not owners:
        return
    ((batch,),) = db.rows(
        f"SELECT batch_id FROM _cpexport_batches WHERE {scope.ledger} AND signature = ?",
        entry.signature,
    )
    if entry.measured:
        values = [finite(value) for value in entry.measured.values()]
        db.run_many(
            "INSERT INTO _cpexport_measured VALUES (?, ?, ?)",
            pa.record_batch(
                [
                    pa.repeat(pa.scalar(batch, pa.int64()), len(values)),
                    pa.array(list(entry.measured), pa.string()),
                    pa.array(values, pa.float64()),
                ],
                names=["batch_id", "feature", "value"],
            ),
        )
    for old, count in sorted(Counter(owners.values()).items()):
        db.run("INSERT INTO _cpexport_replaced VALUES (?, ?, ?)", old, batch, count)


def _replaced_before(db: Database) -> None:
    """Enters, for batches loaded before this table existed, which batches now own image sets that
    others had completed."""
    owners: dict[tuple[str, int], dict[int, int]] = {}
    for prefix, run, number, batch in db.rows(
        "SELECT prefix, table_number, number, batch_id FROM _cpexport_sets"
    ):
        owners.setdefault((prefix, run), {})[number] = batch
    for batch, prefix, run, complete in db.rows(
        "SELECT batch_id, prefix, table_number, complete FROM _cpexport_batches ORDER BY batch_id"
    ):
        owner_of = owners.get((prefix, run), {})
        sets = ImageSets.parse(complete) if complete else ImageSets()
        for owner, count in sorted(Counter(owner_of.get(n, batch) for n in sets).items()):
            if owner != batch:
                db.run("INSERT INTO _cpexport_replaced VALUES (?, ?, ?)", batch, owner, count)
