"""What one job left: the evidence its files give, and the batch that this makes of it."""

import hashlib
import os
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Protocol

import pyarrow as pa
import xxhash

from cpexport.imagesets import NONE, ImageSets
from cpexport.pictures import Pictures
from cpexport.pipeline import Pipeline
from cpexport.tables import Features


class State(StrEnum):
    """How a job ended, by what it left."""

    COMPLETE = "complete"
    """Every image set of the job is there, whole."""
    PARTIAL = "partial"
    """The job ended well, but some of its image sets are not there or not whole."""
    FAILED = "failed"
    """The job said Failure or never finished; some image sets may be complete all the same."""
    RUNNING = "running"
    """A job is still writing: its file is locked."""
    UNREADABLE = "unreadable"
    """Damaged: nothing of it can be trusted."""


@dataclass(frozen=True)
class LeftOut:
    """A file or batch of which something is not loaded, and why."""

    path: str
    reason: str

    def __post_init__(self) -> None:
        # A name that is not UTF-8 could not be printed.
        path = self.path.encode("utf-8", "backslashreplace").decode("utf-8")
        object.__setattr__(self, "path", path)


@dataclass(frozen=True)
class Evidence:
    """What a job's files say about its image sets, before anybody judges it.

    `held` are the image sets that the job was to run, `measured` those that its last recording
    module has marked, both by `sign`. `short` says for measured image sets why they are not whole.
    `exit_status` is `Complete`, `Failure` or None: never said. `must_say` tells whether a job that
    ended always says so in this kind of output. `finished` is local time as CellProfiler writes it.
    `group_tags` are the features by which the job was grouped, None where the output does not say.
    `lacking` are object types of which image sets count some, but for which there is no table.
    `nothing` says what there is instead where no image set is held. `skipped` are image sets that a
    FlagImage module ended the run of, as the pipeline asks for: they are not measured, and done.
    `left_out` are files that may be CellProfiler's but are not this job's, and why not.
    `unnumbered` says why image sets may be missing whose numbers nothing tells.
    """

    held: ImageSets
    measured: ImageSets
    sign: str
    exit_status: str | None
    must_say: bool
    finished: str
    pictures: Pictures
    features: Features
    short: Mapping[int, str] = field(default_factory=dict)
    lacking: Mapping[str, ImageSets] = field(default_factory=dict)
    tables: frozenset[str] = frozenset()
    version: str | None = None
    pipeline: Pipeline | None = None
    group_tags: tuple[str, ...] | None = None
    notes: tuple[str, ...] = ()
    nothing: str = "it ran no image set"
    skipped: ImageSets = NONE
    left_out: Mapping[str, str] = field(default_factory=dict)
    unnumbered: str = ""


class Source(Protocol):
    """One batch's files, in one of the formats that jobs leave.

    A source is a small value that can be sent to another process; making one reads nothing.
    """

    @property
    def format(self) -> str:
        """What the ledger calls this format: `hdf5`, `spreadsheet`, `database`, `sqlcsv`."""

    @property
    def path(self) -> Path:
        """The file or folder that stands for the batch, as people gave it."""

    @property
    def files(self) -> tuple[Path, ...]:
        """All the files that belong to it; their contents are what is loaded."""

    @property
    def evidence_files(self) -> tuple[Path, ...] | None:
        """The files that `inspect` reads; None where it looks at more than that."""

    def inspect(self) -> Evidence:
        """Reads only what completeness needs.

        Raises:
            RunningError: a job is still writing.
            SourceError: damaged, or not what it should be.
        """

    def open(self) -> AbstractContextManager["Opened"]:
        """Its files, to be read until they are closed.

        Raises:
            SourceError: damaged, or not what `inspect` saw; here, or as it is read.
        """


class Opened(Protocol):
    """The files of a source, open."""

    @property
    def pictures(self) -> Pictures:
        """The pictures of all its image sets, texts as the job wrote them."""

    def read(self, wanted: ImageSets, types: Features) -> Iterator[tuple[str, pa.RecordBatch]]:
        """The rows of the image sets `wanted`, by object type, in order of image set and number.

        An object type can come in several parts, which can differ in the types of their columns.
        Columns have the features' own names; `ImageNumber` comes first and, for objects,
        `Number_Object_Number` second, both int64 without nulls. Relationships come as
        `Relationship` with the columns of `tables.RELATIONSHIPS`, and what is said of the whole run
        as `Experiment` with those of `experiment.EXPERIMENTS`. `types` are the types that the
        destination has; a column may come with another one where its values do not fit or nothing
        was promised.
        """


class Nothing:
    """What is open of a source that holds nothing: an `Opened`."""

    @property
    def pictures(self) -> Pictures:
        return Pictures()

    def read(self, wanted: ImageSets, types: Features) -> Iterator[tuple[str, pa.RecordBatch]]:
        return iter(())


@dataclass(frozen=True)
class Batch:
    """A job's output, judged: which image sets are to be had from it, and why not the others.

    `unexpected` are image sets that the batch file does not list, `misplaced` those that it lists
    as other pictures; neither are in `complete`. `skipped` are those of `complete` that FlagImage
    skipped. `lacking` are object types that it counts and has no table of. `signature` is that of
    the files judged. `notes` are for everybody, `details` for who asks for them: they need no
    action. `left_out` are files beside them that are not read. `unnumbered` is as in `Evidence`.
    """

    source: Source
    state: State
    reason: str = ""
    image_sets: ImageSets = NONE
    complete: ImageSets = NONE
    unexpected: ImageSets = NONE
    misplaced: ImageSets = NONE
    sign: str = ""
    finished: str = ""
    version: str | None = None
    pipeline: str | None = None
    flags: frozenset[str] = frozenset()
    group_tags: tuple[str, ...] | None = None
    notes: tuple[str, ...] = ()
    features: Features = field(default_factory=dict)
    lacking: frozenset[str] = frozenset()
    signature: str = ""
    skipped: ImageSets = NONE
    details: tuple[str, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    unnumbered: str = ""

    @property
    def known_by(self) -> str:
        """What the ledger knows the batch by as long as its files stay untouched.

        Where files beside it are left out, or image sets may be missing, it is never the signature
        itself, so that every load looks at the batch again and says so.
        """
        if not self.left_out and not self.unnumbered:
            return self.signature
        said = "\n".join([self.signature, *(left.path for left in self.left_out)])
        return hashlib.sha256(said.encode()).hexdigest()

    @property
    def age(self) -> tuple[str, int]:
        """Sorts batches from the oldest to the newest: the job's own time, then the files'.

        Where the job did not say when it ended, the files do, in local time as CellProfiler does.
        """
        newest = max((stat.st_mtime_ns for stat in _there(self.source)), default=0)
        return (self.finished or datetime.fromtimestamp(newest / 1e9).isoformat(), newest)


def signature(source: Source) -> str:
    """Where a batch's files are, how long and how old: equal means not touched since.

    Raises:
        OSError: a file is gone.
    """
    parts = []
    for file in source.files:
        stat = file.stat()
        parts.append(f"{file.resolve()}\0{stat.st_size}\0{stat.st_mtime_ns}")
    return hashlib.sha256(os.fsencode("\n".join(parts))).hexdigest()


def size(source: Source) -> int:
    """The bytes of a batch's files, as far as they are there."""
    return sum(stat.st_size for stat in _there(source))


def _there(source: Source) -> Iterator[os.stat_result]:
    for file in source.files:
        # A job's folder gets another name when it is complete.
        with suppress(OSError):
            yield file.stat()


def fingerprint(source: Source) -> str:
    """XXH3 over the names and contents of a batch's files, 128 bits: the same wherever they lie.

    Raises:
        OSError: a file cannot be read.
    """
    whole = xxhash.xxh3_128()
    for file in source.files:
        with file.open("rb") as stream:
            content = hashlib.file_digest(stream, xxhash.xxh3_128).hexdigest()
        whole.update(f"{content} {file.name if len(source.files) > 1 else ''}\n".encode())
    return whole.hexdigest()
