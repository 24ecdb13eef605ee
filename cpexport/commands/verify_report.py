"""The report of a verification: what was compared, and what differs."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

from cpexport.cellprofiler.pipeline_use import PipelineUse, pipelines_used
from cpexport.errors import LeftOut
from cpexport.loading.left_out import Missing
from cpexport.outcome import FAILED, stamped, status
from cpexport.verification.diff import Difference, Tally

SHOWN: Final = 10
"""How many image sets of one difference are listed."""


@dataclass(frozen=True)
class VerifyReport:
    """What was compared, and what differs.

    verified: how many batches agree with their outputs wholly.
    different: how many batches do not.
    not_loaded: outputs that the destination lacks.
    not_verified: what the destination holds from other outputs.
    tables: the compared tables, by name.
    missing: image sets that the destination lacks, by run if the destination numbers runs.
    pipelines: those that made what the destination holds.
    notes: for the user; nothing differs. For example, indexes that are missing.
    missing_ok: whether the exit status is 0 even if something is missing or was not compared.
    """

    destination: str
    verified: int
    different: int
    not_loaded: tuple[LeftOut, ...]
    not_verified: tuple[LeftOut, ...]
    tables: Mapping[str, Tally]
    differences: tuple[Difference, ...]
    missing: Mapping[str, Missing]
    seconds: float
    pipelines: tuple[PipelineUse, ...] = ()
    notes: tuple[str, ...] = ()
    missing_ok: bool = False

    @property
    def is_complete(self) -> bool:
        """Whether all outputs and everything in the destination was compared, and no image set is
        missing."""
        missing = any(gaps.image_sets for gaps in self.missing.values())
        return not (self.not_loaded or self.not_verified or missing)

    @property
    def exit_status(self) -> int:
        """0: everything matches. 1: something differs. 3: what was compared is the same, but
        something was not compared, or is missing."""
        return FAILED if self.differences else status(self.is_complete, self.missing_ok)

    def to_dict(self) -> dict[str, Any]:
        """The report as `cpexport verify --format json` prints it: lists, texts and numbers."""
        fields = {
            "destination": self.destination,
            "batches": {
                "verified": self.verified,
                "different": self.different,
                "not_loaded": [unseen.to_dict() for unseen in self.not_loaded],
                "not_verified": [unseen.to_dict() for unseen in self.not_verified],
            },
            "tables": {name: asdict(tally) for name, tally in self.tables.items()},
            "differences": [
                {
                    **({"run": difference.run} if difference.run else {}),
                    "batch": difference.batch,
                    "table": difference.table,
                    "column": difference.column,
                    "image_sets": list(difference.image_sets[:SHOWN]),
                    "count": len(difference.image_sets),
                    "what": difference.what,
                }
                for difference in self.differences
            ],
            "missing": [
                {
                    **({"run": run} if run else {}),
                    "image_sets": gaps.image_sets.to_list(),
                    "planned": gaps.planned,
                    "names": {str(n): str(name) for n, name in gaps.names.items()},
                }
                for run, gaps in self.missing.items()
                if gaps.image_sets
            ],
            "pipelines": [pipeline.to_dict() for pipeline in self.pipelines],
            "notes": list(self.notes),
            "seconds": round(self.seconds, 3),
        }
        return stamped(self.exit_status, fields)


def verified_together(
    runs: Sequence[VerifyReport], strange: Sequence[Difference], unseen: Sequence[LeftOut]
) -> VerifyReport:
    """Combines the verifications of all runs with what belongs to no run."""
    tables: dict[str, Tally] = {}
    for run in runs:
        for name, tally in run.tables.items():
            tables[name] = tables.get(name, Tally()) + tally
    return replace(
        runs[-1],
        verified=sum(run.verified for run in runs),
        different=sum(run.different for run in runs),
        not_loaded=tuple(outputs for run in runs for outputs in run.not_loaded),
        not_verified=(*(outputs for run in runs for outputs in run.not_verified), *unseen),
        tables=tables,
        differences=(*(difference for run in runs for difference in run.differences), *strange),
        missing={name: gaps for run in runs for name, gaps in run.missing.items()},
        seconds=sum(run.seconds for run in runs),
        notes=tuple(dict.fromkeys(note for run in runs for note in run.notes)),
        pipelines=pipelines_used(use for run in runs for use in run.pipelines),
    )
