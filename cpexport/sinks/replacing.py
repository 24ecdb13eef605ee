"""What a batch replaces: which image sets, whether it may, and how their rows go."""

from collections.abc import Mapping

import pyarrow as pa

from cpexport.errors import CollisionError, SinkError
from cpexport.features import IMAGE, IMAGE_NUMBER
from cpexport.imagesets import ImageSets
from cpexport.ledger import Entry
from cpexport.pictures import Pictures, comparable, differences
from cpexport.sinks import sqlledger as ledger
from cpexport.sinks import sqlpairs as pairs
from cpexport.sinks.scope import Scope
from cpexport.sinks.sql import Database, quoted
from cpexport.tables import Layout


def replaced(db: Database, scope: Scope, entry: Entry, pictures: Pictures) -> ImageSets:
    """The image sets of a batch that are there already, as the same pictures: it replaces them.

    Raises:
        CollisionError: they are not, or nothing tells.
        SinkError: those that are there are newer.
    """
    there = ledger.batches_of(db, scope, entry.loaded)
    if not there:
        return ImageSets()
    old = ImageSets.of(there)
    _refuse_newer(db, entry, set(there.values()), old)
    theirs = ledger.pictures(db, scope, old)
    found = differences(pictures, theirs)
    if found or not comparable(pictures, theirs):
        number = min(found, default=old.first)
        why = f" ({found[number]})" if found else ", as far as can be told"
        raise CollisionError(
            db.name,
            f"image set {number} of {entry.path} is another picture than the one loaded{why}",
            "load other runs into a destination of their own, or as runs with --table-number",
        )
    return old


def delete(db: Database, layout: Layout, scope: Scope, image_sets: ImageSets) -> None:
    """Deletes the rows of image sets, and their pairs."""
    for table in layout.tables.values():
        for where in db.between(quoted(IMAGE_NUMBER), image_sets, scope.number):
            db.run(f"DELETE FROM {quoted(table.name)} WHERE {where}")
    pairs.delete(db, scope, image_sets)


def renumber(db: Database, layout: Layout, scope: Scope, columns: Mapping[str, pa.Array]) -> None:
    """Replaces values of images by feature, in the image sets that `ImageNumber` names."""
    also = f" AND {scope.data}" if scope.data else ""
    for feature, values in columns.items():
        column = layout.by_feature.get((IMAGE, feature))
        if column is not None and feature != IMAGE_NUMBER:
            db.run_many(
                f"UPDATE {quoted(column.table)} SET {quoted(column.name)} = ? "
                f"WHERE {quoted(IMAGE_NUMBER)} = ?{also}",
                pa.record_batch([values, columns[IMAGE_NUMBER]], names=["value", "number"]),
            )


def count(db: Database, table: str, column: str, scope: Scope, image_sets: ImageSets) -> int:
    """How many rows of these image sets a table has, by its column of their numbers."""
    return sum(
        db.rows(f"SELECT count(*) FROM {quoted(table)} WHERE {where}")[0][0]
        for where in db.between(quoted(column), image_sets, scope.number)
    )


def _refuse_newer(db: Database, entry: Entry, batches: set[int], old: ImageSets) -> None:
    for batch in batches:
        ((finished, modified),) = db.rows(
            "SELECT finished, modified_ns FROM _cpexport_batches WHERE batch_id = ?", batch
        )
        if (finished, modified) > entry.age:
            raise SinkError(
                db.name,
                f"another process loaded newer rows of image sets {old} meanwhile",
                "run cpexport again",
            )
