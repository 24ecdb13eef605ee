"""The batches that a destination of cpexport holds in a file or folder, as sources for another one.

Each is known by what the ledger recorded of it, and not by files, which may be gone: so it is
loaded once, whether it comes from its own output or from any destination that has it.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import pyarrow as pa

from cpexport.cellprofiler.experiment import EXPERIMENTS
from cpexport.cellprofiler.features import (
    EXPERIMENT,
    IMAGE,
    NULL,
    NUMBER,
    RELATIONSHIP,
    SOURCE_NUMBER,
)
from cpexport.cellprofiler.image_identity import Identities
from cpexport.cellprofiler.pipeline import KnownPipeline
from cpexport.destination_url import FOLDERS, file_url
from cpexport.errors import SinkError, SourceError, UsageError
from cpexport.files.places import is_on_disk
from cpexport.imagesets import ImageSets
from cpexport.sinks.base import Sink
from cpexport.sinks.ledger import Entry
from cpexport.sinks.own_files import kind_of
from cpexport.sinks.registry import open_sink
from cpexport.sinks.sql.loaded_images import identities
from cpexport.sources.base import Carried, Evidence, Opened, State
from cpexport.sources.sqlite.file import FileKind, contents
from cpexport.tables.layout import Features, object_of
from cpexport.tables.options import COMBINED, NONE, TableOptions

_COUNT: Final = "Count_"
_ADVICE: Final = "load the outputs of its jobs instead"


def destination_in(path: Path) -> str | None:
    """The URL of the destination of cpexport that a file or folder is; None for anything else."""
    kind = kind_of(path)
    if kind in FOLDERS:
        return f"{kind}:{path}"
    if kind is None and path.is_file() and contents(path) is FileKind.DESTINATION:
        kind = "sqlite"
    return file_url(kind, path) if kind else None


@dataclass(frozen=True)
class StoredSource:
    """A batch in a destination.

    home: the destination's file or folder.
    url: of the destination.
    prefix: of its tables.
    entry: what its ledger says about the batch.
    key: the features that identify its image sets, if their jobs count from 1.
    """

    home: Path
    url: str
    prefix: str
    entry: Entry
    key: tuple[str, ...] = ()
    files: tuple[Path, ...] = ()
    evidence_files: None = None

    @property
    def format(self) -> str:
        return self.entry.format

    @property
    def path(self) -> Path:
        return Path(self.entry.path)

    @property
    def carried(self) -> Carried:
        """What recognizes the batch."""
        return Carried(self.entry.signature, self.entry.fingerprint, self.entry.age[1])

    def inspect(self) -> Evidence:
        if not self.entry.fingerprint:
            raise SourceError(self.home, f"{self.path} must be loaded again", _ADVICE)
        with self._sink() as sink:
            return _Stored(self, sink).evidence()

    @contextmanager
    def open(self) -> Iterator[Opened]:
        with self._sink() as sink:
            held = sink.ledger.holding(self.entry.loaded)
            if [one.signature for one in held] != [self.entry.signature]:
                problem = f"{self.path} was replaced there"
                raise SourceError(self.home, problem, "run the command again")
            yield _Stored(self, sink)

    def _sink(self) -> Sink:
        return open_sink(self.url, self.prefix, writing=False)


class _Stored:
    """The rows of one batch in an open destination; see `sources.base.Opened`."""

    def __init__(self, source: StoredSource, sink: Sink) -> None:
        self._entry, self._prefix, self._sink = source.entry, source.prefix, sink
        self._home = source.home
        self._layout = sink.layout().features
        recorded = source.entry.recorded
        names = self._layout if recorded is None else recorded.features
        # A feature without any value may have no column.
        self._features: Features = {
            name: {f: self._layout.get(name, {}).get(f, NULL) for f in names[name]}
            for name in names
        }

    def evidence(self) -> Evidence:
        """See `Source.inspect`. Image sets that another batch has replaced belong to that one."""
        entry = self._entry
        unfinished = entry.image_sets - entry.complete
        why = entry.reason or "not complete when it was loaded"
        whole = entry.state in (State.COMPLETE, State.PARTIAL)
        return Evidence(
            present=entry.loaded | unfinished,
            measured=entry.loaded | unfinished,
            completion_marker="entry in the ledger",
            exit_status="Complete" if whole else "Failure",
            always_reports_exit=False,
            finished=entry.age[0],
            identities=self.identities,
            features=self._features,
            incomplete=dict.fromkeys(unfinished, why),
            missing_tables=dict.fromkeys(self._without_table, entry.loaded),
            tables=frozenset(object_of(table, self._prefix) for table in entry.counts) - {IMAGE},
            version=entry.version,
            pipeline=KnownPipeline.known_by(entry.pipeline) if entry.pipeline else None,
            group_tags=entry.group_tags,
        )

    @property
    def _without_table(self) -> frozenset[str]:
        """The object types that image sets count, and that have no table."""
        recorded = self._entry.recorded
        if recorded is None:
            return frozenset()
        counts = (f for f in self._features.get(IMAGE, ()) if f.startswith(_COUNT))
        names = {feature.removeprefix(_COUNT) for feature in counts}
        return frozenset(names - self._features.keys() - recorded.counted_none)

    @property
    def identities(self) -> Identities:
        return identities(self._sink, self._entry.loaded)

    def read(self, wanted: ImageSets, types: Features) -> Iterator[tuple[str, pa.RecordBatch]]:
        found: dict[str, int] = {}
        for name, rows in self._rows(wanted):
            found[name] = found.get(name, 0) + rows.num_rows
            yield name, rows
        if wanted == self._entry.complete:
            self._check(found)
        yield from self._run()

    def _check(self, found: Mapping[str, int]) -> None:
        """Compares the numbers of rows with those that the ledger has of the whole batch.

        Raises:
            SourceError: rows are missing, or were added.
        """
        for table, count in self._entry.counts.items():
            rows = found.get(object_of(table, self._prefix), 0)
            if rows != count.rows:
                problem = f"{table} has {rows} rows of {self._entry.path}, not {count.rows}"
                raise SourceError(self._home, problem, "find out why with cpexport verify")

    def _rows(self, wanted: ImageSets) -> Iterator[tuple[str, pa.RecordBatch]]:
        names = self._features.keys() & self._layout.keys()
        for name in sorted(names, key=lambda name: (name != IMAGE, name)):
            features = [f for f in self._features[name] if f != NUMBER]
            # The number that the job gave an image set.
            features += [SOURCE_NUMBER] if name == IMAGE else []
            for rows in self._sink.read(name, features, wanted):
                yield name, rows
        if RELATIONSHIP in (object_of(table, self._prefix) for table in self._entry.counts):
            for rows in self._sink.read(RELATIONSHIP, None, wanted):
                yield RELATIONSHIP, rows

    def _run(self) -> Iterator[tuple[str, pa.RecordBatch]]:
        """The row about the run, with what the job measured of it."""
        rows = pa.Table.from_batches(self._sink.read(EXPERIMENT)).select(EXPERIMENTS.names)
        if not rows.num_rows and self._entry.measured:
            rows = pa.Table.from_pylist([dict.fromkeys(EXPERIMENTS.names)], EXPERIMENTS)
        for batch in rows.slice(0, 1).combine_chunks().to_batches():
            for name, value in self._entry.measured.items():
                batch = batch.append_column(name, pa.array([value]))
            yield EXPERIMENT, batch


def stored_sources(homes: Mapping[Path, str]) -> Iterator[StoredSource]:
    """Yields a source for each batch with rows in these destinations, which have their URLs.

    Raises:
        SourceError: a destination is in a bucket, is not of cpexport, numbers runs, has tables
            under several prefixes, or does not hold all that the jobs wrote, as they wrote it.
        UsageError: metadata of different names identifies image sets.
        SinkError: a destination cannot be read.
    """
    keys: dict[tuple[str, ...], Path] = {}
    for home, url in homes.items():
        prefixes = _prefixes(home, url)
        if len(prefixes) > 1:
            named = ", ".join(prefix or "(none)" for prefix in prefixes)
            raise SourceError(home, f"has tables under several prefixes: {named}", _ADVICE)
        for prefix in prefixes:
            with open_sink(url, prefix, writing=False) as sink:
                if what := _altered(sink.shape):
                    raise SourceError(home, f"a destination of cpexport that {what}", _ADVICE)
                key = sink.ledger.key()
                keys.setdefault(key, home)
                if len(keys) > 1:
                    (one, first), (other, second) = list(keys.items())[:2]
                    raise UsageError(
                        f"{first} and {second} identify image sets in different ways: "
                        f"{_named(one)}, and {_named(other)}; {_ADVICE}"
                    )
                for entry in sink.ledger.entries():
                    if entry.loaded:
                        yield StoredSource(
                            home, url, prefix, replace(entry, key=(), numbers={}), key
                        )


def _prefixes(home: Path, url: str) -> list[str]:
    """The prefixes of a destination's tables.

    Raises:
        SourceError: it is in a bucket, is another program's, or holds nothing.
    """
    if not is_on_disk(home):
        problem = "a destination of cpexport in a bucket, which cannot be read there"
        raise SourceError(home, problem, "copy it to a disk, and name the copy")
    try:
        with open_sink(url, writing=False) as sink:
            prefixes = sorted(sink.ledger.prefixes())
    except SinkError as error:
        problem = f"not read as a destination of cpexport: {error.problem}"
        raise SourceError(home, problem, _ADVICE) from error
    if not prefixes:
        problem = "a database without batches that cpexport loaded"
        raise SourceError(home, problem, "name the outputs of jobs")
    return prefixes


def _altered(shape: TableOptions) -> str:
    """Why a destination does not hold batches as their jobs wrote them; empty if it does."""
    if shape.numbered:
        return "numbers its runs"
    if shape.layout == COMBINED:
        return "combines object types"
    if shape.layout == NONE or shape.only:
        return "has only some object types"
    if not shape.keeps_all:
        return "has only some features"
    return "has changed the paths of images" if shape.paths.pairs else ""


def _named(key: tuple[str, ...]) -> str:
    return ", ".join(key) or "by number"
