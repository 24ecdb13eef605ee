"""Which rows of a destination are meant: all under a prefix, or those of one run there."""

from dataclasses import dataclass

import pyarrow as pa

from cpexport.features import INTEGER, TABLE_NUMBER
from cpexport.sinks.sql import literal

NO_RUN_YET = -1
"""The number of a run that has no rows yet: no row has it."""


@dataclass(frozen=True, slots=True)
class Scope:
    """`number` is the run's `TableNumber`, from 1, or `NO_RUN_YET`; 0 is all there is under the
    prefix, and where image sets are not numbered by run the only one."""

    prefix: str
    number: int = 0

    @property
    def ledger(self) -> str:
        """The condition for rows of the ledger's tables."""
        ours = f"prefix = {literal(self.prefix)}"
        return f"{ours} AND table_number = {self.number}" if self.number else ours

    @property
    def data(self) -> str:
        """The condition for rows of data tables; empty if all are meant."""
        return f"{TABLE_NUMBER} = {self.number}" if self.number else ""

    def named(self, schema: pa.Schema) -> pa.Schema:
        """The schema of rows that are `numbered`."""
        return schema.insert(0, pa.field(TABLE_NUMBER, INTEGER)) if self.number else schema

    def numbered(self, rows: pa.RecordBatch) -> pa.RecordBatch:
        """Rows as data tables take them: `TableNumber` first, where there are runs."""
        if not self.number:
            return rows
        number = pa.repeat(pa.scalar(self.number, INTEGER), rows.num_rows)
        return pa.record_batch([number, *rows.columns], names=[TABLE_NUMBER, *rows.schema.names])
