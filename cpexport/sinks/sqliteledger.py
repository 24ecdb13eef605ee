"""The ledger in a SQLite file: what is read of it, and what a batch's transaction writes."""

import json
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from cpexport.imagesets import ImageSets
from cpexport.ledger import Count, Entry, Ledger
from cpexport.pictures import Pictures, from_identities
from cpexport.shape import Shape
from cpexport.sinks import schema
from cpexport.sinks.sqlitefile import Connection, between
from cpexport.tables import Column, Layout

LASTING = ("schema", "shape", "made", "experiment_id")
"""The settings that no batch makes untrue."""


def read(db: Connection, prefix: str) -> Ledger:
    """All entries under a prefix, in the order in which they were written."""
    counts: dict[int, dict[str, Count]] = {}
    for batch, table, rows, missing, infinite, columns in db.rows(
        "SELECT batch_id, table_name, row_count, missing_count, infinite_count, infinite_columns "
        "FROM _cpexport_tables"
    ):
        count = Count(rows, missing, infinite, json.loads(columns))
        counts.setdefault(batch, {})[table] = count
    owned: dict[int, list[int]] = {}
    for number, batch in db.rows(
        "SELECT number, batch_id FROM _cpexport_sets WHERE prefix = ?", prefix
    ):
        owned.setdefault(batch, []).append(number)
    batches = db.rows(
        "SELECT batch_id, path, format, signature, fingerprint, image_sets, complete, refused, "
        "group_tags, state, reason, finished, modified_ns, cellprofiler, pipeline_sha256, "
        "loaded_utc, cpexport FROM _cpexport_batches WHERE prefix = ? ORDER BY batch_id",
        prefix,
    )
    return Ledger(
        tuple(_entry(row, owned.get(row[0], []), counts.get(row[0], {})) for row in batches)
    )


def layout(db: Connection, prefix: str) -> Layout:
    """The tables and columns under a prefix."""
    return Layout(
        tuple(
            Column(object_name, feature, table, name, schema.TYPES[type])
            for object_name, feature, table, name, type in db.rows(
                "SELECT object_name, feature, table_name, column_name, type "
                "FROM _cpexport_columns WHERE prefix = ? ORDER BY position",
                prefix,
            )
        )
    )


def shape(db: Connection, prefix: str) -> Shape | None:
    """What the tables under a prefix look like; None while there are none."""
    found = db.rows(
        "SELECT value FROM _cpexport_settings WHERE prefix = ? AND name = 'shape'", prefix
    )
    return Shape.from_json(found[0][0]) if found else None


def made(db: Connection, prefix: str) -> frozenset[str]:
    """The tables that were computed from others under a prefix."""
    words = "SELECT value FROM _cpexport_settings WHERE prefix = ? AND name = 'made'"
    found = db.rows(words, prefix)
    return frozenset(json.loads(found[0][0])) if found else frozenset()


def settings(db: Connection, prefix: str) -> dict[str, str]:
    """What was noted of the run since its last batch."""
    words = "SELECT name, value FROM _cpexport_settings WHERE prefix = ? AND name NOT IN "
    return dict(db.rows(f"{words}{LASTING}", prefix))


def note(db: Connection, prefix: str, settings: Mapping[str, str]) -> None:
    """Notes settings, in place of what they were."""
    for name, value in settings.items():
        db.run("INSERT OR REPLACE INTO _cpexport_settings VALUES (?, ?, ?)", prefix, name, value)


def pictures(db: Connection, prefix: str, image_sets: ImageSets) -> Pictures:
    """The pictures of these image sets, those that are loaded."""
    found: list[tuple[int, str]] = []
    for where in between("number", image_sets):
        rows = db.rows(
            f"SELECT number, identity FROM _cpexport_sets WHERE prefix = ? AND ({where}) "
            "ORDER BY number",
            prefix,
        )
        found += [(number, identity) for number, identity in rows]
    return from_identities([n for n, _ in found], [identity for _, identity in found])


def write(db: Connection, prefix: str, entry: Entry, pictures: Pictures) -> None:
    """Enters a batch and its image sets; what was computed over the whole run is out of date."""
    ((batch,),) = db.rows("SELECT coalesce(max(batch_id), 0) + 1 FROM _cpexport_batches")
    values = (
        batch,
        prefix,
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
    db.run(f"INSERT INTO _cpexport_batches VALUES ({', '.join('?' * len(values))})", *values)
    for table, count in entry.counts.items():
        db.run(
            "INSERT INTO _cpexport_tables VALUES (?, ?, ?, ?, ?, ?)",
            batch,
            table,
            count.rows,
            count.missing,
            count.infinite,
            json.dumps(dict(count.infinite_columns)),
        )
    rows = len(pictures)
    columns = {
        "prefix": pa.repeat(pa.scalar(prefix), rows),
        "number": pa.array(pictures.numbers),
        "batch_id": pa.repeat(pa.scalar(batch, pa.int64()), rows),
        "identity": pa.array(list(pictures.identities()), pa.string()),
    }
    db.ingest("_cpexport_sets", pa.RecordBatch.from_pydict(columns))
    db.run(
        f"DELETE FROM _cpexport_settings WHERE prefix = ? AND name NOT IN {LASTING}",
        prefix,
    )


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
