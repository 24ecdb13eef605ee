"""What a batch replaces: which image sets, whether it may, and how their rows go."""

from collections.abc import Mapping

import pyarrow as pa

from cpexport.errors import SinkError
from cpexport.features import IMAGE, IMAGE_NUMBER
from cpexport.imagesets import ImageSets
from cpexport.ledger import Entry
from cpexport.sinks import sqlledger as ledger
from cpexport.sinks import sqlpairs as pairs
from cpexport.sinks.scope import Scope
from cpexport.sinks.sql import Database, quoted
from cpexport.tables import Layout


def replaced(db: Database, scope: Scope, entry: Entry) -> list[Entry]:
    """The entries of which a batch replaces image sets, each with only those as `loaded`.

    Raises:
        SinkError: those that are there are newer.
    """
    there: dict[int, list[int]] = {}
    for number, batch in ledger.batches_of(db, scope, entry.loaded).items():
        there.setdefault(batch, []).append(number)
    entries = (ledger.entry(db, batch, numbers) for batch, numbers in there.items())
    # There is none where somebody has deleted the batch by hand, but not its image sets.
    found = [old for old in entries if old is not None]
    for old in found:
        if old.age > entry.age:
            raise SinkError(
                db.name,
                f"another process loaded newer rows of {old.loaded.words} meanwhile",
                "run cpexport again",
            )
    return found


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
