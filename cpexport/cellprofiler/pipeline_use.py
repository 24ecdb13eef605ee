"""Which pipelines made the outputs in a report."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from cpexport.imagesets import ImageSets, Union


@dataclass(frozen=True)
class PipelineUse:
    """A pipeline, and what it made.

    sha256: the digest of its modules and settings (`Pipeline.digest`); None if outputs do not tell.
    cellprofiler: the version of CellProfiler that ran it; None if outputs do not tell.
    batches: how many batches have image sets of it; in a plan, how many jobs.
    image_sets: those image sets; of several runs, the numbers that any of them has.
    """

    sha256: str | None
    cellprofiler: str | None
    batches: int
    image_sets: ImageSets

    def to_dict(self) -> dict[str, Any]:
        """The pipeline as JSON reports have it."""
        return {
            "sha256": self.sha256,
            "cellprofiler": self.cellprofiler,
            "batches": self.batches,
            "image_sets": str(self.image_sets),
        }


def pipelines_used(outputs: Iterable[PipelineUse]) -> tuple[PipelineUse, ...]:
    """Adds up outputs of the same pipeline and version; those without image sets do not count.

    The order is that of the outputs.

    >>> one = PipelineUse("ab", "4.2.8", 1, ImageSets.span(1, 4))
    >>> pipelines_used([one, PipelineUse("ab", "4.2.8", 1, ImageSets.span(5, 6))])
    (PipelineUse(sha256='ab', cellprofiler='4.2.8', batches=2, image_sets=ImageSets('1-6')),)
    """
    uses = PipelineUses()
    for output in outputs:
        uses.add(output)
    return uses.all


class PipelineUses:
    """Uses of pipelines that are added up one by one."""

    def __init__(self) -> None:
        self._batches: dict[tuple[str | None, str | None], int] = {}
        self._image_sets: dict[tuple[str | None, str | None], Union] = {}

    def add(self, use: PipelineUse) -> None:
        if use.image_sets:
            key = use.sha256, use.cellprofiler
            self._batches[key] = self._batches.get(key, 0) + use.batches
            self._image_sets.setdefault(key, Union()).add(use.image_sets)

    @property
    def all(self) -> tuple[PipelineUse, ...]:
        """As `pipelines_used` returns them."""
        return tuple(
            PipelineUse(*key, batches, self._image_sets[key].all)
            for key, batches in self._batches.items()
        )
