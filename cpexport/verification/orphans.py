"""Finds rows of image sets that are not in the ledger, and ledger entries without rows."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cpexport.cellprofiler.features import IMAGE, IMAGE_NUMBER, RELATIONSHIP, TABLE_NUMBER
from cpexport.errors import ChangedError
from cpexport.imagesets import ImageSets
from cpexport.sinks.base import Sink
from cpexport.sinks.ledger import Ledger
from cpexport.spelling import counted
from cpexport.tables.layout import table_of
from cpexport.verification.batch_check import BatchVerifier
from cpexport.verification.diff import Difference, some


class OrphanFinder:
    """Reads the keys of all tables, in batches of rows."""

    def __init__(self, sink: Sink, ledger: Ledger, verifier: BatchVerifier, prefix: str) -> None:
        self._sink, self._ledger, self._verifier = sink, ledger, verifier
        self._loaded = np.fromiter(ledger.loaded, np.int64, len(ledger.loaded))
        self._pairs = table_of(RELATIONSHIP, prefix)

    def differences(self, compared: ImageSets) -> list[Difference]:
        """What is wrong apart from the image sets that were `compared` with their batches."""
        differences: list[Difference] = []
        for name in [*sorted(self._verifier.layout.objects), RELATIONSHIP]:
            if self._verifier.readable(name):
                differences += self._of(name, self._ledger.loaded - compared)
        return differences

    def _of(self, name: str, uncompared: ImageSets) -> Iterator[Difference]:
        pairs = name == RELATIONSHIP
        tables = [self._pairs] if pairs else [p.name for p in self._verifier.layout.parts(name)]
        strange: list[np.ndarray[tuple[int], np.dtype[np.int64]]] = []
        lost = set(uncompared) if name == IMAGE else set()
        rows = unknown = 0
        try:
            for batch in self._sink.read(name, None if pairs else []):
                keys = [batch["image_number1"], batch["image_number2"]] if pairs else []
                numbers = [k.fill_null(0).to_numpy() for k in keys or [batch[IMAGE_NUMBER]]]
                known = np.logical_and.reduce([np.isin(n, self._loaded) for n in numbers])
                strange.append(np.unique(numbers[0][~known]))
                unknown += int((~known).sum())
                rows += len(batch)
                lost -= set(numbers[0].tolist()) if lost else set()
        except ChangedError as error:
            yield Difference(tables[0], "", error.problem)
            return
        if unknown:
            problem = f"{counted(unknown, 'row')} of image sets that are not in the ledger"
            yield Difference(tables[0], "", problem, some(np.concatenate(strange)))
        if lost:
            yield Difference(tables[0], "", "no rows of image sets in the ledger", (*sorted(lost),))
        for table in tables:
            if (known := self._verifier.tables[table].rows) != rows:
                others = (
                    ("pairs of existing relationship types") if pairs else "rows in its first part"
                )
                yield Difference(table, "", f"{counted(known, 'row')}, but {rows} {others}")


def strange_runs(sink: Sink) -> Iterator[Difference]:
    """Rows with a `TableNumber` that no run has; the sink must be opened for all runs."""
    runs, tables = pa.array(list(sink.ledger.runs().values()), pa.int64()), sink.tables()
    for name in sorted(sink.layout().objects):
        (table, *_) = sink.layout().parts(name)
        if table.name not in tables or not {*table.key} <= {*tables[table.name].columns}:
            continue
        strange = 0
        for rows in sink.read(name, []):
            strange += int(pc.sum(pc.invert(pc.is_in(rows[TABLE_NUMBER], runs))).as_py() or 0)
        if strange:
            yield Difference(
                table.name, TABLE_NUMBER, f"{counted(strange, 'row')} of runs that do not exist"
            )
