"""Keeps the evidence of sources for a second look at all of them, in a temporary file."""

from collections.abc import Callable
from typing import Final

from cpexport.errors import SourceError
from cpexport.files.spool import Spool
from cpexport.sources.base import Evidence, Source

# The evidence of more image sets is read again: it can be as large as all others together.
_IMAGE_SETS: Final = 1000


class KeptEvidence:
    """The evidence of sources, by their place among all.

    read: reads the evidence of a source whose evidence is not kept.
    """

    def __init__(self, read: Callable[[Source], Evidence | SourceError]) -> None:
        self._read = read
        self._kept: Spool[Evidence | None] | None = Spool()

    def add(self, found: Evidence | SourceError | None) -> None:
        """Keeps what was found in the next source."""
        if self._kept is None:
            return
        kept = None
        if isinstance(found, Evidence) and len(found.identities) <= _IMAGE_SETS:
            kept = found
            self._kept.share(found.features)
            if found.pipeline:
                self._kept.share(found.pipeline)
        self._kept.append(kept)

    def forget(self) -> None:
        """Keeps nothing, now and later."""
        self._kept = None

    def again(self, place: int, source: Source) -> Evidence | SourceError:
        """Returns the evidence of the source at a place once more."""
        return (self._kept[place] if self._kept else None) or self._read(source)
