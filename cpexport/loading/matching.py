"""Matches the entries of a ledger with outputs: by content, then by the job that left them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from cpexport.errors import SourceError
from cpexport.sinks.ledger import Entry, Ledger
from cpexport.sources.base import Batch


@dataclass
class Matched:
    """A batch and its entries; a copy of a batch that has them gets none.

    `known` is whether the ledger has the batch's content, from any copy.
    """

    batch: Batch
    known: bool
    entries: list[Entry] = field(default_factory=list)


def matches(
    contents: Iterable[tuple[Batch, str | SourceError]], ledger: Ledger
) -> tuple[list[Matched], list[SourceError]]:
    """Returns batches with their entries, and the errors of batches that cannot be read.

    `contents` are the batches with complete image sets, and the fingerprints of their files.

    Jobs that found nothing leave equal files. If several batches have the content of an entry, the
    entry belongs to the batch with its signature. As outputs may have been moved, the next choices
    are a batch with its times, then a batch whose job ended at the same time.
    """
    by_content: dict[str, list[Matched]] = {}
    for entry in ledger.entries:
        by_content[entry.fingerprint] = []
    matched: list[Matched] = []
    unread: list[SourceError] = []
    for batch, content in contents:
        if isinstance(content, SourceError):
            unread.append(content)
            continue
        matched.append(Matched(batch, content in by_content))
        by_content.setdefault(content, []).append(matched[-1])
    for entry in ledger.entries:
        if match := _of(entry, by_content[entry.fingerprint]):
            match.entries.append(entry)
    return matched, unread


def _of(entry: Entry, alike: Sequence[Matched]) -> Matched | None:
    """Returns which of the batches with an entry's content the entry belongs to, if any."""
    for same in (_same_files, _same_age, _same_end):
        for candidate in alike:
            if same(candidate.batch, entry):
                return candidate
    return None


def _same_files(batch: Batch, entry: Entry) -> bool:
    return batch.signature == entry.signature


def _same_age(batch: Batch, entry: Entry) -> bool:
    return batch.age == entry.age


def _same_end(batch: Batch, entry: Entry) -> bool:
    # If a job does not record when it ended, its copies cannot be distinguished.
    return batch.finished in ("", entry.age[0])
