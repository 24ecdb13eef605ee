"""Decodes one batch into Arrow files in a scratch folder.

`decode` depends on nothing but its arguments, so any `concurrent.futures.Executor` can run it. What
it returns is small; the writer reads the rows from the files, block by block.
"""

import logging
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import ipc

from cpexport._stopwatch import Stopwatch
from cpexport.cellprofiler.features import (
    EXPERIMENT,
    IMAGE,
    NOT_OBJECTS,
    OBJECT,
)
from cpexport.cellprofiler.image_identity import Identities
from cpexport.errors import SinkError, SourceError
from cpexport.files.staging import at_hand
from cpexport.imagesets import ImageSets
from cpexport.loading.tally import Tally
from cpexport.sinks.ledger import Count
from cpexport.sources.base import Batch, fingerprint, signature
from cpexport.sources.error_containment import contained
from cpexport.tables.aggregates import aggregated
from cpexport.tables.casts import together
from cpexport.tables.layout import Features
from cpexport.tables.options import AGGREGATES, COMBINED, TableOptions
from cpexport.tables.side_by_side import side_by_side

_log = logging.getLogger(__name__)

# Values per block, 2 MB. Databases take rows one by one and visit all columns for each row: a block
# this small mostly stays in the processor's second cache, and is still large enough that the blocks
# are few and quick to describe.
_BLOCK = 1 << 18
_BUFFER = 1 << 20


@dataclass(frozen=True)
class Decoded:
    """A batch's rows on disk, with their types and counts.

    files: in the order of the rows, each with its object type in the destination, which can repeat.
    types: the narrowest types that hold all rows, by the job's object types.
    counts: what the batch holds, by the job's object types.
    written: rows for the destination, by its object types, without the row of the run
        (`Experiment`), which a later batch can replace.
    unmapped: how many image paths are in no folder of the shape's `paths`.
    measured: what the job measured over all its image sets: numbers by feature.
    """

    image_sets: ImageSets
    folder: Path
    files: tuple[tuple[str, Path], ...]
    types: Features
    counts: Mapping[str, Count]
    written: Mapping[str, int]
    identities: Identities
    fingerprint: str
    unmapped: int
    measured: Mapping[str, float]

    def rows(self, wanted: str | None = None) -> Iterator[tuple[str, pa.RecordBatchReader]]:
        """Yields object types, or only the `wanted` one, with their rows in one block or more;
        columns are named by feature.

        A reader is valid until the next one is requested. An object type can come more than once,
        with other column types.
        """
        for name, path in self.files:
            if wanted not in (None, name):
                continue
            # Reading, unlike mapping, leaves a block in the processor's cache for the writer.
            with pa.OSFile(str(path)) as file, ipc.open_stream(file) as rows:
                yield name, rows

    @property
    def values(self) -> int:
        """The number of values: rows times columns, over all tables."""
        return sum(
            count.rows * len(self.types.get(name, ())) for name, count in self.counts.items()
        )

    @property
    def size(self) -> int:
        """The total size of the files, in bytes."""
        return sum(path.stat().st_size for _, path in self.files)

    def remove(self) -> None:
        """Deletes the files."""
        shutil.rmtree(self.folder, ignore_errors=True)


def decode(
    batch: Batch, image_sets: ImageSets, types: Features, shape: TableOptions, scratch: Path
) -> Decoded:
    """Reads the rows of `image_sets` from a batch, for a destination of this shape.

    `types` are the destination's types for the features of jobs.

    Raises:
        SourceError: the batch is damaged, or its files changed since it was inspected.
        SinkError: the scratch folder is full.
    """
    with at_hand(batch.source.files, whole=True):
        return _decoded(batch, image_sets, types, shape, scratch)


def _decoded(
    batch: Batch, image_sets: ImageSets, types: Features, shape: TableOptions, scratch: Path
) -> Decoded:
    source, clock = batch.source, Stopwatch()
    with contained(source):
        if signature(source) != batch.signature:
            raise SourceError(
                source.path, "changed after it was inspected", "run the command again"
            )
        content = fingerprint(source)
    folder = Path(tempfile.mkdtemp(dir=scratch))
    try:
        files: list[tuple[str, Path]] = []
        written: dict[str, int] = {}
        tally = Tally(shape, types.get(IMAGE, {}))
        numbers = np.fromiter(image_sets, np.int64, len(image_sets))
        with contained(source), source.open() as opened:
            identities = opened.identities.select(numbers).without(batch.flags)
            kept = tally.settled(opened.read(image_sets, types), identities)
            for name, rows in _shaped(kept, shape):
                files.append((name, folder / f"{len(files)}.arrow"))
                _write(rows, files[-1][1])
                if name != EXPERIMENT:
                    written[name] = written.get(name, 0) + rows.num_rows
        with contained(source):
            if signature(source) != batch.signature:
                raise SourceError(
                    source.path, "changed while cpexport read it", "run the command again"
                )
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    _log.debug("%s: %s decoded in %s", source.path, image_sets.words, clock)
    return Decoded(
        image_sets,
        folder,
        tuple(files),
        tally.types,
        tally.counts,
        written,
        identities,
        content,
        tally.unmapped,
        tally.measured,
    )


def _shaped(
    parts: Iterable[tuple[str, pa.RecordBatch]], shape: TableOptions
) -> Iterator[tuple[str, pa.RecordBatch]]:
    """Turns the rows of a job's tables into rows of the destination's tables.

    Holds all rows in memory only if object types have to be combined.
    """
    if not shape.aggregate and shape.layout != COMBINED:
        yield from parts
        return
    parts_by_type: dict[str, list[pa.RecordBatch]] = {}
    for name, rows in parts:
        parts_by_type.setdefault(name, []).append(rows)
    tables = {name: together(batches) for name, batches in parts_by_type.items()}
    objects = {name: t for name, t in tables.items() if name not in NOT_OBJECTS}
    for name, rows in tables.items():
        if name == IMAGE and shape.aggregate:
            yield name, aggregated(rows, objects, [AGGREGATES[kind] for kind in shape.aggregate])
        elif name not in objects or shape.layout != COMBINED:
            yield name, rows
    if objects and shape.layout == COMBINED:
        yield OBJECT, side_by_side(objects)


def _write(rows: pa.RecordBatch, path: Path) -> None:
    block = max(1, _BLOCK // max(1, rows.num_columns))
    try:
        with (
            pa.OSFile(str(path), "wb") as file,
            pa.BufferedOutputStream(file, _BUFFER) as buffer,
            ipc.new_stream(buffer, rows.schema) as stream,
        ):
            for start in range(0, max(1, rows.num_rows), block):
                stream.write_batch(rows.slice(start, block))
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise SinkError(
            path.parent.parent,
            f"temporary files cannot be written: {reason}",
            "free some space, or set TMPDIR to another folder",
        ) from error
