"""The ledger's queries and changes, built once each; `statements` executes them."""

from functools import cache
from typing import Any

import sqlalchemy as sa

from cpexport.sinks.sql.ledger_schema import (
    BATCHES,
    COLUMNS,
    FEATURE_SETS,
    FEATURES,
    MEASURED,
    NUMBERS,
    REMOVED,
    REPLACED,
    RUNS,
    SETS,
    SETTINGS,
    TABLES,
)
from cpexport.sinks.sql.statements import in_ranges, in_scope

SIGNATURES = 100
"""How many signatures `settled` takes."""
DIGESTS = (1, 10, 100)
"""How many digests `numbers` takes."""
_ENTRY = [column for column in BATCHES.columns if column.name not in ("prefix", "table_number")]
UNMEASURED = "unmeasured"
"""The setting with the last `batch_id` for which jobs' measurements of the run were not kept."""
_IS_NAMED = SETTINGS.c.name == sa.bindparam("of_name")


@cache
def batches(one_run: bool) -> sa.Select[Any]:
    return sa.select(*_ENTRY).where(in_scope(BATCHES, one_run)).order_by(BATCHES.c.batch_id)


@cache
def batch() -> sa.Select[Any]:
    return sa.select(*_ENTRY).where(BATCHES.c.batch_id == sa.bindparam("batch"))


@cache
def batches_of(one_run: bool, ranges: int) -> sa.Select[Any]:
    ours = in_scope(BATCHES, one_run), in_ranges(BATCHES.c.batch_id, ranges)
    return sa.select(*_ENTRY).where(*ours).order_by(BATCHES.c.batch_id)


@cache
def counts_of(ranges: int) -> sa.Select[Any]:
    return sa.select(TABLES).where(in_ranges(TABLES.c.batch_id, ranges))


@cache
def ids_after() -> sa.Select[Any]:
    """Without a condition on prefix and run: SQLite would look all of them up by these."""
    c = BATCHES.c
    later = sa.select(c.batch_id, c.prefix, c.table_number).where(c.batch_id > sa.bindparam("last"))
    return later.order_by(c.batch_id).limit(sa.bindparam("most"))


@cache
def counted_batches(one_run: bool) -> sa.Select[Any]:
    last = sa.func.coalesce(sa.func.max(BATCHES.c.batch_id), 0)
    return sa.select(sa.func.count(), last).where(in_scope(BATCHES, one_run))


@cache
def counted_image_sets(one_run: bool) -> sa.Select[Any]:
    return sa.select(sa.func.count()).select_from(SETS).where(in_scope(SETS, one_run))


@cache
def settled(one_run: bool) -> sa.Select[Any]:
    c = BATCHES.c
    among = c.signature.in_([sa.bindparam(f"signature_{place}") for place in range(SIGNATURES)])
    whole = c.fingerprint != sa.literal_column("''"), c.image_sets == c.complete
    return sa.select(c.signature).where(in_scope(BATCHES, one_run), among, *whole)


@cache
def without_rows(one_run: bool) -> sa.Select[Any]:
    c, own = BATCHES.c, sa.select(SETS.c.batch_id).where(in_scope(SETS, one_run))
    ours = in_scope(BATCHES, one_run), c.complete != sa.literal_column("''")
    return sa.select(c.batch_id).where(*ours, c.batch_id.not_in(own)).order_by(c.batch_id)


@cache
def written_by(one_run: bool) -> sa.Select[Any]:
    """For each version of cpexport how many batches it wrote, and when the first and the last."""
    c = BATCHES.c
    times = sa.func.min(c.loaded_utc), sa.func.max(c.loaded_utc)
    counted = sa.select(c.cpexport, sa.func.count(), *times).where(in_scope(BATCHES, one_run))
    return counted.group_by(c.cpexport).order_by(c.cpexport)


@cache
def owning(one_run: bool) -> sa.Select[Any]:
    """How many batches own image sets."""
    own = sa.select(SETS.c.batch_id).where(in_scope(SETS, one_run)).distinct().subquery()
    return sa.select(sa.func.count()).select_from(own)


@cache
def ids(one_run: bool) -> sa.Select[Any]:
    same = BATCHES.c.signature == sa.bindparam("signature")
    return sa.select(BATCHES.c.batch_id).where(in_scope(BATCHES, one_run), same)


@cache
def without_content() -> sa.Update:
    ours = sa.update(BATCHES).where(BATCHES.c.batch_id == sa.bindparam("batch"))
    return ours.values(fingerprint=sa.literal_column("''"), signature=sa.bindparam("new"))


@cache
def tables() -> sa.Select[Any]:
    return sa.select(TABLES.c.table_name).where(TABLES.c.batch_id == sa.bindparam("batch"))


@cache
def image_sets_within(one_run: bool, ranges: int) -> sa.Select[Any]:
    within = in_scope(SETS, one_run), in_ranges(SETS.c.number, ranges)
    columns = SETS.c.number, SETS.c.batch_id, SETS.c.identity
    return sa.select(*columns).where(*within).order_by(SETS.c.number)


@cache
def owners_within(one_run: bool, ranges: int) -> sa.Select[Any]:
    within = in_scope(SETS, one_run), in_ranges(SETS.c.number, ranges)
    return sa.select(SETS.c.number, SETS.c.batch_id).where(*within).order_by(SETS.c.number)


@cache
def deleted_image_sets(one_run: bool, ranges: int) -> sa.Delete:
    return sa.delete(SETS).where(in_scope(SETS, one_run), in_ranges(SETS.c.number, ranges))


@cache
def columns() -> sa.Select[Any]:
    c = COLUMNS.c
    listed = c.object_name, c.feature, c.table_name, c.column_name, c.type
    return sa.select(*listed).where(in_scope(COLUMNS, False)).order_by(c.position)


@cache
def prefixes() -> sa.Select[Any]:
    return sa.select(COLUMNS.c.prefix).distinct()


@cache
def runs() -> sa.Select[Any]:
    listed = sa.select(RUNS.c.name, RUNS.c.table_number)
    return listed.where(in_scope(RUNS, False)).order_by(RUNS.c.table_number)


@cache
def newest_version() -> sa.Select[Any]:
    return sa.select(sa.func.max(BATCHES.c.cpexport))


@cache
def settings(one_run: bool) -> sa.Select[Any]:
    stored = sa.select(SETTINGS.c.name, SETTINGS.c.value).where(in_scope(SETTINGS, one_run))
    return stored.order_by(SETTINGS.c.table_number, SETTINGS.c.name)


@cache
def setting() -> sa.Select[Any]:
    return sa.select(SETTINGS.c.value).where(in_scope(SETTINGS, True), _IS_NAMED)


@cache
def numbers(count: int) -> sa.Select[Any]:
    """The numbers of keys with so many digests; one of `DIGESTS`."""
    c = NUMBERS.c
    among = c.digest.in_([sa.bindparam(f"digest_{place}") for place in range(count)])
    return sa.select(c.digest, c.number).where(in_scope(NUMBERS, True), among)


@cache
def number_within() -> sa.Select[Any]:
    """The first number of a key in a range."""
    c = NUMBERS.c
    within = c.number.between(sa.bindparam("first"), sa.bindparam("last"))
    return sa.select(c.number).where(in_scope(NUMBERS, True), within).limit(1)


@cache
def changed_setting() -> sa.Update:
    changed = sa.update(SETTINGS).where(in_scope(SETTINGS, True), _IS_NAMED)
    return changed.values(value=sa.bindparam("new"))


@cache
def lowered_setting() -> sa.Update:
    return changed_setting().where(sa.cast(SETTINGS.c.value, sa.DECIMAL) >= sa.bindparam("number"))


@cache
def setting_of_runs() -> sa.Select[Any]:
    s, r = SETTINGS.c, RUNS.c
    of_run = sa.and_(s.prefix == r.prefix, s.table_number == r.table_number)
    listed = sa.select(r.name, s.value).join_from(RUNS, SETTINGS, of_run)
    return listed.where(in_scope(RUNS, False), _IS_NAMED)


@cache
def last_batch() -> sa.Select[Any]:
    return sa.select(sa.func.coalesce(sa.func.max(BATCHES.c.batch_id), 0))


@cache
def measured(ranges: int) -> sa.Select[Any]:
    ours = _within(MEASURED, ranges)
    return sa.select(MEASURED).where(ours).order_by(MEASURED.c.batch_id, MEASURED.c.feature)


@cache
def unmeasured() -> sa.Select[Any]:
    of_all = SETTINGS.c.prefix == "", SETTINGS.c.table_number == 0, SETTINGS.c.name == UNMEASURED
    return sa.select(SETTINGS.c.value).where(*of_all)


@cache
def replaced(ranges: int) -> sa.Select[Any]:
    by = BATCHES.c.batch_id == REPLACED.c.by_batch_id
    listed = sa.select(REPLACED.c.batch_id, BATCHES.c.signature, REPLACED.c.set_count)
    ours = listed.join_from(REPLACED, BATCHES, by).where(_within(REPLACED, ranges))
    return ours.order_by(REPLACED.c.batch_id, BATCHES.c.batch_id)


@cache
def features(ranges: int) -> sa.Select[Any]:
    return sa.select(FEATURES.c.batch_id, FEATURES.c.digest).where(_within(FEATURES, ranges))


@cache
def feature_set() -> sa.Select[Any]:
    ours = FEATURE_SETS.c.digest == sa.bindparam("digest")
    return sa.select(FEATURE_SETS.c.digest).where(ours)


@cache
def features_of_set() -> sa.Select[Any]:
    ours = FEATURE_SETS.c.digest == sa.bindparam("digest")
    return sa.select(FEATURE_SETS.c.features).where(ours)


@cache
def all_owners() -> sa.Select[Any]:
    return sa.select(SETS.c.prefix, SETS.c.table_number, SETS.c.number, SETS.c.batch_id)


@cache
def completed() -> sa.Select[Any]:
    c = BATCHES.c
    return sa.select(c.batch_id, c.prefix, c.table_number, c.complete).order_by(c.batch_id)


@cache
def removed(one_run: bool) -> sa.Select[Any]:
    """The removed image sets that no batch has brought back, with the batches that had them."""
    r, s = REMOVED.c, SETS.c
    same = s.prefix == r.prefix, s.table_number == r.table_number, s.number == r.number
    back = sa.exists().where(*same)
    listed = sa.select(r.batch_id, r.number).where(in_scope(REMOVED, one_run), ~back)
    return listed.order_by(r.batch_id, r.number)


@cache
def with_removals(one_run: bool) -> sa.Select[Any]:
    """The batches from which image sets were removed, also if another batch has brought them
    back."""
    return sa.select(REMOVED.c.batch_id).where(in_scope(REMOVED, one_run)).distinct()


@cache
def deleted_removals(ranges: int) -> sa.Delete:
    ours = REMOVED.c.batch_id == sa.bindparam("batch")
    return sa.delete(REMOVED).where(ours, in_ranges(REMOVED.c.number, ranges))


def _within(table: sa.Table, ranges: int) -> sa.ColumnElement[bool]:
    """The condition that selects so many ranges of batches."""
    return in_ranges(table.c.batch_id, ranges)
