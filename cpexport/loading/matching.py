"""Matches the entries of a ledger with outputs: by content, then by the job that left them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, overload

import numpy as np
import numpy.typing as npt
import xxhash

from cpexport.errors import SourceError
from cpexport.files.spool import Picked, Spool
from cpexport.sinks.ledger import Entry, Ledger
from cpexport.sources.base import Batch

_DIGEST: Final = "S16"


@dataclass(frozen=True)
class Matched:
    """A batch and its entries; a copy of a batch that has them gets none.

    `known` is whether the ledger has the batch's content, from any copy.
    """

    batch: Batch
    known: bool
    entries: Sequence[Entry] = ()


class Matches(Sequence[Matched]):
    """Batches with their entries, in a file, with some bytes each in memory.

    batches: the batches that could be read.
    known: which of them the ledger knows.
    owners: for each entry of the ledger, the place of its batch; -1 if no batch has it.
    """

    def __init__(
        self,
        batches: Spool[Batch],
        known: npt.NDArray[np.bool_],
        ledger: Ledger,
        owners: npt.NDArray[np.int64],
    ) -> None:
        self._batches, self._known, self._entries = batches, known, ledger.entries
        self.owners = owners
        # The entries in order of their batches.
        self._order = np.argsort(owners, kind="stable")
        self._owners = owners[self._order]

    @overload
    def __getitem__(self, place: int) -> Matched: ...
    @overload
    def __getitem__(self, place: slice) -> list[Matched]: ...
    def __getitem__(self, place: int | slice) -> Matched | list[Matched]:
        if isinstance(place, slice):
            return [self[one] for one in range(*place.indices(len(self)))]
        first, end = np.searchsorted(self._owners, [place, place + 1])
        entries = tuple(self._entries[one] for one in self._order[first:end].tolist())
        return Matched(self._batches[place], bool(self._known[place]), entries)

    def __len__(self) -> int:
        return len(self._batches)

    @property
    def with_entries(self) -> Picked[Matched]:
        """Those that have entries."""
        places = np.unique(self.owners)
        return Picked(self, places[places >= 0].tolist())


def matches(
    contents: Iterable[tuple[Batch, str | SourceError]], ledger: Ledger
) -> tuple[Matches, list[SourceError]]:
    """Returns batches with their entries, and the errors of batches that cannot be read.

    `contents` are the batches with complete image sets, and the fingerprints of their files.

    Jobs that found nothing leave equal files. If several batches have the content of an entry, the
    entry belongs to the batch with its signature. As outputs may have been moved, the next choices
    are a batch with its times, then a batch whose job ended at the same time.
    """
    batches: Spool[Batch] = Spool()
    of_batches: list[bytes] = []
    unread: list[SourceError] = []
    for batch, content in contents:
        if isinstance(content, SourceError):
            unread.append(content)
            continue
        batches.share(batch.features)
        batches.append(batch)
        of_batches.append(_digest(content))
    ours = np.array(of_batches, _DIGEST)
    theirs = np.array([_digest(entry.fingerprint) for entry in ledger.entries], _DIGEST)
    order = np.argsort(ours, kind="stable")
    firsts, ends = (np.searchsorted(ours[order], theirs, side) for side in ("left", "right"))
    owners = np.full(len(theirs), -1, np.int64)
    for place, entry in enumerate(ledger.entries):
        alike = order[firsts[place] : ends[place]].tolist()
        owners[place] = _of(entry, alike, batches) if alike else -1
    return Matches(batches, np.isin(ours, theirs), ledger, owners), unread


def _digest(text: str) -> bytes:
    return xxhash.xxh3_128_digest(text.encode())


def _of(entry: Entry, alike: Sequence[int], batches: Sequence[Batch]) -> int:
    """Returns the place of the batch that an entry belongs to, among those with its content; -1 if
    it belongs to none."""
    candidates = [(place, batches[place]) for place in alike]
    for same in (_same_files, _same_age, _same_end):
        for place, candidate in candidates:
            if same(candidate, entry):
                return place
    return -1


def _same_files(batch: Batch, entry: Entry) -> bool:
    return batch.signature == entry.signature


def _same_age(batch: Batch, entry: Entry) -> bool:
    return batch.age == entry.age


def _same_end(batch: Batch, entry: Entry) -> bool:
    # If a job does not record when it ended, its copies cannot be distinguished.
    return batch.finished in ("", entry.age[0])
