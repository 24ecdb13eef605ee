"""Batches that earlier looks at a run found whole, so that later looks need not open them."""

from collections.abc import Collection, Iterable, Iterator
from typing import Final

import pyarrow as pa

from cpexport.imagesets import ImageSets, Union
from cpexport.loading.known_folders import Signatures
from cpexport.sources.base import Batch

_AT_ONCE: Final = 10_000


class WholeBatches:
    """The batches of a run that have all their image sets, by signature: 64 bytes for each.

    A batch that changes has another signature, and is opened again. Its image sets still count as
    complete here, so the last look at a run begins without these batches.
    """

    def __init__(self) -> None:
        self._signatures = Signatures()
        self._complete, self._skipped = Union(), Union()

    @property
    def complete(self) -> ImageSets:
        """Their image sets, without those that FlagImage skipped."""
        return self._complete.all

    @property
    def skipped(self) -> ImageSets:
        """Their image sets that FlagImage skipped."""
        return self._skipped.all

    def add(self, batches: Iterable[Batch]) -> None:
        """Adds those of the batches that are whole."""
        for batch in batches:
            if batch.is_whole and batch.signature:
                self._signatures.append(batch.signature)
                self._complete.add(batch.complete - batch.skipped)
                self._skipped.add(batch.skipped)

    def settled_among(self, signatures: Collection[str]) -> Collection[str]:
        """See `inspection.Known`."""
        return {signature for signature in signatures if signature in self._signatures}

    def settled_signatures(self) -> Iterator[pa.Array]:
        """See `inspection.Known`."""
        texts = list(self._signatures)
        for start in range(0, len(texts), _AT_ONCE):
            yield pa.array(texts[start : start + _AT_ONCE], pa.string())
