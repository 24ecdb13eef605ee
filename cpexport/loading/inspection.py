"""Inspects sources: reads their evidence, unless the caller or the evidence cache knows it."""

import logging
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from cpexport._stopwatch import Stopwatch
from cpexport.errors import SourceError
from cpexport.loading.evidence_cache import EvidenceCache
from cpexport.loading.limits import check_image_sets
from cpexport.loading.progress import Progress, ProgressEvent
from cpexport.sources.base import Evidence, Source, signature
from cpexport.sources.error_containment import contained, gone
from cpexport.tables.layout import Features

_log = logging.getLogger(__name__)


def look_at(source: Source) -> Evidence | SourceError:
    """Returns the evidence of a source, or what is wrong with it.

    The call and its result can be sent to another process.
    """
    clock = Stopwatch()
    try:
        with contained(source):
            evidence = source.inspect()
            check_image_sets(evidence.present)
    except SourceError as error:
        _log.info("%s: cannot be read: %s", source.path, error)
        return error
    _log.debug("%s: %s inspected in %s", source.path, evidence.present.words, clock)
    return evidence


Look = Callable[[Sequence[Source]], Iterable[Evidence | SourceError]]


def one_by_one(sources: Sequence[Source]) -> Iterable[Evidence | SourceError]:
    """Looks at each source in order, when its evidence is requested."""
    return map(look_at, sources)


@dataclass
class Inspected:
    """A source, its signature and cache key before it was inspected, and what was found.

    `found` is None if the source is known, and was not inspected.
    """

    source: Source
    signature: str
    key: str = ""
    found: Evidence | SourceError | None = None


@dataclass(frozen=True)
class Inspector:
    """Inspects sources, except those that are `known` or in the evidence cache."""

    known: Collection[str]
    cache: EvidenceCache
    look: Look
    progress: Progress

    def inspected(self, sources: Iterable[Source]) -> list[Inspected]:
        """Returns all sources, in their order; those that are not known are inspected."""
        items = [_signed(source) for source in sources]
        self._inspect([item for item in items if item.signature not in self.known])
        return items

    def _inspect(self, items: Sequence[Inspected]) -> None:
        clock = Stopwatch()
        self._fill_from_cache(items)
        unseen = [item for item in items if item.found is None]
        shared_features: dict[object, Features] = {}
        done = len(items) - len(unseen)
        self.progress(ProgressEvent("inspected", done, len(items)))
        for item, evidence in zip(unseen, self.look([item.source for item in unseen]), strict=True):
            item.found = evidence
            if isinstance(evidence, Evidence):
                item.found = _shared(evidence, shared_features)
                self.cache.note(item.source, item.key, item.found)
            done += 1
            self.progress(ProgressEvent("inspected", done, len(items)))
        self.cache.keep()
        cached = len(items) - len(unseen)
        _log.info(
            "%d batches inspected, %d unchanged since the last time, in %s",
            len(unseen),
            cached,
            clock,
        )

    def _fill_from_cache(self, items: Iterable[Inspected]) -> None:
        for item in items:
            if item.found is None:
                item.key = self.cache.key(item.source)
                item.found = self.cache.evidence(item.source, item.key)


def _signed(source: Source) -> Inspected:
    try:
        return Inspected(source, signature(source))
    except OSError as error:
        return Inspected(source, "", found=gone(source.path, error))


def _shared(evidence: Evidence, shared: dict[object, Features]) -> Evidence:
    """Returns the same evidence, with one copy of features for all batches that have equal ones."""
    key = tuple((name, tuple(types.items())) for name, types in evidence.features.items())
    return replace(evidence, features=shared.setdefault(key, evidence.features))
