"""Which image sets of a list are those of one run, if the list has the plates of several runs."""

from dataclasses import replace

import numpy as np
import pyarrow.compute as pc

from cpexport.cellprofiler.batch_file import BatchFile
from cpexport.cellprofiler.image_set_names import PlaceFeatures
from cpexport.imagesets import ImageSets


def of_the_plates(plan: BatchFile, image_sets: ImageSets) -> BatchFile:
    """Returns the list with only the plates that some of `image_sets` are on.

    It stays whole if its metadata names no plates, or if it has none of the image sets.
    """
    numbers = plan.identities.numbers
    plates = plan.identities.columns.get(PlaceFeatures.among(plan.identities.columns).plate)
    if plates is None:
        return plan
    own = plates.take(np.flatnonzero(np.isin(numbers, list(image_sets)))).unique()
    rows = np.flatnonzero(pc.is_in(plates, own).to_numpy(zero_copy_only=False))
    if len(rows) in (0, len(numbers)):
        return plan
    return replace(
        plan,
        planned=ImageSets.of_array(numbers[rows]),
        identities=plan.identities.take(rows),
        grouping=plan.grouping.select(numbers[rows]),
    )
