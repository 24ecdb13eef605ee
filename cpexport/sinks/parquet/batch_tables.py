"""The tables of a Parquet destination that batches write to."""

from collections.abc import Mapping

import pyarrow as pa

from cpexport.cellprofiler.features import IMAGE_NUMBER, RELATIONSHIP
from cpexport.sinks.parquet.small_tables import PAIRS, pairs_schema
from cpexport.sinks.sql.type_widening import stored
from cpexport.tables.layout import Layout, table_of


class BatchTables:
    """The tables of the layout, and that of relationships."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._last: tuple[Layout, Mapping[str, tuple[pa.Schema, list[str]]]] | None = None

    def of(self, layout: Layout) -> Mapping[str, tuple[pa.Schema, list[str]]]:
        """By table, its schema and its columns of image set numbers."""
        # Cached, as each part of a batch needs it, and tables have hundreds of columns.
        if self._last is None or self._last[0] is not layout:
            tables = {
                name: (stored(table), [IMAGE_NUMBER]) for name, table in layout.tables.items()
            }
            if layout.columns:
                tables[table_of(RELATIONSHIP, self._prefix)] = pairs_schema(layout), PAIRS
            self._last = layout, tables
        return self._last[1]

    def keys(self, layout: Layout) -> Mapping[str, tuple[str, ...]]:
        """The columns that no two rows of a table may share; of pairs, these are all columns."""
        tables = layout.tables
        return {
            name: tables[name].key if name in tables else tuple(schema.names)
            for name, (schema, _) in self.of(layout).items()
        }
