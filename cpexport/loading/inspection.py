"""Inspects sources: reads their evidence, unless the caller or the evidence cache knows it."""

import logging
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Final, Protocol

import pyarrow as pa

from cpexport._stopwatch import Stopwatch
from cpexport.errors import SourceError
from cpexport.files.staging import at_hand
from cpexport.loading.evidence_cache import EvidenceCache
from cpexport.loading.limits import check_image_sets
from cpexport.loading.progress import Progress, ProgressEvent
from cpexport.sources.base import Evidence, Source, signature
from cpexport.sources.error_containment import contained, gone
from cpexport.tables.layout import Features

_log = logging.getLogger(__name__)

_AT_ONCE: Final = 200


def look_at(source: Source) -> Evidence | SourceError:
    """Returns the evidence of a source, or what is wrong with it.

    The call and its result can be sent to another process.
    """
    clock = Stopwatch()
    try:
        with contained(source), at_hand(source.files):
            evidence = source.inspect()
            check_image_sets(evidence.present)
    except SourceError as error:
        _log.info("%s: cannot be read: %s", source.path, error)
        return error
    _log.debug("%s: %s inspected in %s", source.path, evidence.present.words, clock)
    return evidence


class Look(Protocol):
    """Looks at sources, and yields the evidence of each in order, or what is wrong with it."""

    def __call__(self, sources: Sequence[Source], share: float) -> Iterable[Evidence | SourceError]:
        """`share` is how large a part of all sources these are: workers may be worth it for all."""


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


def one_by_one(sources: Sequence[Source], share: float = 1) -> Iterable[Evidence | SourceError]:
    """Looks at each source in order, when its evidence is requested."""
    return map(look_at, sources)


@dataclass(slots=True)
class Inspected:
    """A source, its signature and cache key before it was inspected, and what was found.

    `found` is None if the source is `known`, so that it was not inspected.
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

    def inspected(self, sources: Sequence[Source]) -> Iterator[Inspected]:
        """Yields all sources, in their order; those that are not known are inspected.

        Only a few hundred are in memory at a time.
        """
        clock, total = Stopwatch(), len(sources)
        shared_features: dict[object, Features] = {}
        done = unseen = cached = 0
        self.progress(ProgressEvent("inspected", done, total))
        rest = iter(sources)
        while some := [_signed(source) for source in islice(rest, _AT_ONCE)]:
            known = self.known.settled_among([item.signature for item in some])
            for item in some:
                item.known = item.signature in known
            wanted = [item for item in some if not (item.known or item.found)]
            self._recall(wanted)
            new = [item for item in wanted if item.found is None]
            looks = iter(self.look([item.source for item in new], len(some) / total))
            unseen += len(new)
            cached += len(wanted) - len(new)
            for item in some:
                if not (item.known or item.found):
                    item.found = self._noted(item, next(looks), shared_features)
                done += 1
                self.progress(ProgressEvent("inspected", done, total))
                yield item
        self.cache.keep()
        what = "%d batches inspected, %d unchanged since the last time, in %s"
        _log.info(what, unseen, cached, clock)

    def again(self, source: Source) -> Evidence | SourceError:
        """Returns the evidence of a source that was inspected before."""
        cached = self.cache.evidence({source.path: self.cache.key(source)})
        return cached.get(source.path) or look_at(source)

    def _recall(self, items: Sequence[Inspected]) -> None:
        """Gives items their evidence if it is cached."""
        for item in items:
            item.key = self.cache.key(item.source)
        cached = self.cache.evidence({item.source.path: item.key for item in items})
        for item in items:
            item.found = cached.get(item.source.path)

    def _noted(
        self,
        item: Inspected,
        found: Evidence | SourceError,
        shared_features: dict[object, Features],
    ) -> Evidence | SourceError:
        """Caches what was found, and returns it with shared features."""
        if isinstance(found, Evidence):
            found = _shared(found, shared_features)
            self.cache.note(item.source, item.key, found)
        return found


def _signed(source: Source) -> Inspected:
    try:
        return Inspected(source, signature(source))
    except OSError as error:
        return Inspected(source, "", found=gone(source.path, error))


def _shared(evidence: Evidence, shared: dict[object, Features]) -> Evidence:
    """Returns the same evidence, with one copy of features for all batches that have equal ones."""
    key = tuple((name, tuple(types.items())) for name, types in evidence.features.items())
    return replace(evidence, features=shared.setdefault(key, evidence.features))
