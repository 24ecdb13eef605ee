"""What the ledger records of a batch, as a load knows it."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from cpexport import __version__
from cpexport.cellprofiler.features import IMAGE
from cpexport.loading.load_plan import LoadStep
from cpexport.loading.lost_features import recorded
from cpexport.sinks.ledger import Count, Entry
from cpexport.sources.renumbered import RenumberedSource
from cpexport.tables.layout import table_of


def entry_of(step: LoadStep, fingerprint: str, counts: Mapping[str, Count], prefix: str) -> Entry:
    """The entry of a batch that is to be written.

    counts: what it holds, by the job's object types.
    prefix: the destination's prefix of table names.
    """
    batch = step.batch
    # Tables from which nothing is loaded are entered too: the next load must know them, because an
    # output of the same run that lacks one of them is truncated.
    empty = {name: Count(0) for name in batch.features if name != IMAGE}
    return Entry(
        path=str(batch.source.path),
        format=batch.source.format,
        signature=batch.known_by,
        fingerprint=fingerprint,
        image_sets=batch.image_sets,
        complete=batch.complete,
        loaded=step.image_sets,
        rejected=batch.unexpected | batch.mismatched_images,
        group_tags=batch.group_tags,
        state=batch.state,
        reason=batch.reason,
        age=batch.age,
        version=batch.version,
        pipeline=batch.pipeline,
        time=datetime.now(UTC).isoformat(timespec="seconds"),
        cpexport=__version__,
        counts={table_of(name, prefix): n for name, n in (empty | dict(counts)).items()},
        recorded=recorded(batch),
        **_numbers(step),
    )


def _numbers(step: LoadStep) -> dict[str, Any]:
    """The fields of an entry about image sets whose jobs count from 1."""
    source = step.batch.source
    if not isinstance(source, RenumberedSource):
        return {}
    return {"key": source.features, "numbers": source.numbers(step.image_sets)}
