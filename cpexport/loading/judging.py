"""Judges batches as their evidence comes, so that evidence is not kept: it is the larger part."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from cpexport.cellprofiler.batch_file import BatchFile
from cpexport.cellprofiler.features import RELATIONSHIP
from cpexport.errors import SourceError
from cpexport.imagesets import ImageSets, union
from cpexport.loading.completeness import judge, not_readable
from cpexport.loading.inspection import Inspected
from cpexport.sources.base import Batch, Evidence, Source
from cpexport.sources.error_containment import contained

Again = Callable[[Source], Evidence | SourceError]
"""Reads the evidence of a source once more."""

# Evidence that may have to be judged again is kept for so many batches, and else read again.
_KEPT: Final = 1000


@dataclass(frozen=True, slots=True)
class _Judged:
    """A batch, and what its judgement depends on.

    asked: the tables that it lacks, if a CSV output of the run may have them.
    missed: those of them that other outputs had when it was judged.
    """

    batch: Batch
    pipeline: str | None = None
    asked: frozenset[str] = frozenset()
    missed: frozenset[str] = frozenset()
    evidence: Evidence | None = None


class Judge:
    """Judges batches of a run.

    plan: the batch file, if there is one.
    tables: the tables that known CSV outputs have, by pipeline.
    same_pictures: whether an image set's number alone identifies it in the batch file.
    """

    def __init__(
        self,
        plan: BatchFile | None,
        tables: Mapping[str | None, Collection[str]],
        same_pictures: bool,
    ) -> None:
        self._plan, self._same_pictures = plan, same_pictures
        self._tables = {pipeline: set(names) for pipeline, names in tables.items()}
        self._judged: dict[int, _Judged] = {}
        self._kept = 0
        self.skipping: list[ImageSets] = []
        """The image sets of SQLite outputs whose pipeline skips image sets."""

    def take(self, item: Inspected) -> None:
        """Judges an item by what is known so far, and frees its evidence."""
        evidence = item.found
        if isinstance(evidence, Evidence):
            item.found = None
            pipeline = _pipeline(evidence)
            if item.source.format == "spreadsheet":
                self._tables.setdefault(pipeline, set()).update(evidence.tables)
            elif item.source.format == "database" and evidence.pipeline and evidence.pipeline.skips:
                self.skipping.append(evidence.present)
            self._judge(item, evidence)

    def batches(self, items: Sequence[Inspected], again: Again) -> list[Batch]:
        """Returns the batches of all items, in their order.

        CSV outputs that lack tables which only later ones had are judged again. Sources that cannot
        be read are judged last: only the others show whether anything is missing without them.
        """
        for item in items:
            judged = self._judged.get(id(item))
            if judged and judged.asked & self._siblings(judged.pipeline) != judged.missed:
                found = judged.evidence or again(item.source)
                del self._judged[id(item)]
                if isinstance(found, SourceError):
                    item.found = found
                else:
                    self._judge(item, found)
        complete = union(judged.batch.complete for judged in self._judged.values())
        missing = self._plan is None or not self._plan.planned <= complete
        return [
            not_readable(item.source, item.found, missing)
            if isinstance(item.found, SourceError)
            else self._judged[id(item)].batch
            for item in items
        ]

    def _judge(self, item: Inspected, evidence: Evidence) -> None:
        """Judges an item; what goes wrong is found instead of its evidence."""
        try:
            with contained(item.source):
                self._judged[id(item)] = self._by_now(item, evidence)
        except SourceError as error:
            item.found = error

    def _by_now(self, item: Inspected, evidence: Evidence) -> _Judged:
        pipeline, asked = _pipeline(evidence), _asked(item.source, evidence)
        tables: set[str] = set()
        if item.source.format == "spreadsheet":
            tables |= self._siblings(pipeline)
            if evidence.pipeline:
                tables.update(filter(evidence.pipeline.exports_table, evidence.missing_tables))
        batch = judge(item.source, evidence, self._plan, tables, same_pictures=self._same_pictures)
        batch = replace(batch, signature=item.signature)
        if not asked:
            return _Judged(batch)
        self._kept += 1
        kept = evidence if self._kept <= _KEPT else None
        return _Judged(batch, pipeline, asked, asked & self._siblings(pipeline), kept)

    def _siblings(self, pipeline: str | None) -> set[str]:
        """The tables that other CSV outputs of the same pipeline have; of all, if it is unknown."""
        if pipeline is None:
            return set().union(*self._tables.values())
        return self._tables.get(pipeline, set())


def _asked(source: Source, evidence: Evidence) -> frozenset[str]:
    if source.format != "spreadsheet":
        return frozenset()
    without = {RELATIONSHIP} - evidence.tables if evidence.tables else set[str]()
    return frozenset(evidence.missing_tables) | without


def _pipeline(evidence: Evidence) -> str | None:
    return evidence.pipeline.digest if evidence.pipeline else None
