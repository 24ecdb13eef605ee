"""What a destination knows about its images, from its ledger and from `Per_Image`.

Version 0.1.0 entered only file names and metadata in the ledger. Digests, folders and planes are in
the table `Per_Image`, if the jobs exported them.
"""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cpexport.cellprofiler.features import IMAGE, IMAGE_NUMBER, TEXT
from cpexport.cellprofiler.image_identity import DIGEST, Identities, is_plane, telling
from cpexport.imagesets import ImageSets
from cpexport.sinks.base import Sink


def identities(sink: Sink, image_sets: ImageSets) -> Identities:
    """All that is known to identify the images of these image sets, for those that are loaded."""
    stored = sink.ledger.identities(image_sets)
    complete = np.zeros(len(stored), bool)
    for name, column in (*stored.columns.items(), *stored.folders.items()):
        if name.startswith(DIGEST) or name in stored.folders:
            complete |= column.is_valid().to_numpy(zero_copy_only=False)
    incomplete = ImageSets.of(stored.numbers[~complete])
    return _filled(stored, _of_images(sink, incomplete)) if incomplete else stored


def _of_images(sink: Sink, image_sets: ImageSets) -> Identities:
    """What `Per_Image` has about these images, with paths as the jobs wrote them."""
    columns = (
        c
        for c in sink.layout().columns
        if c.object == IMAGE and (c.type == TEXT or is_plane(c.feature))
    )
    features = [f for f in telling(c.feature for c in columns) if not f.startswith("Metadata_")]
    rows = pa.Table.from_batches(sink.read(IMAGE, features, image_sets)).combine_chunks()
    (whole,) = rows.to_batches() or [pa.RecordBatch.from_pylist([], rows.schema)]
    whole, _ = sink.shape.paths.inverse().mapped(whole)
    identifying = {f: whole[f].cast(TEXT) for f in features if f in whole.schema.names}
    return Identities.of(whole[IMAGE_NUMBER].to_numpy(), identifying)


def _filled(stored: Identities, more: Identities) -> Identities:
    """Adds digests, planes and folders of `more` where `stored` has none."""
    rows = np.searchsorted(more.numbers, stored.numbers)
    rows = np.where(np.isin(stored.numbers, more.numbers), rows, -1)
    indices = pa.array(rows, mask=rows < 0)

    def joined(had: pa.StringArray | None, other: pa.StringArray) -> pa.StringArray:
        taken = other.take(indices)
        return taken if had is None else pc.coalesce(had, taken)

    details = {
        name: joined(stored.columns.get(name), column)
        for name, column in more.columns.items()
        if name.startswith(DIGEST) or is_plane(name)
    }
    folders = {
        name: joined(stored.folders.get(name), column) for name, column in more.folders.items()
    }
    return Identities(stored.numbers, {**stored.columns, **details}, {**stored.folders, **folders})
