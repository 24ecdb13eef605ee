"""Judges batches as their evidence comes, so that evidence is not kept: it is the larger part."""

from array import array
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import Final

from cpexport.cellprofiler.batch_file import BatchFile
from cpexport.cellprofiler.features import RELATIONSHIP
from cpexport.errors import SourceError
from cpexport.files.spool import Spool
from cpexport.imagesets import ImageSets, union
from cpexport.loading.completeness import judge, not_readable
from cpexport.loading.inspection import Inspected
from cpexport.sources.base import Batch, Evidence, Source, State, carried
from cpexport.sources.companions import NOTHING
from cpexport.sources.error_containment import contained

Again = Callable[[int, Source], Evidence | SourceError]
"""Returns the evidence of a source, by its place among all, once more."""

# Evidence that may have to be judged again is kept for so many batches, and else read again.
_KEPT: Final = 1000


@dataclass(frozen=True, slots=True)
class _Asked:
    """What the judgement of CSV outputs depends on, if other outputs of their run may change it.

    tables: those that they lack and others may have.
    missed: those of them that other outputs had when these were judged.
    """

    pipeline: str | None
    tables: frozenset[str]
    missed: frozenset[str]


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
        self._batches: Spool[Batch] = Spool()
        self._batches.share(NOTHING)
        if plan is not None:
            # Sources have it as a hint.
            self._batches.share(plan.pipeline)
        # The places of batches that may have to be judged again, and the evidence of some.
        self._asked: dict[_Asked, array[int]] = {}
        self._evidence: dict[int, Evidence] = {}
        self.errors: dict[int, SourceError] = {}
        """Why sources cannot be read, by their place among all."""
        self.skipping: list[ImageSets] = []
        """The image sets of SQLite outputs whose pipeline skips image sets."""
        self._firsts = {True: 0, False: 0}

    def add(self, item: Inspected) -> None:
        """Judges an item by what is known so far."""
        place, found = len(self._batches), item.found
        if isinstance(found, Evidence):
            pipeline = _pipeline(found)
            if _may_be_cut(item.source):
                self._tables.setdefault(pipeline, set()).update(found.tables)
            elif item.source.format == "database" and found.pipeline and found.pipeline.skips:
                self.skipping.append(found.present)
            if found.present:
                self._firsts[found.present.first == 1] += 1
            self._batches.append(self._judged(place, item.source, item.signature, found))
        elif found is not None:
            self.errors[place] = found
            self._batches.append(Batch(item.source, State.UNREADABLE))

    def count_from_1(self, at_least: int = 2) -> bool:
        """Whether the first number of every batch is 1, if there are so many batches."""
        return not self._firsts[False] and self._firsts[True] >= at_least

    def batches(self, again: Again) -> Spool[Batch]:
        """Returns the batches of all items, in their order.

        CSV outputs that lack tables which only later ones had are judged again. Sources that cannot
        be read are judged last: only the others show whether anything is missing without them.
        """
        for place in self._judged_too_early():
            batch = self._batches[place]
            found = self._evidence.get(place) or again(place, batch.source)
            if isinstance(found, SourceError):
                self.errors[place] = found
            else:
                judged = self._judged(place, batch.source, batch.signature, found)
                self._batches[place] = judged
        if self.errors:
            complete = union(
                batch.complete
                for place, batch in enumerate(self._batches)
                if place not in self.errors
            )
            missing = self._plan is None or not self._plan.planned <= complete
            for place, error in self.errors.items():
                self._batches[place] = not_readable(self._batches[place].source, error, missing)
        return self._batches

    def _judged_too_early(self) -> list[int]:
        """The places of batches that lack tables which only later ones had."""
        return sorted(
            place
            for asked, places in self._asked.items()
            if asked.tables & self._siblings(asked.pipeline) != asked.missed
            for place in places
        )

    def _judged(self, place: int, source: Source, signature: str, evidence: Evidence) -> Batch:
        """Judges the source at a place; if that fails, the batch only stands for the error."""
        try:
            with contained(source):
                batch = self._by_now(place, source, evidence)
        except SourceError as error:
            self.errors[place] = error
            return Batch(source, State.UNREADABLE)
        self._batches.share(batch.features)
        return replace(batch, signature=signature)

    def _by_now(self, place: int, source: Source, evidence: Evidence) -> Batch:
        """Judges evidence by the tables that are known by now."""
        pipeline, asked = _pipeline(evidence), _asked(source, evidence)
        tables: set[str] = set()
        if _may_be_cut(source):
            tables |= self._siblings(pipeline)
            if evidence.pipeline:
                tables.update(filter(evidence.pipeline.exports_table, evidence.missing_tables))
        batch = judge(source, evidence, self._plan, tables, same_pictures=self._same_pictures)
        if asked:
            group = _Asked(pipeline, asked, asked & self._siblings(pipeline))
            self._asked.setdefault(group, array("q")).append(place)
            if len(self._evidence) < _KEPT:
                self._evidence[place] = evidence
        return batch

    def _siblings(self, pipeline: str | None) -> set[str]:
        """The tables that other CSV outputs of the same pipeline have; of all, if it is unknown."""
        if pipeline is None:
            return set().union(*self._tables.values())
        return self._tables.get(pipeline, set())


def _may_be_cut(source: Source) -> bool:
    """Whether a source may lack CSV files that its job wrote; a destination has all it needs."""
    return source.format == "spreadsheet" and carried(source) is None


def _asked(source: Source, evidence: Evidence) -> frozenset[str]:
    if not _may_be_cut(source):
        return frozenset()
    without = {RELATIONSHIP} - evidence.tables if evidence.tables else set[str]()
    return frozenset(evidence.missing_tables) | without


def _pipeline(evidence: Evidence) -> str | None:
    return evidence.pipeline.digest if evidence.pipeline else None
