"""The interface of all formats: `Source`, its `Evidence`, and the judged `Batch`."""

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Protocol

import pyarrow as pa
import xxhash

from cpexport.cellprofiler.image_identity import Identities
from cpexport.cellprofiler.pipeline import Pipeline
from cpexport.errors import LeftOut
from cpexport.files.places import state
from cpexport.files.unpacked import open_unpacked, plain_name
from cpexport.imagesets import NONE, ImageSets
from cpexport.sources.output_time import age
from cpexport.tables.layout import Features


class State(StrEnum):
    """How a job ended, judged by its output."""

    COMPLETE = "complete"
    """Every image set of the job is present and complete."""
    PARTIAL = "partial"
    """The job ended well, but some of its image sets are missing or incomplete."""
    FAILED = "failed"
    """The job reported Failure or never finished; some image sets can still be complete."""
    RUNNING = "running"
    """A job is still writing: its file is locked."""
    UNREADABLE = "unreadable"
    """The output is damaged, and no part of it can be trusted."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a job's files state about its image sets, before `completeness` judges it.

    present: the image sets that were assigned to the job.
    measured: the image sets that the job's last recording module marked with `completion_marker`.
    identities: what identifies the images of the image sets.
    incomplete: why a measured image set lacks rows, by image set number.
    missing_tables: object types that image sets count, but that have no table.
    exit_status: `Complete`, `Failure`, or None if the files do not state it.
    always_reports_exit: whether every job that ended reports its exit status in this format.
    finished: local time in CellProfiler's form; empty if the files do not state it.
    features: the features of each object type, with their types as far as known.
    tables: the object types that have a table.
    group_tags: the features that grouped the job's image sets; None if the files do not state them.
    empty_reason: what the files contain instead, if no image set is present.
    skipped: image sets that a FlagImage module skipped: complete, but not measured further.
    left_out: files that may be CellProfiler's but are not this job's, each with the reason.
    unnumbered: why image sets with unknown numbers may be missing.
    """

    present: ImageSets
    measured: ImageSets
    completion_marker: str
    exit_status: str | None
    always_reports_exit: bool
    finished: str
    identities: Identities
    features: Features
    incomplete: Mapping[int, str] = field(default_factory=dict)
    missing_tables: Mapping[str, ImageSets] = field(default_factory=dict)
    tables: frozenset[str] = frozenset()
    version: str | None = None
    pipeline: Pipeline | None = None
    group_tags: tuple[str, ...] | None = None
    notes: tuple[str, ...] = ()
    empty_reason: str = "it ran no image set"
    skipped: ImageSets = NONE
    left_out: Mapping[str, str] = field(default_factory=dict)
    unnumbered: str = ""


class Source(Protocol):
    """The files of one batch, in one of the formats that jobs write.

    A source is a small value that can be sent to another process. Creating one reads nothing.
    """

    @property
    def format(self) -> str:
        """The ledger's word for this format: `hdf5`, `spreadsheet`, `database` or `sqlcsv`."""

    @property
    def path(self) -> Path:
        """The file or folder that stands for the batch, as the user gave it."""

    @property
    def files(self) -> tuple[Path, ...]:
        """All files of the batch; their contents are what is loaded."""

    @property
    def evidence_files(self) -> tuple[Path, ...] | None:
        """The files that `inspect` reads; None if its result depends on more than these."""

    def inspect(self) -> Evidence:
        """Reads only what the judgement of completeness needs.

        Raises:
            RunningError: a job is still writing.
            SourceError: a file is damaged, or not what it should be.
        """

    def open(self) -> AbstractContextManager["Opened"]:
        """Opens the files for reading.

        Raises:
            SourceError: a file is damaged, or has changed since `inspect`. It is raised here or
                during reading.
        """


@dataclass(frozen=True)
class Carried:
    """What recognizes a batch whose rows come from another destination, as its ledger has it.

    signature, fingerprint: as the functions below gave them for the batch's files.
    modified: the time of its newest file, in nanoseconds.
    """

    signature: str
    fingerprint: str
    modified: int


def carried(source: "Source") -> Carried | None:
    """What recognizes a batch from another destination; None for one with files."""
    found = getattr(getattr(source, "source", source), "carried", None)
    return found if isinstance(found, Carried) else None


class Opened(Protocol):
    """The open files of a source."""

    @property
    def identities(self) -> Identities:
        """What identifies the images of all image sets, with texts as the job wrote them."""

    def read(self, wanted: ImageSets, types: Features) -> Iterator[tuple[str, pa.RecordBatch]]:
        """Yields the rows of the image sets `wanted` in blocks, each with its object type.

        Rows are sorted by image set and object number.

        An object type can come in several blocks, and the blocks can differ in their column types.
        Columns are named by feature. `ImageNumber` comes first and, for objects,
        `Number_Object_Number` second; both are int64 without nulls. Relationships come as
        `Relationship` with the columns of `layout.RELATIONSHIPS`, and metadata of the whole run as
        `Experiment` with the columns of `experiment.EXPERIMENTS`. `types` are the column types of
        the destination. A column can come with another type if its values do not fit or `types`
        does not list it.
        """


class Nothing:
    """An `Opened` for a source without content."""

    @property
    def identities(self) -> Identities:
        return Identities()

    def read(self, wanted: ImageSets, types: Features) -> Iterator[tuple[str, pa.RecordBatch]]:
        return iter(())


@dataclass(frozen=True, slots=True)
class Batch:
    """A job's output after judgement: which image sets are complete, and why the others are not.

    unexpected: image sets that the batch file does not list; never in `complete`.
    mismatched_images: image sets with other images than in the batch file; never in `complete`.
    skipped: the image sets of `complete` that a FlagImage module skipped.
    missing_tables: object types that image sets count, but that have no table, with the image sets
        of `complete` that count them.
    signature: the signature of the files at the time of judgement.
    notes: for every user. `details` need no action; --verbose shows them.
    left_out: files of the batch that are not read, each with the reason.
    unnumbered: as in `Evidence`.
    """

    source: Source
    state: State
    reason: str = ""
    image_sets: ImageSets = NONE
    complete: ImageSets = NONE
    unexpected: ImageSets = NONE
    mismatched_images: ImageSets = NONE
    completion_marker: str = ""
    finished: str = ""
    version: str | None = None
    pipeline: str | None = None
    flags: frozenset[str] = frozenset()
    group_tags: tuple[str, ...] | None = None
    notes: tuple[str, ...] = ()
    features: Features = field(default_factory=dict)
    missing_tables: Mapping[str, ImageSets] = field(default_factory=dict)
    signature: str = ""
    skipped: ImageSets = NONE
    details: tuple[str, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    unnumbered: str = ""

    def __reduce__(self) -> tuple[type["Batch"], tuple[object, ...]]:
        # Faster than the way of dataclasses with slots: see `files.spool`.
        return type(self), tuple(getattr(self, name) for name in self.__slots__)

    @property
    def known_by(self) -> str:
        """The text by which the ledger recognizes the batch as long as its files are unchanged.

        If files next to the batch are left out, or image sets may be missing, this is never the
        signature itself. Every load then examines the batch again and reports the problem.
        """
        if not self.left_out and not self.unnumbered:
            return self.signature
        text = "\n".join([self.signature, *(left.path for left in self.left_out)])
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def is_whole(self) -> bool:
        """Whether it has all its image sets, and nothing to tell."""
        remarks = self.reason or self.notes or self.details or self.left_out or self.unnumbered
        beyond = self.unexpected or self.mismatched_images
        return bool(self.complete) and self.complete == self.image_sets and not (remarks or beyond)

    @property
    def age(self) -> tuple[str, int]:
        """A key that sorts batches from oldest to newest: see `output_time.age`."""
        return age(self.finished, newest_file(self.source))


def notes_of(batches: Iterable[Batch]) -> list[str]:
    """The notes of all batches, each with the batch's path."""
    return [f"{batch.source.path}: {note}" for batch in batches for note in batch.notes]


def details_of(batches: Iterable[Batch]) -> list[str]:
    """The details of all batches, each with the batch's path."""
    return [f"{batch.source.path}: {detail}" for batch in batches for detail in batch.details]


def features_of(batches: Iterable[Batch]) -> list[Features]:
    """The features of batches; those with equal features mostly share one mapping of them, which
    is in the list once."""
    return list({id(batch.features): batch.features for batch in batches}.values())


def signature(source: Source) -> str:
    """A digest of the paths, sizes and times of a batch's files; if equal, they are unchanged.

    Raises:
        OSError: a file no longer exists.
    """
    if known := carried(source):
        return known.signature
    parts = []
    for file in source.files:
        parts.append(state(file))
    return hashlib.sha256(os.fsencode("\n".join(parts))).hexdigest()


def size(source: Source) -> int:
    """The bytes of a batch's files; missing files count nothing."""
    return sum(stat.st_size for stat in _present_stats(source))


def newest_file(source: Source) -> int:
    """The time of a batch's newest file in nanoseconds; 0 without files."""
    if known := carried(source):
        return known.modified
    return max((stat.st_mtime_ns for stat in _present_stats(source)), default=0)


def _present_stats(source: Source) -> Iterator[os.stat_result]:
    for file in source.files:
        # A job's folder is renamed when the job completes, so a file can disappear.
        with suppress(OSError):
            yield file.stat()


def fingerprint(source: Source) -> str:
    """The 128-bit XXH3 of a batch's file names and contents, independent of the folder, and of
    whether tables are compressed.

    Raises:
        OSError: a file cannot be read.
    """
    if known := carried(source):
        return known.fingerprint
    whole = xxhash.xxh3_128()
    for file in source.files:
        with open_unpacked(file) as stream:
            content = hashlib.file_digest(stream, xxhash.xxh3_128).hexdigest()
        whole.update(f"{content} {plain_name(file) if len(source.files) > 1 else ''}\n".encode())
    return whole.hexdigest()
