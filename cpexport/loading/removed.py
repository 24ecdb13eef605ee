"""What a user took out of a destination, and how loads name it or bring it back."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from cpexport.errors import SourceError
from cpexport.imagesets import ImageSets, union
from cpexport.sinks.base import Sink
from cpexport.sinks.ledger import Entry
from cpexport.sinks.ledger_store import LedgerStore
from cpexport.sources.base import Batch, fingerprint
from cpexport.sources.error_containment import contained


def removed_sets(ledger: LedgerStore) -> ImageSets:
    """The image sets of one run that a user removed, and that are not back."""
    return union(entry.removed for entry in ledger.removed())


def why_removed(image_sets: ImageSets) -> str:
    """Why a destination lacks image sets that a user removed; empty without any.

    >>> why_removed(ImageSets.parse("3"))
    'image set 3 was removed with cpexport remove; load --again brings it back'
    """
    if not image_sets:
        return ""
    was, it = ("was", "it") if len(image_sets) == 1 else ("were", "them")
    return f"{image_sets.words} {was} removed with cpexport remove; load --again brings {it} back"


def load_removed_again(sink: Sink, outputs: Sequence[Path]) -> None:
    """Makes the removed batches below `outputs` be loaded again, like outputs that are new."""
    _forget(sink, [entry for entry in sink.ledger.removed() if is_below(entry.path, outputs)])


def load_moved_again(sink: Sink, batches: Iterable[Batch]) -> None:
    """The same for these batches, whose outputs may have been moved since: their content tells."""
    removed = sink.ledger.removed()
    theirs = {entry.fingerprint for entry in removed}
    kinds = {(entry.format, entry.image_sets) for entry in removed}
    alike = (b for b in batches if removed and (b.source.format, b.image_sets) in kinds)
    contents = set[str]()
    for batch in alike:
        # One that cannot be read is named as it is loaded.
        with suppress(SourceError), contained(batch.source):
            contents.add(fingerprint(batch.source))
    if gone := contents & theirs:
        # A load without --again has entered them under their new paths.
        _forget(sink, [entry for entry in sink.ledger.entries() if entry.fingerprint in gone])


def _forget(sink: Sink, entries: Sequence[Entry]) -> None:
    if entries:
        with sink.exclusive() as changes:
            changes.forget_removed(entries)


def is_below(path: str, folders: Sequence[Path]) -> bool:
    """Whether a path of the ledger is one of these, or lies below one. Relative paths are those of
    the working folder, or of the folder in which the load ran.

    >>> is_below("run/outputs/b1", [Path("run")]), is_below("run/outputs/b1", [Path("ru")])
    (True, False)
    """
    return any(
        {folder, folder.resolve()} & {one, *one.parents}
        for folder in folders
        for one in (Path(path), Path(path).resolve())
    )
