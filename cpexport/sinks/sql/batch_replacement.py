"""Finds the batches whose image sets a new batch replaces, and deletes their rows."""

from collections.abc import Mapping

import pyarrow as pa
import pyarrow.compute as pc

from cpexport.cellprofiler.features import IMAGE, IMAGE_NUMBER
from cpexport.errors import SinkError
from cpexport.imagesets import ImageSets
from cpexport.sinks.ledger import Entry
from cpexport.sinks.sql import ledger_tables, relationships
from cpexport.sinks.sql.database import Database, quoted
from cpexport.sinks.sql.scope import Scope
from cpexport.tables.layout import Layout


def replaced(db: Database, scope: Scope, entry: Entry) -> list[Entry]:
    """The entries whose image sets a batch replaces, each with only those in `loaded`.

    Raises:
        SinkError: one of them is newer than the batch.
    """
    numbers_by_batch: dict[int, list[int]] = {}
    for number, batch in ledger_tables.batches_of(db, scope, entry.loaded).items():
        numbers_by_batch.setdefault(batch, []).append(number)
    entries = (
        ledger_tables.entry(db, batch, numbers) for batch, numbers in numbers_by_batch.items()
    )
    # An entry is missing if somebody deleted the batch by hand, but not its image sets.
    known = [old for old in entries if old is not None]
    for old in known:
        if old.age > entry.age:
            raise SinkError(
                db.name,
                f"another process has loaded newer rows of {old.loaded.words}",
                "run the command again",
            )
    return known


def delete(db: Database, layout: Layout, scope: Scope, image_sets: ImageSets) -> None:
    """Deletes the rows of image sets, and their relationships."""
    # Objects before images, to which administrators may have them refer by foreign keys.
    for table in sorted(layout.tables.values(), key=lambda table: table.object == IMAGE):
        for where in db.between(quoted(IMAGE_NUMBER), image_sets, scope.number):
            db.run(f"DELETE FROM {quoted(table.name)} WHERE {where}")
    relationships.delete(db, scope, image_sets)


def renumber(db: Database, layout: Layout, scope: Scope, columns: Mapping[str, pa.Array]) -> None:
    """Replaces the values of image features; see `base.Transaction.renumber`."""
    of_run = f" AND {scope.data}" if scope.data else ""
    image_sets = ImageSets.of_array(columns[IMAGE_NUMBER].to_numpy())
    for feature, values in columns.items():
        column = layout.by_feature.get((IMAGE, feature))
        if column is None or feature == IMAGE_NUMBER:
            continue
        update = f"UPDATE {quoted(column.table)} SET {quoted(column.name)} = ? WHERE"
        if len(pc.unique(values)) == 1:
            # The length of the only group of a run, for example.
            for where in db.between(quoted(IMAGE_NUMBER), image_sets, scope.number):
                db.run(f"{update} {where}", values[0].as_py())
        else:
            db.run_many(
                f"{update} {quoted(IMAGE_NUMBER)} = ?{of_run}",
                pa.record_batch([values, columns[IMAGE_NUMBER]], names=["value", "number"]),
            )


def count(db: Database, table: str, column: str, scope: Scope, image_sets: ImageSets) -> int:
    """How many rows of these image sets a table has; `column` has the image set numbers."""
    return sum(
        db.rows(f"SELECT count(*) FROM {quoted(table)} WHERE {where}")[0][0]
        for where in db.between(quoted(column), image_sets, scope.number)
    )
