"""Reads and writes _cpexport_settings: what a destination is, and what was computed over runs."""

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar

from cpexport import __version__
from cpexport.errors import ChangedError, SinkError
from cpexport.sinks.sql import ledger_upgrade, schema
from cpexport.sinks.sql.database import Database
from cpexport.sinks.sql.scope import Scope

_P = ParamSpec("_P")


_T = TypeVar("_T")


OWN = (
    *("schema", "shape", "made", "views", "layout", "changing", "experiment_id", "view"),
    *("measured", ledger_upgrade.UNMEASURED),
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
            problem = f"its ledger was changed by something else: {error!r}"
            raise ChangedError(db.name, problem, "restore it, or load into a new one") from error

    return reading


def check_version(db: Database) -> None:
    """Checks that the ledger has this version's schema.

    Raises:
        SinkError: another version of cpexport made the database.
    """
    values = dict(db.rows("SELECT name, value FROM _cpexport_settings WHERE prefix = ''"))
    version = values.get("schema", schema.VERSION)
    if version != schema.VERSION:
        raise SinkError(
            db.name,
            f"created by cpexport {_creator(db)} (ledger schema {version}); this is cpexport "
            f"{__version__} (ledger schema {schema.VERSION})",
            "use that version",
        )


def _creator(db: Database) -> str:
    """The newest version of cpexport that wrote to a database, if its ledger can be read."""
    with suppress(SinkError):
        rows = db.rows("SELECT MAX(cpexport) FROM _cpexport_batches")
        return str(rows[0][0] or "of an unknown version")
    return "of an unknown version"


def view(db: Database, prefix: str) -> str | None:
    """The stored form of the view of all objects under a prefix; see `object_view.FORM`."""
    sql = "SELECT value FROM _cpexport_settings WHERE prefix = ? AND name = 'view'"
    rows = db.rows(sql, prefix)
    return rows[0][0] if rows else None


def made(db: Database, prefix: str) -> frozenset[str]:
    """The names of the derived tables under a prefix."""
    sql = "SELECT value FROM _cpexport_settings WHERE prefix = ? AND name = 'made'"
    rows = db.rows(sql, prefix)
    return frozenset(json.loads(rows[0][0])) if rows else frozenset()


def shown(db: Database) -> frozenset[str]:
    """The names of the views that join analyses, under all prefixes."""
    sql = "SELECT value FROM _cpexport_settings WHERE prefix = '' AND name = 'views'"
    rows = db.rows(sql)
    return frozenset(json.loads(rows[0][0])) if rows else frozenset()


def settings(db: Database, scope: Scope) -> dict[str, str]:
    """What is stored for a run and holds until the next batch."""
    sql = f"SELECT name, value FROM _cpexport_settings WHERE {scope.ledger}"
    return dict(db.rows(f"{sql} AND name NOT IN {OWN}"))


def noted(db: Database, prefix: str, name: str) -> dict[str, str]:
    """The value of one setting for each run, by name of run."""
    sql = (
        "SELECT r.name, s.value FROM _cpexport_runs r JOIN _cpexport_settings s "
        "ON s.prefix = r.prefix AND s.table_number = r.table_number "
        "WHERE r.prefix = ? AND s.name = ?"
    )
    return dict(db.rows(sql, prefix, name))


def note(db: Database, scope: Scope, settings: Mapping[str, str]) -> None:
    """Stores settings; `settings` returns them."""
    sql = "REPLACE INTO _cpexport_settings VALUES (?, ?, ?, ?)"
    for name, value in settings.items():
        db.run(sql, scope.prefix, scope.number, name, value)


def forget_computed(db: Database, scope: Scope) -> None:
    """Removes what was computed over the whole run: a new batch makes it wrong."""
    # A condition on the whole key locks no other row on servers.
    sql = "DELETE FROM _cpexport_settings WHERE prefix = ? AND table_number = ? AND name = ?"
    for name in settings(db, scope).keys() - set(schema.KEPT):
        db.run(sql, scope.prefix, scope.number, name)
