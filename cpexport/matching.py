"""Which entries of a ledger are of which outputs: those of one content, and of the same job."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from cpexport.batch import Batch, fingerprint
from cpexport.contained import contained
from cpexport.errors import SourceError
from cpexport.ledger import Entry, Ledger


@dataclass
class Matched:
    """A batch and the entries that are of it; none for a copy of one that has them. `known` is
    whether the ledger has its content, of whichever copy."""

    batch: Batch
    known: bool
    entries: list[Entry] = field(default_factory=list)


def matches(batches: Sequence[Batch], ledger: Ledger) -> tuple[list[Matched], list[SourceError]]:
    """The batches of which something is complete, each with its entries; and why others cannot be
    read.

    Of several batches with one content, an entry is of the one with its signature, else, as outputs
    may have been moved, of one with its times, or whose job ended when its did: jobs that found
    nothing leave equal files.
    """
    by_content: dict[str, list[Matched]] = {}
    for entry in ledger.entries:
        by_content[entry.fingerprint] = []
    found: list[Matched] = []
    unread: list[SourceError] = []
    for batch in batches:
        if batch.complete:
            try:
                with contained(batch.source):
                    content = fingerprint(batch.source)
            except SourceError as error:
                unread.append(error)
                continue
            found.append(Matched(batch, content in by_content))
            by_content.setdefault(content, []).append(found[-1])
    for entry in ledger.entries:
        if mine := _of(entry, by_content[entry.fingerprint]):
            mine.entries.append(entry)
    return found, unread


def _of(entry: Entry, alike: Sequence[Matched]) -> Matched | None:
    """Which of batches with the content of an entry it is of."""
    for same in (_same_files, _same_age, _same_end):
        for one in alike:
            if same(one.batch, entry):
                return one
    return None


def _same_files(batch: Batch, entry: Entry) -> bool:
    return batch.signature == entry.signature


def _same_age(batch: Batch, entry: Entry) -> bool:
    return batch.age == entry.age


def _same_end(batch: Batch, entry: Entry) -> bool:
    # Where a job does not say when it ended, nothing tells its copies apart.
    return batch.finished in ("", entry.age[0])
