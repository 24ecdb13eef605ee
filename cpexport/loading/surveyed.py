"""What a survey finds: the batch file and the judged batches of some folders."""

from array import array
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from cpexport.cellprofiler.batch_file import BatchFile
from cpexport.cellprofiler.image_identity import Identities
from cpexport.cellprofiler.image_set_names import Name
from cpexport.errors import LeftOut
from cpexport.files.spool import Picked
from cpexport.imagesets import ImageSets, Union
from cpexport.jobs.plan import SavedPlan
from cpexport.sources.base import Batch
from cpexport.sources.error_containment import contained
from cpexport.tables.layout import Features


@dataclass(frozen=True)
class Survey:
    """The batch file and the judged batches of some folders.

    plan: the batch file, if there is one.
    known: signatures of sources that were not opened, because the caller knows them.
    plans: the saved plans of the jobs, the newest last.
    histories: the folders in which jobs record their attempts.
    notes: for the user, for example about batch files.
    left_out: files that may be data but belong to no batch.
    names: the names of incomplete image sets that were numbered by their metadata.
    by_metadata: whether metadata numbered the image sets.
    count_from_1: whether each job counts its own image sets from 1.
    """

    plan: BatchFile | None
    batches: Sequence[Batch]
    known: Collection[str] = ()
    plans: tuple[SavedPlan, ...] = ()
    histories: tuple[Path, ...] = ()
    notes: tuple[str, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    names: Mapping[int, Name] = field(default_factory=dict)
    by_metadata: bool = False
    count_from_1: bool = False

    @cached_property
    def facts(self) -> "Facts":
        """What the batches have in common, from one look at all of them."""
        others, features, image_sets = array("q"), dict[int, Features](), Union()
        for place, batch in enumerate(self.batches):
            features[id(batch.features)] = batch.features
            if batch.is_whole:
                image_sets.add(batch.image_sets)
            else:
                others.append(place)
        return Facts(Picked(self.batches, others), image_sets.all, tuple(features.values()))


@dataclass(frozen=True)
class Facts:
    """What some batches have in common.

    not_whole: the batches for which a report may need a line: those that lack image sets, or have
        something to tell.
    whole: the image sets of all others.
    features: all features of batches; those with equal features mostly share one mapping of them.
    """

    not_whole: Sequence[Batch]
    whole: ImageSets
    features: tuple[Features, ...]


def identities_of(batch: Batch) -> Identities:
    """Returns what identifies the images of a batch's image sets, without the flags that its own
    modules set.

    Raises:
        SourceError: the batch can no longer be read.
    """
    with contained(batch.source), batch.source.open() as opened:
        return opened.identities.without(batch.flags)
