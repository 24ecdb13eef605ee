"""Decodes one batch into Arrow files in a scratch folder: a function of the batch and nothing else.

It runs on any `concurrent.futures.Executor`; what comes back is small, and the rows are read from
the files, block by block, by whoever writes them to the destination.
"""

import math
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import ipc

from cpexport.aggregates import aggregated
from cpexport.batch import Batch, fingerprint, signature
from cpexport.combined import side_by_side
from cpexport.contained import contained
from cpexport.errors import SinkError, SourceError
from cpexport.experiment import EXPERIMENTS
from cpexport.features import (
    EXPERIMENT,
    IMAGE,
    IMAGE_NUMBER,
    INTEGER,
    NOT_OBJECTS,
    OBJECT,
    REAL,
    RELATIONSHIP,
    TEXT,
)
from cpexport.imagesets import ImageSets
from cpexport.ledger import Count
from cpexport.pictures import Pictures
from cpexport.shape import AGGREGATES, COMBINED, Shape
from cpexport.tables import Features, children_as_child, joined
from cpexport.values import align, numbers_as_promised

_SCRATCH = "cpexport-scratch-"
# Databases take rows one by one, and so look at all columns again for each. Of this many values,
# 2 MB, they find most in a processor's second cache, and few blocks are quick to describe.
_BLOCK = 1 << 18
_BUFFER = 1 << 20


@dataclass(frozen=True)
class Decoded:
    """A batch's rows on disk, and what is known of them.

    `files` are in the order in which the rows came, with the object types of the destination, which
    can repeat. `types` are the narrowest that hold what all the rows of an object type came with,
    and `counts` what there was, by the job's own object types; `written` are the rows for the
    destination, by its, without the one of the run that a later batch can replace.
    `unmapped` is how many paths of pictures are in no folder of the shape's `paths`. `measured` is
    what the batch says of all that its job ran: numbers by feature.
    """

    image_sets: ImageSets
    folder: Path
    files: tuple[tuple[str, Path], ...]
    types: Features
    counts: Mapping[str, Count]
    written: Mapping[str, int]
    pictures: Pictures
    fingerprint: str
    unmapped: int
    measured: Mapping[str, float]

    def rows(self) -> Iterator[tuple[str, pa.RecordBatchReader]]:
        """The rows by object type, columns named by feature, in blocks, of which there is one at
        least; each reader is good until the next is asked for. An object type can come again, with
        other types."""
        for name, path in self.files:
            # Read and not mapped: so a block is in the processor's cache when it is written.
            with pa.OSFile(str(path)) as file, ipc.open_stream(file) as rows:
                yield name, rows

    @property
    def values(self) -> int:
        """How many values there are: rows times columns, over all tables."""
        return sum(
            count.rows * len(self.types.get(name, ())) for name, count in self.counts.items()
        )

    @property
    def size(self) -> int:
        """The bytes of the files."""
        return sum(path.stat().st_size for _, path in self.files)

    def remove(self) -> None:
        """Deletes the files."""
        shutil.rmtree(self.folder, ignore_errors=True)


def decode(
    batch: Batch, image_sets: ImageSets, types: Features, shape: Shape, scratch: Path
) -> Decoded:
    """Reads the rows of `image_sets` from a batch, for a destination of this shape; `types` are
    those that it has for the features of jobs.

    Raises:
        SourceError: the batch is damaged, or its files changed while they were read.
        SinkError: the scratch folder is full.
    """
    source = batch.source
    with contained(source):
        if signature(source) != batch.signature:
            raise SourceError(source.path, "changed since it was looked at", "run cpexport again")
        content = fingerprint(source)
    folder = Path(tempfile.mkdtemp(dir=scratch))
    try:
        files: list[tuple[str, Path]] = []
        written: dict[str, int] = {}
        tally = _Tally(shape, types.get(IMAGE, {}))
        numbers = np.fromiter(image_sets, np.int64, len(image_sets))
        with contained(source), source.open() as opened:
            pictures = opened.pictures.select(numbers).without(batch.flags)
            settled = tally.settled(opened.read(image_sets, types), pictures)
            for name, rows in _shaped(settled, shape):
                files.append((name, folder / f"{len(files)}.arrow"))
                _write(rows, files[-1][1])
                if name != EXPERIMENT:
                    written[name] = written.get(name, 0) + rows.num_rows
        with contained(source):
            if signature(source) != batch.signature:
                raise SourceError(source.path, "changed while it was read", "run cpexport again")
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return Decoded(
        image_sets,
        folder,
        tuple(files),
        tally.types,
        tally.counts,
        written,
        pictures,
        content,
        tally.unmapped,
        tally.measured,
    )


class _Tally:
    """What is known of the rows of a batch once all have come: see `Decoded`.

    `images` are the types that the destination has for the features of image sets.
    """

    def __init__(self, shape: Shape, images: Mapping[str, pa.DataType]) -> None:
        self.types: dict[str, Mapping[str, pa.DataType]] = {}
        self.counts: dict[str, Count] = {}
        self.unmapped = 0
        self.measured: dict[str, float] = {}
        self._shape, self._images = shape, images

    def settled(
        self, parts: Iterable[tuple[str, pa.RecordBatch]], pictures: Pictures
    ) -> Iterator[tuple[str, pa.RecordBatch]]:
        """The rows that the shape keeps, with values as destinations have them."""
        for name, rows in parts:
            if name == EXPERIMENT:
                numbers = rows.drop_columns(EXPERIMENTS.names)
                self.measured |= {n: numbers[n][0].as_py() for n in numbers.schema.names}
                yield name, rows.select(EXPERIMENTS.names)
            elif self._shape.keeps(name):
                rows = _settled(name, rows)
                if name == IMAGE:
                    here = pictures.select(rows[IMAGE_NUMBER].to_numpy())
                    rows = _as_written(rows, here, self._images)
                rows, stay = self._shape.paths.mapped(rows)
                self.unmapped += stay
                self._add(name, rows)
                yield name, rows
            else:
                # So the ledger knows which tables an output had, whatever was wanted of them.
                self.counts[name] = Count(0)

    def _add(self, name: str, rows: pa.RecordBatch) -> None:
        count = _count(rows)
        self.counts[name] = self.counts[name] + count if name in self.counts else count
        if name != RELATIONSHIP:
            came = dict(zip(rows.schema.names, rows.schema.types, strict=True))
            del came[IMAGE_NUMBER]
            known = {name: self.types.get(name, {})}
            self.types |= joined([known, {name: came}])


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """A folder for decoded batches, deleted afterwards; first those that killed loads left."""
    home = Path(tempfile.gettempdir())
    for left in home.glob(f"{_SCRATCH}*"):
        process = left.name.removeprefix(_SCRATCH).partition("-")[0]
        # Another load that begins now may be deleting the same ones.
        with suppress(FileNotFoundError):
            mine = left.stat().st_uid == os.getuid()
            if mine and process.isdecimal() and not _runs(int(process)):
                shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=f"{_SCRATCH}{os.getpid()}-") as folder:
        yield Path(folder)


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _shaped(
    parts: Iterable[tuple[str, pa.RecordBatch]], shape: Shape
) -> Iterator[tuple[str, pa.RecordBatch]]:
    """The rows of the destination's tables, for those of a job's. Only where object types have to
    meet are all rows in memory at once."""
    if not shape.aggregate and shape.layout != COMBINED:
        yield from parts
        return
    found: dict[str, list[pa.RecordBatch]] = {}
    for name, rows in parts:
        found.setdefault(name, []).append(rows)
    tables = {name: _whole(many) for name, many in found.items()}
    objects = {name: t for name, t in tables.items() if name not in NOT_OBJECTS}
    for name, rows in tables.items():
        if name == IMAGE and shape.aggregate:
            yield name, aggregated(rows, objects, [AGGREGATES[kind] for kind in shape.aggregate])
        elif name not in objects or shape.layout != COMBINED:
            yield name, rows
    if objects and shape.layout == COMBINED:
        yield OBJECT, side_by_side(objects)


def _whole(parts: list[pa.RecordBatch]) -> pa.RecordBatch:
    """All parts of a table as one, each column as wide as its widest part."""
    if len(parts) == 1:
        return parts[0]
    types = joined({"": {f.name: f.type for f in part.schema}} for part in parts)[""]
    schema = pa.schema([pa.field(name, type) for name, type in types.items()])
    table = pa.Table.from_batches([align(part, schema) for part in parts])
    return pa.RecordBatch.from_arrays([c.combine_chunks() for c in table.columns], schema=schema)


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
            "make room, or name another folder by TMPDIR",
        ) from error


def _settled(name: str, rows: pa.RecordBatch) -> pa.RecordBatch:
    """Whole numbers as integers where the name promises them, missing real numbers as NaN."""
    if name == RELATIONSHIP:
        return children_as_child(rows)
    arrays = [
        numbers_as_promised(name, feature, array)
        for feature, array in zip(rows.schema.names, rows.columns, strict=True)
    ]
    return pa.RecordBatch.from_arrays(arrays, names=rows.schema.names)


def _as_written(
    rows: pa.RecordBatch, pictures: Pictures, types: Mapping[str, pa.DataType]
) -> pa.RecordBatch:
    """Metadata as the job wrote it where the destination has text: `1.0`, and not `1`."""
    arrays = [
        pictures.columns[field.name]
        if field.name in pictures.columns and types.get(field.name) == TEXT
        else array
        for field, array in zip(rows.schema, rows.columns, strict=True)
    ]
    return pa.RecordBatch.from_arrays(arrays, names=rows.schema.names)


def _count(rows: pa.RecordBatch) -> Count:
    missing, infinite = 0, {}
    with np.errstate(invalid="ignore", over="ignore"):
        for name, array in zip(rows.schema.names, rows.columns, strict=True):
            if array.type == REAL:
                values = array.to_numpy()
                # A sum is finite only if all values are, and costs a fraction of looking at each.
                if not math.isfinite(np.add.reduce(values)):
                    missing += int(np.isnan(values).sum())
                    if count := int(np.isinf(values).sum()):
                        infinite[name] = count
            elif array.type == INTEGER:
                missing += array.null_count
    return Count(rows.num_rows, missing, sum(infinite.values()), infinite)
