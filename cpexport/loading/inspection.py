"""Inspects sources: reads their evidence, unless the caller or the evidence cache knows it."""

import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Final, Protocol

import pyarrow as pa

from cpexport._stopwatch import Stopwatch
from cpexport.errors import SourceError
from cpexport.loading.evidence_cache import EvidenceCache
from cpexport.loading.limits import check_image_sets
from cpexport.loading.progress import Progress, ProgressEvent
from cpexport.sources.base import Evidence, Source, signature
from cpexport.sources.error_containment import contained, gone
from cpexport.tables.layout import Features

_log = logging.getLogger(__name__)

_AT_ONCE: Final = 1000


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


class Known(Protocol):
    """The sources that need not be inspected, by their signatures."""

    def settled_among(self, signatures: Collection[str]) -> Collection[str]:
        """Those of the signatures that are known."""

    def settled_signatures(self) -> Iterator[pa.Array]:
        """All of them, as texts."""


class NoneKnown:
    """Knows no source."""

    def settled_among(self, signatures: Collection[str]) -> Collection[str]:
        return ()

    def settled_signatures(self) -> Iterator[pa.Array]:
        return iter(())


def one_by_one(sources: Sequence[Source]) -> Iterable[Evidence | SourceError]:
    """Looks at each source in order, when its evidence is requested."""
    return map(look_at, sources)


@dataclass(slots=True)
class Inspected:
    """A source, its signature and cache key before it was inspected, and what was found.

    `found` is None if the source is `known`, so that it was not inspected, or if the evidence was
    judged and is no longer kept.
    """

    source: Source
    signature: str
    key: str = ""
    found: Evidence | SourceError | None = None
    known: bool = False


@dataclass(frozen=True)
class Inspector:
    """Inspects sources, except those that are `known` or in the evidence cache."""

    known: Known
    cache: EvidenceCache
    look: Look
    progress: Progress

    def inspected(
        self, sources: Iterable[Source], take: Callable[[Inspected], None]
    ) -> list[Inspected]:
        """Returns all sources, in their order; those that are not known are inspected.

        `take` is called with each of these as soon as its evidence is there, and may remove it.
        """
        items = [_signed(source) for source in sources]
        known = self.known.settled_among([item.signature for item in items])
        for item in items:
            item.known = item.signature in known
        self._inspect([item for item in items if not item.known], take)
        return items

    def again(self, source: Source) -> Evidence | SourceError:
        """Returns the evidence of a source that was inspected before."""
        cached = self.cache.evidence({source.path: self.cache.key(source)})
        return cached.get(source.path) or look_at(source)

    def _inspect(self, items: Sequence[Inspected], take: Callable[[Inspected], None]) -> None:
        clock = Stopwatch()
        unseen = list(self._not_cached(items, take))
        shared_features: dict[object, Features] = {}
        done = len(items) - len(unseen)
        self.progress(ProgressEvent("inspected", done, len(items)))
        for item, evidence in zip(unseen, self.look([item.source for item in unseen]), strict=True):
            item.found = evidence
            if isinstance(evidence, Evidence):
                evidence = _shared(evidence, shared_features)
                self.cache.note(item.source, item.key, evidence)
                item.found = evidence
                take(item)
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

    def _not_cached(
        self, items: Iterable[Inspected], take: Callable[[Inspected], None]
    ) -> Iterator[Inspected]:
        """Yields the items without cached evidence, and takes the others."""
        rest = iter(items)
        while some := list(islice(rest, _AT_ONCE)):
            unseen = [item for item in some if item.found is None]
            for item in unseen:
                item.key = self.cache.key(item.source)
            cached = self.cache.evidence({item.source.path: item.key for item in unseen})
            for item in unseen:
                item.found = cached.get(item.source.path)
                if item.found:
                    take(item)
                else:
                    yield item


def _signed(source: Source) -> Inspected:
    try:
        return Inspected(source, signature(source))
    except OSError as error:
        return Inspected(source, "", found=gone(source.path, error))


def _shared(evidence: Evidence, shared: dict[object, Features]) -> Evidence:
    """Returns the same evidence, with one copy of features for all batches that have equal ones."""
    key = tuple((name, tuple(types.items())) for name, types in evidence.features.items())
    return replace(evidence, features=shared.setdefault(key, evidence.features))
