"""Reads and writes _cpexport_settings: what a destination is, and what was computed over runs."""

import hashlib
import json
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar

from cpexport import __version__
from cpexport.errors import ChangedError, SinkError
from cpexport.sinks.sql import ledger_queries as queries
from cpexport.sinks.sql import ledger_schema
from cpexport.sinks.sql.database import Database
from cpexport.sinks.sql.ledger_schema import SETTINGS
from cpexport.sinks.sql.scope import Scope
from cpexport.sinks.sql.statements import (
    deleted,
    execute,
    fetch,
    inserted,
    values_of,
)

SUMMARY = "summary"
"""The setting with the summary of a run as it was when the run's last load ended. Its own numbers
show whether it still holds, so no batch removes it; a script does, as it reuses `batch_id`s."""

INDEXES = "indexes"
"""The setting that is `no` if loads make no indexes for queries."""

PLACES = "places"
"""The setting with the image features that name plate and well, if they are not the usual ones."""

_P = ParamSpec("_P")
_T = TypeVar("_T")

KEY = "key"
"""The setting with the features that identify image sets whose jobs count from 1."""

OWN = (
    *(KEY, "schema", "shape", "made", "views", "layout", "changing", "experiment_id", "view"),
    *("measured", queries.UNMEASURED, INDEXES, PLACES, "planned"),
)
"""The settings that say what a destination is, or is becoming; no batch invalidates them."""


def checked(
    read: Callable[Concatenate[Database, _P], _T],
) -> Callable[Concatenate[Database, _P], _T]:
    """Decorates a function that reads the ledger: a value that cpexport never writes becomes a
    `ChangedError`."""

    @wraps(read)
    def reading(db: Database, /, *args: _P.args, **kwargs: _P.kwargs) -> _T:
        try:
            return read(db, *args, **kwargs)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            problem = f"its ledger was changed by another program: {error!r}"
            raise ChangedError(
                db.name, problem, "restore it, or load its outputs into a new destination"
            ) from error

    return reading


def check_version(db: Database) -> None:
    """Checks that the ledger has this version's schema.

    Raises:
        SinkError: another version of cpexport made the database.
    """
    version = setting(db, Scope(""), "schema") or ledger_schema.VERSION
    if version != ledger_schema.VERSION:
        raise SinkError(
            db.name,
            f"created by cpexport {_creator(db)} (ledger schema {version}); this is cpexport "
            f"{__version__} (ledger schema {ledger_schema.VERSION})",
            "use that version of cpexport, or load the outputs into a new destination",
        )


def _creator(db: Database) -> str:
    """The newest version of cpexport that wrote to a database, if its ledger can be read."""
    with suppress(SinkError):
        ((newest,),) = fetch(db, queries.newest_version())
        return str(newest or "of an unknown version")
    return "of an unknown version"


def setting(db: Database, scope: Scope, name: str) -> str | None:
    """A setting of one run, or one that all runs under a prefix share. Those of the whole database
    have an empty prefix."""
    rows = fetch(db, queries.setting(), **values_of(scope), of_name=name)
    return rows[0][0] if rows else None


@checked
def places(db: Database, prefix: str) -> tuple[str, ...]:
    """The image features that name plate and well, if a load named them; see `base.Sink.tune`."""
    return tuple(map(str, json.loads(setting(db, Scope(prefix), PLACES) or "[]")))


def made(db: Database, prefix: str) -> frozenset[str]:
    """The names of the derived tables under a prefix."""
    return frozenset(json.loads(setting(db, Scope(prefix), "made") or "[]"))


def views(db: Database) -> dict[str, str]:
    """The digest of the statement of each view of `Transaction.write_view`, by name, under all
    prefixes; empty if an earlier version made the view."""
    stored = json.loads(setting(db, Scope(""), "views") or "[]")
    return stored if isinstance(stored, dict) else dict.fromkeys(stored, "")


def has_view(db: Database, name: str, statement: str) -> bool:
    """Whether the last statement of a view was this one."""
    return views(db).get(name) == _digest(statement)


def note_view(db: Database, name: str, statement: str) -> None:
    """Stores the statement that made a view. Earlier versions read the names only."""
    known = views(db) | {name: _digest(statement)}
    note(db, Scope(""), {"views": json.dumps(known, sort_keys=True)})


def _digest(statement: str) -> str:
    return hashlib.sha256(statement.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def settings(db: Database, scope: Scope) -> dict[str, str]:
    """What is stored for a run and holds until the next batch."""
    stored = fetch(db, queries.settings(scope.one_run), **values_of(scope))
    return {name: value for name, value in stored if name not in OWN and name != SUMMARY}


def noted(db: Database, prefix: str, name: str) -> dict[str, str]:
    """The value of one setting for each run, by name of run."""
    return dict(fetch(db, queries.setting_of_runs(), of_prefix=prefix, of_name=name))


def note(db: Database, scope: Scope, settings: Mapping[str, str]) -> None:
    """Stores settings; `settings` returns them."""
    for name, value in settings.items():
        if setting(db, scope, name) is None:
            enter(db, scope, name, value)
        else:
            execute(db, queries.changed_setting(), **values_of(scope), of_name=name, new=value)


def enter(db: Database, scope: Scope, name: str, value: str) -> None:
    """Stores a setting that does not exist yet."""
    ours = {"prefix": scope.prefix, "table_number": scope.number, "name": name}
    execute(db, inserted(SETTINGS), **ours, value=value)


def lower(db: Database, scope: Scope, name: str, number: int) -> None:
    """Replaces an equal or greater number, if the setting exists.

    On servers, a second process waits here, and then sees what the first one wrote.
    """
    values = {"of_name": name, "new": str(number), "number": number}
    execute(db, queries.lowered_setting(), **values_of(scope), **values)


def forget(db: Database, scope: Scope, name: str) -> None:
    """Removes a setting, if it exists."""
    # A condition on the whole key locks no other row on servers.
    ours = {"prefix": scope.prefix, "table_number": scope.number, "name": name}
    execute(db, deleted(SETTINGS, *ours), **ours)


def forget_computed(db: Database, scope: Scope, kept: Collection[str] = ()) -> None:
    """Removes what was computed over the whole run, except `kept`: a new batch makes it wrong."""
    for name in settings(db, scope).keys() - {*ledger_schema.KEPT, *kept}:
        forget(db, scope, name)
