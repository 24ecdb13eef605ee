"""What a destination knows of pictures: its ledger, and `Per_Image` where the ledger knows less.

Version 0.1.0 entered names and metadata only. Digests, folders and planes are in its images' table,
if the jobs exported them.
"""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cpexport.features import IMAGE, IMAGE_NUMBER, TEXT
from cpexport.imagesets import ImageSets
from cpexport.pictures import DIGEST, Pictures, is_plane, telling
from cpexport.sinks import Sink


def pictures(sink: Sink, image_sets: ImageSets) -> Pictures:
    """The pictures of these image sets, those that are loaded, with all that is known of them."""
    found = sink.pictures(image_sets)
    known = np.zeros(len(found), bool)
    for name, column in (*found.columns.items(), *found.folders.items()):
        if name.startswith(DIGEST) or name in found.folders:
            known |= column.is_valid().to_numpy(zero_copy_only=False)
    lacking = ImageSets.of(found.numbers[~known])
    return _filled(found, _of_images(sink, lacking)) if lacking else found


def _of_images(sink: Sink, image_sets: ImageSets) -> Pictures:
    """What the table of images says of them, paths as the jobs wrote them."""
    columns = (
        c
        for c in sink.layout().columns
        if c.object == IMAGE and (c.type == TEXT or is_plane(c.feature))
    )
    features = [f for f in telling(c.feature for c in columns) if not f.startswith("Metadata_")]
    rows = pa.Table.from_batches(sink.read(IMAGE, features, image_sets)).combine_chunks()
    (whole,) = rows.to_batches() or [pa.RecordBatch.from_pylist([], rows.schema)]
    whole, _ = sink.shape.paths.inverse().mapped(whole)
    told = {f: whole[f].cast(TEXT) for f in features if f in whole.schema.names}
    return Pictures.of(whole[IMAGE_NUMBER].to_numpy(), told)


def _filled(found: Pictures, more: Pictures) -> Pictures:
    """The same pictures, with digests, planes and folders of `more` where they have none."""
    rows = np.searchsorted(more.numbers, found.numbers)
    rows = np.where(np.isin(found.numbers, more.numbers), rows, -1)
    take = pa.array(rows, mask=rows < 0)

    def joined(had: pa.StringArray | None, other: pa.StringArray) -> pa.StringArray:
        taken = other.take(take)
        return taken if had is None else pc.coalesce(had, taken)

    told = {
        name: joined(found.columns.get(name), column)
        for name, column in more.columns.items()
        if name.startswith(DIGEST) or is_plane(name)
    }
    folders = {
        name: joined(found.folders.get(name), column) for name, column in more.folders.items()
    }
    return Pictures(found.numbers, {**found.columns, **told}, {**found.folders, **folders})
