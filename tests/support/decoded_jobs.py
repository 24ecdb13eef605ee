"""Real batches, decoded, with the ledger entries that sinks get with them."""

from dataclasses import dataclass, replace
from pathlib import Path

from cpexport.cellprofiler.image_identity import Identities
from cpexport.imagesets import ImageSets
from cpexport.loading.decode import Decoded, decode
from cpexport.loading.survey import survey
from cpexport.sinks.base import Sink
from cpexport.sinks.ledger import Entry
from cpexport.sources.base import Batch
from cpexport.tables.layout import table_of
from cpexport.tables.options import TableOptions


@dataclass(frozen=True)
class Job:
    """A real batch, decoded, with its ledger entry."""

    batch: Batch
    decoded: Decoded
    entry: Entry

    @property
    def identities(self) -> Identities:
        return self.decoded.identities

    def counts(self) -> dict[str, int]:
        """The number of its rows, by table."""
        return {table: count.rows for table, count in self.entry.counts.items()}

    def under(self, prefix: str) -> "Job":
        """The same job for tables whose names begin with a prefix."""
        counts = {f"{prefix}{table}": count for table, count in self.entry.counts.items()}
        return replace(self, entry=replace(self.entry, counts=counts))

    def again(self, signature: str, years: int) -> "Job":
        """The same images from a job that ran this many years later, or earlier."""
        finished = f"{2026 + years}{self.entry.age[0][4:]}"
        entry = replace(
            self.entry,
            signature=signature,
            fingerprint=signature,
            age=(finished, self.entry.age[1]),
        )
        return Job(self.batch, self.decoded, entry)


def job(folder: Path, scratch: Path) -> Job:
    (batch,) = survey([folder]).batches
    decoded = decode(batch, batch.complete, {}, TableOptions(), scratch)
    entry = Entry(
        path=str(folder),
        format=batch.source.format,
        signature=batch.signature,
        fingerprint=decoded.fingerprint,
        image_sets=batch.image_sets,
        complete=batch.complete,
        loaded=batch.complete,
        rejected=ImageSets(),
        group_tags=("Metadata_Plate", "Metadata_Well"),
        state=batch.state,
        reason=batch.reason,
        age=batch.age,
        version=batch.version,
        pipeline=batch.pipeline,
        time="2026-11-22T12:00:00+00:00",
        cpexport="0",
        counts={table_of(name, ""): count for name, count in decoded.counts.items()},
    )
    return Job(batch, decoded, entry)


def put(sink: Sink, job: Job) -> bool:
    """Writes a batch; returns whether the sink accepted it."""
    sink.prepare(job.decoded.types)
    with sink.batch(job.entry, job.identities) as write:
        for name, batch in job.decoded.rows():
            if write is not None:
                write(name, batch)
    return write is not None


def put_as_prepared(sink: Sink, job: Job) -> None:
    """Writes a batch that the sink must accept, without preparing the sink for it."""
    with sink.batch(job.entry, job.identities) as write:
        assert write
        for name, batch in job.decoded.rows():
            write(name, batch)
