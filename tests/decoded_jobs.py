"""Real batches, decoded, with the ledger entries that sinks are given with them."""

from dataclasses import dataclass, replace
from pathlib import Path

from cpexport.batch import Batch
from cpexport.decode import Decoded, decode
from cpexport.imagesets import ImageSets
from cpexport.ledger import Entry
from cpexport.pictures import Pictures
from cpexport.shape import Shape
from cpexport.sinks import Sink
from cpexport.survey import survey
from cpexport.tables import table_of


@dataclass(frozen=True)
class Job:
    """A real batch, decoded, and the ledger entry that goes with it."""

    batch: Batch
    decoded: Decoded
    entry: Entry

    @property
    def pictures(self) -> Pictures:
        return self.decoded.pictures

    def counts(self) -> dict[str, int]:
        """The rows it brings, by table."""
        return {table: count.rows for table, count in self.entry.counts.items()}

    def again(self, signature: str, years: int) -> "Job":
        """The same pictures by a job of so many years later, or earlier."""
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
    decoded = decode(batch, batch.complete, {}, Shape(), scratch)
    entry = Entry(
        path=str(folder),
        format=batch.source.format,
        signature=batch.signature,
        fingerprint=decoded.fingerprint,
        image_sets=batch.image_sets,
        complete=batch.complete,
        loaded=batch.complete,
        refused=ImageSets(),
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


def put(sink: Sink, one: Job) -> bool:
    """Writes a batch; whether the sink took it."""
    sink.prepare(one.decoded.types)
    with sink.batch(one.entry, one.pictures) as write:
        for name, batch in one.decoded.rows():
            if write is not None:
                write(name, batch)
    return write is not None


def put_as_prepared(sink: Sink, one: Job) -> None:
    """Writes a batch that the sink must take, after whatever was prepared."""
    with sink.batch(one.entry, one.pictures) as write:
        assert write
        for name, batch in one.decoded.rows():
            write(name, batch)
