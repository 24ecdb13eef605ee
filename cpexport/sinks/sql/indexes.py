"""The indexes that the usual queries need: the children of an object, and the image sets of a well.

Without the first, `Per_Nuclei LEFT JOIN Per_Cells` by parent compares every nucleus of an image set
with every cell. Without the second, the image sets of a well cost a look at all of `Per_Image`.
"""

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from cpexport.cellprofiler.column_order import owner
from cpexport.cellprofiler.features import IMAGE, INTEGER, NULL, OBJECT, PLACES, REAL
from cpexport.sinks.sql.database import quoted
from cpexport.tables.layout import Column, Layout

_LONGEST: Final = 64
NAME_TAKEN: Final = "%s: no index of %s is made, as something else has the name %s"
"""A message with the table, the columns and the name of an index."""


@dataclass(frozen=True)
class TableIndex:
    """An index of a data table, on these columns."""

    name: str
    table: str
    columns: tuple[str, ...]

    def statement(self, lengths: Mapping[str, int] | None = None) -> str:
        """The statement that makes it; `lengths` says by column how many first characters of a text
        to index, where servers index no more."""
        ends = {name: f"({length})" for name, length in (lengths or {}).items()}
        listed = ", ".join(f"{quoted(name)}{ends.get(name, '')}" for name in self.columns)
        return f"CREATE INDEX {quoted(self.name)} ON {quoted(self.table)} ({listed})"


def query_indexes(layout: Layout, prefix: str, places: Sequence[str] = ()) -> Iterator[TableIndex]:
    """The indexes of a layout's tables: one for each column of parents, one for plates and wells,
    and one for `places`, the image features that name them in this destination."""
    types = sorted(layout.types, key=len, reverse=True)
    for column in layout.columns:
        if _feature(column, types).startswith("Parent_"):
            yield from parent_index(layout, column, prefix)
    yield from _place_index(layout, f"{prefix}Per_IPlateWell", PLACES)
    if tuple(places) not in ((), PLACES):
        yield from _place_index(layout, _named(f"{prefix}Per_I{'_'.join(places)}"), places)


def parent_index(layout: Layout, column: Column, prefix: str) -> Iterator[TableIndex]:
    """The index that finds the children of an object by `column`; none if its values are texts.

    Version 0.1.0 made it for views alone, under another name.
    """
    if column.type in (INTEGER, REAL):
        table = layout.tables[column.table]
        columns = (*layout.image_key, column.name, table.key[-1])
        yield TableIndex(_named(f"{prefix}Per_I{column.name}"), table.name, columns)


def made_here(name: str, prefix: str) -> bool:
    """Whether an index has a name as cpexport gives it."""
    return name.startswith(f"{prefix}Per_I")


def missing(
    wanted: Iterable[TableIndex], existing: Mapping[str, Collection[tuple[str, ...]]]
) -> tuple[TableIndex, ...]:
    """The indexes for which a table has none, of any name, that begins with the same columns.
    `existing` has the columns of all indexes by table."""
    return tuple(
        index
        for index in wanted
        if all(has[: len(index.columns)] != index.columns for has in existing.get(index.table, ()))
    )


def _named(name: str) -> str:
    """A name that is no longer than MySQL allows; different names stay different."""
    if len(name) <= _LONGEST:
        return name
    return f"{name[: _LONGEST - 9]}_{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def _feature(column: Column, types: Sequence[str]) -> str:
    """A column's feature as its own object type has it; empty for images. `types` are the object
    types, longest names first: where they are side by side, features begin with them."""
    if column.object == IMAGE:
        return ""
    if column.object == OBJECT:
        return column.feature.removeprefix(f"{owner(column.feature, types)}_")
    return column.feature


def _place_index(layout: Layout, name: str, places: Sequence[str]) -> Iterator[TableIndex]:
    found = (layout.by_feature.get((IMAGE, feature)) for feature in places)
    columns = [column for column in found if column and column.type != NULL]
    # Only a table that is wider than the destination allows has the two in different parts.
    if columns and len({column.table for column in columns}) == 1:
        yield TableIndex(name, columns[0].table, tuple(column.name for column in columns))
