"""Reads, writes and deletes relationships: their kinds, and the pairs of objects."""

from collections.abc import Iterator
from functools import reduce

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


def numbered(db: Database, scope: Scope, rows: pa.RecordBatch) -> pa.RecordBatch:
    """Converts pairs from the columns of `layout.RELATIONSHIPS` to their table's: the number
    of the kind comes first. New kinds get the next numbers, and are entered."""
    kinds = quoted(f"{scope.prefix}Per_RelationshipTypes")
    numbers_of_kinds = {
        tuple(row[1:]): row[0]
        for row in db.rows(f"SELECT relationship_type_id, {', '.join(_KIND)} FROM {kinds}")
    }
    kinds_here = pa.Table.from_batches([rows]).group_by(_KIND).aggregate([]).to_pylist()
    ids = np.zeros(rows.num_rows, np.int64)
    for name in sorted(tuple(kind[part] for part in _KIND) for kind in kinds_here):
        if name not in numbers_of_kinds:
            numbers_of_kinds[name] = max(numbers_of_kinds.values(), default=0) + 1
            db.run(f"INSERT INTO {kinds} VALUES (?, ?, ?, ?, ?)", numbers_of_kinds[name], *name)
        parts = [pc.equal(rows[part], value) for part, value in zip(_KIND, name, strict=True)]
        ids[reduce(pc.and_, parts).to_numpy(zero_copy_only=False)] = numbers_of_kinds[name]
    numbers = [name for name in rows.schema.names if name not in _KIND]
    pairs = pa.record_batch(
        [pa.array(ids), *(rows[name] for name in numbers)], names=["relationship_type_id", *numbers]
    )
    return scope.numbered(pairs)


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
