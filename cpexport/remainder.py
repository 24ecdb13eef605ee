"""What no batch explains: rows of image sets that the ledger does not have, and the reverse."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cpexport.comparison import Difference, some
from cpexport.errors import ChangedError
from cpexport.features import IMAGE, IMAGE_NUMBER, RELATIONSHIP, TABLE_NUMBER
from cpexport.imagesets import ImageSets
from cpexport.ledger import Ledger
from cpexport.sinks import Sink
from cpexport.tables import table_of
from cpexport.witness import Witness


class Remainder:
    """Looks at the keys of all tables, a stretch of rows in memory at a time."""

    def __init__(self, sink: Sink, ledger: Ledger, witness: Witness, prefix: str) -> None:
        self._sink, self._ledger, self._witness = sink, ledger, witness
        self._loaded = np.fromiter(ledger.loaded, np.int64, len(ledger.loaded))
        self._pairs = table_of(RELATIONSHIP, prefix)

    def differences(self, compared: ImageSets) -> list[Difference]:
        """What is wrong besides the image sets that were compared with their batches."""
        found: list[Difference] = []
        for name in [*sorted(self._witness.layout.objects), RELATIONSHIP]:
            if self._witness.readable(name):
                found += self._of(name, self._ledger.loaded - compared)
        return found

    def _of(self, name: str, uncompared: ImageSets) -> Iterator[Difference]:
        pairs = name == RELATIONSHIP
        tables = [self._pairs] if pairs else [p.name for p in self._witness.layout.parts(name)]
        strange: list[np.ndarray[tuple[int], np.dtype[np.int64]]] = []
        lost = set(uncompared) if name == IMAGE else set()
        rows = many = 0
        try:
            for batch in self._sink.read(name, None if pairs else []):
                keys = [batch["image_number1"], batch["image_number2"]] if pairs else []
                numbers = [k.fill_null(0).to_numpy() for k in keys or [batch[IMAGE_NUMBER]]]
                there = np.logical_and.reduce([np.isin(n, self._loaded) for n in numbers])
                strange.append(np.unique(numbers[0][~there]))
                many += int((~there).sum())
                rows += len(batch)
                lost -= set(numbers[0].tolist()) if lost else set()
        except ChangedError as error:
            yield Difference(tables[0], "", error.problem)
            return
        if many:
            said = f"{many} rows of image sets that the ledger does not have"
            yield Difference(tables[0], "", said, some(np.concatenate(strange)))
        if lost:
            yield Difference(tables[0], "", "no rows of image sets in the ledger", (*sorted(lost),))
        for table in tables:
            if (there := self._witness.there[table].rows) != rows:
                besides = "pairs of kinds that are there" if pairs else "rows in its first part"
                yield Difference(table, "", f"{there} rows, but {rows} {besides}")


def strange_runs(sink: Sink) -> Iterator[Difference]:
    """Rows under a `TableNumber` that no run has, where runs are numbered and none was named."""
    runs, there = pa.array(list(sink.runs().values()), pa.int64()), sink.tables()
    for name in sorted(sink.layout().objects):
        (table, *_) = sink.layout().parts(name)
        if table.name not in there or not {*table.key} <= {*there[table.name].columns}:
            continue
        many = 0
        for rows in sink.read(name, []):
            many += int(pc.sum(pc.invert(pc.is_in(rows[TABLE_NUMBER], runs))).as_py() or 0)
        if many:
            yield Difference(table.name, TABLE_NUMBER, f"{many} rows of runs that there are not")
