"""The ledger in a database: what is read of it, and what a batch's transaction writes."""

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

import pyarrow as pa

from cpexport import __version__
from cpexport.errors import ChangedError, SinkError
from cpexport.imagesets import ImageSets
from cpexport.ledger import Count, Entry, Ledger
from cpexport.paths import PathMap
from cpexport.pictures import Pictures, from_identities
from cpexport.shape import Shape
from cpexport.sinks import schema, sqlcurrent
from cpexport.sinks.scope import Scope
from cpexport.sinks.sql import Database
from cpexport.tables import Column, Layout

_P = ParamSpec("_P")
_T = TypeVar("_T")

OWN = (
    *("schema", "shape", "made", "views", "layout", "changing", "experiment_id", "view"),
    *("measured", sqlcurrent.UNMEASURED),
)
"""The settings that say what a destination is, or is becoming; no batch makes them untrue."""

_BATCH = (
    "batch_id, path, format, signature, fingerprint, image_sets, complete, refused, group_tags, "
    "state, reason, finished, modified_ns, cellprofiler, pipeline_sha256, loaded_utc, cpexport"
)


def _whole(
    read: Callable[Concatenate[Database, _P], _T],
) -> Callable[Concatenate[Database, _P], _T]:
    """What reads the ledger, with an error of ours where it says what cpexport never wrote."""

    @wraps(read)
    def reading(db: Database, /, *args: _P.args, **kwargs: _P.kwargs) -> _T:
        try:
            return read(db, *args, **kwargs)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            said = f"its ledger was changed by something else: {error!r}"
            raise ChangedError(db.name, said, "restore it, or load into a new one") from error

    return reading


@_whole
def read(db: Database, scope: Scope) -> Ledger:
    """All entries within the scope, in the order in which they were written."""
    counts: dict[int, dict[str, Count]] = {}
    for batch, table, rows, missing, infinite, columns in db.rows(
        "SELECT batch_id, table_name, row_count, missing_count, infinite_count, infinite_columns "
        "FROM _cpexport_tables"
    ):
        count = Count(rows, missing, infinite, json.loads(columns))
        counts.setdefault(batch, {})[table] = count
    owned: dict[int, list[int]] = {}
    for number, batch in db.rows(
        f"SELECT number, batch_id FROM _cpexport_sets WHERE {scope.ledger}"
    ):
        owned.setdefault(batch, []).append(number)
    batches = db.rows(
        f"SELECT {_BATCH} FROM _cpexport_batches WHERE {scope.ledger} ORDER BY batch_id"
    )
    measured, replaced = sqlcurrent.measured(db), sqlcurrent.replaced(db)
    unmeasured = sqlcurrent.unmeasured(db)
    return Ledger(
        tuple(
            replace(
                _entry(row, owned.get(row[0], []), counts.get(row[0], {})),
                measured=measured.get(row[0], {}),
                measured_kept=row[0] > unmeasured,
                replaced=replaced.get(row[0], {}),
            )
            for row in batches
        )
    )


@_whole
def layout(db: Database, prefix: str, numbered: bool) -> Layout:
    """The tables and columns under a prefix, with or without numbers of runs in their keys."""
    return Layout(
        tuple(
            Column(object_name, feature, table, name, schema.TYPES[type])
            for object_name, feature, table, name, type in db.rows(
                "SELECT object_name, feature, table_name, column_name, type "
                "FROM _cpexport_columns WHERE prefix = ? ORDER BY position",
                prefix,
            )
        ),
        numbered,
    )


def write_layout(db: Database, prefix: str, layout: Layout) -> None:
    """Notes which tables and columns there are under a prefix, in place of what was noted."""
    db.run("DELETE FROM _cpexport_columns WHERE prefix = ?", prefix)
    columns = layout.columns
    db.ingest(
        "_cpexport_columns",
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
            names=[column.name for column in schema.COLUMNS.columns],
        ),
    )


@_whole
def shape_of(db: Database, prefix: str) -> Shape | None:
    """What the tables under a prefix look like; None while there are none."""
    found = db.rows(
        "SELECT value FROM _cpexport_settings WHERE prefix = ? AND name = 'shape'", prefix
    )
    return Shape.from_json(found[0][0]) if found else None


def agreed(db: Database, prefix: str, shape: Shape | None, paths: PathMap | None) -> Shape:
    """The shape that the tables have, or are to have if there are none yet, or where the one that
    they have names object types that there are not: `reshape` makes it theirs.

    Raises:
        SinkError: another one is asked for. Tables are not made anew.
    """
    has = shape_of(db, prefix)
    wanted = (has or Shape()).asked(shape, paths)
    if has is None or has == wanted:
        return wanted
    if wanted.corrects(has, layout(db, prefix, False).types):
        return wanted
    made, asked = has.beside(wanted)
    raise SinkError(
        db.name,
        f"was made with {made}, and {asked} is asked for",
        "leave out the options that say what tables look like, or load into another destination, "
        "or under a --prefix of its own",
    )


def differs(db: Database, prefix: str, shape: Shape) -> bool:
    """Whether the tables have another shape than this, which was `agreed`."""
    return shape_of(db, prefix) not in (None, shape)


def reshape(db: Database, prefix: str, shape: Shape) -> None:
    """Makes this the shape of the tables. Batches that are there stay, and are not known again, so
    that they are loaded anew with the object types that they lack."""
    note(db, Scope(prefix), {"shape": shape.as_json()})
    batches = db.rows("SELECT batch_id FROM _cpexport_batches WHERE prefix = ?", prefix)
    ids = pa.array([batch for (batch,) in batches], pa.int64())
    names = pa.array([f"of another shape: {batch}" for (batch,) in batches], pa.string())
    words = "UPDATE _cpexport_batches SET fingerprint = '', signature = ? WHERE batch_id = ?"
    db.run_many(words, pa.record_batch([names, ids], names=["signature", "batch_id"]))


def check_version(db: Database) -> None:
    """Refuses a database that another cpexport made.

    Raises:
        SinkError: so it is.
    """
    found = dict(db.rows("SELECT name, value FROM _cpexport_settings WHERE prefix = ''"))
    version = found.get("schema", schema.VERSION)
    if version != schema.VERSION:
        raise SinkError(
            db.name,
            f"created by cpexport {_creator(db)} (ledger schema {version}); this is cpexport "
            f"{__version__} (ledger schema {schema.VERSION})",
            "use that version",
        )


def _creator(db: Database) -> str:
    """The version that wrote to a database last, as far as its ledger can be read."""
    with suppress(SinkError):
        found = db.rows("SELECT MAX(cpexport) FROM _cpexport_batches")
        return str(found[0][0] or "of an unknown version")
    return "of an unknown version"


def view(db: Database, prefix: str) -> str | None:
    """The form of the view of all objects under a prefix, as it was noted."""
    words = "SELECT value FROM _cpexport_settings WHERE prefix = ? AND name = 'view'"
    found = db.rows(words, prefix)
    return found[0][0] if found else None


def made(db: Database, prefix: str) -> frozenset[str]:
    """The tables that were computed from others under a prefix."""
    words = "SELECT value FROM _cpexport_settings WHERE prefix = ? AND name = 'made'"
    found = db.rows(words, prefix)
    return frozenset(json.loads(found[0][0])) if found else frozenset()


def shown(db: Database) -> frozenset[str]:
    """The names of the views that join analyses, under whatever prefixes."""
    words = "SELECT value FROM _cpexport_settings WHERE prefix = '' AND name = 'views'"
    found = db.rows(words)
    return frozenset(json.loads(found[0][0])) if found else frozenset()


@_whole
def runs(db: Database, prefix: str) -> dict[str, int]:
    """The numbers of the runs under a prefix by their names, in order."""
    found = db.rows(
        "SELECT name, table_number FROM _cpexport_runs WHERE prefix = ? ORDER BY table_number",
        prefix,
    )
    return dict(found)


def enter_run(db: Database, prefix: str, name: str) -> int:
    """Gives the next number to a run that has none."""
    number = max(runs(db, prefix).values(), default=0) + 1
    db.run("INSERT INTO _cpexport_runs VALUES (?, ?, ?)", prefix, number, name)
    return number


def settings(db: Database, scope: Scope) -> dict[str, str]:
    """What was noted of a run, and is true as long as no batch is written."""
    words = f"SELECT name, value FROM _cpexport_settings WHERE {scope.ledger}"
    return dict(db.rows(f"{words} AND name NOT IN {OWN}"))


def noted(db: Database, prefix: str, name: str) -> dict[str, str]:
    """What was noted of each run under a name, by the run's name."""
    words = (
        "SELECT r.name, s.value FROM _cpexport_runs r JOIN _cpexport_settings s "
        "ON s.prefix = r.prefix AND s.table_number = r.table_number "
        "WHERE r.prefix = ? AND s.name = ?"
    )
    return dict(db.rows(words, prefix, name))


def note(db: Database, scope: Scope, settings: Mapping[str, str]) -> None:
    """Notes what `settings` then gives."""
    words = "REPLACE INTO _cpexport_settings VALUES (?, ?, ?, ?)"
    for name, value in settings.items():
        db.run(words, scope.prefix, scope.number, name, value)


def holds(db: Database, scope: Scope, entry: Entry) -> bool:
    """Whether there is an entry of this very batch."""
    same = f"SELECT 1 FROM _cpexport_batches WHERE {scope.ledger} AND signature = ?"
    return bool(db.rows(same, entry.signature))


@_whole
def entry(db: Database, batch: int, loaded: list[int]) -> Entry | None:
    """A batch by its `batch_id`, without counts, as if these were all that is loaded of it."""
    found = db.rows(f"SELECT {_BATCH} FROM _cpexport_batches WHERE batch_id = ?", batch)
    return _entry(found[0], loaded, {}) if found else None


def batches_of(db: Database, scope: Scope, image_sets: ImageSets) -> dict[int, int]:
    """Of these image sets, those that are loaded, and the `batch_id` that each came from."""
    found: dict[int, int] = {}
    for where in db.between("number", image_sets):
        words = f"SELECT number, batch_id FROM _cpexport_sets WHERE {scope.ledger} AND ({where})"
        found |= dict(db.rows(words))
    return found


def forget(db: Database, scope: Scope, image_sets: ImageSets) -> None:
    """Takes it back that these image sets are loaded."""
    for where in db.between("number", image_sets):
        db.run(f"DELETE FROM _cpexport_sets WHERE {scope.ledger} AND ({where})")


@_whole
def pictures(db: Database, scope: Scope, image_sets: ImageSets) -> Pictures:
    """The pictures of these image sets, those that are loaded."""
    found: list[tuple[int, str]] = []
    for where in db.between("number", image_sets):
        rows = db.rows(
            f"SELECT number, identity FROM _cpexport_sets WHERE {scope.ledger} AND ({where}) "
            "ORDER BY number"
        )
        found += [(number, identity) for number, identity in rows]
    return from_identities([n for n, _ in found], [identity for _, identity in found])


def row(entry: Entry) -> tuple[Any, ...]:
    """A batch as the ledger's table has it, from its path on."""
    return (
        entry.path,
        entry.format,
        entry.signature,
        entry.fingerprint,
        str(entry.image_sets),
        str(entry.complete),
        str(entry.refused),
        json.dumps(entry.group_tags),
        entry.state,
        entry.reason,
        *entry.age,
        entry.version,
        entry.pipeline,
        entry.time,
        entry.cpexport,
    )


def write(db: Database, scope: Scope, entry: Entry, pictures: Pictures) -> None:
    """Enters a batch and its image sets; what was computed over the whole run is out of date."""
    # The database numbers it.
    names = [column.name for column in schema.BATCHES.columns][1:]
    values = (scope.prefix, scope.number, *row(entry))
    places = ", ".join("?" * len(values))
    db.run(f"INSERT INTO _cpexport_batches ({', '.join(names)}) VALUES ({places})", *values)
    words = f"SELECT batch_id FROM _cpexport_batches WHERE {scope.ledger} AND signature = ?"
    ((batch,),) = db.rows(words, entry.signature)
    if db.rows("SELECT 1 FROM _cpexport_tables WHERE batch_id = ?", batch):
        # Of a batch that somebody deleted by hand; SQLite gives its number again.
        db.run("DELETE FROM _cpexport_tables WHERE batch_id = ?", batch)
        sqlcurrent.strike(db, batch)
    counts = entry.counts.values()
    infinite = [json.dumps(dict(count.infinite_columns)) for count in counts]
    counted = [
        pa.repeat(pa.scalar(batch, pa.int64()), len(counts)),
        pa.array(list(entry.counts), pa.string()),
        pa.array([count.rows for count in counts], pa.int64()),
        pa.array([count.missing for count in counts], pa.int64()),
        pa.array([count.infinite for count in counts], pa.int64()),
        pa.array(infinite, pa.string()),
    ]
    words = "INSERT INTO _cpexport_tables VALUES (?, ?, ?, ?, ?, ?)"
    db.run_many(words, pa.record_batch(counted, names=schema.TABLES.columns.keys()))
    rows = len(pictures)
    columns = {
        "prefix": pa.repeat(pa.scalar(scope.prefix), rows),
        "table_number": pa.repeat(pa.scalar(scope.number, pa.int64()), rows),
        "number": pa.array(pictures.numbers),
        "batch_id": pa.repeat(pa.scalar(batch, pa.int64()), rows),
        "identity": pa.array(list(pictures.identities()), pa.string()),
    }
    words = "INSERT INTO _cpexport_sets VALUES (?, ?, ?, ?, ?)"
    db.run_many(words, pa.RecordBatch.from_pydict(columns))
    _untrue(db, scope)


def strike(db: Database, scope: Scope, entry: Entry) -> None:
    """Takes an entry out, of which no image set is loaded any more."""
    words = f"SELECT batch_id FROM _cpexport_batches WHERE {scope.ledger} AND signature = ?"
    for (batch,) in db.rows(words, entry.signature):
        db.run("DELETE FROM _cpexport_tables WHERE batch_id = ?", batch)
        sqlcurrent.strike(db, batch)
        db.run("DELETE FROM _cpexport_batches WHERE batch_id = ?", batch)
    _untrue(db, scope)


def _untrue(db: Database, scope: Scope) -> None:
    """Forgets what was noted of all batches together, as it is not true any more."""
    # Each by its whole key, so that on servers no other row is locked.
    words = "DELETE FROM _cpexport_settings WHERE prefix = ? AND table_number = ? AND name = ?"
    for name in settings(db, scope).keys() - set(schema.KEPT):
        db.run(words, scope.prefix, scope.number, name)


def _entry(row: tuple[Any, ...], loaded: list[int], counts: Mapping[str, Count]) -> Entry:
    (_, path, format, signature, fingerprint, held, complete, refused, tags, *rest) = row
    state, reason, finished, modified, version, pipeline, time, cpexport = rest
    group_tags = json.loads(tags)
    return Entry(
        path=path,
        format=format,
        signature=signature,
        fingerprint=fingerprint,
        image_sets=_sets(held),
        complete=_sets(complete),
        loaded=ImageSets.of(loaded),
        refused=_sets(refused),
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


def _sets(text: str) -> ImageSets:
    return ImageSets.parse(text) if text else ImageSets()
