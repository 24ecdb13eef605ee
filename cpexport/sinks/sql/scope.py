"""Selects the rows of a destination: all under a prefix, or the rows of one run."""

from dataclasses import dataclass

import pyarrow as pa

from cpexport.cellprofiler.features import INTEGER, TABLE_NUMBER
from cpexport.sinks.sql.database import literal

NO_RUN_YET = -1
"""The number of a run that has no rows yet: no row has it."""


@dataclass(frozen=True, slots=True)
class Scope:
    """The rows under a prefix, of one run if `number` is not 0.

    number: the run's `TableNumber`, from 1, or `NO_RUN_YET`; 0 for all rows under the prefix, and
        always 0 where runs are not numbered.
    every: whether runs are numbered and the rows of all of them are meant. Without it, the ledger's
        rows have this very number, by which its indexes find them.
    """

    prefix: str
    number: int = 0
    every: bool = False

    @property
    def ledger(self) -> str:
        """The condition that selects rows of the ledger's tables."""
        ours = f"prefix = {literal(self.prefix)}"
        return ours if self.every else f"{ours} AND table_number = {self.number}"

    @property
    def one_run(self) -> bool:
        """Whether the ledger's rows have one `table_number`."""
        return not self.every

    @property
    def data(self) -> str:
        """The condition that selects rows of data tables; empty for all rows."""
        return f"{TABLE_NUMBER} = {self.number}" if self.number else ""

    def named(self, schema: pa.Schema) -> pa.Schema:
        """The schema that `numbered` gives rows of this schema."""
        return schema.insert(0, pa.field(TABLE_NUMBER, INTEGER)) if self.number else schema

    def numbered(self, rows: pa.RecordBatch) -> pa.RecordBatch:
        """Rows with `TableNumber` as their first column, if runs are numbered."""
        if not self.number:
            return rows
        number = pa.repeat(pa.scalar(self.number, INTEGER), rows.num_rows)
        return pa.record_batch([number, *rows.columns], names=[TABLE_NUMBER, *rows.schema.names])
