"""Reads, writes and deletes relationships: their kinds, and the pairs of objects."""

from collections.abc import Iterator, Mapping
from functools import reduce
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cpexport.cellprofiler.features import INTEGER
from cpexport.imagesets import ImageSets
from cpexport.sinks.sql.database import Database, Query, quoted
from cpexport.sinks.sql.reader import stream
from cpexport.sinks.sql.scope import Scope
from cpexport.tables.layout import RELATIONSHIPS, Layout

_KIND = ("module_number", "relationship", "object_name1", "object_name2")


Kinds = Mapping[tuple[Any, ...], int]
"""The number of each kind: module number, relationship, and both object types."""


def kinds(db: Database, scope: Scope) -> dict[tuple[Any, ...], int]:
    """The kinds that are known."""
    columns, table = ", ".join(_KIND), quoted(f"{scope.prefix}Per_RelationshipTypes")
    rows = db.rows(f"SELECT relationship_type_id, {columns} FROM {table}")
    return {tuple(row[1:]): row[0] for row in rows}


def numbered(db: Database, scope: Scope, rows: pa.RecordBatch) -> pa.RecordBatch:
    """Converts pairs from the columns of `layout.RELATIONSHIPS` to their table's: the number
    of the kind comes first. New kinds get the next numbers, and are entered."""
    known = kinds(db, scope)
    for name in _kinds_of(rows):
        if name not in known:
            known[name] = max(known.values(), default=0) + 1
            table = quoted(f"{scope.prefix}Per_RelationshipTypes")
            db.run(f"INSERT INTO {table} VALUES (?, ?, ?, ?, ?)", known[name], *name)
    return with_numbers(known, scope, rows)


def with_numbers(known: Kinds, scope: Scope, rows: pa.RecordBatch) -> pa.RecordBatch:
    """Converts pairs as `numbered` does, if all of their kinds are known.

    Raises:
        KeyError: a kind is not.
    """
    ids = np.zeros(rows.num_rows, np.int64)
    for name in _kinds_of(rows):
        parts = [pc.equal(rows[part], value) for part, value in zip(_KIND, name, strict=True)]
        ids[reduce(pc.and_, parts).to_numpy(zero_copy_only=False)] = known[name]
    numbers = [name for name in rows.schema.names if name not in _KIND]
    pairs = pa.record_batch(
        [pa.array(ids), *(rows[name] for name in numbers)], names=["relationship_type_id", *numbers]
    )
    return scope.numbered(pairs)


def _kinds_of(rows: pa.RecordBatch) -> list[tuple[Any, ...]]:
    kinds_here = pa.Table.from_batches([rows]).group_by(_KIND).aggregate([]).to_pylist()
    return sorted(tuple(kind[part] for part in _KIND) for kind in kinds_here)


def read(
    db: Database, layout: Layout, scope: Scope, image_sets: ImageSets | None
) -> Iterator[pa.RecordBatch]:
    """The pairs whose first object is in one of these image sets, with the columns of
    `layout.RELATIONSHIPS`."""
    pairs, kinds = (quoted(f"{scope.prefix}Per_Relationship{end}") for end in ("s", "Types"))
    runs = layout.image_key[:-1]
    names = RELATIONSHIPS.names
    key = [*runs, "image_number1", "object_number1", "relationship_type_id", *names[6:]]
    schema = pa.schema([*(pa.field(n, INTEGER) for n in key), *list(RELATIONSHIPS)[:4]])
    source = f"{pairs} JOIN {kinds} USING (relationship_type_id)"
    query = Query(source, tuple(schema.names), "image_number1", len(key), schema)
    for rows in stream(db, [query], scope, image_sets):
        yield rows.select([*runs, *names])


def delete(db: Database, scope: Scope, image_sets: ImageSets) -> None:
    """Deletes the pairs that have an object in one of these image sets."""
    table = quoted(f"{scope.prefix}Per_Relationships")
    for side in ("image_number1", "image_number2"):
        for where in db.between(side, image_sets, scope.number):
            db.run(f"DELETE FROM {table} WHERE {where}")
