"""Counts the batches of a ledger: what each version wrote, and what became of them."""

from cpexport.sinks.ledger import History
from cpexport.sinks.sql import ledger_queries as queries
from cpexport.sinks.sql import ledger_removals
from cpexport.sinks.sql.database import Database
from cpexport.sinks.sql.scope import Scope
from cpexport.sinks.sql.statements import fetch, values_of


def history(db: Database, scope: Scope) -> History:
    """The batches in the scope, counted by the database."""
    one_run, values = scope.one_run, values_of(scope)
    rows = fetch(db, queries.written_by(one_run), **values)
    ((current,),) = fetch(db, queries.owning(one_run), **values)
    without = {batch for (batch,) in fetch(db, queries.without_rows(one_run), **values)}
    removed = without & ledger_removals.batches(db, scope)
    return History(
        batches=sum(count for _, count, _, _ in rows),
        current=int(current),
        replaced=len(without - removed),
        removed=len(removed),
        versions={version: count for version, count, _, _ in rows},
        first=min((first for _, _, first, _ in rows), default=""),
        last=max((last for _, _, _, last in rows), default=""),
    )
