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
    REPLACED,
    RUNS,
    SETS,
    SETTINGS,
    TABLES,
)
from cpexport.sinks.sql.statements import in_ranges, in_scope

_ENTRY = [column for column in BATCHES.columns if column.name not in ("prefix", "table_number")]
UNMEASURED = "unmeasured"
"""The setting with the last `batch_id` for which jobs' measurements of the run were not kept."""
_IS_NAMED = SETTINGS.c.name == sa.bindparam("of_name")


@cache
def counts() -> sa.Select[Any]:
    return sa.select(TABLES)


@cache
def batches(one_run: bool) -> sa.Select[Any]:
    return sa.select(*_ENTRY).where(in_scope(BATCHES, one_run)).order_by(BATCHES.c.batch_id)


@cache
def batch() -> sa.Select[Any]:
    return sa.select(*_ENTRY).where(BATCHES.c.batch_id == sa.bindparam("batch"))


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
def owners(one_run: bool) -> sa.Select[Any]:
    return sa.select(SETS.c.number, SETS.c.batch_id).where(in_scope(SETS, one_run))


@cache
def image_sets_within(one_run: bool, ranges: int) -> sa.Select[Any]:
    within = in_scope(SETS, one_run), in_ranges(SETS.c.number, ranges)
    columns = SETS.c.number, SETS.c.batch_id, SETS.c.identity
    return sa.select(*columns).where(*within).order_by(SETS.c.number)


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
    return sa.select(SETTINGS.c.name, SETTINGS.c.value).where(in_scope(SETTINGS, one_run))


@cache
def setting() -> sa.Select[Any]:
    return sa.select(SETTINGS.c.value).where(in_scope(SETTINGS, True), _IS_NAMED)


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
def measured() -> sa.Select[Any]:
    return sa.select(MEASURED).order_by(MEASURED.c.batch_id, MEASURED.c.feature)


@cache
def unmeasured() -> sa.Select[Any]:
    of_all = SETTINGS.c.prefix == "", SETTINGS.c.table_number == 0, SETTINGS.c.name == UNMEASURED
    return sa.select(SETTINGS.c.value).where(*of_all)


@cache
def replaced() -> sa.Select[Any]:
    by = BATCHES.c.batch_id == REPLACED.c.by_batch_id
    listed = sa.select(REPLACED.c.batch_id, BATCHES.c.signature, REPLACED.c.set_count)
    return listed.join_from(REPLACED, BATCHES, by).order_by(REPLACED.c.batch_id, BATCHES.c.batch_id)


@cache
def features() -> sa.Select[Any]:
    return sa.select(FEATURES.c.batch_id, FEATURES.c.digest)


@cache
def feature_sets() -> sa.Select[Any]:
    return sa.select(FEATURE_SETS.c.digest, FEATURE_SETS.c.features)


@cache
def feature_set() -> sa.Select[Any]:
    ours = FEATURE_SETS.c.digest == sa.bindparam("digest")
    return sa.select(FEATURE_SETS.c.digest).where(ours)


@cache
def all_owners() -> sa.Select[Any]:
    return sa.select(SETS.c.prefix, SETS.c.table_number, SETS.c.number, SETS.c.batch_id)


@cache
def completed() -> sa.Select[Any]:
    c = BATCHES.c
    return sa.select(c.batch_id, c.prefix, c.table_number, c.complete).order_by(c.batch_id)
